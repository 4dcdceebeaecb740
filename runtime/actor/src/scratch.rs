//! A reusable piece of memory that one future at a time is built in.
//!
//! Workers keep a few and lend one to each actor whose turn it is; an actor whose handler waits keeps it. So a handler
//! that does not wait allocates nothing, and an idle actor holds nothing. Read `future_slot.rs` next.
#![expect(unsafe_code, reason = "memory of any layout is allocated by hand")]

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    ptr::NonNull,
};

/// Larger pieces are not kept for the next actor: 16 KiB is far above usual futures.
const KEPT_BYTES_MAX: usize = 16 * 1024;
/// Pieces are allocated in multiples of this, so that a slightly larger future needs no new one.
const STEP_BYTES: usize = 128;
const STEP_ALIGN: usize = 16;

/// Memory for one future; empty at first.
pub(crate) struct Scratch {
    start: NonNull<u8>,
    /// Its size in steps, for an idle actor pays for every byte here. 0 means: nothing is allocated, and `start` is only
    /// aligned.
    steps: u32,
    /// Its alignment; the compiler allows 2^29 at most.
    align: u32,
}

// SAFETY: it owns its memory and there is nothing in it between futures, which are `Send` themselves.
unsafe impl Send for Scratch {}

impl Default for Scratch {
    fn default() -> Self {
        Self { start: NonNull::<u128>::dangling().cast(), steps: 0, align: STEP_ALIGN as u32 }
    }
}

impl Scratch {
    pub(crate) fn is_empty(&self) -> bool {
        self.steps == 0
    }

    fn bytes(&self) -> usize {
        self.steps as usize * STEP_BYTES
    }

    /// Whether it is worth keeping for another actor.
    pub(crate) fn is_keepable(&self) -> bool {
        !self.is_empty() && self.bytes() <= KEPT_BYTES_MAX
    }

    /// Memory for `layout`; what was in there before is forgotten, so it must have been dropped.
    #[inline]
    pub(crate) fn reserve(&mut self, layout: Layout) -> NonNull<u8> {
        if layout.size() > self.bytes() || layout.align() > self.align as usize {
            *self = Self::allocate(layout);
        }
        self.start
    }

    /// Where the memory starts.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    #[cold]
    fn allocate(wanted: Layout) -> Self {
        let size = wanted.size().max(1).next_multiple_of(STEP_BYTES);
        let layout = layout(size, wanted.align().max(STEP_ALIGN));
        // SAFETY: the size is at least 1.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        let steps =
            u32::try_from(size / STEP_BYTES).expect("no machine has 512 GiB for one future");
        Self { start, steps, align: layout.align() as u32 }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_empty() {
            let layout = layout(self.bytes(), self.align as usize);
            // SAFETY: it was allocated with this very layout.
            unsafe { dealloc(self.start.as_ptr(), layout) }
        }
    }
}

fn layout(bytes: usize, align: usize) -> Layout {
    Layout::from_size_align(bytes, align)
        .expect("a future's layout stays valid when it is rounded up to a few bytes more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_reused_and_grows() {
        let mut scratch = Scratch::default();
        let first = scratch.reserve(Layout::new::<[u64; 3]>());
        assert_eq!(scratch.reserve(Layout::new::<[u64; 5]>()), first);
        let large = Layout::from_size_align(4000, 64).unwrap();
        assert_eq!(scratch.reserve(large).as_ptr().addr() % 64, 0);
        assert!(scratch.is_keepable());
        scratch.reserve(Layout::from_size_align(1 << 20, 16).unwrap());
        assert!(!scratch.is_keepable());
    }

    #[test]
    fn nothing_is_allocated_for_a_future_without_state() {
        let mut scratch = Scratch::default();
        scratch.reserve(Layout::new::<()>());
        assert!(scratch.is_empty());
    }
}
