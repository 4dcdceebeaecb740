//! The command line of every scenario binary: `list`, `run`, `replay`, `shrink`, `check`, `diff`,
//! `timeline`, `planted`.
//!
//! What it is: flags, and one file for each command. What it is NOT: anything that a test could not do as well; runs,
//! replay files and shrinking are the library's. Results go to standard output, progress and errors to standard error.
//! The exit status is 0 where everything passed, 1 where a seed failed or two runs differ, 2 where a value that was given
//! cannot be used, 130 where Ctrl-C or SIGTERM ended it early and nothing had failed until then. Read `command/run.rs` next.

mod compare;
mod hunt;
mod junit;
mod list;
mod planted;
mod replay;
mod run;
mod shrink;
mod subject;
mod tally;
mod timeline;

use std::{
    ffi::OsString,
    io::{self, ErrorKind, Write},
    num::NonZero,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use odeon_message::planted::{Bug, PlantError};

use crate::{
    printable::{printable, printable_json},
    runner::{Case, Trial},
    schedule::Schedule,
    script::ScriptError,
    world::Link,
};

/// The exit status after Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

/// A scenario binary: runs whole clusters in a deterministic simulation, and breaks them on purpose.
#[derive(Debug, Parser)]
#[command(name = "odeon-sim", arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name the scenarios of this program.
    List(list::ListArgs),
    /// Run many seeds; each one that fails leaves a file that replays it.
    Run(run::RunArgs),
    /// Run one seed, or a replay file, exactly as it was, and print everything that happened.
    Replay(replay::ReplayArgs),
    /// Find the smallest part of a run that still fails, tell it as a story, and write it as a replay file.
    Shrink(shrink::ShrinkArgs),
    /// Run one seed several times, and explain where the runs part if they are not one run.
    Check(compare::CheckArgs),
    /// Run two seeds or replay files, and print the first event that tells them apart.
    Diff(compare::DiffArgs),
    /// Run one seed, or a replay file, and write a page that shows who said what to whom and when.
    Timeline(timeline::TimelineArgs),
    /// Plant the bugs of our own one by one, find each and shrink it, and print the table of what that took.
    #[command(hide = !cfg!(feature = "planted"))]
    Planted(planted::PlantedArgs),
}

/// How each run is made.
#[derive(Clone, Debug, clap::Args)]
struct Limits {
    /// Runs at once, up to 1,024. Default: one for each core.
    #[arg(long, value_name = "N", value_parser = jobs)]
    jobs: Option<NonZero<usize>>,
    /// Seconds of real time until a run is killed, up to a day.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    limit_s: u64,
    /// What connections run on: `quic` or `frames`. A replay file has its own.
    #[arg(long, default_value_t)]
    link: Link,
    /// In which order nodes and actors that are ready have their turns: `fifo`, `random` or `pct:DEPTH:STEPS`. A replay
    /// file has its own.
    #[arg(long, default_value_t)]
    schedule: Schedule,
    /// How many of a hundred places that say `buggify!` are on. A replay file has its own.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    buggify: u8,
    /// A bug of our own to plant; `list --planted` names them. Needs a build with the feature `planted`. A replay file has
    /// its own.
    #[arg(long, value_name = "NAME", value_parser = plantable)]
    plant: Option<Bug>,
}

/// Reads the name of a bug that can be planted in this build.
fn plantable(name: &str) -> Result<Bug, PlantError> {
    name.parse::<Bug>()?.check()
}

impl Limits {
    fn jobs(&self) -> NonZero<usize> {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        self.jobs.unwrap_or_else(cores)
    }

    /// The case of a seed.
    fn case(&self, seed: u64) -> Case {
        let (link, schedule, buggify_percent) = (self.link, self.schedule, self.buggify);
        Case { link, schedule, buggify_percent, planted: self.plant, ..Case::new(seed) }
    }

    /// The flags that make another run of the same seed, each after a space.
    fn flags(&self) -> String {
        let mut flags = String::new();
        if self.link != Link::default() {
            flags.push_str(&format!(" --link {}", self.link));
        }
        if self.schedule != Schedule::default() {
            flags.push_str(&format!(" --schedule {}", self.schedule));
        }
        if self.buggify != 0 {
            flags.push_str(&format!(" --buggify {}", self.buggify));
        }
        if let Some(bug) = self.plant {
            flags.push_str(&format!(" --plant {bug}"));
        }
        flags
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.limit_s)
    }
}

/// Runs at once, at most: each is a thread here and a program with a world in it.
const JOBS_MAX: usize = 1_024;

/// Reads the flag.
fn jobs(text: &str) -> Result<NonZero<usize>, String> {
    let jobs = text.parse().ok().filter(|jobs: &NonZero<usize>| jobs.get() <= JOBS_MAX);
    jobs.ok_or_else(|| format!("take a number from 1 to {JOBS_MAX}"))
}

/// Why a command ends early.
#[derive(Debug)]
enum Failed {
    /// A value that was given cannot be used; the text names it and the remedy.
    Usage(String),
    /// It could be used, and went wrong.
    Run(String),
    /// Ctrl-C ended it early; what came of it until then has been said.
    Interrupted,
}

impl Failed {
    fn usage(error: impl ToString) -> Self {
        Self::Usage(error.to_string())
    }

    fn run(error: impl ToString) -> Self {
        Self::Run(error.to_string())
    }
}

impl From<ScriptError> for Failed {
    fn from(error: ScriptError) -> Self {
        Self::usage(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Run(format!("the result cannot be written: {error}; give it a place with room"))
    }
}

/// Runs the command line of this program over these scenarios; the macro [`main`](crate::main) calls it.
#[must_use]
pub fn main(trials: &[Trial]) -> ExitCode {
    ExitCode::from(execute(std::env::args_os(), trials, &mut io::stdout().lock()))
}

/// Runs a command line, whose first argument is the name of the program, and returns its exit status; what it prints
/// on standard output goes to `out` instead. For tests, and for programs with commands of their own.
///
/// In a program that was started to run one seed, it runs that seed and never returns.
pub fn execute(
    args: impl IntoIterator<Item = OsString>,
    trials: &[Trial],
    out: &mut dyn Write,
) -> u8 {
    trials.iter().for_each(Trial::become_child);
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Help that was asked for is a result.
            let _ = error.print();
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    match perform(args.command, trials, out).and_then(|passed| Ok(out.flush().map(|()| passed)?)) {
        Ok(passed) => u8::from(!passed),
        Err(Failed::Usage(text)) => complain(&text, 2),
        Err(Failed::Run(text)) => complain(&text, 1),
        Err(Failed::Interrupted) => complain("interrupted before all seeds were run", INTERRUPTED),
    }
}

fn perform(command: Command, trials: &[Trial], out: &mut dyn Write) -> Result<bool, Failed> {
    if let Some(trial) = trials
        .iter()
        .enumerate()
        .find_map(|(at, trial)| trials[..at].iter().find(|other| other.name == trial.name))
    {
        let name = &trial.name;
        return Err(Failed::Usage(format!("two scenarios of this program are called {name:?}")));
    }
    let out = &mut Printer(out);
    match command {
        Command::List(args) => list::list(&args, trials, out),
        Command::Run(args) => run::run(&args, trials, out),
        Command::Replay(args) => replay::replay(&args, trials, out),
        Command::Shrink(args) => shrink::shrink(&args, trials, out),
        Command::Check(args) => compare::check(&args, trials, out),
        Command::Diff(args) => compare::diff(&args, trials, out),
        Command::Timeline(args) => timeline::timeline(&args, trials, out),
        Command::Planted(args) => planted::planted(&args, trials, out),
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a program that failed")]
fn complain(text: &str, status: u8) -> u8 {
    eprintln!("odeon-sim: {}", printable(text));
    status
}

/// Where results go.
struct Printer<'a>(&'a mut dyn Write);

impl Printer<'_> {
    /// Prints a line, or several, without what a terminal would obey. A reader that has gone away has seen enough.
    fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failed> {
        match writeln!(self.0, "{}", printable(text.as_ref())) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Prints a result for programs, on one line.
    fn json(&mut self, value: &serde_json::Value) -> Result<(), Failed> {
        self.line(printable_json(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_is_printed() {
        let mut out = Vec::new();
        assert!(Printer(&mut out).line("a\u{1b}[2J says\n\t\u{9b}1m").is_ok());
        assert_eq!(String::from_utf8_lossy(&out), "a\\u{1b}[2J says\n\t\\u{9b}1m\n");
    }
}
