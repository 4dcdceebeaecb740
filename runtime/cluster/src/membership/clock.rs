//! The node's time without the spans in which it stood still.
//!
//! A node that was stopped for seconds (a debugger, a machine that moves) finds every timer overdue at once, and
//! would hold the others for dead although it was itself that did not listen. Lifeguard (Dadgar, Phillips, Currey,
//! DSN-W 2018) calls this local health; here the clock of membership simply stands still as long as the node did.

use std::time::Duration;

/// A wakeup that is later than this shows that the node stood still: far above what a loaded machine does.
const STILL_MIN: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Duration,
    still: Duration,
}

impl Clock {
    /// The inner time for `outside`, when the next timer is `due`.
    pub(super) fn advance(&mut self, outside: Duration, due: Option<Duration>) -> Duration {
        let now = outside.saturating_sub(self.still).max(self.last);
        let late = due.map_or(Duration::ZERO, |due| now.saturating_sub(due));
        let still = if late > STILL_MIN { late } else { Duration::ZERO };
        self.still += still;
        self.last = (now - still).max(self.last);
        self.last
    }

    /// The outside time for an inner one.
    pub(super) fn outside(&self, inner: Duration) -> Duration {
        inner.saturating_add(self.still)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_still_with_the_node_and_never_goes_back() {
        let ms = Duration::from_millis;
        let mut clock = Clock::default();
        assert_eq!(clock.advance(ms(1_000), None), ms(1_000));
        assert_eq!(clock.advance(ms(900), None), ms(1_000));
        assert_eq!(clock.advance(ms(1_400), Some(ms(1_100))), ms(1_400));
        assert_eq!(clock.advance(ms(9_000), Some(ms(1_500))), ms(1_500));
        assert_eq!(clock.outside(ms(1_600)), ms(9_100));
        assert_eq!(clock.advance(ms(9_100), Some(ms(1_600))), ms(1_600));
    }
}
