//! A point in time that a send on any executor waits for: the node's own timer, made on first need.
//!
//! The timer belongs to the node's runtime, so that asks can be awaited on any executor, one without timers among
//! them. Data comes from `tell.rs` and `ask.rs`.

use std::{future::Future, pin::Pin, task::Context, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    ActorSystem,
    worker::{Worker, arm_later},
};

/// When a send gives up. `None` is so far away that nobody waits for it.
#[derive(Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    /// It has been polled without a timer.
    deferred: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn after(within: Duration) -> Self {
        Self { at: Instant::now().checked_add(within), deferred: false, timer: None }
    }

    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether time is up; else the task is woken when it is.
    pub(crate) fn is_over(&mut self, system: &ActorSystem, cx: &mut Context<'_>) -> bool {
        self.poll(system, None, cx)
    }

    /// The same for a send that one of this worker's actors ends, most likely in the worker's next poll.
    pub(crate) fn is_over_at(&mut self, worker: &Worker, cx: &mut Context<'_>) -> bool {
        self.poll(worker.system(), Some(worker), cx)
    }

    fn poll(
        &mut self,
        system: &ActorSystem,
        answerer: Option<&Worker>,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(at) = self.at else { return false };
        // Once the system is gone its runtime may be gone too, and a timer would panic.
        if system.is_gone() {
            return true;
        }
        if !self.deferred && self.timer.is_none() {
            self.deferred = true;
            if arm_later(cx.waker(), answerer) {
                return false;
            }
        }
        let timer = self.timer.get_or_insert_with(|| {
            let _entered = system.runtime().enter();
            Box::pin(sleep_until(at))
        });
        timer.as_mut().poll(cx).is_ready()
    }
}
