//! The comparison of messages between two programs on loopback: rounds of samples, systems interleaved.
//!
//! Each sample has two programs of its own, a receiving one and a sending one, each on one CPU. A round takes one sample
//! of every system for every row and begins with another system than the last. Odeon has its defaults and encryption; bare
//! quinn has the same packets, windows and ciphers. What it is NOT: a sample, which is `remote/sample.rs`; read
//! `remote/system.rs` next.

mod bare;
pub(crate) mod end;
mod machine;
mod papers;
mod report;
mod sample;
mod system;
mod systems;
mod table;
mod targets;
mod workload;

use std::path::PathBuf;

use crate::{Outcome, chosen, threads};
use papers::Papers;
use systems::Name;
use table::Row;
use workload::Workload;

/// Compares messages between two programs.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoteArgs {
    /// Rounds; the medians of their samples are compared.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=101))]
    rounds: u16,
    /// Measure these workloads only, separated by commas.
    #[arg(long, value_name = "WORKLOAD", value_delimiter = ',', alias = "only")]
    workloads: Vec<Workload>,
    /// Measure these systems only, separated by commas.
    #[arg(long, value_name = "SYSTEM", value_delimiter = ',', alias = "system")]
    systems: Vec<Name>,
    /// Write the rows to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Takes all samples, prints the table and writes the rows.
///
/// # Errors
/// When the certificates cannot be made or the rows not be written. A system that fails has its row say so.
#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
pub(crate) fn run(args: &RemoteArgs) -> Outcome<()> {
    let (here, missing): (Vec<_>, Vec<_>) =
        chosen(&args.systems).into_iter().partition(|system| system.is_missing().is_none());
    for system in missing {
        println!("{system} is left out: {}", system.is_missing().unwrap_or_default());
    }
    let workloads = chosen(&args.workloads);
    let mut rows: Vec<Row> = workloads.iter().map(|workload| Row::new(*workload, &here)).collect();
    let peers = workloads.iter().flat_map(|workload| workload.peers()).max();
    let papers = Papers::make(peers.copied().unwrap_or_default())?;
    threads::single()?.block_on(measure(&mut rows, args.rounds, &papers));
    print!("{}", report::table(&rows, &here));
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report::json(&rows, &here, args.rounds))?;
        std::fs::write(file, text + "\n")
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(())
}

async fn measure(rows: &mut [Row], rounds: u16, papers: &Papers) {
    for round in 0..usize::from(rounds) {
        for row in &mut *rows {
            let count = row.cells.len();
            for at in 0..count {
                let cell = &mut row.cells[(at + round) % count];
                // Whoever failed once is not waited for again.
                if cell.failure.is_some() {
                    continue;
                }
                match sample::take(cell.system, row.workload, papers.folder()).await {
                    Ok(figure) => cell.samples.push(figure),
                    Err(error) => cell.failure = Some(error.to_string()),
                }
            }
        }
    }
}
