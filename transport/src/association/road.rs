//! The connection of an association, as far as it is seen from outside.
//!
//! What it is: since when it is there, and a way to ask QUIC about its path that does not keep the connection alive. What
//! it is NOT: a way to use it; its tasks do that (`connection.rs`).

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
};

use tokio::time::Instant;

use crate::metrics::PathMetrics;

/// A connection that is there.
#[derive(Clone, Debug)]
pub(crate) struct Road {
    since: Instant,
    /// Where the peer was when it came up.
    remote_addr: SocketAddr,
    /// Weak, so that a node that crashed leaves no connection behind; `None` where frames of a simulation carry.
    path: Option<Weak<quinn::Connection>>,
}

/// What was seen.
pub(crate) struct Seen {
    pub(crate) since: Instant,
    pub(crate) remote_addr: SocketAddr,
    pub(crate) path: Option<PathMetrics>,
}

impl Road {
    pub(crate) fn new(remote_addr: SocketAddr, path: Option<&Arc<quinn::Connection>>) -> Self {
        Self { since: Instant::now(), remote_addr, path: path.map(Arc::downgrade) }
    }

    /// Asks QUIC, under the connection's own lock, which its driver takes for each packet.
    pub(crate) fn look(&self) -> Seen {
        let Self { since, remote_addr, path } = self;
        let connection = path.as_ref().and_then(Weak::upgrade);
        let path = connection.as_ref().map(|connection| PathMetrics::of(&connection.stats()));
        let moved = connection.map(|connection| connection.remote_address());
        Seen { since: *since, remote_addr: moved.unwrap_or(*remote_addr), path }
    }
}
