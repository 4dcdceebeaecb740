//! QUIC associations between nodes: always encrypted, always mutually authenticated.
//!
//! What it is: an endpoint on one thread ([`Transport`]), and an [`Association`] with each life of each peer, on
//! which any thread sends frames. What it is NOT: it knows no actor and no member; what it hears it tells
//! [`TransportEvents`]. Bytes come from an `odeon_env::DatagramSocket` and go to one; what they mean is `odeon_wire`.
//! Read `endpoint.rs` next, then `association.rs`.

mod association;
mod bulk_in;
mod bulk_out;
mod ca;
mod carrier;
mod config;
mod connection;
mod dial_gate;
mod driver;
mod endpoint;
mod enrol;
mod events;
mod exchange;
mod flush;
mod handshake_gate;
mod hub;
mod hush;
mod identity;
mod link;
mod log_gate;
mod metrics;
mod name;
mod operator;
mod papers;
mod peers;
mod quic_config;
mod quic_runtime;
mod quic_socket;
mod registry;
mod retry_token;
mod rotation;
mod shared;
mod stream_in;
mod stream_out;
mod tls;
mod validity;

pub use association::{
    Association, AssociationStats, MessageHeader, PeerInfo, Position, RoomWaiter, SendRefused,
};
pub use ca::{Ca, CaError, Holder, PemPair, Revoked, Serial, SerialError, Validity};
pub use config::{ConfigError, DATAGRAM_BYTES_MAX, TransportConfig};
pub use endpoint::{LocalHello, Transport, TransportError};
pub use enrol::{
    EnrolDesk, EnrolError, EnrolRefused, Enrolled, Enrolment, EnrolmentError, JoinToken,
    JoinTokenError, enrol,
};
pub use events::{LostReason, PeerId, RefusedReason, TransportEvents};
pub use identity::{Identity, IdentityError};
pub use metrics::{
    HandshakeFailure, HandshakeMetrics, LaneMetrics, PathMetrics, PeerMetrics, Quantiles,
    StreamMetrics, TransportMetrics,
};
pub use name::NameError;
pub use odeon_wire::{
    EnrolAnswer, EnrolRefusal, EnrolRequest, Frame, FrameKind, Header, MessageTrain,
};
#[doc(hidden)]
pub use operator::{AdminTls, NotAnOperator, OperatorTls};
pub use papers::{Papers, PapersStamp};
pub use peers::Peers;
pub use shared::TransportStats;
pub use tls::{Crypto, CryptoNameError};
pub use validity::CertificateValidity;
