//! Erlang/OTP, where `erl` is on the path: plain TCP between two nodes with one scheduler each, a reference of its own language.
//!
//! Both sides are a program of Erlang, `odeon_compare_remote.erl` beside this file, which takes the place of this process,
//! and of whatever else a server or client does here. It is its own port mapper, so that no daemon is left behind.

use std::{os::unix::process::CommandExt, process::Command};

use crate::{
    Outcome,
    erlang::source,
    remote::{system::Setup, workload::Workload},
};

const PROGRAM: &str = include_str!("odeon_compare_remote.erl");

/// Becomes the receiving node.
///
/// # Errors
/// Only if it could not start.
pub(crate) fn serve() -> Outcome<()> {
    become_erlang("serve()")
}

/// Becomes the sending node, which prints the figure.
///
/// # Errors
/// Only if it could not start, or the workload is not one of its.
pub(crate) fn measure(setup: &Setup, to: &str) -> Outcome<()> {
    let port: u16 = to.trim().parse()?;
    let call = match setup.workload {
        Workload::Ask => format!("ask({port})"),
        Workload::Ask64 => format!("ask64({port})"),
        Workload::Tell64 => format!("tell({port}, 64)"),
        Workload::Tell100 => format!("tell({port}, 100)"),
        Workload::Tell1k => format!("tell({port}, 1024)"),
        Workload::Bulk1m => format!("bulk({port}, 1048576)"),
        other => return Err(format!("{other} is not measured for Erlang").into()),
    };
    become_erlang(&call)
}

fn become_erlang(call: &str) -> Outcome<()> {
    let file = source("odeon_compare_remote.erl", PROGRAM)?;
    // Compiled in memory: nothing is left behind but the source.
    let run = format!(
        "{{ok, M, B}} = compile:file(\"{}\", [binary]), {{module, M}} = code:load_binary(M, \"\", B), M:{call}, halt().",
        file.display()
    );
    let error = Command::new("erl")
        .args(["+S", "1:1", "-noshell", "-setcookie", "compare"])
        .args(["-epmd_module", "odeon_compare_remote"])
        .args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"])
        .args(["-eval", &run])
        .exec();
    Err(format!("cannot run erl: {error}").into())
}
