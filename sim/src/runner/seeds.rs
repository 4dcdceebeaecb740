//! Which seeds to run: what the test says, or what the developer asks for.
//!
//! `ODEON_SEED=7` (or `0x1f`, or `100..200`) in the environment of the test takes the place of the test's own seeds.
//! It is read by the parent only.

use std::ops::{Range, RangeInclusive};

/// The most seeds of one range, so that a typing error does not run for a year.
pub const SEEDS_MAX: usize = 1_000_000;

/// A list of seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

impl From<u64> for Seeds {
    fn from(seed: u64) -> Self {
        Self(vec![seed])
    }
}

impl From<Range<u64>> for Seeds {
    fn from(seeds: Range<u64>) -> Self {
        Self(seeds.take(SEEDS_MAX).collect())
    }
}

impl From<RangeInclusive<u64>> for Seeds {
    fn from(seeds: RangeInclusive<u64>) -> Self {
        Self(seeds.take(SEEDS_MAX).collect())
    }
}

impl Seeds {
    /// Reads `7`, `0x1f` or `100..200`; a range of more than [`SEEDS_MAX`] is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| match text.trim().strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.trim().parse().ok(),
        };
        match text.split_once("..") {
            Some((first, end)) => {
                let (first, end) = (number(first)?, number(end)?);
                (end.saturating_sub(first) <= SEEDS_MAX as u64).then(|| (first..end).into())
            }
            None => Some(number(text)?.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_as_they_are_written() {
        assert_eq!(Seeds::parse("7"), Some(7.into()));
        assert_eq!(Seeds::parse(" 0x1f "), Some(31.into()));
        assert_eq!(Seeds::parse("3..6"), Some((3..6).into()));
        assert_eq!(Seeds::parse("three"), None);
        assert_eq!(Seeds::parse("3.."), None);
        assert_eq!(Seeds::parse("0..1000001"), None);
    }
}
