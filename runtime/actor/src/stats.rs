//! Counters of one system: what tests, the simulator's leak check and metrics read.
//!
//! Each worker counts for itself and adds up at the end of a turn, so that the hot path touches no shared line. What
//! it is NOT: a metrics exporter. Read `system.rs` for how they are read.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// A moment's figures of one [`ActorSystem`](crate::ActorSystem). All but the first three only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct SystemStats {
    /// Actors that are starting, running, waiting for a restart or stopping.
    pub live_actors: u64,
    /// Allocated actors: live ones and those that ended but are still referred to. 0 after everything is dropped.
    pub cells: u64,
    /// Actors that other nodes can reach.
    pub exported: u64,
    /// Actors that ever started, restarts not counted.
    pub started: u64,
    /// Restarts by supervisors.
    pub restarts: u64,
    /// Handlers that began to run.
    pub handled: u64,
    /// Handlers, starts and stops that panicked.
    pub panics: u64,
    /// Lives of actors that ended otherwise than by a stop: by a panic, a failure, a kill.
    pub failures: u64,
    /// Messages that no handler saw, because the actor had ended.
    pub undelivered: u64,
    /// Messages that a full mailbox dropped, as its [`Overflow`](crate::Overflow) says.
    pub dropped: u64,
    /// Asks that were skipped because their time was up or their caller had given up.
    pub skipped: u64,
    /// Tells whose handler answered with an error.
    pub tell_errors: u64,
    /// Messages from the network whose archive failed its check.
    pub decode_failures: u64,
    /// Messages from the network that were refused before a mailbox: no such actor, or not accepted.
    pub refused: u64,
    /// Polls of workers that lasted longer than [`blocked_after`](crate::SystemConfig::blocked_after): a handler blocked.
    pub blocked: u64,
    /// Asks that were sent again, under a [`RetryPolicy`](crate::RetryPolicy).
    pub retries: u64,
    /// Asks that were not sent again because the budget of retries was spent.
    pub retries_refused: u64,
}

/// The counters behind [`SystemStats`].
#[derive(Default)]
pub(crate) struct Counters {
    /// Actors that were ever made: the last number that was given to one.
    pub(crate) made: AtomicU64,
    /// Those that are not live any more.
    pub(crate) ended: AtomicU64,
    /// Those whose memory is given back.
    pub(crate) freed: AtomicU64,
    pub(crate) restarts: AtomicU64,
    /// Of workers that have left.
    pub(crate) handled: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) undelivered: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) tell_errors: AtomicU64,
    pub(crate) decode_failures: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) blocked: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) retries_refused: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self, exported: u64, started: u64) -> SystemStats {
        // Before those that were made, of which they are a part.
        let (ended, freed) = (self.ended.load(Acquire), self.freed.load(Acquire));
        let made = self.made.load(Relaxed);
        SystemStats {
            live_actors: made.saturating_sub(ended),
            cells: made.saturating_sub(freed),
            exported,
            started,
            restarts: self.restarts.load(Relaxed),
            handled: self.handled.load(Relaxed),
            panics: self.panics.load(Relaxed),
            failures: self.failures.load(Relaxed),
            undelivered: self.undelivered.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            tell_errors: self.tell_errors.load(Relaxed),
            decode_failures: self.decode_failures.load(Relaxed),
            refused: self.refused.load(Relaxed),
            blocked: self.blocked.load(Relaxed),
            retries: self.retries.load(Relaxed),
            retries_refused: self.retries_refused.load(Relaxed),
        }
    }
}

impl Counters {
    /// One more actor is made: its number.
    #[inline]
    pub(crate) fn make(&self) -> u64 {
        self.made.fetch_add(1, Relaxed) + 1
    }

    /// An actor has ended: whether it was the last one that was live.
    pub(crate) fn end(&self) -> bool {
        self.ended.fetch_add(1, AcqRel) + 1 == self.made.load(Relaxed)
    }
}

/// Adds one, and says the new value when it is worth a line in the log: the first, the second, the fourth, the eighth
/// time and so on, so that a peer that sends nonsense fills no disk.
pub(crate) fn count_aloud(counter: &AtomicU64) -> Option<u64> {
    let count = counter.fetch_add(1, Relaxed).wrapping_add(1);
    count.is_power_of_two().then_some(count)
}

/// Adds one; a counter orders nothing.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Adds so many.
pub(crate) fn count_more(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Relaxed);
}
