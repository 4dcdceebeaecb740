//! The asks that other nodes gave up before their turn came.
//!
//! What it is: (peer, ask) of each cancel frame, kept until the ask's turn comes, its connection is lost, or it is
//! forgotten. What it is NOT: what ends a handler that runs already, nor a promise: an ask that was forgotten here
//! runs, and its answer is ignored by the asker. Filled by `inbound.rs` on the endpoint's thread, read by workers.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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
}

impl Table {
    fn remove(&mut self, peer: PeerId, ask: AskId) -> bool {
        let age = self.by_ask.remove(&(peer, ask));
        age.is_some_and(|age| self.by_age.remove(&age).is_some())
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
        let cancelled = table.remove(peer, ask);
        self.some.store(!table.by_ask.is_empty(), Ordering::Release);
        cancelled
    }

    /// The connection is gone, and all asks of that peer with it.
    pub(crate) fn lost(&self, peer: PeerId) {
        let mut table = self.table();
        let Table { by_ask, by_age, .. } = &mut *table;
        for (_, age) in by_ask.extract_if((peer, AskId(0))..=(peer, AskId(u64::MAX)), |_, _| true) {
            by_age.remove(&age);
        }
        self.some.store(!by_ask.is_empty(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
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
}
