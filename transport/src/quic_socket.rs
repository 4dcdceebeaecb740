//! The environment's socket in the shape that quinn wants.
//!
//! It adds two bounds: an offloaded send never exceeds what one UDP datagram may hold, because the kernel refuses it
//! as a whole and quinn would count it as sent; and receive buffers are no larger than one offloaded receive.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use odeon_env::{
    BoxFuture, DatagramSocket,
    udp::{RecvMeta, Transmit},
};
use quinn::{AsyncUdpSocket, UdpPoller};

use crate::config::UDP_PAYLOAD_BYTES_MAX;

/// A [`DatagramSocket`] for quinn.
#[derive(Debug)]
pub(crate) struct QuicSocket {
    socket: Arc<dyn DatagramSocket>,
    segments_max: usize,
    receive_segments_max: usize,
}

impl QuicSocket {
    /// `mtu_max` bounds what any connection of the socket sends in one packet, `wanted` how many packets one call sends,
    /// `payload_max` what is received.
    pub(crate) fn new(
        socket: Arc<dyn DatagramSocket>,
        (mtu_max, wanted): (u16, Option<u16>),
        payload_max: u16,
    ) -> Arc<Self> {
        let fit = UDP_PAYLOAD_BYTES_MAX / usize::from(mtu_max);
        let wanted = wanted.map_or(usize::MAX, usize::from);
        let segments_max = socket.max_transmit_segments().min(fit).min(wanted).max(1);
        let fill = (usize::from(u16::MAX)).div_ceil(usize::from(payload_max));
        let receive_segments_max = socket.max_receive_segments().min(fill).max(1);
        Arc::new(Self { socket, segments_max, receive_segments_max })
    }
}

impl AsyncUdpSocket for QuicSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller { socket: Arc::clone(&self.socket), waiting: Mutex::new(None) })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_recv(cx, bufs, metas)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.segments_max
    }

    fn max_receive_segments(&self) -> usize {
        self.receive_segments_max
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

/// One connection's wait for room in the send buffer.
struct Poller {
    socket: Arc<dyn DatagramSocket>,
    /// A mutex only because quinn wants `Sync`; it is never contended.
    waiting: Mutex<Option<BoxFuture<io::Result<()>>>>,
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Poller")
    }
}

impl UdpPoller for Poller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let waiting = this.waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        let future = waiting.get_or_insert_with(|| Arc::clone(&this.socket).writable());
        let result = std::task::ready!(future.as_mut().poll(cx));
        *waiting = None;
        Poll::Ready(result)
    }
}
