//! The datagram socket that QUIC runs on.
//!
//! It is shaped like quinn's own socket trait, so that the transport can hand it over without a copy, with one
//! addition: [`poll_unreachable`](DatagramSocket::poll_unreachable), the means by which a killed process is
//! noticed at once. It is NOT a general socket. Read `real.rs` next.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    BoxFuture,
    udp::{RecvMeta, Transmit},
};

/// Wanted size of either buffer of a socket, in bytes: a send window larger than the buffer loses packets. The system may
/// grant less (`net.core.rmem_max`, `net.core.wmem_max`).
pub const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// A bound UDP socket, real or simulated.
pub trait DatagramSocket: fmt::Debug + Send + Sync + 'static {
    /// Sends one transmit, of up to [`max_transmit_segments`](Self::max_transmit_segments) segments.
    ///
    /// # Errors
    /// `WouldBlock` when the send buffer is full; wait for [`writable`](Self::writable). A peer that is
    /// unreachable is no error here; see [`poll_unreachable`](Self::poll_unreachable).
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()>;

    /// Completes when the socket may be writable again. Any number of callers may wait; asked only after a send that would
    /// block, because it may cost more than a send.
    fn writable(self: Arc<Self>) -> BoxFuture<io::Result<()>>;

    /// Receives datagrams; one task polls.
    ///
    /// # Errors
    /// What the system says; never that a peer is unreachable.
    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>>;

    /// An address that answered a datagram of ours with "nobody listens here" (ICMP port unreachable); one task
    /// polls. Pending for ever where the platform cannot tell.
    fn poll_unreachable(&self, cx: &mut Context<'_>) -> Poll<SocketAddr>;

    /// The address the socket is bound to.
    ///
    /// # Errors
    /// What the system says.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// How many segments one transmit may hold (generic segmentation offload); at least 1.
    fn max_transmit_segments(&self) -> usize;

    /// How many segments one receive may return (generic receive offload); at least 1.
    fn max_receive_segments(&self) -> usize;

    /// Whether the network may fragment our datagrams; MTU discovery is off where it may.
    fn may_fragment(&self) -> bool;
}
