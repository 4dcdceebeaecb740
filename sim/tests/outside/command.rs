//! A scenario binary's command line, called from a test: what it takes, what it prints, with which status it ends.

use std::ffi::OsString;

use odeon_sim::{Trial, command::execute};

/// Runs a command over the scenario of a test; its status and what it printed.
pub(crate) fn command(trial: &Trial, args: &[&str]) -> (u8, String) {
    let mut out = Vec::new();
    let args = ["odeon-sim"].iter().chain(args).map(OsString::from);
    let status = execute(args, std::slice::from_ref(trial), &mut out);
    (status, String::from_utf8(out).expect("it prints text"))
}
