//! The last lives that ended otherwise than by a stop, in words: for tests and for whoever looks at a node.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::ActorSystem;
use crate::{ExitReason, stats::count};

/// The last few failures, oldest first.
#[derive(Default)]
pub(super) struct Failures(Mutex<VecDeque<String>>);

impl Failures {
    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ActorSystem {
    /// How many failures [`recent_failures`](Self::recent_failures) keeps; older ones are only counted.
    pub const RECENT_FAILURES_MAX: usize = 16;

    /// The last lives that ended otherwise than by a stop, in words, oldest first; at most
    /// [`RECENT_FAILURES_MAX`](Self::RECENT_FAILURES_MAX).
    #[must_use]
    pub fn recent_failures(&self) -> Vec<String> {
        self.inner.failures.lock().iter().cloned().collect()
    }

    pub(crate) fn note_failure(&self, kind: &str, number: u64, reason: &ExitReason) {
        count(&self.inner.counters.failures);
        let mut failures = self.inner.failures.lock();
        if failures.len() >= Self::RECENT_FAILURES_MAX {
            failures.pop_front();
        }
        failures.push_back(format!("{kind} {number}: {reason}"));
    }
}
