#![expect(unsafe_code, reason = "an allocator hands out memory")]
//! The memory of a world: pieces of a few sizes, for the one thread that runs it.
//!
//! What it is: a global allocator for programs that run worlds. A thread that has [entered](Heap::enter) it takes small pieces
//! from a stretch of its own: the last of a size that was given back, or the next of the stretch. That is a dozen
//! instructions, where the C library needs a hundred, and a world takes and gives back some twenty pieces for each message. It
//! also keeps apart where a world's things lie and what other threads of its program take meanwhile. What it is NOT: for
//! large pieces, large alignments and all other threads, who have the system's allocator, as before; nor does it give memory
//! back, which a run of one world never wants. Read `state.rs` for what else a thread of a world has.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    marker::PhantomData,
    ptr::{self, NonNull},
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
};

/// The longest piece that is taken from the stretch, in bytes.
const PIECE_BYTES_MAX: usize = 32 << 10;

/// The largest alignment of one.
const ALIGN_MAX: usize = 16;

/// Up to here a size is rounded up to the next 16 bytes, and beyond to the next of four steps to its double.
const FINE_BYTES_MAX: usize = 1 << 10;
const FINE: usize = FINE_BYTES_MAX / 16;
const KINDS: usize = FINE + 1 + 4 * (PIECE_BYTES_MAX / FINE_BYTES_MAX).ilog2() as usize;

/// Addresses that the stretch may reach; memory behind them is there only as it is needed. What does not fit is the system's.
const STRETCH_BYTES_MAX: usize = 16 << 30;

/// How much memory is asked for at once: two huge pages, where the kernel has them.
const STEP_BYTES: usize = 4 << 20;

thread_local! {
    /// The stretch is this thread's.
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// A piece that was given back.
struct Free {
    next: *mut Self,
    /// Of one that another thread gave back.
    kind: usize,
}

/// What the thread has whose stretch it is.
struct Pieces {
    /// The end of what was handed out, and of the memory that is there.
    next: Cell<usize>,
    end: Cell<usize>,
    /// The stretch was asked for.
    was_asked_for: Cell<bool>,
    free: [Cell<*mut Free>; KINDS],
}

// SAFETY: all of it is used by the one thread that has entered; who enters next sees what the one before has done, by the flag.
unsafe impl Sync for Pieces {}

static PIECES: Pieces = Pieces {
    next: Cell::new(0),
    end: Cell::new(0),
    was_asked_for: Cell::new(false),
    free: [const { Cell::new(ptr::null_mut()) }; KINDS],
};

/// Where the stretch begins; zero before there is one.
static START: AtomicUsize = AtomicUsize::new(0);
/// A thread has entered.
static ENTERED: AtomicBool = AtomicBool::new(false);
/// What other threads gave back.
static ELSEWHERE: AtomicPtr<Free> = AtomicPtr::new(ptr::null_mut());

/// The allocator of a program that runs worlds: `#[global_allocator] static HEAP: Heap = Heap;`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

/// This thread takes small pieces from the stretch until this is dropped.
#[derive(Debug)]
#[must_use = "the thread leaves the stretch when this is dropped"]
pub struct InHeap(PhantomData<*const ()>);

impl Heap {
    /// Gives the stretch to this thread. `None` while another one has it: then this one has the system's allocator, as it
    /// also has where [`Heap`] is not the program's.
    pub fn enter() -> Option<InHeap> {
        if ENTERED.swap(true, Ordering::Acquire) {
            return None;
        }
        HERE.set(true);
        Some(InHeap(PhantomData))
    }
}

impl Drop for InHeap {
    fn drop(&mut self) {
        HERE.set(false);
        ENTERED.store(false, Ordering::Release);
    }
}

/// The kind of a piece for so many bytes, one at least.
#[inline(always)]
const fn kind_of(bytes: usize) -> usize {
    if bytes <= FINE_BYTES_MAX {
        return bytes.div_ceil(16);
    }
    let log = (bytes - 1).ilog2() as usize;
    let quarter = (bytes - 1) >> (log - 2) & 3;
    FINE + 1 + (log - FINE_BYTES_MAX.ilog2() as usize) * 4 + quarter
}

/// How long pieces of a kind are.
const fn bytes_of(kind: usize) -> usize {
    if kind <= FINE {
        return kind * 16;
    }
    let (double, quarter) = ((kind - FINE - 1) / 4, (kind - FINE - 1) % 4);
    (FINE_BYTES_MAX << double) / 4 * (quarter + 5)
}

#[inline(always)]
const fn is_small(layout: &Layout) -> bool {
    layout.size() <= PIECE_BYTES_MAX && layout.align() <= ALIGN_MAX
}

/// Whether it lies in the stretch.
#[inline(always)]
fn is_piece(at: *mut u8) -> bool {
    let start = START.load(Ordering::Relaxed);
    start != 0 && at.addr().wrapping_sub(start) < STRETCH_BYTES_MAX
}

impl Pieces {
    #[inline(always)]
    fn take(&self, kind: usize) -> *mut u8 {
        let head = self.free[kind].get();
        if head.is_null() {
            return self.cut(kind);
        }
        // SAFETY: what is in the list was given back, and nobody else has it.
        self.free[kind].set(unsafe { (*head).next });
        head.cast()
    }

    #[inline(always)]
    fn give(&self, at: *mut u8, kind: usize) {
        let piece: *mut Free = at.cast();
        // SAFETY: it was given back, and each kind has room for this.
        unsafe { (*piece).next = self.free[kind].get() };
        self.free[kind].set(piece);
    }

    /// Takes a piece from the end of the stretch; null if there is no memory.
    #[cold]
    #[inline(never)]
    fn cut(&self, kind: usize) -> *mut u8 {
        if !ELSEWHERE.load(Ordering::Relaxed).is_null() {
            self.collect();
            if !self.free[kind].get().is_null() {
                return self.take(kind);
            }
        }
        let (at, bytes) = (self.next.get(), bytes_of(kind));
        if self.end.get() - at < bytes && !self.grow() {
            return ptr::null_mut();
        }
        let at = self.next.get();
        self.next.set(at + bytes);
        ptr::with_exposed_provenance_mut(at)
    }

    /// Takes back what other threads had.
    fn collect(&self) {
        let mut next = ELSEWHERE.swap(ptr::null_mut(), Ordering::Acquire);
        while let Some(piece) = NonNull::new(next) {
            // SAFETY: it was given back, with its kind, and this thread alone has it now.
            let Free { next: after, kind } = unsafe { piece.read() };
            self.give(next.cast(), kind);
            next = after;
        }
    }

    /// Makes more of the stretch memory; whether there is some.
    fn grow(&self) -> bool {
        if START.load(Ordering::Relaxed) == 0 {
            // Where there is no room for it once, there is none.
            if self.was_asked_for.replace(true) {
                return false;
            }
            let Some(start) = reserve() else { return false };
            self.next.set(start);
            self.end.set(start);
            START.store(start, Ordering::Relaxed);
        }
        let (start, end) = (START.load(Ordering::Relaxed), self.end.get());
        if end + STEP_BYTES > start + STRETCH_BYTES_MAX || !provide(end) {
            return false;
        }
        self.end.set(end + STEP_BYTES);
        true
    }
}

/// Sets addresses aside, beside the program itself: where they are does not hang on what else is mapped.
#[cfg(target_os = "linux")]
fn reserve() -> Option<usize> {
    /// Behind the program and what it has mapped beside itself.
    const APART: usize = 1 << 40;
    let wanted = ((&raw const PIECES).addr() & !(STEP_BYTES - 1)) + APART;
    let map = |at: usize, flags: libc::c_int| {
        let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let bytes = STRETCH_BYTES_MAX + STEP_BYTES;
        let at = ptr::without_provenance_mut(at);
        // SAFETY: an anonymous mapping that replaces none.
        let mapped = unsafe { libc::mmap(at, bytes, libc::PROT_NONE, flags, -1, 0) };
        (mapped != libc::MAP_FAILED).then(|| mapped.expose_provenance())
    };
    // A kernel that does not know the flag takes the address for a wish.
    let start = map(wanted, libc::MAP_FIXED_NOREPLACE).or_else(|| map(0, 0))?;
    let start = start.next_multiple_of(STEP_BYTES);
    // SAFETY: it was mapped just now; advice changes no contents.
    unsafe {
        libc::madvise(
            ptr::with_exposed_provenance_mut(start),
            STRETCH_BYTES_MAX,
            libc::MADV_HUGEPAGE,
        )
    };
    Some(start)
}

/// Lets the next step of the stretch be memory.
#[cfg(target_os = "linux")]
fn provide(at: usize) -> bool {
    let at = ptr::with_exposed_provenance_mut(at);
    // SAFETY: it lies in what was set aside, and nothing is there yet.
    unsafe { libc::mprotect(at, STEP_BYTES, libc::PROT_READ | libc::PROT_WRITE) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn reserve() -> Option<usize> {
    None
}

#[cfg(not(target_os = "linux"))]
fn provide(_: usize) -> bool {
    false
}

/// Gives back a piece that another thread has taken.
#[cold]
fn give_elsewhere(at: *mut u8, kind: usize) {
    let piece: *mut Free = at.cast();
    // SAFETY: it was given back, and a piece that is as short as this is rounded up to its room.
    unsafe { piece.write(Free { next: ptr::null_mut(), kind }) };
    let mut head = ELSEWHERE.load(Ordering::Relaxed);
    loop {
        // SAFETY: as above; nobody has it before the exchange.
        unsafe { (*piece).next = head };
        match ELSEWHERE.compare_exchange_weak(head, piece, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

// SAFETY: a piece is handed out once until it is given back, is as long as its kind, which is its size at least, and lies at a
// multiple of 16, as the stretch begins at one and all kinds are some. All else is the system's, which keeps the contract.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if HERE.get() && is_small(&layout) {
            let piece = PIECES.take(kind_of(layout.size()));
            if !piece.is_null() {
                return piece;
            }
        }
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if HERE.get() && is_small(&layout) {
            // SAFETY: the caller keeps the contract.
            let piece = unsafe { self.alloc(layout) };
            if !piece.is_null() {
                // SAFETY: it is as long as that.
                unsafe { piece.write_bytes(0, layout.size()) };
            }
            return piece;
        }
        // SAFETY: the caller keeps the contract. Its fresh pages are zero untouched.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if !is_piece(at) {
            // SAFETY: it came from there.
            return unsafe { System.dealloc(at, layout) };
        }
        let kind = kind_of(layout.size());
        if HERE.get() {
            PIECES.give(at, kind);
        } else {
            give_elsewhere(at, kind);
        }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if !is_piece(at) {
            // SAFETY: it came from there, and the caller keeps the contract.
            return unsafe { System.realloc(at, layout, bytes) };
        }
        if bytes <= PIECE_BYTES_MAX && kind_of(bytes) == kind_of(layout.size()) {
            return at;
        }
        // SAFETY: the caller says that the size is none too large for the alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(bytes, layout.align()) };
        // SAFETY: its size is not zero, by the caller's contract.
        let other = unsafe { self.alloc(wanted) };
        if !other.is_null() {
            // SAFETY: both are as long as this, and no part of each other.
            unsafe { ptr::copy_nonoverlapping(at, other, layout.size().min(bytes)) };
            // SAFETY: it was taken with this layout, and is used no more.
            unsafe { self.dealloc(at, layout) };
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_a_kind_that_holds_it_and_wastes_a_quarter_at_most() {
        for bytes in 1..=PIECE_BYTES_MAX {
            let kind = kind_of(bytes);
            assert!(kind < KINDS, "{bytes}");
            let held = bytes_of(kind);
            assert!(held >= bytes && held < bytes + bytes / 4 + 16, "{bytes}: {held}");
            assert!(held.is_multiple_of(ALIGN_MAX) && kind_of(held) == kind, "{bytes}: {held}");
        }
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 8).expect("it is one")
    }

    /// One test, as there is one stretch.
    #[cfg(target_os = "linux")]
    #[test]
    fn who_has_entered_takes_pieces_and_everybody_may_give_them_back() {
        let take = |bytes| {
            // SAFETY: the size is not zero.
            unsafe { Heap.alloc(layout(bytes)) }
        };
        let give = |at, bytes| {
            // SAFETY: it was taken with this layout, and is used no more.
            unsafe { Heap.dealloc(at, layout(bytes)) }
        };
        let outside = take(64);
        assert!(!is_piece(outside), "nobody has entered");
        let inside = Heap::enter().expect("nobody else has");
        assert!(Heap::enter().is_none(), "once");
        let (a, b) = (take(64), take(60));
        assert!(is_piece(a) && is_piece(b) && a != b);
        assert!(a.addr().is_multiple_of(ALIGN_MAX));
        give(b, 60);
        assert_eq!(take(50), b, "the last that was given back, of the same kind");
        let large = take(PIECE_BYTES_MAX + 1);
        assert!(!is_piece(large));
        // SAFETY: it is a piece of 64 bytes, all of them ours.
        unsafe { a.write_bytes(7, 64) };
        // SAFETY: it was taken with this layout.
        let same = unsafe { Heap.realloc(a, layout(64), 49) };
        assert_eq!(same, a);
        // SAFETY: as above.
        let longer = unsafe { Heap.realloc(a, layout(49), 40_000) };
        // SAFETY: it is longer than this.
        let kept = unsafe { std::slice::from_raw_parts(longer, 49) };
        assert!(!is_piece(longer) && kept.iter().all(|byte| *byte == 7));
        let far = take(64);
        give(outside, 64);
        drop(inside);
        // Outside again, as another thread is.
        give(far, 64);
        assert!(!is_piece(take(64)));
        let _inside = Heap::enter().expect("it was left");
        let pieces: Vec<_> = std::iter::repeat_with(|| take(64)).take(3).collect();
        assert!(pieces.contains(&far), "it was taken back");
        pieces.into_iter().for_each(|piece| give(piece, 64));
        give(large, PIECE_BYTES_MAX + 1);
        give(longer, 40_000);
        give(b, 50);
    }
}
