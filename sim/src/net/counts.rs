//! What is counted of a network.
//!
//! Read `fabric.rs` for where.

use std::fmt;

use serde::Serialize;

use crate::trace::Fate;

/// How many datagrams met which end, and how many faults of which kind there were.
///
/// Of each datagram that was handed to the network, and of each copy that a fault made of it, becomes exactly one of:
/// delivered, lost, cut, unheard, dropped, or still under way or held by a clogged link. A datagram to a multicast
/// group counts once for each host with a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NetCounts {
    /// Handed to the network.
    pub sent: u64,
    /// Put into a receive buffer, copies included.
    pub delivered: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Sent over a link that was cut, or down while it flapped.
    pub cut: u64,
    /// Came twice.
    pub duplicated: u64,
    /// Were held back beyond their latency, so that later ones could overtake.
    pub reordered: u64,
    /// Came with a flipped bit.
    pub corrupted: u64,
    /// Were held by a clogged link, until it was free again.
    pub clogged: u64,
    /// Of those, how many are held now.
    pub held: u64,
    /// Came where nobody listened.
    pub nobody: u64,
    /// Dropped because the queue of their link was full.
    pub queue_full: u64,
    /// Dropped because they were larger than their link carries.
    pub too_large: u64,
    /// Dropped because their reader did not come.
    pub buffer_full: u64,
    /// Dropped because the network held as many as it can.
    pub network_full: u64,
    /// Names that were asked for.
    pub lookups: u64,
    /// Look-ups that were answered by a failure of the server.
    pub lookups_failed: u64,
    /// Look-ups that were not answered.
    pub lookups_silent: u64,
    /// Look-ups that were answered by what was true before.
    pub lookups_stale: u64,
}

impl NetCounts {
    /// The faults, by kind, in a fixed order: what a report prints as "faults injected". Kinds that did not occur
    /// are there, with 0.
    ///
    /// # Examples
    /// ```
    /// use odeon_sim::NetCounts;
    ///
    /// let counts = NetCounts::default();
    /// assert!(counts.faults().iter().any(|(kind, count)| *kind == "lost" && *count == 0));
    /// assert_eq!(counts.to_string(), "0 sent, 0 delivered");
    /// ```
    #[must_use]
    pub const fn faults(&self) -> [(&'static str, u64); 11] {
        [
            ("lost", self.lost),
            ("cut off", self.cut),
            ("duplicated", self.duplicated),
            ("reordered", self.reordered),
            ("corrupted", self.corrupted),
            ("clogged", self.clogged),
            ("link queue full", self.queue_full),
            ("too large", self.too_large),
            ("look-ups failed", self.lookups_failed),
            ("look-ups unanswered", self.lookups_silent),
            ("look-ups stale", self.lookups_stale),
        ]
    }

    /// Dropped because something was full or too small.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.queue_full + self.too_large + self.buffer_full + self.network_full
    }

    /// Counts the end of a datagram.
    pub(super) fn end(&mut self, fate: Fate) {
        let count = match fate {
            Fate::Delivered => &mut self.delivered,
            Fate::Lost => &mut self.lost,
            Fate::Cut => &mut self.cut,
            Fate::TooLarge => &mut self.too_large,
            Fate::QueueFull => &mut self.queue_full,
            Fate::BufferFull => &mut self.buffer_full,
            Fate::NobodyListens | Fate::NoHost => &mut self.nobody,
            Fate::NetworkFull => &mut self.network_full,
        };
        *count += 1;
    }
}

impl fmt::Display for NetCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} delivered", self.sent, self.delivered)?;
        let mut there = self.faults().into_iter().filter(|(_, count)| *count > 0);
        there.try_for_each(|(kind, count)| write!(f, ", {count} {kind}"))
    }
}
