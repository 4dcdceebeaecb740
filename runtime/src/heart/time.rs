//! The time of an end: how long each of its phases may take, and who makes it less.
//!
//! What it is: [`Stop`], the order, and [`Time`], what is left of it while the phases pass (`heart.rs`). Every phase heeds
//! a later order that gives it less; none gives it more, so that the end is bounded however often it is ordered.

use std::{future::Future, time::Duration};

use tokio::{sync::watch, time::Instant};

/// Phases of a stop that share the time of a drain: news of the names that are no more, actors, what others still send,
/// lanes, goodbyes, connections.
const STOP_PHASES: u32 = 6;

/// An order to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// Longest time for each phase of the stop.
    pub(crate) within: Duration,
    /// Whether what others began is finished first; then `within` is for all of it together.
    pub(crate) drains: bool,
}

impl Stop {
    /// Adds this order to what a node was told before; whether that changes anything.
    pub(crate) fn give(self, told: &mut Option<Self>) -> bool {
        let next = match *told {
            None => self,
            Some(before) if self.drains => before,
            Some(Self { drains: true, .. }) => self,
            Some(Self { within, .. }) => Self { within: within.min(self.within), ..self },
        };
        let changes = told.is_none_or(|it| (it.within, it.drains) != (next.within, next.drains));
        *told = Some(next);
        changes
    }
}

/// What the phases of an end may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    /// Each of them.
    each: Duration,
    /// All of them together, in a drain.
    end: Option<Instant>,
    /// Phases of the stop to come.
    phases: u32,
}

impl Time {
    /// From now on.
    pub(super) fn of(stop: Stop) -> Self {
        // Beyond what a clock counts nothing ends by time.
        let end = stop.drains.then(|| Instant::now().checked_add(stop.within)).flatten();
        Self { each: stop.within, end, phases: STOP_PHASES }
    }

    /// When all must be over, if they have a common end.
    pub(super) fn end(&self) -> Option<Instant> {
        self.end
    }

    /// Each phase takes at most this from now on.
    pub(super) fn shorten(&mut self, within: Duration) {
        self.each = self.each.min(within);
    }

    /// What one phase may take: the rest of a common end is shared by those to come.
    fn next(&mut self, now: Instant) -> Duration {
        let phases = self.phases.max(1);
        self.phases = phases - 1;
        let left = |end: Instant| end.saturating_duration_since(now) / phases;
        self.end.map_or(self.each, |end| self.each.min(left(end)))
    }

    /// Runs one phase, for `most` at most: it is given its time, and begins again with less when somebody orders so.
    pub(super) async fn phase<W: Future>(
        &mut self,
        orders: &mut watch::Receiver<Option<Stop>>,
        most: Duration,
        work: impl Fn(Duration) -> W,
    ) {
        let now = Instant::now();
        let mut until = now + self.next(now).min(most).min(FOR_EVER);
        loop {
            tokio::select! {
                biased;
                within = told_to_stop(orders) => {
                    self.shorten(within);
                    until = until.min(Instant::now() + self.each.min(FOR_EVER));
                }
                _ = work(until.saturating_duration_since(Instant::now())) => return,
            }
        }
    }
}

/// Longer than any node waits, and short enough to be added to a clock.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Waits until somebody wants the node to stop, and not to drain as it does already: how long each phase may take.
pub(super) async fn told_to_stop(orders: &mut watch::Receiver<Option<Stop>>) -> Duration {
    loop {
        if orders.changed().await.is_err() {
            return Duration::ZERO;
        }
        if let Some(Stop { within, drains: false }) = *orders.borrow_and_update() {
            return within;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn told(orders: &[(u64, bool)]) -> (u64, bool) {
        let mut told = None;
        for &(secs, drains) in orders {
            Stop { within: SECOND * secs as u32, drains }.give(&mut told);
        }
        let told = told.expect("something was ordered");
        (told.within.as_secs(), told.drains)
    }

    #[test]
    fn a_stop_counts_more_than_a_drain_and_less_time_more_than_more() {
        assert_eq!(told(&[(30, true), (1, true)]), (30, true), "the first drain goes on");
        assert_eq!(told(&[(30, true), (60, false)]), (60, false));
        assert_eq!(told(&[(5, false), (30, true)]), (5, false));
        assert_eq!(told(&[(5, false), (9, false)]), (5, false));
        assert_eq!(told(&[(5, false), (1, false)]), (1, false));
    }

    #[test]
    fn phases_share_what_is_left_of_a_drain() {
        let mut time = Time::of(Stop { within: SECOND * 12, drains: true });
        let end = time.end().expect("it drains");
        assert_eq!(time.next(end - SECOND * 12), SECOND * 2);
        assert_eq!(time.next(end - SECOND * 10), SECOND * 2);
        assert_eq!(time.next(end - SECOND * 8), SECOND * 2);
        assert_eq!(time.next(end - SECOND * 8), SECOND * 8 / 3, "the third one took no time");
        time.shorten(SECOND);
        assert_eq!(time.next(end - SECOND * 8), SECOND);
        assert_eq!(time.next(end - SECOND * 8), SECOND, "as was ordered");
        assert_eq!(
            time.next(end - SECOND * 8),
            SECOND,
            "what comes behind has no more than is left"
        );
        assert_eq!(time.next(end + SECOND), Duration::ZERO);
        let mut time = Time::of(Stop { within: SECOND * 8, drains: false });
        assert!((0..9).all(|_| time.next(end) == SECOND * 8), "each phase of a stop has all of it");
    }

    #[tokio::test]
    async fn orders_that_come_again_and_again_make_no_phase_longer() {
        let (sender, mut orders) = watch::channel(None);
        let mut time = Time::of(Stop { within: SECOND * 60, drains: false });
        let began = Instant::now();
        let ordering = async {
            for millis in (1..=20).rev() {
                tokio::time::sleep(SECOND / 100).await;
                let within = Duration::from_millis(100 + millis);
                sender.send_if_modified(|told| Stop { within, drains: false }.give(told));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = ordering => {}
            () = time.phase(&mut orders, Duration::MAX, tokio::time::sleep) => {}
        }
        assert!(began.elapsed() < SECOND * 20, "the first of them left a tenth of a second");
    }
}
