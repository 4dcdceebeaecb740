//! How a program ends when something is wrong: one clear line, and an exit status.
//!
//! Status 2: a value that was given cannot be used; the line names it and the remedy. Status 1: it ran and failed.

use std::{error::Error, fmt, process::ExitCode};

use crate::harmless;

/// Why the program ends.
#[derive(Debug)]
pub struct Failed {
    cause: Box<dyn Error + Send + Sync>,
    status: u8,
}

impl Failed {
    /// A flag, a file or an address that was given cannot be used.
    pub fn input(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), status: 2 }
    }

    /// It ran and failed.
    pub fn run(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), status: 1 }
    }

    /// The exit status to end with.
    #[must_use]
    pub fn status(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Causes already say their own causes where these add something: one line is enough.
        let text = self.cause.to_string();
        // A part of it may be another node's words.
        f.write_str(&harmless(&text.lines().collect::<Vec<_>>().join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_one_line_that_steers_no_terminal() {
        let failed = Failed::run("b refuses:\n\u{1b}]0;no\u{7} such thing");
        assert_eq!(failed.to_string(), "b refuses: \\u{1b}]0;no\\u{7} such thing");
    }
}
