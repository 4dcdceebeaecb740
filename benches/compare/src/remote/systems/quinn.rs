//! Bare quinn: one bidirectional stream a peer, frames as in `bare.rs`, mutual TLS; an endpoint a peer on the other side.
//!
//! Packets, windows, buffers, acknowledgements, congestion control and offload are as Odeon has them by default, so that
//! what differs is what an actor system adds. Its single thread is the program's. What it is NOT: a system with actors.

use std::{
    fmt, io,
    io::IoSliceMut,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use odeon::TransportConfig;
use quinn::{
    AckFrequencyConfig, AsyncUdpSocket, ClientConfig, Connection, Endpoint, EndpointConfig,
    IdleTimeout, MtuDiscoveryConfig, RecvStream, Runtime, SendStream, ServerConfig, TokioRuntime,
    UdpPoller, VarInt,
    congestion::CubicConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
    udp::{RecvMeta, Transmit, UdpSocketState},
};
use tokio::task::JoinSet;

use crate::{
    Outcome,
    remote::{
        bare::{Pipe, answer},
        papers::{SENDER, SERVER_NAME, receiver},
        system::{Client, Remote, Setup, Size},
    },
};

/// Bytes of a socket's buffers, either way.
const BUFFER_BYTES: usize = 4 << 20;

/// The first congestion window, and how many packets call for an acknowledgement.
const WINDOW_BYTES: u64 = 1 << 20;
const ACK_EVERY: u32 = 8;

/// The longest UDP payload over IPv4, and so of one offloaded send.
const UDP_PAYLOAD_BYTES_MAX: usize = 65507;

/// Bare streams.
pub(crate) struct Quinn;

/// The connected ends of all peers.
pub(crate) struct Pipes {
    pipes: Vec<Pipe<RecvStream, SendStream>>,
    _connections: Vec<Connection>,
    _endpoint: Endpoint,
}

impl Remote for Quinn {
    type Server = JoinSet<()>;
    type Client = Pipes;

    async fn serve(setup: &Setup) -> Outcome<(Self::Server, String)> {
        let (mut serving, mut addresses) = (JoinSet::new(), Vec::new());
        for peer in 0..setup.peers {
            let (tls, _) = setup.papers.tls(&receiver(peer))?;
            let crypto = Arc::new(QuicServerConfig::try_from(tls)?);
            let mut config = ServerConfig::with_crypto(crypto);
            config.transport_config(transport()?);
            let endpoint = endpoint(Some(config))?;
            addresses.push(endpoint.local_addr()?.to_string());
            serving.spawn_local(serve(endpoint));
        }
        Ok((serving, addresses.join(",")))
    }

    async fn connect(setup: &Setup, to: &str) -> Outcome<Pipes> {
        let (_, tls) = setup.papers.tls(SENDER)?;
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
        config.transport_config(transport()?);
        let endpoint = endpoint(None)?;
        let (mut pipes, mut connections) = (Vec::new(), Vec::new());
        for address in to.split(',') {
            let connecting =
                endpoint.connect_with(config.clone(), address.parse()?, SERVER_NAME)?;
            let connection = connecting.await?;
            let (send, recv) = connection.open_bi().await?;
            let mut pipe = Pipe::new(recv, send);
            // A stream is known to the other side when something comes on it.
            pipe.tell(Size::B64, 1).await?;
            pipes.push(pipe);
            connections.push(connection);
        }
        Ok(Pipes { pipes, _connections: connections, _endpoint: endpoint })
    }
}

/// Answers on the one stream of the one connection of an endpoint.
async fn serve(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let Ok(connection) = incoming.await else { continue };
        while let Ok((send, recv)) = connection.accept_bi().await {
            // It ends with the client, which says what went wrong.
            let _ = answer(recv, send).await;
        }
    }
}

impl Client for Pipes {
    async fn ask(&mut self, asks: u64) -> Outcome<Vec<Duration>> {
        self.pipes.first_mut().ok_or("no peer")?.ask(asks).await
    }

    async fn ask64(&mut self, each: u64) -> Outcome<()> {
        self.pipes.first_mut().ok_or("no peer")?.ask64(64 * each).await
    }

    async fn tell(&mut self, size: Size, tells: u64) -> Outcome<()> {
        if let [pipe] = &mut *self.pipes {
            return pipe.tell(size, tells).await;
        }
        let mut telling = JoinSet::new();
        for mut pipe in self.pipes.drain(..) {
            telling.spawn_local(async move {
                pipe.tell(size, tells).await?;
                Outcome::Ok(pipe)
            });
        }
        while let Some(done) = telling.join_next().await {
            self.pipes.push(done??);
        }
        Ok(())
    }
}

fn transport() -> Outcome<Arc<quinn::TransportConfig>> {
    let odeon = TransportConfig::default();
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(odeon.loopback_mtu_max);
    let mut cubic = CubicConfig::default();
    cubic.initial_window(WINDOW_BYTES);
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(ACK_EVERY));
    let mut config = quinn::TransportConfig::default();
    config
        .max_idle_timeout(Some(IdleTimeout::try_from(odeon.idle_timeout)?))
        .keep_alive_interval(Some(odeon.keep_alive))
        .stream_receive_window(VarInt::from_u32(odeon.stream_window))
        .receive_window(VarInt::from_u32(odeon.connection_window))
        .send_window(odeon.send_window.into())
        .initial_rtt(odeon.initial_rtt.min(Duration::from_millis(1)))
        .mtu_discovery_config(Some(mtu))
        .congestion_controller_factory(Arc::new(cubic))
        .ack_frequency_config(Some(acks))
        .datagram_send_buffer_size(odeon.datagram_buffer_bytes)
        .datagram_receive_buffer_size(Some(odeon.datagram_buffer_bytes));
    Ok(Arc::new(config))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the yardstick is bare quinn, without Odeon's environment"
)]
fn endpoint(server: Option<ServerConfig>) -> Outcome<Endpoint> {
    let socket = std::net::UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let state = UdpSocketState::new((&socket).into())?;
    state.set_recv_buffer_size((&socket).into(), BUFFER_BYTES)?;
    state.set_send_buffer_size((&socket).into(), BUFFER_BYTES)?;
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(65527)?;
    let mtu_max = usize::from(TransportConfig::default().loopback_mtu_max);
    let socket = TokioRuntime.wrap_udp_socket(socket)?;
    let segments_max = socket.max_transmit_segments().min(UDP_PAYLOAD_BYTES_MAX / mtu_max).max(1);
    let socket = Arc::new(Capped { socket, segments_max });
    Ok(Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(TokioRuntime))?)
}

/// quinn's socket with a cap on what is offloaded at once: the kernel refuses more than one datagram may hold, and quinn
/// takes it for sent.
struct Capped {
    socket: Arc<dyn AsyncUdpSocket>,
    segments_max: usize,
}

impl fmt::Debug for Capped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Capped")
    }
}

impl AsyncUdpSocket for Capped {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
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
        // One offloaded receive fills 64 KiB of the longest payloads, as in Odeon's socket.
        self.socket.max_receive_segments().min(2)
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}
