//! How long a node waits between two looks for others.
//!
//! What it is: a pause that grows while the node is alone, with jitter. What it is NOT: a clock; the caller sleeps.

use std::time::Duration;

use super::JoinConfig;

/// The pauses of one node.
#[derive(Debug)]
pub(super) struct Pace {
    min: Duration,
    max: Duration,
    joined: Duration,
    refused: Duration,
    jitter: f64,
    /// The next pause of a node that is alone.
    next: Duration,
    with_others: bool,
}

impl Pace {
    pub(super) fn new(config: &JoinConfig) -> Self {
        Self {
            min: config.look_min,
            max: config.look_max,
            joined: config.look_joined,
            refused: config.look_refused,
            jitter: config.jitter,
            next: config.look_min,
            with_others: false,
        }
    }

    /// Whether the node sees others now; `true` if it did before and does no more.
    pub(super) fn note(&mut self, with_others: bool) -> bool {
        let is_alone_again = self.with_others && !with_others;
        if is_alone_again {
            self.next = self.min;
        }
        self.with_others = with_others;
        is_alone_again
    }

    /// The pause before the next look. `random` is from 0 to 1.
    pub(super) fn pause(&mut self, is_refused: bool, random: f64) -> Duration {
        let pause = if self.with_others {
            self.joined
        } else {
            let max = if is_refused { self.max.max(self.refused) } else { self.max };
            let pause = self.next.min(max);
            self.next = (pause * 2).min(max);
            pause
        };
        pause + pause.mul_f64(self.jitter * random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(pace: &mut Pace, is_refused: bool) -> u128 {
        pace.pause(is_refused, 0.0).as_millis()
    }

    #[test]
    fn pauses_grow_while_a_node_is_alone_and_begin_anew() {
        let mut pace = Pace::new(&JoinConfig::default());
        let first: Vec<_> = (0..6).map(|_| ms(&mut pace, false)).collect();
        assert_eq!(first, [100, 200, 400, 800, 1_000, 1_000]);
        let refused: Vec<_> = (0..5).map(|_| ms(&mut pace, true)).collect();
        assert_eq!(refused, [1_000, 2_000, 4_000, 8_000, 10_000]);
        assert_eq!(ms(&mut pace, false), 1_000, "nobody refuses it any more");
        assert!(!pace.note(true));
        assert_eq!(ms(&mut pace, false), 5_000);
        assert!(pace.note(false) && !pace.note(false));
        assert_eq!(ms(&mut pace, false), 100);
    }

    #[test]
    fn jitter_makes_a_pause_longer_by_its_part_at_most() {
        let mut pace = Pace::new(&JoinConfig::default());
        pace.note(true);
        assert_eq!(pace.pause(false, 1.0), Duration::from_millis(6_250));
        assert_eq!(pace.pause(false, 0.5), Duration::from_millis(5_625));
    }
}
