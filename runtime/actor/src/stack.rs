//! The lock-free stack under mailbox and run queue: many push, one takes everything.
//!
//! A Treiber stack (R. K. Treiber, "Systems programming: coping with parallelism", 1986) linked through the nodes
//! themselves, whose top also says whether the receiver is asleep or gone. The receiver takes the whole stack with one
//! swap and turns it round, so that each sender's nodes keep their order. What it is NOT: an owner; who pushes gives a
//! node away and who takes has it. `mailbox.rs` and `run_queue.rs` say what the nodes are; `loom_models.rs` runs it in
//! all orders.
#![expect(unsafe_code, reason = "the queue is linked through the nodes themselves")]

use std::{
    ptr::{self, NonNull},
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed},
};

use super::sync::AtomicPtr;

/// The top of an empty stack whose receiver must be woken by the next push. No node has this address.
const ASLEEP: usize = 1;
/// The top of a stack that takes nothing any more.
const CLOSED: usize = 2;
/// The top of an empty stack whose next push is noted; also beside [`ASLEEP`].
const NOTED: usize = 4;
/// Below are the tops that are no nodes, which are aligned to this.
const NODES: usize = 8;

fn mark<T>(value: usize) -> *mut T {
    ptr::without_provenance_mut(value)
}

/// What can be linked.
///
/// # Safety
/// `link` answers the same place each time, which nobody writes but whoever owns the node.
pub(crate) unsafe trait Linked: Sized {
    /// Where the node below in a stack stands, or the one behind in a list.
    fn link(&self) -> &AtomicPtr<Self>;
}

/// What became of a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Landed {
    /// It is in; the receiver is awake or already woken.
    Queued,
    /// It is in, and the pusher must wake the receiver.
    Woke,
    /// The stack is closed; the node is still the pusher's.
    Closed,
}

pub(crate) struct Stack<T> {
    top: AtomicPtr<T>,
}

impl<T: Linked> Stack<T> {
    /// An empty stack whose receiver is awake.
    pub(crate) fn new() -> Self {
        Self { top: AtomicPtr::new(ptr::null_mut()) }
    }

    /// An empty stack, whose receiver sleeps or is awake.
    #[inline]
    pub(crate) fn at_rest(asleep: bool) -> Self {
        Self { top: AtomicPtr::new(if asleep { mark(ASLEEP) } else { ptr::null_mut() }) }
    }

    /// Pushes a node; `note` is called before, if the stack is [marked](Self::mark).
    ///
    /// # Safety
    /// The caller owns the node, and gives it away unless the answer is [`Landed::Closed`].
    #[inline]
    pub(crate) unsafe fn push(&self, node: NonNull<T>, note: impl Fn()) -> Landed {
        const { assert!(align_of::<T>() >= NODES, "the tops that are no nodes have room") };
        let mut top = self.top.load(Relaxed);
        loop {
            if top.addr() == CLOSED {
                return Landed::Closed;
            }
            let is_node = top.addr() >= NODES;
            let asleep = !is_node && top.addr() & ASLEEP != 0;
            if !is_node && top.addr() & NOTED != 0 {
                note();
            }
            let below = if is_node { top } else { ptr::null_mut() };
            // SAFETY: the node is still the caller's alone: it is published by the exchange below.
            unsafe { node.as_ref() }.link().store(below, Relaxed);
            match self.top.compare_exchange_weak(top, node.as_ptr(), AcqRel, Relaxed) {
                Ok(_) if asleep => return Landed::Woke,
                Ok(_) => return Landed::Queued,
                Err(now) => top = now,
            }
        }
    }

    /// Takes everything: the oldest node, from which [`next`] leads to the others, and the youngest. Only the receiver calls
    /// it.
    #[inline]
    pub(crate) fn take(&self) -> Option<(NonNull<T>, NonNull<T>)> {
        if self.top.load(Relaxed).addr() < NODES {
            return None;
        }
        turned(self.top.swap(ptr::null_mut(), Acquire))
    }

    /// The newest node, from which [`next`] leads to the older ones; all stay where they are. Only the receiver calls it,
    /// and takes nothing while it looks.
    pub(crate) fn newest(&self) -> Option<NonNull<T>> {
        let top = self.top.load(Acquire);
        if top.addr() < NODES { None } else { NonNull::new(top) }
    }

    /// Lets the next push say that the receiver must be woken; `false` if something came in meanwhile. Only the
    /// receiver calls it.
    #[inline]
    pub(crate) fn sleep(&self) -> bool {
        if self.is_only_asleep() {
            return true;
        }
        match self.top.compare_exchange(ptr::null_mut(), mark(ASLEEP), AcqRel, Relaxed) {
            Ok(_) => true,
            Err(top) if top.addr() == NOTED => self.sleep_noted(),
            Err(top) => top.addr() < NODES,
        }
    }

    /// As [`sleep`](Self::sleep), of a stack that is marked.
    #[cold]
    fn sleep_noted(&self) -> bool {
        match self.top.compare_exchange(mark(NOTED), mark(ASLEEP | NOTED), AcqRel, Relaxed) {
            Ok(_) => true,
            Err(top) => top.addr() < NODES,
        }
    }

    /// Lets the next push be noted; `false` if the stack is not empty. Only the receiver calls it.
    pub(crate) fn mark(&self) -> bool {
        let top = self.top.load(Relaxed);
        match top.addr() {
            0 | ASLEEP => {
                let noted = mark(top.addr() | NOTED);
                self.top.compare_exchange(top, noted, AcqRel, Relaxed).is_ok()
            }
            top => top < NODES && top & NOTED != 0,
        }
    }

    /// Undoes [`mark`](Self::mark) of a stack whose receiver sleeps; `false` if it is not so. Only the receiver's thread calls
    /// it.
    pub(crate) fn unmark(&self) -> bool {
        let noted = mark(ASLEEP | NOTED);
        self.top.load(Relaxed) == noted
            && self.top.compare_exchange(noted, mark(ASLEEP), AcqRel, Relaxed).is_ok()
    }

    /// Whether the receiver sleeps and the next push is not noted. Certain for the receiver only.
    #[inline]
    pub(crate) fn is_only_asleep(&self) -> bool {
        self.top.load(Relaxed).addr() == ASLEEP
    }

    /// Whether nothing is in, nothing is noted and it is not closed, and if so, whether the receiver sleeps. Certain for
    /// the receiver only, and about what the caller has pushed before.
    #[inline]
    pub(crate) fn is_clear(&self) -> Option<bool> {
        match self.top.load(Relaxed).addr() {
            0 => Some(false),
            ASLEEP => Some(true),
            _ => None,
        }
    }

    /// Whether nothing is in. Only a hint.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.top.load(Relaxed).addr() < NODES
    }

    /// Undoes [`sleep`](Self::sleep), unless a push has done so. Only the receiver calls it.
    pub(crate) fn rouse(&self) {
        if !self.is_only_asleep() {
            return;
        }
        // Whatever else is there now does not sleep.
        let _ = self.top.compare_exchange(mark(ASLEEP), ptr::null_mut(), AcqRel, Relaxed);
    }

    /// Takes nothing any more; what was in comes out, as from [`take`](Self::take).
    pub(crate) fn close(&self) -> Option<(NonNull<T>, NonNull<T>)> {
        turned(self.top.swap(mark(CLOSED), AcqRel))
    }

    /// Whether the next push must wake the receiver. Only a hint.
    pub(crate) fn is_asleep(&self) -> bool {
        let top = self.top.load(Relaxed).addr();
        top < NODES && top & ASLEEP != 0
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.top.load(Relaxed).addr() == CLOSED
    }
}

/// Turns a stack round that was just taken as a whole: the oldest node and the youngest.
fn turned<T: Linked>(top: *mut T) -> Option<(NonNull<T>, NonNull<T>)> {
    let mut rest = if top.addr() < NODES { ptr::null_mut() } else { top };
    let last = NonNull::new(rest)?;
    let mut first = ptr::null_mut();
    while let Some(node) = NonNull::new(rest) {
        // SAFETY: the stack was taken as a whole, so its nodes are alive and the taker's.
        let link = unsafe { node.as_ref() }.link();
        rest = link.load(Relaxed);
        link.store(first, Relaxed);
        first = node.as_ptr();
    }
    NonNull::new(first).map(|first| (first, last))
}

/// The node behind one that was taken.
///
/// # Safety
/// The caller owns the node, or looks at a stack from its [`newest`](Stack::newest).
#[inline]
pub(crate) unsafe fn next<T: Linked>(node: NonNull<T>) -> Option<NonNull<T>> {
    // SAFETY: the caller says so.
    NonNull::new(unsafe { node.as_ref() }.link().load(Relaxed))
}
