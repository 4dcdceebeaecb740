//! What a node has going on with others, in figures.
//!
//! What it is: what the endpoint and each peer say of themselves, with counts of the ask table, read when somebody asks.
//! What it is NOT: what its actors did (`Metrics`), or a history; a new life of the node begins at zero. What is counted of a
//! peer: `metrics.rs` of `odeon-transport`.

use std::fmt;

use odeon_transport::{
    AssociationStats, HandshakeMetrics, PeerMetrics, Peers, TransportMetrics, TransportStats,
};

use crate::asks::Asks;

/// A node and the ways to others in figures; prints in a few lines for each peer. See
/// [`Node::network_metrics`](crate::Node::network_metrics).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NetworkMetrics {
    /// The peers that are known, in the order of their nodes' ids; at most
    /// [`peers_max`](crate::TransportConfig::peers_max).
    pub peers: Vec<PeerMetrics>,
    /// What became of handshakes.
    pub handshakes: HandshakeMetrics,
    /// What else was counted at the endpoint.
    pub stats: TransportStats,
    /// Asks of this node that wait for other nodes.
    pub asks: u64,
    /// Asks of this node that ended without an answer: given up, or lost with a connection. Retries count one by one.
    pub asks_unanswered: u64,
    /// Answers for which nobody waited any more. Each belongs to an ask that ended without one, so that there are no more
    /// of them than of those: raise the time of asks, or lower it on the other side, where there are many.
    pub answers_late: u64,
    /// Messages of other nodes that wait in mailboxes here, and hold credit of the present connections.
    pub messages_held: u64,
    /// Bytes of memory that messages of other nodes keep here, in mailboxes, in views and in answers that nobody has read,
    /// beside what streams have at hand to read into. A short message may keep a whole slab.
    pub kept_bytes: u64,
}

/// What became of a node's asks of others, since it started.
pub(crate) struct AskCounts {
    pub(crate) waiting: u64,
    pub(crate) unanswered: u64,
    pub(crate) late: u64,
}

impl NetworkMetrics {
    pub(crate) fn read(asks: &Asks, peers: &Peers) -> Self {
        let associations = peers.all();
        let kept = |bytes: AssociationStats| bytes.pinned_bytes.saturating_sub(bytes.at_hand_bytes);
        let TransportMetrics { peers, handshakes, stats, .. } = peers.metrics();
        let AskCounts { waiting, unanswered, late } = asks.counts();
        Self {
            peers,
            handshakes,
            stats,
            asks: waiting,
            asks_unanswered: unanswered,
            answers_late: late,
            messages_held: associations.iter().map(|it| it.messages_held()).sum(),
            kept_bytes: associations.iter().map(|it| kept(it.stats())).sum(),
        }
    }

    /// The peer of this name, by its newest life.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&PeerMetrics> {
        self.peers.iter().find(|peer| peer.name == name)
    }
}

impl fmt::Display for NetworkMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asks, asks_unanswered, answers_late, messages_held, kept_bytes, .. } = self;
        writeln!(
            f,
            "asks: {asks} wait, {asks_unanswered} unanswered, {answers_late} answers late; of others: \
             {messages_held} messages wait, {kept_bytes} B kept"
        )?;
        writeln!(f, "{}", self.handshakes)?;
        self.peers.iter().try_for_each(|peer| write!(f, "{peer}"))
    }
}
