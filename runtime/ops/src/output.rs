//! What a command prints on standard output: its result, which must not be lost without a word.

use std::io::{ErrorKind, Write};

use crate::failure::Failed;

/// Prints lines, and says so if they could not be written. A reader that has gone away has seen enough.
///
/// # Errors
/// When standard output takes nothing.
pub fn print(text: &str) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failed::run(format!(
            "the result cannot be written to standard output: {error}; give it a place with room"
        ))),
        _ => Ok(()),
    }
}
