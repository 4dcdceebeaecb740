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
//! What is broken on purpose is said by name: links and disks by their rules, the network by shapes and obstacles,
//! names by their records and how they are looked up. A host keeps its disk over crashes and restarts of its node
//! ([`DiskRule`]). `heal` ends what stands between hosts:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use odeon_sim::{Latency, LinkRule, Topology, World};
//!
//! const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];
//!
//! #[odeon_sim::test(seeds = 0..20)]
//! async fn five_nodes_live_through_a_bridge(world: &mut World) {
//!     let latency = Latency::LogNormal {
//!         least: Duration::from_micros(200),
//!         median: Duration::from_millis(2),
//!         sigma: 1.0,
//!         max: Duration::from_secs(1),
//!     };
//!     world.set_default_link(LinkRule { latency, loss: 0.001, ..LinkRule::lan() });
//!     FIVE.into_iter().for_each(|name| world.start_member(name, |node| node, async |_| ()));
//!     world.all_joined(&FIVE, Duration::from_secs(10)).await.expect("one cluster");
//!     world.apply_topology(&Topology::Bridge(None), &FIVE).expect("five are enough");
//!     world.swizzle_clog(&FIVE, Duration::from_secs(10));
//!     world.run_for(Duration::from_secs(20)).await;
//!     world.heal();
//!     world.all_joined(&FIVE, Duration::from_secs(60)).await.expect("one cluster again");
//!     println!("{}", world.net().counts());
//! }
//! ```
//!
//! A scenario with a workload, faults and checks, which can be run by the thousand, replayed and shrunk, is a
//! [`Scenario`]; the [`guide`] shows one.
//!
//! # Limits
//! A world is one thread, and what leaves it fails the seed, by the name of the node and with the remedy. [`limits`] lists
//! what is refused, what the world answers itself, and what is not seen.
//!
//! [`World::history`] records what clients and actors do, and the checkers of [`check`] judge it.
//!
//! Read `world.rs` next.

/// The thread of a world has memory of its own.
#[cfg(feature = "heap")]
#[global_allocator]
static HEAP: odeon_interpose::Heap = odeon_interpose::Heap;

mod bound;
#[cfg_attr(not(target_os = "linux"), path = "command_elsewhere.rs")]
pub mod command;
mod difference;
mod disk;
mod entry;
mod env;
mod fault;
pub mod guide;
mod host_files;
#[doc = include_str!("../LIMITS.md")]
pub mod limits {}
mod mischief;
mod net;
mod outcome;
#[cfg(target_os = "linux")]
mod page;
mod patience;
mod plan;
mod printable;
mod problem;
mod recording;
mod remedy;
pub mod runner;
mod scenario;
mod schedule;
mod script;
#[cfg(target_os = "linux")]
mod shrink;
mod timeline;
mod trace;
mod verdict;
mod world;

pub use difference::Difference;
pub use disk::{DiskCounts, DiskRule, SimDisk};
pub use env::SimEnv;
pub use fault::{Fault, FaultKind, Strain};
pub use mischief::{BUGGIFY_PLACES_MAX, Buggified};
pub use net::{
    FlapError, HOSTS_MAX, Latency, LinkRule, LookupRule, NetCounts, RECORD_ADDRESSES_MAX,
    RECORDS_MAX, RecordError, ResolveError, RuleError, SimNet, SimSocket, Topology, TopologyError,
};
pub use odeon_check as check;
pub use odeon_interpose::{DRIFT_PPM_MAX, Override, Refusal, Stream, Switches, hits};
pub use odeon_sim_macros::test;
pub use outcome::{LocalFuture, Outcome};
pub use plan::{Budget, FAULTS_MAX, Pace, Plan, PlanError, PlannedFault, Swarm, TIME_MAX};
pub use problem::Problem;
pub use recording::{
    LogFilter, LogFilterError, RECORDED_DATAGRAMS_MAX, RECORDED_HOSTS_MAX, RECORDED_STORY_MAX,
    RECORDED_TRAFFIC_MAX,
};
pub use runner::{Options, Trial};
pub use scenario::{Check, Outline, Scenario, Site};
pub use schedule::{CHANGES_MAX, Schedule, UnknownSchedule};
pub use script::{SCRIPT_BYTES_MAX, STEPS_MAX, Script, ScriptError, TimedStep};
pub use timeline::Timeline;
pub use trace::{
    Digest, DiskEvent, DiskFate, Event, Fate, HostId, Mark, Payload, TRACE_LINES_MAX, Trace, Turn,
    hash_bytes,
};
pub use verdict::{Replay, Verdict};
pub use world::{
    Link, NODE_PORT, NodeDown, NotReached, Role, SLOWNESS_MAX, UnknownLink, World, WorldBuilder,
};
