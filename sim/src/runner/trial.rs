//! What a run plays, and how a fresh program finds it.
//!
//! The same function is both sides: in the program that the developer started it is the parent; in the program that
//! the parent started, it finds an order on its standard input, runs it and never returns. Read `suite.rs` next.

use std::time::Duration;

use super::{
    act::{Act, Body},
    case::Case,
    links::Links,
    seeds::Seeds,
};
use crate::{difference::Difference, scenario::Scenario, schedule::Schedule, verdict::Verdict};

/// The first argument of a program that a scenario binary started to run one seed.
const CHILD: &str = "run-one-seed";

/// A body or a scenario, and how a fresh program finds it: one test has one trial, a scenario binary one a scenario.
#[derive(Clone, Debug)]
pub struct Trial {
    pub(crate) name: String,
    pub(crate) about: &'static str,
    pub(crate) act: Act,
    /// The arguments of the fresh program.
    pub(crate) arguments: Vec<String>,
    /// How a developer replays `<seed>` on `<link>`.
    pub(crate) replay: String,
}

/// How the seeds of one test are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The seeds. Default: 0 to 9.
    pub seeds: Seeds,
    /// What the connections of each seed run on. Default: real QUIC.
    pub links: Links,
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
            links: Links::Quic,
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

/// What came of [`Trial::check`].
#[derive(Clone, Debug)]
pub struct Checked {
    /// Both runs; empty on platforms without interposed symbols.
    pub verdicts: Vec<Verdict>,
    /// Where they part, if they do.
    pub difference: Option<Difference>,
}

impl Checked {
    /// Compares two runs, which `run` makes. Where the lines of the first difference were forgotten, it is called again
    /// with the last event of which lines are to be kept.
    pub(crate) fn of(mut run: impl FnMut(u64) -> Vec<Verdict>) -> Self {
        let mut checked = Self { verdicts: run(u64::MAX), difference: None };
        for _ in 0..CHECKS_MAX {
            let [left, right] = &checked.verdicts[..] else { return checked };
            checked.difference = Difference::between(left, right);
            match &checked.difference {
                Some(found) if !found.is_exact => checked.verdicts = run(found.event),
                _ => return checked,
            }
        }
        checked
    }
}

impl Trial {
    /// A plain body, as the test function with this path, which `module_path!()` and its name give. The attribute
    /// [`test`](crate::test) and the macro [`scenario`](crate::scenario) write this.
    #[must_use]
    pub fn new(package: &'static str, path: &'static str, body: Body) -> Self {
        Self::of_test(package, path, "", Act::Body(body))
    }

    /// A scenario, as the test function with this path. The attribute [`test`](crate::test) writes this.
    #[must_use]
    pub fn of_scenario<S: Scenario>(
        package: &'static str,
        path: &'static str,
        make: fn() -> S,
    ) -> Self {
        Self { name: S::NAME.to_owned(), ..Self::of_test(package, path, S::ABOUT, Act::of(make)) }
    }

    /// A scenario, as one of a scenario binary. The macro [`main`](crate::main) writes this.
    #[must_use]
    pub fn of_binary<S: Scenario>(make: fn() -> S) -> Self {
        Self {
            name: S::NAME.to_owned(),
            about: S::ABOUT,
            act: Act::of(make),
            arguments: vec![CHILD.to_owned(), S::NAME.to_owned()],
            replay: format!("replay {} --seed <seed> --link <link>", S::NAME),
        }
    }

    fn of_test(package: &str, path: &'static str, about: &'static str, act: Act) -> Self {
        // The harness leaves the name of the crate out.
        let test = path.split_once("::").map_or(path, |(_, test)| test);
        #[cfg(target_os = "linux")]
        let arguments = super::child::test_arguments(test);
        #[cfg(not(target_os = "linux"))]
        let arguments = Vec::new();
        let replay = format!(
            "ODEON_SEED=<seed> ODEON_LINK=<link> cargo test -p {package} {test} -- --exact --nocapture"
        );
        Self { name: test.to_owned(), about, act, arguments, replay }
    }

    /// Runs the case `times` times, each in a fresh program, at most two at once.
    ///
    /// In a child, runs the child's order and ends the program. On platforms without interposed symbols, returns
    /// nothing.
    ///
    /// # Panics
    /// When this program cannot be started again, or a scenario makes a script that cannot be run.
    #[must_use]
    pub fn run(&self, case: Case, times: usize, limit: Duration) -> Vec<Verdict> {
        self.run_each(&vec![case; times], limit)
    }

    /// Runs each case in a fresh program, at most two at once; the verdicts are in the order of the cases.
    ///
    /// In a child, runs the child's order and ends the program. On platforms without interposed symbols, returns
    /// nothing.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[must_use]
    pub fn run_each(&self, cases: &[Case], limit: Duration) -> Vec<Verdict> {
        if odeon_interpose::unsupported().is_some() {
            return Vec::new();
        }
        #[cfg(target_os = "linux")]
        {
            self.become_child();
            let order = |case: &Case| self.order(*case).unwrap_or_else(|error| panic!("{error}"));
            let orders = cases.iter().map(order).collect();
            let runs = super::parent::run_all(&self.arguments, orders, limit);
            runs.into_iter().map(|run| run.verdict).collect()
        }
        #[cfg(not(target_os = "linux"))]
        Vec::new()
    }
}

impl Trial {
    /// Runs the case twice and explains where the two part, if they do. Where the lines of that place were forgotten, both
    /// are run again up to there, a few times if need be; the verdicts are then those of the last pair.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[must_use]
    pub fn check(&self, case: Case, limit: Duration) -> Checked {
        let until = case.lines_until;
        Checked::of(|event| self.run(Case { lines_until: event.min(until), ..case }, 2, limit))
    }
}

#[cfg(target_os = "linux")]
impl Trial {
    /// In a child of this trial, runs its order and ends the program.
    pub(crate) fn become_child(&self) {
        if let Some(child) = super::child::Child::find(&self.arguments) {
            child.run(&self.act);
        }
    }

    /// The order of a case: with the script of its seed, where it is a scenario's.
    pub(crate) fn order(&self, case: Case) -> Result<super::Order, crate::script::ScriptError> {
        Ok(match self.act.cast() {
            Some(cast) => super::Order::of(case, cast.expand(case.seed)?.to_text()?),
            None => super::Order::plain(case),
        })
    }
}

/// Runs a trial as a test: every seed must come to what the options say.
///
/// What the developer asks for in the environment takes the place of options: `ODEON_SEED` (`7`, `0x7`, `7..9`),
/// `ODEON_LINK` (`quic`, `frames`, `both`), `ODEON_SCHEDULE` (`fifo`, `random`, `pct:DEPTH:STEPS`), `ODEON_BUGGIFY` (0 to 100); `ODEON_REPLAY` names a replay
/// file, which a scenario plays instead of seeds.
///
/// # Panics
/// When a seed does not; the text names the seed, the reason and how to replay it.
pub fn test(trial: &Trial, options: &Options) {
    if let Some(reason) = odeon_interpose::unsupported() {
        eprintln!("skipped: {reason}");
        return;
    }
    #[cfg(target_os = "linux")]
    super::suite::test(trial, options);
}

/// The trial of a plain test: `scenario!(name_of_the_test, body)`, where the body is an async function of
/// `&mut World`. See [`Trial`].
#[macro_export]
macro_rules! scenario {
    ($test:ident, $body:path) => {{
        fn body<'w>(
            world: &'w mut $crate::World,
        ) -> $crate::LocalFuture<'w, ::std::result::Result<(), String>> {
            ::std::boxed::Box::pin(async move { $crate::Outcome::outcome($body(world).await) })
        }
        let path = ::std::concat!(::std::module_path!(), "::", ::std::stringify!($test));
        $crate::Trial::new(::std::env!("CARGO_PKG_NAME"), path, body)
    }};
}

/// The trial of a test that plays a [`Scenario`]: `play!(name_of_the_test, function)`, where the function makes the
/// scenario. See [`Trial`].
#[macro_export]
macro_rules! play {
    ($test:ident, $make:path) => {{
        let path = ::std::concat!(::std::module_path!(), "::", ::std::stringify!($test));
        $crate::Trial::of_scenario(::std::env!("CARGO_PKG_NAME"), path, $make)
    }};
}
