//! Who is being polled: the name, the entropy and the wall clock of one node.
//!
//! A seat is made by the simulator for each life of a node and entered for each poll. Read `state.rs` next.

use std::sync::Arc;

use crate::{Stream, WallClock};

/// What the interposed symbols know of the node that is being polled.
#[derive(Debug)]
pub struct Seat {
    name: String,
    entropy: Stream,
    order: Stream,
    clock: Arc<WallClock>,
}

impl Seat {
    /// A seat with entropy of its own and a wall clock that shows the world's time.
    #[must_use]
    pub fn new(name: &str, seed: u64) -> Self {
        Self::with_clock(name, seed, Arc::default())
    }

    /// A seat with entropy of its own and this wall clock, its host's.
    #[must_use]
    pub fn with_clock(name: &str, seed: u64, clock: Arc<WallClock>) -> Self {
        let order = Stream::named(seed, &format!("order of the ready tasks of {name}"));
        Self { name: name.to_owned(), entropy: Stream::named(seed, name), order, clock }
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

    /// What decides in which order tasks of the node go on whose order is free.
    #[must_use]
    pub fn order(&self) -> &Stream {
        &self.order
    }

    /// The wall clock of the node's host.
    #[must_use]
    pub fn clock(&self) -> &Arc<WallClock> {
        &self.clock
    }
}
