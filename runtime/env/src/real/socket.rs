//! The real datagram socket: tokio for readiness, quinn-udp for the system calls.
//!
//! What it is: [`DatagramSocket`] on this machine's UDP, with segmentation offload. It hides from QUIC that a peer
//! is unreachable, because quinn's driver would end on it, and reports the address instead. What it is NOT: it caps
//! no burst; a transmit larger than a datagram is the transport's to avoid. Read `recv_error.rs` for how the error
//! queue is read, `unreachable.rs` for where its addresses wait.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::{SocketAddr, UdpSocket as StdSocket},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    multicast,
    recv_error::{self, QueuedError},
    registration::register,
    send_room::SendRoom,
    unreachable::Unreachable,
};
use crate::{
    BoxFuture, DatagramSocket, MulticastGroup,
    socket::SOCKET_BUFFER_BYTES as BUFFER_BYTES,
    udp::{RecvMeta, Transmit, UdpSocketState},
};

/// How many errors left by earlier datagrams one send or receive steps over. Draining the error queue clears them
/// all, so a second one is a race with a new arrival; what is left after these is dropped as if lost on the way.
const PENDING_ERRORS_MAX: usize = 4;

/// How many errors are taken off the queue in one turn, so that a flood of them cannot hold the thread.
const DRAIN_MAX: usize = 64;

/// A bound UDP socket of this machine.
pub(super) struct RealSocket {
    inner: Arc<Inner>,
    /// Waits for the error queue; kept between polls.
    errors: Mutex<Option<BoxFuture<io::Result<()>>>>,
}

struct Inner {
    /// Registered for what comes in alone; `send_room.rs` says why.
    io: AsyncFd<OwnedFd>,
    bound: SocketAddr,
    state: UdpSocketState,
    room: SendRoom,
    unreachable: Unreachable,
}

impl RealSocket {
    /// Binds to `listen` on the runtime of the caller, which must have its I/O enabled.
    pub(super) fn bind(listen: SocketAddr) -> io::Result<Self> {
        tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
        if listen.is_ipv6() && listen.ip().is_unspecified() {
            // "Any address" should mean any; a system without IPv4 refuses and need not.
            let _ = socket.set_only_v6(false);
        }
        socket.set_nonblocking(true)?;
        socket.bind(&listen.into())?;
        Self::of(socket, listen.is_ipv6())
    }

    /// Joins a multicast group on the runtime of the caller, which must have its I/O enabled.
    pub(super) fn join(group: &MulticastGroup) -> io::Result<Self> {
        tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        Self::of(multicast::join(group)?, group.address().is_ipv6())
    }

    /// Of a socket that is bound and does not block.
    fn of(socket: Socket, is_ipv6: bool) -> io::Result<Self> {
        grow_buffers(&socket);
        recv_error::enable(&socket, is_ipv6)?;
        let socket = StdSocket::from(socket);
        let state = UdpSocketState::new((&socket).into())?;
        let bound = socket.local_addr()?;
        let io = register(socket.into(), Interest::READABLE | Interest::ERROR)?;
        let (room, unreachable) = (SendRoom::default(), Unreachable::default());
        let inner = Arc::new(Inner { io, bound, state, room, unreachable });
        Ok(Self { inner, errors: Mutex::new(None) })
    }
}

/// Asks for large buffers and takes what the system grants.
fn grow_buffers(socket: &Socket) {
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    let granted = (socket.recv_buffer_size(), socket.send_buffer_size());
    if let (Ok(recv_bytes), Ok(send_bytes)) = granted
        && recv_bytes.min(send_bytes) < BUFFER_BYTES
    {
        tracing::debug!(recv_bytes, send_bytes, wanted = BUFFER_BYTES, "small socket buffers");
    }
}

impl Inner {
    /// Takes errors off the queue and notes where nobody listens; `true` if the queue is empty now.
    fn drain(&self) -> bool {
        for _ in 0..DRAIN_MAX {
            match recv_error::next(self.io.get_ref()) {
                Some(QueuedError::PortUnreachable(addr)) => self.unreachable.push(addr),
                Some(QueuedError::Other) => {}
                None => return true,
            }
        }
        false
    }

    fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        for _ in 0..PENDING_ERRORS_MAX {
            match self.state.try_send(self.io.get_ref().into(), transmit) {
                Err(error) if is_left_over(&error) => {
                    self.drain();
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                done => return done,
            }
        }
        // Too large, no route, filtered, or without offload from now on: quinn-udp logs it once a minute and calls it
        // sent, because to QUIC it is a packet lost on the way.
        self.state.send(self.io.get_ref().into(), transmit)
    }

    fn recv(&self, bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> io::Result<usize> {
        for _ in 0..PENDING_ERRORS_MAX {
            match self.state.recv(self.io.get_ref().into(), bufs, metas) {
                Err(error) if is_left_over(&error) => {
                    self.drain();
                }
                done => return done,
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}

/// Whether an error is what an earlier datagram left on the socket (icmp(7), ipv6(7)) and says nothing about this
/// call.
fn is_left_over(error: &io::Error) -> bool {
    const LEFT_OVER: [i32; 8] = [
        libc::ECONNREFUSED,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
        libc::EHOSTDOWN,
        libc::ENOPROTOOPT,
        libc::EOPNOTSUPP,
        libc::EPROTO,
        libc::EACCES,
    ];
    error.raw_os_error().is_some_and(|code| LEFT_OVER.contains(&code) || is_left_over_here(code))
}

#[cfg(target_os = "linux")]
fn is_left_over_here(code: i32) -> bool {
    code == libc::ENONET
}

#[cfg(not(target_os = "linux"))]
fn is_left_over_here(_: i32) -> bool {
    false
}

impl DatagramSocket for RealSocket {
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.send(transmit)
    }

    fn writable(self: Arc<Self>) -> BoxFuture<io::Result<()>> {
        let inner = self.inner.clone();
        Box::pin(async move {
            // An error counts as room: one that was left there would end each wait at once.
            inner.drain();
            inner.room.wait(inner.io.get_ref()).await;
            Ok(())
        })
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.inner.io.poll_read_ready(cx))?;
            match self.inner.recv(bufs, metas) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    // Errors arrive faster than they are drained: let others have a turn.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_unreachable(&self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(addr) = self.inner.unreachable.pop(cx) {
                return Poll::Ready(addr);
            }
            let waiting = errors.get_or_insert_with(|| {
                let inner = self.inner.clone();
                Box::pin(async move { inner.io.ready(Interest::ERROR).await.map(drop) })
            });
            let ready = ready!(waiting.as_mut().poll(cx));
            *errors = None;
            if ready.is_err() {
                // The runtime shuts down; nobody is left to be told.
                return Poll::Pending;
            }
            let drained = self.inner.io.try_io(Interest::ERROR, |_| {
                if self.inner.drain() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            if drained.is_ok() {
                cx.waker().wake_by_ref();
                return match self.inner.unreachable.pop(cx) {
                    Some(addr) => Poll::Ready(addr),
                    None => Poll::Pending,
                };
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.inner.bound)
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.state.may_fragment()
    }
}

impl fmt::Debug for RealSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RealSocket").field(&self.inner.io).finish()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{fs, net::Ipv4Addr, os::fd::AsRawFd};

    use super::*;

    /// A socket that hears of room in its buffer wakes its thread once for each burst that it sends.
    #[tokio::test]
    async fn a_socket_is_not_woken_by_what_it_sends() {
        let socket = RealSocket::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).unwrap();
        let interests = interests_in(socket.inner.io.get_ref().as_raw_fd());
        // A poller has several descriptors, and each shows all of it.
        assert!(!interests.is_empty());
        let (reads, writes) = (libc::EPOLLIN.cast_unsigned(), libc::EPOLLOUT.cast_unsigned());
        for interest in interests {
            assert_eq!((interest & reads != 0, interest & writes != 0), (true, false));
        }
    }

    /// What pollers of this process were told to look for on a descriptor (proc_pid_fdinfo(5)).
    fn interests_in(descriptor: i32) -> Vec<u32> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc/self/fdinfo").unwrap() {
            // One that was closed meanwhile is no poller of ours.
            let Ok(info) = fs::read_to_string(entry.unwrap().path()) else { continue };
            for line in info.lines().filter_map(|line| line.strip_prefix("tfd:")) {
                let mut words = line.split_ascii_whitespace();
                let (of, events) = (words.next().unwrap(), words.nth(1).unwrap());
                if of.parse() == Ok(descriptor) {
                    found.push(u32::from_str_radix(events, 16).unwrap());
                }
            }
        }
        found
    }
}
