//! A certificate for a fresh node, by a join token.
//!
//! What it is: the second endpoint, at which whoever has the authority's key answers ([`Enrolment`]), the token that names
//! it ([`JoinToken`]), and the fresh node's side ([`enrol`]). What it is NOT: part of a running node's endpoint; it has a
//! socket and a protocol name of its own, and no node needs it. Which tokens there are is the desk's to know
//! ([`EnrolDesk`]). The bytes are `odeon_wire`'s (`format.md`, Joining). Read `enrol/server.rs` next.

mod client;
mod server;
mod token;

pub use client::{EnrolError, Enrolled, enrol};
pub use server::{EnrolDesk, EnrolRefused, Enrolment, EnrolmentError};
pub use token::{JoinToken, JoinTokenError};

use std::{sync::Arc, time::Duration};

use odeon_env::{DatagramSocket, Env};
use quinn::{IdleTimeout, VarInt};

use crate::{
    quic_config::{QuicConfigs, endpoint_config},
    quic_runtime::LocalRuntime,
    quic_socket::QuicSocket,
};

/// The protocol that both sides must name, so that neither endpoint can be taken for the other kind.
const ALPN: &[u8] = b"odeon-enrol/1";

/// Longest time from the first packet to the answer, on either side: a request takes two round trips.
const EXCHANGE_WITHIN: Duration = Duration::from_secs(5);

/// The smallest MTU of QUIC: what is said fits a few packets.
const MTU: u16 = 1200;

fn endpoint(
    env: &Arc<dyn Env>,
    socket: Arc<dyn DatagramSocket>,
    server: Option<quinn::ServerConfig>,
) -> std::io::Result<quinn::Endpoint> {
    let socket = QuicSocket::new(socket, (MTU, None), QuicConfigs::payload_bytes_max());
    quinn::Endpoint::new_with_abstract_socket(
        endpoint_config(env).0,
        server,
        socket,
        Arc::new(LocalRuntime),
    )
}

/// One stream, opened by the client, and nothing else.
fn transport_config(side: quinn::Side) -> Arc<quinn::TransportConfig> {
    let idle = IdleTimeout::try_from(EXCHANGE_WITHIN).expect("five seconds are not too long");
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(u32::from(side.is_server())))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(idle))
        .stream_receive_window(VarInt::from_u32(16 << 10))
        .receive_window(VarInt::from_u32(16 << 10))
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(None);
    Arc::new(transport)
}
