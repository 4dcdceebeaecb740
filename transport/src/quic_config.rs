//! quinn's configuration, derived from ours.
//!
//! Randomness comes from the environment (connection ids, keys, the endpoint's generator). Tokens are issued in Retry
//! packets alone (`retry_token.rs`). Traps that these values avoid: an initial MTU above 16383 panics, the
//! initial window does not follow the MTU, the default payload bound caps what the peer may send. Read
//! `endpoint.rs` next.

use std::{
    cell::RefCell,
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use odeon_env::Env;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AckFrequencyConfig, ClientConfig, ConnectionId, ConnectionIdGenerator, EndpointConfig,
    IdleTimeout, MtuDiscoveryConfig, NoneTokenStore, ServerConfig, TimeSource, VarInt,
    congestion::CubicConfig,
    crypto::{CryptoError, HandshakeTokenKey, HmacKey},
};

use crate::{
    TransportConfig,
    retry_token::{TokenSecret, hmac},
    tls::Tls,
};

/// Smallest MTU of QUIC (RFC 9000, 14), from where discovery starts.
const MTU_MIN: u16 = 1200;
/// Shortest step of a search for the MTU on a network, in bytes: quinn's own.
const MTU_STEP_MIN: u16 = 20;
/// Longest UDP payload taken from a peer, whatever its own bound: the largest there is.
const PAYLOAD_BYTES_MAX: u16 = 65527;
/// Length of our connection ids: random, so that none is met twice.
const CID_BYTES: usize = 8;
/// Length of the id a dialler makes up for the acceptor: the longest there is (RFC 9000, 7.2 wants 8 at least).
const INITIAL_CID_BYTES: usize = 20;
/// Bytes buffered for one handshake that was not accepted yet, and for all of them.
const INCOMING_BYTES_MAX: u64 = 64 << 10;
const INCOMING_BYTES_MAX_TOTAL: u64 = 4 << 20;

/// Configurations of one endpoint, for peers on this machine and elsewhere.
pub(crate) struct QuicConfigs {
    pub(crate) endpoint: EndpointConfig,
    /// The key of address tokens; it stays when the identity changes.
    tokens: Arc<dyn HandshakeTokenKey>,
    pairs: RefCell<Pairs>,
}

/// For peers on this machine, and for all others.
struct Pairs {
    near: Pair,
    far: Pair,
}

struct Pair {
    server: Arc<ServerConfig>,
    client: ClientConfig,
}

impl fmt::Debug for QuicConfigs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QuicConfigs")
    }
}

impl QuicConfigs {
    pub(crate) fn new(tls: Tls, config: &TransportConfig, env: &Arc<dyn Env>) -> Self {
        let (endpoint, tokens) = endpoint_config(env);
        let pairs = RefCell::new(Pairs::new(tls, config, env, &tokens));
        Self { endpoint, tokens, pairs }
    }

    /// From now on connections are made with this.
    pub(crate) fn replace(&self, tls: Tls, config: &TransportConfig, env: &Arc<dyn Env>) {
        *self.pairs.borrow_mut() = Pairs::new(tls, config, env, &self.tokens);
    }

    pub(crate) fn server(&self, peer: SocketAddr) -> Arc<ServerConfig> {
        Arc::clone(&self.pairs.borrow().pair(peer).server)
    }

    pub(crate) fn client(&self, peer: SocketAddr) -> ClientConfig {
        self.pairs.borrow().pair(peer).client.clone()
    }

    /// Longest UDP payload the endpoint takes.
    pub(crate) const fn payload_bytes_max() -> u16 {
        PAYLOAD_BYTES_MAX
    }
}

impl Pairs {
    fn new(
        tls: Tls,
        config: &TransportConfig,
        env: &Arc<dyn Env>,
        tokens: &Arc<dyn HandshakeTokenKey>,
    ) -> Self {
        let server = Arc::new(QuicServerConfig::try_from(tls.server).expect("AES-128 is offered"));
        let client = Arc::new(QuicClientConfig::try_from(tls.client).expect("AES-128 is offered"));
        let pair = |path: PathTerms| {
            let transport = |side| Arc::new(transport_config(config, side, path));
            let mut server_config = ServerConfig::new(Arc::clone(&server) as _, Arc::clone(tokens));
            server_config
                .transport_config(transport(quinn::Side::Server))
                .migration(config.migration)
                .max_incoming(config.handshakes_max)
                .incoming_buffer_size(INCOMING_BYTES_MAX)
                .incoming_buffer_size_total(INCOMING_BYTES_MAX_TOTAL)
                .time_source(Arc::new(EnvTime(Arc::clone(env))));
            server_config.validation_token.sent(0);
            let mut client_config = ClientConfig::new(Arc::clone(&client) as _);
            client_config.transport_config(transport(quinn::Side::Client));
            draw_from(env, &mut client_config);
            Pair { server: Arc::new(server_config), client: client_config }
        };
        let loopback_rtt = config.initial_rtt.min(Duration::from_millis(1));
        Self {
            near: pair(PathTerms {
                mtu_max: config.loopback_mtu_max,
                mtu_step_min: largest_first(config.loopback_mtu_max),
                rtt: loopback_rtt,
            }),
            far: pair(PathTerms {
                mtu_max: config.mtu_max,
                mtu_step_min: MTU_STEP_MIN,
                rtt: config.initial_rtt,
            }),
        }
    }

    fn pair(&self, peer: SocketAddr) -> &Pair {
        if peer.ip().to_canonical().is_loopback() { &self.near } else { &self.far }
    }
}

/// Also makes the secret of tokens, which is not that of resets.
pub(crate) fn endpoint_config(env: &Arc<dyn Env>) -> (EndpointConfig, Arc<dyn HandshakeTokenKey>) {
    let mut seeds = [[0; 32]; 2];
    seeds.iter_mut().for_each(|seed| env.entropy(seed));
    let mut endpoint = EndpointConfig::new(Arc::new(ResetKey(seeds[0])));
    let entropy = Arc::clone(env);
    endpoint
        .rng_seed(Some(seeds[1]))
        .cid_generator(move || Box::new(EntropyCids(Arc::clone(&entropy))))
        .max_udp_payload_size(PAYLOAD_BYTES_MAX)
        .expect("65527 is the largest payload that QUIC allows");
    let mut secret = [0; 32];
    secret.copy_from_slice(hmac(&seeds[0], b"odeon retry tokens").as_ref());
    (endpoint, Arc::new(TokenSecret(secret)))
}

/// What is taken for granted of a path.
#[derive(Clone, Copy)]
struct PathTerms {
    mtu_max: u16,
    /// The search for the MTU ends with steps shorter than this.
    mtu_step_min: u16,
    rtt: Duration,
}

/// The shortest step of a search that begins with the largest MTU: a little more than half of the way to it, which would be
/// tried first otherwise. A loopback interface carries that nearly always, and so one packet settles what takes ten
/// otherwise, most of them long. Where it does not, half of the way is tried next, and then the search ends.
const fn largest_first(mtu_max: u16) -> u16 {
    mtu_max.saturating_sub(MTU_MIN) / 2 + 1
}

fn transport_config(
    config: &TransportConfig,
    side: quinn::Side,
    path: PathTerms,
) -> quinn::TransportConfig {
    let PathTerms { mtu_max, mtu_step_min, rtt } = path;
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(mtu_max)
        .minimum_change(mtu_step_min)
        .interval(config.mtu_search_pause)
        .black_hole_cooldown(config.mtu_black_hole_pause);
    let mut cubic = CubicConfig::default();
    cubic.initial_window(u64::from(config.initial_window).max(10 * u64::from(mtu_max)));
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(config.ack_packets));
    let idle = IdleTimeout::try_from(config.idle_timeout).expect("validated to be at most an hour");
    let uni_streams = u32::from(odeon_wire::format::LANES_MAX) + u32::from(config.bulk_streams);
    let mut transport = quinn::TransportConfig::default();
    transport
        // The dialler opens the control stream, and nobody any other bidirectional one.
        .max_concurrent_bidi_streams(VarInt::from_u32(u32::from(side.is_server())))
        .max_concurrent_uni_streams(VarInt::from_u32(uni_streams))
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(config.keep_alive))
        .stream_receive_window(VarInt::from_u32(config.stream_window))
        .receive_window(VarInt::from_u32(config.connection_window))
        .send_window(config.send_window.into())
        .initial_rtt(rtt)
        .initial_mtu(MTU_MIN)
        .mtu_discovery_config(Some(mtu))
        .congestion_controller_factory(Arc::new(cubic))
        .ack_frequency_config(Some(acks))
        .enable_segmentation_offload(config.segments_max != Some(1))
        .datagram_send_buffer_size(config.datagram_buffer_bytes)
        .datagram_receive_buffer_size(Some(config.datagram_buffer_bytes));
    transport
}

/// A dialler that keeps no tokens, and whose connection ids are the environment's.
pub(crate) fn draw_from(env: &Arc<dyn Env>, client: &mut ClientConfig) {
    let entropy = Arc::clone(env);
    client
        .token_store(Arc::new(NoneTokenStore))
        .initial_dst_cid_provider(Arc::new(move || cid::<INITIAL_CID_BYTES>(&*entropy)));
}

fn cid<const N: usize>(env: &dyn Env) -> ConnectionId {
    let mut bytes = [0; N];
    env.entropy(&mut bytes);
    ConnectionId::new(&bytes)
}

struct EntropyCids(Arc<dyn Env>);

impl ConnectionIdGenerator for EntropyCids {
    fn generate_cid(&mut self) -> ConnectionId {
        cid::<CID_BYTES>(&*self.0)
    }

    fn cid_len(&self) -> usize {
        CID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

pub(crate) struct EnvTime(pub(crate) Arc<dyn Env>);

impl TimeSource for EnvTime {
    fn now(&self) -> SystemTime {
        self.0.wall_clock()
    }
}

/// Signs stateless resets (RFC 9000, 10.3.2) with HMAC-SHA-256.
struct ResetKey([u8; 32]);

impl ResetKey {
    fn tag(&self, data: &[u8]) -> rustls::crypto::hmac::Tag {
        hmac(&self.0, data)
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(self.tag(data).as_ref());
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let tag = self.tag(data);
        let differ = tag.as_ref().iter().zip(signature).fold(0, |sum, (a, b)| sum | (a ^ b));
        if differ == 0 && signature.len() == self.signature_len() {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }
}
