//! The crate from outside: actors on one and on several threads, and two systems joined in memory.

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod beside;
mod breakers;
mod contract;
mod copies;
mod crowd;
mod deadlocks;
mod desk;
mod direct;
mod direct_limits;
mod draining;
mod drops;
mod duties;
mod exits;
mod fixture;
mod groups;
mod juggling;
mod kin;
mod limits;
mod links;
mod lobby;
mod log;
mod metrics;
mod near;
mod net;
mod network;
mod order;
mod otp_suite;
mod otp_table;
mod overflow;
mod panics;
mod passing;
mod placements;
mod pools;
mod probes;
mod reading;
mod reaping;
mod recovery;
mod registry;
mod retries;
mod seeded;
mod seeking;
mod spans;
mod stealing;
mod streaming;
mod supervision;
mod targets;
mod tasks;
mod tracing_spans;
mod tree;
mod viewing;
mod watching;

/// The root that the macros name things through.
mod odeon {
    pub(crate) use odeon_actor::*;
    pub(crate) use odeon_message::*;
}
