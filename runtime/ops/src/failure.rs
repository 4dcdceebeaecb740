//! How a program ends when something is wrong: one clear line, and an exit status.
//!
//! Status 2: a value that was given cannot be used; the line names it and the remedy. Status 1: it ran and failed.

use std::{error::Error, fmt, process::ExitCode};

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
        write!(f, "{}", text.lines().collect::<Vec<_>>().join(" "))
    }
}
