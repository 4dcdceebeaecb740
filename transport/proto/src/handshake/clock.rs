//! Whether the wall clocks of two nodes are near enough to each other.
//!
//! Nothing that nodes agree on hangs on wall clocks. But certificates do, and the number of a node's next life, and whoever
//! reads two logs side by side; so a clock that is far off is named where it can be mended, when a node joins.

use std::time::Duration;

use super::refuse;
use crate::{Refuse, RefuseReason};

/// What a node's wall clock says, and how far off another's may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockTerms {
    /// Since 1970.
    pub now: Duration,
    /// How far a peer's may be from it.
    pub skew_max: Duration,
}

impl ClockTerms {
    /// Judges the clock of a peer; one that says none is taken.
    pub(super) fn judge(self, theirs: Option<Duration>) -> Result<(), Refuse> {
        let Self { now, skew_max } = self;
        match theirs.map(|theirs| (theirs, theirs.abs_diff(now))) {
            Some((theirs, apart)) if apart > skew_max => {
                let text = format!(
                    "this node's clock says {} s since 1970 and the peer's {} s, {} s apart where {} s are allowed: set \
                     both clocks (NTP), or raise clock_skew_max",
                    now.as_secs(),
                    theirs.as_secs(),
                    apart.as_secs(),
                    skew_max.as_secs()
                );
                Err(refuse(RefuseReason::Clock, text))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_far_apart_are_named_with_both_values() {
        let secs = Duration::from_secs;
        let terms = ClockTerms { now: secs(1_000), skew_max: secs(60) };
        for near in [940, 1_000, 1_060] {
            assert_eq!(terms.judge(Some(secs(near))), Ok(()));
        }
        assert_eq!(terms.judge(None), Ok(()));
        for far in [939, 1_061] {
            let refuse = terms.judge(Some(secs(far))).unwrap_err();
            assert_eq!(refuse.reason, RefuseReason::Clock);
            let said = refuse.text.contains("1000 s") && refuse.text.contains(&format!("{far} s"));
            assert!(said && refuse.text.contains("61 s apart"), "{}", refuse.text);
            assert!(refuse.text.len() <= crate::format::TEXT_BYTES_MAX, "{}", refuse.text);
        }
    }
}
