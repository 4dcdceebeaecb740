//! One program a seed: starts this test binary again for each run, and collects the verdicts.
//!
//! A program that has run before is not the program it was: runtimes are numbered, hash keys drawn, memory
//! scattered. So each run gets a fresh one: the same executable with the same arguments and an empty environment,
//! its case handed over on standard input, address randomisation off. What it is NOT: a replacement for the test
//! harness; to it, all runs of a scenario are one test. Read `runner/parent.rs` next.

mod case;
#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod parent;
mod scenario;
mod seeds;

pub use case::Case;
pub use scenario::{Body, Check, Options, Scenario, test};
pub use seeds::Seeds;
