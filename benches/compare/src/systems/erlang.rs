//! Erlang/OTP, where `erl` is on the path: one scheduler on one pinned CPU, a reference of its own language.
//!
//! The sample is a program of Erlang, `odeon_compare.erl` beside this file, which takes this process's place and prints the
//! figure itself. Only `st` has it: Erlang's schedulers are not threads that a driver could be pinned beside.

use std::{os::unix::process::CommandExt, process::Command};

use crate::{Outcome, cpus::Cpus, erlang::source, workload::Workload};

const PROGRAM: &str = include_str!("odeon_compare.erl");

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
