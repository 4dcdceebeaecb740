//! The actors of a node in figures, by type and by worker, for whoever looks from outside.
//!
//! What it is: [`Metrics`], plain values that print as a table. Workers are asked for copies of what they measured and
//! go on meanwhile; one that is blocked is not waited for. What it is NOT: an exporter for some monitoring system, or a
//! picture of one moment. What is measured, and where: `meters.rs`, `census.rs`, `worker/metering.rs`.

mod table;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use crate::{
    ActorSystem, HotActor,
    meters::{Figures, Sampled, Times},
    worker::{Report, Waiting},
};

/// How long the workers may take to answer: what one whose handler blocks its thread has sampled is left out.
const WORKERS_WITHIN: Duration = Duration::from_secs(1);
/// What the age of a message is counted in; 32 bits of them are 49 days.
const TICK: Duration = Duration::from_millis(1);

/// Sampled times of one actor type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Spread {
    /// How many times were sampled; without any, the others are zero.
    pub samples: u64,
    /// Half of them are at most this long; as the others, it is at most 1 % too long.
    pub p50: Duration,
    /// 90 of 100 are at most this long.
    pub p90: Duration,
    /// 99 of 100 are at most this long.
    pub p99: Duration,
    /// The longest; an hour stands for whatever is longer.
    pub max: Duration,
}

impl Spread {
    fn of(times: Option<&Times>) -> Self {
        let Some(times) = times else { return Self::default() };
        let at = |quantile| Duration::from_nanos(times.value_at_quantile(quantile));
        let max = Duration::from_nanos(times.max());
        Self { samples: times.len(), p50: at(0.5), p90: at(0.9), p99: at(0.99), max }
    }
}

/// The figures of one actor type on one node. Actors have them from their first turn on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TypeMetrics {
    /// Its id, else its name in the program; `other` for all types beyond the first
    /// [`TYPES_MAX`](Metrics::TYPES_MAX).
    pub kind: &'static str,
    /// Actors that are starting, running, waiting for a restart or stopping.
    pub live: u64,
    /// Actors that ever started, restarts not counted.
    pub started: u64,
    /// Restarts by supervisors.
    pub restarts: u64,
    /// Lives that ended by a panic, a failure, a kill.
    pub failures: u64,
    /// Handlers that began to run.
    pub handled: u64,
    /// Asks that were skipped because their time was up or their caller had given up.
    pub skipped: u64,
    /// Messages that a full mailbox dropped.
    pub dropped: u64,
    /// Messages that no handler saw because the actor had ended.
    pub undelivered: u64,
    /// Sampled times of handlers, from begin to end, waiting included. Those that panicked or were ended are not in it.
    pub handler: Spread,
    /// Sampled times from a message's place in a mailbox until it is taken for its handler: of the first message to
    /// arrive at an empty mailbox, which waits longest of those that are taken with it. Time in the waiting room is not
    /// in it, nor are mailboxes with priorities and those that drop their oldest message.
    pub queue: Spread,
    /// Messages that wait in mailboxes now.
    pub depth: u64,
    /// Most messages that wait in one mailbox now.
    pub depth_max: u32,
    /// The longest time for which an actor that has messages waiting has taken none from its mailbox. Messages that came
    /// since are younger, those that were taken before and are not handled yet are older. `None` if none waits at an actor
    /// that is at work, and where nobody keeps the time, see [`ActorSystem::watch_workers`]; late by half of
    /// [`blocked_after`](crate::SystemConfig::blocked_after).
    pub age_max: Option<Duration>,
}

/// The figures of one worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Its number, in order of start.
    pub number: u32,
    /// How many times [`ActorSystem::watch_workers`] has looked at it; it looks twice in each
    /// [`blocked_after`](crate::SystemConfig::blocked_after). Those that it leaves out while nobody is at work count.
    pub looks: u64,
    /// How many times it was found at work.
    pub busy: u64,
    /// How many of its polls were found to be blocked.
    pub blocked: u64,
    /// How many looks there were in the last seconds, 12.8 by default.
    pub recent_looks: u64,
    /// How many of these found it at work.
    pub recent_busy: u64,
}

impl WorkerMetrics {
    /// The share of its time in which it was at work, from 0 to 1, since it was started; `None` if nobody has looked.
    /// After n looks it is off by about `0.5 / sqrt(n)`. For the share since an earlier time, subtract the earlier
    /// figures of [`busy`](Self::busy) and [`looks`](Self::looks).
    #[must_use]
    pub fn busy_share(&self) -> Option<f64> {
        (self.looks > 0).then(|| self.busy as f64 / self.looks as f64)
    }

    /// The share of the last seconds, 12.8 by default, in which it was at work, from 0 to 1; `None` if nobody has looked. It
    /// is off by 3 % at most.
    #[must_use]
    pub fn recent_share(&self) -> Option<f64> {
        let share = self.recent_busy as f64 / self.recent_looks as f64;
        (self.recent_looks > 0).then_some(share.min(1.0))
    }
}

/// The actors of a node in figures; prints as a table.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Actor types, in the order of their names.
    pub types: Vec<TypeMetrics>,
    /// Workers that are there, in the order of their numbers.
    pub workers: Vec<WorkerMetrics>,
    /// The actors that stand out, at most 48: the 16 that were found at work most often of late, the 16 at which most
    /// messages wait, the 16 that have taken none for the longest time. Those at work most often come first.
    pub hot: Vec<HotActor>,
    /// Workers that did not answer within a second: the times that they sampled, what waits at their actors and which of
    /// these stand out, are missing. All other figures are complete.
    pub silent_workers: usize,
}

impl Metrics {
    /// Actor types that are told apart; later ones share one entry.
    pub const TYPES_MAX: usize = crate::census::TYPES_MAX;

    /// The figures of one actor type, by its id or its name in the program.
    #[must_use]
    pub fn of(&self, kind: &str) -> Option<&TypeMetrics> {
        self.types.iter().find(|of_type| of_type.kind == kind)
    }
}

/// The time between two ticks; `None` if one of them is unknown. Threads that read the clock at once may keep the time of
/// the one that read it first, so that `now` is a little earlier: no time has passed.
pub(crate) fn since(earlier: u32, now: u32) -> Option<u32> {
    let passed = now.wrapping_sub(earlier);
    (earlier != 0 && now != 0).then_some(if passed > u32::MAX / 2 { 0 } else { passed })
}

impl ActorSystem {
    /// The share of the last seconds, 12.8 by default, in which this node's shared workers were at work, on average over them,
    /// from 0 to 1; `None` where nobody looks, see [`watch_workers`](Self::watch_workers). Actors on threads or tasks of
    /// their own are not in it, nor is what the node does for the network. It asks no worker.
    #[must_use]
    pub fn busy_share(&self) -> Option<f64> {
        self.findings().share(&self.workers().shared_numbers())
    }

    /// What the actors of this node did, by type and by worker, and what waits. The workers go on meanwhile; it waits
    /// for their answers for at most a second.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn metrics(&self) -> Metrics {
        let workers = self.workers().all();
        let sums = Arc::new(self.findings().sums());
        let asked = workers.iter().map(|worker| worker.report(&sums)).collect::<Vec<_>>();
        let end = Instant::now() + WORKERS_WITHIN;
        let mut sum = Report::default();
        let mut silent_workers = 0;
        for report in asked {
            let answer = {
                let _entered = self.runtime().enter();
                timeout_at(end, report)
            };
            match answer.await {
                Ok(Ok(report)) => sum.add(report),
                // A worker that has left gave what it had to the system.
                Ok(Err(_)) => {}
                Err(_) => silent_workers += 1,
            }
        }
        for (place, sampled) in &*self.kept_sampled().lock().unwrap_or_else(PoisonError::into_inner)
        {
            sum.sampled.entry(*place).or_default().add(sampled);
        }
        let kinds = self.census().kinds().into_iter().enumerate();
        let mut types = kinds
            .filter_map(|(place, kind)| {
                let here = workers
                    .iter()
                    .map(|worker| worker.tallies().of(place))
                    .fold(Figures::default(), Figures::plus);
                self.of_type(place, kind, here, &sum)
            })
            .collect::<Vec<_>>();
        types.sort_by_key(|of_type| of_type.kind);
        let mut workers = workers
            .iter()
            .map(|worker| {
                let (looks, busy, blocked) = worker.gauge().seen();
                let number = worker.number();
                let recent_busy = sums.workers.get(&number).copied().unwrap_or(0);
                let recent_looks = if looks > 0 { sums.rounds } else { 0 };
                WorkerMetrics { number, looks, busy, blocked, recent_looks, recent_busy }
            })
            .collect::<Vec<_>>();
        workers.sort_by_key(|worker| worker.number);
        let hot = sum.picked.actors(&sums, TICK);
        Metrics { types, workers, hot, silent_workers }
    }

    fn of_type(
        &self,
        place: usize,
        kind: &'static str,
        here: Figures,
        sum: &Report,
    ) -> Option<TypeMetrics> {
        use std::sync::atomic::Ordering::Relaxed;
        let counts = self.census().counts(place)?;
        let Waiting { messages, messages_max, ticks_max } =
            sum.waiting.get(&place).copied().unwrap_or_default();
        let sampled = sum.sampled.get(&place);
        let of_type = TypeMetrics {
            kind,
            live: counts.live.load(Relaxed).wrapping_add(here.live),
            started: counts.started.load(Relaxed).wrapping_add(here.started),
            restarts: counts.restarts.load(Relaxed),
            failures: counts.failures.load(Relaxed),
            handled: counts.handled.load(Relaxed).wrapping_add(here.handled),
            skipped: counts.skipped.load(Relaxed),
            dropped: counts.dropped.load(Relaxed),
            undelivered: counts.undelivered.load(Relaxed),
            handler: Spread::of(sampled.and_then(|sampled| sampled.handler.as_deref())),
            queue: Spread::of(sampled.and_then(|sampled| sampled.queue.as_deref())),
            depth: messages,
            depth_max: messages_max,
            age_max: ticks_max.map(|ticks| TICK * ticks),
        };
        // The entry of the others is there only if there are some.
        let none = TypeMetrics { kind, ..TypeMetrics::default() };
        (of_type != none).then_some(of_type)
    }

    /// The ticks since the system was made, never 0.
    pub(crate) fn ticks(&self, now: Instant) -> u32 {
        let millis = now.saturating_duration_since(self.made_at()).as_millis();
        (millis as u32).max(1)
    }
}

impl Report {
    fn add(&mut self, more: Self) {
        for (place, waiting) in more.waiting {
            self.waiting.entry(place).or_default().add(&waiting);
        }
        for (place, sampled) in more.sampled {
            self.sampled.entry(place).or_default().add(&sampled);
        }
        self.picked.add(more.picked);
    }
}

/// The times of workers that have left, by the place of the type.
pub(crate) type Kept = std::sync::Mutex<BTreeMap<usize, Sampled>>;
