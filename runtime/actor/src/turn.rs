//! One actor's turn on its worker: what every step of it needs at hand.

use std::task;

use tokio::time::Instant;

use crate::worker::Worker;

/// Messages that one actor handles before the next has its turn: enough to amortise the switch, few enough that a
/// thousand busy actors all move within a millisecond.
pub(crate) const ACTOR_MESSAGES_MAX: u32 = 256;

pub(crate) struct Turn<'a> {
    pub(crate) worker: &'a Worker,
    /// Wakes the actor whose turn it is.
    pub(crate) cx: task::Context<'a>,
    /// Handlers begun in this turn.
    pub(crate) handled: u32,
    now: Option<Instant>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(worker: &'a Worker, cx: task::Context<'a>) -> Self {
        Self { worker, cx, handled: 0, now: None }
    }

    /// The time of this turn: one clock read a turn, at most.
    pub(crate) fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(Instant::now)
    }

    /// Whether others should have their turn.
    pub(crate) fn is_spent(&self) -> bool {
        self.handled >= ACTOR_MESSAGES_MAX
    }
}
