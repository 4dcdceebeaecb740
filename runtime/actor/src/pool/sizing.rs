//! How many members a pool should have: the time and their loads go in, a change comes out.
//!
//! It grows at once when its members have more than `grow_above` each, and shrinks when half of them would have been
//! enough for `idle_for` without a break. The two are far apart: after it has grown by half there is still more to do
//! than would let it shrink, and after it has shrunk by a quarter less than would let it grow. What it is NOT: who starts
//! and stops members; that is `pool.rs`.

use std::time::Duration;

use tokio::time::Instant;

/// What a pool shall do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resize {
    Keep,
    Grow(usize),
    Shrink(usize),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sizing {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) grow_above: usize,
    pub(super) idle_for: Duration,
    idle_since: Option<Instant>,
}

impl Sizing {
    /// Between `min` and `max` members, which are in order and not zero.
    pub(super) fn new(min: usize, max: usize) -> Self {
        let idle_for = Duration::from_secs(10);
        Self { min, max, grow_above: 8, idle_for, idle_since: None }
    }

    /// `load`: what all members have to do together.
    pub(super) fn step(&mut self, now: Instant, members: usize, load: usize) -> Resize {
        if members < self.min {
            return Resize::Grow(self.min - members);
        }
        if load > self.grow_above.saturating_mul(members) {
            self.idle_since = None;
            let more = (members / 2).max(1).min(self.max.saturating_sub(members));
            return if more == 0 { Resize::Keep } else { Resize::Grow(more) };
        }
        if load > members / 2 {
            self.idle_since = None;
            return Resize::Keep;
        }
        let since = *self.idle_since.get_or_insert(now);
        let spare = members - self.min;
        if spare == 0 || now.saturating_duration_since(since) < self.idle_for {
            return Resize::Keep;
        }
        self.idle_since = Some(now);
        Resize::Shrink((members / 4).clamp(1, spare))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: Duration = Duration::from_secs(1);

    proptest! {
        /// Whatever comes, it stays within its bounds, and shrinks only after it was idle for long enough.
        #[test]
        fn it_stays_within_its_bounds(min in 1_usize..5, more in 0_usize..20, loads in prop::collection::vec(0_usize..300, 1..200)) {
            let mut sizing = Sizing::new(min, min + more);
            let start = Instant::now();
            let (mut members, mut idle) = (min, 0);
            for (load, step) in loads.into_iter().zip(0_u32..) {
                idle = if load <= members / 2 { idle + 1 } else { 0 };
                match sizing.step(start + TICK * step, members, load) {
                    Resize::Keep => {}
                    Resize::Grow(by) => {
                        prop_assert!(load > 8 * members && by > 0);
                        members += by;
                    }
                    Resize::Shrink(by) => {
                        prop_assert!(idle > 10 && by > 0);
                        members -= by;
                        idle = 0;
                    }
                }
                prop_assert!((min..=min + more).contains(&members));
            }
        }

        /// Under an even load it settles, and never turns round.
        #[test]
        fn an_even_load_is_met_without_swinging(min in 1_usize..5, more in 0_usize..60, began in 0_usize..60, load in 0_usize..600) {
            let mut sizing = Sizing::new(min, min + more);
            let start = Instant::now();
            let mut members = min + began.min(more);
            let (mut grew, mut shrank) = (false, false);
            for step in 0..2_000 {
                match sizing.step(start + TICK * step, members, load) {
                    Resize::Keep => {}
                    Resize::Grow(by) => (members, grew) = (members + by, true),
                    Resize::Shrink(by) => (members, shrank) = (members - by, true),
                }
            }
            prop_assert!(!(grew && shrank));
            prop_assert!(load <= 8 * members || members == min + more);
            prop_assert!(load > members / 2 || members == min);
        }
    }

    #[test]
    fn members_that_are_missing_are_replaced() {
        let mut sizing = Sizing::new(3, 5);
        assert_eq!(sizing.step(Instant::now(), 1, 0), Resize::Grow(2));
    }
}
