//! The benches of Odeon: one a hop, printed as ratios of figures from one run.
//!
//! `cargo run --release -p odeon-benches -- remote --json` measures messages between two processes beside a bare QUIC
//! echo, `cluster` messages to groups and topics beside plain tells, `beside` what a receiver that has stopped costs others.
//! What it is NOT: a comparison with other actor
//! systems, which is a crate of its own.

mod beside;
mod child;
mod cluster;
mod median;
mod remote;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Benches of Odeon.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Messages between two nodes in two processes, over loopback, encrypted.
    Remote(remote::RemoteArgs),
    /// Asks to a fast receiver beside one that has stopped, and the memory that it costs.
    Beside(beside::BesideArgs),
    /// The other process of `beside`.
    #[command(hide = true)]
    BesidePeer(beside::peer::PeerArgs),
    /// Messages to groups and topics of another node, beside plain tells; and a cluster of five processes: how soon it
    /// misses one, what it costs at rest, how soon a node is ready.
    Cluster(cluster::ClusterArgs),
    /// The other process of `cluster`.
    #[command(hide = true)]
    ClusterPeer(cluster::peer::PeerArgs),
    /// One process of the cluster.
    #[command(hide = true)]
    ClusterMember(cluster::member::MemberArgs),
    /// The other process of `remote`.
    #[command(hide = true)]
    RemotePeer(remote::peer::PeerArgs),
}

#[expect(clippy::print_stderr, reason = "the last word of a bench that failed")]
fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match (runtime, Args::parse().bench) {
        (Err(error), _) => Err(error.into()),
        (Ok(runtime), Bench::Remote(args)) => runtime.block_on(remote::run(args)),
        (Ok(runtime), Bench::Beside(args)) => runtime.block_on(beside::run(args)),
        (Ok(runtime), Bench::BesidePeer(args)) => runtime.block_on(beside::peer::run(args)),
        (Ok(runtime), Bench::Cluster(args)) => runtime.block_on(cluster::run(args)),
        (Ok(runtime), Bench::ClusterPeer(args)) => runtime.block_on(cluster::peer::run(args)),
        (Ok(runtime), Bench::ClusterMember(args)) => runtime.block_on(cluster::member::run(args)),
        (Ok(runtime), Bench::RemotePeer(args)) => runtime.block_on(remote::peer::run(args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("odeon-benches: {error}");
            ExitCode::FAILURE
        }
    }
}
