//! Odeon beside other actor systems, on one machine: local messages, memory, and an axum handler that asks an actor.
//!
//! `cargo run --release -p odeon-compare --features peers -- local --json FILE` measures every workload for every
//! system and prints medians with their ratio to the best of the five Rust frameworks. Without the feature nothing but
//! Odeon and bare tokio tasks is built and measured. What it is NOT: a bench of messages between nodes, which is
//! `odeon-benches`. Read `local.rs` next, then `system.rs`.

mod child;
#[cfg(feature = "peers")]
mod client;
mod counting;
mod cpu_time;
mod cpus;
mod gate;
mod local;
mod memory;
mod million;
mod report;
mod sample;
mod system;
mod systems;
mod table;
mod targets;
mod threads;
mod workload;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Odeon beside other actor systems.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Local messages: every workload for every system, each sample in a fresh process.
    Local(local::LocalArgs),
    /// One million live actors of Odeon in one process, and the memory they take.
    Million,
    /// One sample of one workload, in this process.
    #[command(hide = true)]
    Sample(sample::SampleArgs),
    /// The client of the axum workload.
    #[cfg(feature = "peers")]
    #[command(hide = true)]
    Client(client::ClientArgs),
}

#[expect(clippy::print_stderr, reason = "the last word of a bench that failed")]
fn main() -> ExitCode {
    let done = match Args::parse().bench {
        Bench::Local(args) => local::run(&args),
        Bench::Million => million::run(),
        Bench::Sample(args) => sample::run(args),
        #[cfg(feature = "peers")]
        Bench::Client(args) => client::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("odeon-compare: {error}");
            ExitCode::FAILURE
        }
    }
}
