//! Spans and widths that follow the size of the cluster.
//!
//! A suspect needs time for its refutation to come round, and news need more transmissions to reach everybody, both with
//! the logarithm of the members. Nobody knows ahead how large a cluster gets, so SWIM is given others whenever the members
//! have doubled or halved. Timers that run already keep the span they were set with.

use super::Membership;

/// For how many members SWIM is set up.
#[derive(Debug, Default)]
pub(super) struct Tune {
    doublings: u32,
}

impl Membership {
    /// The members have changed.
    pub(super) fn tune(&mut self) {
        let members = self.up.len() + 1;
        let doublings = members.ilog2();
        if !self.config.grows || doublings == self.tune.doublings {
            return;
        }
        self.tune.doublings = doublings;
        // To the next power of two: what holds for the most there may be until it is set again.
        let config = self.config.grown(members.next_power_of_two()).swim();
        let done = self.swim.set_config(config);
        self.count_fault(done);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::MembershipConfig;

    #[test]
    fn a_configuration_grows_with_the_members_and_never_below_itself() {
        let config = MembershipConfig::lan(5);
        let spans = |members| {
            let grown = config.grown(members);
            (grown.suspicion, grown.transmissions)
        };
        assert_eq!(spans(2), (Duration::from_secs(2), 10));
        assert_eq!(spans(100), (Duration::from_millis(2_500), 20));
        assert_eq!(spans(1_000), (Duration::from_secs(3), 30));
        let fixed = MembershipConfig { grows: false, ..config.clone() };
        assert_eq!(fixed.grown(1_000), fixed);
        let patient = MembershipConfig { suspicion: Duration::from_secs(9), ..config };
        assert_eq!(patient.grown(1_000).suspicion, Duration::from_secs(9));
    }
}
