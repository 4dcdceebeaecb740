//! How many restarts in which time are put up with.
//!
//! A restart counts for one period and is then forgotten (Erlang/OTP, "Maximum Restart Intensity"). What it is NOT: a
//! clock; whoever asks brings the time.

use std::{collections::VecDeque, time::Duration};

use odeon_message::planted::Bug;
use tokio::time::Instant;

/// At most so many restarts in any such period.
#[derive(Clone, Debug)]
pub(crate) struct Intensity {
    restarts_max: u32,
    period: Duration,
    /// The restarts of the last period, at most `restarts_max`.
    restarts: VecDeque<Instant>,
}

impl Intensity {
    pub(crate) fn new(restarts_max: u32, period: Duration) -> Self {
        Self { restarts_max, period, restarts: VecDeque::new() }
    }

    /// Whether one more restart is within the bound; then it counts.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        while self.restarts.front().is_some_and(|at| now.duration_since(*at) > self.period) {
            self.restarts.pop_front();
        }
        let too_many = usize::from(Bug::IntensityOffByOne.is_planted());
        let within = self.restarts.len() < self.restarts_max as usize + too_many;
        if within {
            self.restarts.push_back(now);
        }
        within
    }

    /// The bound in words.
    pub(crate) fn describe(&self) -> String {
        format!("{} restarts in {:?}", self.restarts_max, self.period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_forgotten_after_a_period() {
        let begun = Instant::now();
        let at = |secs| begun + Duration::from_secs(secs);
        let mut two = Intensity::new(2, Duration::from_secs(10));
        assert!(two.allows(at(0)) && two.allows(at(4)));
        assert!(!two.allows(at(10)), "the first one still counts at the end of its period");
        assert!(two.allows(at(11)) && !two.allows(at(12)) && two.allows(at(15)));
        assert!(!Intensity::new(0, Duration::from_secs(1)).allows(begun));
    }
}
