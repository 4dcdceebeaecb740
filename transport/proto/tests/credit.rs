//! A sender and a receiver of one lane under every interleaving: credit is never exceeded, nobody waits for ever.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::VecDeque;

use odeon_message::ActorKey;
use odeon_wire::{CreditBook, CreditRefused, CreditTotal, InitialCredit, WindowTable};
use proptest::{collection::vec, prelude::*};

/// What travels in the lane, in order.
enum Item {
    Message(ActorKey, usize),
    Forget(ActorKey),
}

struct Lane {
    window: InitialCredit,
    book: CreditBook,
    table: WindowTable,
    /// What the sender still has for each receiver.
    unsent: Vec<VecDeque<usize>>,
    lane: VecDeque<Item>,
    /// What each receiver holds.
    held: Vec<VecDeque<usize>>,
    grants: VecDeque<CreditTotal>,
    longest: usize,
    arrived: usize,
}

fn key(receiver: usize) -> ActorKey {
    ActorKey { slot: receiver as u32, generation: 1 }
}

impl Lane {
    fn new(window: InitialCredit, entries_max: usize, unsent: &[Vec<usize>]) -> Self {
        Self {
            window,
            book: CreditBook::new(window, entries_max),
            table: WindowTable::new(window),
            unsent: unsent.iter().map(|sizes| sizes.iter().copied().collect()).collect(),
            lane: VecDeque::new(),
            held: vec![VecDeque::new(); unsent.len()],
            grants: VecDeque::new(),
            longest: unsent.iter().flatten().copied().max().unwrap_or(0),
            arrived: 0,
        }
    }

    fn send(&mut self, receiver: usize) -> bool {
        let Some(bytes) = self.unsent[receiver].front().copied() else { return false };
        let mut taken = self.book.try_take(key(receiver), bytes);
        if matches!(taken, Err(CreditRefused::BookFull { .. })) {
            self.forget();
            taken = self.book.try_take(key(receiver), bytes);
        } else {
            let room = taken.is_ok();
            if room {
                // A frame that could not be encoded leaves no trace.
                self.book.give_back(key(receiver), bytes);
                assert!(self.book.has_room(key(receiver), bytes));
                self.book.try_take(key(receiver), bytes).unwrap();
            }
        }
        if taken.is_ok() {
            self.unsent[receiver].pop_front();
            self.lane.push_back(Item::Message(key(receiver), bytes));
        }
        taken.is_ok()
    }

    fn deliver(&mut self) -> bool {
        match self.lane.pop_front() {
            None => return false,
            Some(Item::Forget(receiver)) => self.table.forget(receiver).unwrap(),
            Some(Item::Message(receiver, bytes)) => {
                self.table.deliver(receiver, bytes).unwrap();
                let held = &mut self.held[receiver.slot as usize];
                held.push_back(bytes);
                assert!(held.len() <= self.window.messages as usize);
                let bound = self.window.bytes as usize + self.longest;
                assert!(held.iter().sum::<usize>() <= bound);
                self.arrived += 1;
            }
        }
        true
    }

    fn consume(&mut self, receiver: usize) -> bool {
        let Some(bytes) = self.held[receiver].pop_front() else { return false };
        self.grants.extend(self.table.consume(key(receiver), 1, bytes as u64));
        true
    }

    fn grant(&mut self, at: usize) -> bool {
        let Some(total) = self.grants.remove(at) else { return false };
        self.book.grant(total).unwrap();
        true
    }

    fn settle(&mut self) {
        self.grants.extend(self.table.settle(64));
    }

    fn forget(&mut self) {
        let forgotten = self.book.forget_idle(64);
        self.lane.extend(forgotten.into_iter().map(Item::Forget));
    }

    /// Everything on the way arrives, everything held is consumed.
    fn drain(&mut self) {
        while self.deliver() {}
        for receiver in 0..self.held.len() {
            while self.consume(receiver) {}
        }
        while self.grant(0) {}
    }

    /// Sends what is left; `sweeps` says how often in a row settling and forgetting may be needed.
    fn finish(&mut self, sweeps: usize) {
        self.drain();
        let mut stuck = 0;
        while self.unsent.iter().any(|sizes| !sizes.is_empty()) {
            let sent = (0..self.unsent.len()).filter(|receiver| self.send(*receiver)).count();
            stuck = if sent > 0 { 0 } else { stuck + 1 };
            assert!(stuck <= sweeps, "nobody can send though nothing is on its way");
            self.drain();
            if stuck > 0 {
                self.settle();
                self.drain();
                self.forget();
            }
        }
        self.drain();
    }
}

fn window() -> impl Strategy<Value = InitialCredit> {
    (1..12_u32, 1..2000_u32).prop_map(|(messages, bytes)| InitialCredit { messages, bytes })
}

fn sizes() -> impl Strategy<Value = Vec<Vec<usize>>> {
    let size = prop_oneof![3 => 0..200_usize, 1 => 0..5000_usize];
    vec(vec(size, 0..40), 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// With few entries, so that the sender must forget while traffic goes on.
    #[test]
    fn credit_is_kept_while_state_is_forgotten(
        window in window(),
        entries_max in 1..5_usize,
        sizes in sizes(),
        acts in vec((0..8_u8, any::<usize>()), 0..500),
    ) {
        let total: usize = sizes.iter().map(Vec::len).sum();
        let mut lane = Lane::new(window, entries_max, &sizes);
        for (act, at) in acts {
            let receiver = at % sizes.len();
            match act {
                0..=1 => drop(lane.send(receiver)),
                2..=3 => drop(lane.deliver()),
                4 => drop(lane.consume(receiver)),
                5 => drop(lane.grant(0)),
                6 => lane.settle(),
                _ => lane.forget(),
            }
            prop_assert!(lane.book.entries() <= entries_max);
            prop_assert!(lane.table.entries() <= lane.book.entries() + lane.lane.len() + 1);
        }
        lane.finish(4);
        prop_assert_eq!(lane.arrived, total);
        // Left alone, both sides end with nothing.
        for _ in 0..3 {
            lane.settle();
            lane.drain();
            lane.forget();
            lane.drain();
        }
        prop_assert_eq!((lane.book.entries(), lane.table.entries()), (0, 0));
    }

    /// Grants in any order and some of them twice: totals make that harmless. No sweep is needed to go on.
    #[test]
    fn grants_in_any_order_never_block_nor_exceed(
        window in window(),
        sizes in sizes(),
        acts in vec((0..6_u8, any::<usize>()), 0..500),
    ) {
        let mut lane = Lane::new(window, 64, &sizes);
        for (act, at) in acts {
            let receiver = at % sizes.len();
            match act {
                0..=1 => drop(lane.send(receiver)),
                2 => drop(lane.deliver()),
                3 => drop(lane.consume(receiver)),
                4 => {
                    let at = at % lane.grants.len().max(1);
                    if let Some(total) = lane.grants.get(at).copied() {
                        lane.grants.push_back(total);
                        lane.grant(at);
                    }
                }
                _ => drop(lane.grant(at % lane.grants.len().max(1))),
            }
        }
        lane.finish(0);
        prop_assert_eq!(lane.arrived, sizes.iter().map(Vec::len).sum::<usize>());
    }
}
