//! The binary `odeon`: a demo, a node by hand, certificates, and the way to the simulator.
//!
//! What it is: the command line. What it is NOT: a library; applications use the crate `odeon` and are nodes
//! themselves. Read `demo.rs`, `node.rs`, `ca.rs` or `sim.rs` next. Standard output carries only what was asked for; logs go to
//! standard error, chosen by `RUST_LOG`.

mod ca;
mod dashboard;
mod demo;
mod failure;
mod node;
mod output;
mod sim;
mod steer;
mod top;
mod usage;

use std::{io::IsTerminal, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};
use tracing_subscriber::EnvFilter;

use crate::{failure::Failed, steer::Wish};

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
    ///
    /// A word is a run of letters and digits, in lower case; one longer than 64 bytes is cut into several. Every count
    /// is compared with a plain single-threaded run, and every failed call with what truly happened. With --sim the same
    /// job runs in the simulator, many times over and under many faults.
    Demo(demo::DemoArgs),
    /// Run one node until it is told to leave.
    ///
    /// On SIGTERM and SIGINT it finishes what others began and leaves; on SIGHUP it reads its file again. It runs the
    /// actors of the demo: a program of yours is a node of the same cluster, with the same flags, by one line of the crate
    /// `odeon-ops`.
    Node(Box<odeon_ops::Flags>),
    /// Make a certificate authority, certificates of nodes, and join tokens; list, renew and revoke them.
    Ca(ca::CaArgs),
    /// Say how a node is.
    Status(steer::SteerArgs),
    /// List the members of the cluster, as a node sees it, that node first.
    Members(steer::SteerArgs),
    /// List the names of the cluster, as a node has heard of them, each with the node of its actor.
    Names(steer::SteerArgs),
    /// List the groups of the cluster, as a node has heard of them, each with how many actors are in it.
    Groups(steer::SteerArgs),
    /// List the topics of the cluster to which somebody listens, as a node has heard of them: by which pattern, on which
    /// nodes, with how many subscriptions on this one, and what those have missed.
    Topics(steer::SteerArgs),
    /// Show the actors of a node, each under who spawned it.
    Actors(steer::SteerArgs),
    /// Show a node's ways to others: connections, bytes, round trips, what waits.
    Peers(steer::SteerArgs),
    /// Watch a node live: hot actors, mailboxes, workers, peers, lanes, members, events.
    ///
    /// In a terminal it is a picture that changes each second; `?` lists its keys. With --once, --count or --json it prints
    /// lines.
    Top(top::TopArgs),
    /// Show a node and its cluster in a browser.
    ///
    /// It prints an address of this machine, good until the command ends. Whoever has the address sees what the operator
    /// sees, and can change nothing.
    Dashboard(steer::SteerArgs),
    /// Have a node finish what others began, and leave.
    ///
    /// The command follows the node until it is gone, with status 0; with status 1 it ends where the node is still there
    /// when the time that it has for it, drain.within, is over. The node drains whether anybody follows it or not.
    Drain(steer::drain::DrainArgs),
    /// Print completions for a shell, to be put where it looks for them.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Run clusters in the deterministic simulator, and break them on purpose.
    ///
    /// It is the program `odeon-sim`: what the variable ODEON_SIM names, else the one beside this program, which
    /// `cargo run` builds first.
    Sim(sim::SimArgs),
    /// One of the demo's nodes.
    #[command(hide = true)]
    DemoNode(demo::child::ChildArgs),
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        // Help and version go where they belong, with status 0; help that nobody asked for has status 2.
        Err(error)
            if !error.use_stderr()
                || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            error.exit()
        }
        Err(error) => return end(&Failed::input(usage::one_line(&error))),
    };
    let command = match args.command {
        // It has a log and a runtime of its own.
        Command::Node(flags) => return node::run(*flags),
        command => command,
    };
    if let Err(failed) = log() {
        return end(&failed);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return end(&Failed::run(error)),
    };
    let local = tokio::task::LocalSet::new();
    match local.block_on(&runtime, run(command)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failed) => end(&failed),
    }
}

async fn run(command: Command) -> Result<bool, Failed> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::DemoNode(args) => demo::child::run(args).await.map(|()| true),
        Command::Node(flags) => Ok(node::run(*flags) == ExitCode::SUCCESS),
        Command::Ca(args) => ca::run(args).await.map(|()| true),
        Command::Status(args) => steer::run(Wish::Status, args).await.map(|()| true),
        Command::Members(args) => steer::run(Wish::Members, args).await.map(|()| true),
        Command::Names(args) => steer::run(Wish::Names, args).await.map(|()| true),
        Command::Groups(args) => steer::run(Wish::Groups, args).await.map(|()| true),
        Command::Topics(args) => steer::run(Wish::Topics, args).await.map(|()| true),
        Command::Actors(args) => steer::run(Wish::Actors, args).await.map(|()| true),
        Command::Peers(args) => steer::run(Wish::Peers, args).await.map(|()| true),
        Command::Drain(args) => steer::drain::run(args).await.map(|()| true),
        Command::Top(args) => top::run(args).await.map(|()| true),
        Command::Dashboard(args) => dashboard::run(args).await.map(|()| true),
        Command::Completions { shell } => completions(shell).map(|()| true),
        Command::Sim(args) => Err(sim::run(args)),
    }
}

/// Prints what a shell needs to complete commands and flags.
fn completions(shell: clap_complete::Shell) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "odeon", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}

#[expect(clippy::print_stderr, reason = "the last word of a program that failed")]
fn end(failed: &Failed) -> ExitCode {
    eprintln!("odeon: {failed}");
    failed.status()
}

/// Logs on standard error; `RUST_LOG` overrides what is shown.
fn log() -> Result<(), Failed> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => EnvFilter::try_new(&filter).map_err(|error| {
            Failed::input(format!(
                "RUST_LOG is {filter:?}: {error}; use something like info or odeon=debug"
            ))
        })?,
        Err(_) => EnvFilter::new("error"),
    };
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
