//! The binary `odeon`: a demo, a node by hand, and certificates.
//!
//! What it is: the command line. What it is NOT: a library; applications use the crate `odeon` and are nodes
//! themselves. Read `demo.rs`, `node.rs` or `ca.rs` next. Standard output carries only what was asked for; logs go to
//! standard error, chosen by `RUST_LOG`.

mod ca;
mod demo;
mod failure;
mod node;

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::failure::Failed;

/// A distributed actor runtime: run the demo, run a node, make certificates.
#[derive(Debug, Parser)]
#[command(name = "odeon", version, arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Count words on a cluster of processes, kill one, and check that nothing was lost.
    Demo(demo::DemoArgs),
    /// Run one node until it is told to stop.
    Node(node::NodeArgs),
    /// Make a certificate authority and certificates of nodes.
    #[command(subcommand)]
    Ca(ca::CaCommand),
    /// One of the demo's nodes.
    #[command(hide = true)]
    DemoNode(demo::child::ChildArgs),
}

fn main() -> ExitCode {
    let args = Args::parse();
    log(matches!(args.command, Command::Node(_)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return end(&Failed::run(error)),
    };
    let local = tokio::task::LocalSet::new();
    match local.block_on(&runtime, run(args.command)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failed) => end(&failed),
    }
}

async fn run(command: Command) -> Result<bool, Failed> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::DemoNode(args) => demo::child::run(args).await.map(|()| true),
        Command::Node(args) => node::run(args).await.map(|()| true),
        Command::Ca(command) => ca::run(command).map(|()| true),
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a program that failed")]
fn end(failed: &Failed) -> ExitCode {
    eprintln!("odeon: {failed}");
    failed.status()
}

/// Logs on standard error; `RUST_LOG` overrides what is shown.
fn log(node: bool) {
    let default = if node { "info" } else { "error" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
}
