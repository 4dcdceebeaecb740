//! SRV records: which ports of which hosts a name stands for.
//!
//! What it is: one record, and the order in which a set of them is to be tried. What it is NOT: a look-up; that is
//! [`Env::resolve_srv`](crate::Env::resolve_srv).

/// One record of a name's set (RFC 2782).
///
/// # Examples
/// ```
/// use odeon_env::SrvRecord;
///
/// let record = |priority, target: &str| SrvRecord {
///     priority,
///     weight: 0,
///     port: 7400,
///     target: target.to_owned(),
/// };
/// // Numbers that a test chooses; a node takes them from its entropy.
/// let order = SrvRecord::in_order(vec![record(20, "spare"), record(10, "first")], |_| 0);
/// assert_eq!(order[0].target, "first");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SrvRecord {
    /// Those of the lowest number are tried first.
    pub priority: u16,
    /// How often it comes before others of the same priority, in proportion.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The name of the host, to be resolved.
    pub target: String,
}

impl SrvRecord {
    /// The order in which they are to be tried, as RFC 2782 says under "Weight": by priority, and within one by lot,
    /// with chances in proportion to the weights. `below(bound)` draws a number below its bound.
    pub fn in_order(mut records: Vec<Self>, mut below: impl FnMut(u64) -> u64) -> Vec<Self> {
        // Within a priority those without weight come first: so they have a small chance at all.
        records.sort_by_key(|record| (record.priority, record.weight > 0));
        let mut order = Vec::with_capacity(records.len());
        while let Some(first) = records.first() {
            let priority = first.priority;
            let same = records.iter().take_while(|record| record.priority == priority);
            let weights: Vec<_> = same.map(|record| u64::from(record.weight)).collect();
            let drawn = below(weights.iter().sum::<u64>() + 1);
            let sums = weights.iter().scan(0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            });
            let chosen = sums.take_while(|sum| *sum < drawn).count();
            // A number beyond the sum is no number below its bound; take the last then.
            order.push(records.remove(chosen.min(weights.len() - 1)));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, target: &str) -> SrvRecord {
        SrvRecord { priority, weight, port: 1, target: target.to_owned() }
    }

    /// A linear congruential generator (Knuth, MMIX), good enough to draw lots with.
    fn lots(mut state: u64) -> impl FnMut(u64) -> u64 {
        move |bound| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((u128::from(state) * u128::from(bound)) >> 64) as u64
        }
    }

    #[test]
    fn priorities_come_in_order_and_nobody_is_left_out() {
        let mut below = lots(1);
        for _ in 0..200 {
            let records =
                vec![record(3, 9, "d"), record(1, 0, "a"), record(2, 5, "c"), record(1, 7, "b")];
            let order = SrvRecord::in_order(records.clone(), &mut below);
            assert!(order.is_sorted_by_key(|record| record.priority));
            let sorted = |mut records: Vec<SrvRecord>| {
                records.sort();
                records
            };
            assert_eq!(sorted(order), sorted(records));
        }
    }

    #[test]
    fn the_first_is_drawn_in_proportion_to_the_weights() {
        let mut below = lots(2);
        let mut firsts = [0_u32; 3];
        for _ in 0..4000 {
            let records = vec![record(1, 10, "0"), record(1, 30, "1"), record(1, 0, "2")];
            let first = SrvRecord::in_order(records, &mut below).remove(0);
            firsts[first.target.parse::<usize>().unwrap()] += 1;
        }
        // Of the 41 numbers that are drawn, 0 is for the one without weight.
        assert!((50..160).contains(&firsts[2]), "{firsts:?}");
        assert!((850..1100).contains(&firsts[0]), "{firsts:?}");
    }

    #[test]
    fn a_number_out_of_bounds_does_no_harm() {
        let records = vec![record(1, 1, "a"), record(1, 1, "b")];
        assert_eq!(SrvRecord::in_order(records, |_| u64::MAX).len(), 2);
        assert!(SrvRecord::in_order(Vec::new(), |_| 0).is_empty());
    }
}
