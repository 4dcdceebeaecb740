//! How fast membership looks, and for how long it doubts.

use std::{
    num::{NonZeroU8, NonZeroUsize},
    time::Duration,
};

use crate::{
    BoundsError, PACKET_BYTES_MAX,
    bounds::{check, check_spans},
};

/// The longest of nearly all spans.
const HOUR: Duration = Duration::from_secs(3_600);

/// The shortest period of what a node does again and again: shorter ones cost more than they tell.
const PERIOD_LEAST: Duration = Duration::from_millis(10);

/// Most members that one thing is sent to at a time.
const WIDTH_MAX: usize = 64;

/// The spans of time and the widths of membership. [`MembershipConfig::lan`] is the default.
///
/// All nodes of a cluster should have the same.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MembershipConfig {
    /// One random member is probed in each. Default 300 ms: a silent member is suspected within about two. 10 ms to an
    /// hour, as all periods.
    pub probe_period: Duration,
    /// How long a direct answer may take before others are asked to probe. Default 100 ms; from 1 ms to half a
    /// `probe_period`, so that they can answer in it too.
    pub probe_rtt: Duration,
    /// How many others are asked. Default 3; 1 to 64.
    pub indirect_probes: usize,
    /// How long a suspect may refute before it is down. Default 2 s, and half a second for each factor of
    /// ten above 10 members. From a `probe_period` to an hour.
    pub suspicion: Duration,
    /// How often one piece of news is passed on by each node. Default 10 and more, with the members.
    pub transmissions: u8,
    /// Whether `suspicion` and `transmissions` grow with the members that there are, as these two say they do by
    /// default, and shrink with them down to what they are here. Default yes: nobody knows the size of a cluster ahead.
    pub grows: bool,
    /// How often news are sent without waiting for a probe to carry them. Default 200 ms. It may be half of that where the
    /// node is awake for something else.
    pub gossip_period: Duration,
    /// How many members gossip goes to. Default 3; 1 to 64.
    pub gossip_members: usize,
    /// How often the next members in the ring of node ids are touched, so that a closed port shows in an idle
    /// cluster. Default 300 ms, with the probes, so that a node at rest wakes once for both:
    /// a touch may be early by half of the shorter of `touch_period` and `probe_period`.
    pub touch_period: Duration,
    /// How many members are touched. Default 2, so that two neighbours may die together; 1 to 64.
    pub touch_members: usize,
    /// Pause between a report that a port is closed and the probe that has to confirm it: what arrives meanwhile
    /// answers packets of before. Default 2 ms.
    pub doubt_settle: Duration,
    /// How often the probe is repeated. Default 100 ms.
    pub doubt_period: Duration,
    /// How long a doubt lasts that neither a report nor a sign of life ends. Default 1.5 s, because a kernel answers
    /// one closed port a second once a burst has used up its allowance (icmp(7), `icmp_ratelimit`).
    pub doubt_max: Duration,
    /// How often a node that has not joined asks those it has contact with. Default 500 ms.
    pub join_period: Duration,
    /// The longest pause between two questions to a member that is down, whether it is; the first is a second.
    /// Default 5 s: how long a cluster may stay apart after a partition is over. A second to an hour.
    pub heal_period_max: Duration,
    /// How long a member that is down is remembered and asked. Default one hour; a second to a day.
    pub forget_down: Duration,
}

impl MembershipConfig {
    /// For a network with round trips of a few milliseconds and about `members` members.
    #[must_use]
    pub fn lan(members: usize) -> Self {
        let scale = (members.max(10) as f64).log10();
        Self {
            probe_period: Duration::from_millis(300),
            probe_rtt: Duration::from_millis(100),
            indirect_probes: 3,
            suspicion: Duration::from_secs(2) + Duration::from_millis(500).mul_f64(scale - 1.0),
            // Four times the logarithm reaches everybody without loss (foca, after memberlist); the rest is for loss.
            transmissions: (10.0 * scale) as u8,
            grows: true,
            gossip_period: Duration::from_millis(200),
            gossip_members: 3,
            touch_period: Duration::from_millis(300),
            touch_members: 2,
            doubt_settle: Duration::from_millis(2),
            doubt_period: Duration::from_millis(100),
            doubt_max: Duration::from_millis(1_500),
            join_period: Duration::from_millis(500),
            heal_period_max: Duration::from_secs(5),
            forget_down: Duration::from_secs(3_600),
        }
    }

    /// Whether every value can be used.
    ///
    /// # Errors
    /// The first that cannot, with its bounds.
    pub fn check(&self) -> Result<(), BoundsError> {
        let half = self.probe_period / 2;
        let ms = Duration::from_millis;
        check_spans([
            ("membership.probe_period", self.probe_period, PERIOD_LEAST, HOUR),
            ("membership.suspicion", self.suspicion, self.probe_period, HOUR),
            ("membership.gossip_period", self.gossip_period, PERIOD_LEAST, HOUR),
            ("membership.touch_period", self.touch_period, PERIOD_LEAST, HOUR),
            ("membership.doubt_settle", self.doubt_settle, Duration::ZERO, HOUR),
            ("membership.doubt_period", self.doubt_period, PERIOD_LEAST, HOUR),
            ("membership.doubt_max", self.doubt_max, PERIOD_LEAST, HOUR),
            ("membership.join_period", self.join_period, PERIOD_LEAST, HOUR),
            ("membership.heal_period_max", self.heal_period_max, ms(1_000), HOUR),
            ("membership.forget_down", self.forget_down, ms(1_000), 24 * HOUR),
        ])?;
        check("membership.probe_rtt", self.probe_rtt, ms(1)..=half).map_err(|error| {
            let most = format!("{} (half of probe_period)", error.most);
            BoundsError { most, ..error }
        })?;
        check("membership.indirect_probes", self.indirect_probes, 1..=WIDTH_MAX)?;
        check("membership.gossip_members", self.gossip_members, 1..=WIDTH_MAX)?;
        check("membership.touch_members", self.touch_members, 1..=WIDTH_MAX)?;
        check("membership.transmissions", self.transmissions, 1..=u8::MAX)
    }

    /// For about so many members, if it may grow: never less than it is.
    pub(crate) fn grown(&self, members: usize) -> Self {
        let mut grown = self.clone();
        if self.grows {
            let tuned = Self::lan(members);
            grown.suspicion = self.suspicion.max(tuned.suspicion);
            grown.transmissions = self.transmissions.max(tuned.transmissions);
        }
        grown
    }

    /// The part that SWIM needs, with what would break it lifted to the nearest value that works: a runtime
    /// [checks](Self::check) before, so that this is for whoever drives the machine alone.
    pub(crate) fn swim(&self) -> foca::Config {
        let members = |n: usize| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        let probe_period = self.probe_period.max(Duration::from_millis(2));
        let probe_rtt = self.probe_rtt.clamp(Duration::from_millis(1), probe_period / 2);
        let periodic = |frequency: Duration, n| {
            Some(foca::PeriodicParams {
                frequency: frequency.max(Duration::from_millis(1)),
                num_members: members(n),
            })
        };
        foca::Config {
            probe_period,
            probe_rtt,
            num_indirect_probes: members(self.indirect_probes),
            max_transmissions: NonZeroU8::new(self.transmissions).unwrap_or(NonZeroU8::MIN),
            suspect_to_down_after: self.suspicion.max(probe_period),
            remove_down_after: Some(self.forget_down),
            max_packet_size: members(PACKET_BYTES_MAX),
            notify_down_members: true,
            periodic_announce: periodic(Duration::from_secs(30), 1),
            // Done by `membership/heal.rs`, because SWIM's own stops where nobody is left on this side.
            periodic_announce_to_down_members: None,
            periodic_gossip: periodic(self.gossip_period, self.gossip_members),
        }
    }
}

impl Default for MembershipConfig {
    fn default() -> Self {
        Self::lan(5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named_with_its_value_and_its_bounds() {
        assert_eq!(MembershipConfig::default().check(), Ok(()));
        assert_eq!(MembershipConfig::lan(2_000).check(), Ok(()));
        let bad = |change: fn(&mut MembershipConfig), says: &str| {
            let mut config = MembershipConfig::default();
            change(&mut config);
            assert_eq!(config.check().unwrap_err().to_string(), says);
        };
        let ms = Duration::from_millis;
        bad(
            |it| it.probe_rtt = Duration::from_millis(200),
            "membership.probe_rtt 200ms: use 1ms to 150ms (half of probe_period)",
        );
        bad(
            |it| it.probe_period = Duration::ZERO,
            "membership.probe_period 0ns: use 10ms to 3600s",
        );
        bad(
            |it| it.suspicion = Duration::from_millis(100),
            "membership.suspicion 100ms: use 300ms to 3600s",
        );
        bad(|it| it.indirect_probes = 0, "membership.indirect_probes 0: use 1 to 64");
        bad(|it| it.transmissions = 0, "membership.transmissions 0: use 1 to 255");
        let slow =
            MembershipConfig { probe_period: ms(600), probe_rtt: ms(300), ..Default::default() };
        assert_eq!(slow.check(), Ok(()));
    }
}
