//! The longest wait for one item of a stream.
//!
//! What it is: a deadline that begins anew with every item that is waited for. What it is NOT: the deadline of the ask
//! that opened the stream, which ends with its reply.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use odeon_message::{Certainty, Failure, FailureKind};

use crate::{ActorSystem, deadline::Deadline};

pub(super) struct Patience {
    system: ActorSystem,
    within: Option<Duration>,
    /// Of the item that is waited for.
    deadline: Option<Deadline>,
}

impl Patience {
    pub(super) fn new(system: &ActorSystem) -> Self {
        Self { system: system.clone(), within: None, deadline: None }
    }

    pub(super) fn system(&self) -> &ActorSystem {
        &self.system
    }

    pub(super) fn set(&mut self, within: Duration) {
        self.within = Some(within);
        self.deadline = None;
    }

    /// An item has come: the next has all the time again.
    pub(super) fn renew(&mut self) {
        self.deadline = None;
    }

    /// There is no item yet: ready when it was waited for too long.
    pub(super) fn poll_spent(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let Some(within) = self.within else { return Poll::Pending };
        let deadline = self.deadline.get_or_insert_with(|| Deadline::after(within));
        if !deadline.is_over(&self.system, cx) {
            return Poll::Pending;
        }
        let detail = format!("no item came within {within:?}");
        Poll::Ready(Failure::new(FailureKind::Deadline, Certainty::Ran, detail))
    }
}
