//! The comparison of local messages: rounds of samples, each in a process of its own, systems interleaved.
//!
//! A round takes one sample of every system for every row; each round begins with another system, so that none always
//! follows the same neighbour. What it is NOT: a sample, which is `sample.rs` in a child; read that next.

use std::{path::PathBuf, time::Duration};

use crate::{
    Outcome,
    child::{self, SAMPLE_WITHIN},
    chosen, report,
    system::Mode,
    systems::Name,
    table::Row,
    threads,
    workload::Workload,
};

/// Compares local messages.
#[derive(Debug, clap::Args)]
pub(crate) struct LocalArgs {
    /// Rounds; the medians of their samples are compared.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=101))]
    rounds: u16,
    /// Measure these workloads only.
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<Workload>,
    /// Measure these modes only.
    #[arg(long)]
    mode: Vec<Mode>,
    /// Measure these systems only.
    #[arg(long)]
    system: Vec<Name>,
    /// Write the rows to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Takes all samples, prints the table and writes the rows.
///
/// # Errors
/// When this program's peers are slowed by what they need for the network, and when the rows cannot be written. A system that
/// fails has its row say so.
#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
pub(crate) fn run(args: &LocalArgs) -> Outcome<()> {
    if cfg!(all(feature = "network", feature = "peers")) {
        return Err(
            "the feature network slows ractor and kameo: build with --features peers alone".into(),
        );
    }
    let systems = chosen(&args.system);
    let mut rows = rows(args, &systems);
    threads::single()?.block_on(measure(&mut rows, args.rounds));
    print!("{}", report::table(&rows, &systems));
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report::json(&rows))?;
        std::fs::write(file, text + "\n")
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(())
}

fn rows(args: &LocalArgs, systems: &[Name]) -> Vec<Row> {
    let modes = chosen(&args.mode);
    let of_workload = |workload: Workload| {
        let here = workload.modes().iter().filter(|mode| modes.contains(mode));
        here.map(move |mode| Row::new(workload, *mode, systems)).collect::<Vec<_>>()
    };
    chosen(&args.only).into_iter().flat_map(of_workload).collect()
}

async fn measure(rows: &mut [Row], rounds: u16) {
    for round in 0..usize::from(rounds) {
        for row in &mut *rows {
            let count = row.cells.len();
            for at in 0..count {
                let cell = &mut row.cells[(at + round) % count];
                // Whoever failed once is not waited for again.
                if cell.failure.is_some() {
                    continue;
                }
                match sample(cell.system, row.workload, row.mode, SAMPLE_WITHIN).await {
                    Ok(figure) => cell.samples.push(figure),
                    Err(error) => cell.failure = Some(error.to_string()),
                }
            }
        }
    }
}

async fn sample(system: Name, workload: Workload, mode: Mode, within: Duration) -> Outcome<f64> {
    let args = [
        "sample".to_owned(),
        format!("--system={system}"),
        format!("--workload={workload}"),
        format!("--mode={mode}"),
    ];
    child::number(&args, within).await
}
