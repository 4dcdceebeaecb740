//! The handle to all associations of one endpoint, for any thread.

use std::{net::SocketAddr, sync::Arc};

use odeon_message::{Incarnation, NodeId};

use crate::{Association, CertificateValidity, PeerId, TransportMetrics, shared::Shared};

/// The associations of an endpoint; `Send + Sync`, clones share.
#[derive(Clone, Debug)]
pub struct Peers(pub(crate) Arc<Shared>);

impl Peers {
    /// The association with this life of a node: the one there is, or a new one, which dials when something is sent
    /// or it is [kept](Association::keep). `addr` is where the next dial goes.
    ///
    /// For a quarantined or superseded incarnation, when there are too many peers, and when the endpoint is closed,
    /// it is one that is closed; [`Association::closed`] says why.
    #[must_use]
    pub fn associate(&self, peer: PeerId, addr: SocketAddr) -> Arc<Association> {
        self.0.associate(peer, addr)
    }

    /// The association there is with this life of a node.
    #[must_use]
    pub fn get(&self, peer: PeerId) -> Option<Arc<Association>> {
        self.0.get(peer)
    }

    /// The association there is with the newest life of a node.
    #[must_use]
    pub fn of_node(&self, node: NodeId) -> Option<Arc<Association>> {
        self.0.of_node(node)
    }

    /// All associations, in the order of their nodes' ids.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Association>> {
        self.0.all()
    }

    /// The endpoint and the way to each peer in figures. From any thread, without stopping anybody: a few short locks a
    /// peer.
    #[must_use]
    pub fn metrics(&self) -> TransportMetrics {
        let peers = self.0.all().iter().map(|association| association.metrics()).collect();
        TransportMetrics { peers, handshakes: self.0.handshakes(), stats: self.0.stats() }
    }

    /// Between which times the certificates of the identity in use are good; `None` if they do not say it.
    #[must_use]
    pub fn certificate_validity(&self) -> Option<CertificateValidity> {
        self.0.certificate_validity()
    }

    /// Closes the association with this incarnation, or an earlier one, for good, and refuses them from now on.
    ///
    /// Remembered for four times as many nodes as there may be peers.
    pub fn quarantine(&self, peer: PeerId) {
        self.0.quarantine(peer);
    }

    /// Forgets an association that is of no use any more, as of a member that left; it is closed. The same life may
    /// be associated again.
    pub fn forget(&self, peer: PeerId) {
        self.0.forget(peer);
    }

    /// This node lives on under a new incarnation, as after it was declared dead by mistake: all connections are
    /// closed, and made anew when wanted.
    pub fn reincarnate(&self, incarnation: Incarnation) {
        self.0.reincarnate(incarnation);
    }
}
