//! What one worker counts and measures for each actor type while it runs actors.
//!
//! Handlers are counted once a turn. One message in [`sample_every`](crate::SystemConfig::sample_every) is measured, or
//! fewer of a busy worker's, with two clock reads of its own, so that all others cost no more than a comparison. Only the worker's thread touches the
//! histograms; whoever reads asks for a copy. What it is NOT: what is counted for a type wherever it happens
//! (`census.rs`). The copies go to `metrics.rs`; queue times come from `mailbox/mark.rs`.

use std::{
    any::TypeId,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    ptr,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use hdrhistogram::Histogram;

use crate::{
    cell::{CellCalls, CellPtr},
    census::{Census, PLACES},
};

/// Two significant digits: 1 % off at most, and about 14 KiB a histogram; three would be ten times as much.
const DIGITS: u8 = 2;
/// The shortest time that is told apart, in nanoseconds: reading the clock takes half as long.
const LOWEST: u64 = 64;
/// The longest; what takes longer counts as this.
const HIGHEST: u64 = 3_600 * 1_000_000_000;

/// Sampled times, in nanoseconds.
pub(crate) type Times = Histogram<u32>;

fn times() -> Option<Box<Times>> {
    // The bounds are constants that the crate accepts, as the tests show.
    Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS).ok().map(Box::new)
}

fn record(times_of: &mut Option<Box<Times>>, time: Duration) {
    if times_of.is_none() {
        *times_of = times();
    }
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    times_of.iter_mut().for_each(|times| times.saturating_record(nanos));
}

/// Adds what somebody else has measured.
pub(crate) fn add(sum: &mut Option<Box<Times>>, more: &Option<Box<Times>>) {
    match (sum.as_mut(), more) {
        (_, None) => {}
        (None, Some(more)) => *sum = Some(more.clone()),
        // Both have the same bounds.
        (Some(sum), Some(more)) => drop(sum.add(&**more)),
    }
}

/// The sampled times of one actor type.
#[derive(Clone, Default)]
pub(crate) struct Sampled {
    pub(crate) handler: Option<Box<Times>>,
    pub(crate) queue: Option<Box<Times>>,
}

impl Sampled {
    pub(crate) fn add(&mut self, more: &Self) {
        add(&mut self.handler, &more.handler);
        add(&mut self.queue, &more.queue);
    }
}

/// What only the worker's thread touches.
#[derive(Default)]
pub(crate) struct Meters {
    places: RefCell<BTreeMap<TypeId, u16>>,
    /// The table of the last actor that came, and the place of its type: many of one type come in a row.
    last: Cell<Option<(&'static CellCalls, u16)>>,
    sampled: RefCell<BTreeMap<usize, Sampled>>,
    /// Handlers until one is measured.
    pub(crate) until: Cell<u32>,
    /// The last poll had much to do.
    pub(crate) busy: Cell<bool>,
    /// The time in this poll, as `metrics.rs` keeps it; 0 if nobody does.
    pub(crate) tick: Cell<u32>,
}

impl Meters {
    /// The place of an actor's type.
    pub(crate) fn place(&self, cell: &CellPtr, census: &Census) -> u16 {
        let calls = cell.calls();
        if let Some((last, place)) = self.last.get()
            && ptr::eq(last, calls)
        {
            return place;
        }
        let id = calls.type_id();
        let mut places = self.places.borrow_mut();
        let place = *places.entry(id).or_insert_with(|| census.place(id, cell.kind()));
        self.last.set(Some((calls, place)));
        place
    }

    pub(crate) fn handler(&self, place: usize, time: Duration) {
        record(&mut self.sampled.borrow_mut().entry(place).or_default().handler, time);
    }

    pub(crate) fn queue(&self, place: usize, time: Duration) {
        record(&mut self.sampled.borrow_mut().entry(place).or_default().queue, time);
    }

    /// A copy.
    pub(crate) fn sampled(&self) -> BTreeMap<usize, Sampled> {
        self.sampled.borrow().clone()
    }

    /// All of it, from a worker that leaves.
    pub(crate) fn take(&self) -> BTreeMap<usize, Sampled> {
        self.sampled.take()
    }
}

/// What a worker counts of one actor type.
#[derive(Default)]
pub(crate) struct Tally {
    /// Handlers that began.
    pub(crate) handled: AtomicU64,
    /// Actors that had their first turn here and not their last.
    pub(crate) live: AtomicU64,
    /// Actors that started here, restarts not counted.
    pub(crate) started: AtomicU64,
}

/// What a worker counts, by the place of the type: written by the worker alone, read by anybody.
pub(crate) struct Tallies {
    places: Box<[Tally]>,
    /// The first of them, where not all places are there.
    first: AtomicUsize,
    /// Handlers of all types that began.
    handled: AtomicU64,
}

impl Tallies {
    /// For actors of any type, or for `alone`, one actor.
    pub(crate) fn new(alone: bool) -> Self {
        let places = (0..if alone { 1 } else { PLACES }).map(|_| Tally::default()).collect();
        Self { places, first: AtomicUsize::new(0), handled: AtomicU64::new(0) }
    }

    /// An actor of the type of this place comes: it is the only one, where there is but one.
    #[inline]
    pub(crate) fn expect(&self, place: usize) {
        if self.places.len() == 1 {
            self.first.store(place, Relaxed);
        }
    }

    #[inline]
    fn at(&self, place: usize) -> Option<&Tally> {
        self.places.get(place.wrapping_sub(self.first.load(Relaxed)))
    }

    /// So many handlers of a type began.
    #[inline]
    pub(crate) fn add_handled(&self, place: usize, handled: u32) {
        for sum in [self.at(place).map(|of| &of.handled), Some(&self.handled)] {
            sum.into_iter().for_each(|sum| change(sum, u64::from(handled)));
        }
    }

    /// One more of those.
    #[inline]
    pub(crate) fn one_more(&self, place: usize, which: impl Fn(&Tally) -> &AtomicU64) {
        self.at(place).into_iter().for_each(|of| change(which(of), 1));
    }

    /// An actor of a type is gone.
    #[inline]
    pub(crate) fn one_gone(&self, place: usize) {
        self.at(place).into_iter().for_each(|of| change(&of.live, u64::MAX));
    }

    /// Handlers of all types that began.
    pub(crate) fn handled(&self) -> u64 {
        self.handled.load(Relaxed)
    }

    /// Actors of all types that started.
    pub(crate) fn started(&self) -> u64 {
        self.places.iter().map(|of| of.started.load(Relaxed)).sum()
    }

    pub(crate) fn of(&self, place: usize) -> Figures {
        self.at(place).map_or_else(Figures::default, |of| Figures {
            handled: of.handled.load(Relaxed),
            live: of.live.load(Relaxed),
            started: of.started.load(Relaxed),
        })
    }

    /// Gives the figures to the census and to the sum of all types, when the worker leaves.
    pub(crate) fn hand_over(&self, census: &Census, all: &AtomicU64) {
        all.fetch_add(self.handled.swap(0, Relaxed), Relaxed);
        let first = self.first.load(Relaxed);
        for (at, of) in self.places.iter().enumerate() {
            if let Some(counts) = census.counts(first + at) {
                counts.handled.fetch_add(of.handled.swap(0, Relaxed), Relaxed);
                counts.live.fetch_add(of.live.swap(0, Relaxed), Relaxed);
                counts.started.fetch_add(of.started.swap(0, Relaxed), Relaxed);
            }
        }
    }
}

/// Only the worker writes, so that no exchange is needed; what is taken away comes as its complement.
#[inline]
fn change(sum: &AtomicU64, by: u64) {
    sum.store(sum.load(Relaxed).wrapping_add(by), Relaxed);
}

/// What was counted of one actor type, here or in sum.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) handled: u64,
    pub(crate) live: u64,
    pub(crate) started: u64,
}

impl Figures {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            handled: self.handled.wrapping_add(other.handled),
            live: self.live.wrapping_add(other.live),
            started: self.started.wrapping_add(other.started),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_to_a_hundredth_and_beyond_the_bounds_at_the_bound() {
        let mut sampled = Sampled::default();
        for millis in 1..=100 {
            record(&mut sampled.handler, Duration::from_millis(millis));
        }
        let median = sampled.handler.as_ref().unwrap().value_at_quantile(0.5);
        assert!(median.abs_diff(50_000_000) <= 500_000, "{median}");
        record(&mut sampled.handler, Duration::MAX);
        record(&mut sampled.handler, Duration::ZERO);
        let times = sampled.handler.as_ref().unwrap();
        assert_eq!(times.len(), 102);
        assert!(times.max().abs_diff(HIGHEST) <= HIGHEST / 100, "{}", times.max());
        let bytes = times.distinct_values() * size_of::<u32>();
        assert!(bytes < 16 << 10, "{bytes} bytes");
    }

    #[test]
    fn what_workers_measured_adds_up() {
        let (mut sum, mut one) = (Sampled::default(), Sampled::default());
        sum.add(&one);
        assert!(sum.queue.is_none());
        record(&mut one.queue, Duration::from_micros(5));
        sum.add(&one);
        sum.add(&one);
        assert_eq!(sum.queue.unwrap().len(), 2);
        assert!(sum.handler.is_none());
    }
}
