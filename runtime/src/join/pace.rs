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
    pub(super) fn pause(&mut self, random: f64) -> Duration {
        let pause = if self.with_others {
            self.joined
        } else {
            let pause = self.next;
            self.next = (pause * 2).min(self.max);
            pause
        };
        pause + pause.mul_f64(self.jitter * random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(pace: &mut Pace) -> u128 {
        pace.pause(0.0).as_millis()
    }

    #[test]
    fn pauses_grow_while_a_node_is_alone_and_begin_anew() {
        let mut pace = Pace::new(&JoinConfig::default());
        let first: Vec<_> = (0..6).map(|_| ms(&mut pace)).collect();
        assert_eq!(first, [100, 200, 400, 800, 1_000, 1_000]);
        assert!(!pace.note(true));
        assert_eq!(ms(&mut pace), 5_000);
        assert!(pace.note(false) && !pace.note(false));
        assert_eq!(ms(&mut pace), 100);
    }

    #[test]
    fn jitter_makes_a_pause_longer_by_its_part_at_most() {
        let mut pace = Pace::new(&JoinConfig::default());
        pace.note(true);
        assert_eq!(pace.pause(1.0), Duration::from_millis(6_250));
        assert_eq!(pace.pause(0.5), Duration::from_millis(5_625));
    }
}
