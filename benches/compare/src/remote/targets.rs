//! What Odeon is meant to reach between two programs: ratios to another system of the same run, and goals beyond them.
//!
//! Rows that are not here have no target; they are measured all the same. What it is NOT: the judgement, which is
//! `table.rs`.

use crate::remote::workload::Workload;

/// What Odeon's figure is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// A multiple of bare quinn's figure of a workload.
    Quinn(Workload),
    /// A multiple of the best of the Rust peers.
    BestPeer,
    /// A multiple of the best system that sends its messages without encryption.
    BestPlain,
    /// A multiple of its own figure of another workload.
    Own(Workload),
    /// What it is beyond bare quinn's figure.
    BeyondQuinn,
    /// The figure itself.
    Nothing,
}

/// A bound on what comes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::AtMost(value) | Self::AtLeast(value) => value,
        }
    }

    /// Whether it holds; as printed, with two digits.
    pub(crate) fn holds(self, value: f64) -> bool {
        let cents = |value: f64| (value * 100.0).round();
        match self {
            Self::AtMost(most) => cents(value) <= cents(most),
            Self::AtLeast(least) => cents(value) >= cents(least),
        }
    }
}

/// A target, or a goal beyond one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) against: Against,
    pub(crate) bound: Bound,
    pub(crate) is_goal: bool,
}

const fn target(against: Against, bound: Bound) -> Target {
    Target { against, bound, is_goal: false }
}

const fn goal(against: Against, bound: Bound) -> Target {
    Target { against, bound, is_goal: true }
}

/// The targets of a workload; the first is the one that a row is judged by.
pub(crate) fn targets(workload: Workload) -> &'static [Target] {
    use Against::{BestPeer, BestPlain, BeyondQuinn, Nothing, Own, Quinn};
    use Bound::{AtLeast, AtMost};
    match workload {
        Workload::Ask => {
            const { &[target(Quinn(Workload::Ask), AtMost(1.4)), goal(BestPlain, AtMost(1.0))] }
        }
        Workload::AskOtherArbiter => const { &[target(Quinn(Workload::Ask), AtMost(2.2))] },
        Workload::Ask64 => {
            const { &[target(BestPeer, AtLeast(3.0)), goal(Nothing, AtLeast(500_000.0))] }
        }
        Workload::Tell64 => {
            const {
                let quinn = Quinn(Workload::Tell64);
                &[target(quinn, AtLeast(0.5)), goal(quinn, AtLeast(0.7))]
            }
        }
        Workload::Bulk1m => const { &[target(Quinn(Workload::Bulk1m), AtLeast(0.85))] },
        Workload::Peers10 | Workload::Peers100 => {
            const { &[target(Own(Workload::Peers1), AtMost(1.2))] }
        }
        // 64 KiB.
        Workload::IdleBytes => const { &[target(BeyondQuinn, AtMost(65_536.0))] },
        Workload::Tell100 | Workload::Tell1k | Workload::Peers1 => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::Bound;

    #[test]
    fn a_bound_holds_with_two_digits() {
        assert!(Bound::AtMost(1.4).holds(1.404) && !Bound::AtMost(1.4).holds(1.406));
        assert!(Bound::AtLeast(0.5).holds(0.496) && !Bound::AtLeast(0.5).holds(0.494));
    }
}
