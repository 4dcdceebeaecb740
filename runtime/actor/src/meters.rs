//! What one worker counts and measures for each actor type while it runs actors.
//!
//! Handlers are counted once a turn. One message in [`sample_every`](crate::SystemConfig::sample_every) is measured, with
//! two clock reads of its own, so that all others cost no more than a comparison. Only the worker's thread touches the
//! histograms; whoever reads asks for a copy. What it is NOT: what is counted for a type wherever it happens
//! (`census.rs`). The copies go to `metrics.rs`; queue times come from `mailbox/mark.rs`.

use std::{
    any::TypeId,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    ptr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
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

/// Handlers that began, by the place of the type: written by the worker alone, read by anybody.
pub(crate) struct Handled {
    places: Box<[AtomicU64]>,
    all: AtomicU64,
}

impl Default for Handled {
    fn default() -> Self {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { places, all: AtomicU64::new(0) }
    }
}

impl Handled {
    #[inline]
    pub(crate) fn add(&self, place: usize, handled: u32) {
        for sum in [self.places.get(place), Some(&self.all)].into_iter().flatten() {
            // Only the worker writes, so that no exchange is needed.
            sum.store(sum.load(Relaxed).wrapping_add(u64::from(handled)), Relaxed);
        }
    }

    /// Those of all types.
    pub(crate) fn all(&self) -> u64 {
        self.all.load(Relaxed)
    }

    pub(crate) fn of(&self, place: usize) -> u64 {
        self.places.get(place).map_or(0, |sum| sum.load(Relaxed))
    }

    /// Gives the figures to the census and to the sum of all types, when the worker leaves.
    pub(crate) fn hand_over(&self, census: &Census, all: &AtomicU64) {
        all.fetch_add(self.all.swap(0, Relaxed), Relaxed);
        for (place, sum) in self.places.iter().enumerate() {
            if let Some(counts) = census.counts(place) {
                counts.handled.fetch_add(sum.swap(0, Relaxed), Relaxed);
            }
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
