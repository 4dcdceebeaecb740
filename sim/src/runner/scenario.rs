//! A scenario, and what to do with it.
//!
//! The same function is both sides: in the test that the developer started it is the parent; in the program that
//! the parent started, it finds a case on its standard input, runs it and never returns. Read `parent.rs` next.

use std::time::Duration;

use super::{case::Case, seeds::Seeds};
use crate::{
    difference::Difference,
    outcome::LocalFuture,
    schedule::Schedule,
    verdict::{Replay, Verdict},
    world::{World, WorldBuilder},
};

/// The body of a scenario.
pub type Body = for<'w> fn(&'w mut World) -> LocalFuture<'w, Result<(), String>>;

/// A body, and the test it belongs to. One test has one scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    package: &'static str,
    test: &'static str,
    body: Body,
}

/// How the seeds of one test are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The seeds. Default: 0 to 9.
    pub seeds: Seeds,
    /// In how many fresh programs each seed is run; their hashes must be equal. Default: 1.
    pub repeat: usize,
    /// How long one run may take, in real time, before it is killed. Default: 60 s.
    pub limit: Duration,
    /// What every seed must fail with; for tests of what makes a seed fail. Default: seeds must pass.
    pub fails: Option<&'static str>,
    /// In which order nodes and actors that are ready have their turns. Default: [`Schedule::Random`].
    pub schedule: Schedule,
    /// How many of a hundred places that say [`buggify!`](odeon::buggify!) are on. Default: 0.
    pub buggify: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seeds: (0..10).into(),
            repeat: 1,
            limit: Duration::from_secs(60),
            fails: None,
            schedule: Schedule::Random,
            buggify: 0,
        }
    }
}

/// How often a pair is run for a difference whose lines were forgotten: chance may move it each time.
const CHECKS_MAX: usize = 4;

/// What came of [`Scenario::check`].
#[derive(Clone, Debug)]
pub struct Check {
    /// Both runs; empty on platforms without interposed symbols.
    pub verdicts: Vec<Verdict>,
    /// Where they part, if they do.
    pub difference: Option<Difference>,
}

impl Scenario {
    /// A scenario of the test function with this path, as `module_path!()` and its name give it. The attribute
    /// [`test`](crate::test) and the macro [`scenario`](crate::scenario) write this.
    #[must_use]
    pub fn new(package: &'static str, path: &'static str, body: Body) -> Self {
        // The harness leaves the name of the crate out.
        let test = path.split_once("::").map_or(path, |(_, test)| test);
        Self { package, test, body }
    }

    /// Runs the case `times` times, each in a fresh program, at most two at once.
    ///
    /// In a child, runs the child's case and ends the program. On platforms without interposed symbols, returns
    /// nothing.
    ///
    /// # Panics
    /// When this program cannot be started again.
    #[must_use]
    pub fn run(&self, case: Case, times: usize, limit: Duration) -> Vec<Verdict> {
        self.run_all(&vec![case; times], limit).into_iter().map(|run| run.verdict).collect()
    }

    /// Runs the case twice and explains where the two part, if they do. Where the lines of that place were forgotten, both
    /// are run again up to there, a few times if need be; the verdicts are then those of the last pair.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[must_use]
    pub fn check(&self, case: Case, limit: Duration) -> Check {
        let mut case = case;
        let mut checked = Check { verdicts: self.run(case, 2, limit), difference: None };
        for _ in 0..CHECKS_MAX {
            let [left, right] = &checked.verdicts[..] else { return checked };
            checked.difference = Difference::between(left, right);
            match &checked.difference {
                Some(found) if !found.is_exact => {
                    case.lines_until = found.event;
                    checked.verdicts = self.run(case, 2, limit);
                }
                _ => return checked,
            }
        }
        checked
    }

    #[cfg(target_os = "linux")]
    fn run_all(&self, cases: &[Case], limit: Duration) -> Vec<super::parent::Run> {
        if odeon_interpose::unsupported().is_some() {
            return Vec::new();
        }
        if let Some(child) = super::child::Child::find(self.test) {
            child.run(self.body);
        }
        super::parent::run_all(self.test, cases, limit)
    }
}

/// Runs a scenario as a test: every seed must come to what the options say.
///
/// What the developer asks for in the environment takes the place of options: `ODEON_SEED` (`7`, `0x7`, `7..9`),
/// `ODEON_SCHEDULE` (`fifo`, `random`, `pct:DEPTH:STEPS`), `ODEON_BUGGIFY` (0 to 100).
///
/// # Panics
/// When a seed does not; the text names the seed, the reason and how to replay it.
pub fn test(scenario: &Scenario, options: &Options) {
    if let Some(reason) = odeon_interpose::unsupported() {
        eprintln!("skipped: {reason}");
        return;
    }
    #[cfg(target_os = "linux")]
    linux::test(scenario, options);
}

/// Runs one case in this program; for the child.
#[cfg(target_os = "linux")]
pub(super) fn run_here(case: &Case, body: Body) -> Verdict {
    WorldBuilder::new(case.seed)
        .switches(case.switches)
        .schedule(case.schedule)
        .buggify(case.buggify_percent)
        .lines_until(case.lines_until)
        .run(async |world: &mut World| body(world).await)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt::Write as _;

    use super::*;
    use crate::runner::parent::Run;

    /// Seeds whose failure is told in full; of the others the first line is enough.
    const TOLD_MAX: usize = 3;

    pub(super) fn test(scenario: &Scenario, options: &Options) {
        let asked = asked("ODEON_SEED", "is no seed: 7, 0x7 or 7..9", Seeds::parse);
        let seeds = asked.as_ref().unwrap_or(&options.seeds);
        let case = case(options);
        let cases: Vec<_> = seeds
            .0
            .iter()
            .flat_map(|seed| vec![Case { seed: *seed, ..case }; options.repeat.max(1)])
            .collect();
        let runs = scenario.run_all(&cases, options.limit);
        let (mut report, mut failed) = (String::new(), 0);
        for runs in runs.chunks(options.repeat.max(1)) {
            eprintln!("{}", runs[0].verdict);
            let told = if failed < TOLD_MAX { &mut report } else { &mut String::new() };
            failed += usize::from(judge(runs, options, asked.is_some(), told));
        }
        let Scenario { package, test, .. } = scenario;
        let replay =
            format!("ODEON_SEED=<seed> cargo test -p {package} {test} -- --exact --nocapture");
        assert!(
            failed == 0,
            "{report}{failed} of {} seeds failed; to replay one: {replay}",
            seeds.0.len()
        );
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

    /// Writes what is wrong with the runs of one seed; whether anything is.
    fn judge(runs: &[Run], options: &Options, replaying: bool, report: &mut String) -> bool {
        let (mut failed, mut difference) = (false, None);
        let mut wrong = |run: &Run, what: &str| {
            failed = true;
            let _ = writeln!(report, "{what}: {}", run.verdict);
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
                difference = Difference::between(&runs[0].verdict, &run.verdict);
            }
        }
        if let Some(difference) = difference {
            let _ = writeln!(report, "{difference}");
        }
        failed
    }
}

/// The scenario of a plain test: `scenario!(name_of_the_test, body)`, where the body is an async function of
/// `&mut World`. See [`Scenario`].
#[macro_export]
macro_rules! scenario {
    ($test:ident, $body:path) => {{
        fn body<'w>(
            world: &'w mut $crate::World,
        ) -> $crate::LocalFuture<'w, ::std::result::Result<(), String>> {
            ::std::boxed::Box::pin(async move { $crate::Outcome::outcome($body(world).await) })
        }
        let path = ::std::concat!(::std::module_path!(), "::", ::std::stringify!($test));
        $crate::Scenario::new(::std::env!("CARGO_PKG_NAME"), path, body)
    }};
}
