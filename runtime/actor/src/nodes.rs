//! Memory for messages: blocks of two sizes, of which each thread keeps a few that it has freed.
//!
//! A burst of messages to an actor on the same thread is allocated as a whole before any of it is freed, which is what
//! general allocators are slowest at. A block may be freed on another thread than its own; that thread keeps it then. At
//! most [`KEPT_MAX`] blocks of each size are kept, 48 KiB a thread. What it is NOT: the owner of what is in them; read
//! `envelope.rs` and `ask_slot.rs` for that.
#![expect(unsafe_code, reason = "memory is allocated by hand, and linked while nobody uses it")]

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::Cell,
    ptr::{self, NonNull},
};

/// Blocks of a size that a thread keeps: as many messages as an actor takes in a turn.
const KEPT_MAX: u32 = 256;
/// The size of each kind of block.
const SIZES: [usize; 2] = [64, 128];
const ALIGN: usize = 16;

/// Where blocks of one size are kept.
struct Kept {
    first: Cell<*mut Free>,
    count: Cell<u32>,
    layout: Layout,
}

/// What is in a block that nobody uses.
struct Free {
    next: *mut Free,
}

const fn layout(size: usize) -> Layout {
    match Layout::from_size_align(size, ALIGN) {
        Ok(layout) => layout,
        Err(_) => panic!("the sizes are multiples of the alignment"),
    }
}

thread_local! {
    static KEPT: [Kept; SIZES.len()] = const { [Kept::new(SIZES[0]), Kept::new(SIZES[1])] };
}

impl Kept {
    const fn new(size: usize) -> Self {
        Self { first: Cell::new(ptr::null_mut()), count: Cell::new(0), layout: layout(size) }
    }

    #[inline]
    fn take(&self) -> Option<NonNull<u8>> {
        let block = NonNull::new(self.first.get())?;
        // SAFETY: only free blocks are in the list, each with its link.
        self.first.set(unsafe { block.as_ref() }.next);
        self.count.set(self.count.get() - 1);
        Some(block.cast())
    }

    /// Keeps a block; `false` if there are enough.
    ///
    /// # Safety
    /// The block is of this size, and nobody uses it.
    #[inline]
    unsafe fn keep(&self, block: NonNull<u8>) -> bool {
        if self.count.get() >= KEPT_MAX {
            return false;
        }
        let free = block.cast::<Free>();
        // SAFETY: the caller gives the block away, which is large and aligned enough.
        unsafe { free.write(Free { next: self.first.get() }) };
        self.first.set(free.as_ptr());
        self.count.set(self.count.get() + 1);
        true
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        while let Some(block) = self.take() {
            // SAFETY: it was allocated with this layout, and nobody uses it.
            unsafe { dealloc(block.as_ptr(), self.layout) };
        }
    }
}

/// The kind of block that a `T` goes into; `None` if it is too large for any.
const fn kind<T>() -> Option<usize> {
    if align_of::<T>() > ALIGN || size_of::<T>() > SIZES[1] {
        return None;
    }
    Some(if size_of::<T>() <= SIZES[0] { 0 } else { 1 })
}

/// The layout of the memory of a `T`.
const fn layout_of<T>() -> Layout {
    match kind::<T>() {
        Some(kind) => layout(SIZES[kind]),
        // As with a kind its size is not zero.
        None => Layout::new::<T>(),
    }
}

#[cold]
#[inline(never)]
fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: no layout here has size zero.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Puts a value in memory of its own, to be [taken](take) out again.
#[inline(always)]
pub(crate) fn put<T>(value: T) -> NonNull<T> {
    const { assert!(size_of::<T>() > 0, "a node has a head") };
    // While its thread ends there are none.
    let kept = const { kind::<T>() }.and_then(|at| KEPT.try_with(|kept| kept[at].take()).ok()?);
    let memory = kept.unwrap_or_else(|| allocate(const { layout_of::<T>() })).cast::<T>();
    // SAFETY: the memory is new or of nobody, and large and aligned enough.
    unsafe { memory.write(value) };
    memory
}

/// Takes a value out and frees its memory.
///
/// # Safety
/// `node` came from [`put`] with the same `T`; nobody else uses it.
#[inline(always)]
pub(crate) unsafe fn take<T>(node: NonNull<T>) -> T {
    // SAFETY: the caller says so; the memory is freed below, so that the value is read once.
    let value = unsafe { node.read() };
    // SAFETY: the value is out.
    unsafe { free(node) };
    value
}

/// Drops a value and frees its memory.
///
/// # Safety
/// As [`take`].
#[inline]
pub(crate) unsafe fn end<T>(node: NonNull<T>) {
    // SAFETY: the caller says so.
    unsafe { node.drop_in_place() };
    // SAFETY: the value is gone.
    unsafe { free(node) };
}

/// # Safety
/// As [`take`], and there is no value in it any more.
#[inline(always)]
unsafe fn free<T>(node: NonNull<T>) {
    let block = node.cast::<u8>();
    let kept = const { kind::<T>() }.is_some_and(|at| {
        // SAFETY: it is a block of this kind, and empty.
        KEPT.try_with(|kept| unsafe { kept[at].keep(block) }).unwrap_or(false)
    });
    if !kept {
        // SAFETY: it was allocated with this layout.
        unsafe { dealloc(block.as_ptr(), const { layout_of::<T>() }) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(at: usize) -> u32 {
        KEPT.with(|kept| kept[at].count.get())
    }

    #[test]
    fn what_is_put_is_taken_and_memory_is_reused() {
        let node = put([1_u64; 3]);
        let before = kept(0);
        // SAFETY: it was put just now.
        assert_eq!(unsafe { take(node) }, [1; 3]);
        assert_eq!(kept(0), before + 1);
        let again = put([7_u32; 16]);
        assert_eq!(again.cast(), node, "the last that was freed");
        // SAFETY: it was put just now.
        assert_eq!(unsafe { take(again) }, [7; 16]);
    }

    #[test]
    fn a_thread_keeps_so_many_blocks_and_none_for_what_is_large() {
        let nodes: Vec<_> = (0..KEPT_MAX + 8).map(|number| put([u64::from(number); 16])).collect();
        for (node, number) in nodes.into_iter().zip(0..) {
            // SAFETY: it was put above.
            assert_eq!(unsafe { take(node) }, [number; 16]);
        }
        assert_eq!(kept(1), KEPT_MAX);
        #[repr(align(64))]
        struct Wide(u8);
        let (large, wide) = (put([3_u8; 129]), put(Wide(4)));
        assert_eq!(wide.as_ptr().addr() % 64, 0);
        // SAFETY: both were put above.
        let large = unsafe { take(large) };
        // SAFETY: as above.
        let wide = unsafe { take(wide) };
        assert_eq!((large, wide.0), ([3; 129], 4));
        assert_eq!((kept(0), kept(1)), (0, KEPT_MAX));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a block changes threads on purpose")]
    fn a_block_may_be_freed_on_another_thread() {
        let node = put(Box::new(5)).as_ptr().expose_provenance();
        let taken = std::thread::spawn(move || {
            let node = NonNull::new(ptr::with_exposed_provenance_mut::<Box<i32>>(node)).unwrap();
            // SAFETY: it was put above, and nobody else knows it.
            (unsafe { take(node) }, kept(0))
        });
        assert_eq!(taken.join().unwrap(), (Box::new(5), 1));
    }
}
