//! One program a seed: starts this binary again for each run, and collects the verdicts.
//!
//! A program that has run before is not the program it was: runtimes are numbered, hash keys drawn, memory
//! scattered. So each run gets a fresh one: the same executable with the same arguments and an environment that says how memory is kept,
//! its order handed over on standard input, address randomisation off. What it is NOT: a replacement for the test
//! harness; to it, all runs of a scenario are one test. Read `runner/parent.rs` next.

mod act;
mod case;
#[cfg(target_os = "linux")]
mod child;
mod heap;
mod links;
#[cfg(target_os = "linux")]
mod order;
#[cfg(target_os = "linux")]
mod parent;
mod replay_file;
mod seeds;
#[cfg(target_os = "linux")]
mod suite;
mod trial;

pub use act::Body;
pub use case::Case;
pub use heap::settle_heap;
pub use links::Links;
pub use replay_file::{REPLAY_BYTES_MAX, REPLAY_VERSION, ReplayFile, ReplayFileError};
pub use seeds::{SEEDS_MAX, Seeds};
pub use trial::{Checked, Options, Trial, test};

#[cfg(target_os = "linux")]
pub(crate) use order::Order;
#[cfg(target_os = "linux")]
pub(crate) use parent::{Lanes, Run, run_each};
#[cfg(target_os = "linux")]
pub(crate) use replay_file::folder as replay_folder;
