//! Who is being polled: the name, the entropy and the skew of one node.
//!
//! A seat is made by the simulator for each life of a node and entered for each poll. Read `state.rs` next.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::Stream;

/// What the interposed symbols know of the node that is being polled.
#[derive(Debug)]
pub struct Seat {
    name: String,
    entropy: Stream,
    skew_ns: AtomicI64,
}

impl Seat {
    /// A seat with entropy of its own and a wall clock without skew.
    #[must_use]
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            entropy: Stream::named(seed, name),
            skew_ns: AtomicI64::new(0),
        }
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the node's random bytes come from.
    #[must_use]
    pub fn entropy(&self) -> &Stream {
        &self.entropy
    }

    /// How far the node's wall clock is ahead of the world's, in nanoseconds; negative is behind.
    #[must_use]
    pub fn skew_ns(&self) -> i64 {
        self.skew_ns.load(Ordering::Relaxed)
    }

    /// Sets the skew; a change while the node runs is a jump of its wall clock.
    pub fn set_skew_ns(&self, skew_ns: i64) {
        self.skew_ns.store(skew_ns, Ordering::Relaxed);
    }
}
