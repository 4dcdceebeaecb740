//! Sending without an answer.
//!
//! On this node a tell is one allocation and no lock when there is room; else it waits in the mailbox's room
//! (`room.rs`). To another node it is archived straight into the lane, or waits for room there. Read `ask.rs` for
//! sends with an answer.
#![expect(unsafe_code, reason = "a tell takes its own message back out of its envelope")]

use std::{
    future::Future,
    mem::ManuallyDrop,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use odeon_message::{
    Codec, EncodeError, Failure, FailureKind, Fingerprint, Message, MessageId, TellError,
};

use crate::{
    ActorRef, ActorSystem, Aim, Handler, Outcome, Parcel, Pick, Refused, RoomWaiter, Route,
    Witness,
    actor_ref::{Place as Where, gone},
    cell::{CellArc, CellPtr},
    deadline::Deadline,
    edges::{Edge, Goal, Want},
    envelope::Envelope,
    life,
    room::{Entered, Patience, Place},
    worker::{is_own_turn, waiting::who_waits},
};

/// Takes the message of a tell back.
fn reclaim<M: Message>(envelope: Envelope) -> M {
    // SAFETY: only tells of this very future or call come here, which were made with the same `M`.
    unsafe { envelope.reclaim::<M>() }
}

/// Puts a message in the mailbox of an actor of this node if there is room: one allocation and no lock.
#[inline(always)]
fn post<A, M>(cell: &CellArc<A>, message: M) -> Result<(), (FailureKind, M)>
where
    A: Handler<M>,
    M: Message,
{
    life::tell(cell, message).or_else(|message| post_far(cell, message))
}

/// As [`post`], where the sender is on another thread, or others have sent something, or there may be no room.
#[inline(never)]
fn post_far<A, M>(cell: &CellArc<A>, message: M) -> Result<(), (FailureKind, M)>
where
    A: Handler<M>,
    M: Message,
{
    if !cell.head.reserve(const { Envelope::tell_units::<M>() }) {
        return Err((FailureKind::Full, message));
    }
    let pushed = life::push(cell, Envelope::tell::<A, M>(message).with_cause());
    pushed.map_err(|envelope| (FailureKind::Stopped, reclaim(envelope)))
}

/// Sends to an actor of this node if there is room.
pub(crate) fn try_local<A, M>(cell: &CellArc<A>, message: M) -> Result<(), TellError<M>>
where
    A: Handler<M>,
    M: Message,
{
    post(cell, message).or_else(|(kind, message)| try_full(cell, kind, message))
}

/// As [`try_local`], where there was no room to be had in the common way.
#[cold]
fn try_full<A, M>(
    cell: &CellArc<A>,
    mut kind: FailureKind,
    mut message: M,
) -> Result<(), TellError<M>>
where
    A: Handler<M>,
    M: Message,
{
    if kind == FailureKind::Full && !cell.head.is_plain() {
        let envelope = Envelope::tell::<A, M>(message).with_cause();
        match CellPtr::borrow(cell).enter(envelope, 0, Patience::None) {
            Entered::Refused(envelope, why) => (kind, message) = (why, reclaim(envelope)),
            Entered::Queued | Entered::Waiting(_) => return Ok(()),
        }
    }
    let kind = if cell.head.has_ended() { FailureKind::Stopped } else { kind };
    Err(TellError::returned(cell.head.refusal(kind), message))
}

/// Sends to an actor of another node if there is room.
pub(crate) fn try_remote<M: Message>(route: &dyn Route, message: &M) -> Result<(), Failure> {
    let mut parcel = Bundle::new(message, None)?;
    route.try_send(&mut parcel).map_err(|Refused { failure }| failure)
}

/// A message on its way to another node.
pub(crate) struct Bundle<'a, M: Message> {
    message: &'a M,
    codec: &'static Codec<M>,
    remaining: Option<Duration>,
    repeat: Option<u64>,
}

impl<'a, M: Message> Bundle<'a, M> {
    pub(crate) fn new(message: &'a M, remaining: Option<Duration>) -> Result<Self, Failure> {
        match const { &M::CODEC } {
            Some(codec) => Ok(Self { message, codec, remaining, repeat: None }),
            None => {
                let detail =
                    format!("{} is declared local: give it an id to let it travel", M::NAME);
                Err(Failure::not_delivered(FailureKind::LocalOnly, detail))
            }
        }
    }

    /// One of several attempts, which have this in common.
    pub(crate) fn repeated(self, repeat: Option<u64>) -> Self {
        Self { repeat, ..self }
    }
}

impl<M: Message> Parcel for Bundle<'_, M> {
    fn message(&self) -> MessageId {
        self.codec.id()
    }

    fn name(&self) -> &'static str {
        self.codec.name()
    }

    fn remaining(&self) -> Option<Duration> {
        self.remaining
    }

    fn repeat(&self) -> Option<u64> {
        self.repeat
    }

    fn is_streaming(&self) -> bool {
        self.codec.is_streaming()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.codec.fingerprint()
    }

    #[inline]
    fn encode(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        // The constant, whose function is known here, unlike that behind a reference.
        M::CODEC.as_ref().unwrap_or(self.codec).encode(self.message, out)
    }
}

/// A tell that is under way; nothing happens before it is awaited.
///
/// # Cancel safety
/// Dropped while it waits for room, the message is not sent, unless it found room in that very moment. Once it is done, it
/// was sent.
#[must_use = "a tell does nothing unless it is awaited"]
pub struct Tell<'a, A: Handler<M>, M: Message> {
    /// Dropped by hand, as is `wait`, where it is not the usual.
    whom: ManuallyDrop<Whom<'a, A>>,
    message: Option<M>,
    within: Option<Duration>,
    priority: u8,
    wait: ManuallyDrop<Option<Box<Wait>>>,
}

/// Who takes a tell.
enum Whom<'a, A: crate::Actor> {
    One(&'a ActorRef<A>),
    /// Picked at the first poll.
    Aimed(Aim<A>),
    Picked(Box<Picked<A>>),
}

/// Somebody who was picked and had no room at once.
struct Picked<A: crate::Actor> {
    actor: ActorRef<A>,
    witness: Option<Box<dyn Witness>>,
}

/// What a tell needs only when it finds no room.
struct Wait {
    deadline: Deadline,
    /// Its place in the waiting room of an actor of this node.
    ticket: u64,
    /// Its place in the line of a route.
    line: RoomWaiter,
    /// Where the handler that sends is known to wait.
    edge: Option<Edge>,
}

impl Wait {
    /// Makes it known that the handler that sends waits, if it is one, and has waited for some time; the circle that it
    /// closes.
    fn look_round(&mut self, to: CellPtr) -> Option<String> {
        let (from, by) = who_waits(self.deadline.swept())?;
        let edge = Edge::new(from, by, Goal::Here(to, Want::Room(self.ticket)))?;
        self.edge.insert(edge).closes_circle()
    }
}

// Nothing in it is pinned; the message is moved out by value.
impl<A: Handler<M>, M: Message> Unpin for Tell<'_, A, M> {}

type Told<M> = Result<(), TellError<M>>;

impl<'a, A: Handler<M>, M: Message> Tell<'a, A, M> {
    pub(crate) fn new(actor: &'a ActorRef<A>, message: M) -> Self {
        Self {
            whom: ManuallyDrop::new(Whom::One(actor)),
            message: Some(message),
            within: None,
            priority: 0,
            wait: ManuallyDrop::new(None),
        }
    }

    pub(crate) fn aimed(aim: Aim<A>, message: M) -> Self {
        Self {
            whom: ManuallyDrop::new(Whom::Aimed(aim)),
            message: Some(message),
            within: None,
            priority: 0,
            wait: ManuallyDrop::new(None),
        }
    }

    /// Picks who takes it; `Some` if that one took it at once, or nobody does.
    #[cold]
    fn pick(&mut self, aim: &Aim<A>) -> Option<Told<M>> {
        let message = self.message.take()?;
        let Pick { actor, witness } = match aim.pick() {
            Ok(pick) => pick,
            Err(failure) => return Some(Err(TellError::returned(failure, message))),
        };
        let told = actor.try_tell(message);
        if let Err(TellError { failure, message: Some(message) }) = told {
            if failure.kind == FailureKind::Full {
                self.message = Some(message);
                *self.whom = Whom::Picked(Box::new(Picked { actor, witness }));
                return None;
            }
            return Some(learn(witness, Err(TellError::returned(failure, message))));
        }
        Some(learn(witness, told))
    }

    /// Waits at most this long for room.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    fn take_witness(&mut self) -> Option<Box<dyn Witness>> {
        match &mut *self.whom {
            Whom::Picked(picked) => picked.witness.take(),
            Whom::One(_) | Whom::Aimed(_) => None,
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_uncommon(&mut self, cx: &mut Context<'_>) -> Poll<Told<M>> {
        if let Whom::Aimed(aim) = &*self.whom {
            let aim = aim.clone();
            if let Some(told) = self.pick(&aim) {
                return Poll::Ready(told);
            }
        }
        match &*self.whom {
            Whom::One(actor) => self.poll_at(actor, cx),
            Whom::Picked(picked) => {
                let actor = picked.actor.clone();
                let told = self.poll_at(&actor, cx);
                told.map(|told| learn(self.take_witness(), told))
            }
            // It was told at its first poll.
            Whom::Aimed(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_at(&mut self, actor: &ActorRef<A>, cx: &mut Context<'_>) -> Poll<Told<M>> {
        match actor.place() {
            Where::Local(cell) => self.poll_local(cell, cx),
            Where::Remote(abroad) => self.poll_remote(&*abroad.route, &abroad.system, cx),
            Where::Gone(address) => {
                let Some(message) = self.message.take() else { return Poll::Ready(Ok(())) };
                Poll::Ready(Err(TellError::returned(gone(address), message)))
            }
        }
    }

    /// How urgent it is, where the actor's mailbox tells [priorities](crate::SpawnOptions::priorities) apart: of what is
    /// queued the highest comes first. Default 0, the least urgent. Elsewhere, and on the way to another node, it
    /// changes nothing.
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    fn wait(&self, system: &ActorSystem, ticket: u64) -> Box<Wait> {
        let within = self.within.unwrap_or(system.config().tell_within);
        let (deadline, line) = (Deadline::after(within), RoomWaiter::default());
        Box::new(Wait { deadline, ticket, line, edge: None })
    }

    fn poll_local(&mut self, cell: &CellArc<A>, cx: &mut Context<'_>) -> Poll<Told<M>> {
        if let Some(message) = self.message.take() {
            let Err((kind, message)) = post(cell, message) else { return Poll::Ready(Ok(())) };
            if kind != FailureKind::Full {
                return Poll::Ready(Err(TellError::returned(cell.head.refusal(kind), message)));
            }
            if let Some(told) = self.enter(cell, message, cx) {
                return Poll::Ready(told);
            }
        }
        let Some(mut wait) = self.wait.take() else { return Poll::Ready(Ok(())) };
        match cell.head.place(wait.ticket, cx.waker()) {
            Place::Delivered => return Poll::Ready(Ok(())),
            Place::Ended(envelope) => {
                let failure = cell.head.refusal(FailureKind::Stopped);
                return Poll::Ready(Err(TellError::returned(failure, reclaim(envelope))));
            }
            Place::Waiting => {}
        }
        let again = wait.deadline.has_begun();
        let failure = if wait.deadline.is_over_at(&cell.head.worker, cx) {
            late()
        } else if again
            && wait.edge.is_none()
            && let Some(circle) = wait.look_round(CellPtr::new(cell.clone()))
        {
            Failure::not_delivered(FailureKind::Deadlock, circle)
        } else {
            *self.wait = Some(wait);
            return Poll::Pending;
        };
        let left = CellPtr::borrow(cell).leave(wait.ticket);
        let Some(envelope) = left else { return Poll::Ready(Ok(())) };
        Poll::Ready(Err(TellError::returned(failure, reclaim(envelope))))
    }

    /// Goes to the waiting room; `Some` if that is the end of it.
    #[cold]
    fn enter(&mut self, cell: &CellArc<A>, message: M, cx: &mut Context<'_>) -> Option<Told<M>> {
        let envelope = Envelope::tell::<A, M>(message).with_cause();
        // It would wait for itself.
        let patience = match is_own_turn(&raw const cell.head) {
            true => Patience::None,
            false => Patience::Woken(cx.waker()),
        };
        match CellPtr::borrow(cell).enter(envelope, self.priority, patience) {
            Entered::Queued => Some(Ok(())),
            Entered::Refused(envelope, kind) => {
                let failure = cell.head.refusal(kind);
                Some(Err(TellError::returned(failure, reclaim(envelope))))
            }
            Entered::Waiting(ticket) => {
                *self.wait = Some(self.wait(cell.head.worker.system(), ticket));
                None
            }
        }
    }

    #[inline]
    fn poll_remote(
        &mut self,
        route: &dyn Route,
        system: &ActorSystem,
        cx: &mut Context<'_>,
    ) -> Poll<Told<M>> {
        // Message and place in line stay where they are: a panic while the message is archived gives both up.
        let Some(message) = &self.message else { return Poll::Ready(Ok(())) };
        let tried = try_remote(route, message);
        if tried.is_ok() && self.wait.is_none() {
            // As most tells: there was room at once.
            self.message = None;
            return Poll::Ready(Ok(()));
        }
        self.poll_tried(tried, route, system, cx)
    }

    /// Goes on with one that was tried: it waits for room, or is over.
    #[inline(never)]
    fn poll_tried(
        &mut self,
        mut tried: Result<(), Failure>,
        route: &dyn Route,
        system: &ActorSystem,
        cx: &mut Context<'_>,
    ) -> Poll<Told<M>> {
        let failure = loop {
            let failure = match tried {
                Ok(()) => {
                    self.message = None;
                    break None;
                }
                Err(failure) => failure,
            };
            if failure.kind != FailureKind::Full {
                break Some(failure);
            }
            let mut wait = self.wait.take().unwrap_or_else(|| self.wait(system, 0));
            let is_late = wait.deadline.is_over(system, cx);
            let is_pending = !is_late && route.poll_room(&mut wait.line, cx).is_pending();
            *self.wait = Some(wait);
            if is_late {
                break Some(late());
            }
            if is_pending {
                return Poll::Pending;
            }
            let Some(message) = &self.message else { return Poll::Ready(Ok(())) };
            tried = try_remote(route, message);
        };
        if let Some(mut wait) = self.wait.take()
            && wait.line.slot != 0
        {
            route.forget_room(&mut wait.line);
        }
        Poll::Ready(match (failure, self.message.take()) {
            (Some(failure), Some(message)) => Err(TellError::returned(failure, message)),
            _ => Ok(()),
        })
    }
}

fn late() -> Failure {
    Failure::not_delivered(FailureKind::Deadline, "there was no room in time")
}

impl<A: Handler<M>, M: Message> Future for Tell<'_, A, M> {
    type Output = Result<(), TellError<M>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        // The common ways: an actor of this node that has room, or one of another node. Whatever is in the way of the first is
        // seen to below.
        if let Whom::One(actor) = &*this.whom {
            let actor: &ActorRef<A> = actor;
            match actor.place() {
                Where::Local(cell) => {
                    if let Some(message) = this.message.take() {
                        match post(cell, message) {
                            Ok(()) => return Poll::Ready(Ok(())),
                            Err((_, message)) => this.message = Some(message),
                        }
                    }
                }
                Where::Remote(abroad) => {
                    return this.poll_remote(&*abroad.route, &abroad.system, cx);
                }
                Where::Gone(_) => {}
            }
        }
        this.poll_uncommon(cx)
    }
}

fn learn<M>(witness: Option<Box<dyn Witness>>, told: Told<M>) -> Told<M> {
    if let Some(witness) = witness {
        witness.learn(Outcome::of_tell(&told));
    }
    told
}

impl<A: Handler<M>, M: Message> Drop for Tell<'_, A, M> {
    #[inline]
    fn drop(&mut self) {
        if self.wait.is_some() || !matches!(*self.whom, Whom::One(_)) {
            self.abandon();
        }
    }
}

impl<A: Handler<M>, M: Message> Tell<'_, A, M> {
    /// Nobody waits any more for what waits, or was picked.
    #[cold]
    fn abandon(&mut self) {
        if let Some(witness) = self.take_witness() {
            witness.learn(Outcome::Abandoned);
        }
        let wait = self.wait.take();
        // SAFETY: only the destructor comes here, and nobody uses it afterwards; of `wait` nothing is left.
        let whom = unsafe { ManuallyDrop::take(&mut self.whom) };
        let Some(mut wait) = wait else { return };
        let actor = match &whom {
            Whom::One(actor) => actor,
            Whom::Picked(picked) => &picked.actor,
            Whom::Aimed(_) => return,
        };
        match actor.place() {
            // The message is dropped with its envelope.
            Where::Local(cell) => drop(CellPtr::borrow(cell).leave(wait.ticket)),
            Where::Remote(abroad) if wait.line.slot != 0 => {
                abroad.route.forget_room(&mut wait.line);
            }
            Where::Remote(..) => {}
            Where::Gone(_) => {}
        }
    }
}
