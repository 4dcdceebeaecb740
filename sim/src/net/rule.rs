//! What a link does to datagrams.
//!
//! Read `link.rs` next.

use std::time::Duration;

/// How long a datagram is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Latency {
    /// Always as long.
    Constant(Duration),
    /// Evenly spread from the first to the second, both included.
    Uniform(Duration, Duration),
}

/// The fault model of one direction of a link.
///
/// Probabilities are for each datagram, from 0 (never) to 1 (always). Each has a random stream of its own: turning
/// one fault off never changes what another does to the same datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkRule {
    /// How long a datagram is under way.
    pub latency: Latency,
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that it arrives twice, each copy with a latency of its own.
    pub duplicate: f64,
    /// Probability that it is held back by up to [`reorder_extra`](Self::reorder_extra).
    pub reorder: f64,
    /// The longest a held datagram waits on top of its latency.
    pub reorder_extra: Duration,
    /// Probability that one bit of it flips.
    pub corrupt: f64,
    /// Bits a second; `None` is without limit.
    pub bandwidth_bps: Option<u64>,
    /// Bytes that may wait for the bandwidth; what comes on top is dropped.
    pub queue_bytes_max: u32,
    /// The largest datagram the link carries, in bytes of UDP payload; larger ones are dropped.
    pub datagram_bytes_max: u16,
}

impl LinkRule {
    /// A quiet local network: 0.2 to 2 ms, no faults, no bandwidth limit, Ethernet's 1472 bytes. The default.
    #[must_use]
    pub const fn lan() -> Self {
        Self {
            latency: Latency::Uniform(Duration::from_micros(200), Duration::from_millis(2)),
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_extra: Duration::from_millis(20),
            corrupt: 0.0,
            bandwidth_bps: None,
            queue_bytes_max: 1 << 20,
            datagram_bytes_max: 1472,
        }
    }

    /// A bad day: 0.5 to 5 ms, 1 % lost, 0.5 % twice, 2 % out of order, 0.2 % corrupted, 100 Mbit/s.
    #[must_use]
    pub const fn rough() -> Self {
        Self {
            latency: Latency::Uniform(Duration::from_micros(500), Duration::from_millis(5)),
            loss: 0.01,
            duplicate: 0.005,
            reorder: 0.02,
            corrupt: 0.002,
            bandwidth_bps: Some(100_000_000),
            ..Self::lan()
        }
    }

    /// No latency and no faults: what a host says to itself.
    #[must_use]
    pub const fn instant() -> Self {
        Self {
            latency: Latency::Constant(Duration::ZERO),
            datagram_bytes_max: u16::MAX,
            ..Self::lan()
        }
    }
}

impl Default for LinkRule {
    fn default() -> Self {
        Self::lan()
    }
}
