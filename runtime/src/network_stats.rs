//! What a node has going on with others, in figures.
//!
//! What it is: counts that are read from the ask table and the associations when somebody asks. What it is NOT: what its
//! actors did (`SystemStats`), or a history; a new life of the node begins at zero.

use odeon_transport::{AssociationStats, Peers};

use crate::asks::Asks;

/// What a node has going on with others, and had since it started. See [`Node::network_stats`](crate::Node::network_stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkStats {
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

impl NetworkStats {
    pub(crate) fn of(asks: &Asks, peers: Option<&Peers>) -> Self {
        let associations = peers.map(Peers::all).unwrap_or_default();
        let messages_held = associations.iter().map(|it| it.messages_held()).sum();
        let kept = |bytes: AssociationStats| bytes.pinned_bytes.saturating_sub(bytes.at_hand_bytes);
        let kept_bytes = associations.iter().map(|it| kept(it.stats())).sum();
        Self { messages_held, kept_bytes, ..asks.stats() }
    }
}
