//! `odeon sim`: hands everything over to the simulator, which is a program of its own.
//!
//! It is another program because it replaces symbols of the C library, which would slow every clock read of a node
//! down; so nothing of it is linked into this one. What it is NOT: a command line; the flags are the simulator's.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::failure::Failed;

/// The name of the simulator's program.
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
    let program = match find() {
        Ok(program) => program,
        Err(failed) => return failed,
    };
    let mut command = Command::new(&program);
    command.args(args.arguments);
    become_it(command, &program)
}

#[cfg(unix)]
fn become_it(mut command: Command, program: &Path) -> Failed {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Failed::input(format!("{} cannot be run: {error}; {}", program.display(), remedy(false)))
}

#[cfg(not(unix))]
fn become_it(_: Command, _: &Path) -> Failed {
    Failed::input("simulations run on Linux only")
}

/// What `ODEON_SIM` names, else the program beside this one, else, under cargo, the one that cargo builds.
fn find() -> Result<PathBuf, Failed> {
    if let Some(named) = env::var_os(VARIABLE) {
        return Ok(PathBuf::from(named));
    }
    let own = env::current_exe().map_err(|error| {
        Failed::input(format!(
            "this program does not know its own place: {error}; {}",
            remedy(false)
        ))
    })?;
    let beside = own.with_file_name(PROGRAM);
    let release = own.parent().is_some_and(|folder| folder.ends_with("release"));
    if beside.is_file() {
        return Ok(beside);
    }
    match env::var_os("CARGO") {
        // Cargo says both to the programs that it runs.
        Some(cargo) if env::var_os("CARGO_MANIFEST_DIR").is_some() => build(&cargo, release)?,
        _ => {
            let folder = own.parent().unwrap_or(Path::new(".")).display();
            return Err(Failed::input(format!(
                "there is no {PROGRAM} in {folder}, where this program is; {}",
                remedy(release)
            )));
        }
    }
    Ok(beside)
}

/// Builds the simulator as this program was built.
fn build(cargo: &OsString, release: bool) -> Result<(), Failed> {
    let mut command = Command::new(cargo);
    command.args(["build", "-p", PROGRAM, "--bin", PROGRAM]).stdout(Stdio::null());
    if release {
        command.arg("--release");
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed::input(format!(
            "cargo could not build {PROGRAM} ({status}); {}",
            remedy(release)
        ))),
        Err(error) => {
            Err(Failed::input(format!("cargo could not be run: {error}; {}", remedy(release))))
        }
    }
}

fn remedy(release: bool) -> String {
    let release = if release { " --release" } else { "" };
    format!(
        "build it with `cargo build{release} -p {PROGRAM} --bin {PROGRAM}`, or name its program by {VARIABLE}"
    )
}
