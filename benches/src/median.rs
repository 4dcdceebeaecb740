//! The middle of what the rounds of a bench brought.

/// The median of a figure of all rounds.
///
/// # Panics
/// Without a round.
pub(crate) fn median<R>(rounds: &[R], of: impl Fn(&R) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
