//! All associations of one endpoint.
use std::{net::SocketAddr, sync::Arc};

use odeon_message::Incarnation;

use crate::{Association, PeerId};

/// The associations of an endpoint; `Send + Sync`, clones share.
#[derive(Clone, Debug)]
pub struct Peers {}

impl Peers {
    /// The association with this life of a node: the one there is, or a new one, which dials when something is sent
    /// or it is [kept](Association::keep).
    ///
    /// For a quarantined or superseded incarnation, and when there are too many peers, it is one that is closed.
    #[must_use]
    pub fn associate(&self, peer: PeerId, addr: SocketAddr) -> Arc<Association> {
        let _ = (peer, addr);
        unreachable!("signatures first")
    }

    /// The association there is.
    #[must_use]
    pub fn get(&self, peer: PeerId) -> Option<Arc<Association>> {
        let _ = peer;
        None
    }

    /// All associations, in the order of their peers.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Association>> {
        Vec::new()
    }

    /// Closes the association with this incarnation (and earlier ones) for good, and refuses it from now on.
    pub fn quarantine(&self, peer: PeerId) {
        let _ = peer;
    }

    /// Forgets an association that is of no use any more, as of a member that left; it is closed.
    pub fn forget(&self, peer: PeerId) {
        let _ = peer;
    }

    /// This node lives on under a new incarnation: all connections are closed and made anew when wanted.
    pub fn reincarnate(&self, incarnation: Incarnation) {
        let _ = incarnation;
    }
}
