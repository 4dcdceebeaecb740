//! Who runs a worker that any thread may run: its task, or somebody who asks its actor directly.
//!
//! One at a time holds it. A task that finds it held leaves a note, and is woken when the holder is done; whoever closes
//! it while it is held leaves that to the holder. What it is NOT: a lock to wait for. Used for workers of stealing actors
//! only; all others have a thread.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use super::Worker;
use crate::{sync::AtomicU8, workers::Role};

const HELD: u8 = 1;
/// The task came while somebody else held it.
const MISSED: u8 = 2;
/// Whoever holds it closes it, and keeps it for ever.
const CLOSING: u8 = 4;

pub(crate) struct Hold(AtomicU8);

/// What a holder has to see to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// Nothing.
    Free,
    /// The task wants to be woken.
    Missed,
    /// It is to be closed, and is still held.
    Closing,
}

impl Hold {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Takes it, if it is free.
    pub(crate) fn try_begin(&self) -> bool {
        self.0.load(Relaxed) == 0 && self.0.compare_exchange(0, HELD, Acquire, Relaxed).is_ok()
    }

    /// Takes it for its task; `false` if somebody holds it, who will wake the task.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.0.load(Relaxed);
        loop {
            let next = if state == 0 { HELD } else { state | MISSED };
            match self.0.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) => return state == 0,
                Err(now) => state = now,
            }
        }
    }

    /// The holder is done.
    pub(crate) fn end(&self) -> Ended {
        let mut state = self.0.load(Relaxed);
        loop {
            if state & CLOSING != 0 {
                // What the closer did before is seen.
                self.0.load(Acquire);
                return Ended::Closing;
            }
            match self.0.compare_exchange_weak(state, 0, AcqRel, Relaxed) {
                Ok(_) if state & MISSED != 0 => return Ended::Missed,
                Ok(_) => return Ended::Free,
                Err(now) => state = now,
            }
        }
    }

    /// Takes it for ever, to close it; `false` if somebody holds it, who closes it then.
    pub(crate) fn close(&self) -> bool {
        self.0.fetch_or(HELD | CLOSING, AcqRel) & HELD == 0
    }
}

/// Holds a worker, until it is dropped; without effect for one that has a thread.
pub(super) struct Held<'a>(&'a Worker);

impl<'a> Held<'a> {
    /// For its task, which is woken later if somebody else holds it.
    pub(super) fn begin(worker: &'a Worker) -> Option<Self> {
        (worker.role != Role::Stealing || worker.hold.begin()).then(|| Self(worker))
    }

    /// For somebody else than its task.
    pub(super) fn try_begin(worker: &'a Worker) -> Option<Self> {
        worker.hold.try_begin().then(|| Self(worker))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Self(worker) = self;
        if worker.role != Role::Stealing {
            return;
        }
        match worker.hold.end() {
            Ended::Free => {}
            Ended::Missed => worker.wake(),
            Ended::Closing => worker.close_held(),
        }
    }
}
