//! All seeds of one test, and what is said of them.
//!
//! `ODEON_SEED` chooses other seeds; `ODEON_REPLAY` names a replay file, which takes their place. What it is NOT: a
//! command line; that is `command.rs`.

use std::{fmt::Write as _, path::Path};

use super::{
    Order, ReplayFile, Run, Seeds,
    case::Case,
    links::Links,
    parent::run_all,
    replay_file,
    trial::{Options, Trial},
};
use crate::{Link, script::Script, verdict::Replay};

/// Seeds whose failure is told in full, and that leave a file; of the others the first line is enough.
const TOLD_MAX: usize = 3;

/// The orders of a test, and whether the developer asked for them.
struct Program {
    orders: Vec<Order>,
    asked: bool,
}

pub(super) fn test(trial: &Trial, options: &Options) {
    trial.become_child();
    let program = program(trial, options);
    let seeds = program.orders.len() / options.repeat.max(1);
    let runs = run_all(&trial.arguments, program.orders.clone(), options.limit);
    let (mut report, mut failed, mut last) = (String::new(), 0, Link::Quic);
    let of_seed = options.repeat.max(1);
    for (runs, orders) in runs.chunks(of_seed).zip(program.orders.chunks(of_seed)) {
        let link = orders[0].case.link;
        eprintln!("{link}, {}", runs[0].verdict);
        let told = if failed < TOLD_MAX { &mut report } else { &mut String::new() };
        if judge(runs, link, &program, options, told) {
            (failed, last) = (failed + 1, link);
            if failed <= TOLD_MAX && options.fails.is_none() {
                leave(trial, &runs[0], &orders[0], &mut report);
            }
        }
    }
    let replay = trial.replay.replace("<link>", last.name());
    assert!(failed == 0, "{report}{failed} of {seeds} seeds failed; to replay one: {replay}");
}

/// What is to be run: the test's seeds, or what the environment asks for.
fn program(trial: &Trial, options: &Options) -> Program {
    if let Some(path) = std::env::var_os("ODEON_REPLAY") {
        let file = ReplayFile::read(Path::new(&path)).unwrap_or_else(|error| panic!("{error}"));
        let text = file.script.to_text().unwrap_or_else(|error| panic!("{error}"));
        let order = Order::of(file.case(), text);
        return Program { orders: vec![order; options.repeat.max(1)], asked: true };
    }
    let asked = asked("ODEON_SEED", "is no seed: 7, 0x7 or 7..9, a million at most", Seeds::parse);
    let case = case(options);
    let links = links(options).each();
    let order = |seed: &u64| {
        let seed = *seed;
        links.iter().flat_map(move |link| {
            let order = trial.order(Case { seed, link: *link, ..case });
            vec![order.unwrap_or_else(|error| panic!("{error}")); options.repeat.max(1)]
        })
    };
    let seeds = asked.as_ref().unwrap_or(&options.seeds);
    Program { orders: seeds.0.iter().flat_map(order).collect(), asked: asked.is_some() }
}

/// What the developer asks for, or the test.
fn links(options: &Options) -> Links {
    asked("ODEON_LINK", "is no link: quic, frames or both", Links::parse).unwrap_or(options.links)
}

/// What is alike in all runs.
fn case(options: &Options) -> Case {
    let percent = |text: &str| text.parse().ok().filter(|percent| *percent <= 100);
    let schedule = "is no schedule: fifo, random or pct:DEPTH:STEPS";
    Case {
        schedule: asked("ODEON_SCHEDULE", schedule, |text| text.parse().ok())
            .unwrap_or(options.schedule)
            .clamped(),
        buggify_percent: asked("ODEON_BUGGIFY", "is no percentage: 0 to 100", percent)
            .unwrap_or(options.buggify),
        ..Case::new(0)
    }
}

/// What the developer asks for with this variable.
fn asked<T>(name: &str, wrong: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(parse(&text).unwrap_or_else(|| panic!("{name}={text} {wrong}")))
}

/// Leaves a replay file of a scenario that failed, and says where.
fn leave(trial: &Trial, run: &Run, order: &Order, report: &mut String) {
    let Ok(script) = Script::from_text(&order.script) else { return };
    let file = ReplayFile::of(&trial.name, &order.case, script, &run.verdict);
    let told = match file.leave(&replay_file::folder()) {
        Ok(path) => format!("to replay it: ODEON_REPLAY={}", path.display()),
        Err(error) => error.to_string(),
    };
    let _ = writeln!(report, "  {told}");
}

/// Writes what is wrong with the runs of one seed; whether anything is.
fn judge(
    runs: &[Run],
    link: Link,
    program: &Program,
    options: &Options,
    report: &mut String,
) -> bool {
    let (mut failed, replaying) = (false, program.asked);
    let mut wrong = |run: &Run, what: &str| {
        failed = true;
        let _ = writeln!(report, "{what}, {link}: {}", run.verdict);
        let count = if replaying { usize::MAX } else { 20 };
        let lines = &run.verdict.lines[run.verdict.lines.len().saturating_sub(count)..];
        for line in lines {
            let _ = writeln!(report, "  {line}");
        }
        if !run.output.is_empty() {
            let _ = writeln!(report, "  --- output\n{}", run.output);
        }
        if replaying {
            run.verdict.problems.iter().for_each(|problem| report.push_str(&problem.detail));
        }
    };
    for run in runs {
        match options.fails {
            None if !run.verdict.passed() => wrong(run, "failed"),
            Some(text) if !run.verdict.says(text) => {
                wrong(run, &format!("did not fail with {text:?}"))
            }
            _ => {}
        }
        // Where the sandbox refuses what replay needs, the verdict says so and this proves nothing.
        let comparable = run.verdict.replay == Replay::Guaranteed;
        if comparable && run.verdict.hash != runs[0].verdict.hash {
            wrong(&runs[0], "two runs of one seed differ, first");
            wrong(run, "second");
        }
    }
    failed
}
