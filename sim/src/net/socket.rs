//! One bound socket of a simulated host.
//!
//! It holds no state: everything is in the fabric, under its address, its host and the number of its binding, so that
//! closing the gates of a crashed node is one removal there, whoever still holds the socket. Read `env.rs` next.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use odeon_env::{
    BoxFuture, DatagramSocket,
    udp::{RecvMeta, Transmit},
};

use super::{
    SimNet,
    fabric::Outbound,
    port::{Datagram, Socket},
};
use crate::trace::Payload;

/// Segments of one transmit, as Linux allows with generic segmentation offload at 1472 bytes.
const SEGMENTS_MAX: usize = 32;

/// A simulated UDP socket, bound to an address of its host or to a multicast group. Dropping it unbinds it; a crash
/// of its node does so before.
pub struct SimSocket {
    net: SimNet,
    socket: Socket,
}

impl SimSocket {
    pub(super) fn new(net: SimNet, socket: Socket) -> Self {
        Self { net, socket }
    }
}

impl fmt::Debug for SimSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimSocket({} of {})", self.socket.bound, self.socket.host)
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.net.fabric().ports.unbind(&self.socket);
    }
}

impl DatagramSocket for SimSocket {
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        let whole = Outbound {
            from: self.socket.source(),
            to: transmit.destination,
            ecn: transmit.ecn,
            payload: Payload::of(&[]),
        };
        if transmit.contents.is_empty() {
            self.net.send(&self.socket, whole);
        }
        for bytes in transmit.contents.chunks(segment) {
            self.net.send(&self.socket, Outbound { payload: Payload::of(bytes), ..whole });
        }
        Ok(())
    }

    fn writable(self: Arc<Self>) -> BoxFuture<io::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut fabric = self.net.fabric();
        // A dead socket says nothing: an error would be a message from beyond the crash.
        let Some(port) = fabric.ports.port(&self.socket) else { return Poll::Pending };
        let mut received = 0;
        for (buffer, meta) in bufs.iter_mut().zip(metas.iter_mut()) {
            let Some(datagram) = port.received.pop_front() else { break };
            port.received_bytes -= datagram.cost();
            *meta = copy_out(&datagram, buffer, self.socket.bound);
            received += 1;
        }
        if received == 0 {
            port.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(received))
    }

    fn poll_unreachable(&self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        let mut fabric = self.net.fabric();
        let Some(port) = fabric.ports.port(&self.socket) else { return Poll::Pending };
        match port.reports.pop_front() {
            Some(about) => Poll::Ready(about),
            None => {
                port.report_reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.socket.bound)
    }

    fn max_transmit_segments(&self) -> usize {
        SEGMENTS_MAX
    }

    fn max_receive_segments(&self) -> usize {
        1
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// As recvmsg(2): what does not fit is cut off.
fn copy_out(datagram: &Datagram, buffer: &mut [u8], local: SocketAddr) -> RecvMeta {
    let length = datagram.bytes.len().min(buffer.len());
    buffer[..length].copy_from_slice(&datagram.bytes[..length]);
    RecvMeta {
        addr: datagram.from,
        len: length,
        stride: length.max(1),
        ecn: datagram.ecn,
        dst_ip: Some(local.ip()),
    }
}
