//! What is counted for each actor type of one system.
//!
//! What it is: a table of counters with a place for each type that has had an actor, given out in the first turn of its
//! first actor. What happens seldom is counted here, whoever it happens to; what happens with every message is counted
//! by each worker for itself ([`meters.rs`](crate::meters)). What it is NOT: the figures of the whole system
//! (`stats.rs`). Read by `metrics.rs`.

use std::{
    any::TypeId,
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{cell::CellHead, stats::count};

/// Actor types that are told apart: far more than a program has that is not generic without end, and the table of a
/// system stays below 20 KiB.
pub(crate) const TYPES_MAX: usize = 256;
/// The place of all types that came later.
const OTHER: u16 = 0;
/// What their entry is called.
const OTHER_KIND: &str = "other";
/// Places in every table: one for each type, and one for the others.
pub(crate) const PLACES: usize = TYPES_MAX + 1;

/// The place of an actor's type in the tables; none before its first turn.
pub(crate) struct TypePlace(AtomicU16);

impl Default for TypePlace {
    fn default() -> Self {
        Self(AtomicU16::new(u16::MAX))
    }
}

impl TypePlace {
    pub(crate) fn set(&self, place: u16) {
        self.0.store(place, Relaxed);
    }

    /// An index that is beyond every table before the actor's first turn.
    #[inline]
    pub(crate) fn get(&self) -> usize {
        usize::from(self.0.load(Relaxed))
    }
}

/// The counters of one actor type.
#[derive(Default)]
pub(crate) struct TypeCounts {
    pub(crate) restarts: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// On workers that have left, as the next two.
    pub(crate) handled: AtomicU64,
    pub(crate) live: AtomicU64,
    pub(crate) started: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) undelivered: AtomicU64,
}

struct Names {
    places: BTreeMap<TypeId, u16>,
    kinds: Vec<&'static str>,
}

pub(crate) struct Census {
    names: Mutex<Names>,
    counts: Box<[TypeCounts]>,
}

impl Default for Census {
    fn default() -> Self {
        let names = Names { places: BTreeMap::new(), kinds: vec![OTHER_KIND] };
        let counts = (0..PLACES).map(|_| TypeCounts::default()).collect();
        Self { names: Mutex::new(names), counts }
    }
}

impl Census {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a type; it gets one on its first call, or shares that of the others if there is none left.
    pub(crate) fn place(&self, id: TypeId, kind: &'static str) -> u16 {
        let mut names = self.names();
        if let Some(place) = names.places.get(&id) {
            return *place;
        }
        if names.kinds.len() >= PLACES {
            return OTHER;
        }
        let place = u16::try_from(names.kinds.len()).unwrap_or(OTHER);
        names.kinds.push(kind);
        names.places.insert(id, place);
        place
    }

    pub(crate) fn counts(&self, place: usize) -> Option<&TypeCounts> {
        self.counts.get(place)
    }

    /// Actors of all types that ever started, on workers that have left.
    pub(crate) fn started(&self) -> u64 {
        self.counts.iter().map(|counts| counts.started.load(Relaxed)).sum()
    }

    /// What the types are called, by place.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.names().kinds.clone()
    }
}

impl CellHead {
    /// What is counted for its type; nothing before its first turn.
    pub(crate) fn census(&self) -> Option<&TypeCounts> {
        self.worker.system().census().counts(self.place.get())
    }

    /// One more of those.
    pub(crate) fn tally(&self, which: fn(&TypeCounts) -> &AtomicU64) {
        if let Some(counts) = self.census() {
            count(which(counts));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Of<const N: usize>;

    #[test]
    fn a_type_has_one_place_and_those_that_come_late_share_one() {
        let census = Census::default();
        let first = census.place(TypeId::of::<Of<1>>(), "first");
        assert_eq!(census.place(TypeId::of::<Of<2>>(), "first"), first + 1, "names may be equal");
        assert_eq!(census.place(TypeId::of::<Of<1>>(), "first"), first);
        let full = {
            let mut names = census.names();
            names.kinds.resize(PLACES, "more");
            names.kinds.len()
        };
        assert_eq!(full, TYPES_MAX + 1);
        assert_eq!(census.place(TypeId::of::<Of<3>>(), "late"), OTHER);
        assert_eq!(census.place(TypeId::of::<Of<2>>(), "first"), first + 1, "it keeps its place");
        assert_eq!(census.kinds()[usize::from(OTHER)], OTHER_KIND);
        assert!(census.counts(PLACES).is_none() && census.counts(TYPES_MAX).is_some());
    }
}
