//! Under construction.

/// Longest packet of membership, in bytes: what a QUIC datagram carries at the smallest MTU, with some to spare.
pub const PACKET_BYTES_MAX: usize = 1_000;
