//! The simulation's side of `buggify!`: which places are on in this run, when they fire, and how often they did.
//!
//! What it is: the answers to [`odeon_env::buggify`] on the thread of a world, while a node is polled. What it is NOT: a
//! fault of the world; those are methods of `World`, and come from outside of the code. Counts go into the verdict. Read
//! `schedule.rs` next.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
};

use odeon_env::buggify::{Armed, Mischief, Place, arm, let_places_ask};
use odeon_interpose::{Seat, Stream, current, with_current};

use crate::{
    schedule::Schedule,
    timeline::Timeline,
    trace::{Event, Trace},
};

/// The most places that a run tells apart; those it meets later are off.
pub const BUGGIFY_PLACES_MAX: usize = 1_024;

/// In how many of a hundred cases a task whose order is free lets others go first, under any schedule but the first come.
const DEFERRED_PERCENT: u64 = 5;

/// One place that was asked in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buggified {
    /// The place: module, line, column.
    pub place: String,
    /// Whether it was on when it was asked, once at least.
    pub on: bool,
    /// How often it was asked.
    pub asked: u64,
    /// How often it fired.
    pub fired: u64,
}

impl fmt::Display for Buggified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, on, asked, fired } = self;
        let on = if *on { "on" } else { "off" };
        write!(f, "{place} ({on}): fired {fired} of {asked} times")
    }
}

struct Entry {
    /// The place is on when this is below the percentage.
    drawn: u64,
    /// One for each node, so that what one asks shifts no other.
    streams: BTreeMap<String, Stream>,
    on: bool,
    asked: u64,
    fired: u64,
}

struct Table {
    seed: u64,
    trace: Trace,
    timeline: Timeline,
    places: BTreeMap<Place, Entry>,
}

thread_local! {
    static TABLE: RefCell<Option<Table>> = const { RefCell::new(None) };
    static PERCENT: Cell<u8> = const { Cell::new(0) };
    /// Whether tasks whose order is free let others go first now and then.
    static DEFERS: Cell<bool> = const { Cell::new(false) };
}

/// Places on this thread ask this world until this is dropped.
pub(crate) struct Mischievous(Armed);

impl Mischievous {
    pub(crate) fn begin(
        seed: u64,
        percent: u8,
        schedule: Schedule,
        timeline: Timeline,
        trace: Trace,
    ) -> Self {
        DEFERS.set(schedule != Schedule::Fifo);
        TABLE.set(Some(Table { seed, trace, timeline, places: BTreeMap::new() }));
        set_percent(percent);
        Self(arm(&Answers))
    }

    /// What the places did.
    pub(crate) fn end(self) -> Vec<Buggified> {
        let counts = counts();
        drop(self.0);
        TABLE.take();
        counts
    }
}

/// Sets how many of a hundred places are on.
pub(crate) fn set_percent(percent: u8) {
    PERCENT.set(percent);
    if percent > 0 {
        let_places_ask();
    }
}

/// How many of a hundred places are on.
pub(crate) fn percent() -> u8 {
    PERCENT.get()
}

/// The places that have been asked, in order.
pub(crate) fn counts() -> Vec<Buggified> {
    TABLE.with_borrow(|table| table.as_ref().map(Table::counts).unwrap_or_default())
}

#[derive(Debug)]
struct Answers;

impl Mischief for Answers {
    fn fires(&self, place: Place, chance: f64, bound: u64) -> Option<u64> {
        let percent = PERCENT.get();
        // The driver of the world and the panic hook run outside of nodes.
        let node = (percent > 0).then(current).flatten()?;
        TABLE.with_borrow_mut(|table| {
            table.as_mut()?.fires(place, u64::from(percent), chance, bound, node.name())
        })
    }

    fn defers(&self) -> bool {
        // Each node draws by itself, so that what one does shifts no other.
        let draws = |seat: &Seat| seat.order().below(100) < DEFERRED_PERCENT;
        DEFERS.get() && with_current(draws) == Some(true)
    }
}

impl Table {
    fn counts(&self) -> Vec<Buggified> {
        let count = |(place, entry): (&Place, &Entry)| Buggified {
            place: place.to_string(),
            on: entry.on,
            asked: entry.asked,
            fired: entry.fired,
        };
        self.places.iter().map(count).collect()
    }

    fn fires(
        &mut self,
        place: Place,
        percent: u64,
        chance: f64,
        bound: u64,
        node: &str,
    ) -> Option<u64> {
        if self.places.len() >= BUGGIFY_PLACES_MAX && !self.places.contains_key(&place) {
            return None;
        }
        let seed = self.seed;
        let entry = self.places.entry(place).or_insert_with(|| {
            let stream = Stream::named(seed, &format!("buggify {place}"));
            Entry {
                drawn: stream.below(100),
                streams: BTreeMap::new(),
                on: false,
                asked: 0,
                fired: 0,
            }
        });
        entry.asked += 1;
        if entry.drawn >= percent {
            return None;
        }
        entry.on = true;
        let stream = match entry.streams.get(node) {
            Some(stream) => stream,
            None => {
                let stream = Stream::named(seed, &format!("buggify {place} of {node}"));
                entry.streams.entry(node.to_owned()).or_insert(stream)
            }
        };
        if !stream.chance(chance) {
            return None;
        }
        entry.fired += 1;
        let number = stream.below(bound);
        let host = self.trace.host_named(node);
        let detail = place.to_string();
        self.trace.record(
            self.timeline.now(),
            host,
            &Event::Note { name: "buggified", detail: &detail },
        );
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { module: "here", line: 1, column: 1 };

    fn table() -> Table {
        let trace = Trace::new();
        ["a", "b"].iter().for_each(|name| trace.name_host(name));
        let (timeline, places) = (Timeline::start(), BTreeMap::new());
        Table { seed: 3, trace, timeline, places }
    }

    fn ask(table: &mut Table, node: &str) -> Option<u64> {
        table.fires(PLACE, 100, 0.5, 1 << 20, node)
    }

    #[test]
    fn a_place_that_was_on_for_a_while_is_told_as_on() {
        let mut table = table();
        (0..10).for_each(|_| _ = ask(&mut table, "a"));
        assert_eq!(table.fires(PLACE, 0, 1.0, 1, "a"), None);
        let counts = table.counts();
        assert!(counts[0].on && counts[0].fired > 0 && counts[0].asked == 11, "{counts:?}");
    }

    #[test]
    fn what_one_node_asks_shifts_no_other() {
        let (mut alone, mut beside) = (table(), table());
        let alone: Vec<_> = (0..100).map(|_| ask(&mut alone, "b")).collect();
        let beside = (0..100).map(|round| {
            (0..round % 3).for_each(|_| _ = ask(&mut beside, "a"));
            ask(&mut beside, "b")
        });
        assert_eq!(beside.collect::<Vec<_>>(), alone);
        let mut other = table();
        let of_a: Vec<_> = (0..100).map(|_| ask(&mut other, "a")).collect();
        assert_ne!(of_a, alone);
    }
}
