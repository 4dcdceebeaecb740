//! The asks that other nodes gave up, before their turn came or while they run.
//!
//! What it is: (peer, ask) of each cancel frame, kept until the ask's turn comes, its connection is lost, or it is
//! forgotten; and a waker for each running ask whose handler waits to hear of it. What it is NOT: what ends a handler
//! that runs already, nor a promise: an ask that was forgotten here runs, and its answer is ignored by the asker.
//! Filled by `inbound.rs` on the endpoint's thread, read by workers.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Duration,
};

use odeon_message::AskId;
use odeon_transport::PeerId;
use tokio::time::Instant;

/// Most cancels that one node keeps; the oldest makes room for a new one. At about 100 bytes each the table stays
/// below 500 kB.
const CANCELS_MAX: usize = 4096;

/// How long a cancel is kept. By then an ask of the default 5 s has met its deadline, and one with a far longer time
/// runs as if its asker had not given up.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Most running asks that wait to hear that they were given up; further ones see it only when they look. Each is a
/// handler that runs, or a deferred reply.
const WATCHES_MAX: usize = 65_536;

/// A running ask that was asked about.
enum Watch {
    Waiting(Waker),
    GivenUp,
}

impl Watch {
    /// Notes that the ask was given up; whom to wake.
    fn give_up(&mut self) -> Option<Waker> {
        match mem::replace(self, Self::GivenUp) {
            Self::Waiting(waker) => Some(waker),
            Self::GivenUp => None,
        }
    }
}

/// The cancels of one node.
#[derive(Default)]
pub(crate) struct Cancels {
    /// Whether there may be any: most asks are not given up, and their turn takes no lock.
    some: AtomicBool,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last: u64,
    /// Each ask's place in `by_age`.
    by_ask: BTreeMap<(PeerId, AskId), u64>,
    /// In order of arrival, so also of the time at which they are forgotten.
    by_age: BTreeMap<u64, (PeerId, AskId, Instant)>,
    watches: BTreeMap<(PeerId, AskId), Watch>,
}

impl Table {
    fn remove(&mut self, peer: PeerId, ask: AskId) -> bool {
        let age = self.by_ask.remove(&(peer, ask));
        age.is_some_and(|age| self.by_age.remove(&age).is_some())
    }

    fn is_empty(&self) -> bool {
        self.by_ask.is_empty() && self.watches.is_empty()
    }

    /// Makes room for one more.
    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.by_age.first_entry() {
            let (peer, ask, until) = *oldest.get();
            if until > now && self.by_ask.len() < CANCELS_MAX {
                return;
            }
            oldest.remove();
            self.by_ask.remove(&(peer, ask));
        }
    }
}

impl Cancels {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing between the statements of a change panics.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That ask of that peer has nobody who waits for it.
    pub(crate) fn note(&self, peer: PeerId, ask: AskId, now: Instant) {
        let mut table = self.table();
        if let Some(watch) = table.watches.get_mut(&(peer, ask)) {
            let waker = watch.give_up();
            drop(table);
            waker.into_iter().for_each(Waker::wake);
            return;
        }
        table.remove(peer, ask);
        table.forget(now);
        table.last += 1;
        let age = table.last;
        table.by_ask.insert((peer, ask), age);
        table.by_age.insert(age, (peer, ask, now + KEPT_FOR));
        self.some.store(true, Ordering::Release);
    }

    /// Whether the ask was given up; its cancel is forgotten with the answer.
    pub(crate) fn take(&self, peer: PeerId, ask: AskId) -> bool {
        if !self.some.load(Ordering::Acquire) {
            return false;
        }
        let mut table = self.table();
        let watched = matches!(table.watches.get(&(peer, ask)), Some(Watch::GivenUp));
        let cancelled = table.remove(peer, ask) || watched;
        self.some.store(!table.is_empty(), Ordering::Release);
        cancelled
    }

    /// As [`take`](Self::take); if it was not given up, the waker is used when it is.
    pub(crate) fn watch(&self, peer: PeerId, ask: AskId, waker: &Waker) -> bool {
        let mut table = self.table();
        if table.remove(peer, ask) {
            return true;
        }
        let full = table.watches.len() >= WATCHES_MAX;
        match table.watches.get_mut(&(peer, ask)) {
            Some(Watch::GivenUp) => return true,
            Some(Watch::Waiting(kept)) => kept.clone_from(waker),
            None if full => return false,
            None => {
                table.watches.insert((peer, ask), Watch::Waiting(waker.clone()));
            }
        }
        self.some.store(true, Ordering::Release);
        false
    }

    /// Nobody waits to hear of that ask any more.
    pub(crate) fn unwatch(&self, peer: PeerId, ask: AskId) {
        let mut table = self.table();
        let watch = table.watches.remove(&(peer, ask));
        self.some.store(!table.is_empty(), Ordering::Release);
        drop(table);
        drop(watch);
    }

    /// The connection is gone, and all asks of that peer with it.
    pub(crate) fn lost(&self, peer: PeerId) {
        let mut table = self.table();
        let Table { by_ask, by_age, watches, .. } = &mut *table;
        let asks = (peer, AskId(0))..=(peer, AskId(u64::MAX));
        for (_, age) in by_ask.extract_if(asks.clone(), |_, _| true) {
            by_age.remove(&age);
        }
        // Its answer has nowhere to go: whoever runs it may stop.
        let given_up = watches.range_mut(asks).filter_map(|(_, watch)| watch.give_up());
        let wakers = given_up.collect::<Vec<_>>();
        self.some.store(!table.is_empty(), Ordering::Release);
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::AtomicUsize},
        task::Wake,
    };

    use odeon_message::{Incarnation, NodeId};

    use super::*;

    fn peer(node: u64) -> PeerId {
        PeerId { node: NodeId(node), incarnation: Incarnation(1) }
    }

    #[test]
    fn a_cancel_is_taken_once_and_only_by_its_own_ask() {
        let (cancels, now) = (Cancels::default(), Instant::now());
        cancels.note(peer(1), AskId(7), now);
        assert!(!cancels.take(peer(2), AskId(7)));
        assert!(!cancels.take(peer(1), AskId(8)));
        assert!(cancels.take(peer(1), AskId(7)));
        assert!(!cancels.take(peer(1), AskId(7)));
    }

    #[test]
    fn the_oldest_makes_room_and_none_is_kept_longer_than_its_time() {
        let (cancels, now) = (Cancels::default(), Instant::now());
        (0..=CANCELS_MAX as u64).for_each(|ask| cancels.note(peer(1), AskId(ask), now));
        assert_eq!(cancels.table().by_ask.len(), CANCELS_MAX);
        assert!(!cancels.take(peer(1), AskId(0)));
        assert!(cancels.take(peer(1), AskId(1)));
        cancels.note(peer(2), AskId(1), now + KEPT_FOR);
        let table = cancels.table();
        assert_eq!((table.by_ask.len(), table.by_age.len()), (1, 1));
    }

    #[test]
    fn a_lost_connection_takes_the_cancels_of_its_peer_with_it() {
        let (cancels, now) = (Cancels::default(), Instant::now());
        (1..=3).for_each(|node| cancels.note(peer(node), AskId(node), now));
        cancels.lost(peer(2));
        assert_eq!(
            [1, 2, 3].map(|node| cancels.take(peer(node), AskId(node))),
            [true, false, true]
        );
        assert!(cancels.table().by_age.is_empty());
    }

    /// Counts how often it is used.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_running_ask_hears_of_its_cancel_and_of_a_lost_connection() {
        let (cancels, now) = (Cancels::default(), Instant::now());
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        for ask in [1, 2, 3] {
            assert!(!cancels.watch(peer(1), AskId(ask), &waker));
        }
        assert!(!cancels.watch(peer(2), AskId(1), &waker));
        cancels.note(peer(1), AskId(1), now);
        assert_eq!(bell.0.load(Ordering::SeqCst), 1);
        assert!(cancels.watch(peer(1), AskId(1), &waker));
        assert!(cancels.take(peer(1), AskId(1)));
        cancels.unwatch(peer(1), AskId(2));
        cancels.lost(peer(1));
        assert_eq!(bell.0.load(Ordering::SeqCst), 2);
        assert!(cancels.watch(peer(1), AskId(3), &waker));
        assert!(!cancels.take(peer(2), AskId(1)));
        // One that came before is heard at once.
        cancels.note(peer(2), AskId(9), now);
        assert!(cancels.watch(peer(2), AskId(9), &waker));
        for (node, ask) in [(1, 1), (1, 3), (2, 1), (2, 9)] {
            cancels.unwatch(peer(node), AskId(ask));
        }
        assert!(cancels.table().is_empty());
        assert!(!cancels.some.load(Ordering::SeqCst));
    }
}
