//! How much real time the checkers of a run have.
//!
//! What it is: one number of this program, which is set by a thread outside the world when the time is over, because all
//! clocks inside show virtual time. What it is NOT: part of the run; the world is over when checkers look at the end, and
//! nothing that a node does can depend on it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The milliseconds after which the time was over; zero until then.
static OVER_MS: AtomicU64 = AtomicU64::new(0);

/// The part of a run's real time after which checkers give up: three quarters, so that the verdict still finds its way out.
#[cfg(target_os = "linux")]
pub(crate) fn checks_max(limit: Duration) -> Duration {
    limit - limit / 4
}

/// Checkers are to give up: so much real time has passed since the program began.
#[cfg(target_os = "linux")]
pub(crate) fn end(spent: Duration) {
    let ms = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
    OVER_MS.store(ms.max(1), Ordering::Relaxed);
}

/// The real time of this program when checkers were to give up; `None` until then.
pub(crate) fn spent() -> Option<Duration> {
    let ms = OVER_MS.load(Ordering::Relaxed);
    (ms > 0).then(|| Duration::from_millis(ms))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_limit_is_left_for_the_verdict() {
        assert_eq!(checks_max(Duration::from_secs(60)), Duration::from_secs(45));
        assert_eq!(checks_max(Duration::ZERO), Duration::ZERO);
    }
}
