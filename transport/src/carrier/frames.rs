//! Frame connections in quinn's words: the same methods, the same errors.
//!
//! Who a peer is comes from the certificates of its own endpoint, which the simulated world hands over unchanged.
//! They are trusted where both sides name the same authorities; signatures and days are not looked at a second time,
//! because each endpoint has checked its own certificate when it started. Where there are lists of revoked certificates,
//! `exchange.rs` asks about them. Read `odeon_env`'s `frames.rs` for the rules.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use odeon_env::{FrameArrival, FrameConnection, FrameEndpoint, FrameLoss, FrameStream, FrameWay};
use quinn::{
    ApplicationClose, ConnectionClose, ConnectionError, ReadError, ReadExactError,
    TransportErrorCode, VarInt, WriteError,
};
use rustls::pki_types::CertificateDer;

use crate::{Identity, association::AtOnce};

/// Whose chain and authorities an endpoint shows its peers. It changes with the identity.
#[derive(Debug)]
struct Shown(Mutex<Identity>);

impl Shown {
    fn identity(&self) -> Identity {
        // Nothing that panics runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The endpoint of a simulated node.
pub(crate) struct Endpoint {
    at: SocketAddr,
    endpoint: Arc<dyn FrameEndpoint>,
    ours: Arc<Shown>,
}

impl Endpoint {
    #[cfg(feature = "simulation")]
    pub(crate) fn start(
        net: &dyn odeon_env::FrameNet,
        at: SocketAddr,
        identity: &Identity,
        config: &crate::TransportConfig,
    ) -> Result<Self, crate::TransportError> {
        let ours = Arc::new(Shown(Mutex::new(identity.clone())));
        let terms = odeon_env::FrameTerms {
            identity: Arc::clone(&ours) as _,
            idle_timeout: config.idle_timeout,
            keep_alive: config.keep_alive,
            stream_window: config.stream_window.min(config.send_window),
            datagram_bytes_max: config.datagram_buffer_bytes,
            incoming_max: config.handshakes_max,
        };
        let endpoint = net.listen(at, terms)?;
        Ok(Self { at, endpoint, ours })
    }

    pub(super) fn rotate(&self, identity: &Identity) {
        *self.ours.0.lock().unwrap_or_else(PoisonError::into_inner) = identity.clone();
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.at
    }

    pub(super) fn dial(&self, to: SocketAddr) -> std::io::Result<Connection> {
        let connection = self.endpoint.dial(to)?;
        Ok(Connection { connection, ours: Arc::clone(&self.ours) })
    }

    pub(super) async fn accept(&self) -> Option<Connection> {
        let connection = poll_fn(|cx| self.endpoint.poll_incoming(cx)).await?;
        Some(Connection { connection, ours: Arc::clone(&self.ours) })
    }

    pub(super) fn take_arrived(&self, arrived: &mut Vec<FrameArrival>, waker: Option<&Waker>) {
        self.endpoint.take_arrived(arrived, waker);
    }

    pub(super) fn refuse_incoming(&self) {
        self.endpoint.refuse_incoming();
    }

    pub(super) fn close(&self, code: u16) {
        self.endpoint.close(code.into(), b"");
    }
}

/// One connection; clones share.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    connection: Arc<dyn FrameConnection>,
    ours: Arc<Shown>,
}

impl Connection {
    pub(super) fn remote_address(&self) -> SocketAddr {
        self.connection.remote_addr()
    }

    pub(super) async fn ready(self) -> Result<Self, ConnectionError> {
        poll_fn(|cx| self.connection.poll_ready(cx)).await.map_err(lost)?;
        Ok(self)
    }

    pub(super) fn accepted(self) -> Result<Self, ConnectionError> {
        self.connection.accept();
        match self.close_reason() {
            Some(why) => Err(why),
            None => Ok(self),
        }
    }

    pub(super) fn refuse(self) {
        self.connection.refuse();
    }

    pub(super) fn peer_chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        let theirs = self.connection.peer_identity()?.downcast::<Shown>().ok()?;
        let (theirs, ours) = (theirs.identity(), self.ours.identity());
        (theirs.authorities() == ours.authorities()).then(|| theirs.chain().to_vec())
    }

    pub(super) fn open(&self, way: FrameWay) -> Result<Stream, ConnectionError> {
        let stream = self.connection.open(way).map_err(lost)?;
        Ok(self.stream(stream))
    }

    pub(super) async fn accept(&self, way: FrameWay) -> Result<Stream, ConnectionError> {
        let stream = poll_fn(|cx| self.connection.poll_accept(way, cx)).await.map_err(lost)?;
        Ok(self.stream(stream))
    }

    fn stream(&self, stream: FrameStream) -> Stream {
        Stream { connection: Arc::clone(&self.connection), stream, rest: Bytes::new() }
    }

    pub(super) fn send_datagram(&self, bytes: Bytes) -> bool {
        self.connection.send_datagram(bytes);
        self.connection.loss().is_none()
    }

    pub(super) async fn read_datagram(&self) -> Result<Bytes, ConnectionError> {
        poll_fn(|cx| self.connection.poll_datagram(cx)).await.map_err(lost)
    }

    pub(super) fn close(&self, code: u16, reason: &[u8]) {
        self.connection.close(code.into(), reason);
    }

    pub(super) fn close_reason(&self) -> Option<ConnectionError> {
        self.connection.loss().map(lost)
    }
}

/// One stream, as either side sees it.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    connection: Arc<dyn FrameConnection>,
    stream: FrameStream,
    /// Received behind what was read exactly.
    rest: Bytes,
}

impl Stream {
    pub(super) async fn write(&mut self, mut bytes: Bytes) -> Result<(), WriteError> {
        poll_fn(|cx| self.connection.poll_write(self.stream, &mut bytes, cx))
            .await
            .map_err(|why| WriteError::ConnectionLost(lost(why)))
    }

    /// A handle that writes to it on the stack of whoever sends.
    pub(super) fn at_once(&self) -> Arc<dyn AtOnce> {
        Arc::new(Self { rest: Bytes::new(), ..self.clone() })
    }

    /// Lets the endpoint have what arrives from now on; returns what came before.
    pub(crate) fn attend(&mut self, ticket: u64) -> Bytes {
        self.connection.attend(self.stream, ticket);
        std::mem::take(&mut self.rest)
    }

    /// Completes at the end of a stream that is attended to, or with the connection's loss.
    pub(crate) async fn ended(&mut self) -> Result<(), ReadError> {
        let mut piece = [Bytes::new()];
        while self.read_chunks(&mut piece).await?.is_some() {}
        Ok(())
    }

    pub(super) fn finish(&mut self) -> bool {
        self.connection.finish(self.stream);
        true
    }

    pub(super) async fn finished(&mut self) {
        // A lost connection ends the wait as well.
        drop(poll_fn(|cx| self.connection.poll_finished(self.stream, cx)).await);
    }

    fn poll_read(
        &self,
        pieces: &mut [Bytes],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, ReadError>> {
        let read = self.connection.poll_read(self.stream, pieces, cx);
        read.map_err(|why| ReadError::ConnectionLost(lost(why)))
    }

    pub(super) async fn read_chunks(
        &mut self,
        pieces: &mut [Bytes],
    ) -> Result<Option<usize>, ReadError> {
        if !self.rest.is_empty() && !pieces.is_empty() {
            pieces[0] = std::mem::take(&mut self.rest);
            return Ok(Some(1));
        }
        let count = poll_fn(|cx| self.poll_read(pieces, cx)).await?;
        Ok((count > 0).then_some(count))
    }

    pub(super) async fn read_exact(&mut self, out: &mut [u8]) -> Result<(), ReadExactError> {
        let mut filled = 0;
        while filled < out.len() {
            if self.rest.is_empty() {
                let mut piece = [Bytes::new()];
                if poll_fn(|cx| self.poll_read(&mut piece, cx)).await? == 0 {
                    return Err(ReadExactError::FinishedEarly(filled));
                }
                self.rest = std::mem::take(&mut piece[0]);
            }
            let taken = self.rest.split_to(self.rest.len().min(out.len() - filled));
            out[filled..filled + taken.len()].copy_from_slice(&taken);
            filled += taken.len();
        }
        Ok(())
    }
}

impl AtOnce for Stream {
    fn write(&self, length: usize, take: &mut dyn FnMut() -> Bytes) -> bool {
        self.connection.write_at_once(self.stream, length, take)
    }
}

/// The error that QUIC has for it.
fn lost(why: FrameLoss) -> ConnectionError {
    match why {
        FrameLoss::ClosedHere => ConnectionError::LocallyClosed,
        FrameLoss::ClosedByPeer(code, reason) => {
            let error_code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
            ConnectionError::ApplicationClosed(ApplicationClose { error_code, reason })
        }
        FrameLoss::Refused => ConnectionError::ConnectionClosed(ConnectionClose {
            error_code: TransportErrorCode::CONNECTION_REFUSED,
            frame_type: None,
            reason: Bytes::new(),
        }),
        FrameLoss::TimedOut => ConnectionError::TimedOut,
        // The enum grows; a loss of a kind that is not known here is one without an explanation.
        _ => ConnectionError::Reset,
    }
}
