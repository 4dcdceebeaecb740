//! The environment's socket in the shape that quinn wants.
//!
//! It adds two bounds: an offloaded send never exceeds what one UDP datagram may hold, because the kernel refuses it
//! as a whole and quinn would count it as sent; and receive buffers are no larger than one offloaded receive. And it asks
//! for room only after a send that found none: quinn asks before each.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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
    /// Whether the last send found no room.
    full: AtomicBool,
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
        Arc::new(Self { socket, segments_max, receive_segments_max, full: AtomicBool::new(false) })
    }
}

impl AsyncUdpSocket for QuicSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller { socket: self, waiting: Mutex::new(None) })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.socket.try_send(transmit);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.full.store(true, Ordering::Relaxed);
        }
        sent
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
    socket: Arc<QuicSocket>,
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
        // Who waits goes on to wait, whatever others have found since: nothing else wakes it.
        if waiting.is_none() && !this.socket.full.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let future = waiting.get_or_insert_with(|| Arc::clone(&this.socket.socket).writable());
        let result = std::task::ready!(future.as_mut().poll(cx));
        *waiting = None;
        this.socket.full.store(false, Ordering::Relaxed);
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        sync::atomic::AtomicUsize,
        task::Waker,
    };

    use super::*;

    /// A socket whose buffer the test fills.
    #[derive(Debug, Default)]
    struct Narrow {
        full: AtomicBool,
        asked: AtomicUsize,
    }

    impl DatagramSocket for Narrow {
        fn try_send(&self, _: &Transmit<'_>) -> io::Result<()> {
            if self.full.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        }

        fn writable(self: Arc<Self>) -> BoxFuture<io::Result<()>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::poll_fn(move |_| {
                if self.full.load(Ordering::Relaxed) { Poll::Pending } else { Poll::Ready(Ok(())) }
            }))
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            _: &mut [IoSliceMut<'_>],
            _: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_unreachable(&self, _: &mut Context<'_>) -> Poll<SocketAddr> {
            Poll::Pending
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(nowhere())
        }

        fn max_transmit_segments(&self) -> usize {
            1
        }

        fn max_receive_segments(&self) -> usize {
            1
        }

        fn may_fragment(&self) -> bool {
            false
        }
    }

    #[test]
    fn room_is_asked_for_after_a_send_that_found_none_and_not_before() {
        let (narrow, socket) = sockets();
        let (mut first, mut second) =
            (Arc::clone(&socket).create_io_poller(), Arc::clone(&socket).create_io_poller());
        for _ in 0..3 {
            assert!(poll(&mut first).is_ready());
            socket.try_send(&datagram()).unwrap();
        }
        assert_eq!(narrow.asked.load(Ordering::Relaxed), 0);

        narrow.full.store(true, Ordering::Relaxed);
        socket.try_send(&datagram()).unwrap_err();
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        assert_eq!(narrow.asked.load(Ordering::Relaxed), 2);

        narrow.full.store(false, Ordering::Relaxed);
        assert!(poll(&mut first).is_ready());
        // The other was waiting when the first found room: it hears of it by what it waits on.
        assert!(poll(&mut second).is_ready());
        socket.try_send(&datagram()).unwrap();
        assert!(poll(&mut first).is_ready());
        assert_eq!(narrow.asked.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn who_waits_goes_on_to_wait_when_another_has_found_room() {
        let (narrow, socket) = sockets();
        let mut waiting = Arc::clone(&socket).create_io_poller();
        narrow.full.store(true, Ordering::Relaxed);
        socket.try_send(&datagram()).unwrap_err();
        assert!(poll(&mut waiting).is_pending());

        socket.full.store(false, Ordering::Relaxed);

        assert!(
            poll(&mut waiting).is_pending(),
            "its task would send again, and find no room again"
        );
    }

    fn sockets() -> (Arc<Narrow>, Arc<QuicSocket>) {
        let narrow = Arc::new(Narrow::default());
        (Arc::clone(&narrow), QuicSocket::new(narrow, (1_452, None), 1_452))
    }

    fn poll(poller: &mut Pin<Box<dyn UdpPoller>>) -> Poll<io::Result<()>> {
        poller.as_mut().poll_writable(&mut Context::from_waker(Waker::noop()))
    }

    fn datagram() -> Transmit<'static> {
        Transmit {
            destination: nowhere(),
            ecn: None,
            contents: b"datagram",
            segment_size: None,
            src_ip: None,
        }
    }

    fn nowhere() -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9)
    }
}
