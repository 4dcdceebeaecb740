//! The endpoint: one socket, one thread, all associations.
use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use odeon_env::{DatagramSocket, Env};
use odeon_message::{Fingerprint, Incarnation, MessageId, NodeId};

use crate::{
    Association, ConfigError, Frame, Identity, IdentityError, LostReason, PeerId, Peers,
    RefusedReason, TransportConfig, TransportEvents,
};

/// What this node says of itself in every handshake. Cluster and node name are its [`Identity`]'s.
#[derive(Clone, Debug)]
pub struct LocalHello {
    /// Which of its lives this is.
    pub incarnation: Incarnation,
    /// The address at which peers reach it.
    pub advertise: SocketAddr,
    /// What its actors accept, each with the layout.
    pub accepted: Vec<(MessageId, Fingerprint)>,
}

/// Why an endpoint could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A configured value is out of bounds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The socket failed.
    #[error("the socket cannot be used: {0}")]
    Socket(#[from] std::io::Error),
}

/// One node's endpoint. It lives on the `LocalSet` it was started on and is not `Send`.
#[derive(Debug)]
pub struct Transport {
    peers: Peers,
}

impl Transport {
    /// Starts an endpoint on the current `LocalSet`.
    ///
    /// # Errors
    /// When a value is out of bounds, the identity would be refused, or the socket fails.
    ///
    /// # Panics
    /// Outside of a `LocalSet`.
    pub fn start(
        env: Arc<dyn Env>,
        socket: Arc<dyn DatagramSocket>,
        identity: Identity,
        hello: LocalHello,
        config: TransportConfig,
        events: Rc<dyn TransportEvents>,
    ) -> Result<Rc<Self>, TransportError> {
        let _ = (env, socket, identity, hello, config, events);
        Ok(Rc::new(Self { peers: Peers {} }))
    }

    /// The associations; the handle is `Send + Sync`.
    #[must_use]
    pub fn peers(&self) -> Peers {
        self.peers.clone()
    }

    /// Dials an address of which nothing else is known, once; whoever answers is told by
    /// [`up`](TransportEvents::up), a failure by [`refused`](TransportEvents::refused).
    pub fn dial_seed(&self, addr: SocketAddr) {
        let _ = addr;
    }

    /// Sends gossip of at most [`DATAGRAM_BYTES_MAX`](crate::DATAGRAM_BYTES_MAX) bytes; a longer one is dropped and
    /// counted. While there is no connection one datagram waits; a newer one replaces it.
    pub fn datagram(&self, to: (NodeId, SocketAddr), bytes: Bytes) {
        let _ = (to, bytes);
    }

    /// Makes QUIC send something to whoever is at `addr`, now, so that a dead process is noticed.
    pub fn probe(&self, addr: SocketAddr) {
        let _ = addr;
    }

    /// Flushes what waits in lanes, closes all connections and the endpoint; at most `within`.
    ///
    /// # Cancel safety
    /// Dropping it leaves the endpoint half closed; call it again.
    pub async fn close(&self, within: Duration) {
        let _ = within;
    }
}

const _: fn(&dyn TransportEvents, &Arc<Association>, Frame, PeerId, LostReason, RefusedReason) =
    |_, _, _, _, _, _| {};
