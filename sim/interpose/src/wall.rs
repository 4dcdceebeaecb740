//! The wall clock of one host: how far it is from the world's time, and how fast that grows.
//!
//! What it is: an offset and a rate, kept over all lives of the host's node, as a machine keeps its clock over restarts
//! of a program. What it is NOT: a monotonic clock; those never leave the world's time, see `linux/clock.rs`. Changed
//! and read on the thread of the world only; the atomics are for those who hold it from elsewhere. Read `seat.rs` next.

use std::{
    sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::WALL_BASE;

/// The fastest drift, in parts per million, either way: half again as fast, or half as fast. Real clocks stay below 200,
/// and what corrects them below 500 (RFC 5905, section 11.3).
pub const DRIFT_PPM_MAX: i32 = 500_000;

/// The wall clock of one host.
#[derive(Debug, Default)]
pub struct WallClock {
    /// How far ahead it was at `since_ns`.
    offset_ns: AtomicI64,
    drift_ppm: AtomicI32,
    /// Virtual time from which the drift counts.
    since_ns: AtomicU64,
}

impl WallClock {
    /// A clock that shows the world's time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How far it is ahead of the world's time at this virtual time, in nanoseconds; negative is behind.
    #[must_use]
    pub fn offset_ns(&self, elapsed: Duration) -> i64 {
        let drifting = nanos(elapsed).saturating_sub(self.since_ns.load(Relaxed));
        let gained = i128::from(drifting) * i128::from(self.drift_ppm.load(Relaxed)) / 1_000_000;
        let offset = i128::from(self.offset_ns.load(Relaxed)) + gained;
        offset.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// What it shows at this virtual time. Never before 1970.
    #[must_use]
    pub fn at(&self, elapsed: Duration) -> SystemTime {
        let (time, offset) = (WALL_BASE + elapsed, self.offset_ns(elapsed));
        let ahead = Duration::from_nanos(offset.unsigned_abs());
        UNIX_EPOCH
            + if offset < 0 { time.saturating_sub(ahead) } else { time.saturating_add(ahead) }
    }

    /// From now on it is so far ahead, whatever it showed before; its drift goes on from there.
    pub fn set_offset_ns(&self, offset_ns: i64, elapsed: Duration) {
        self.since_ns.store(nanos(elapsed), Relaxed);
        self.offset_ns.store(offset_ns, Relaxed);
    }

    /// Lets it jump, ahead or back, from what it shows now.
    pub fn jump_ns(&self, by_ns: i64, elapsed: Duration) {
        self.set_offset_ns(self.offset_ns(elapsed).saturating_add(by_ns), elapsed);
    }

    /// From now on it gains so many microseconds a second, or loses them; at most [`DRIFT_PPM_MAX`] either way, and it
    /// goes on from what it shows.
    pub fn set_drift_ppm(&self, ppm: i32, elapsed: Duration) {
        self.set_offset_ns(self.offset_ns(elapsed), elapsed);
        self.drift_ppm.store(ppm.clamp(-DRIFT_PPM_MAX, DRIFT_PPM_MAX), Relaxed);
    }

    /// Its drift, in parts per million.
    #[must_use]
    pub fn drift_ppm(&self) -> i32 {
        self.drift_ppm.load(Relaxed)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn drift_grows_and_goes_on_from_what_the_clock_shows() {
        let clock = WallClock::new();
        clock.set_drift_ppm(100, S(10));
        assert_eq!(clock.offset_ns(S(10)), 0);
        assert_eq!(clock.offset_ns(S(20)), 1_000_000);
        clock.set_drift_ppm(-200, S(20));
        assert_eq!(clock.offset_ns(S(20)), 1_000_000);
        assert_eq!(clock.offset_ns(S(30)), -1_000_000);
    }

    #[test]
    fn jumps_add_up_and_an_offset_replaces() {
        let clock = WallClock::new();
        clock.set_drift_ppm(1000, S(0));
        clock.jump_ns(-5_000_000, S(1));
        assert_eq!(clock.offset_ns(S(1)), -4_000_000);
        clock.jump_ns(1_000_000, S(2));
        assert_eq!(clock.offset_ns(S(2)), -2_000_000);
        clock.set_offset_ns(7, S(3));
        assert_eq!(clock.offset_ns(S(3)), 7);
        assert_eq!(clock.offset_ns(S(4)), 1_000_007);
    }

    #[test]
    fn it_runs_forward_at_every_drift_and_never_shows_a_time_before_1970() {
        let clock = WallClock::new();
        clock.set_drift_ppm(i32::MIN, S(0));
        let shown = (0..100).map(|second| clock.at(S(second))).collect::<Vec<_>>();
        assert!(shown.is_sorted_by(|a, b| a < b), "{shown:?}");
        clock.jump_ns(i64::MIN, S(100));
        assert_eq!(clock.at(S(100)), UNIX_EPOCH);
        clock.set_offset_ns(i64::MAX, S(100));
        clock.jump_ns(i64::MAX, S(100));
        assert!(clock.at(S(100)) > UNIX_EPOCH + WALL_BASE);
    }
}
