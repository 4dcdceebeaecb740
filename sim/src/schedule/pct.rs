//! Priorities that change at random steps (Burckhardt and others, ASPLOS 2010, figure 4).
//!
//! Read `world/turns.rs` next.

use std::collections::BTreeMap;

use odeon_interpose::Stream;

/// How many are remembered; beyond, those with the lowest numbers, which are the oldest, are drawn anew when they are seen
/// again.
const REMEMBERED_MAX: usize = 65_536;

/// How often in a row one has its turn while others wait.
const IN_A_ROW_MAX: u64 = 1_000;

/// The priorities of one floor.
#[derive(Debug)]
pub(super) struct Pct {
    /// Who is how urgent.
    priorities: BTreeMap<u64, u64>,
    /// Step of each change that is still to come, and the priority that it gives, the last one first.
    changes: Vec<(u64, u64)>,
    step: u64,
    /// Who had the last turns, and how many.
    last: (u64, u64),
    /// The next one that falls for having had too many turns gets this, lower each time.
    floor: u64,
}

/// Priorities as they are drawn are above it.
const DRAWN_ABOVE: u64 = 1 << 32;

/// Those after a change are above it; those of whoever ran for too long go down from it.
const CHANGED_ABOVE: u64 = 1 << 31;

impl Pct {
    pub(super) fn new(depth: u32, steps: u64, stream: &Stream) -> Self {
        // A later change may fall less deep than an earlier one: the bound of the paper needs all orders.
        let change = |nth| (1 + stream.below(steps), CHANGED_ABOVE + u64::from(nth));
        let mut changes = (1..depth).map(change).collect::<Vec<_>>();
        changes.sort_unstable_by(|a, b| b.cmp(a));
        let priorities = BTreeMap::new();
        Self { priorities, changes, step: 0, last: (0, 0), floor: CHANGED_ABOVE }
    }

    pub(super) fn pick(
        &mut self,
        ready: usize,
        number: &dyn Fn(usize) -> u64,
        stream: &Stream,
    ) -> usize {
        self.step += 1;
        let mut at = self.highest(ready, number, stream);
        while let Some((_, lowered)) = self.changes.pop_if(|(step, _)| *step <= self.step) {
            self.priorities.insert(number(at), lowered);
            at = self.highest(ready, number, stream);
        }
        let who = number(at);
        self.last = if self.last.0 == who { (who, self.last.1 + 1) } else { (who, 1) };
        if ready > 1 && self.last.1 > IN_A_ROW_MAX {
            self.floor -= 1;
            self.priorities.insert(who, self.floor);
            self.last.1 = 0;
            at = self.highest(ready, number, stream);
        }
        at
    }

    fn highest(&mut self, ready: usize, number: &dyn Fn(usize) -> u64, stream: &Stream) -> usize {
        let mut best = (0, 0);
        for at in 0..ready {
            let priority = self.priority(number(at), stream);
            if priority > best.0 {
                best = (priority, at);
            }
        }
        best.1
    }

    fn priority(&mut self, who: u64, stream: &Stream) -> u64 {
        if let Some(priority) = self.priorities.get(&who) {
            return *priority;
        }
        if self.priorities.len() >= REMEMBERED_MAX {
            self.priorities.pop_first();
        }
        let drawn = DRAWN_ABOVE + 1 + stream.below(u64::MAX - DRAWN_ABOVE);
        self.priorities.insert(who, drawn);
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(depth: u32, steps: u64, seed: u64) -> Vec<u64> {
        let stream = Stream::new(seed);
        let mut pct = Pct::new(depth, steps, &stream);
        (0..steps).map(|_| pct.pick(4, &|at| at as u64, &stream) as u64).collect()
    }

    #[test]
    fn without_changes_the_same_one_always_goes_first() {
        for seed in 0..20 {
            let picks = run(1, 50, seed);
            assert!(picks.iter().all(|pick| *pick == picks[0]));
        }
        let first =
            (0..200).map(|seed| run(1, 1, seed)[0]).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(first.len(), 4, "each can be the highest");
    }

    #[test]
    fn each_change_is_one_fall_below_all_others() {
        for seed in 0..100 {
            let picks = run(3, 50, seed);
            let switches = picks.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(switches <= 2, "{picks:?}");
            let mut order = picks.clone();
            order.dedup();
            let distinct = order.iter().collect::<std::collections::BTreeSet<_>>().len();
            assert_eq!(distinct, order.len(), "who fell stays below: {picks:?}");
        }
    }

    #[test]
    fn whoever_runs_on_and_on_lets_the_others_go() {
        let picks = {
            let stream = Stream::new(3);
            let mut pct = Pct::new(1, 1, &stream);
            (0..5 * IN_A_ROW_MAX).map(|_| pct.pick(3, &|at| at as u64, &stream)).collect::<Vec<_>>()
        };
        assert!((0..3).all(|who| picks.contains(&who)));
    }
}
