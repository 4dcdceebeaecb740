//! What carries an association's streams and datagrams: QUIC, or the frame connections of a simulation.
//!
//! What it is: one enum for each of quinn's types, with exactly what this crate uses of it. QUIC's arms only pass on;
//! the others speak to `odeon_env`'s traits and answer in quinn's words. What it is NOT: a choice that a
//! configuration makes. [`Endpoint::start`] takes frame connections where the environment offers them, which exists
//! only in builds with the simulator in them (feature `simulation`); in all others it makes QUIC endpoints and
//! nothing else. Read `carrier/streams.rs` next.

mod frames;
mod streams;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::Waker,
};

use bytes::Bytes;
use odeon_env::{DatagramSocket, Env, FrameArrival, FrameWay, udp::Transmit};
use quinn::{ConnectionError, ServerConfig, VarInt};
use rustls::pki_types::CertificateDer;

use crate::{
    Identity, TransportConfig, TransportError,
    name::cluster_dns,
    quic_config::QuicConfigs,
    quic_runtime::LocalRuntime,
    quic_socket::QuicSocket,
    tls::{Tls, Trust},
};

pub(crate) use frames::Stream as FrameStream;
pub(crate) use streams::{RecvStream, SendStream};

/// What a knock says: too short for the connection id that a short header has behind its first byte (RFC 9000, 17.3), so
/// that it is no packet, and nothing is answered.
const KNOCK: &[u8] = &[0];

/// Dials and accepts connections at one socket.
#[cfg_attr(not(feature = "simulation"), expect(dead_code, reason = "only simulations have frames"))]
pub(crate) enum Endpoint {
    Quic {
        endpoint: quinn::Endpoint,
        /// The one that the endpoint has too, for what is no packet of QUIC.
        socket: Arc<dyn DatagramSocket>,
        configs: Box<QuicConfigs>,
        /// The name that a dialler verifies in the acceptor's certificate.
        server_name: String,
    },
    Frames(frames::Endpoint),
}

impl Endpoint {
    /// Makes an endpoint of the socket, with what `tls` was made of `identity`.
    pub(crate) fn start(
        env: &Arc<dyn Env>,
        socket: &Arc<dyn DatagramSocket>,
        identity: &Identity,
        tls: Tls,
        config: &TransportConfig,
    ) -> Result<(Self, Trust), TransportError> {
        let at = socket.local_addr()?;
        let trust = tls.trust.clone();
        #[cfg(feature = "simulation")]
        if let Some(net) = env.frames() {
            let endpoint = frames::Endpoint::start(&*net, at, identity, config)?;
            return Ok((Self::Frames(endpoint), trust));
        }
        let configs = Box::new(QuicConfigs::new(tls, config, env));
        let local = at.ip().to_canonical();
        let has_near_peers = local.is_loopback() || local.is_unspecified();
        let near_mtu = if has_near_peers { config.loopback_mtu_max } else { 0 };
        let quic_socket = QuicSocket::new(
            Arc::clone(socket),
            (config.mtu_max.max(near_mtu), config.segments_max),
            QuicConfigs::payload_bytes_max(),
        );
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            configs.endpoint.clone(),
            // Accepting says for each peer which configuration holds.
            Some((*configs.server(SocketAddr::new(local, 0))).clone()),
            quic_socket,
            Arc::new(LocalRuntime),
        )?;
        let server_name = cluster_dns(identity.names().0);
        let socket = Arc::clone(socket);
        Ok((Self::Quic { endpoint, socket, configs, server_name }, trust))
    }

    /// Takes another identity of the same node: connections from now on are made with it, those there are stay.
    pub(crate) fn rotate(
        &self,
        identity: &Identity,
        tls: Tls,
        config: &TransportConfig,
        env: &Arc<dyn Env>,
    ) {
        match self {
            Self::Quic { endpoint, configs, .. } => {
                configs.replace(tls, config, env);
                if let Ok(local) = endpoint.local_addr() {
                    let server = configs.server(SocketAddr::new(local.ip().to_canonical(), 0));
                    endpoint.set_server_config(Some((*server).clone()));
                }
            }
            Self::Frames(endpoint) => endpoint.rotate(identity),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Quic { endpoint, .. } => endpoint.local_addr(),
            Self::Frames(endpoint) => Ok(endpoint.local_addr()),
        }
    }

    /// Begins a connection; an error says what is wrong with the address or the endpoint.
    pub(crate) fn dial(&self, addr: SocketAddr) -> Result<Connecting, String> {
        match self {
            Self::Quic { endpoint, configs, server_name, .. } => endpoint
                .connect_with(configs.client(addr), addr, server_name)
                .map(Connecting::Quic)
                .map_err(|cause| cause.to_string()),
            Self::Frames(endpoint) => {
                endpoint.dial(addr).map(Connecting::Frames).map_err(|cause| cause.to_string())
            }
        }
    }

    /// Knocks at `addr`, if that is possible without a connection: a datagram of [`KNOCK`] alone, which QUIC drops unread.
    /// If nobody listens there, the socket hears of it. Where the send buffer is full, more than that is under way.
    pub(crate) fn knock(&self, addr: SocketAddr) -> bool {
        let Self::Quic { socket, .. } = self else { return false };
        let local = socket.local_addr();
        let destination = match addr.ip() {
            IpAddr::V4(ip) if local.is_ok_and(|local| local.is_ipv6()) => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), addr.port())
            }
            _ => addr,
        };
        let (contents, ecn, segment_size, src_ip) = (KNOCK, None, None, None);
        let _ = socket.try_send(&Transmit { destination, ecn, contents, segment_size, src_ip });
        true
    }

    /// The next connection that a peer begins; `None` once the endpoint is closed.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn accept(&self) -> Option<Incoming> {
        match self {
            Self::Quic { endpoint, configs, .. } => {
                let incoming = endpoint.accept().await?;
                let config = configs.server(incoming.remote_address());
                Some(Incoming::Quic(Box::new(incoming), config))
            }
            Self::Frames(endpoint) => endpoint.accept().await.map(Incoming::Frames),
        }
    }

    /// Whether its connections are frame connections.
    pub(crate) const fn is_frames(&self) -> bool {
        matches!(self, Self::Frames(_))
    }

    /// Appends what has arrived on streams that are attended to; only frame connections have such.
    pub(crate) fn take_arrived(&self, arrived: &mut Vec<FrameArrival>, waker: Option<&Waker>) {
        match self {
            Self::Quic { .. } => {}
            Self::Frames(endpoint) => endpoint.take_arrived(arrived, waker),
        }
    }

    /// Accepts nothing any more.
    pub(crate) fn refuse_incoming(&self) {
        match self {
            Self::Quic { endpoint, .. } => endpoint.set_server_config(None),
            Self::Frames(endpoint) => endpoint.refuse_incoming(),
        }
    }

    pub(crate) fn close(&self, code: u16) {
        match self {
            Self::Quic { endpoint, .. } => endpoint.close(VarInt::from_u32(code.into()), b""),
            Self::Frames(endpoint) => endpoint.close(code),
        }
    }

    /// Completes when peers were told that their connections are closed, or could not be.
    pub(crate) async fn wait_idle(&self) {
        match self {
            Self::Quic { endpoint, .. } => endpoint.wait_idle().await,
            // What a closed one still says is under way in the simulated network.
            Self::Frames(_) => {}
        }
    }
}

/// A connection that this side began.
pub(crate) enum Connecting {
    Quic(quinn::Connecting),
    Frames(frames::Connection),
}

impl Connecting {
    pub(crate) async fn established(self) -> Result<Connection, ConnectionError> {
        match self {
            Self::Quic(connecting) => connecting.await.map(Connection::Quic),
            Self::Frames(connection) => connection.ready().await.map(Connection::Frames),
        }
    }
}

/// A connection that a peer begins.
pub(crate) enum Incoming {
    Quic(Box<quinn::Incoming>, Arc<ServerConfig>),
    Frames(frames::Connection),
}

impl Incoming {
    pub(crate) fn remote_address(&self) -> SocketAddr {
        match self {
            Self::Quic(incoming, _) => incoming.remote_address(),
            Self::Frames(connection) => connection.remote_address(),
        }
    }

    /// Whether the peer must show first that it receives at its address, and can be asked to.
    pub(crate) fn is_unproven(&self) -> bool {
        match self {
            Self::Quic(incoming, _) => !incoming.remote_address_validated(),
            Self::Frames(_) => false,
        }
    }

    /// Asks the peer to come again with a token that is sent to its address.
    pub(crate) fn retry(self) {
        if let Self::Quic(incoming, _) = self
            && let Err(refused) = incoming.retry()
        {
            // It came with a token already, which only who is proven has.
            refused.into_incoming().refuse();
        }
    }

    pub(crate) fn refuse(self) {
        match self {
            Self::Quic(incoming, _) => incoming.refuse(),
            Self::Frames(connection) => connection.refuse(),
        }
    }

    pub(crate) async fn established(self) -> Result<Connection, ConnectionError> {
        match self {
            Self::Quic(incoming, config) => {
                incoming.accept_with(config)?.await.map(Connection::Quic)
            }
            Self::Frames(connection) => connection.accepted().map(Connection::Frames),
        }
    }
}

/// One connection; clones share.
#[derive(Clone, Debug)]
pub(crate) enum Connection {
    Quic(quinn::Connection),
    Frames(frames::Connection),
}

impl Connection {
    pub(crate) fn remote_address(&self) -> SocketAddr {
        match self {
            Self::Quic(connection) => connection.remote_address(),
            Self::Frames(connection) => connection.remote_address(),
        }
    }

    /// The certificates that the peer proved to have, its own first; `None` where it showed none that we trust.
    pub(crate) fn peer_chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        match self {
            Self::Quic(connection) => {
                connection.peer_identity()?.downcast().ok().map(|chain| *chain)
            }
            Self::Frames(connection) => connection.peer_chain(),
        }
    }

    /// Whether the carrier has held the peer's certificate against what this node trusts.
    pub(crate) const fn is_verified(&self) -> bool {
        matches!(self, Self::Quic(_))
    }

    pub(crate) async fn open_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        match self {
            Self::Quic(connection) => {
                let (send, recv) = connection.open_bi().await?;
                Ok((SendStream::Quic(send), RecvStream::Quic(recv)))
            }
            Self::Frames(connection) => connection.open(FrameWay::Both).map(both),
        }
    }

    pub(crate) async fn accept_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        match self {
            Self::Quic(connection) => {
                let (send, recv) = connection.accept_bi().await?;
                Ok((SendStream::Quic(send), RecvStream::Quic(recv)))
            }
            Self::Frames(connection) => connection.accept(FrameWay::Both).await.map(both),
        }
    }

    pub(crate) async fn open_uni(&self) -> Result<SendStream, ConnectionError> {
        match self {
            Self::Quic(connection) => connection.open_uni().await.map(SendStream::Quic),
            Self::Frames(connection) => connection.open(FrameWay::One).map(SendStream::Frames),
        }
    }

    /// The next stream that the peer opened.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn accept_uni(&self) -> Result<RecvStream, ConnectionError> {
        match self {
            Self::Quic(connection) => connection.accept_uni().await.map(RecvStream::Quic),
            Self::Frames(connection) => {
                connection.accept(FrameWay::One).await.map(RecvStream::Frames)
            }
        }
    }

    /// What QUIC tells about the path, as long as this lives.
    pub(crate) fn path(&self) -> Option<Arc<quinn::Connection>> {
        match self {
            Self::Quic(connection) => Some(Arc::new(connection.clone())),
            Self::Frames(_) => None,
        }
    }

    /// Whether streams are written to on the stack of whoever sends, and read by one task of the endpoint.
    pub(crate) const fn is_frames(&self) -> bool {
        matches!(self, Self::Frames(_))
    }

    /// Whether what was written is sent only when others have had their turn.
    pub(crate) const fn sends_later(&self) -> bool {
        matches!(self, Self::Quic(_))
    }

    /// Whether the datagram was taken; no error, because nobody waits for it.
    pub(crate) fn send_datagram(&self, bytes: Bytes) -> bool {
        match self {
            Self::Quic(connection) => connection.send_datagram(bytes).is_ok(),
            Self::Frames(connection) => connection.send_datagram(bytes),
        }
    }

    pub(crate) async fn read_datagram(&self) -> Result<Bytes, ConnectionError> {
        match self {
            Self::Quic(connection) => connection.read_datagram().await,
            Self::Frames(connection) => connection.read_datagram().await,
        }
    }

    pub(crate) fn close(&self, code: u16, reason: &[u8]) {
        match self {
            Self::Quic(connection) => connection.close(VarInt::from_u32(code.into()), reason),
            Self::Frames(connection) => connection.close(code, reason),
        }
    }

    pub(crate) fn close_reason(&self) -> Option<ConnectionError> {
        match self {
            Self::Quic(connection) => connection.close_reason(),
            Self::Frames(connection) => connection.close_reason(),
        }
    }
}

fn both(stream: frames::Stream) -> (SendStream, RecvStream) {
    (SendStream::Frames(stream.clone()), RecvStream::Frames(stream))
}
