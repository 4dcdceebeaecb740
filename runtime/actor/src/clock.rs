//! A worker's clock: one read serves a few messages, for a read costs as much as many instructions of theirs.
//!
//! It serves the test whether a message has expired, which may be late by what a few handlers take; who sets a deadline
//! reads the time anew, and lets the worker know it. What it is NOT: a timer. Read `turn.rs` next.

use std::cell::Cell;

use tokio::time::Instant;

/// Handlers and turns that share one read.
const SHARED_MAX: u32 = 8;

/// The last read of a poll, and how much was done before it.
#[derive(Default)]
pub(crate) struct Clock {
    read: Cell<Option<(Instant, u32)>>,
    /// Handlers begun and turns ended since the poll began, before the present turn.
    done: Cell<u32>,
}

impl Clock {
    /// A poll begins: the last one may be long ago.
    pub(crate) fn begin_poll(&self) {
        self.read.set(None);
        self.done.set(0);
    }

    /// A turn ends in which so many handlers have begun.
    pub(crate) fn end_turn(&self, handled: u32) {
        self.done.set(self.done.get() + handled + 1);
    }

    /// Somebody has read the time in the present turn.
    pub(crate) fn note(&self, now: Instant) {
        self.read.set(Some((now, self.done.get())));
    }

    /// The time as of a few handlers ago at most, when so many have begun in the present turn.
    pub(crate) fn recent(&self, handled: u32) -> Instant {
        let done = self.done.get() + handled;
        match self.read.get() {
            // A direct turn begins to count anew, within one that may have read it later.
            Some((now, at)) if done.wrapping_sub(at) < SHARED_MAX => now,
            _ => {
                let now = Instant::now();
                self.read.set(Some((now, done)));
                now
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_read_serves_a_few_handlers_and_turns_of_one_poll() {
        let (clock, start) = (Clock::default(), Instant::now());
        clock.begin_poll();
        assert_eq!(clock.recent(0), start);
        let second = Duration::from_secs(1);
        tokio::time::advance(second).await;
        assert_eq!(clock.recent(SHARED_MAX - 1), start);
        assert_eq!(clock.recent(SHARED_MAX), start + second);
        tokio::time::advance(second).await;
        clock.end_turn(SHARED_MAX);
        assert_eq!(clock.recent(0), start + second);
        (0..SHARED_MAX).for_each(|_| clock.end_turn(0));
        assert_eq!(clock.recent(0), start + 2 * second, "turns without handlers count too");
        tokio::time::advance(second).await;
        clock.note(Instant::now());
        assert_eq!(clock.recent(0), start + 3 * second);
        tokio::time::advance(second).await;
        clock.begin_poll();
        assert_eq!(clock.recent(0), start + 4 * second);
    }

    #[tokio::test(start_paused = true)]
    async fn a_direct_turn_within_a_long_one_reads_it_again() {
        let (clock, start) = (Clock::default(), Instant::now());
        clock.begin_poll();
        assert_eq!(clock.recent(SHARED_MAX), start, "in the long turn");
        let second = Duration::from_secs(1);
        tokio::time::advance(second).await;
        assert_eq!(clock.recent(1), start + second, "in the other");
        clock.end_turn(2);
        assert_eq!(clock.recent(SHARED_MAX + 1), start + second);
    }
}
