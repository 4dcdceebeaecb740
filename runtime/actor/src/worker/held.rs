//! Who holds a worker, for the length of a poll or of a direct turn.

use super::Worker;
use crate::{hold::Ended, workers::Role};

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
