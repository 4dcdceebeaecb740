//! What a node counted of its cluster: gossip, multicast, topics.
//!
//! What it is: [`ClusterStats`], for whoever asks, and the counters behind it, which the tasks of the endpoint's thread
//! write. What it is NOT: who is in the cluster (`directory.rs`), or what goes over the ways to others
//! (`network_metrics.rs`). A new life of the node begins at zero.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use odeon_cluster::Stats;

/// What a node counted of its cluster since it started. See [`Node::cluster_stats`](crate::Node::cluster_stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterStats {
    /// Datagrams of gossip that were garbage, too long, or not from whom they said.
    pub gossip_refused: u64,
    /// Datagrams of gossip that would have made this node remember more members than it may.
    pub gossip_over_bound: u64,
    /// Datagrams of gossip, and word that an address cannot be reached, that came faster than they were read.
    pub gossip_dropped: u64,
    /// Times that others held this node for dead and it came back.
    pub rejoins: u64,
    /// Errors inside the membership protocol; more than none is a bug.
    pub faults: u64,
    /// Packets of multicast DNS that were not looked at, because more came than one host may send, or all together.
    pub multicast_ignored: u64,
    /// Messages of topics for which a subscription of this node had no room.
    pub topic_messages_missed: u64,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct ClusterCounts {
    gossip_refused: AtomicU64,
    gossip_over_bound: AtomicU64,
    gossip_dropped: AtomicU64,
    rejoins: AtomicU64,
    faults: AtomicU64,
    multicast_ignored: AtomicU64,
}

impl ClusterCounts {
    /// What the membership has counted so far.
    pub(crate) fn membership(&self, stats: Stats) {
        self.gossip_refused.store(stats.datagrams_refused, Relaxed);
        self.gossip_over_bound.store(stats.datagrams_over_bound, Relaxed);
        self.rejoins.store(stats.rejoins, Relaxed);
        self.faults.store(stats.faults, Relaxed);
    }

    pub(crate) fn gossip_dropped(&self) {
        self.gossip_dropped.fetch_add(1, Relaxed);
    }

    /// One more packet is not looked at; how many that makes.
    pub(crate) fn multicast_ignored(&self) -> u64 {
        self.multicast_ignored.fetch_add(1, Relaxed) + 1
    }

    /// All of it, with what the subscriptions missed.
    pub(crate) fn stats(&self, topic_messages_missed: u64) -> ClusterStats {
        ClusterStats {
            gossip_refused: self.gossip_refused.load(Relaxed),
            gossip_over_bound: self.gossip_over_bound.load(Relaxed),
            gossip_dropped: self.gossip_dropped.load(Relaxed),
            rejoins: self.rejoins.load(Relaxed),
            faults: self.faults.load(Relaxed),
            multicast_ignored: self.multicast_ignored.load(Relaxed),
            topic_messages_missed,
        }
    }
}
