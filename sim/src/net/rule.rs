//! What a link does to datagrams.
//!
//! Read `link.rs` next.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::latency::Latency;

/// What makes numbers no rule.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A probability is outside its range.
    #[error("{name} is {value}, and a probability is from 0 (never) to 1 (always)")]
    Probability {
        /// Its field.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// Two bounds of a latency are in the wrong order.
    #[error("a latency begins at {low:?} and ends at {high:?}; the first must not be longer")]
    Order {
        /// The lower one.
        low: Duration,
        /// The upper one.
        high: Duration,
    },
    /// The spread of a log-normal latency is none.
    #[error("sigma is {sigma}; it is a number from 0 on")]
    Sigma {
        /// What was given.
        sigma: f64,
    },
    /// A bandwidth that lets nothing through.
    #[error(
        "the bandwidth is 0 bits a second; a link that carries nothing is cut or clogged instead"
    )]
    Bandwidth,
}

/// Whether a number is a probability.
pub(crate) fn check_probability(name: &'static str, value: f64) -> Result<(), RuleError> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(RuleError::Probability { name, value }) }
}

/// The fault model of one direction of a link.
///
/// Probabilities are for each datagram, from 0 (never) to 1 (always). Each has a random stream of its own: turning
/// one fault off never changes what another does to the same datagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
    /// Whether datagrams arrive in the order in which they were sent, but for those that are held back and the second ones
    /// of two: what is quicker than one before it comes right behind that. Without it each has a latency of its own, so
    /// that all which are sent within a spread of the latency come in any order. QUIC takes that for losses and goes on
    /// with its smallest window: an ask of 60 KB takes some 90 ms on [`lan`](Self::lan), and 4 ms in order.
    pub in_order: bool,
    /// Probability that one bit of it flips.
    pub corrupt: f64,
    /// Bits a second; `None` is without limit.
    pub bandwidth_bps: Option<u64>,
    /// Bytes that may wait for the bandwidth, or for a clogged link; what comes on top is dropped. What finds nobody
    /// before it passes, however long it is.
    pub queue_bytes_max: u32,
    /// The largest datagram the link carries, in bytes of UDP payload; larger ones are dropped.
    pub datagram_bytes_max: u16,
}

impl LinkRule {
    /// A quiet local network: 0.2 to 2 ms, no faults, no bandwidth limit, Ethernet's 1472 bytes, in any order. The default.
    #[must_use]
    pub const fn lan() -> Self {
        Self {
            latency: Latency::Uniform(Duration::from_micros(200), Duration::from_millis(2)),
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_extra: Duration::from_millis(20),
            in_order: false,
            corrupt: 0.0,
            bandwidth_bps: None,
            queue_bytes_max: 1 << 20,
            datagram_bytes_max: 1472,
        }
    }

    /// Whether the numbers make a rule; whoever reads one from a file asks first.
    ///
    /// # Errors
    /// When a probability, the latency or the bandwidth is outside its range.
    pub fn check(&self) -> Result<(), RuleError> {
        check_probability("loss", self.loss)?;
        check_probability("duplicate", self.duplicate)?;
        check_probability("reorder", self.reorder)?;
        check_probability("corrupt", self.corrupt)?;
        if self.bandwidth_bps == Some(0) {
            return Err(RuleError::Bandwidth);
        }
        self.latency.check()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_with_a_number_out_of_range_is_refused_by_its_field() {
        assert_eq!(LinkRule::lan().check(), Ok(()));
        assert_eq!(LinkRule::rough().check(), Ok(()));
        assert_eq!(LinkRule::instant().check(), Ok(()));
        let loss = LinkRule { loss: 1.5, ..LinkRule::lan() }.check();
        assert_eq!(loss, Err(RuleError::Probability { name: "loss", value: 1.5 }));
        assert!(LinkRule { corrupt: f64::NAN, ..LinkRule::lan() }.check().is_err());
        let none = LinkRule { bandwidth_bps: Some(0), ..LinkRule::lan() }.check();
        assert_eq!(none, Err(RuleError::Bandwidth));
    }

    #[test]
    fn a_rule_can_be_written_down_and_left_out_in_part() {
        let rule = LinkRule::rough();
        let text = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<LinkRule>(&text).unwrap(), rule);
        let lossy: LinkRule = serde_json::from_str(r#"{"loss": 0.5}"#).unwrap();
        assert_eq!(lossy, LinkRule { loss: 0.5, ..LinkRule::lan() });
    }
}
