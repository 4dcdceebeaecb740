//! `odeon sim`: hands everything over to the simulator, which is a program of its own.
//!
//! It is another program because it replaces symbols of the C library, which would slow every clock read of a node
//! down; so nothing of it is linked into this one. What it is NOT: a command line; the flags are the simulator's.
//! `demo/simulated.rs` asks the same program, and reads what it says.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use serde::de::DeserializeOwned;

use crate::failure::Failed;

/// The name of the simulator's crate and program.
const PROGRAM: &str = "odeon-sim";

/// Names another one.
const VARIABLE: &str = "ODEON_SIM";

/// Arguments of the simulator.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct SimArgs {
    /// The simulator's own arguments; `odeon sim --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Becomes the simulator; returns only if that fails.
pub(crate) fn run(args: SimArgs) -> Failed {
    let simulator = match Simulator::find(Kind::Plain) {
        Ok(simulator) => simulator,
        Err(failed) => return failed,
    };
    let mut command = Command::new(&simulator.program);
    command.args(args.arguments);
    become_it(command, &simulator)
}

#[cfg(unix)]
fn become_it(mut command: Command, simulator: &Simulator) -> Failed {
    use std::os::unix::process::CommandExt as _;
    simulator.cannot_run(&command.exec())
}

#[cfg(not(unix))]
fn become_it(_: Command, _: &Simulator) -> Failed {
    Failed::input("simulations run on Linux only")
}

/// Which build of the simulator. Both have one name and one place; cargo, which is asked each time, puts the right one
/// there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// The plain one.
    Plain,
    /// The one with bugs to plant.
    Planted,
}

impl Kind {
    /// What cargo is told.
    fn arguments(self, release: bool) -> Vec<&'static str> {
        let mut arguments = vec!["build", "-p", PROGRAM, "--bin", PROGRAM];
        if release {
            arguments.insert(1, "--release");
        }
        if matches!(self, Self::Planted) {
            arguments.extend(["--features", "planted"]);
        }
        arguments
    }
}

/// The simulator's program.
#[derive(Debug)]
pub(crate) struct Simulator {
    program: PathBuf,
    kind: Kind,
}

/// What the simulator said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    simulator: &'a Simulator,
    text: Vec<u8>,
    status: ExitStatus,
}

impl Simulator {
    /// What `ODEON_SIM` names; else, where cargo runs this program in its own workspace, what cargo builds; else the
    /// program beside this one.
    pub(crate) fn find(kind: Kind) -> Result<Self, Failed> {
        if let Some(named) = env::var_os(VARIABLE) {
            return Ok(Self { program: PathBuf::from(named), kind });
        }
        let own = env::current_exe().map_err(|error| {
            Failed::input(format!(
                "this program does not know its own place: {error}; {}",
                remedy(kind, false)
            ))
        })?;
        let (program, release) = (own.with_file_name(PROGRAM), is_release(&own));
        // Also where there is one: it may be of an earlier state of the sources. One that is not, is built in no time.
        if let Some(cargo) = cargo() {
            build(&cargo, kind, &program)?;
        } else if !program.is_file() {
            let folder = own.parent().unwrap_or(Path::new(".")).display();
            return Err(Failed::input(format!(
                "there is no {PROGRAM} in {folder}, where this program is; {}",
                remedy(kind, release)
            )));
        }
        Ok(Self { program, kind })
    }

    /// What one types to run it with these arguments.
    pub(crate) fn command(&self, arguments: &str) -> String {
        if cargo().is_none() {
            return format!("{} {arguments}", self.program.display());
        }
        let mut words = self.kind.arguments(is_release(&self.program));
        words[0] = "run";
        format!("cargo {} -- {arguments}", words.join(" "))
    }

    /// Lets it run a command to its end, and hears what it says on standard output; its progress and complaints are seen
    /// as they come.
    pub(crate) fn tell(&self, arguments: &[&str]) -> Result<Said<'_>, Failed> {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = command.output().map_err(|error| self.cannot_run(&error))?;
        Ok(Said { simulator: self, text: output.stdout, status: output.status })
    }

    fn cannot_run(&self, error: &std::io::Error) -> Failed {
        Failed::input(format!(
            "{} cannot be run: {error}; {}",
            self.program.display(),
            remedy(self.kind, false)
        ))
    }

    /// It says what this program does not understand.
    pub(crate) fn is_another(&self, why: &str) -> Failed {
        let release = is_release(&self.program);
        Failed::input(format!(
            "{} is of another version than this program ({why}); {}",
            self.program.display(),
            remedy(self.kind, release)
        ))
    }
}

impl Said<'_> {
    /// The JSON value that it said.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        serde_json::from_slice(&self.text).map_err(|error| match self.status.code() {
            // It has said itself what is wrong.
            Some(2) => {
                self.simulator.is_another("or a value that it was given is wrong, as it says above")
            }
            Some(0 | 1) => self.simulator.is_another(&error.to_string()),
            _ => Failed::run(format!("the simulator ended early: {}", self.status)),
        })
    }
}

fn is_release(program: &Path) -> bool {
    program.parent().is_some_and(|folder| folder.ends_with("release"))
}

/// The cargo that runs this program, if it runs it in the workspace that it comes from.
fn cargo() -> Option<OsString> {
    let folder = env::var_os("CARGO_MANIFEST_DIR")?;
    env::var_os("CARGO").filter(|_| folder == env!("CARGO_MANIFEST_DIR"))
}

/// Builds the simulator as this program was built, and to lie beside it.
#[expect(clippy::print_stderr, reason = "a build takes minutes, and nobody asked for it by name")]
fn build(cargo: &OsString, kind: Kind, program: &Path) -> Result<(), Failed> {
    let release = is_release(program);
    if !program.is_file() {
        eprintln!("odeon: the simulator is a program of its own, {PROGRAM}; cargo builds it first");
    }
    let why = match build_command(cargo, kind, program).status() {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("cargo could not build {PROGRAM} ({status})"),
        Err(error) => format!("cargo could not be run: {error}"),
    };
    Err(Failed::input(format!("{why}; {}", remedy(kind, release))))
}

/// What builds it, from the environment that cargo itself was started in.
fn build_command(cargo: &OsString, kind: Kind, program: &Path) -> Command {
    let mut command = Command::new(cargo);
    // The workspace, whatever folder this program was started in.
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(kind.arguments(is_release(program)))
        .stdout(Stdio::null());
    // Also where the target folder is another than cargo's own.
    if let Some(target) = program.ancestors().nth(2) {
        command.arg("--target-dir").arg(target);
    }
    // Cargo tells a program that it runs of which package it is. Build scripts of foreign crates (ring's) say that they hang
    // on these variables: left in, cargo builds such crates, and all that stand on them, anew for the simulator, and then
    // once more for the next program, where they are not.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_a_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether cargo sets this variable to tell a program about its package.
fn is_of_a_package(name: &str) -> bool {
    name == "OUT_DIR" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

fn remedy(kind: Kind, release: bool) -> String {
    let arguments = kind.arguments(release).join(" ");
    format!("build it with `cargo {arguments}`, or name its program by {VARIABLE}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ring and all that stands on it were built twice for each `cargo run` that came to simulate: ten minutes.
    #[test]
    fn a_build_does_not_hear_of_the_package_that_asks_for_it() {
        let cargo = OsString::from("cargo");
        let command = build_command(&cargo, Kind::Plain, Path::new("target/debug/odeon-sim"));
        let heard = |name: &str| {
            let own = command.get_envs().find(|(own, _)| *own == name);
            own.map_or(env::var_os(name).is_some(), |(_, value)| value.is_some())
        };

        // Cargo runs this test, too.
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR"] {
            assert!(env::var_os(name).is_some(), "{name} is not set");
            assert!(!heard(name), "{name}");
        }
        assert!(heard("CARGO"), "what a user sets for cargo is kept");
    }
}
