//! How long a datagram is under way, or a disk takes.
//!
//! Pure: a distribution and a stream of random words in, a time out. Read `rule.rs` next.

use std::{f64::consts::TAU, time::Duration};

use odeon_interpose::Stream;
use serde::{Deserialize, Serialize};

use super::rule::RuleError;

/// How long a datagram is under way, as a distribution.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use odeon_sim::Latency;
///
/// // Half of all datagrams take less than 30 ms, none less than 10 ms, one of 740 more than 410 ms.
/// let ocean = Latency::LogNormal {
///     least: Duration::from_millis(10),
///     median: Duration::from_millis(30),
///     sigma: 1.0,
///     max: Duration::from_secs(2),
/// };
/// assert_eq!(ocean.check(), Ok(()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Latency {
    /// Always as long.
    Constant(Duration),
    /// Evenly spread from the first to the second, both included.
    Uniform(Duration, Duration),
    /// A log-normal distribution that begins at `least`: what comes on top of it has a logarithm that is normally
    /// distributed, as it often is in real networks (most datagrams are quick, a few take many times as long).
    ///
    /// The normal deviate is drawn by the method of Box and Muller (Annals of Mathematical Statistics 29(2), 1958).
    /// It takes logarithm, cosine and exponential from the C library: one machine repeats itself, and machines whose
    /// libraries round differently may differ in the last bit.
    LogNormal {
        /// The shortest, which no datagram stays below: the speed of light.
        least: Duration,
        /// What half of all datagrams do not reach.
        median: Duration,
        /// The standard deviation of the logarithm; 0 makes it constant, 0.5 is a quiet network, 1.5 a bad one.
        sigma: f64,
        /// The longest; what would take longer takes exactly as long.
        max: Duration,
    },
}

impl Latency {
    /// The same distribution, later by `extra`.
    #[must_use]
    pub const fn later_by(self, extra: Duration) -> Self {
        match self {
            Self::Constant(time) => Self::Constant(time.saturating_add(extra)),
            Self::Uniform(low, high) => {
                Self::Uniform(low.saturating_add(extra), high.saturating_add(extra))
            }
            Self::LogNormal { least, median, sigma, max } => Self::LogNormal {
                least: least.saturating_add(extra),
                median: median.saturating_add(extra),
                sigma,
                max: max.saturating_add(extra),
            },
        }
    }

    /// Whether the numbers make a distribution; whoever reads one from a file asks first.
    ///
    /// # Errors
    /// When bounds are in the wrong order, or sigma is negative or not a number.
    pub fn check(&self) -> Result<(), RuleError> {
        let order = |low: Duration, high: Duration| {
            if low <= high { Ok(()) } else { Err(RuleError::Order { low, high }) }
        };
        match *self {
            Self::Constant(_) => Ok(()),
            Self::Uniform(low, high) => order(low, high),
            Self::LogNormal { least, median, sigma, max } => {
                if !(sigma.is_finite() && sigma >= 0.0) {
                    return Err(RuleError::Sigma { sigma });
                }
                order(least, median).and(order(median, max))
            }
        }
    }

    /// Draws one time.
    #[inline]
    pub(crate) fn draw(&self, stream: &Stream) -> Duration {
        match *self {
            Self::Constant(time) => time,
            Self::Uniform(low, high) => spread(stream, low, high),
            Self::LogNormal { least, median, sigma, max } => {
                log_normal(stream, (least, median, max), sigma)
            }
        }
    }
}

fn log_normal(
    stream: &Stream,
    (least, median, max): (Duration, Duration, Duration),
    sigma: f64,
) -> Duration {
    let half = median.saturating_sub(least).as_secs_f64();
    let above = half * (sigma * normal(stream)).exp();
    // Too long for a Duration is longer than the longest.
    let above = Duration::try_from_secs_f64(above).unwrap_or(Duration::MAX);
    least.saturating_add(above).min(max)
}

/// Evenly from `low` to `high`, both included.
#[inline]
pub(super) fn spread(stream: &Stream, low: Duration, high: Duration) -> Duration {
    let range = u64::try_from(high.saturating_sub(low).as_nanos()).unwrap_or(u64::MAX);
    low + Duration::from_nanos(stream.below(range.saturating_add(1)))
}

/// A deviate of the standard normal distribution, from two words (Box and Muller 1958, equation 1).
fn normal(stream: &Stream) -> f64 {
    // From 0 excluded, whose logarithm is no number, to 1 included.
    let radius = (-2.0 * (1.0 - stream.unit()).ln()).sqrt();
    radius * (TAU * stream.unit()).cos()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn drawn(latency: Latency, seed: u64, count: usize) -> Vec<Duration> {
        let stream = Stream::new(seed);
        let mut times: Vec<_> = (0..count).map(|_| latency.draw(&stream)).collect();
        times.sort_unstable();
        times
    }

    #[test]
    fn normal_deviates_have_mean_zero_and_variance_one_and_the_right_tails() {
        let stream = Stream::new(11);
        let count = 100_000;
        let deviates: Vec<f64> = (0..count).map(|_| normal(&stream)).collect();
        let mean = deviates.iter().sum::<f64>() / f64::from(count);
        let variance = deviates.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / f64::from(count);
        let skewness = deviates.iter().map(|z| z.powi(3)).sum::<f64>() / f64::from(count);
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.03, "{variance}");
        assert!(skewness.abs() < 0.05, "{skewness}");
        // The 68-95-99.7 rule.
        for (within, share) in [(1.0, 0.6827), (2.0, 0.9545), (3.0, 0.9973)] {
            let inside = deviates.iter().filter(|z| z.abs() < within).count() as f64;
            let inside = inside / f64::from(count);
            assert!((inside - share).abs() < 0.006, "{inside} within {within}");
        }
    }

    proptest! {
        #[test]
        fn a_log_normal_has_its_median_and_its_bounds(
            seed: u64,
            least_ms in 0_u32..20,
            half_ms in 1_u32..50,
            sigma in 0.1..1.5_f64,
        ) {
            let (least, median) = (MS * least_ms, MS * (least_ms + half_ms));
            let max = median * 20;
            let latency = Latency::LogNormal { least, median, sigma, max };
            prop_assert_eq!(latency.check(), Ok(()));
            let times = drawn(latency, seed, 4000);
            prop_assert!(times[0] >= least && times[3999] <= max);
            // The quantiles of ln((t - least) / (median - least)) are those of a normal distribution: at +- one sigma
            // 15.87 % and 84.13 % (each within seven standard errors of its place in 4000,
            // so that no seed is unlucky enough).
            let share = |z: f64| {
                let limit = (median - least).as_secs_f64() * (sigma * z).exp();
                let limit = least + Duration::from_secs_f64(limit);
                times.iter().filter(|time| **time <= limit).count()
            };
            prop_assert!((1775..=2225).contains(&share(0.0)), "{}", share(0.0));
            prop_assert!((470..=800).contains(&share(-1.0)), "{}", share(-1.0));
            prop_assert!((3200..=3530).contains(&share(1.0)), "{}", share(1.0));
        }

        #[test]
        fn being_later_moves_every_draw_by_as_much(seed: u64, extra_ms in 0_u32..1000) {
            let (least, median, max) = (MS * 2, MS * 5, MS * 400);
            let extra = MS * extra_ms;
            let many = [
                Latency::Constant(median),
                Latency::Uniform(least, median),
                Latency::LogNormal { least, median, sigma: 0.8, max },
            ];
            for latency in many {
                let (now, later) = (drawn(latency, seed, 50), drawn(latency.later_by(extra), seed, 50));
                prop_assert!(now.iter().zip(&later).all(|(now, later)| *now + extra == *later));
            }
        }

        #[test]
        fn no_numbers_make_a_draw_panic(
            seed: u64,
            sigma: f64,
            least: Duration,
            median: Duration,
            max: Duration,
        ) {
            let latency = Latency::LogNormal { least, median, sigma, max };
            prop_assert!(latency.draw(&Stream::new(seed)) <= max);
        }
    }

    #[test]
    fn what_is_no_distribution_is_refused_by_its_numbers() {
        let log_normal =
            |least, median, sigma| Latency::LogNormal { least, median, sigma, max: MS * 9 };
        let sigma = |sigma| log_normal(MS, MS * 2, sigma).check();
        assert_eq!(sigma(-1.0), Err(RuleError::Sigma { sigma: -1.0 }));
        assert!(sigma(f64::NAN).is_err() && sigma(f64::INFINITY).is_err());
        let order = |low, high| Err(RuleError::Order { low, high });
        assert_eq!(log_normal(MS * 3, MS * 2, 1.0).check(), order(MS * 3, MS * 2));
        assert_eq!(log_normal(MS, MS * 10, 1.0).check(), order(MS * 10, MS * 9));
        assert_eq!(Latency::Uniform(MS * 2, MS).check(), order(MS * 2, MS));
    }
}
