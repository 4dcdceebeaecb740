//! A supervisor's alarm: a timer whose waker puts a message in the system lane.
//!
//! No task waits for it, and nothing is polled while it runs. What it is NOT: a decision when; the plan has those.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::{bonds::LaneItem, cell::CellPtr, envelope::Envelope};

/// Tells the supervisor when it is time.
pub(super) struct Alarm {
    ring: Arc<Ring>,
    at: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

struct Ring {
    cell: CellPtr,
    message: fn() -> Envelope,
    /// It is in the lane and was not heard yet.
    ringing: AtomicBool,
}

/// Alarms of one supervisor that wait in its lane at a time.
pub(super) const ALARMS_MAX: usize = 1;

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        if !self.ringing.swap(true, Ordering::AcqRel) {
            self.cell.push_lane(LaneItem::Message((self.message)()));
        }
    }
}

impl Alarm {
    pub(super) fn new(cell: CellPtr, message: fn() -> Envelope) -> Self {
        let ring = Ring { cell, message, ringing: AtomicBool::new(false) };
        Self { ring: Arc::new(ring), at: None, sleep: None }
    }

    /// The time that was set has come.
    pub(super) fn rang(&mut self) {
        self.ring.ringing.store(false, Ordering::Release);
        self.at = None;
    }

    /// Rings at that time and at no other.
    pub(super) fn set(&mut self, at: Option<Instant>) {
        if self.at == at {
            return;
        }
        self.at = at;
        let Some(at) = at else { return self.sleep = None };
        let sleep = self.sleep.insert(Box::pin(sleep_until(at)));
        let waker = Waker::from(self.ring.clone());
        if sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            waker.wake();
        }
    }
}
