//! `run`: many seeds, each in a program of its own.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    Failed, Limits, Printer, junit, subject,
    tally::{Failure, Tally},
};
use crate::{
    printable::printable,
    runner::{Case, Lanes, Order, ReplayFile, Run, Seeds, Trial, replay_folder, run_each},
    script::Script,
};

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// The scenarios to run. Default: all of them.
    names: Vec<String>,
    /// The seeds: `7`, `0x1f` or `0..1000`, whose end is left out; at most a million.
    #[arg(long, value_name = "A..B", default_value = "0..100", value_parser = seeds)]
    seeds: Seeds,
    /// Stop after so many seeds that failed.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    failures_max: u64,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// Write a JUnit report to this file.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Where replay files of seeds that failed are left. Default: `odeon-replays`, beside what cargo built or here.
    #[arg(long, value_name = "FOLDER")]
    replays: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
}

/// Reads the flag.
pub(super) fn seeds(text: &str) -> Result<Seeds, String> {
    let seeds = Seeds::parse(text).filter(|seeds| !seeds.0.is_empty());
    seeds
        .ok_or_else(|| "take a seed or a range of a million at most: 7, 0x1f or 0..1000".to_owned())
}

pub(super) fn run(args: &RunArgs, trials: &[Trial], out: &mut Printer<'_>) -> Result<bool, Failed> {
    let named = args.names.iter().map(|name| subject::find(name, trials));
    let mut chosen = named.collect::<Result<Vec<_>, _>>()?;
    if chosen.is_empty() {
        chosen = trials.iter().collect();
    }
    if let Some(path) = &args.junit {
        // At once: the runs may take hours.
        write_report(path, "").map_err(Failed::Usage)?;
    }
    odeon_interpose::note_interrupts();
    let mut tallies = Vec::new();
    for trial in chosen {
        if odeon_interpose::interrupted() {
            break;
        }
        let tally = run_one(args, trial)?;
        if !args.json {
            tell(&tally, trial, &args.limits, out)?;
        }
        tallies.push(tally);
    }
    let (failed, interrupted) =
        (tallies.iter().any(|tally| tally.failed > 0), odeon_interpose::interrupted());
    if args.json {
        let scenarios: Vec<_> = tallies.iter().map(Tally::to_json).collect();
        let passed = !failed && !interrupted;
        let all = json!({ "passed": passed, "interrupted": interrupted, "scenarios": scenarios });
        out.json(&all)?;
    }
    if let Some(path) = &args.junit {
        write_report(path, &junit::report(&tallies)).map_err(Failed::Run)?;
    }
    if interrupted && !failed { Err(Failed::Interrupted) } else { Ok(!failed) }
}

fn write_report(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| {
        format!("the report cannot be written to {}: {error}; name another file", path.display())
    })
}

/// The lines about one scenario.
fn tell(
    tally: &Tally,
    trial: &Trial,
    limits: &Limits,
    out: &mut Printer<'_>,
) -> Result<(), Failed> {
    out.line(tally.in_words())?;
    if let Some((seeds, why)) = &tally.unknown {
        out.line(format!(
            "  of {seeds} seeds it is not known whether they pass; allow them more time with --limit-s: {}",
            printable(why)
        ))?;
    }
    if let Some((runs, why)) = &tally.not_guaranteed {
        out.line(format!("  the replay of {runs} runs is not guaranteed: {why}"))?;
    }
    for Failure { seed, problems, file } in &tally.failures {
        out.line(format!("  seed {seed} failed"))?;
        for problem in problems {
            out.line(format!("    {}", printable(problem).replace('\n', "\n    ")))?;
        }
        match file {
            Ok(path) => {
                let (name, flags, path) = (&trial.name, limits.flags(), path.display());
                out.line(format!(
                    "    replay {name} --seed {seed}{flags}, or replay {path}; shrink takes the same"
                ))?;
            }
            Err(why) => out.line(format!("    {why}"))?,
        }
    }
    Ok(())
}

/// All seeds of one scenario.
#[expect(
    clippy::disallowed_methods,
    reason = "speed is measured in real time, outside every world"
)]
fn run_one(args: &RunArgs, trial: &Trial) -> Result<Tally, Failed> {
    let folder = args.replays.clone().unwrap_or_else(replay_folder);
    let bar = bar(&trial.name, args.seeds.0.len() as u64);
    let began = Instant::now();
    let mut tally = Tally { name: trial.name.clone(), ..Tally::default() };
    let (stop, mut broken) = (AtomicBool::new(false), None);
    let mut seeds = args.seeds.0.iter().copied();
    // Expanded one by one, as they are needed: a million scripts would not fit into memory.
    let next = || {
        let stops = stop.load(Ordering::Relaxed) || odeon_interpose::interrupted();
        let seed = seeds.next().filter(|_| !stops)?;
        match expand(trial, args.limits.case(seed)) {
            Ok((script, order)) => Some(((seed, script), order)),
            Err(error) => {
                broken = Some(error);
                None
            }
        }
    };
    let end = |(seed, script): (u64, Script), run: Run| {
        tally.count(&script, &run.verdict);
        if !run.verdict.passed() {
            tally.fail(failure(trial, &args.limits.case(seed), script, &run, &folder));
            stop.fetch_or(tally.failed >= args.failures_max, Ordering::Relaxed);
        }
        tally.real_time = began.elapsed();
        bar.set_message(progress(&tally, bar.length().unwrap_or(0)));
        bar.set_position(tally.seeds);
    };
    let lanes = Lanes::Own(args.limits.jobs());
    run_each(&trial.arguments, lanes, args.limits.limit(), next, end);
    bar.finish_and_clear();
    broken.map_or(Ok(tally), Err)
}

/// The script of a seed, and the order to run it.
pub(super) fn expand(trial: &Trial, case: Case) -> Result<(Script, Order), Failed> {
    let cast = trial.act.cast();
    let cast = cast.ok_or_else(|| Failed::Usage(format!("{} is no scenario", trial.name)))?;
    let script = cast.expand(case.seed)?;
    let order = Order::of(case, script.to_text()?);
    Ok((script, order))
}

/// Leaves the replay file of a seed that failed.
fn failure(trial: &Trial, case: &Case, script: Script, run: &Run, folder: &Path) -> Failure {
    let file = ReplayFile::of(&trial.name, case, script, &run.verdict);
    let seed = case.seed;
    let problems = run.verdict.problems.iter().map(|problem| problem.text.clone()).collect();
    Failure { seed, problems, file: file.leave(folder).map_err(|error| error.to_string()) }
}

/// The line while seeds run. What does not fit into the terminal is cut off at its end.
fn bar(name: &str, seeds: u64) -> ProgressBar {
    let template = "{prefix} [{bar:12}] {pos}/{len} seeds, {wide_msg}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(seeds).with_style(style.progress_chars("=> "));
    bar.with_prefix(name.to_owned()).with_message("none has ended yet")
}

fn progress(tally: &Tally, seeds: u64) -> String {
    let (rate, time) = (tally.seeds_per_second(), tally.virtual_time.as_secs());
    let (failed, faults) = (tally.failed, tally.faults_in_words());
    let left = match rate > 0.0 {
        true => format!(", {:.0} s left", seeds.saturating_sub(tally.seeds) as f64 / rate),
        false => String::new(),
    };
    format!("{failed} failed{left}, {rate:.1}/s, {time} s of virtual time, {faults}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn progress_begins_with_what_must_not_be_cut_off() {
        let mut tally = Tally { seeds: 250, ..Tally::default() };
        tally.real_time = Duration::from_secs(50);
        tally.virtual_time = Duration::from_secs(9_000);
        tally.faults.insert(crate::FaultKind::Crash, 7);
        let expected = "0 failed, 150 s left, 5.0/s, 9000 s of virtual time, faults: 7 crash";
        assert_eq!(progress(&tally, 1_000), expected);
        assert!(progress(&Tally::default(), 1).starts_with("0 failed, 0.0/s"));
    }
}
