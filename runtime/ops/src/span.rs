//! Spans of time as people write them: a number and a unit.
//!
//! What it is NOT: a calendar; the longest unit is a day of 86,400 seconds.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A span of time in the configuration: a whole number with `ms`, `s`, `m`, `h` or `d`, such as `30s`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// A text is no span of time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("use a whole number with ms, s, m, h or d, such as 30s")]
pub struct NoSpan;

/// The units, the longest first, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for Span {
    type Err = NoSpan;

    fn from_str(text: &str) -> Result<Self, NoSpan> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(NoSpan)?;
        let (number, unit) = text.split_at(digits);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(NoSpan)?;
        let number: u64 = number.parse().map_err(|_| NoSpan)?;
        number.checked_mul(*millis).map(|millis| Self(Duration::from_millis(millis))).ok_or(NoSpan)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.as_millis();
        let whole = |(_, millis): &&(&str, u64)| all > 0 && all.is_multiple_of(u128::from(*millis));
        let (unit, millis) = UNITS.iter().find(whole).unwrap_or(&("s", 1_000));
        write!(f, "{}{unit}", all / u128::from(*millis))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl TryFrom<String> for Span {
    type Error = NoSpan;

    fn try_from(text: String) -> Result<Self, NoSpan> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_with_their_unit() {
        for (text, millis) in
            [("0s", 0), ("250ms", 250), ("90s", 90_000), ("2m", 120_000), ("1d", 86_400_000)]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0.as_millis(), span.to_string().as_str()), (millis, text));
        }
        assert_eq!(Span(Duration::from_secs(60)).to_string(), "1m");
        for text in ["", "30", "s", "-1s", "1.5s", "1 s", "1y", "99999999999999999999s", "1ü"] {
            assert_eq!(text.parse::<Span>(), Err(NoSpan), "{text}");
        }
    }
}
