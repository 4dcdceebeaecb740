//! `shrink`: the smallest part of a run that still fails, as a story and as a file.

use std::{
    num::NonZero,
    path::{Path, PathBuf},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Failed, Limits, Printer, replay::run_orders, subject::Subject};
use crate::{
    plan::in_words,
    runner::{ReplayFile, Trial, replay_folder},
    script::Script,
    shrink::{Shrinker, Shrunk, Spending},
};

/// Runs at once, unless more are asked for: half of them are in vain when the first fails.
const JOBS: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(1);

#[derive(Debug, clap::Args)]
pub(super) struct ShrinkArgs {
    /// A scenario, `NAME:SEED`, or a replay file. May be left out where there is one scenario only.
    what: Option<String>,
    /// The seed of the scenario.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs that may be spent.
    #[arg(long, value_name = "N", default_value_t = 500)]
    runs_max: usize,
    /// Seconds of real time that may be spent, up to a week.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    time_max_s: u64,
    /// The file to write. Default: beside the replay files of `run`, with `-shrunk` in its name.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limits: Limits,
}

pub(super) fn shrink(
    args: &ShrinkArgs,
    trials: &[Trial],
    out: &mut Printer<'_>,
) -> Result<bool, Failed> {
    let subject = Subject::find(args.what.as_deref(), args.seed, trials, &args.limits)?;
    let [run] = run_orders(subject.trial, [subject.order()?], &args.limits);
    if run.verdict.passed() {
        let title = subject.title();
        return Err(Failed::Usage(format!("{title} passes: there is nothing to shrink")));
    }
    if !args.json {
        out.line(format!("{} fails: {}", subject.title(), run.verdict.problems[0].text))?;
    }
    let spending = Spending {
        runs_max: args.runs_max,
        time_max: Duration::from_secs(args.time_max_s),
        limit: args.limits.limit(),
        jobs: args.limits.jobs.unwrap_or(JOBS),
    };
    let bar = ProgressBar::new(args.runs_max as u64);
    if let Ok(style) = ProgressStyle::with_template("{pos} of {len} runs, {msg}") {
        bar.set_style(style);
    }
    let before = size(&subject.script);
    let progress = |script: &Script, runs: usize| {
        bar.set_position(runs as u64);
        bar.set_message(size(script));
    };
    let start = (subject.script.clone(), run);
    let shrunk = Shrinker::new(subject.trial, subject.case, start, spending, progress).search();
    bar.finish_and_clear();
    let verdict = shrunk.run.verdict.clone();
    let script = shrunk.script.clone();
    let file = ReplayFile::of(&subject.trial.name, &subject.case, script, &verdict);
    let beside = || replay_folder().join(format!("{}-shrunk.json", file.stem()));
    let path = args.out.clone().unwrap_or_else(beside);
    file.write(&path).map_err(Failed::run)?;
    if args.json {
        out.json(&to_json(&subject, &shrunk, &path))?;
        return Ok(true);
    }
    out.line(format!("{before}, after {} runs {}", shrunk.runs, size(&shrunk.script)))?;
    if shrunk.spent {
        out.line("the runs or the time were spent: with more of either it may become smaller")?;
    }
    for sentence in shrunk.script.story(|step| subject.describe(step)) {
        out.line(format!("  {sentence}"))?;
    }
    out.line(format!("then: {}", verdict.problems.first().map_or("", |problem| &problem.text)))?;
    out.line(format!("written to {0}; replay {0} runs it again", path.display()))?;
    Ok(true)
}

fn to_json(subject: &Subject<'_>, shrunk: &Shrunk, path: &Path) -> serde_json::Value {
    let Shrunk { script, run, runs, spent } = shrunk;
    json!({
        "scenario": subject.trial.name,
        "seed": subject.case.seed,
        "faults": script.faults().faults().len(),
        "steps": script.steps().len(),
        "runs": runs,
        "spent": spent,
        "story": script.story(|step| subject.describe(step)),
        "then": run.verdict.problems.first().map(|problem| problem.text.clone()),
        "replay_file": path.display().to_string(),
    })
}

/// How much is in a script.
fn size(script: &Script) -> String {
    let count = |count: usize, what: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {what}{plural}")
    };
    let faults = count(script.faults().faults().len(), "fault");
    let steps = count(script.steps().len(), "step");
    format!("{faults}, {steps}, {}", in_words(script.safety()))
}
