//! The present on threads that have no worker, from a clock that is cheap to read.
//!
//! An ask begins with the time. The exact clock takes a tenth of an ask between two threads, so that a thread reads it once
//! for each [tick](odeon_env::Env::tick_ns) and takes the time of the last reading meanwhile. What it is NOT: the clock of a
//! worker, which is `clock.rs`; workers keep the time by their turns. Nor is it for
//! a clock of tokio's that is paused and moved on within a tick. Data comes from `ask_slot.rs`.

use std::{cell::Cell, time::Duration};

use odeon_env::{Env, TICK_MAX};
use tokio::time::Instant;

/// Shorter times are measured exactly: a tick is at most a hundredth of this.
const WITHIN_MIN: Duration = Duration::from_secs(1);

thread_local! {
    /// A tick, and a time that was read in it.
    static READ: Cell<Option<(u64, Instant)>> = const { Cell::new(None) };
}

/// When a wait that begins now and lasts `within` is over, never too early and at most [`TICK_MAX`] late; `None` is too far
/// away for the clock.
pub(crate) fn end_of(within: Duration, env: &dyn Env) -> Option<Instant> {
    if within < WITHIN_MIN {
        return Instant::now().checked_add(within);
    }
    let Some(tick) = env.tick_ns() else { return Instant::now().checked_add(within) };
    // A thread that ends keeps no time any more.
    if let Ok(Some((read_in, at))) = READ.try_with(Cell::get)
        && read_in == tick
    {
        return at.checked_add(within)?.checked_add(TICK_MAX);
    }
    let now = Instant::now();
    // As above.
    let _ = READ.try_with(|read| read.set(Some((tick, now))));
    now.checked_add(within)
}

#[cfg(test)]
mod tests {
    use odeon_env::RealEnv;

    use super::*;

    #[test]
    fn a_wait_ends_never_early_and_at_most_a_tick_late() {
        let within = Duration::from_secs(5);
        for _ in 0..100_000 {
            let before = Instant::now();
            let end = end_of(within, &RealEnv).unwrap();
            let after = Instant::now();
            // Where the thread that moves the ticks on was held up, the time of the last reading is older.
            assert!(end + TICK_MAX >= before + within, "{:?}", before + within - end);
            assert!(end <= after + within + TICK_MAX);
        }
    }

    #[test]
    fn a_short_wait_is_exact_and_an_endless_one_has_no_end() {
        let within = WITHIN_MIN - Duration::from_nanos(1);
        end_of(WITHIN_MIN, &RealEnv);
        let before = Instant::now();
        let end = end_of(within, &RealEnv).unwrap();
        assert!(end >= before + within && end <= Instant::now() + within);
        assert_eq!(end_of(Duration::MAX, &RealEnv), None);
    }
}
