//! The actor's side of a local ask that outlives its handler: the duty to answer it.
//!
//! A [`Duty`] is what a [`Responder`](crate::Responder) holds. It watches for the asker to give up, and passes the
//! message on, claim and all, to the mailbox of any actor that handles it. Read `answer.rs` for who owns which part of
//! the node when.
#![expect(
    unsafe_code,
    reason = "a node is owned by two sides, who let go of it one after the other"
)]

use std::{mem, task::Waker};

use odeon_message::{Certainty, Failure, FailureKind, Message};
use tokio::time::Instant;

use super::{Asks, NodePtr, Outcome};
use crate::{
    Handler,
    answer::Answer,
    envelope::{Envelope, Head},
};

/// What an asker is told whose ask nobody answers any more.
pub(crate) fn unanswered() -> Failure {
    let detail = "the actor dropped the responder without an answer";
    Failure::new(FailureKind::Cancelled, Certainty::Ran, detail)
}

/// The duty to answer one local ask. Dropping it tells the asker so.
pub(crate) struct Duty<M: Message>(NodePtr<M>);

// SAFETY: message and output are `Send`, and the node is shared as its state says.
unsafe impl<M: Message> Send for Duty<M> {}
// SAFETY: through a shared duty only atomics and the deadline, which never changes, are read.
unsafe impl<M: Message> Sync for Duty<M> {}

impl<M: Message> Duty<M> {
    /// # Safety
    /// The hold of the actor's side on the node goes over to the duty.
    pub(super) unsafe fn new(node: NodePtr<M>) -> Self {
        Self(node)
    }

    fn answer(&self) -> &Answer<M, Outcome<M>> {
        // SAFETY: the duty holds the node.
        unsafe { self.0.answer() }
    }

    pub(crate) fn finish(self, result: Outcome<M>) {
        let Self(node) = *mem::ManuallyDrop::new(self);
        // SAFETY: the duty holds the node for the actor's side, and ends here.
        unsafe { node.finish(result) };
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        // SAFETY: the duty holds the node.
        unsafe { self.0.get() }.settle()
    }

    /// Whether the asker has given up.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.answer().is_given_up()
    }

    /// Whether the asker has given up; else the waker is used when it does.
    pub(crate) fn watch(&mut self, waker: &Waker) -> bool {
        // SAFETY: the duty is the actor's side, and is borrowed by one thread.
        unsafe { self.answer().watch(waker) }
    }

    /// Gives the message back into the ask, which becomes one to `B` that no handler has seen; `None` if the asker has
    /// given up.
    pub(crate) fn carry<B: Handler<M>>(self, message: M) -> Option<Envelope> {
        // SAFETY: the duty holds the node.
        let node = unsafe { self.0.get() };
        // SAFETY: the head is the actor's side's alone, and in no queue.
        unsafe { *node.head.get() = Head::new(Asks::<B, M>::CALLS) };
        // SAFETY: the duty is the actor's side, whose handler claimed the ask; nothing watches.
        if !unsafe { self.answer().give_back(message) } {
            self.finish(Err(late()));
            return None;
        }
        let Self(node) = *mem::ManuallyDrop::new(self);
        // SAFETY: it is the start of a node whose table is its own, and the duty's hold on it goes over.
        Some(unsafe { Envelope::from_raw(node.0.cast()) })
    }
}

/// Nobody hears it.
fn late() -> Failure {
    Failure::new(FailureKind::Cancelled, Certainty::Ran, "its asker has given up")
}

impl<M: Message> Drop for Duty<M> {
    fn drop(&mut self) {
        // SAFETY: the duty holds the node for the actor's side, and ends here.
        unsafe { self.0.finish(Err(unanswered())) };
    }
}
