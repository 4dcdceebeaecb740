//! The system lane: news that an actor must not miss, ahead of all user messages, with a slot reserved for each.
//!
//! Nothing here waits or is refused, so nothing may come without a slot: a watch or a link reserves one when it is made,
//! for the one end that it will tell, and a supervised child one when it is adopted, for it reports once and then waits for its
//! verdict. So the lane is bounded by what the actor itself began, and each push checks it. Whatever else will use the
//! lane reserves its slots likewise. A watch or link that is withdrawn takes its news along, and what comes too late
//! for it is dropped. What it is NOT: the mailbox, whose bound and overflow do not touch it. `life/steps.rs` empties it before
//! each user message.

use std::{
    collections::{BTreeSet, VecDeque},
    mem,
};

use crate::{
    bonds::LaneItem,
    cell::{CellHead, Signals},
};

#[derive(Default)]
pub(crate) struct SystemLane {
    items: VecDeque<LaneItem>,
    /// The watches and links that have a slot, by their tokens.
    watches: BTreeSet<u64>,
    /// Slots for messages.
    messages: usize,
}

impl SystemLane {
    /// A slot for the end that a watch or a link will tell.
    pub(crate) fn reserve_watch(&mut self, token: u64) {
        self.watches.insert(token);
    }

    /// Slots for a sender that has at most so many messages on their way at a time; they are kept until the actor's
    /// life is over.
    pub(crate) fn reserve_messages(&mut self, messages: usize) {
        self.messages += messages;
    }

    /// The watch is over: its slot is free, and its news comes out if it waits.
    fn withdraw(&mut self, token: u64) -> Option<LaneItem> {
        if !self.watches.remove(&token) {
            return None;
        }
        let at = self.items.iter().position(|item| token_of(item) == Some(token))?;
        self.items.remove(at)
    }

    /// All watches are over: their news comes out.
    fn withdraw_all(&mut self) -> VecDeque<LaneItem> {
        self.watches.clear();
        let (news, rest) =
            mem::take(&mut self.items).into_iter().partition(|item| token_of(item).is_some());
        self.items = rest;
        news
    }

    /// Puts an item in its slot; news of a watch that is over comes back.
    pub(crate) fn push(&mut self, item: LaneItem) -> Option<LaneItem> {
        if token_of(&item).is_some_and(|token| !self.watches.contains(&token)) {
            return Some(item);
        }
        self.items.push_back(item);
        debug_assert!(
            self.items.len() <= self.watches.len() + self.messages,
            "an item without a slot in the system lane"
        );
        None
    }

    /// The next item; the watch that it is of is over with it.
    pub(crate) fn pop(&mut self) -> Option<LaneItem> {
        let item = self.items.pop_front()?;
        if let Some(token) = token_of(&item) {
            self.watches.remove(&token);
        }
        Some(item)
    }

    pub(crate) fn into_items(self) -> VecDeque<LaneItem> {
        self.items
    }
}

/// Which watch or link an item is of.
fn token_of(item: &LaneItem) -> Option<u64> {
    match item {
        LaneItem::Terminated { token, .. } | LaneItem::Linked { token, .. } => Some(*token),
        LaneItem::Message(_) => None,
    }
}

impl CellHead {
    /// Reserves a slot for the end that a watch will tell.
    pub(crate) fn reserve_watch(&self, token: u64) {
        self.with_bonds(|bonds| bonds.lane.reserve_watch(token));
    }

    /// Reserves slots for messages.
    pub(crate) fn reserve_messages(&self, messages: usize) {
        self.with_bonds(|bonds| bonds.lane.reserve_messages(messages));
    }

    /// The watch is over.
    pub(crate) fn withdraw_watch(&self, token: u64) {
        // What comes out is dropped here, outside the lock.
        drop(self.if_bonds(|bonds| bonds.lane.withdraw(token)));
    }

    /// All watches are over.
    pub(crate) fn withdraw_watches(&self) {
        drop(self.if_bonds(|bonds| bonds.lane.withdraw_all()));
    }

    /// Another life begins, with an empty lane: all children of the last one are gone.
    pub(crate) fn renew_lane(&self) {
        drop(self.if_bonds(|bonds| mem::take(&mut bonds.lane)));
        self.signals.take(Signals::LANE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExitReason, Identity};

    fn news(token: u64) -> LaneItem {
        LaneItem::Terminated { who: Identity::Local(1), token, reason: ExitReason::stopped() }
    }

    fn token(item: Option<LaneItem>) -> Option<u64> {
        token_of(&item?)
    }

    #[test]
    fn watching_and_unwatching_what_has_ended_fills_nothing() {
        let mut lane = SystemLane::default();
        for watch in 0..1_000 {
            lane.reserve_watch(watch);
            assert!(lane.push(news(watch)).is_none());
            assert_eq!(token(lane.withdraw(watch)), Some(watch));
            assert_eq!(lane.items.len() + lane.watches.len(), 0);
        }
    }

    #[test]
    fn news_comes_once_in_order_and_never_of_a_watch_that_is_over() {
        let mut lane = SystemLane::default();
        (1..=3).for_each(|watch| lane.reserve_watch(watch));
        assert_eq!(token(lane.push(news(9))), Some(9), "nobody watches");
        assert!(lane.push(news(3)).is_none() && lane.push(news(1)).is_none());
        assert!(lane.withdraw(2).is_none());
        assert_eq!(token(lane.push(news(2))), Some(2), "it was withdrawn");
        assert_eq!(token(lane.pop()), Some(3));
        assert_eq!(token(lane.push(news(3))), Some(3), "it was told");
        assert_eq!(lane.withdraw_all().len(), 1);
        assert!(lane.pop().is_none());
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "without a slot")]
    fn what_has_no_slot_is_a_bug() {
        let mut lane = SystemLane::default();
        lane.reserve_watch(1);
        lane.push(news(1));
        lane.push(news(1));
    }
}
