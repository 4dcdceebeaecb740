//! Askers that wait for a place in the full table of asks.
//!
//! What it is: who waits, in order of arrival. What it is NOT: the lines of the lanes, where frames wait for credit and
//! bytes; an asker stands in one line at a time (`outbound.rs`). It keeps its place until it leaves, and when it
//! leaves after it was woken it wakes the next, so that no free place is forgotten. Bounded by the askers: each has at
//! most one entry.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::{Poll, Waker},
};

enum Entry {
    /// A place came free since the asker last looked.
    Woken,
    /// The asker tries again, or sleeps if there is a waker.
    Waiting(Option<Waker>),
}

/// The line.
#[derive(Default)]
pub(super) struct Line {
    entries: BTreeMap<u64, Entry>,
    /// Those of them that were not woken: what is walked when a place comes free.
    asleep: BTreeSet<u64>,
    arrivals: u64,
}

impl Line {
    /// Ready at first, and after each wake; `place` 0 takes a new one.
    pub(super) fn poll(&mut self, place: &mut u64, waker: &Waker) -> Poll<()> {
        if *place == 0 {
            // An asker registers, tries once more and then sleeps: a place that comes free meanwhile is seen.
            self.arrivals += 1;
            *place = self.arrivals;
            self.entries.insert(*place, Entry::Waiting(None));
            self.asleep.insert(*place);
            return Poll::Ready(());
        }
        match self.entries.get_mut(place) {
            Some(Entry::Waiting(kept)) => {
                *kept = Some(waker.clone());
                Poll::Pending
            }
            Some(entry) => {
                *entry = Entry::Waiting(None);
                self.asleep.insert(*place);
                Poll::Ready(())
            }
            None => Poll::Ready(()),
        }
    }

    /// Leaves; returns the next in line, to be woken, for it may have been this one's turn.
    pub(super) fn forget(&mut self, place: &mut u64) -> Option<Waker> {
        let place = std::mem::take(place);
        self.entries.remove(&place)?;
        self.asleep.remove(&place);
        self.wake()
    }

    /// Marks the first who was not woken yet; returns its waker, to be woken without a lock.
    pub(super) fn wake(&mut self) -> Option<Waker> {
        let first = self.asleep.pop_first()?;
        match self.entries.insert(first, Entry::Woken) {
            Some(Entry::Waiting(waker)) => waker,
            Some(Entry::Woken) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(line: &mut Line) -> u64 {
        let mut place = 0;
        assert!(line.poll(&mut place, Waker::noop()).is_ready());
        assert!(line.poll(&mut place, Waker::noop()).is_pending());
        place
    }

    #[test]
    fn a_place_that_comes_free_before_the_asker_sleeps_is_seen() {
        let mut line = Line::default();
        let mut place = 0;
        assert!(line.poll(&mut place, Waker::noop()).is_ready());
        assert!(line.wake().is_none(), "it has not slept yet");
        assert!(line.poll(&mut place, Waker::noop()).is_ready());
        assert!(line.poll(&mut place, Waker::noop()).is_pending());
    }

    #[test]
    fn askers_are_woken_in_order_and_pass_it_on() {
        let mut line = Line::default();
        let [mut first, mut second, mut third] = [(); 3].map(|()| settle(&mut line));
        assert!(line.wake().is_some());
        assert!(line.poll(&mut second, Waker::noop()).is_pending());
        assert!(line.poll(&mut first, Waker::noop()).is_ready());
        assert!(line.forget(&mut first).is_some(), "it has found room elsewhere");
        assert_eq!(first, 0);
        assert!(line.poll(&mut second, Waker::noop()).is_ready());
        assert!(line.forget(&mut second).is_some());
        assert!(line.poll(&mut third, Waker::noop()).is_ready());
        assert!(line.forget(&mut third).is_none() && line.entries.is_empty());
        assert!(line.asleep.is_empty());
    }

    /// A wake used to walk past all who were woken before: with a table of lost asks it took half a minute.
    #[test]
    fn waking_a_whole_table_is_not_a_walk_for_each() {
        const MANY: usize = 1 << 16;
        let mut line = Line::default();
        let places: Vec<u64> = (0..MANY).map(|_| settle(&mut line)).collect();
        let woken = (0..MANY).filter(|_| line.wake().is_some()).count();
        assert_eq!((woken, line.asleep.len()), (MANY, 0));
        for mut place in places {
            assert!(line.forget(&mut place).is_none());
        }
    }
}
