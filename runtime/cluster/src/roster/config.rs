//! The bounds of a roster and of what is published by it.

use std::time::Duration;

/// Bounds and times of cluster-wide names, groups and topics.
///
/// All nodes of a cluster should have the same `entries_max`: a node that has more is not taken in full by the others.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RosterConfig {
    /// Names, memberships of groups and patterns of topics that one node has in the cluster; a further one is refused.
    /// Every node holds those of all others, at some 200 bytes each. Default 65,536.
    pub entries_max: u32,
    /// What was removed last and is remembered, so that others are told of it alone. A node that missed more is told all
    /// entries anew. Default 4,096: a burst while a connection is made again.
    pub removals_max: u32,
    /// Entries and removals that one page to another node has; the rest comes in the next. Default 512: some 50 KiB,
    /// which stays in its lane.
    pub page_entries_max: u32,
    /// Subscriptions to topics that a node has, of any patterns; a further one is refused. Default 65,536.
    pub subscriptions_max: u32,
    /// How often a node asks one of the others, in turn, whether it has all of its entries, in case something went
    /// wrong that nobody saw. Default 2 s.
    pub check_every: Duration,
    /// Pause before a node that did not answer is told again. Default 200 ms.
    pub retry_after: Duration,
    /// How long registering a name waits until all members have heard of it; then the name is given back. Default 8 s:
    /// longer than it takes to notice that one of them is gone.
    pub confirm_within: Duration,
}

impl Default for RosterConfig {
    fn default() -> Self {
        Self {
            entries_max: 65_536,
            removals_max: 4_096,
            page_entries_max: 512,
            subscriptions_max: 65_536,
            check_every: Duration::from_secs(2),
            retry_after: Duration::from_millis(200),
            confirm_within: Duration::from_secs(8),
        }
    }
}
