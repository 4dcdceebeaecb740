//! Seeds a minute: five nodes on frames, every seed in a program of its own, two at a time, as tests run them.

use std::time::Duration;

use odeon_sim::{Link, Trial, World, runner::Case, scenario};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{cluster, row::passed};

const NODES: u16 = 5;

/// The virtual time of a seed.
const TIME: Duration = Duration::from_secs(60);

/// How long one seed may take before it is killed.
const LIMIT: Duration = Duration::from_secs(60);

async fn greetings(world: &mut World) -> Result<(), String> {
    cluster::run(world, NODES, TIME).await
}

fn minute() -> Trial {
    scenario!(minute, greetings)
}

/// Whether the runner has started this program to run one seed; then this does not return.
pub(crate) fn run_as_child() {
    if std::env::args().nth(1).as_deref() == Some("--exact") {
        // A parent's arguments and environment: the seed is run, and the program ends.
        drop(minute().run_each(&[], LIMIT));
    }
}

/// Runs that many seeds.
///
/// # Errors
/// When one fails.
pub(crate) fn measure(seeds: u64) -> Result<Value, String> {
    let cases = (0..seeds).map(|seed| Case { link: Link::Frames, ..Case::new(seed) });
    let cases: Vec<_> = cases.collect();
    let began = Instant::now();
    let verdicts = minute().run_each(&cases, LIMIT);
    let real = began.elapsed().as_secs_f64();
    verdicts.iter().try_for_each(|verdict| passed(verdict).map(drop))?;
    Ok(json!({
        "row": "seeds_per_minute", "link": "frames", "nodes": NODES, "virtual_s": TIME.as_secs(),
        "seeds": seeds, "at_once": 2, "real_s": (real * 1000.0).round() / 1000.0,
        "seeds_per_minute": (verdicts.len() as f64 * 60.0 / real).round(),
    }))
}
