//! The settings of membership and of what nodes know of each other: those of [`MembershipConfig`](odeon::MembershipConfig)
//! and [`RosterConfig`](odeon::RosterConfig), which have more to say of each.

use super::{DAY_MILLIS, Kind, Setting};

/// `[membership]`.
pub(super) const MEMBERSHIP: &[Setting] = &[
    Setting::new(
        "membership.probe_period",
        "membership-probe-period",
        Kind::Span { min_millis: 10, max_millis: 3_600_000 },
        "One random member is probed in each; the same in all nodes, as all of these. By default 300ms: a \
         silent member is suspected within about two",
    ),
    Setting::new(
        "membership.probe_rtt",
        "membership-probe-rtt",
        Kind::Span { min_millis: 1, max_millis: 1_800_000 },
        "How long a direct answer may take before others are asked to probe, half of probe_period at most. By \
         default 100ms: a third of it",
    ),
    Setting::new(
        "membership.indirect_probes",
        "membership-indirect-probes",
        Kind::Number { min: 1, max: 64 },
        "How many others are asked to probe a member that does not answer. By default 3: one of them hears it \
         unless the network is broken on this side",
    ),
    Setting::new(
        "membership.suspicion",
        "membership-suspicion",
        Kind::Span { min_millis: 2_000, max_millis: 3_600_000 },
        "How long a suspect may refute before it is down, at least a probe_period; more in large clusters. By \
         default 2s, or four probe_periods where that is more: a node that was held for as long should go",
    ),
    Setting::new(
        "membership.gossip_period",
        "membership-gossip-period",
        Kind::Span { min_millis: 10, max_millis: 3_600_000 },
        "How often news are sent without waiting for a probe to carry them. By default 200ms, and from 100ms on \
         where the node is awake anyway: they reach all in about a second",
    ),
    Setting::new(
        "membership.touch_period",
        "membership-touch-period",
        Kind::Span { min_millis: 10, max_millis: 3_600_000 },
        "How often the next members in the ring are touched, so that a closed port shows. By default 300ms, \
         with the probes: a killed node is missed within half a second",
    ),
    Setting::new(
        "membership.heal_period_max",
        "membership-heal-period-max",
        Kind::Span { min_millis: 1_000, max_millis: 3_600_000 },
        "Longest pause between two questions to a member that is down, whether it is. By default 5s: how long \
         a cluster stays apart after a partition",
    ),
    Setting::new(
        "membership.forget_down",
        "membership-forget-down",
        Kind::Span { min_millis: 1_000, max_millis: DAY_MILLIS },
        "How long a member that is down is remembered and asked. By default 1h: longer partitions are healed \
         by looking for others",
    ),
];

/// `[roster]`.
pub(super) const ROSTER: &[Setting] = &[
    Setting::new(
        "roster.entries_max",
        "roster-entries-max",
        Kind::Number { min: 1, max: 1 << 24 },
        "Names, memberships of groups and patterns of topics that this node has in the cluster; the same in \
         all nodes. By default 65536: every node holds those of all others, at some 200 bytes each",
    ),
    Setting::new(
        "roster.removals_max",
        "roster-removals-max",
        Kind::Number { min: 1, max: 1 << 24 },
        "Removals of them that are remembered; who missed more is told all anew. By default 4096: a burst \
         while a connection is made again",
    ),
    Setting::new(
        "roster.page_entries_max",
        "roster-page-entries-max",
        Kind::Number { min: 1, max: 4_096 },
        "Entries and removals in one page to another node. By default 512: some 50 KiB, which stays in its \
         lane",
    ),
    Setting::new(
        "roster.subscriptions_max",
        "roster-subscriptions-max",
        Kind::Number { min: 1, max: 1 << 24 },
        "Subscriptions to topics that this node has. By default 65536, as many as entries",
    ),
    Setting::new(
        "roster.check_every",
        "roster-check-every",
        Kind::Span { min_millis: 100, max_millis: 3_600_000 },
        "How often another node is asked, in turn, whether it has all entries of this one. By default 2s: it \
         mends what nobody saw go wrong",
    ),
    Setting::new(
        "roster.retry_after",
        "roster-retry-after",
        Kind::Span { min_millis: 10, max_millis: 3_600_000 },
        "Pause before a node that did not answer is told again. By default 200ms: a lost connection is back by \
         then",
    ),
    Setting::new(
        "roster.confirm_within",
        "roster-confirm-within",
        Kind::Span { min_millis: 100, max_millis: 3_600_000 },
        "How long registering a name waits until all members have heard of it. By default 8s: longer than it \
         takes to notice that one is gone",
    ),
];
