//! The job of the demo: words of a text, counted by actors on several nodes, whatever becomes of the nodes.
//!
//! What it is: all of the demo that does not care what its nodes are. `demo.rs` runs it on processes of this machine, and
//! the scenario `demo` of the simulator, which takes this file in by its path, on simulated nodes. What it is NOT: a
//! kill, a report, a verdict on labels; whoever runs it has those. Read `job/feeder.rs` next.

// The paths are the same whoever takes this file in.
#[path = "job/board.rs"]
pub(crate) mod board;
#[path = "job/comparison.rs"]
pub(crate) mod comparison;
#[path = "job/counter.rs"]
pub(crate) mod counter;
#[path = "job/feeder.rs"]
pub(crate) mod feeder;
#[path = "job/tally.rs"]
mod tally;
#[path = "job/words.rs"]
pub(crate) mod words;

use odeon::TransportConfig;

/// Partitions, and so counters, a node.
pub(crate) const COUNTERS_PER_NODE: usize = 4;

/// Messages that one counter may have on the way to it; fewer than a feeder's window.
pub(crate) const CREDIT_MESSAGES: u32 = 32;

/// The transport of all nodes of the job.
pub(crate) fn transport() -> TransportConfig {
    TransportConfig { credit_messages: CREDIT_MESSAGES, ..TransportConfig::default() }
}
