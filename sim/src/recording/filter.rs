//! Which log lines are kept.
//!
//! What it is: `LEVEL` and `TARGET=LEVEL`, separated by commas, as the filters of `tracing` have it; the longest target
//! that begins like that of a line decides. What it is NOT: filters by span or by field. It holds its text in itself, so
//! that asking it allocates nothing in the middle of a run.

use std::{fmt, str::FromStr};

use thiserror::Error;
use tracing::{Level, level_filters::LevelFilter};

/// Bytes of a filter, at most.
const FILTER_BYTES_MAX: usize = 96;

/// Which log lines of nodes a recorded run keeps. Default: `info`, what is at least that important.
///
/// ```
/// use odeon_sim::LogFilter;
///
/// let filter: LogFilter = "warn,odeon_cluster=debug".parse()?;
/// assert_eq!(filter.to_string(), "warn,odeon_cluster=debug");
/// assert!("loud".parse::<LogFilter>().is_err());
/// # Ok::<(), odeon_sim::LogFilterError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogFilter {
    text: [u8; FILTER_BYTES_MAX],
    length: u8,
}

/// A text that is no filter of log lines.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{given:?} is no filter of log lines; write levels (off, error, warn, info, debug, trace), by target if need be, in \
     {FILTER_BYTES_MAX} bytes at most: \"warn,odeon_cluster=debug\""
)]
pub struct LogFilterError {
    /// What was given.
    given: String,
}

impl LogFilter {
    /// What is at least as important as `info`.
    pub const INFO: Self = {
        let mut text = [0; FILTER_BYTES_MAX];
        [text[0], text[1], text[2], text[3]] = *b"info";
        Self { text, length: 4 }
    };

    fn as_str(&self) -> &str {
        str::from_utf8(&self.text[..usize::from(self.length)]).unwrap_or_default()
    }

    /// Its parts: the beginning of a target, and the level from which on lines are kept.
    fn parts(&self) -> impl Iterator<Item = (&str, LevelFilter)> {
        self.as_str().split(',').filter_map(part)
    }

    /// The least important level that any part keeps.
    pub(super) fn level_max(&self) -> LevelFilter {
        self.parts().map(|(_, level)| level).max().unwrap_or(LevelFilter::OFF)
    }

    /// Whether a line of this target and level is kept.
    pub(super) fn keeps(&self, target: &str, level: Level) -> bool {
        let parts = self.parts().filter(|(prefix, _)| target.starts_with(prefix));
        let decides = parts.max_by_key(|(prefix, _)| prefix.len());
        decides.is_some_and(|(_, least)| level <= least)
    }
}

fn part(text: &str) -> Option<(&str, LevelFilter)> {
    let (target, level) = text.split_once('=').unwrap_or(("", text));
    let is_target = target.bytes().all(|byte| byte.is_ascii_graphic());
    // Without a letter it would be read as `error`.
    let level = Some(level).filter(|level| is_target && !level.is_empty())?;
    level.parse().ok().map(|level| (target, level))
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(given: &str) -> Result<Self, LogFilterError> {
        let error = || LogFilterError { given: given.to_owned() };
        if given.len() > FILTER_BYTES_MAX || !given.split(',').all(|text| part(text).is_some()) {
            return Err(error());
        }
        let mut text = [0; FILTER_BYTES_MAX];
        text[..given.len()].copy_from_slice(given.as_bytes());
        Ok(Self { text, length: given.len() as u8 })
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self::INFO
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogFilter({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_target_decides() {
        let filter: LogFilter = "warn,odeon=debug,odeon_transport=off".parse().unwrap();
        assert!(filter.keeps("other", Level::WARN) && !filter.keeps("other", Level::INFO));
        assert!(filter.keeps("odeon::actor", Level::DEBUG));
        assert!(!filter.keeps("odeon_transport::lane", Level::ERROR));
        assert_eq!(filter.level_max(), LevelFilter::DEBUG);
        assert!(LogFilter::INFO.keeps("any", Level::INFO));
        assert!(!LogFilter::INFO.keeps("any", Level::DEBUG));
    }

    #[test]
    fn what_is_no_filter_is_refused_and_named() {
        for given in ["", "loud", "a b=info", "odeon=", "info,,warn", &"x".repeat(97)] {
            let error = given.parse::<LogFilter>().unwrap_err().to_string();
            assert!(error.contains("odeon_cluster=debug"), "{error}");
        }
    }
}
