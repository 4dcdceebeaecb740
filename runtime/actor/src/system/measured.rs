//! What a system keeps for its metrics, beside its counters.
//!
//! What it is NOT: the metrics; read `metrics.rs`.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, atomic::Ordering::Relaxed},
};

use tokio::time::Instant;

use super::ActorSystem;
use crate::{census::Census, hot::Findings, meters::Sampled, metrics::Kept, rest::Rest};

impl ActorSystem {
    pub(crate) fn census(&self) -> &Census {
        &self.inner.census
    }

    pub(crate) fn kept_sampled(&self) -> &Kept {
        &self.inner.kept_sampled
    }

    /// Whom the watchdog found at work.
    pub(crate) fn findings(&self) -> &Findings {
        &self.inner.findings
    }

    pub(crate) fn rest(&self) -> &Rest {
        &self.inner.rest
    }

    /// Keeps what a worker that leaves has sampled.
    pub(crate) fn keep_sampled(&self, sampled: BTreeMap<usize, Sampled>) {
        let mut kept = self.inner.kept_sampled.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, sampled) in sampled {
            kept.entry(place).or_default().add(&sampled);
        }
    }

    pub(crate) fn made_at(&self) -> Instant {
        self.inner.made_at
    }

    /// The time for ages, as of the last look of the watchdog; a simulated clock is read. For polls that begin.
    #[inline]
    pub(crate) fn tick(&self, simulated: bool) -> u32 {
        if simulated {
            return self.ticks(Instant::now());
        }
        self.rouse();
        self.inner.tick.load(Relaxed)
    }

    pub(crate) fn set_tick(&self, now: Instant) {
        self.inner.tick.store(self.ticks(now), Relaxed);
    }
}
