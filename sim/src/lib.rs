//! Deterministic simulation of whole clusters.
//!
//! What it is: N nodes of exactly the code that runs in production, in one thread, on virtual time and a simulated
//! network under real QUIC, all of it decided by one seed; and a runner that gives every seed a program of its own,
//! so that a seed that failed fails again. What it is NOT: a model. Nothing above the environment is replaced.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use odeon_sim::{LinkRule, World};
//!
//! #[odeon_sim::test(seeds = 0..20)]
//! async fn two_nodes_find_each_other(world: &mut World) {
//!     world.set_default_link(LinkRule::rough());
//!     ["a", "b"].into_iter().for_each(|name| world.start_member(name, |node| node, async |_| ()));
//!     world.all_joined(&["a", "b"], Duration::from_secs(10)).await.expect("one cluster");
//! }
//! ```
//!
//! # Limits
//! A world is one thread, and what leaves it fails the seed, by the name of the node and with the remedy: threads,
//! `spawn_blocking`, `Arbiter::new`, files, sockets, names, other programs, `tokio::spawn`. Not seen are: `rdtsc`,
//! `rdrand` and system calls in assembly; `stat`; what the C library does on its own behalf. Shared by all nodes of a
//! world, although real nodes would not share them: statics, thread-locals, the environment of the program, the
//! working directory. `std::thread::sleep` holds the whole world and moves no virtual time. Virtual time stands still
//! while anything runs: computing is free. Without Linux, simulator tests skip and say so; where a sandbox forbids to
//! turn address randomisation off, they run and say that replay is not guaranteed.
//!
//! Read `world.rs` next.

mod env;
mod mischief;
mod net;
mod outcome;
mod problem;
pub mod runner;
mod schedule;
mod timeline;
mod trace;
mod verdict;
mod world;

pub use env::SimEnv;
pub use mischief::{BUGGIFY_PLACES_MAX, Buggified};
pub use net::{HOSTS_MAX, Latency, LinkRule, NetCounts, SimNet, SimSocket};
pub use odeon_interpose::{DRIFT_PPM_MAX, Override, Refusal, Stream, Switches, hits};
pub use odeon_sim_macros::test;
pub use outcome::{LocalFuture, Outcome};
pub use problem::Problem;
pub use runner::{Options, Scenario};
pub use schedule::{CHANGES_MAX, Schedule, UnknownSchedule};
pub use timeline::Timeline;
pub use trace::{Digest, Event, Fate, HostId, TRACE_LINES_MAX, Trace, Turn, hash_bytes};
pub use verdict::{Replay, Verdict};
pub use world::{NODE_PORT, NodeDown, NotReached, SLOWNESS_MAX, World, WorldBuilder};
