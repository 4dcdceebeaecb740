//! An ask that is with an actor of another node: where its answer arrives, and when it is looked for a circle.
//!
//! What it is NOT: the look itself; the edge that is made here is known to others of this node (`edges.rs`), and the
//! route asks the other nodes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    time::Duration,
};

use odeon_message::{Address, AskId, Failure, Payload};
use tokio::time::Instant;

use crate::{
    ActorSystem, RemoteAnswer, Route,
    deadline::Deadline,
    edges::{Edge, Goal},
    items::Inlet,
    worker::waiting::{keeps_actor, who_waits},
};

/// The shortest time before the first look.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// An ask to another node as an edge sees it.
#[derive(Clone)]
pub(crate) struct FarAsk {
    slot: Arc<AnswerSlot>,
    to: Address,
    ask: AskId,
}

impl FarAsk {
    pub(super) fn new(slot: Arc<AnswerSlot>, to: Address, ask: AskId) -> Self {
        Self { slot, to, ask }
    }

    /// Whether no answer has come.
    pub(crate) fn is_open(&self) -> bool {
        self.slot.is_open()
    }

    /// Whom it was sent to, and its number.
    pub(crate) fn place(&self) -> (Address, AskId) {
        (self.to, self.ask)
    }

    /// Makes it known that the handler that asks waits, and has the other nodes asked whether it waits for itself.
    #[cold]
    pub(super) fn look(
        self,
        edge: &mut Option<Box<Edge>>,
        deadline: &Deadline,
        route: &dyn Route,
        system: &ActorSystem,
    ) {
        if edge.is_none() {
            let Some((from, by)) = who_waits(deadline.swept()) else { return };
            *edge = Edge::new(from, by, Goal::There(self)).map(Box::new);
        }
        if let Some(wait) = edge.as_ref().and_then(|edge| edge.far()) {
            route.look(system.incarnation(), wait);
        }
    }
}

/// Where the answer of an actor on another node arrives.
#[derive(Default)]
pub(super) struct AnswerSlot {
    arrived: Mutex<Arrived>,
    /// Where the items arrive of an answer that is a stream.
    inlet: Option<Arc<Inlet>>,
}

#[derive(Default)]
struct Arrived {
    answer: Option<Result<Payload, Failure>>,
    waker: Option<Waker>,
    /// The answer has come, and may have been taken.
    closed: bool,
    looks: Option<Looks>,
}

/// When it is asked whether actors wait in a circle: each time after twice as long as before, so that a circle is found
/// within as long again as its last ask has waited, and an ask costs few questions however long it waits.
#[derive(Clone, Copy)]
struct Looks {
    at: Option<Instant>,
    pause: Duration,
}

impl AnswerSlot {
    /// One for an answer that is a stream, or for another.
    pub(super) fn new(is_streaming: bool) -> Self {
        Self { inlet: is_streaming.then(Arc::default), ..Self::default() }
    }

    pub(super) fn inlet(&self) -> Option<&Arc<Inlet>> {
        self.inlet.as_ref()
    }

    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        !self.lock().closed
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Option<Result<Payload, Failure>> {
        let mut arrived = self.lock();
        if arrived.answer.is_none() {
            arrived.waker = Some(cx.waker().clone());
        }
        arrived.answer.take()
    }

    /// When to look next; never, if no handler waits or it has less time than that.
    pub(super) fn next_look(
        &self,
        deadline: &Deadline,
        within: Duration,
        system: &ActorSystem,
    ) -> Option<Instant> {
        let mut arrived = self.lock();
        if let Some(looks) = arrived.looks {
            return looks.at;
        }
        let pause = system.config().probe_after.max(PAUSE_MIN);
        let began = deadline.at().and_then(|at| at.checked_sub(within));
        let at = (keeps_actor() && pause < within)
            .then(|| began.unwrap_or_else(Instant::now).checked_add(pause))
            .flatten();
        arrived.looks = Some(Looks { at, pause });
        at
    }

    /// It was looked at: when to look next.
    pub(super) fn looked(&self) -> Option<Instant> {
        let mut arrived = self.lock();
        let looks = arrived.looks.as_mut()?;
        looks.pause = looks.pause.saturating_mul(2);
        looks.at = looks.at.and_then(|at| at.checked_add(looks.pause));
        looks.at
    }
}

impl RemoteAnswer for AnswerSlot {
    fn answer(&self, result: Result<Payload, Failure>) {
        let waker = {
            let mut arrived = self.lock();
            arrived.answer = Some(result);
            arrived.closed = true;
            arrived.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn item(&self, payload: Payload, frame_bytes: usize) {
        if let Some(inlet) = &self.inlet {
            inlet.push(payload, frame_bytes);
        }
    }

    fn end(&self, failure: Option<Failure>) {
        if let Some(inlet) = &self.inlet {
            inlet.end(failure);
        }
    }
}
