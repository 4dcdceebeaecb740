//! When the watchdog may rest: a node at rest is not woken twenty times a second to find that nobody is at work.
//!
//! After some looks at which nobody was, it says that it rests, looks once more, and from then on once a second. Whoever
//! begins a poll, or to wait in a lobby, while it says so rouses it, and sets the time by which ages and waits go, which is
//! that of the last look. What it is NOT: the looks, which are `watchdog.rs`.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use crate::ActorSystem;

/// Looks in a row at which nobody was at work, before it says that it rests: half a second, so that a node that has a little
/// to do is not roused for each bit of it.
const CALM_LOOKS: u32 = 10;

/// Between two looks while it rests: seldom enough to cost nothing, and the longest that one of them could be missed for.
const REST: Duration = Duration::from_secs(1);

/// Looks left out that still count, so that shares are of time: more than any reader of theirs sees.
const LEFT_OUT_MAX: u128 = 256;

/// What the watchdog of a system says to those whom it watches.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    rests: AtomicBool,
    roused: Notify,
}

impl Rest {
    fn is_on(&self) -> bool {
        self.rests.load(Ordering::Acquire)
    }

    fn end(&self) {
        if self.rests.swap(false, Ordering::AcqRel) {
            self.roused.notify_one();
        }
    }
}

impl ActorSystem {
    /// Somebody is at work, or waits for the next look: the watchdog must not rest.
    #[inline]
    pub(crate) fn rouse(&self) {
        if self.rest().is_on() {
            self.end_rest();
        }
    }

    #[cold]
    fn end_rest(&self) {
        let now = Instant::now();
        // Before it is told, so that whoever finds it awake finds the time right.
        self.set_tick(now);
        self.lobbies().set_time(now);
        self.rest().end();
    }
}

/// What came before a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Waited {
    /// Looks that were left out.
    pub(crate) left_out: u32,
    /// Somebody who began to work has called for it. It finds who called, and so is no sample of how busy anybody is.
    pub(crate) roused: bool,
}

/// How often the watchdog looks.
pub(crate) struct Pace {
    period: Duration,
    calm_looks: u32,
}

impl Pace {
    pub(crate) fn new(period: Duration) -> Self {
        Self { period, calm_looks: 0 }
    }

    /// Waits for the next look.
    pub(crate) async fn wait(&self, rest: &Rest) -> Waited {
        // Not at once: a poll that began when it said so, and did not see it, is seen at the look in between.
        if self.calm_looks <= CALM_LOOKS || self.period >= REST {
            sleep(self.period).await;
            return Waited::default();
        }
        let began = Instant::now();
        let roused = timeout(REST, rest.roused.notified()).await.is_ok();
        let looks = began.elapsed().as_nanos() / self.period.as_nanos().max(1);
        Waited { left_out: looks.saturating_sub(1).min(LEFT_OUT_MAX) as u32, roused }
    }

    /// What was seen at this look: whether nobody was at work.
    pub(crate) fn note(&mut self, rest: &Rest, calm: bool) {
        let was_roused = self.calm_looks >= CALM_LOOKS && !rest.is_on();
        if !calm || was_roused {
            rest.end();
            self.calm_looks = 0;
            return;
        }
        self.calm_looks = (self.calm_looks + 1).min(CALM_LOOKS + 1);
        if self.calm_looks == CALM_LOOKS {
            rest.rests.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(50);

    const NOTHING: Waited = Waited { left_out: 0, roused: false };

    /// A look at which nobody was at work: how long it was waited for, and what came before.
    async fn calm_look(pace: &mut Pace, rest: &Rest) -> (Duration, Waited) {
        let began = Instant::now();
        let waited = pace.wait(rest).await;
        pace.note(rest, true);
        (began.elapsed(), waited)
    }

    #[tokio::test(start_paused = true)]
    async fn it_rests_one_look_after_it_says_so_and_until_it_is_roused() {
        let (mut pace, rest) = (Pace::new(PERIOD), Rest::default());
        for look in 1..=CALM_LOOKS + 1 {
            assert_eq!(calm_look(&mut pace, &rest).await, (PERIOD, NOTHING), "{look}");
            assert_eq!(rest.is_on(), look >= CALM_LOOKS, "{look}");
        }
        for _ in 0..3 {
            assert_eq!(
                calm_look(&mut pace, &rest).await,
                (REST, Waited { left_out: 19, roused: false })
            );
        }
        rest.end();
        assert_eq!(
            calm_look(&mut pace, &rest).await,
            (Duration::ZERO, Waited { left_out: 0, roused: true })
        );
        assert_eq!(calm_look(&mut pace, &rest).await, (PERIOD, NOTHING));
    }

    #[tokio::test(start_paused = true)]
    async fn who_begins_to_work_before_it_rests_keeps_it_awake() {
        let (mut pace, rest) = (Pace::new(PERIOD), Rest::default());
        for _ in 0..CALM_LOOKS {
            calm_look(&mut pace, &rest).await;
        }
        rest.end();
        for look in 0..=CALM_LOOKS {
            assert_eq!(calm_look(&mut pace, &rest).await, (PERIOD, NOTHING), "{look}");
        }
        pace.note(&rest, false);
        assert!(!rest.is_on());
        assert_eq!(calm_look(&mut pace, &rest).await, (PERIOD, NOTHING));
    }

    #[tokio::test(start_paused = true)]
    async fn who_looks_seldom_anyway_never_rests() {
        let (mut pace, rest) = (Pace::new(REST * 2), Rest::default());
        for _ in 0..CALM_LOOKS * 2 {
            assert_eq!(calm_look(&mut pace, &rest).await, (REST * 2, NOTHING));
        }
    }
}
