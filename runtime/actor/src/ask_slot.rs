//! A local ask: message, reply and waker in one allocation that asker and actor share.
//!
//! The node is an envelope on the actor's side and an [`AskHandle`] on the asker's. Each side lets go once; the second
//! frees it. The actor claims the ask when its turn comes, the asker may give up at any time: whichever comes first
//! decides, so that the asker knows for certain whether the message ran. What it is NOT: the deadline, or the waiting
//! for room; read `ask.rs`.
#![expect(unsafe_code, reason = "two threads share one node whose parts change hands by its state")]

use std::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem,
    ptr::NonNull,
    sync::atomic::{
        AtomicU8,
        Ordering::{AcqRel, Acquire},
    },
    task::{Context, Poll, Waker},
};

use odeon_message::{Certainty, Failure, FailureKind, Message};
use tokio::time::Instant;

use crate::{
    Handler,
    cell::CellHead,
    envelope::{Envelope, EnvelopeCalls, Head},
    future_slot::Sink,
    life,
    stats::count,
    turn::Turn,
};

/// The actor has claimed the message: its handler begins.
const CLAIMED: u8 = 1;
/// The body holds the result, which is the asker's now.
const DONE: u8 = 2;
/// The waker is set, and the actor may use it once it is done.
const WAKER: u8 = 4;
/// The asker does not want the result any more.
const GIVEN_UP: u8 = 8;
/// The asker has let go of the node.
const ASKER_GONE: u8 = 16;
/// The actor has let go of the node.
const ACTOR_GONE: u8 = 32;

/// What the node carries, first one way, then the other.
enum Body<M: Message> {
    Message(M),
    Empty,
    Result(Result<M::Output, Failure>),
}

#[repr(C)]
struct AskNode<M: Message> {
    head: Head,
    /// After it the message does not run.
    deadline: Option<Instant>,
    state: AtomicU8,
    /// The asker's until it sets `WAKER`; then it is read by both until `DONE`, and the asker's again.
    waker: UnsafeCell<Option<Waker>>,
    /// The actor's until it sets `DONE`, then the asker's.
    body: UnsafeCell<Body<M>>,
}

/// A node, alive until both sides have let go.
struct NodePtr<M: Message>(NonNull<AskNode<M>>);

impl<M: Message> Clone for NodePtr<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Message> Copy for NodePtr<M> {}

impl<M: Message> NodePtr<M> {
    /// # Safety
    /// The calling side has not let go.
    unsafe fn get<'a>(self) -> &'a AskNode<M> {
        // SAFETY: the caller says so, and the node lives as long as one side holds it.
        unsafe { self.0.as_ref() }
    }

    /// One side lets go; the second frees the node.
    ///
    /// # Safety
    /// The calling side has not let go, and does not touch the node after it.
    unsafe fn release(self, mine: u8, other: u8) {
        // SAFETY: the caller says so.
        let before = unsafe { self.get() }.state.fetch_or(mine, AcqRel);
        if before & other != 0 {
            // SAFETY: both sides have let go, this one second.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }

    /// The actor's side ends with a result, and lets go.
    ///
    /// # Safety
    /// The actor's side holds the node and has not finished it.
    unsafe fn finish(self, result: Result<M::Output, Failure>) {
        // SAFETY: the caller says so.
        let node = unsafe { self.get() };
        // SAFETY: the body is the actor's until `DONE` is set.
        let old = mem::replace(unsafe { &mut *node.body.get() }, Body::Result(result));
        let before = node.state.fetch_or(DONE, AcqRel);
        let waker = if before & (WAKER | GIVEN_UP) == WAKER {
            // SAFETY: `WAKER` was set before `DONE`, so the asker only reads it from now on.
            unsafe { &*node.waker.get() }.clone()
        } else {
            None
        };
        // SAFETY: the caller says so; nothing of the node is used below.
        unsafe { self.release(ACTOR_GONE, ASKER_GONE) };
        if let Some(waker) = waker {
            waker.wake();
        }
        // A refused message, dropped last: its destructor is foreign code.
        drop(old);
    }
}

/// The table of asks of `M` to `A`, and the sink of their handlers.
struct Asks<A, M>(PhantomData<(A, M)>);

impl<A: Handler<M>, M: Message> Asks<A, M> {
    const CALLS: &'static EnvelopeCalls =
        &EnvelopeCalls { start: Self::start, refuse: Self::refuse };

    unsafe fn start(head: NonNull<Head>, cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
        let ptr = NodePtr::<M>(head.cast());
        // SAFETY: the envelope is the actor's hold on the node.
        let node = unsafe { ptr.get() };
        let expired = node.deadline.is_some_and(|deadline| turn.now() >= deadline);
        // An expired ask is not claimed, so that an asker who gives up right now is told the truth.
        if expired || node.state.fetch_or(CLAIMED, AcqRel) & GIVEN_UP != 0 {
            count(&turn.worker.system().counters().skipped);
            let late = Failure::not_delivered(FailureKind::Deadline, "it waited in the mailbox");
            // SAFETY: as above; it was not finished.
            unsafe { ptr.finish(Err(late)) };
            return true;
        }
        // SAFETY: the body is the actor's until `DONE` is set.
        let body = mem::replace(unsafe { &mut *node.body.get() }, Body::Empty);
        let Body::Message(message) = body else { return true };
        // SAFETY: the caller keeps the contract of the turn; the target is what the sink expects.
        unsafe { life::handle::<A, M, Self>(cell, head.as_ptr().cast(), message, turn) }
    }

    unsafe fn refuse(head: NonNull<Head>, failure: &Failure) {
        // SAFETY: the envelope is the actor's hold on the node, and it was not finished.
        unsafe { NodePtr::<M>(head.cast()).finish(Err(failure.clone())) };
    }

    fn node(target: *mut ()) -> NodePtr<M> {
        NodePtr(NonNull::new(target.cast()).expect("the target of an ask is its node"))
    }
}

impl<A: Handler<M>, M: Message> Sink<M::Output> for Asks<A, M> {
    unsafe fn done(_: NonNull<CellHead>, target: *mut (), output: M::Output) {
        // SAFETY: the handler's run holds the node for the actor, and ends once.
        unsafe { Self::node(target).finish(Ok(output)) };
    }

    unsafe fn fail(_: NonNull<CellHead>, target: *mut (), failure: &Failure) {
        // SAFETY: as above.
        unsafe { Self::node(target).finish(Err(failure.clone())) };
    }
}

/// The asker's side.
pub(crate) struct AskHandle<M: Message>(NodePtr<M>);

// SAFETY: message and output are `Send`, and the node is shared as its state says.
unsafe impl<M: Message> Send for AskHandle<M> {}
// SAFETY: nothing is reached through a shared handle.
unsafe impl<M: Message> Sync for AskHandle<M> {}

impl<M: Message> AskHandle<M> {
    /// A new ask: both sides of it.
    pub(crate) fn new<A: Handler<M>>(message: M, deadline: Option<Instant>) -> (Envelope, Self) {
        let node = Box::new(AskNode {
            head: Head::new(Asks::<A, M>::CALLS),
            deadline,
            state: AtomicU8::new(0),
            waker: UnsafeCell::new(None),
            body: UnsafeCell::new(Body::Message(message)),
        });
        let node = NonNull::from(Box::leak(node));
        // SAFETY: it is the start of a node whose table is its own; the envelope is the actor's hold on it.
        let envelope = unsafe { Envelope::from_raw(node.cast()) };
        (envelope, Self(NodePtr(node)))
    }

    fn node(&self) -> &AskNode<M> {
        // SAFETY: the asker lets go when the handle is dropped.
        unsafe { self.0.get() }
    }

    /// Takes the result, which is the asker's once `DONE` was seen.
    fn take(&mut self) -> Result<M::Output, Failure> {
        // SAFETY: `DONE` was seen with acquire ordering, so the actor does not touch the body any more.
        match mem::replace(unsafe { &mut *self.node().body.get() }, Body::Empty) {
            Body::Result(result) => result,
            Body::Message(_) | Body::Empty => Err(Failure::new(
                FailureKind::Cancelled,
                Certainty::MayHaveRun,
                "polled after its end",
            )),
        }
    }

    /// The result, once it is there; else the waker is kept.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Output, Failure>> {
        let state = self.node().state.load(Acquire);
        if state & DONE != 0 {
            return Poll::Ready(self.take());
        }
        if state & WAKER != 0 {
            // SAFETY: while `WAKER` is set both sides only read it.
            let kept = unsafe { &*self.node().waker.get() };
            if kept.as_ref().is_some_and(|kept| kept.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            if self.node().state.fetch_and(!WAKER, AcqRel) & DONE != 0 {
                return Poll::Ready(self.take());
            }
        }
        // SAFETY: `WAKER` is not set and was not when the actor was done, so the waker is the asker's alone.
        unsafe { *self.node().waker.get() = Some(cx.waker().clone()) };
        if self.node().state.fetch_or(WAKER, AcqRel) & DONE != 0 {
            return Poll::Ready(self.take());
        }
        Poll::Pending
    }

    /// The asker's time is up: the result if it is just there, else what is known.
    pub(crate) fn give_up(&mut self) -> Result<M::Output, Failure> {
        let before = self.node().state.fetch_or(GIVEN_UP, AcqRel);
        if before & DONE != 0 {
            return self.take();
        }
        let certainty =
            if before & CLAIMED == 0 { Certainty::NotDelivered } else { Certainty::Ran };
        Err(Failure::new(FailureKind::Deadline, certainty, ""))
    }
}

impl<M: Message> Drop for AskHandle<M> {
    fn drop(&mut self) {
        let before = self.node().state.fetch_or(GIVEN_UP, AcqRel);
        if before & (WAKER | DONE) == WAKER
            && self.node().state.fetch_and(!WAKER, AcqRel) & DONE == 0
        {
            // SAFETY: `WAKER` was taken back before the actor was done, so the waker is the asker's alone.
            unsafe { *self.node().waker.get() = None };
        }
        // SAFETY: the handle is the asker's hold on the node, and it is going away.
        unsafe { self.0.release(ASKER_GONE, ACTOR_GONE) };
    }
}
