//! A message from another node as an envelope: decoded when its turn comes, answered over the way it came.
//!
//! The archive is checked on the worker, not on the network's thread, and only if the ask is still wanted. Whatever
//! happens, its credit is given back once and an ask is answered once.
#![expect(unsafe_code, reason = "nodes of different types share one intrusive list")]

use std::{
    marker::PhantomData,
    ptr::{self, NonNull},
};

use odeon_message::{Certainty, Codec, Credit, Failure, FailureKind, Message, Payload};
use tokio::time::Instant;

use crate::{
    Handler, Inbound, ReplyTo,
    cell::{ActorCell, CellHead},
    envelope::{Envelope, EnvelopeCalls, Head},
    future_slot::Sink,
    life,
    load::units,
    stats::{count, count_aloud},
    turn::Turn,
};

#[repr(C)]
struct InboundNode {
    head: Head,
    payload: Payload,
    deadline: Option<Instant>,
    reply: Option<ReplyTo>,
    credit: Credit,
}

/// # Safety
/// The node is owned and was made by [`Envelope::inbound`].
unsafe fn open(node: NonNull<Head>) -> InboundNode {
    // SAFETY: the caller says that it is an owned box of this type.
    *unsafe { Box::from_raw(node.cast::<InboundNode>().as_ptr()) }
}

/// # Safety
/// The node is alive and was made by [`Envelope::inbound`].
unsafe fn payload_bytes(node: NonNull<Head>) -> usize {
    // SAFETY: the caller says so.
    unsafe { node.cast::<InboundNode>().as_ref() }.payload.len()
}

/// The table of inbound messages `M` to `A`, and the sink of their handlers.
struct FromNetwork<A, M>(PhantomData<(A, M)>);

impl<A: Handler<M>, M: Message> FromNetwork<A, M> {
    const CALLS: &'static EnvelopeCalls = &EnvelopeCalls {
        start: Self::start,
        refuse: Self::refuse,
        units: units(size_of::<InboundNode>()),
        payload: Some(payload_bytes),
    };

    unsafe fn start(node: NonNull<Head>, cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
        // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
        let InboundNode { payload, deadline, reply, credit, .. } = unsafe { open(node) };
        let asked = Asked::<M>::new(reply);
        turn.give_back(credit);
        let system = turn.worker.system().clone();
        let unwanted = match deadline {
            Some(deadline) if turn.now() >= deadline => Some(FailureKind::Deadline),
            _ if asked.is_cancelled() => Some(FailureKind::Cancelled),
            _ => None,
        };
        if let Some(kind) = unwanted {
            count(&system.counters().skipped);
            asked.fail(&Failure::not_delivered(kind, ""));
            return true;
        }
        let codec = M::CODEC.expect("only messages with a codec are accepted");
        let message = match codec.decode(&payload, &system) {
            Ok(message) => message,
            Err(error) => {
                if let Some(count) = count_aloud(&system.counters().decode_failures) {
                    tracing::warn!(message = M::NAME, %error, count, "a message from another node cannot be read");
                }
                let detail = format!("{}: {error}", M::NAME);
                asked.fail(&Failure::not_delivered(FailureKind::Decode, detail));
                return true;
            }
        };
        drop(payload);
        let target = asked.into_target();
        // SAFETY: the caller keeps the contract of the turn; the target is one of `Asked`.
        unsafe { life::handle::<A, M, Self>(cell, target, message, turn) }
    }

    unsafe fn refuse(node: NonNull<Head>, failure: &Failure) {
        // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
        let node = unsafe { open(node) };
        Asked::<M>::new(node.reply).fail(failure);
    }
}

impl<A: Handler<M>, M: Message> Sink<M::Output> for FromNetwork<A, M> {
    unsafe fn done(cell: NonNull<CellHead>, target: *mut (), output: M::Output) {
        // SAFETY: the caller passes what `start` made, once.
        let asked = unsafe { Asked::<M>::from_target(target) };
        if !asked.answer(&output) && M::answer(output).is_err() {
            // SAFETY: the cell is alive during its turn and of this actor type.
            let cell = unsafe { cell.cast::<ActorCell<A>>().as_ref() };
            count(&cell.head.worker.system().counters().tell_errors);
        }
    }

    unsafe fn fail(_: NonNull<CellHead>, target: *mut (), failure: &Failure) {
        // SAFETY: the caller passes what `start` made, once.
        unsafe { Asked::<M>::from_target(target) }.fail(failure);
    }
}

/// Who waits for the answer: nobody, if it was a tell. Dropping it unanswered fails the ask.
struct Asked<M> {
    reply: Option<Box<ReplyTo>>,
    /// Whether the handler is done.
    ran: bool,
    message: PhantomData<fn(M)>,
}

impl<M: Message> Asked<M> {
    fn new(reply: Option<ReplyTo>) -> Self {
        Self { reply: reply.map(Box::new), ran: false, message: PhantomData }
    }

    fn is_cancelled(&self) -> bool {
        self.reply.as_ref().is_some_and(|to| to.path.is_cancelled(to.ask))
    }

    /// Sends what the handler returned; `false` if nobody waits.
    fn answer(mut self, output: &M::Output) -> bool {
        // Taken out only afterwards: a panic while the output is archived must still be told.
        let Some(to) = &self.reply else { return false };
        self.ran = true;
        let codec: Codec<M> = M::CODEC.expect("only messages with a codec are accepted");
        to.path.reply(to.ask, &mut |out| codec.encode_output(output, out));
        self.reply = None;
        true
    }

    fn fail(mut self, failure: &Failure) {
        if let Some(to) = self.reply.take() {
            to.path.fail(to.ask, failure.clone());
        }
    }

    fn into_target(mut self) -> *mut () {
        self.reply.take().map_or(ptr::null_mut(), |reply| Box::into_raw(reply).cast())
    }

    /// # Safety
    /// `target` came from [`into_target`](Self::into_target) and is taken back once.
    unsafe fn from_target(target: *mut ()) -> Self {
        let reply = NonNull::new(target.cast::<ReplyTo>());
        // SAFETY: the caller says so.
        let reply = reply.map(|reply| unsafe { Box::from_raw(reply.as_ptr()) });
        Self { reply, ran: false, message: PhantomData }
    }
}

impl<M> Drop for Asked<M> {
    fn drop(&mut self) {
        if let Some(to) = self.reply.take() {
            // Only a panic while an archive was read or written leads here.
            let (certainty, detail) = match self.ran {
                true => (Certainty::Ran, "writing the reply panicked"),
                false => (Certainty::NotDelivered, "reading the message panicked"),
            };
            to.path.fail(to.ask, Failure::new(FailureKind::Decode, certainty, detail));
        }
    }
}

impl Envelope {
    /// A message from the network.
    pub(crate) fn inbound<A: Handler<M>, M: Message>(
        inbound: Inbound,
        deadline: Option<Instant>,
    ) -> Self {
        let Inbound { payload, reply, credit, .. } = inbound;
        let head = Head::new(FromNetwork::<A, M>::CALLS);
        let node = Box::new(InboundNode { head, payload, deadline, reply, credit });
        let node = NonNull::from(Box::leak(node)).cast();
        // SAFETY: it is the start of a node whose table is its own, and nobody else has it.
        unsafe { Self::from_raw(node) }
    }
}
