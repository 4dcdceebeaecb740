//! Which actors stand out: those found at work most often of late, and those at which most or the oldest waits.
//!
//! What it is: a profile by sampling, from the looks that the watchdog takes at the workers anyway (`watchdog.rs`), and the
//! few actors that workers pick while they look at all of theirs for a report (`worker/metering.rs`). No message pays for
//! it. What it is NOT: exact; an actor that works for a hundredth of the time is found in a hundredth of the looks. The
//! figures go to `metrics.rs`.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::cell::CellPtr;

/// Rounds of looks that are kept: 12.8 s with the default of
/// [`blocked_after`](crate::SystemConfig::blocked_after), in which a share is off by 3 % at most, and which a reader who
/// comes once in ten seconds sees all of.
const ROUNDS: u64 = 256;

/// Workers found at work that are kept, of all rounds: 64 workers that are never idle. With more the oldest rounds go, and
/// shares are those of a shorter time.
const FOUND_MAX: usize = 64 * ROUNDS as usize;

/// Actors of each sort that stand out: those at work, those at which much waits, those at which it waits long.
pub(crate) const HOT_MAX: usize = 16;

/// One of the actors of a node that stand out. Their figures are of about the same moment.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct HotActor {
    /// Its number on this node.
    pub number: u64,
    /// What people call its type.
    pub kind: &'static str,
    /// What its supervisor calls it.
    pub id: Option<Arc<str>>,
    /// Its names in the registry.
    pub names: Vec<Box<str>>,
    /// The number of its worker.
    pub worker: u32,
    /// The share of the last seconds, 12.8 by default, in which its turn was found to go on, from 0 to 1; an actor that
    /// awaits has no turn. `None` where nobody looks, see [`ActorSystem::watch_workers`](crate::ActorSystem::watch_workers).
    pub busy: Option<f64>,
    /// Messages that wait in its mailbox.
    pub waiting: u32,
    /// For how long it has taken none of them; see [`TypeMetrics::age_max`](crate::TypeMetrics::age_max).
    pub age: Option<Duration>,
    /// How many times it was started again.
    pub restarts: u32,
}

/// A worker that was found at work, and whose turn it was.
#[derive(Clone, Copy)]
struct Found {
    round: u64,
    worker: u32,
    actor: u64,
}

#[derive(Default)]
struct Rounds {
    /// The number of the last one, from 1.
    last: u64,
    found: VecDeque<Found>,
}

/// What the watchdog found in its last rounds.
#[derive(Default)]
pub(crate) struct Findings(Mutex<Rounds>);

impl Findings {
    /// One more round: the workers that were at work, each with the actor whose turn it was.
    pub(crate) fn round(&self, found: impl Iterator<Item = (u32, u64)>) {
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.last += 1;
        let round = rounds.last;
        rounds.found.extend(found.map(|(worker, actor)| Found { round, worker, actor }));
        while rounds.found.front().is_some_and(|one| one.round + ROUNDS <= round)
            || rounds.found.len() > FOUND_MAX
        {
            rounds.found.pop_front();
        }
    }

    /// In which share of the rounds that are kept the worker that is looked at was at work, on average over these workers;
    /// `None` before the first round.
    pub(crate) fn share(&self, workers: &[u32]) -> Option<f64> {
        let sums = self.sums();
        let times = workers.iter().map(|number| sums.workers.get(number).copied().unwrap_or(0));
        let (sum, count) = (times.sum::<u64>() as f64, workers.len() as f64);
        (sums.rounds > 0 && count > 0.0).then(|| (sum / count / sums.rounds as f64).min(1.0))
    }

    /// The sums.
    pub(crate) fn sums(&self) -> Sums {
        let rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = rounds.last.min(ROUNDS);
        // Where the oldest had to go, the rest of its round does not count for whole.
        let rounds_seen = match rounds.found.front() {
            Some(oldest) if rounds.found.len() == FOUND_MAX => rounds.last - oldest.round + 1,
            _ => whole,
        };
        let (mut workers, mut actors) = (BTreeMap::new(), BTreeMap::new());
        for Found { worker, actor, .. } in &rounds.found {
            *workers.entry(*worker).or_insert(0) += 1;
            *actors.entry(*actor).or_insert(0) += 1;
        }
        let mut most = actors.into_iter().collect::<Vec<(u64, u64)>>();
        most.sort_by_key(|(actor, times)| (std::cmp::Reverse(*times), *actor));
        most.truncate(HOT_MAX);
        most.sort_unstable();
        Sums { rounds: rounds_seen, workers, actors: most }
    }
}

/// How often whom was found at work.
#[derive(Default)]
pub(crate) struct Sums {
    pub(crate) rounds: u64,
    pub(crate) workers: BTreeMap<u32, u64>,
    /// The actors found most often, by their numbers.
    actors: Vec<(u64, u64)>,
}

impl Sums {
    /// How often this actor was found, if it is among the first.
    fn of(&self, actor: u64) -> u64 {
        let place = self.actors.binary_search_by_key(&actor, |(number, _)| *number);
        place.map_or(0, |at| self.actors[at].1)
    }

    fn share(&self, times: u64) -> Option<f64> {
        (self.rounds > 0).then(|| (times as f64 / self.rounds as f64).min(1.0))
    }
}

/// An actor that stands out, as its worker saw it.
#[derive(Clone)]
struct Seen {
    cell: CellPtr,
    times: u64,
    waiting: u32,
    ticks: Option<u32>,
}

/// The first of those that were looked at, in one respect.
#[derive(Default)]
struct First(BTreeMap<(u64, u64), Seen>);

impl First {
    fn offer(
        &mut self,
        worth: u64,
        seen: impl FnOnce() -> Seen,
        number: u64,
        gone: &mut Vec<Seen>,
    ) {
        let full = self.0.len() >= HOT_MAX;
        let least = self.0.first_key_value().map_or(0, |((worth, _), _)| *worth);
        if worth == 0 || (full && worth <= least) {
            return;
        }
        gone.extend(self.0.insert((worth, number), seen()));
        if full {
            gone.extend(self.0.pop_first().map(|(_, seen)| seen));
        }
    }
}

/// Picks the actors that stand out, of one worker or of all.
#[derive(Default)]
pub(crate) struct Picked {
    busy: First,
    full: First,
    old: First,
    /// Those that others outdid, dropped when nobody looks at actors any more: destructors may do anything.
    gone: Vec<Seen>,
}

impl Picked {
    /// Looks at one actor.
    pub(crate) fn look(&mut self, cell: &CellPtr, waiting: u32, ticks: Option<u32>, sums: &Sums) {
        let times = sums.of(cell.number);
        if times == 0 && waiting == 0 {
            return;
        }
        self.offer(cell.number, times, waiting, ticks, || Seen {
            cell: cell.clone(),
            times,
            waiting,
            ticks,
        });
    }

    fn offer(
        &mut self,
        number: u64,
        times: u64,
        waiting: u32,
        ticks: Option<u32>,
        seen: impl Fn() -> Seen,
    ) {
        self.busy.offer(times, &seen, number, &mut self.gone);
        self.full.offer(waiting.into(), &seen, number, &mut self.gone);
        // So that an age of zero ticks counts as one.
        let age = ticks.map_or(0, |ticks| u64::from(ticks) + 1);
        self.old.offer(age, &seen, number, &mut self.gone);
    }

    /// Takes in what another worker picked.
    pub(crate) fn add(&mut self, more: Self) {
        for seen in more.all().into_values() {
            let (times, waiting, ticks) = (seen.times, seen.waiting, seen.ticks);
            self.offer(seen.cell.number, times, waiting, ticks, || seen.clone());
        }
    }

    /// Another one that says the same, for somebody else who asked.
    pub(crate) fn copy(&self) -> Self {
        let copy = |first: &First| First(first.0.clone());
        let (busy, full, old) = (copy(&self.busy), copy(&self.full), copy(&self.old));
        Self { busy, full, old, gone: Vec::new() }
    }

    fn all(self) -> BTreeMap<u64, Seen> {
        let all = [self.busy, self.full, self.old].into_iter().flat_map(|first| first.0);
        all.map(|((_, number), seen)| (number, seen)).collect()
    }

    /// The actors, those that were at work most often first.
    pub(crate) fn actors(self, sums: &Sums, tick: Duration) -> Vec<HotActor> {
        let actor = |Seen { cell, times, waiting, ticks }| {
            let bonds = cell.if_bonds(|bonds| {
                let parent = bonds.parent.as_ref();
                let past = parent.map(|parent| (parent.id.clone(), parent.past.restarts));
                (past.unwrap_or_default(), bonds.names.clone())
            });
            let ((id, restarts), names) = bonds.unwrap_or_default();
            let (number, kind, worker) = (cell.number, cell.kind(), cell.worker.number());
            let (busy, age) = (sums.share(times), ticks.map(|ticks| tick * ticks));
            HotActor { number, kind, id, names, worker, busy, waiting, age, restarts }
        };
        let mut actors = self.all().into_values().map(actor).collect::<Vec<_>>();
        actors.sort_by(|one, other| {
            let busy = other.busy.unwrap_or(0.0).total_cmp(&one.busy.unwrap_or(0.0));
            busy.then(other.waiting.cmp(&one.waiting)).then(one.number.cmp(&other.number))
        });
        actors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_last_rounds() {
        let findings = Findings::default();
        for round in 0..1_000_u64 {
            let actor = if round < 900 { 7 } else { 8 };
            let found = (round % 2 == 0).then_some((1, actor));
            findings.round(found.into_iter());
        }
        let sums = findings.sums();
        assert_eq!((sums.rounds, sums.workers[&1]), (ROUNDS, ROUNDS / 2));
        assert_eq!((sums.of(8), sums.of(7), sums.of(9)), (50, 78, 0));
        assert_eq!(sums.share(sums.of(8)), Some(50.0 / 256.0));
        assert_eq!((findings.share(&[1]), findings.share(&[1, 2])), (Some(0.5), Some(0.25)));
        assert_eq!(Findings::default().sums().share(0), None, "nobody looked");
        assert_eq!((Findings::default().share(&[1]), findings.share(&[])), (None, None));
    }

    #[test]
    fn many_workers_have_a_shorter_time_and_no_more_memory() {
        let findings = Findings::default();
        for _ in 0..ROUNDS {
            findings.round((0..1_000).map(|worker| (worker, u64::from(worker))));
        }
        let sums = findings.sums();
        let kept = findings.0.lock().unwrap().found.len();
        assert_eq!((kept, sums.rounds), (FOUND_MAX, 17));
        assert_eq!(sums.actors.len(), HOT_MAX);
        assert!(sums.share(sums.workers[&999]).is_some_and(|share| share == 1.0));
    }
}
