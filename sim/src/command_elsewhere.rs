//! The command line where there is no simulation: says so.

use std::process::ExitCode;

use crate::runner::Trial;

/// Says that simulations run on Linux only; the exit status is 2.
#[must_use]
#[expect(clippy::print_stderr, reason = "the last word of a program that cannot run")]
pub fn main(_: &[Trial]) -> ExitCode {
    eprintln!(
        "odeon-sim: {}",
        odeon_interpose::unsupported().unwrap_or("simulations run on Linux only")
    );
    ExitCode::from(2)
}
