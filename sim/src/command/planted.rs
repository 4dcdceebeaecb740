//! `planted`: whether the scenarios find the bugs that are planted in our own code, and how small they become.
//!
//! For each bug: the seeds are played with it until the check that speaks of it objects (`hunt.rs`), that seed is played
//! without it and must pass, and the failure is shrunk. The table is Markdown; PLANTED.md has one. What it is NOT: the search
//! for bugs that nobody planted; a seed that fails without its bug is one of those, and is said to be.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use odeon_message::planted::Bug;
use serde_json::{Value, json};

use super::{
    Failed, Limits, Printer,
    hunt::{Hunt, hunt},
    replay::run_orders,
    run, subject,
};
use crate::{
    runner::{Case, Lanes, Order, Run, Seeds, Trial, run_each},
    script::Script,
    shrink::{Shrinker, Spending},
    verdict::Verdict,
};

#[derive(Debug, clap::Args)]
pub(super) struct PlantedArgs {
    /// The bugs. Default: all of them; `list --planted` names them.
    #[arg(value_parser = super::plantable)]
    bugs: Vec<Bug>,
    /// The seeds among which each bug must be found: `0..1000`, whose end is left out; at most a million.
    #[arg(long, value_name = "A..B", default_value = "0..1000", value_parser = run::seeds)]
    seeds: Seeds,
    /// Runs that may be spent to shrink each failure.
    #[arg(long, value_name = "N", default_value_t = 500)]
    runs_max: usize,
    /// Seconds of real time that may be spent to shrink each failure, up to a week.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    time_max_s: u64,
    /// Print one JSON array instead of the table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limits: Limits,
}

/// What became of one bug.
struct Found {
    bug: Bug,
    /// The first seed that finds it, and how many were played until then.
    seed: u64,
    seeds: usize,
    /// The faults of that seed, and those that were left.
    faults: (usize, usize),
    /// What broke, and what the check that speaks of the bug says of it.
    problem: String,
    said: String,
}

pub(super) fn planted(
    args: &PlantedArgs,
    trials: &[Trial],
    out: &mut Printer<'_>,
) -> Result<bool, Failed> {
    let bugs = if args.bugs.is_empty() { Bug::ALL } else { &args.bugs[..] };
    bugs.iter().try_for_each(|bug| bug.check().map(drop)).map_err(Failed::usage)?;
    let mut table = Vec::new();
    if !args.json {
        out.line("| bug | scenario | found by | first seed | seeds played | faults | after shrinking | what it says |")?;
        out.line("|---|---|---|--:|--:|--:|--:|---|")?;
    }
    for bug in bugs {
        let found = find(*bug, args, trials)?;
        if !args.json {
            out.line(found.row())?;
        }
        table.push(found.to_json());
    }
    if args.json {
        out.json(&Value::from(table))?;
    }
    Ok(true)
}

/// Finds a bug, sees that it is the bug, and shrinks the failure.
fn find(bug: Bug, args: &PlantedArgs, trials: &[Trial]) -> Result<Found, Failed> {
    let hunt = hunt(bug);
    let trial = subject::find(hunt.scenario, trials)?;
    let mut limits = args.limits.clone();
    limits.plant = Some(bug);
    limits.buggify = limits.buggify.max(hunt.buggify_percent);
    let (seed, script, run) = first((bug, hunt), trial, args, &limits)?;
    let innocent = Case { planted: None, ..limits.case(seed) };
    let [without] = run_orders(trial, [Order::of(innocent, script.to_text()?)], &limits);
    if !without.verdict.passed() {
        let name = &trial.name;
        return Err(Failed::Run(format!("{name} fails without {bug} too, {}", without.verdict)));
    }
    let problem = run.verdict.problems[0].text.lines().next().unwrap_or_default().to_owned();
    let said = hunt.said(&run.verdict).unwrap_or_default().to_owned();
    let spending = Spending {
        runs_max: args.runs_max,
        time_max: Duration::from_secs(args.time_max_s),
        limit: limits.limit(),
        jobs: limits.jobs(),
    };
    let bar = bar(bug, args.runs_max, "runs to shrink it");
    let progress = |_: &Script, runs: usize| bar.set_position(runs as u64);
    let start = (script.clone(), run);
    let shrunk = Shrinker::new(trial, limits.case(seed), start, spending, progress).search();
    bar.finish_and_clear();
    let count = |script: &Script| script.faults().faults().len();
    let seeds = args.seeds.0.iter().take_while(|it| **it != seed).count() + 1;
    Ok(Found { bug, seed, seeds, faults: (count(&script), count(&shrunk.script)), problem, said })
}

/// A seed with its script, and what came of it.
type Played = (u64, Script, Run);

/// The first seed, in their order, that finds the bug.
fn first(
    (bug, hunt): (Bug, Hunt),
    trial: &Trial,
    args: &PlantedArgs,
    limits: &Limits,
) -> Result<Played, Failed> {
    let bar = bar(bug, args.seeds.0.len(), "seeds");
    let (stop, mut broken) = (AtomicBool::new(false), None);
    let mut found: Option<(usize, Played)> = None;
    let mut otherwise: Option<(usize, Verdict)> = None;
    let mut seeds = args.seeds.0.iter().copied().enumerate();
    let next = || {
        let (at, seed) = seeds.next().filter(|_| !stop.load(Ordering::Relaxed))?;
        match run::expand(trial, limits.case(seed)) {
            Ok((script, order)) => Some(((at, seed, script), order)),
            Err(error) => {
                broken = Some(error);
                None
            }
        }
    };
    // One that began earlier may end later: all that have begun come to their end.
    let end = |(at, seed, script): (usize, u64, Script), run: Run| {
        bar.inc(1);
        let comes_before = |other: Option<usize>| other.is_none_or(|first| at < first);
        if hunt.is_found_by(&run.verdict) {
            if comes_before(found.as_ref().map(|(first, _)| *first)) {
                stop.store(true, Ordering::Relaxed);
                found = Some((at, (seed, script, run)));
            }
        } else if !run.verdict.passed() && comes_before(otherwise.as_ref().map(|(first, _)| *first))
        {
            otherwise = Some((at, run.verdict));
        }
    };
    run_each(&trial.arguments, Lanes::Own(limits.jobs()), limits.limit(), next, end);
    bar.finish_and_clear();
    if let Some(error) = broken {
        return Err(error);
    }
    found.map(|(_, played)| played).ok_or_else(|| {
        let (name, count, awaited) = (&trial.name, args.seeds.0.len(), hunt.in_words());
        let mut text = format!("{count} seeds of {name} did not find {bug}, by {awaited}");
        if let Some((_, verdict)) = otherwise {
            text.push_str(&format!("; they failed otherwise, first {verdict}"));
        }
        Failed::Run(text)
    })
}

fn bar(bug: Bug, length: usize, what: &str) -> ProgressBar {
    let template = format!("{{prefix}}: {{pos}} of {{len}} {what}");
    let style =
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length as u64).with_style(style).with_prefix(bug.name())
}

impl Found {
    fn row(&self) -> String {
        let Self { bug, seed, seeds, faults: (before, after), said, .. } = self;
        let said = said.replace('|', "\\|");
        let Hunt { scenario, check, .. } = hunt(*bug);
        format!("| {bug} | {scenario} | {check} | {seed} | {seeds} | {before} | {after} | {said} |")
    }

    fn to_json(&self) -> Value {
        json!({
            "bug": self.bug.name(),
            "scenario": hunt(self.bug).scenario,
            "found_by": hunt(self.bug).check,
            "seed": self.seed,
            "seeds": self.seeds,
            "faults": self.faults.0,
            "faults_shrunk": self.faults.1,
            "problem": self.problem,
        })
    }
}
