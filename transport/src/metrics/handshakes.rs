//! Handshakes that failed, by side and reason.
//!
//! What it is: one counter for each reason there is, so that no peer makes the table longer. What it is NOT: the log
//! line with the words, which `Hub::failed_handshake` writes.

use std::{
    array, fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use odeon_wire::RefuseReason;

use crate::RefusedReason;

/// Why a handshake failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// A certificate was not trusted, missing, expired, or of another cluster.
    NotAuthenticated,
    /// A certificate was revoked.
    Revoked,
    /// The other node is of another cluster, by its hello.
    OtherCluster,
    /// No revision of the format is spoken by both.
    Revision,
    /// Name, id and certificate do not agree, or another node answered than the one that was dialled.
    Identity,
    /// The incarnation was declared dead, is stale, or has left.
    Gone,
    /// The dialler has the acceptor's own name.
    OwnName,
    /// The wall clocks of both are too far apart.
    Clock,
    /// No room for another peer.
    Busy,
    /// The node that was dialled is stopping.
    Stopping,
    /// Bytes that are not this protocol.
    Protocol,
    /// Nothing, or not all of it, came in time; or the connection broke.
    NoAnswer,
    /// Another connection of the pair won, which is in the order of things.
    Duplicate,
}

impl HandshakeFailure {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::NotAuthenticated,
        Self::Revoked,
        Self::OtherCluster,
        Self::Revision,
        Self::Identity,
        Self::Gone,
        Self::OwnName,
        Self::Clock,
        Self::Busy,
        Self::Stopping,
        Self::Protocol,
        Self::NoAnswer,
        Self::Duplicate,
    ];

    pub(crate) const fn of_refusal(reason: RefuseReason) -> Self {
        match reason {
            RefuseReason::Cluster => Self::OtherCluster,
            RefuseReason::Revision => Self::Revision,
            RefuseReason::Identity => Self::Identity,
            RefuseReason::Quarantined | RefuseReason::StaleIncarnation => Self::Gone,
            RefuseReason::Duplicate => Self::Duplicate,
            RefuseReason::OwnName => Self::OwnName,
            RefuseReason::Clock => Self::Clock,
            RefuseReason::Busy => Self::Busy,
            RefuseReason::Stopping => Self::Stopping,
            // A reason of a later revision.
            _ => Self::Protocol,
        }
    }

    pub(crate) fn of(reason: &RefusedReason) -> Self {
        match reason {
            RefusedReason::NotAuthenticated(_) => Self::NotAuthenticated,
            RefusedReason::Revoked(_) => Self::Revoked,
            RefusedReason::ByPeer(refuse) => Self::of_refusal(refuse.reason),
            RefusedReason::Identity(_) => Self::Identity,
            RefusedReason::Gone(_) => Self::Gone,
            RefusedReason::Clock(_) => Self::Clock,
            RefusedReason::Version(_) => Self::Revision,
            RefusedReason::Protocol(_) => Self::Protocol,
            RefusedReason::NoAnswer(_) => Self::NoAnswer,
        }
    }
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAuthenticated => "not authenticated",
            Self::Revoked => "revoked",
            Self::OtherCluster => "another cluster",
            Self::Revision => "no common revision",
            Self::Identity => "another identity",
            Self::Gone => "gone",
            Self::OwnName => "the same name",
            Self::Clock => "clocks apart",
            Self::Busy => "no room",
            Self::Stopping => "stopping",
            Self::Protocol => "another protocol",
            Self::NoAnswer => "no answer",
            Self::Duplicate => "duplicate",
        })
    }
}

/// Handshakes of one endpoint since it started.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct HandshakeMetrics {
    /// Handshakes under way that peers have begun.
    pub answering: usize,
    /// Dials to nodes that others told of, under way in one of [`dials_max`](crate::TransportConfig::dials_max) places.
    pub dialling: usize,
    /// The most there were at once.
    pub dialling_most: usize,
    /// Dials that waited for such a place.
    pub dials_waited: u64,
    /// Handshakes that ended, however, on either side.
    pub ended: u64,
    /// Peers' handshakes that failed here, by reason; only reasons that occurred.
    pub inbound: Vec<(HandshakeFailure, u64)>,
    /// Dials that failed, by reason; only reasons that occurred.
    pub outbound: Vec<(HandshakeFailure, u64)>,
    /// Handshakes that were not looked at, because too many were under way, with all peers or with one address.
    pub shed: u64,
    /// Diallers that were asked to show first that they receive at their address.
    pub retried: u64,
}

/// Counts failures, a place for each reason.
#[derive(Debug)]
pub(crate) struct HandshakeCounters {
    inbound: [AtomicU64; HandshakeFailure::ALL.len()],
    outbound: [AtomicU64; HandshakeFailure::ALL.len()],
}

impl Default for HandshakeCounters {
    fn default() -> Self {
        let zeroes = || array::from_fn(|_| AtomicU64::new(0));
        Self { inbound: zeroes(), outbound: zeroes() }
    }
}

impl HandshakeCounters {
    pub(crate) fn failed(&self, inbound: bool, failure: HandshakeFailure) {
        let counters = if inbound { &self.inbound } else { &self.outbound };
        counters[failure as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, inbound: bool) -> Vec<(HandshakeFailure, u64)> {
        let counters = if inbound { &self.inbound } else { &self.outbound };
        let counted = HandshakeFailure::ALL.into_iter().zip(counters);
        counted
            .map(|(failure, counter)| (failure, counter.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_a_place_of_its_own() {
        let counters = HandshakeCounters::default();
        for (times, failure) in HandshakeFailure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, times);
            (0..times).for_each(|_| counters.failed(true, failure));
        }
        assert_eq!(counters.read(false), []);
        let read = counters.read(true);
        assert_eq!(read.len(), HandshakeFailure::ALL.len() - 1);
        assert!(read.contains(&(HandshakeFailure::Gone, 5)), "{read:?}");
    }
}
