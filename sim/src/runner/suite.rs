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

/// Runs whose orders and verdicts are in memory at once, about: each may have a script of a megabyte.
const RUNS_AT_ONCE: usize = 64;

/// What a test is to run, and whether the developer asked for it.
enum Program {
    File(Box<ReplayFile>),
    Seeds { seeds: Seeds, links: Links, case: Case, asked: bool },
}

/// The runs of one test that failed.
#[derive(Default)]
struct Failed {
    count: usize,
    report: String,
    /// The link of the last one.
    link: Link,
}

pub(super) fn test(trial: &Trial, options: &Options) {
    trial.become_child();
    let program = program(trial, options);
    let (mut failed, mut count) = (Failed::default(), 0);
    let mut cases = program.cases().peekable();
    while cases.peek().is_some() {
        let some = cases.by_ref().take(RUNS_AT_ONCE).collect::<Vec<_>>();
        count += some.len();
        run_some(trial, options, &program, &some, &mut failed);
    }
    let Failed { count: wrong, report, link } = failed;
    let replay = trial.replay.replace("<link>", link.name());
    assert!(wrong == 0, "{report}{wrong} of {count} seeds failed; to replay one: {replay}");
}

/// Runs each of these cases as often as the test asks for, and judges it.
fn run_some(
    trial: &Trial,
    options: &Options,
    program: &Program,
    cases: &[Case],
    failed: &mut Failed,
) {
    let of_seed = options.repeat.max(1);
    let orders = cases.iter().flat_map(|case| vec![program.order(trial, *case); of_seed]);
    let orders = orders.collect::<Vec<_>>();
    let runs = run_all(&trial.arguments, orders.clone(), options.limit);
    for (runs, orders) in runs.chunks(of_seed).zip(orders.chunks(of_seed)) {
        let link = orders[0].case.link;
        eprintln!("{link}, {}", runs[0].verdict);
        let told = failed.count < TOLD_MAX;
        let report = if told { &mut failed.report } else { &mut String::new() };
        if judge(runs, link, program.is_asked(), options, report) {
            (failed.count, failed.link) = (failed.count + 1, link);
            if told && options.fails.is_none() {
                leave(trial, &runs[0], &orders[0], &mut failed.report);
            }
        }
    }
}

impl Program {
    fn is_asked(&self) -> bool {
        matches!(self, Self::File(_) | Self::Seeds { asked: true, .. })
    }

    /// What is to be run, each on each link.
    fn cases(&self) -> impl Iterator<Item = Case> {
        let (file, seeds) = match self {
            Self::File(file) => (Some(file.case()), None),
            Self::Seeds { seeds, links, case, .. } => (None, Some((seeds, links, case))),
        };
        let seeds = seeds.into_iter().flat_map(|(seeds, links, case)| {
            let on = move |seed| {
                links.each().iter().map(move |link| Case { seed, link: *link, ..*case })
            };
            seeds.0.iter().copied().flat_map(on)
        });
        file.into_iter().chain(seeds)
    }

    /// The order of one of them.
    fn order(&self, trial: &Trial, case: Case) -> Order {
        let order = match self {
            Self::File(file) => file.script.to_text().map(|text| Order::of(case, text)),
            Self::Seeds { .. } => trial.order(case),
        };
        order.unwrap_or_else(|error| panic!("{error}"))
    }
}

/// What is to be run: the test's seeds, or what the environment asks for.
fn program(trial: &Trial, options: &Options) -> Program {
    if let Some(path) = std::env::var_os("ODEON_REPLAY") {
        let file = ReplayFile::read(Path::new(&path)).unwrap_or_else(|error| panic!("{error}"));
        let (theirs, ours) = (&file.scenario, &trial.name);
        assert!(
            trial.act.cast().is_some() && theirs == ours,
            "{} replays the scenario {theirs:?}, and this test plays {ours:?}; name the test to be run",
            Path::new(&path).display()
        );
        return Program::File(Box::new(file));
    }
    let asked = asked(
        "ODEON_SEED",
        "is no seed: 7, 0x7 or 7..9, one at least and a million at most",
        |text| Seeds::parse(text).filter(|seeds| !seeds.0.is_empty()),
    );
    let (is_asked, seeds) = (asked.is_some(), asked.unwrap_or_else(|| options.seeds.clone()));
    assert!(
        !seeds.0.is_empty(),
        "the test {} has no seeds; give it a range like 0..20",
        trial.name
    );
    Program::Seeds { seeds, links: links(options), case: case(options), asked: is_asked }
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
    replaying: bool,
    options: &Options,
    report: &mut String,
) -> bool {
    let mut failed = false;
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
