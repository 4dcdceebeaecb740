//! Values that are out of their bounds, and what to use instead.
//!
//! What it is: the error, and the comparison that makes it. What it is NOT: the bounds; each configuration has its own.

use std::{fmt::Debug, ops::RangeInclusive, time::Duration};

/// A value of [`MembershipConfig`](crate::MembershipConfig) or [`RosterConfig`](crate::RosterConfig) that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field} {value}: use {least} to {most}")]
#[non_exhaustive]
pub struct BoundsError {
    /// Its field, such as `membership.probe_rtt`.
    pub field: &'static str,
    /// The value, as people write it.
    pub value: String,
    /// The least that can be used.
    pub least: String,
    /// The most, and what it depends on.
    pub most: String,
}

/// Whether a value is in its bounds.
pub(crate) fn check<T: PartialOrd + Debug>(
    field: &'static str,
    value: T,
    bounds: RangeInclusive<T>,
) -> Result<(), BoundsError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let (value, least) = (format!("{value:?}"), format!("{:?}", bounds.start()));
    Err(BoundsError { field, value, least, most: format!("{:?}", bounds.end()) })
}

/// The same, of several spans of time.
pub(crate) fn check_spans<const N: usize>(
    spans: [(&'static str, Duration, Duration, Duration); N],
) -> Result<(), BoundsError> {
    spans.into_iter().try_for_each(|(field, value, least, most)| check(field, value, least..=most))
}
