//! Odeon beside other actor systems, on one machine: local messages, memory, an axum handler that asks an actor, and
//! messages between two programs.
//!
//! `cargo run --release -p odeon-compare --features peers -- local --json FILE` measures every local workload for every
//! system and prints medians with their ratio to the best of the five Rust frameworks; `remote` in its place measures two
//! programs on loopback, beside bare quinn and TLS as well. Without the feature no other actor system is built and
//! measured. What the peers need for the network slows their local messages, so `remote` is a program of its own, which
//! this one builds (`network.rs`). What it is NOT: a bench of one hop of Odeon, which is `odeon-benches`. Read `local.rs` or
//! `remote.rs` next, then `system.rs` or `remote/system.rs`.

mod child;
#[cfg(feature = "peers")]
mod client;
mod counting;
mod cpu_time;
mod cpus;
#[cfg(any(feature = "peers", feature = "network"))]
mod erlang;
mod gate;
mod local;
mod memory;
mod million;
#[cfg(all(feature = "peers", not(feature = "network")))]
mod network;
mod remote;
mod report;
mod sample;
mod system;
mod systems;
mod table;
mod targets;
mod threads;
mod workload;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Those that were named, in the order of their type, or all.
fn chosen<T: ValueEnum + PartialEq>(named: &[T]) -> Vec<T> {
    let all = T::value_variants().iter().cloned();
    all.filter(|value| named.is_empty() || named.contains(value)).collect()
}

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
    /// Messages between two programs on loopback: every workload for every system, each sample in two fresh processes.
    Remote(remote::RemoteArgs),
    /// One end of a sample of `remote`.
    #[command(hide = true)]
    RemoteEnd(remote::end::EndArgs),
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

fn main() -> ExitCode {
    // Before its arguments are read: the names of the network's peers are known to the other program only.
    #[cfg(all(feature = "peers", not(feature = "network")))]
    if std::env::args_os().nth(1).is_some_and(|bench| bench == "remote") {
        return network::run().unwrap_or_else(|error| failed(&*error));
    }
    let done = match Args::parse().bench {
        Bench::Local(args) => local::run(&args),
        Bench::Remote(args) => remote::run(&args),
        Bench::RemoteEnd(args) => remote::end::run(&args),
        Bench::Million => million::run(),
        Bench::Sample(args) => sample::run(args),
        #[cfg(feature = "peers")]
        Bench::Client(args) => client::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a bench that failed")]
fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("odeon-compare: {error}");
    ExitCode::FAILURE
}
