//! Frame connections: what a simulation may offer in place of QUIC connections, because they cost a fraction.
//!
//! What it is: the traits by which an endpoint dials, accepts and uses connections that carry ordered streams and
//! datagrams. What it is NOT: for production. There is no encryption in it; who a peer is says the simulated world.
//! The window to it, `Env::frames`, exists only in builds with the feature `simulation`, which
//! nothing but the simulator turns on; without it no endpoint can be made on it, whatever an environment offers.
//! [`RealEnv`](struct@crate::RealEnv) has none in any build. Shapes and errors are QUIC's (RFC 9000), so that what runs
//! above does not know the difference. Read `odeon-transport`'s `carrier.rs` for the side that uses it.

use std::{
    any::Any,
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;

/// What the certificate of an endpoint says, in a form that only the two endpoints of a connection know.
pub type FrameIdentity = Arc<dyn Any + Send + Sync>;

/// Offers frame connections between the endpoints of one simulated world.
pub trait FrameNet: fmt::Debug + Send + Sync {
    /// Opens an endpoint at an address that a [`DatagramSocket`](crate::DatagramSocket) of this environment is bound
    /// to. The socket still tells of addresses at which nobody listens.
    ///
    /// # Errors
    /// When no socket is bound there, or the address has an endpoint already.
    fn listen(&self, at: SocketAddr, terms: FrameTerms) -> io::Result<Arc<dyn FrameEndpoint>>;
}

/// What an endpoint asks of its connections, and shows its peers.
#[derive(Clone, Debug)]
pub struct FrameTerms {
    /// Shown unchanged to every peer.
    pub identity: FrameIdentity,
    /// Silence after which a connection is lost.
    pub idle_timeout: Duration,
    /// Silence of its own after which a connection says that it is there.
    pub keep_alive: Duration,
    /// Bytes a peer may send ahead of what was read, on each stream.
    pub stream_window: u32,
    /// Bytes of datagrams that wait to be read; the oldest are dropped.
    pub datagram_bytes_max: usize,
    /// Connections of peers that wait to be accepted or refused; further ones are refused.
    pub incoming_max: usize,
}

/// What has arrived on a stream that is [attended](FrameConnection::attend) to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameArrival {
    /// The number under which it is attended to.
    pub ticket: u64,
    /// The next bytes of the stream.
    pub bytes: Bytes,
}

/// One endpoint. Dropping it ends it and accepts nothing more; its connections end with their own handles.
pub trait FrameEndpoint: fmt::Debug + Send + Sync {
    /// Begins a connection; [`FrameConnection::poll_ready`] says what became of it.
    ///
    /// # Errors
    /// When the endpoint is closed, or its node is gone.
    fn dial(&self, to: SocketAddr) -> io::Result<Arc<dyn FrameConnection>>;

    /// The next connection that a peer began, to be [accepted](FrameConnection::accept) or
    /// [refused](FrameConnection::refuse); `None` once the endpoint is closed. One task polls.
    fn poll_incoming(&self, cx: &mut Context<'_>) -> Poll<Option<Arc<dyn FrameConnection>>>;

    /// Appends all that has arrived on streams that are attended to, in the order in which it came, and counts it as
    /// read. The waker, where one is given, is woken when more has; one task gives one.
    fn take_arrived(&self, arrived: &mut Vec<FrameArrival>, waker: Option<&Waker>);

    /// Refuses all that peers begin from now on.
    fn refuse_incoming(&self);

    /// Closes the endpoint and each connection, with this code and reason.
    fn close(&self, code: u64, reason: &[u8]);
}

/// A stream of one connection, numbered as QUIC does (RFC 9000, 2.1): the lowest bit says who opened it (0: the
/// dialler), the next one whether only the opener sends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameStream(pub u32);

/// Which way a stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameWay {
    /// From the opener to its peer.
    One,
    /// Both ways.
    Both,
}

/// Why a frame connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameLoss {
    /// This side closed it.
    ClosedHere,
    /// The peer closed it, with a code and a reason.
    ClosedByPeer(u64, Bytes),
    /// The peer takes no connections.
    Refused,
    /// The peer's endpoint is the same as before, but knows nothing of the connection.
    Reset,
    /// The peer was silent for the idle timeout.
    TimedOut,
}

/// One connection. Dropping the last handle closes it with code 0, as dropping QUIC's does.
///
/// Each `poll_` has one waker a connection, or one a stream where it names one: one task polls. What was received
/// before a loss is still read; then the loss is the result.
pub trait FrameConnection: fmt::Debug + Send + Sync {
    /// The address of the peer.
    fn remote_addr(&self) -> SocketAddr;

    /// What the peer's certificate says; `None` before it was accepted.
    fn peer_identity(&self) -> Option<FrameIdentity>;

    /// Takes a connection that a peer began.
    fn accept(&self);

    /// Refuses a connection that a peer began.
    fn refuse(&self);

    /// Completes when the peer has accepted.
    ///
    /// # Errors
    /// When it did not, or the connection was lost.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), FrameLoss>>;

    /// Opens a stream. The peer sees it when something was written to it.
    ///
    /// # Errors
    /// When the connection is lost.
    fn open(&self, way: FrameWay) -> Result<FrameStream, FrameLoss>;

    /// The next stream that the peer opened.
    ///
    /// # Errors
    /// When the connection is lost.
    fn poll_accept(
        &self,
        way: FrameWay,
        cx: &mut Context<'_>,
    ) -> Poll<Result<FrameStream, FrameLoss>>;

    /// Takes bytes from the front of `bytes` until it is empty; pending while the peer's window is full.
    ///
    /// # Errors
    /// When the connection is lost.
    fn poll_write(
        &self,
        stream: FrameStream,
        bytes: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), FrameLoss>>;

    /// Writes so many bytes, which `take` gives, if waiting would gain nothing: if the peer's window has room for them, they
    /// are one packet, and the stream was not written to in this moment before, so that what a burst brings goes
    /// together. Whether they were taken; `take` is not called otherwise. It must not use the connection.
    fn write_at_once(
        &self,
        stream: FrameStream,
        length: usize,
        take: &mut dyn FnMut() -> Bytes,
    ) -> bool;

    /// Says that nothing more is written to the stream.
    fn finish(&self, stream: FrameStream);

    /// Completes when the peer has received the stream to its end.
    ///
    /// # Errors
    /// When the connection is lost.
    fn poll_finished(
        &self,
        stream: FrameStream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), FrameLoss>>;

    /// Fills `pieces` from the front with what was received, in order, and returns how many; 0 is the stream's end.
    ///
    /// # Errors
    /// When the connection is lost.
    fn poll_read(
        &self,
        stream: FrameStream,
        pieces: &mut [Bytes],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, FrameLoss>>;

    /// From now on what arrives on the stream goes to its endpoint, under this number, together with what arrives on other
    /// streams ([`FrameEndpoint::take_arrived`]). Of the stream itself there is only the end to read, or a loss, each
    /// perhaps before what came ahead of it was taken.
    fn attend(&self, stream: FrameStream, ticket: u64);

    /// Sends a datagram, which may be lost, come twice or out of order. Nothing happens on a lost connection.
    fn send_datagram(&self, bytes: Bytes);

    /// The next datagram.
    ///
    /// # Errors
    /// When the connection is lost.
    fn poll_datagram(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, FrameLoss>>;

    /// Closes the connection; the peer is told the code and the reason.
    fn close(&self, code: u64, reason: &[u8]);

    /// Why the connection is over; `None` while it is not.
    fn loss(&self) -> Option<FrameLoss>;
}
