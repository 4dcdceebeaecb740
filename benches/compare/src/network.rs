//! `remote` with its peers: this program once more, built with the feature `network` in place of `peers`.
//!
//! ractor and kameo with the network are slower at home: a message of ractor's is asked whether it could be sent away, and
//! takes half as long again. One program has one ractor, so `local` and `remote` cannot share it. Cargo keeps both builds.
//! What it is NOT: a measurement; see `remote.rs`.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, ExitCode},
};

use crate::Outcome;

/// Builds the other program, runs it with the arguments of this one, and ends as it does.
///
/// # Errors
/// When there is no cargo that could build it.
#[expect(clippy::print_stderr, reason = "says why cargo is at work once more")]
pub(crate) fn run() -> Outcome<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut command = Command::new(&cargo);
    command.args(["run", "--locked", "--features", "network", "--manifest-path", manifest]);
    // What cargo says of this package would have build scripts of foreign crates, ring's among them, run anew each time.
    for (name, _) in std::env::vars_os() {
        let is_of_a_package =
            |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|it| name.starts_with(it));
        if name.to_str().is_some_and(is_of_a_package) {
            command.env_remove(name);
        }
    }
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    eprintln!(
        "building the peers of the network, which would slow the local ones, in a program of their own"
    );
    let status = command.arg("--").args(std::env::args_os().skip(1)).status().map_err(|error| {
        format!(
            "cannot run {}: {error}; install cargo, or build with --features network",
            cargo.display()
        )
    })?;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(ExitCode::from(u8::try_from(code)?)),
        (None, signal) => Err(format!("ended by signal {}", signal.unwrap_or_default()).into()),
    }
}
