//! Memory for messages: blocks of two sizes, of which each thread keeps a few that it has freed.
//!
//! A burst of messages to an actor on the same thread is allocated as a whole before any of it is freed, which is what
//! general allocators are slowest at. A block may be freed on another thread than its own; that thread keeps it then, and
//! leaves a whole chain of them at a time in a depot, where threads that send more than they receive find them: the
//! magazines of Bonwick and Adams (Magazines and Vmem, USENIX 2001). A thread keeps at most two chains of each size,
//! 48 KiB; the depot 64, 1.5 MiB. What it is NOT: the owner of what is in them; read `envelope.rs` and `ask_slot.rs` for
//! that.
#![expect(unsafe_code, reason = "memory is allocated by hand, and linked while nobody uses it")]

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::Cell,
    ptr::{self, NonNull},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// Blocks of a chain: two of them are as many messages as an actor takes in a turn.
const CHAIN_BLOCKS: u32 = 128;
/// Chains of a size in the depot: for some senders that are ahead by a full mailbox.
const CHAINS_MAX: usize = 64;
/// The size of each kind of block.
const SIZES: [usize; 2] = [64, 128];
const ALIGN: usize = 16;

/// Where blocks of one size are kept.
struct Kept {
    first: Cell<*mut Free>,
    count: Cell<u32>,
    /// One more chain, so that a thread about its bound does not go to the depot each time.
    spare: Cell<Option<Chain>>,
    /// Which size.
    kind: usize,
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
    static KEPT: [Kept; SIZES.len()] = const { [Kept::new(0), Kept::new(1)] };
}

/// Chains that threads which free more than they need have left for those which need more than they free.
static DEPOT: [Depot; SIZES.len()] = [const { Depot::new() }; SIZES.len()];

/// Blocks of one size that hang together, and belong to whoever has this.
struct Chain(NonNull<Free>);

// SAFETY: it owns its blocks, which any thread may use or free.
unsafe impl Send for Chain {}

impl Chain {
    /// Gives the blocks back to the allocator.
    fn free(self, layout: Layout) {
        let mut rest = Some(self.0);
        while let Some(block) = rest {
            // SAFETY: the chain owns its blocks, each with its link.
            rest = NonNull::new(unsafe { block.as_ref() }.next);
            // SAFETY: it was allocated with this layout, and nobody uses it.
            unsafe { dealloc(block.cast().as_ptr(), layout) };
        }
    }
}

struct Depot {
    /// How many there are, to be looked at without the lock.
    count: AtomicUsize,
    chains: Mutex<Vec<Chain>>,
}

impl Depot {
    const fn new() -> Self {
        Self { count: AtomicUsize::new(0), chains: Mutex::new(Vec::new()) }
    }

    /// Takes a chain in; it comes back if there are enough.
    fn put(&self, chain: Chain) -> Option<Chain> {
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        if chains.len() >= CHAINS_MAX {
            return Some(chain);
        }
        chains.push(chain);
        self.count.store(chains.len(), Relaxed);
        None
    }

    fn take(&self) -> Option<Chain> {
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        let chain = chains.pop();
        self.count.store(chains.len(), Relaxed);
        chain
    }
}

impl Kept {
    const fn new(kind: usize) -> Self {
        Self {
            first: Cell::new(ptr::null_mut()),
            count: Cell::new(0),
            spare: Cell::new(None),
            kind,
        }
    }

    #[inline]
    fn take(&self) -> Option<NonNull<u8>> {
        match NonNull::new(self.first.get()) {
            Some(block) => Some(self.pop(block)),
            None => self.take_more(),
        }
    }

    /// Takes the first block, which this is.
    #[inline]
    fn pop(&self, block: NonNull<Free>) -> NonNull<u8> {
        // SAFETY: only free blocks are in the list, each with its link.
        self.first.set(unsafe { block.as_ref() }.next);
        self.count.set(self.count.get() - 1);
        block.cast()
    }

    #[cold]
    fn take_more(&self) -> Option<NonNull<u8>> {
        let Chain(block) = self.spare.take().or_else(|| DEPOT[self.kind].take())?;
        self.count.set(CHAIN_BLOCKS);
        Some(self.pop(block))
    }

    /// Keeps a block, or leaves others for other threads.
    ///
    /// # Safety
    /// The block is of this size, and nobody uses it.
    #[inline]
    unsafe fn keep(&self, block: NonNull<u8>) {
        if self.count.get() >= CHAIN_BLOCKS {
            self.leave();
        }
        let free = block.cast::<Free>();
        // SAFETY: the caller gives the block away, which is large and aligned enough.
        unsafe { free.write(Free { next: self.first.get() }) };
        self.first.set(free.as_ptr());
        self.count.set(self.count.get() + 1);
    }

    /// Puts the list aside as a whole chain.
    #[cold]
    fn leave(&self) {
        self.count.set(0);
        let full = NonNull::new(self.first.replace(ptr::null_mut())).map(Chain);
        if let Some(other) = self.spare.replace(full)
            && let Some(other) = DEPOT[self.kind].put(other)
        {
            other.free(layout(SIZES[self.kind]));
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let first = NonNull::new(self.first.replace(ptr::null_mut())).map(Chain);
        for chain in [first, self.spare.take()].into_iter().flatten() {
            chain.free(layout(SIZES[self.kind]));
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
        KEPT.try_with(|kept| unsafe { kept[at].keep(block) }).is_ok()
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
        let many = 5 * CHAIN_BLOCKS;
        let nodes: Vec<_> = (0..many).map(|number| put([u64::from(number); 16])).collect();
        for (node, number) in nodes.into_iter().zip(0..) {
            // SAFETY: it was put above.
            assert_eq!(unsafe { take(node) }, [number; 16]);
        }
        assert!((1..=CHAIN_BLOCKS).contains(&kept(1)), "{}", kept(1));
        let left = DEPOT[1].count.load(Relaxed);
        assert!((1..=CHAINS_MAX).contains(&left), "{left}");
        let before = (kept(0), kept(1));
        #[repr(align(64))]
        struct Wide(u8);
        let (large, wide) = (put([3_u8; 129]), put(Wide(4)));
        assert_eq!(wide.as_ptr().addr() % 64, 0);
        // SAFETY: both were put above.
        let large = unsafe { take(large) };
        // SAFETY: as above.
        let wide = unsafe { take(wide) };
        assert_eq!((large, wide.0), ([3; 129], 4));
        assert_eq!((kept(0), kept(1)), before);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "blocks change threads on purpose")]
    fn what_one_thread_frees_another_uses() {
        let many = 8 * CHAIN_BLOCKS;
        let sent = |number: u32| put([u128::from(number); 4]).as_ptr().expose_provenance();
        for _ in 0..3 {
            let nodes = (0..many).map(sent).collect::<Vec<_>>();
            let run = move || {
                for (node, number) in nodes.into_iter().zip(0..) {
                    let node = NonNull::new(ptr::with_exposed_provenance_mut(node)).unwrap();
                    // SAFETY: it was put by the other thread, which has given it away.
                    assert_eq!(unsafe { take::<[u128; 4]>(node) }, [number; 4]);
                }
            };
            std::thread::spawn(run).join().unwrap();
        }
        // Other tests may have filled it, and may be at it.
        let chains = DEPOT[0].chains.lock().unwrap();
        assert!(chains.len() <= CHAINS_MAX);
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
