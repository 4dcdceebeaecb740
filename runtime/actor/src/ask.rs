//! Sending with an answer.
//!
//! On this node the ask is one allocation that carries message and reply (`ask_slot.rs`), and waits in the mailbox's
//! room when it is full. To another node it is handed to a route, and the answer comes back as an archive, which is
//! read here. Every failure says what is known about the message.

mod far;

use std::{
    future::{Future, IntoFuture},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use odeon_message::{AskError, AskId, Certainty, Failure, FailureKind, Message, Payload};

use crate::{
    ActorRef, ActorSystem, Aim, Handler, Outcome, Parcel, Pick, Refused, RoomWaiter, Route,
    Witness,
    actor_ref::{Place, gone},
    ask_slot::AskHandle,
    cell::{CellArc, CellPtr},
    deadline::{Deadline, Due},
    edges::{self, Edge, Goal, Want},
    envelope::Envelope,
    items::FarItems,
    life,
    room::{Entered, Patience},
    tell::Bundle,
    worker::{
        Ran,
        waiting::{waits_for_itself, who_waits},
    },
};

use far::AnswerSlot;

pub(crate) use far::FarAsk;

/// An ask that was not sent yet: await it.
#[must_use = "an ask does nothing unless it is awaited"]
pub struct Ask<A: Handler<M>, M: Message> {
    pub(crate) aim: Aim<A>,
    pub(crate) message: M,
    pub(crate) within: Option<Duration>,
    pub(crate) priority: u8,
}

impl<A: Handler<M>, M: Message> Ask<A, M> {
    pub(crate) fn aimed(aim: Aim<A>, message: M) -> Self {
        Self { aim, message, within: None, priority: 0 }
    }

    /// Waits at most this long, from the first poll to the answer; the time that is left travels with the message. Where
    /// the handler runs [on the asker's stack](ActorRef::ask), time begins when it first waits, passes the message on or
    /// asks for the time: before that nobody could give up. From a thread without actors, a second or more may last up to
    /// [`TICK_MAX`](odeon_env::TICK_MAX) longer.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// How urgent it is; as [`Tell::priority`](crate::Tell::priority).
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }
}

impl<A: Handler<M>, M: Message> IntoFuture for Ask<A, M> {
    type Output = Result<M::Reply, AskError<M::Error>>;
    type IntoFuture = AskFuture<A, M>;

    #[inline(always)]
    fn into_future(self) -> AskFuture<A, M> {
        let Self { aim, message, within, priority } = self;
        // Made of its parts in one place: it is a dozen words, which are not to be moved there.
        let (actor, witness, state) = match aim.into_pick() {
            Ok(Pick { actor, witness }) => (Some(actor), witness, State::New(message)),
            Err(failure) => (None, None, State::Nobody(failure)),
        };
        AskFuture { actor, asking: Asking::new(state, within, priority), witness }
    }
}

/// An ask that is under way.
///
/// # Cancel safety
/// Dropped before its turn has come, the message does not run; a handler that has begun runs on, and its answer is
/// dropped.
#[must_use = "an ask does nothing unless it is awaited"]
pub struct AskFuture<A: Handler<M>, M: Message> {
    /// `None` if nobody was picked.
    actor: Option<ActorRef<A>>,
    asking: Asking<M>,
    /// Of a pick: told once how it went.
    witness: Option<Box<dyn Witness>>,
}

struct Asking<M: Message> {
    within: Option<Duration>,
    priority: u8,
    /// What it has in common with other attempts, for another node; 0 if there are none.
    repeat: u64,
    deadline: Deadline,
    /// Where the handler that asks is known to wait. Goes before the ask itself.
    edge: Option<Box<Edge>>,
    state: State<M>,
}

enum State<M: Message> {
    New(M),
    /// There is nobody to ask.
    Nobody(Failure),
    /// With an actor of this node; the ticket is its place in the waiting room.
    Local(AskHandle<M>, Option<u64>),
    /// Waits for room on the way to another node.
    Line(M, RoomWaiter),
    /// With an actor of another node.
    Remote(AskId, Arc<AnswerSlot>),
    Done,
}

// Nothing in it is pinned; the message is moved out by value.
impl<A: Handler<M>, M: Message> Unpin for AskFuture<A, M> {}

impl<A: Handler<M>, M: Message> AskFuture<A, M> {
    #[inline]
    pub(crate) fn picked(
        pick: Pick<A>,
        message: M,
        within: Option<Duration>,
        priority: u8,
    ) -> Self {
        let Pick { actor, witness } = pick;
        let asking = Asking::new(State::New(message), within, priority);
        Self { actor: Some(actor), asking, witness }
    }

    /// One of several attempts, which have this in common.
    pub(crate) fn repeated(mut self, repeat: u64) -> Self {
        self.asking.repeat = repeat;
        self
    }

    /// Whether it goes to another node.
    pub(crate) fn is_far(&self) -> bool {
        matches!(self.actor.as_ref().map(ActorRef::place), Some(Place::Remote(..)))
    }

    /// Whether the message is with its receiver, or on the way.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self.asking.state, State::Local(..) | State::Remote(..))
    }

    /// As a poll of the future, but the output stays whole.
    pub(crate) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Answer<M>> {
        let Self { actor, asking, .. } = self;
        match actor.as_ref().map(ActorRef::place) {
            Some(Place::Local(cell)) => asking.poll_local(cell, cx),
            Some(Place::Remote(abroad)) => asking.poll_remote(&abroad.route, &abroad.system, cx),
            Some(Place::Gone(address)) => Poll::Ready(Err(gone(address))),
            None => Poll::Ready(asking.nobody()),
        }
    }
}

type Answer<M> = Result<<M as Message>::Output, Failure>;

impl<M: Message> Asking<M> {
    #[inline(always)]
    fn new(state: State<M>, within: Option<Duration>, priority: u8) -> Self {
        Self { within, priority, repeat: 0, deadline: Deadline::default(), edge: None, state }
    }

    fn nobody(&mut self) -> Answer<M> {
        match mem::replace(&mut self.state, State::Done) {
            State::Nobody(failure) => Err(failure),
            _ => polled_again(),
        }
    }

    fn begin(&mut self, system: &ActorSystem) {
        self.deadline = Deadline::after(self.within.unwrap_or(system.config().ask_within));
    }

    fn poll_local<A>(&mut self, cell: &CellArc<A>, cx: &mut Context<'_>) -> Poll<Answer<M>>
    where
        A: Handler<M>,
    {
        if let State::New(_) = self.state {
            let State::New(message) = mem::replace(&mut self.state, State::Done) else {
                return Poll::Ready(polled_again());
            };
            if waits_for_itself(&raw const cell.head, A::READS) {
                let detail = edges::asks_itself(&CellPtr::borrow(cell));
                return Poll::Ready(Err(Failure::not_delivered(FailureKind::Deadlock, detail)));
            }
            let (ptr, worker) = (CellPtr::borrow(cell), &cell.head.worker);
            let within = self.within.unwrap_or(worker.system().config().ask_within);
            let (envelope, mut handle) = AskHandle::new::<A>(message, within);
            let envelope = envelope.with_cause();
            let run = match within.is_zero() {
                false => worker.run_directly(&ptr, envelope, cx),
                true => Err(envelope),
            };
            if let Ok(Ran { late: false, .. }) = run
                && let Poll::Ready(answer) = handle.poll(cx)
            {
                return Poll::Ready(answer);
            }
            let place = run.as_ref().ok().map(|ran| ran.place);
            self.deadline = Deadline::until(handle.settle(&**worker.system().env()), place);
            let ticket = match run {
                Ok(Ran { late: false, .. }) => None,
                Ok(Ran { late: true, .. }) => return self.wait(handle),
                Err(envelope) => enter(cell, envelope, self.priority),
            };
            self.state = State::Local(handle, ticket);
        }
        let State::Local(handle, ticket) = &mut self.state else {
            return Poll::Ready(polled_again());
        };
        if let Poll::Ready(answer) = handle.poll(cx) {
            self.edge = None;
            return Poll::Ready(answer);
        }
        let again = self.deadline.has_begun();
        let answer = if self.deadline.is_over_at(&cell.head.worker, cx) {
            handle.give_up(FailureKind::Deadline, "")
        } else if again
            && self.edge.is_none()
            && let Some(circle) = look_round(&mut self.edge, &self.deadline, handle, cell)
        {
            handle.give_up(FailureKind::Deadlock, &circle)
        } else {
            return Poll::Pending;
        };
        self.edge = None;
        if let Some(ticket) = ticket.take() {
            drop(CellPtr::borrow(cell).leave(ticket));
        }
        Poll::Ready(answer)
    }

    /// The task shall give its thread away, which wakes it: it looks for the answer then.
    fn wait(&mut self, handle: AskHandle<M>) -> Poll<Answer<M>> {
        self.state = State::Local(handle, None);
        Poll::Pending
    }

    fn poll_remote(
        &mut self,
        route: &Arc<dyn Route>,
        system: &ActorSystem,
        cx: &mut Context<'_>,
    ) -> Poll<Answer<M>> {
        if let State::New(_) = self.state {
            let State::New(message) = mem::replace(&mut self.state, State::Done) else {
                return Poll::Ready(polled_again());
            };
            self.begin(system);
            self.state = State::Line(message, RoomWaiter::default());
        }
        if let State::Line(message, line) = &mut self.state {
            let Poll::Ready(handed) =
                hand_over((message, self.repeat), line, &mut self.deadline, (&**route, system), cx)
            else {
                return Poll::Pending;
            };
            if line.slot != 0 {
                route.forget_room(line);
            }
            self.state = State::Done;
            match handed {
                Ok((ask, slot)) => self.state = State::Remote(ask, slot),
                Err(failure) => return Poll::Ready(Err(failure)),
            }
        }
        match mem::replace(&mut self.state, State::Done) {
            State::Remote(ask, slot) => self.poll_answer(ask, slot, route, system, cx),
            _ => Poll::Ready(polled_again()),
        }
    }

    fn poll_answer(
        &mut self,
        ask: AskId,
        slot: Arc<AnswerSlot>,
        route: &Arc<dyn Route>,
        system: &ActorSystem,
        cx: &mut Context<'_>,
    ) -> Poll<Answer<M>> {
        let take = |payload: &Payload, slot: &AnswerSlot| {
            let items = slot.inlet().map(|inlet| FarItems::new(inlet.clone(), route, ask, system));
            read::<M>(payload, items, system)
        };
        if let Some(answer) = slot.poll(cx) {
            self.edge = None;
            return Poll::Ready(answer.and_then(|payload| take(&payload, &slot)));
        }
        if self.is_over(ask, &slot, &**route, system, cx) {
            self.edge = None;
            let certainty = route.give_up(ask);
            // It may have arrived just now.
            let answer = slot.poll(cx).unwrap_or_else(|| {
                Err(Failure::new(FailureKind::Deadline, certainty, "no answer in time"))
            });
            return Poll::Ready(answer.and_then(|payload| take(&payload, &slot)));
        }
        self.state = State::Remote(ask, slot);
        Poll::Pending
    }

    /// Whether time is up for an ask to another node; looks round when that is due before.
    fn is_over(
        &mut self,
        ask: AskId,
        slot: &Arc<AnswerSlot>,
        route: &dyn Route,
        system: &ActorSystem,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut look = None;
        if self.deadline.has_begun() {
            let within = self.within.unwrap_or(system.config().ask_within);
            look = slot.next_look(&self.deadline, within, system);
        }
        loop {
            match self.deadline.due(look, system, cx) {
                Due::Nothing => return false,
                Due::End => return true,
                Due::Look => {
                    let ask = FarAsk::new(slot.clone(), route.address(), ask);
                    ask.look(&mut self.edge, &self.deadline, route, system);
                    look = slot.looked();
                }
            }
        }
    }
}

/// Makes it known that the handler that asks waits, if it is one, and has waited for some time; the circle that it
/// closes.
#[cold]
fn look_round<A: Handler<M>, M: Message>(
    edge: &mut Option<Box<Edge>>,
    deadline: &Deadline,
    handle: &AskHandle<M>,
    cell: &CellArc<A>,
) -> Option<String> {
    let (from, by) = who_waits(deadline.swept())?;
    let want = Want::Answer(handle.open(A::READS));
    let made = Edge::new(from, by, Goal::Here(CellPtr::new(cell.clone()), want))?;
    edge.insert(Box::new(made)).closes_circle()
}

/// Gives a message to the route, or waits in line for it. The message stays where it is until it is taken, so that a
/// panic while it is archived leaves its place in line to be given up.
fn hand_over<M: Message>(
    (message, repeat): (&M, u64),
    line: &mut RoomWaiter,
    deadline: &mut Deadline,
    (route, system): (&dyn Route, &ActorSystem),
    cx: &mut Context<'_>,
) -> Poll<Result<(AskId, Arc<AnswerSlot>), Failure>> {
    loop {
        let mut parcel = match Bundle::new(message, deadline.remaining()) {
            Ok(parcel) => parcel.repeated((repeat != 0).then_some(repeat)),
            Err(failure) => return Poll::Ready(Err(failure)),
        };
        let slot = Arc::new(AnswerSlot::new(parcel.is_streaming()));
        match route.ask(&mut parcel, slot.clone(), line) {
            Ok(ask) => return Poll::Ready(Ok((ask, slot))),
            Err(Refused { failure }) if failure.kind == FailureKind::Full => {}
            Err(Refused { failure }) => return Poll::Ready(Err(failure)),
        }
        if deadline.is_over(system, cx) {
            return Poll::Ready(Err(late("there was no room in time")));
        }
        if route.poll_room(line, cx).is_pending() {
            return Poll::Pending;
        }
    }
}

/// Puts an ask into a mailbox, or its waiting room: then it has a ticket.
fn enter<A: crate::Actor>(cell: &CellArc<A>, envelope: Envelope, priority: u8) -> Option<u64> {
    let head = &cell.head;
    let entered = match head.reserve(envelope.units()) {
        true => match life::push(cell, envelope) {
            Ok(()) => return None,
            Err(envelope) => Entered::Refused(envelope, FailureKind::Stopped),
        },
        false => CellPtr::borrow(cell).enter(envelope, priority, Patience::Quiet),
    };
    match entered {
        Entered::Queued => None,
        Entered::Waiting(ticket) => Some(ticket),
        Entered::Refused(envelope, kind) => {
            envelope.refuse(&head.refusal(kind));
            None
        }
    }
}

/// Reads an answer; `items` are those of one that is a stream.
fn read<M: Message>(payload: &Payload, items: Option<FarItems>, system: &ActorSystem) -> Answer<M> {
    let failed = |detail: String| Failure::new(FailureKind::Decode, Certainty::Ran, detail);
    let codec = M::CODEC.ok_or_else(|| failed(format!("{} has no archive", M::NAME)))?;
    let output = codec.decode_output(payload, system);
    let mut output =
        output.map_err(|error| failed(format!("the answer to {}: {error}", M::NAME)))?;
    if let (Some(stream), Some(items)) = (codec.items(&mut output), items) {
        stream.arrive(Box::new(items));
    }
    Ok(output)
}

fn late(detail: &str) -> Failure {
    Failure::not_delivered(FailureKind::Deadline, detail)
}

fn polled_again<T>() -> Result<T, Failure> {
    Err(Failure::new(FailureKind::Cancelled, Certainty::MayHaveRun, "polled after its end"))
}

impl<A: Handler<M>, M: Message> Future for AskFuture<A, M> {
    type Output = Result<M::Reply, AskError<M::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let answer = this.poll_output(cx);
        let witness = &mut this.witness;
        answer.map(|answer| {
            let (outcome, answer) = match answer {
                Ok(output) => match M::answer(output) {
                    Ok(reply) => (Outcome::Done, Ok(reply)),
                    Err(error) => (Outcome::Refused, Err(AskError::Handler(error))),
                },
                Err(failure) => (Outcome::Failed(failure.kind), Err(failure.into())),
            };
            if let Some(witness) = witness.take() {
                witness.learn(outcome);
            }
            answer
        })
    }
}

impl<A: Handler<M>, M: Message> Drop for AskFuture<A, M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(witness) = self.witness.take() {
            witness.learn(Outcome::Abandoned);
        }
        let Some(actor) = &self.actor else { return };
        match (actor.place(), &mut self.asking.state) {
            (Place::Local(cell), State::Local(_, Some(ticket))) => {
                drop(CellPtr::borrow(cell).leave(*ticket));
            }
            (Place::Remote(abroad), State::Line(_, line)) if line.slot != 0 => {
                abroad.route.forget_room(line);
            }
            (Place::Remote(abroad), State::Remote(ask, _)) => drop(abroad.route.give_up(*ask)),
            _ => {}
        }
    }
}
