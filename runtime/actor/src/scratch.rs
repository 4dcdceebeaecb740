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

/// Memory for one future; empty at first. It is one address, since it changes hands at the begin and the end of each turn,
/// and an idle actor pays for every byte of it: how large it is stands before the future.
#[derive(Default)]
pub(crate) struct Scratch(Option<NonNull<u8>>);

/// What stands before the memory.
#[derive(Clone, Copy)]
struct Size {
    bytes: usize,
    align: usize,
}

// SAFETY: it owns its memory and there is nothing in it between futures, which are `Send` themselves.
unsafe impl Send for Scratch {}

impl Scratch {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Of a piece that starts there.
    #[inline]
    fn size(start: NonNull<u8>) -> Size {
        // SAFETY: it was allocated below, with its size before its start.
        let size = unsafe { start.cast::<Size>().sub(1) };
        // SAFETY: it was written there, and nobody changes it.
        unsafe { size.read() }
    }

    /// Whether it is worth keeping for another actor.
    #[inline]
    pub(crate) fn is_keepable(&self) -> bool {
        self.0.is_some_and(|start| Self::size(start).bytes <= KEPT_BYTES_MAX)
    }

    /// Memory for `layout`; what was in there before is forgotten, so it must have been dropped.
    #[inline]
    pub(crate) fn reserve(&mut self, layout: Layout) -> NonNull<u8> {
        let fits = |start: &NonNull<u8>| {
            let Size { bytes, align } = Self::size(*start);
            layout.size() <= bytes && layout.align() <= align
        };
        match self.0.filter(fits) {
            Some(start) => start,
            None => self.grow(layout),
        }
    }

    /// Where the memory starts.
    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.0.unwrap_or(NONE)
    }

    #[cold]
    fn grow(&mut self, wanted: Layout) -> NonNull<u8> {
        if self.is_empty() && wanted.size() == 0 && wanted.align() <= STEP_ALIGN {
            return NONE;
        }
        let bytes = wanted.size().max(1).next_multiple_of(STEP_BYTES);
        let size = Size { bytes, align: wanted.align().max(STEP_ALIGN) };
        let (layout, before) = size.layout();
        // SAFETY: the size is at least 1.
        let memory = unsafe { alloc(layout) };
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        // SAFETY: there is so much in it, and more.
        let start = unsafe { memory.add(before) };
        // SAFETY: there is room for it before the start, which is aligned to more than it needs.
        let place = unsafe { start.cast::<Size>().sub(1) };
        // SAFETY: it is in the memory that was allocated just now.
        unsafe { place.write(size) };
        *self = Self(Some(start));
        start
    }
}

/// Where a future without state is.
const NONE: NonNull<u8> = NonNull::<u128>::dangling().cast();

impl Size {
    /// The whole piece, and how far its start is in it.
    fn layout(self) -> (Layout, usize) {
        const { assert!(size_of::<Self>() <= STEP_ALIGN && align_of::<Self>() <= STEP_ALIGN) };
        // The alignment is the least whole number of alignments that has room for the size.
        let Self { bytes, align } = self;
        let layout = Layout::from_size_align(align + bytes, align)
            .expect("a future's layout stays valid when it is rounded up to a few bytes more");
        (layout, align)
    }
}

impl Drop for Scratch {
    #[inline]
    fn drop(&mut self) {
        if let Some(start) = self.0 {
            free(start);
        }
    }
}

#[cold]
fn free(start: NonNull<u8>) {
    let (layout, before) = Scratch::size(start).layout();
    // SAFETY: the piece begins so far before its start.
    let memory = unsafe { start.sub(before) };
    // SAFETY: it was allocated with this very layout, and its owner is gone.
    unsafe { dealloc(memory.as_ptr(), layout) }
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
