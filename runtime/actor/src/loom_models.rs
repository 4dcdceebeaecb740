//! The lock-free parts under loom, which runs them in all orders that the memory model allows.
//!
//! `stack.rs`, `load.rs`, `answer.rs` and `hold.rs` are compiled here a second time, with loom's atomics and cells; the crate
//! itself keeps std's. Nodes, receivers and workers are played in a few lines each, as the crate does it; the functions
//! that race are the real ones. `cargo test -p odeon-actor --features loom --lib loom` runs them in less than two minutes.
//! What it is NOT: a check of the actors themselves, whose futures and timers loom does not know.

#![expect(unsafe_code, reason = "nodes are made and freed by hand")]
#![expect(clippy::unwrap_used, reason = "the whole module is tests")]

/// Loom's, in the place of `sync.rs`.
mod sync {
    pub(crate) use loom::{
        cell::UnsafeCell,
        sync::atomic::{AtomicPtr, AtomicU8, AtomicU64},
    };
}

#[path = "answer.rs"]
#[expect(dead_code, reason = "the models hand no duty on")]
mod answer;
#[path = "hold.rs"]
mod hold;
#[path = "load.rs"]
#[expect(dead_code, reason = "the models look at no bound")]
mod load;
#[path = "stack.rs"]
#[expect(dead_code, reason = "the models look at no node that stays")]
mod stack;

mod asks;
mod holds;
mod mailboxes;
mod run_queues;

/// Runs a model with at most so many switches of threads that no thread asked for: the bugs that need more are rare
/// (M. Musuvathi, S. Qadeer, "Iterative context bounding", PLDI 2007), and the number of orders stays bounded.
fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}
