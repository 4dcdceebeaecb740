//! The bound on an archive's depth, around rkyv's own check of pointers and lengths.
//!
//! rkyv's validator has a bound of its own, whose error does not say what happened. Data comes from `payload.rs`; read
//! `codec.rs` for what happens when the check has passed.

use std::{alloc::Layout, error::Error, fmt, ops::Range};

use rkyv::{
    rancor::{Source, fail},
    validation::{ArchiveContext, archive::ArchiveValidator},
};

/// How deep an archive may nest: 64 levels, of which the message itself is the first and every pointer adds one.
///
/// Checking, reading and dropping recurse, so an unbounded archive of a recursive type could overflow the stack and
/// end the program. 64 levels are far above what messages need and use a few kilobytes of stack.
pub const ARCHIVE_DEPTH_MAX: usize = 64;

/// The state of one check.
pub struct Check<'a> {
    archive: ArchiveValidator<'a>,
    levels_left: usize,
    #[cfg_attr(not(feature = "serde"), expect(dead_code, reason = "only such parts ask"))]
    reads_parts: bool,
}

impl<'a> Check<'a> {
    /// Of an archive that is read in place: parts that only reading shows to be good are read as well.
    pub(crate) fn of_view(bytes: &'a [u8]) -> Self {
        Self { reads_parts: true, ..Self::of_value(bytes) }
    }

    /// Of an archive that a value is made of at once, which reads all parts.
    pub(crate) fn of_value(bytes: &'a [u8]) -> Self {
        let archive = ArchiveValidator::new(bytes);
        Self { archive, levels_left: ARCHIVE_DEPTH_MAX, reads_parts: false }
    }

    /// Whether a part that travels by serde is to be read now.
    #[cfg(feature = "serde")]
    pub(crate) fn reads_parts(&self) -> bool {
        self.reads_parts
    }
}

#[derive(Debug)]
struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it nests deeper than {ARCHIVE_DEPTH_MAX} levels; send a list in place of a chain"
        )
    }
}

impl Error for TooDeep {}

#[expect(
    unsafe_code,
    reason = "rkyv declares the trait unsafe; every call is passed on to its own validator"
)]
// SAFETY: every answer comes from rkyv's `ArchiveValidator`, which keeps the contract of the trait; what is added here
// only refuses more.
unsafe impl<E: Source> ArchiveContext<E> for Check<'_> {
    fn check_subtree_ptr(&mut self, ptr: *const u8, layout: &Layout) -> Result<(), E> {
        self.archive.check_subtree_ptr(ptr, layout)
    }

    unsafe fn push_subtree_range(
        &mut self,
        root: *const u8,
        end: *const u8,
    ) -> Result<Range<usize>, E> {
        match self.levels_left.checked_sub(1) {
            Some(left) => self.levels_left = left,
            None => fail!(TooDeep),
        }
        // SAFETY: the caller keeps the contract of this method, which is the validator's.
        unsafe { self.archive.push_subtree_range(root, end) }
    }

    unsafe fn pop_subtree_range(&mut self, range: Range<usize>) -> Result<(), E> {
        self.levels_left += 1;
        // SAFETY: the caller keeps the contract of this method, which is the validator's.
        unsafe { self.archive.pop_subtree_range(range) }
    }
}
