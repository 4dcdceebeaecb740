//! What the transport holds of the frame link: the network, endpoints, connections.
//!
//! They hold no state: it is in the fabric, under the numbers that they hold, so that a crash of a node is one removal
//! there. On a node that has crashed everything is pending for ever, because an error would be a message from beyond.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use odeon_env::{
    FrameArrival, FrameConnection, FrameEndpoint, FrameIdentity, FrameLoss, FrameNet, FrameStream,
    FrameTerms, FrameWay,
};

use super::{
    Content, Listener,
    side::{Side, State},
    sides::SideId,
};
use crate::net::{SimNet, fabric::Fabric, port::Socket};

/// The frame link of a network, for the nodes of its world.
#[derive(Clone, Debug)]
pub(crate) struct SimFrames(pub(crate) SimNet);

impl FrameNet for SimFrames {
    fn listen(&self, at: SocketAddr, terms: FrameTerms) -> io::Result<Arc<dyn FrameEndpoint>> {
        let mut fabric = self.0.fabric();
        let unbound = || {
            io::Error::new(ErrorKind::NotConnected, format!("no socket is bound to {at}: bind one"))
        };
        let socket = fabric.ports.socket_at(at).ok_or_else(unbound)?;
        let port = fabric.ports.port(&socket).ok_or_else(unbound)?;
        if port.frames.is_some() {
            let text = format!("{at} has an endpoint already: end it, or bind another port");
            return Err(io::Error::new(ErrorKind::AddrInUse, text));
        }
        port.frames = Some(Listener {
            terms,
            accepts: true,
            incoming: Default::default(),
            waker: None,
            arrivals: Default::default(),
        });
        Ok(Arc::new(SimFrameEndpoint { net: self.0.clone(), socket }))
    }
}

struct SimFrameEndpoint {
    net: SimNet,
    socket: Socket,
}

impl SimFrameEndpoint {
    /// Acts on the listener, if the socket is still bound as it was.
    fn with<T>(&self, act: impl FnOnce(&mut Listener) -> T) -> Option<T> {
        let mut fabric = self.net.fabric();
        fabric.ports.port(&self.socket).and_then(|port| port.frames.as_mut()).map(act)
    }

    fn connection(&self, id: SideId, remote: SocketAddr) -> Arc<dyn FrameConnection> {
        Arc::new(SimFrameConnection { net: self.net.clone(), id, remote })
    }
}

impl FrameEndpoint for SimFrameEndpoint {
    fn dial(&self, to: SocketAddr) -> io::Result<Arc<dyn FrameConnection>> {
        let gone = || io::Error::new(ErrorKind::NotConnected, "the endpoint is closed");
        let terms = self.with(|listener| listener.terms.clone()).ok_or_else(gone)?;
        let identity = Arc::clone(&terms.identity);
        let (socket, binding) = (self.socket, self.socket.binding());
        let id = self.net.act(|fabric, now, wake| {
            let link = fabric.links.place_of(socket.bound.ip(), to.ip());
            let side = Side::new((socket, to, link), true, terms, now);
            let id = fabric.frames.sides.insert(side);
            fabric.say(now, id, Content::Dial { identity, binding });
            fabric.look(now, id, wake);
            id
        });
        Ok(self.connection(id, to))
    }

    fn poll_incoming(&self, cx: &mut Context<'_>) -> Poll<Option<Arc<dyn FrameConnection>>> {
        let next = self.with(|listener| {
            let next = listener.incoming.pop_front();
            if next.is_none() {
                listener.waker = Some(cx.waker().clone());
            }
            next
        });
        let Some(Some(id)) = next else { return Poll::Pending };
        let remote = self.net.fabric().frames.sides.find(id).map(|side| side.there);
        remote.map_or(Poll::Pending, |remote| Poll::Ready(Some(self.connection(id, remote))))
    }

    fn take_arrived(&self, arrived: &mut Vec<FrameArrival>, waker: Option<&Waker>) {
        self.net.act(|fabric, now, _| fabric.take_arrived(now, &self.socket, arrived, waker));
    }

    fn refuse_incoming(&self) {
        self.with(|listener| listener.accepts = false);
    }

    fn close(&self, code: u64, reason: &[u8]) {
        self.refuse_incoming();
        let reason = Bytes::copy_from_slice(reason);
        self.net.act(|fabric, now, wake| {
            if fabric.ports.port(&self.socket).is_none() {
                return;
            }
            for id in fabric.frames.sides.of_address(self.socket.bound) {
                fabric.close_side(now, id, (code, reason.clone()), wake);
            }
        });
    }
}

impl Drop for SimFrameEndpoint {
    fn drop(&mut self) {
        let mut fabric = self.net.fabric();
        let Some(port) = fabric.ports.port(&self.socket) else { return };
        let Some(listener) = port.frames.take() else { return };
        listener.incoming.into_iter().for_each(|id| fabric.frames.sides.remove(id));
    }
}

impl fmt::Debug for SimFrameEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFrameEndpoint({})", self.socket.bound)
    }
}

struct SimFrameConnection {
    net: SimNet,
    id: SideId,
    remote: SocketAddr,
}

impl SimFrameConnection {
    /// Asks the side for what is there; it waits where there is nothing and the connection is not lost.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Side) -> Option<T>,
        wait: impl FnOnce(&mut Side, Waker),
    ) -> Poll<Result<T, FrameLoss>> {
        let mut fabric = self.net.fabric();
        let Some(side) = fabric.frames.sides.find(self.id) else { return Poll::Pending };
        if let Some(found) = take(side) {
            return Poll::Ready(Ok(found));
        }
        if let Err(why) = side.check() {
            return Poll::Ready(Err(why));
        }
        wait(side, cx.waker().clone());
        Poll::Pending
    }

    fn say(&self, content: Content) {
        self.net.act(|fabric, now, _| fabric.say(now, self.id, content));
    }

    fn side<T>(&self, ask: impl FnOnce(&mut Side) -> T) -> Option<T> {
        self.net.fabric().frames.sides.find(self.id).map(ask)
    }
}

impl FrameConnection for SimFrameConnection {
    fn remote_addr(&self) -> SocketAddr {
        self.remote
    }

    fn peer_identity(&self) -> Option<FrameIdentity> {
        self.side(|side| side.peer.clone()).flatten()
    }

    fn accept(&self) {
        let at = self.side(|side| {
            let accepts = side.state == State::Incoming;
            if accepts {
                side.state = State::Open;
            }
            accepts.then(|| (side.here, Arc::clone(&side.terms.identity)))
        });
        let Some(Some((here, identity))) = at else { return };
        self.net.act(|fabric, now, _| {
            let binding = fabric.ports.socket_at(here).map_or(0, |socket| socket.binding());
            fabric.say(now, self.id, Content::Accept { identity, binding });
        });
    }

    fn refuse(&self) {
        self.say(Content::Refuse);
        self.net.act(|fabric, _, _| fabric.frames.sides.remove(self.id));
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), FrameLoss>> {
        self.poll(
            cx,
            |side| (side.state == State::Open).then_some(()),
            |side, waker| side.ready_waker = Some(waker),
        )
    }

    fn open(&self, way: FrameWay) -> Result<FrameStream, FrameLoss> {
        let opened = self.side(|side| side.check().map(|()| side.open(way)));
        // Of a node that is gone nobody asks any more.
        opened.unwrap_or(Err(FrameLoss::ClosedHere))
    }

    fn poll_accept(
        &self,
        way: FrameWay,
        cx: &mut Context<'_>,
    ) -> Poll<Result<FrameStream, FrameLoss>> {
        self.poll(
            cx,
            |side| side.next_accepted(way),
            |side, waker| side.wait_for_stream(way, waker),
        )
    }

    fn poll_write(
        &self,
        stream: FrameStream,
        bytes: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), FrameLoss>> {
        self.net.act(|fabric, now, _| {
            let chunk_bytes_max = fabric.chunk_bytes_max(self.id);
            while !bytes.is_empty() {
                let Some(side) = fabric.frames.sides.find(self.id) else { return Poll::Pending };
                side.check()?;
                let Some(out) = side.out(stream) else { return Poll::Pending };
                out.written_at = Some(now);
                let Some((number, chunk)) = out.chunk(bytes, chunk_bytes_max) else {
                    out.writer = Some(cx.waker().clone());
                    return Poll::Pending;
                };
                let content = Content::Chunk { stream, number, bytes: chunk, last: false };
                fabric.say(now, self.id, content);
            }
            Poll::Ready(Ok(()))
        })
    }

    fn write_at_once(
        &self,
        stream: FrameStream,
        length: usize,
        take: &mut dyn FnMut() -> Bytes,
    ) -> bool {
        self.net.act(|fabric, now, _| {
            if length > fabric.chunk_bytes_max(self.id) {
                return false;
            }
            let side = fabric.frames.sides.find(self.id).filter(|side| side.loss().is_none());
            let out = side.and_then(|side| side.out(stream));
            let Some(out) = out.filter(|out| out.takes_at_once(length, now)) else { return false };
            out.written_at = Some(now);
            let Some((number, bytes)) = out.chunk(&mut take(), length) else { return false };
            fabric.say(now, self.id, Content::Chunk { stream, number, bytes, last: false });
            true
        })
    }

    fn finish(&self, stream: FrameStream) {
        let number = self.side(|side| side.out(stream).map(|out| out.number())).flatten();
        if let Some(number) = number {
            self.say(Content::Chunk { stream, number, bytes: Bytes::new(), last: true });
        }
    }

    fn poll_finished(
        &self,
        stream: FrameStream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), FrameLoss>> {
        self.poll(
            cx,
            |side| {
                let is_received = side.out(stream)?.is_received();
                is_received.then(|| side.forget_out(stream))
            },
            |side, waker| {
                if let Some(out) = side.out(stream) {
                    out.waiter = Some(waker);
                }
            },
        )
    }

    fn poll_read(
        &self,
        stream: FrameStream,
        pieces: &mut [Bytes],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, FrameLoss>> {
        let read = {
            let mut fabric = self.net.fabric();
            let side = fabric.frames.sides.find(self.id);
            side.and_then(|side| side.read(stream, pieces, cx.waker()))
        };
        let Some(read) = read else { return Poll::Pending };
        let (count, limit) = read?;
        if let Some(limit) = limit {
            self.say(Content::Window { stream, limit });
        }
        Poll::Ready(Ok(count))
    }

    fn attend(&self, stream: FrameStream, ticket: u64) {
        self.net.act(|fabric, _, wake| {
            let side = fabric.frames.sides.find(self.id);
            if side.is_some_and(|side| side.attend(stream, ticket)) {
                fabric.hand_over((self.id, stream), ticket, wake);
            }
        });
    }

    fn send_datagram(&self, bytes: Bytes) {
        if self.loss().is_none() {
            self.say(Content::Datagram(bytes));
        }
    }

    fn poll_datagram(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, FrameLoss>> {
        self.poll(cx, Side::next_datagram, |side, waker| side.datagram_waker = Some(waker))
    }

    fn close(&self, code: u64, reason: &[u8]) {
        let reason = Bytes::copy_from_slice(reason);
        self.net.act(|fabric, now, wake| fabric.close_side(now, self.id, (code, reason), wake));
    }

    fn loss(&self) -> Option<FrameLoss> {
        self.side(|side| side.loss()).flatten()
    }
}

impl Drop for SimFrameConnection {
    fn drop(&mut self) {
        self.net.act(|fabric, now, wake| {
            fabric.close_side(now, self.id, (0, Bytes::new()), wake);
            fabric.frames.sides.remove(self.id);
        });
    }
}

impl fmt::Debug for SimFrameConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFrameConnection(to {})", self.remote)
    }
}

impl SimNet {
    /// Acts on the fabric, then wakes whom that concerns, and the pump if something is due before it looks.
    fn act<T>(&self, act: impl FnOnce(&mut Fabric, Duration, &mut Vec<Waker>) -> T) -> T {
        let mut wake = Vec::new();
        let now = self.now();
        let mut fabric = self.fabric();
        let done = act(&mut fabric, now, &mut wake);
        self.leave(fabric);
        // Nobody holds it now: a waker may poll a socket at once.
        wake.into_iter().for_each(Waker::wake);
        done
    }
}
