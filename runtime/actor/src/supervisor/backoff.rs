//! How long a child that keeps failing waits before it is started again.
//!
//! The pause doubles with each failure in a row, up to a bound, and is shortened by a random part so that children
//! that failed together do not start together ("full jitter" and its relatives: M. Brooker, "Exponential Backoff And
//! Jitter", 2015). What it is NOT: a source of randomness; it draws from a generator that was seeded from the
//! environment, so that a simulation replays.

use std::time::Duration;

use super::SpecError;

/// The pauses before the restarts of a child; none by default, as in OTP.
///
/// ```
/// use std::time::Duration;
/// # use odeon_actor as odeon;
/// use odeon::Backoff;
///
/// // 100 ms, 200 ms, 400 ms … 10 s, each shortened by up to a half; forgotten after a minute without a failure.
/// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10))
///     .jitter(50)
///     .reset_after(Duration::from_secs(60));
/// # let _ = backoff;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    jitter_percent: u8,
    reset_after: Duration,
}

impl Backoff {
    /// `first` before the first restart, twice as long before each further one, at most `max`. Shortened by up to 20 %
    /// at random; forgotten when the child has run for twice `max`.
    #[must_use]
    pub const fn exponential(first: Duration, max: Duration) -> Self {
        Self { first, max, jitter_percent: 20, reset_after: max.saturating_mul(2) }
    }

    /// By how much a pause may be shortened at random, 0 to 100 percent of it. Default 20.
    #[must_use]
    pub const fn jitter(mut self, percent: u8) -> Self {
        self.jitter_percent = percent;
        self
    }

    /// How long the child must have run for its failures to be forgotten. Default: twice the longest pause.
    #[must_use]
    pub const fn reset_after(mut self, ran: Duration) -> Self {
        self.reset_after = ran;
        self
    }

    pub(crate) fn check(&self) -> Result<(), SpecError> {
        if self.jitter_percent > 100 {
            return Err(SpecError::Jitter { percent: self.jitter_percent });
        }
        if self.first.is_zero() || self.first > self.max {
            return Err(SpecError::Backoff { first: self.first, max: self.max });
        }
        Ok(())
    }

    /// Whether a child that ran for this long has no past any more.
    pub(crate) fn forgives(&self, ran: Duration) -> bool {
        ran >= self.reset_after
    }

    /// The pause after this many failures in a row, at least 1.
    pub(crate) fn pause(&self, failures: u32, jitter: &mut Jitter) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.max);
        let cut = full.mul_f64(f64::from(self.jitter_percent) / 100.0 * jitter.next_unit());
        full.saturating_sub(cut)
    }
}

/// A small generator (G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 up to 1, which it never reaches.
    fn next_unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        f64::from((mixed >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn pauses_double_up_to_their_bound() {
        let backoff = Backoff::exponential(MS(100), MS(1000)).jitter(0);
        let mut jitter = Jitter::new(1);
        let pauses = [1, 2, 3, 4, 5, 40, u32::MAX].map(|n| backoff.pause(n, &mut jitter));
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000, 1000].map(MS));
        assert!(backoff.forgives(MS(2000)) && !backoff.forgives(MS(1999)));
    }

    #[test]
    fn bad_values_are_named() {
        let error = Backoff::exponential(MS(2), MS(1)).check().unwrap_err().to_string();
        assert!(error.contains("2ms") && error.contains("1ms"), "{error}");
        assert!(Backoff::exponential(MS(0), MS(1)).check().is_err());
        let error = Backoff::exponential(MS(1), MS(1)).jitter(101).check().unwrap_err().to_string();
        assert!(error.contains("101"), "{error}");
    }

    proptest! {
        #[test]
        fn jitter_only_shortens(seed: u64, failures in 1..100_u32, percent in 0..=100_u8) {
            let backoff = Backoff::exponential(MS(100), MS(60_000)).jitter(percent);
            let full = Backoff::exponential(MS(100), MS(60_000)).jitter(0);
            let mut same = Jitter::new(seed);
            let pause = backoff.pause(failures, &mut Jitter::new(seed));
            prop_assert_eq!(pause, backoff.pause(failures, &mut same), "the same seed, the same pause");
            let full = full.pause(failures, &mut same);
            let shortest = full.mul_f64(1.0 - f64::from(percent) / 100.0);
            prop_assert!(pause <= full && pause + Duration::from_nanos(2) >= shortest);
        }
    }
}
