//! Speed of the simulator: virtual time over real time, for meshed clusters under real QUIC and on the frame link.
//!
//! `cargo run --release -p odeon-bench-sim -- --json` simulates a minute of each row, every row in a program of its
//! own, and prints a line of JSON a row. What it is NOT: part of `odeon-benches`, whose clock reads the simulator's
//! symbols would slow down. Read `cluster.rs` next.

mod cluster;
mod row;
mod seeds;

use std::{
    process::{Command, ExitCode},
    time::Duration,
};

use clap::Parser;
use odeon_sim::runner::settle_heap;
use serde_json::Value;

use row::{ROWS, Row};

/// Speed of the simulator.
#[derive(Debug, Parser)]
struct Args {
    /// Rows to measure: quic_5, quic_20, frames_5, frames_20, frames_100, seeds_per_minute; all without any.
    rows: Vec<String>,
    /// Virtual seconds a round, 15 or more.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(15..))]
    seconds: u64,
    /// Rounds of each row, in place of its own number; the median is printed.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=101))]
    rounds: Option<u64>,
    /// Seeds for the row seeds_per_minute.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: u64,
    /// Print a line of JSON a row.
    #[arg(long)]
    json: bool,
    /// Measure one row in this program, as the program does that runs several.
    #[arg(long, hide = true)]
    here: bool,
}

const SEEDS: &str = "seeds_per_minute";

fn main() -> ExitCode {
    seeds::run_as_child();
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the only word of a bench that failed")]
            {
                eprintln!("odeon-bench-sim: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let names: Vec<&str> = match &args.rows[..] {
        [] => ROWS.iter().map(|row| row.name).chain([SEEDS]).collect(),
        rows => rows.iter().map(String::as_str).collect(),
    };
    for name in names {
        let figures = if name == SEEDS {
            seeds::measure(args.seeds)?
        } else if args.here {
            find(name, args)?.measure(Duration::from_secs(args.seconds))?
        } else {
            in_own_program(&find(name, args)?, args)?
        };
        print(&figures, args.json || args.here);
    }
    Ok(())
}

fn find(name: &str, args: &Args) -> Result<Row, String> {
    let row = ROWS.iter().find(|row| row.name == name).ok_or_else(|| {
        let names: Vec<_> = ROWS.iter().map(|row| row.name).chain([SEEDS]).collect();
        format!("{name:?} is no row; there are {}", names.join(", "))
    })?;
    Ok(Row { rounds: args.rounds.unwrap_or(row.rounds), ..*row })
}

/// Measures a row in a program that has measured no other, so that its memory is its own.
fn in_own_program(row: &Row, args: &Args) -> Result<Value, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", row.name);
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut command = Command::new(program);
    command.args([row.name, "--here"]);
    command.args(["--seconds".to_owned(), args.seconds.to_string()]);
    command.args(["--rounds".to_owned(), row.rounds.to_string()]);
    // As the programs that run seeds.
    settle_heap(&mut command);
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))
}

#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
fn print(figures: &Value, json: bool) {
    if json {
        println!("{figures}");
        return;
    }
    let name = figures["row"].as_str().unwrap_or_default();
    if name == SEEDS {
        println!("{name:<17}{:>8} seeds a minute", figures["seeds_per_minute"]);
    } else {
        println!(
            "{name:<17}{:>8} times real time, {:>8} times its processor time, {:>5} MiB at most",
            figures["virtual_to_real"], figures["virtual_to_cpu"], figures["peak_mib"]
        );
    }
}
