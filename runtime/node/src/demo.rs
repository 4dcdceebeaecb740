//! `odeon demo`: counts words on nodes that are separate processes, kills one, and checks that nothing was lost.
//!
//! What it is: the flags, and one run from the input to the report. The driver on its way is `demo/stage.rs`, which is next
//! to read. What it is NOT: a benchmark; its figures are of one run on a busy machine.

mod broken;
pub(crate) mod child;
mod children;
mod input;
pub(crate) mod job;
mod journal;
mod meter;
mod papers;
mod report;
mod simulated;
mod stage;
mod verdict;
mod witness;

use std::{
    path::PathBuf,
    rc::Rc,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    demo::{
        job::{COUNTERS_PER_NODE, words::BATCH_WORDS_MAX},
        journal::Journal,
        papers::Papers,
        stage::Stage,
    },
    failure::Failed,
};

/// Fewest words for each node of a run in which one is killed in the middle; the embedded text is enough for any.
const NODE_WORDS_MIN: usize = 100_000;

/// Counts words on a cluster of processes on this machine.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Text files to count, with 100,000 words or more for each node together unless --no-kill is given; without any, an embedded
    /// text is repeated to a million words.
    files: Vec<PathBuf>,
    /// Node processes to start, 2 to 16.
    #[arg(long, default_value_t = 3, allow_negative_numbers = true, value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// Do not kill a node in the middle.
    #[arg(long)]
    no_kill: bool,
    /// Chooses when the node is killed and which node counts what.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    seed: u64,
    /// Run the same job in the deterministic simulator instead, once for each of many seeds, and break it on purpose.
    #[arg(long, conflicts_with_all = ["files", "nodes", "no_kill", "seed"])]
    sim: bool,
    /// The seeds of --sim: `7` or `0..200`, whose end is left out.
    #[arg(long, value_name = "A..B", default_value = "0..200", requires = "sim")]
    seeds: String,
    /// Plant a bug in Odeon itself, find it in the simulator, shrink it, and tell the story. By default an ask that is given
    /// up and runs all the same; `odeon sim list --planted` names the others.
    #[arg(long = "break", value_name = "BUG", num_args = 0..=1, default_missing_value = broken::BUG)]
    #[arg(conflicts_with_all = ["files", "nodes", "no_kill", "seed", "sim", "seeds"])]
    planted: Option<String>,
    /// Print one line of JSON at the end, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
}

/// Microseconds since 1970.
fn micros(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

/// Runs the demo; true if everything was equal and honest.
pub(crate) async fn run(args: DemoArgs) -> Result<bool, Failed> {
    if let Some(bug) = &args.planted {
        return broken::run(bug, args.json);
    }
    if args.sim {
        return simulated::run(&args.seeds, args.json);
    }
    let count = usize::from(args.nodes);
    let partitions = count * COUNTERS_PER_NODE;
    let words = Rc::new(input::read_all(&args.files, partitions).map_err(Failed::input)?);
    let words_min = (NODE_WORDS_MIN * count).min(input::EMBEDDED_WORDS_MIN);
    if !args.no_kill && words.total() < words_min {
        let total = words.total();
        return Err(Failed::input(format!(
            "the input has {total} words, and a node is killed in the middle of {words_min} or more: give more, or \
             --no-kill"
        )));
    }
    let names: Vec<String> = (1..=count).map(|n| format!("n{n}")).collect();
    let env = odeon::env::RealEnv;
    let now = odeon::env::Env::wall_clock(&env);
    let with_driver: Vec<String> = names.iter().cloned().chain(["driver".to_owned()]).collect();
    let papers = Papers::make(&with_driver, now, micros(now)).map_err(Failed::run)?;
    // Every batch is asked at most a handful of times: once, and once more for each lost counter.
    let entries = 4 * (words.total() / BATCH_WORDS_MAX + partitions) + 4096 * partitions;
    let journal =
        Journal::create(&papers::journal(papers.folder()), entries).map_err(Failed::run)?;

    let run = async {
        let mut stage = Stage::open(&args, names, words, papers.folder()).await?;
        let outcome = stage.play(&args, &journal).await;
        let left = stage.close().await;
        outcome.map(|report| (report, left))
    };
    let outcome = tokio::select! {
        outcome = run => outcome,
        // The folder with its keys goes, and with it the children, whose handles are dropped.
        _ = tokio::signal::ctrl_c() => Err(Failed::run("interrupted")),
    };
    let (mut report, left) = outcome.inspect_err(|failed| {
        if args.json {
            // It failed anyway, and says so on standard error too.
            let _ = report::print_failure(&failed.to_string());
        }
    })?;
    if !left {
        report.find("a node did not leave by itself when it was asked to");
    }
    report.print(args.json)?;
    Ok(report.ok())
}
