//! A bound on archives for as long as one is tried out: whether a value is large is known only when it is archived.
//!
//! What it is: [`archive_within`], by which whoever archives into a shared buffer gives up early and archives a large value
//! elsewhere. What it is NOT: a bound on what may be sent; that is the transport's. `codec.rs` asks it.

use std::cell::Cell;

thread_local! {
    static CEILING: Cell<Ceiling> = const { Cell::new(Ceiling { bytes_max: usize::MAX, hit: false }) };
}

#[derive(Clone, Copy)]
struct Ceiling {
    bytes_max: usize,
    hit: bool,
}

/// Puts the ceiling back that was there before, also when a value panics while it is archived.
struct Before(Ceiling);

impl Drop for Before {
    fn drop(&mut self) {
        CEILING.set(self.0);
    }
}

/// Runs `archive`, in which no archive may be longer than `bytes_max` on this thread; says as well whether one would have
/// been. What failed for that reason alone is to be archived again without a ceiling.
pub fn archive_within<R>(bytes_max: usize, archive: impl FnOnce() -> R) -> (R, bool) {
    let before = Before(CEILING.replace(Ceiling { bytes_max, hit: false }));
    let result = archive();
    let hit = CEILING.get().hit;
    drop(before);
    (result, hit)
}

/// The longest that an archive may become now.
pub(crate) fn ceiling() -> usize {
    CEILING.get().bytes_max
}

/// An archive would have been longer.
#[cold]
pub(crate) fn hit_ceiling() {
    CEILING.set(Ceiling { hit: true, ..CEILING.get() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Wire;

    #[test]
    fn a_long_archive_is_given_up_and_leaves_no_trace() {
        let (short, long) = (vec![1_u8; 100], vec![1_u8; 5000]);
        let mut out = vec![7; 16];
        let (result, hit) = archive_within(1000, || short.archive(&mut out));
        assert!(result.is_ok() && !hit);
        let before = out.clone();
        let (result, hit) = archive_within(1000, || long.archive(&mut out));
        assert!(result.is_err() && hit);
        assert_eq!(out, before);
        assert!(long.archive(&mut out).is_ok(), "the ceiling is gone");
    }

    #[test]
    fn a_panic_takes_the_ceiling_away() {
        let caught = std::panic::catch_unwind(|| archive_within(10, || panic!("as told")));
        assert!(caught.is_err());
        assert_eq!(ceiling(), usize::MAX);
    }
}
