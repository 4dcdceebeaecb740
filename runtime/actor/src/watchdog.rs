//! The watchdog: sees from another thread that a worker is blocked, while it is.
//!
//! It looks at each shared worker twice in every `blocked_after`, and once a second while nobody is at work (`rest.rs`);
//! one that is in the same poll for that long does not give its other actors their turn. It is named, with the actor whose
//! turn it is, and counted. What it is NOT: able to see the thread it runs on, nor the threads of blocking actors, which may
//! block. In a simulation it is off: no time passes there while a handler runs.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{
    ActorSystem,
    gauge::Gauge,
    rest::{Pace, Waited},
    stats::count,
};

/// Between two lines in the log about the same worker.
const QUIET: Duration = Duration::from_secs(1);

/// What was seen of one worker.
struct Seen {
    poll: u64,
    since: Instant,
    counted: bool,
    /// No line in the log before that.
    quiet_until: Option<Instant>,
}

/// A worker is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Blocked {
    worker: u32,
    lasted: Duration,
    /// Whether it is worth a line in the log.
    aloud: bool,
}

struct Watchdog {
    blocked_after: Duration,
    workers: BTreeMap<u32, Seen>,
}

impl Watchdog {
    fn new(blocked_after: Duration) -> Self {
        Self { blocked_after, workers: BTreeMap::new() }
    }

    /// Looks at all workers, each with the poll it is in; who is newly blocked.
    fn look(&mut self, now: Instant, workers: &[(u32, Option<u64>)]) -> Vec<Blocked> {
        self.workers.retain(|number, _| workers.iter().any(|(worker, _)| worker == number));
        workers.iter().filter_map(|(worker, poll)| self.look_at(now, *worker, *poll)).collect()
    }

    fn look_at(&mut self, now: Instant, worker: u32, poll: Option<u64>) -> Option<Blocked> {
        let fresh = |poll| Seen { poll, since: now, counted: false, quiet_until: None };
        let seen = self.workers.entry(worker).or_insert_with(|| fresh(0));
        // No poll has the number 0.
        let poll = poll.unwrap_or(0);
        if seen.poll != poll {
            *seen = Seen { quiet_until: seen.quiet_until, ..fresh(poll) };
        }
        let lasted = now.saturating_duration_since(seen.since);
        if poll == 0 || seen.counted || lasted < self.blocked_after {
            return None;
        }
        seen.counted = true;
        let aloud = seen.quiet_until.is_none_or(|until| now >= until);
        if aloud {
            seen.quiet_until = now.checked_add(QUIET);
        }
        Some(Blocked { worker, lasted, aloud })
    }
}

impl ActorSystem {
    /// Watches the workers, for as long as it is polled: on another thread than theirs, since it must run while they
    /// are blocked. Each poll of a worker that lasts longer than
    /// [`blocked_after`](crate::SystemConfig::blocked_after) is counted in
    /// [`blocked`](crate::SystemStats::blocked). It also keeps the time and looks who is at work, for
    /// [`metrics`](Self::metrics), and wakes those who wait without a timer (`lobby.rs`). It looks once a
    /// second while no worker has been at work for five times `blocked_after`. It is never done; in a simulation, or with
    /// `blocked_after` zero, it does nothing.
    ///
    /// # Panics
    /// Outside a tokio runtime with timers.
    ///
    /// # Cancel safety
    /// Dropping it ends the watching.
    pub async fn watch_workers(&self) {
        let blocked_after = self.config().blocked_after;
        if blocked_after.is_zero() || self.env().observer().is_some() {
            return std::future::pending().await;
        }
        let mut watchdog = Watchdog::new(blocked_after);
        let looking = self.lobbies().begin(blocked_after / 2);
        let mut pace = Pace::new(blocked_after / 2);
        loop {
            let Waited { left_out, roused } = pace.wait(self.rest()).await;
            let now = Instant::now();
            self.set_tick(now);
            looking.look(now);
            let workers = self.workers().watched();
            for _ in 0..left_out {
                self.findings().round(std::iter::empty());
            }
            let known = workers.iter().filter(|w| watchdog.workers.contains_key(&w.number()));
            known.for_each(|worker| worker.gauge().leave_out(left_out));
            let look = if roused { Gauge::poll } else { Gauge::look };
            let polls = workers.iter().map(|w| (w.number(), look(w.gauge()))).collect::<Vec<_>>();
            pace.note(self.rest(), polls.iter().all(|(_, poll)| poll.is_none()));
            if !roused {
                let found = workers.iter().zip(&polls).filter(|(_, (_, poll))| poll.is_some());
                self.findings().round(found.map(|(worker, (number, _))| {
                    (*number, worker.gauge().running().map_or(0, |running| running.actor))
                }));
            }
            for Blocked { worker, lasted, aloud } in watchdog.look(now, &polls) {
                count(&self.counters().blocked);
                let gauge = workers.iter().find(|w| w.number() == worker).map(|w| w.gauge());
                gauge.into_iter().for_each(|gauge| gauge.block());
                if let Some(running) = gauge.and_then(|gauge| gauge.running()).filter(|_| aloud) {
                    let (actor, kind) = (running.actor, running.kind);
                    tracing::warn!(
                        worker,
                        actor,
                        kind,
                        ?lasted,
                        "a handler blocks its worker: await instead, or place its actor with Placement::Blocking; see \
                         runbook: handler-blocked"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(50);

    #[test]
    fn one_long_poll_is_counted_once() {
        let mut dog = Watchdog::new(STEP * 2);
        let start = Instant::now();
        let look =
            |dog: &mut Watchdog, step: u32, poll| dog.look(start + STEP * step, &[(7, poll)]);
        assert_eq!(look(&mut dog, 0, Some(1)), []);
        assert_eq!(look(&mut dog, 1, Some(1)), []);
        let blocked = Blocked { worker: 7, lasted: STEP * 2, aloud: true };
        assert_eq!(look(&mut dog, 2, Some(1)), [blocked]);
        assert_eq!(look(&mut dog, 9, Some(1)), [], "the same poll");
        assert_eq!(look(&mut dog, 10, Some(3)), []);
        assert_eq!(look(&mut dog, 12, Some(3)), [Blocked { aloud: false, ..blocked }], "so soon");
        assert_eq!(look(&mut dog, 30, Some(5)), []);
        let again = Blocked { lasted: STEP * 3, ..blocked };
        assert_eq!(look(&mut dog, 33, Some(5)), [again]);
    }

    #[test]
    fn short_polls_and_sleep_are_fine() {
        let mut dog = Watchdog::new(STEP * 2);
        let start = Instant::now();
        for step in 0..40 {
            let polls = [(1, Some(u64::from(step) * 2 + 1)), (2, None)];
            assert_eq!(dog.look(start + STEP * step, &polls), []);
        }
        assert_eq!(dog.look(start + STEP * 50, &[]), []);
        assert!(dog.workers.is_empty(), "workers that are gone are forgotten");
    }
}
