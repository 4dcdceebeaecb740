//! Erlang/OTP, where `erl` is on the path: one scheduler on one pinned CPU, a reference of its own language.
//!
//! The sample is a program of Erlang, `odeon_compare.erl` beside this file, which takes this process's place and prints the
//! figure itself. Only `st` has it: Erlang's schedulers are not threads that a driver could be pinned beside.

use std::{os::unix::process::CommandExt, path::PathBuf, process::Command};

use crate::{Outcome, cpus::Cpus, workload::Workload};

const PROGRAM: &str = include_str!("odeon_compare.erl");

/// Whether there is an Erlang on the path.
pub(crate) fn is_installed() -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join("erl").is_file())
}

/// Becomes the Erlang program.
///
/// # Errors
/// Only if it could not start.
pub(crate) fn run(workload: Workload) -> Outcome<f64> {
    Cpus::find()?.pin_driver()?;
    let file = source("odeon_compare.erl", PROGRAM)?;
    // Compiled in memory: nothing is left behind but the source.
    let run = format!(
        "{{ok, M, B}} = compile:file(\"{}\", [binary]), {{module, M}} = code:load_binary(M, \"\", B), M:main({workload}), halt().",
        file.display()
    );
    // Room for the actors of the largest workload.
    let error =
        Command::new("erl").args(["+S", "1:1", "+P", "2000000", "-noinput", "-eval", &run]).exec();
    Err(format!("cannot run erl: {error}").into())
}

/// Writes a program where Erlang's compiler finds it.
///
/// # Errors
/// What the disk says.
pub(crate) fn source(name: &str, text: &str) -> Outcome<PathBuf> {
    let folder = std::env::temp_dir().join("odeon-compare");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    if std::fs::read_to_string(&file).is_ok_and(|there| there == text) {
        return Ok(file);
    }
    std::fs::write(&file, text)?;
    Ok(file)
}
