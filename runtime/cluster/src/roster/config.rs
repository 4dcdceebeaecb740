//! The bounds of a roster and of what is published by it.

use std::time::Duration;

use crate::{
    BoundsError,
    bounds::{check, check_spans},
};

/// Most of anything that is counted here.
const COUNT_MAX: u32 = 1 << 24;

/// Most entries of one page: some 400 KiB.
const PAGE_MAX: u32 = 4_096;

const HOUR: Duration = Duration::from_secs(3_600);

/// Bounds and times of cluster-wide names, groups and topics. Counts are from 1 to 16,777,216 unless they say less, times an
/// hour at most.
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
    /// which stays in its lane. At most 4,096.
    pub page_entries_max: u32,
    /// Subscriptions to topics that a node has, of any patterns; a further one is refused. Default 65,536.
    pub subscriptions_max: u32,
    /// How often a node asks one of the others, in turn, whether it has all of its entries, in case something went
    /// wrong that nobody saw. Default 2 s; at least 100 ms.
    pub check_every: Duration,
    /// Pause before a node that did not answer is told again. Default 200 ms; at least 10 ms.
    pub retry_after: Duration,
    /// How long registering a name waits until all members have heard of it; then the name is given back. Default 8 s:
    /// longer than it takes to notice that one of them is gone. At least 100 ms.
    pub confirm_within: Duration,
}

impl RosterConfig {
    /// Whether every value can be used.
    ///
    /// # Errors
    /// The first that cannot, with its bounds.
    pub fn check(&self) -> Result<(), BoundsError> {
        check("roster.entries_max", self.entries_max, 1..=COUNT_MAX)?;
        check("roster.removals_max", self.removals_max, 1..=COUNT_MAX)?;
        check("roster.page_entries_max", self.page_entries_max, 1..=PAGE_MAX)?;
        check("roster.subscriptions_max", self.subscriptions_max, 1..=COUNT_MAX)?;
        let ms = Duration::from_millis;
        check_spans([
            ("roster.check_every", self.check_every, ms(100), HOUR),
            ("roster.retry_after", self.retry_after, ms(10), HOUR),
            ("roster.confirm_within", self.confirm_within, ms(100), HOUR),
        ])
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named_with_its_value_and_its_bounds() {
        assert_eq!(RosterConfig::default().check(), Ok(()));
        let pages = RosterConfig { page_entries_max: 0, ..RosterConfig::default() };
        let error = pages.check().unwrap_err().to_string();
        assert_eq!(error, "roster.page_entries_max 0: use 1 to 4096");
        let hasty = RosterConfig { check_every: Duration::ZERO, ..RosterConfig::default() };
        let error = hasty.check().unwrap_err().to_string();
        assert_eq!(error, "roster.check_every 0ns: use 100ms to 3600s");
    }
}
