//! What is under way in a network, by when it arrives.
//!
//! Nearly all of it arrives within a few milliseconds. So what is due within the next ticks is thrown into a pocket a tick
//! and sorted when that tick comes; only what is due later, as most retries and looks are, is in a heap until then, and so is
//! what is sent in a tick for the same tick behind many others, as where a flood takes no time. All hold places and not what
//! is there, so that ordering moves a few words an entry. Equal times are told apart by the tie, then by which was sent
//! first. Read `fabric.rs` for what arrives.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    time::Duration,
};

use super::fabric::Freight;

/// Pockets, a bit each in one word: 67 ms.
const POCKETS: u64 = 64;

/// How many entries of the open tick are moved for one that is due behind them: 2 KiB. Beyond it goes into a heap.
const MOVED_MAX: usize = 64;

/// What is due, in nanoseconds; then its tie, its number in order of sending, and its place.
type Entry = (u64, u64, u64, u32);

/// The tick of a time: 2^20 ns, so that it takes no division.
const fn tick(due: u64) -> u64 {
    due >> 20
}

/// What is due within one tick, in no order.
#[derive(Debug)]
struct Pocket {
    entries: Vec<Entry>,
    /// When the first of them is due.
    first: u64,
}

/// All that is under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// What is due up to the tick that was opened last, the next at the end.
    open: Vec<Entry>,
    /// What is due then as well, and came behind too many others to be put among them.
    crowd: BinaryHeap<Reverse<Entry>>,
    opened: u64,
    /// By tick, for the ticks behind the open one: each pocket has the entries of one tick.
    pockets: Vec<Pocket>,
    /// Which pockets have any, a bit each.
    filled: u64,
    /// What is due later.
    later: BinaryHeap<Reverse<Entry>>,
    count: usize,
    places: Vec<Option<Freight>>,
    free: Vec<u32>,
    sent: u64,
}

impl Default for UnderWay {
    fn default() -> Self {
        let pocket = || Pocket { entries: Vec::new(), first: u64::MAX };
        Self {
            open: Vec::new(),
            crowd: BinaryHeap::new(),
            opened: 0,
            pockets: std::iter::repeat_with(pocket).take(POCKETS as usize).collect(),
            filled: 0,
            later: BinaryHeap::new(),
            count: 0,
            places: Vec::new(),
            free: Vec::new(),
            sent: 0,
        }
    }
}

impl UnderWay {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// When the next arrives.
    #[inline]
    pub(super) fn first_due(&self) -> Option<Duration> {
        let due = match (self.open.last(), self.crowd.peek()) {
            (Some((due, ..)), None) | (None, Some(Reverse((due, ..)))) => *due,
            (Some((due, ..)), Some(Reverse((other, ..)))) => *due.min(other),
            (None, None) => self.first_behind()?,
        };
        Some(Duration::from_nanos(due))
    }

    /// When the first behind the open tick is due. The pockets come before what is later.
    fn first_behind(&self) -> Option<u64> {
        match self.next_pocket() {
            Some(at) => Some(self.pockets[at].first),
            None => self.later.peek().map(|Reverse((due, ..))| *due),
        }
    }

    /// The first pocket behind the open tick that has anything.
    fn next_pocket(&self) -> Option<usize> {
        if self.filled == 0 {
            return None;
        }
        let from = (self.opened + 1) % POCKETS;
        let ahead = u64::from(self.filled.rotate_right(from as u32).trailing_zeros());
        Some(((from + ahead) % POCKETS) as usize)
    }

    pub(super) fn push(&mut self, (due, tie): (Duration, u64), freight: Freight) {
        self.sent += 1;
        self.count += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        self.places[place as usize] = Some(freight);
        // No run lasts the 584 years that fit.
        let due_ns =
            due.as_secs().saturating_mul(1_000_000_000).saturating_add(due.subsec_nanos().into());
        let entry = (due_ns, tie, self.sent, place);
        let ahead = tick(due_ns).saturating_sub(self.opened);
        match ahead {
            0 => {
                let at = self.open.partition_point(|other| *other > entry);
                if self.open.len() - at > MOVED_MAX {
                    self.crowd.push(Reverse(entry));
                } else {
                    self.open.insert(at, entry);
                }
            }
            1..POCKETS => self.put(entry),
            _ => self.later.push(Reverse(entry)),
        }
    }

    /// Puts an entry into the pocket of its tick, which is one of the next.
    fn put(&mut self, entry: Entry) {
        let at = tick(entry.0) % POCKETS;
        let pocket = &mut self.pockets[at as usize];
        pocket.entries.push(entry);
        pocket.first = pocket.first.min(entry.0);
        self.filled |= 1 << at;
    }

    /// Takes the next out, whenever it is due.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Freight> {
        if self.open.is_empty() && self.crowd.is_empty() {
            self.open_next()?;
        }
        let (.., place) = self.pop_open()?;
        self.count -= 1;
        self.free.push(place);
        self.places[place as usize].take()
    }

    /// Takes the next of the open tick out.
    #[inline]
    fn pop_open(&mut self) -> Option<Entry> {
        let Some(Reverse(crowd)) = self.crowd.peek() else { return self.open.pop() };
        match self.open.last() {
            Some(open) if open < crowd => self.open.pop(),
            _ => self.crowd.pop().map(|Reverse(entry)| entry),
        }
    }

    /// Opens the next tick in which anything is due; `None` if nothing is.
    fn open_next(&mut self) -> Option<()> {
        let first = tick(self.first_behind()?);
        self.opened = first;
        let pocket = &mut self.pockets[(first % POCKETS) as usize];
        std::mem::swap(&mut self.open, &mut pocket.entries);
        pocket.first = u64::MAX;
        self.filled &= !(1 << (first % POCKETS));
        while let Some(Reverse((due, ..))) = self.later.peek()
            && tick(*due) < first + POCKETS
        {
            let Some(Reverse(entry)) = self.later.pop() else { break };
            if tick(entry.0) == first { self.open.push(entry) } else { self.put(entry) }
        }
        self.open.sort_unstable_by(|one, other| other.cmp(one));
        Some(())
    }

    /// Forgets what is not to be kept.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Freight) -> bool) {
        let gone = self.places.iter_mut().enumerate().filter_map(|(at, freight)| {
            let goes = freight.as_ref().is_some_and(|freight| !keep(freight));
            goes.then(|| freight.take()).map(|_| at as u32)
        });
        let gone: BTreeSet<u32> = gone.collect();
        self.count -= gone.len();
        let stays = |(.., place): &Entry| !gone.contains(place);
        self.open.retain(stays);
        self.crowd.retain(|Reverse(entry)| stays(entry));
        self.later.retain(|Reverse(entry)| stays(entry));
        for (at, pocket) in self.pockets.iter_mut().enumerate() {
            pocket.entries.retain(stays);
            pocket.first = pocket.entries.iter().map(|(due, ..)| *due).min().unwrap_or(u64::MAX);
            if pocket.entries.is_empty() {
                self.filled &= !(1 << at);
            }
        }
        self.free.extend(gone);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use odeon_interpose::Stream;

    use super::*;

    /// What is told apart by a number.
    fn freight(number: u64) -> Freight {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Freight::Swizzle { host, clogs: true, healed: number }
    }

    fn number(freight: &Freight) -> u64 {
        match freight {
            Freight::Swizzle { healed, .. } => *healed,
            _ => panic!("only such were put in"),
        }
    }

    /// Due, tie, number.
    type Sent = (Duration, u64, u64);

    /// A network that is pushed to and popped from by chance, beside a list that is searched.
    struct Pair {
        under_way: UnderWay,
        list: Vec<Sent>,
        now: Duration,
        sent: u64,
    }

    impl Pair {
        fn push(&mut self, random: &Stream) {
            // At once, soon, late, and all at the same time.
            let ns = match random.below(8) {
                0 => 0,
                1..6 => random.below(20_000_000),
                6 => random.below(3_000_000_000),
                _ => 1 << 21,
            };
            self.push_due(self.now + Duration::from_nanos(ns), random.below(4));
        }

        fn push_due(&mut self, due: Duration, tie: u64) {
            self.sent += 1;
            self.under_way.push((due, tie), freight(self.sent));
            self.list.push((due, tie, self.sent));
        }

        fn retain(&mut self) {
            self.under_way.retain(|freight| !number(freight).is_multiple_of(3));
            self.list.retain(|(.., number)| number % 3 != 0);
        }

        fn pop(&mut self) {
            let first = (0..self.list.len()).min_by_key(|at| self.list[*at]);
            let expected = first.map(|at| self.list.swap_remove(at));
            assert_eq!(self.under_way.first_due(), expected.map(|(due, ..)| due));
            let popped = self.under_way.pop();
            assert_eq!(popped.as_ref().map(number), expected.map(|(.., number)| number));
            self.now = self.now.max(expected.map_or(self.now, |(due, ..)| due));
        }
    }

    /// As of nodes that flood each other where the way takes no time.
    #[test]
    fn a_crowd_in_one_moment_comes_by_tie_then_by_which_was_first() {
        let random = Stream::new(1);
        let (under_way, list) = (UnderWay::default(), Vec::new());
        let mut pair = Pair { under_way, list, now: Duration::ZERO, sent: 0 };
        for _ in 0..20 {
            for _ in 0..5 * MOVED_MAX {
                pair.push_due(pair.now + Duration::from_nanos(random.below(3)), random.below(3));
            }
            assert!(!pair.under_way.crowd.is_empty());
            for _ in 0..4 * MOVED_MAX {
                pair.pop();
            }
            pair.retain();
        }
        while !pair.list.is_empty() {
            pair.pop();
        }
        pair.pop();
    }

    #[test]
    fn all_comes_by_time_then_by_tie_then_by_which_was_first() {
        for seed in 0..20 {
            let random = Stream::new(seed);
            let (under_way, list) = (UnderWay::default(), Vec::new());
            let mut pair = Pair { under_way, list, now: Duration::ZERO, sent: 0 };
            for step in 0..4_000 {
                // It fills and empties several times.
                let fills = (step / 500) % 2 == 0;
                if random.below(3) < if fills { 2 } else { 1 } {
                    pair.push(&random);
                } else {
                    pair.pop();
                }
                if random.below(300) == 0 {
                    pair.retain();
                }
                assert_eq!(pair.under_way.len(), pair.list.len());
            }
            while !pair.list.is_empty() {
                pair.pop();
            }
            pair.pop();
        }
    }
}
