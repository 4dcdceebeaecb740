//! A message from another node as an envelope: decoded when its turn comes, answered over the way it came.
//!
//! The archive is checked on the worker, not on the network's thread, and only if the ask is still wanted; then it is
//! opened as its actor has listed it, as a value or as a view (`inbound/opening.rs`). Whatever happens, its credit is
//! given back once and an ask is answered once. Passed on, by a handler that deferred it, the message is a value already.
#![expect(unsafe_code, reason = "nodes of different types share one intrusive list")]

mod opening;
mod trains;

use std::{
    any::Any,
    marker::PhantomData,
    ptr::{self, NonNull},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::Waker,
};

use odeon_message::{
    Certainty, Codec, Credit, DecodeError, Failure, FailureKind, Message, Payload, TraceContext,
    Train, Wire, planted::Bug,
};
use tokio::time::Instant;

use crate::{
    Handler, Inbound, ReplyTo, ViewHandler,
    ask_slot::unanswered,
    cause::Origin,
    cell::{ActorCell, CellHead},
    envelope::{Envelope, EnvelopeCalls, Head},
    future_slot::{Sink, Waits},
    life,
    load::units,
    nodes,
    responder::Responder,
    stats::{count, count_aloud},
    turn::Turn,
    watched::is_traced,
};
use opening::{AsValue, InPlace, Opening};

pub(crate) use trains::{FirstTrain, TrainCalls, split_first};

#[repr(C)]
struct InboundNode {
    head: Head,
    payload: Payload,
    deadline: Option<Instant>,
    reply: Option<ReplyTo>,
    /// Boxed, because few messages have one.
    trace: Option<Box<TraceContext>>,
    credit: Credit,
}

/// # Safety
/// The node is owned and was made by [`Envelope::inbound`].
unsafe fn open(node: NonNull<Head>) -> InboundNode {
    // SAFETY: the caller says that it is an owned node of this type.
    unsafe { nodes::take(node.cast::<InboundNode>()) }
}

/// # Safety
/// The node is alive and was made by [`Envelope::inbound`].
unsafe fn payload_bytes(node: NonNull<Head>) -> usize {
    // SAFETY: the caller says so.
    unsafe { node.cast::<InboundNode>().as_ref() }.payload.len()
}

/// # Safety
/// The node is alive and was made by [`Envelope::inbound`].
unsafe fn asked(node: NonNull<Head>) -> Option<NonNull<ReplyTo>> {
    // SAFETY: the caller says so.
    unsafe { node.cast::<InboundNode>().as_ref() }.reply.as_ref().map(NonNull::from)
}

/// What a message fails with whose archive is none, or cannot be read.
#[cold]
fn unreadable<M: Message>(turn: &Turn<'_>, error: &DecodeError) -> Failure {
    let counters = turn.worker.system().counters();
    if let Some(count) = count_aloud(&counters.decode_failures) {
        tracing::warn!(
            message = M::NAME, %error, count,
            "a message from another node cannot be read; see runbook: incompatible-message"
        );
    }
    Failure::not_delivered(FailureKind::Decode, format!("{}: {error}", M::NAME))
}

/// The table of inbound messages `M` to `A`, and the sink of their handlers.
struct FromNetwork<A, M>(PhantomData<(A, M)>);

impl<A: Handler<M>, M: Message> FromNetwork<A, M> {
    /// The calls of a message that is opened by `W`.
    const fn calls<W: Opening<A, M>>() -> EnvelopeCalls {
        EnvelopeCalls {
            start: Self::start::<W>,
            refuse: Self::refuse,
            units: units(size_of::<InboundNode>()),
            payload: Some(payload_bytes),
            reads: A::READS,
            asked: Some(asked),
            caused: false,
            train: None,
        }
    }

    unsafe fn start<W: Opening<A, M>>(
        node: NonNull<Head>,
        cell: NonNull<CellHead>,
        turn: &mut Turn<'_>,
    ) -> bool {
        // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
        let InboundNode { payload, deadline, reply, trace, credit, .. } = unsafe { open(node) };
        let asked = Asked::<M>::new(reply, deadline);
        // A tell has no deadline either.
        let Some(asked) = asked.if_wanted(turn) else {
            match Bug::CreditNotGivenBack.is_planted() {
                true => std::mem::forget(credit),
                false => turn.give_back(credit),
            }
            return true;
        };
        let opened = match W::open(payload, credit, turn) {
            Ok(opened) => opened,
            Err(error) => {
                asked.fail(&unreadable::<M>(turn, &error));
                return true;
            }
        };
        let target = asked.into_target();
        let has_origin = trace.is_some();
        if let Some(trace) = trace {
            *turn.origin = Some(Origin::There(*trace));
        }
        // SAFETY: the caller keeps the contract of the turn; the target is one of `Asked`.
        let done = unsafe { W::handle::<Self>(cell, target, opened, turn) };
        if has_origin {
            // It is still there if nobody listens any more.
            *turn.origin = None;
        }
        done
    }

    unsafe fn refuse(node: NonNull<Head>, failure: &Failure) {
        // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
        let node = unsafe { open(node) };
        Asked::<M>::new(node.reply, None).fail(failure);
    }
}

impl<A: Handler<M>, M: Message> Sink<M::Output> for FromNetwork<A, M> {
    unsafe fn done(cell: NonNull<CellHead>, target: *mut (), output: M::Output) {
        // SAFETY: the caller passes what `start` made, once.
        let asked = unsafe { Asked::<M>::from_target(target) };
        if let Some(output) = asked.answer(output)
            && M::answer(output).is_err()
        {
            // SAFETY: the cell is alive during its turn and of this actor type.
            let cell = unsafe { cell.cast::<ActorCell<A>>().as_ref() };
            count(&cell.head.worker.system().counters().tell_errors);
        }
    }

    unsafe fn fail(_: NonNull<CellHead>, target: *mut (), failure: &Failure) {
        // SAFETY: the caller passes what `start` made, once.
        unsafe { Asked::<M>::from_target(target) }.fail(failure);
    }

    unsafe fn detach(cell: NonNull<CellHead>, target: *mut (), out: &mut dyn Any) -> bool {
        let Some(out) = out.downcast_mut::<Option<Responder<M>>>() else { return false };
        // SAFETY: the caller passes what `start` made, once.
        let mut asked = unsafe { Asked::<M>::from_target(target) };
        asked.stage = Stage::Held;
        // SAFETY: the cell is alive during its turn.
        let system = unsafe { cell.as_ref() }.worker.system();
        *out = Some(Responder::there(asked, system));
        true
    }

    unsafe fn waits(target: *mut ()) -> Waits {
        let Some(waiting) = NonNull::new(target.cast::<Waiting>()) else { return Waits::Not };
        // SAFETY: the caller passes what `start` made, before it is taken back.
        Waits::until(unsafe { waiting.as_ref() }.deadline())
    }

    unsafe fn asked(target: *mut ()) -> Option<NonNull<ReplyTo>> {
        let waiting = NonNull::new(target.cast::<Waiting>())?;
        // SAFETY: the caller passes what `start` made, before it is taken back.
        Some(NonNull::from(&unsafe { waiting.as_ref() }.to))
    }

    unsafe fn is_cancelled(target: *mut (), waker: Option<&Waker>) -> bool {
        let Some(waiting) = NonNull::new(target.cast::<Waiting>()) else { return false };
        // SAFETY: the caller passes what `start` made, before it is taken back.
        unsafe { waiting.as_ref() }.is_cancelled(waker)
    }
}

/// A message that was passed on by the actor it came to first.
#[repr(C)]
struct CarriedNode<M: Message> {
    head: Head,
    message: M,
    asked: Asked<M>,
}

/// The table of messages `M` that were passed on to `A`.
struct Carried<A, M>(PhantomData<(A, M)>);

impl<A: Handler<M>, M: Message> Carried<A, M> {
    const CALLS: &'static EnvelopeCalls = &EnvelopeCalls {
        start: Self::start,
        refuse: Self::refuse,
        units: units(size_of::<CarriedNode<M>>()),
        payload: None,
        reads: A::READS,
        // It was sent to another actor, where it is not looked for any more.
        asked: None,
        caused: false,
        train: None,
    };

    /// # Safety
    /// The node is owned and was made by [`Asked::carry`].
    unsafe fn open(node: NonNull<Head>) -> (M, Asked<M>) {
        // SAFETY: the caller says that it is an owned box of this type.
        let node = unsafe { Box::from_raw(node.cast::<CarriedNode<M>>().as_ptr()) };
        let CarriedNode { message, asked, .. } = *node;
        (message, asked)
    }

    unsafe fn start(node: NonNull<Head>, cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
        // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
        let (message, asked) = unsafe { Self::open(node) };
        let Some(asked) = asked.if_wanted(turn) else { return true };
        let target = asked.into_target();
        // SAFETY: the caller keeps the contract of the turn; the target is one of `Asked`.
        unsafe { life::handle::<A, M, FromNetwork<A, M>>(cell, target, message, turn) }
    }

    unsafe fn refuse(node: NonNull<Head>, failure: &Failure) {
        // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
        let (message, asked) = unsafe { Self::open(node) };
        asked.fail(failure);
        drop(message);
    }
}

/// An asker on another node.
struct Waiting {
    to: ReplyTo,
    deadline: Option<Instant>,
    /// Its cancel has come.
    given_up: AtomicBool,
    /// The way back knows a waker.
    watched: AtomicBool,
}

impl Waiting {
    fn deadline(&self) -> Option<Instant> {
        self.to.path.deadline(self.to.ask, self.deadline)
    }

    fn is_cancelled(&self, waker: Option<&Waker>) -> bool {
        let ReplyTo { ask, path } = &self.to;
        let given_up = self.given_up.load(Relaxed)
            || match waker {
                Some(waker) => {
                    self.watched.store(true, Relaxed);
                    path.watch_cancel(*ask, waker)
                }
                None => path.is_cancelled(*ask),
            };
        if given_up {
            self.given_up.store(true, Relaxed);
        }
        given_up
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if *self.watched.get_mut() {
            self.to.path.unwatch_cancel(self.to.ask);
        }
    }
}

/// How far an ask has come.
enum Stage {
    /// Its handler has not begun.
    Reading,
    /// A responder holds it.
    Held,
    /// Its reply is being archived.
    Writing,
}

/// Who waits for the answer: nobody, if it was a tell. Dropping it unanswered fails the ask.
pub(crate) struct Asked<M> {
    waiting: Option<Box<Waiting>>,
    stage: Stage,
    message: PhantomData<fn(M)>,
}

impl<M: Message> Asked<M> {
    fn new(reply: Option<ReplyTo>, deadline: Option<Instant>) -> Self {
        let waiting = reply.map(|to| {
            let (given_up, watched) = (AtomicBool::new(false), AtomicBool::new(false));
            Box::new(Waiting { to, deadline, given_up, watched })
        });
        Self { waiting, stage: Stage::Reading, message: PhantomData }
    }

    pub(crate) fn is_tell(&self) -> bool {
        self.waiting.is_none()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.as_ref()?.deadline()
    }

    /// Whether the asker has given up; else the waker, if there is one, is used when it does.
    pub(crate) fn is_cancelled(&self, waker: Option<&Waker>) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.is_cancelled(waker))
    }

    /// Itself, unless its time is up or its asker has given up: then the message does not run.
    fn if_wanted(self, turn: &mut Turn<'_>) -> Option<Self> {
        let unwanted = match self.deadline() {
            Some(deadline)
                if turn.now() >= deadline && !Bug::TimeForgottenOnTheWay.is_planted() =>
            {
                FailureKind::Deadline
            }
            _ if self.is_cancelled(None) => FailureKind::Cancelled,
            _ => return Some(self),
        };
        count(&turn.worker.system().counters().skipped);
        turn.head.tally(|counts| &counts.skipped);
        self.fail(&Failure::not_delivered(unwanted, ""));
        None
    }

    /// Makes it, with its message, an envelope for an actor of any type; `None` if the asker has given up.
    pub(crate) fn carry<A: Handler<M>>(mut self, message: M) -> Option<Envelope> {
        if self.is_cancelled(None) {
            self.fail(&Failure::new(FailureKind::Cancelled, Certainty::Ran, ""));
            return None;
        }
        self.stage = Stage::Reading;
        let head = Head::new(Carried::<A, M>::CALLS);
        let node = Box::new(CarriedNode { head, message, asked: self });
        // SAFETY: it is the start of a node whose table is its own, and nobody else has it.
        Some(unsafe { Envelope::from_raw(NonNull::from(Box::leak(node)).cast()) })
    }

    /// Sends what the handler returned; it comes back if nobody waits.
    pub(crate) fn answer(mut self, mut output: M::Output) -> Option<M::Output> {
        // Taken out only afterwards: a panic while the output is archived must still be told.
        let Some(waiting) = &self.waiting else { return Some(output) };
        self.stage = Stage::Writing;
        let codec: Codec<M> = M::CODEC.expect("only messages with a codec are accepted");
        let ReplyTo { ask, path } = &waiting.to;
        match codec.items(&mut output) {
            Some(items) => path.stream(*ask, items.depart()),
            None => path.reply(*ask, &mut |out| codec.encode_output(&output, out)),
        }
        self.waiting = None;
        None
    }

    pub(crate) fn fail(mut self, failure: &Failure) {
        if let Some(waiting) = self.waiting.take() {
            waiting.to.path.fail(waiting.to.ask, failure.clone());
        }
    }

    fn into_target(mut self) -> *mut () {
        self.waiting.take().map_or(ptr::null_mut(), |waiting| Box::into_raw(waiting).cast())
    }

    /// # Safety
    /// `target` came from [`into_target`](Self::into_target) and is taken back once.
    unsafe fn from_target(target: *mut ()) -> Self {
        let waiting = NonNull::new(target.cast::<Waiting>());
        // SAFETY: the caller says so.
        let waiting = waiting.map(|waiting| unsafe { Box::from_raw(waiting.as_ptr()) });
        Self { waiting, stage: Stage::Reading, message: PhantomData }
    }
}

impl<M> Drop for Asked<M> {
    fn drop(&mut self) {
        let Some(waiting) = self.waiting.take() else { return };
        let decode = |certainty, detail| Failure::new(FailureKind::Decode, certainty, detail);
        let failure = match self.stage {
            Stage::Held => unanswered(),
            // Only a panic while an archive was read or written leads here.
            Stage::Writing => decode(Certainty::Ran, "writing the reply panicked"),
            Stage::Reading => decode(Certainty::NotDelivered, "reading the message panicked"),
        };
        waiting.to.path.fail(waiting.to.ask, failure);
    }
}

/// How messages of one type, in one layout, become envelopes for one type of actor.
#[derive(Clone, Copy)]
pub(crate) struct Makes {
    /// Makes one of a message; the instant is its deadline.
    pub(crate) alone: fn(Inbound, Option<Instant>) -> Envelope,
    /// Makes one of tells that came together.
    pub(crate) train: fn(Train, Credit) -> Envelope,
}

impl Makes {
    /// Of messages whose values are handled.
    pub(crate) fn values<A: Handler<M>, M: Message>() -> Self {
        Self::opened_by::<A, M, AsValue<M>>()
    }

    /// Of messages in the layout of `O`, of which values are made when their turn comes.
    pub(crate) fn formers<A: Handler<M>, M: Message, O: Message + Into<M>>() -> Self {
        Self::opened_by::<A, M, AsValue<O>>()
    }

    /// Of messages that are read in place.
    pub(crate) fn views<A: ViewHandler<M>, M: Message + Wire>() -> Self {
        Self::opened_by::<A, M, InPlace>()
    }

    fn opened_by<A: Handler<M>, M: Message, W: Opening<A, M>>() -> Self {
        Self { alone: alone::<A, M, W>, train: train::<A, M, W> }
    }
}

fn alone<A: Handler<M>, M: Message, W: Opening<A, M>>(
    inbound: Inbound,
    deadline: Option<Instant>,
) -> Envelope {
    let Inbound { payload, reply, trace, credit, .. } = inbound;
    // Nobody would look at it.
    let trace = trace.filter(|_| is_traced()).map(Box::new);
    let head = Head::new(const { &FromNetwork::<A, M>::calls::<W>() });
    let node = nodes::put(InboundNode { head, payload, deadline, reply, trace, credit }).cast();
    // SAFETY: it is the start of a node whose table is its own, and nobody else has it.
    unsafe { Envelope::from_raw(node) }
}

fn train<A: Handler<M>, M: Message, W: Opening<A, M>>(archives: Train, credit: Credit) -> Envelope {
    Envelope::train(const { &FromNetwork::<A, M>::train_calls::<W>() }, archives, credit)
}
