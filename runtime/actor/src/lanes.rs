//! A mailbox that its senders can look into: lanes by priority behind one lock.
//!
//! Only actors that ask for priorities, or that drop their oldest messages, have one; all others keep the lock-free
//! stack. The receiver takes one message at a time, the oldest of the most urgent lane, so that what waits can still be
//! overtaken or dropped. What it is NOT: the waiting room (`room.rs`), which keeps priorities apart as well. Data comes
//! from `room.rs` and goes to the actor's turn through `mailbox.rs`.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    envelope::Envelope,
    load::{Bounds, Charge},
    mailbox::Offered,
};

/// Most priorities that one mailbox tells apart: each costs an empty queue, and the receiver looks at each of them.
pub(crate) const PRIORITIES_MAX: u8 = 8;

#[derive(Default)]
struct Lane {
    queue: VecDeque<Envelope>,
    held: Charge,
}

struct State {
    /// By priority: the last is the most urgent.
    lanes: Vec<Lane>,
    held: Charge,
    asleep: bool,
    closed: bool,
    /// Senders wait, so nobody enters without asking `room.rs`.
    waiting: bool,
}

pub(crate) struct Lanes {
    state: Mutex<State>,
    bounds: Bounds,
    /// The most urgent priority.
    last: u8,
}

impl Lanes {
    /// Empty lanes whose receiver is awake: at least one, at most [`PRIORITIES_MAX`].
    pub(crate) fn new(priorities: u8, bounds: Bounds) -> Self {
        let last = priorities.clamp(1, PRIORITIES_MAX) - 1;
        let lanes = (0..=last).map(|_| Lane::default()).collect();
        let held = Charge::default();
        let state = State { lanes, held, asleep: false, closed: false, waiting: false };
        Self { state: Mutex::new(state), bounds, last }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// A priority as it is kept: one beyond the last is the last.
    pub(crate) fn rank(&self, priority: u8) -> u8 {
        priority.min(self.last)
    }

    pub(crate) fn held(&self) -> Charge {
        self.lock().held
    }

    #[cfg(test)]
    fn has_room(&self, units: u32) -> bool {
        let state = self.lock();
        !state.waiting && self.bounds.fit(state.held, self.bounds.charge(units))
    }

    /// Puts a message in if there is room and nobody waits for it; `first` is for the first of those who wait.
    pub(crate) fn offer(&self, envelope: Envelope, priority: u8, first: bool) -> Offered {
        let mut state = self.lock();
        if state.closed {
            return Offered::Closed(envelope);
        }
        let charge = self.bounds.charge(envelope.units());
        if state.waiting && !first || !self.bounds.fit(state.held, charge) {
            return Offered::Full(envelope);
        }
        state.put(envelope, self.rank(priority), charge)
    }

    /// Puts a message in, in the place of the oldest ones of the least urgent lane. They come out, or the message
    /// itself if all that is there is more urgent.
    pub(crate) fn press(&self, envelope: Envelope, priority: u8) -> (Offered, Vec<Envelope>) {
        let mut state = self.lock();
        if state.closed {
            return (Offered::Closed(envelope), Vec::new());
        }
        let charge = self.bounds.charge(envelope.units());
        let rank = self.rank(priority);
        let mut gone = Vec::new();
        if !self.bounds.fit(state.urgent(rank), charge) {
            return (Offered::Full(envelope), gone);
        }
        while !self.bounds.fit(state.held, charge) {
            let Some(oldest) = state.drop_oldest(self.bounds) else { break };
            gone.push(oldest);
        }
        (state.put(envelope, rank, charge), gone)
    }

    /// The oldest message of the most urgent lane; its room is free at once. Only the receiver calls it.
    pub(crate) fn pop(&self) -> Option<Envelope> {
        let mut state = self.lock();
        let lane = state.lanes.iter_mut().rev().find(|lane| !lane.queue.is_empty())?;
        let envelope = lane.queue.pop_front()?;
        let charge = self.bounds.charge(envelope.units());
        lane.held = lane.held.minus(charge);
        state.held = state.held.minus(charge);
        Some(envelope)
    }

    /// Lets the next message wake the receiver; `false` if there is one. Only the receiver calls it.
    pub(crate) fn sleep(&self) -> bool {
        let mut state = self.lock();
        let empty = state.held == Charge::default();
        state.asleep = empty && !state.closed;
        empty
    }

    /// Takes nothing any more; what was in comes out, the most urgent first.
    pub(crate) fn close(&self) -> Vec<Envelope> {
        let mut state = self.lock();
        (state.closed, state.asleep) = (true, false);
        let lanes = state.take_all();
        drop(state);
        lanes.into_iter().flat_map(|lane| lane.queue).collect()
    }

    /// Takes everything that is in, the most urgent first; its room is free at once. Only the receiver calls it.
    pub(crate) fn take_all(&self) -> Vec<Envelope> {
        let lanes = self.lock().take_all();
        lanes.into_iter().flat_map(|lane| lane.queue).collect()
    }

    /// Whether the first that fits is a read.
    pub(crate) fn find(&self, fits: &impl Fn(&Envelope) -> bool) -> Option<bool> {
        let state = self.lock();
        let mut all = state.lanes.iter().flat_map(|lane| &lane.queue);
        all.find(|envelope| fits(envelope)).map(Envelope::reads)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(crate) fn set_waiting(&self, waiting: bool) {
        self.lock().waiting = waiting;
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.lock().waiting
    }
}

impl State {
    /// The lanes, the most urgent first; empty ones take their place.
    fn take_all(&mut self) -> Vec<Lane> {
        self.held = Charge::default();
        self.lanes.iter_mut().rev().map(mem::take).collect()
    }

    fn put(&mut self, envelope: Envelope, rank: u8, charge: Charge) -> Offered {
        let lane = &mut self.lanes[usize::from(rank)];
        lane.queue.push_back(envelope);
        lane.held = lane.held.plus(charge);
        self.held = self.held.plus(charge);
        if mem::take(&mut self.asleep) { Offered::Woke } else { Offered::Queued }
    }

    /// What is held in the lanes above one.
    fn urgent(&self, rank: u8) -> Charge {
        self.lanes[usize::from(rank) + 1..]
            .iter()
            .fold(Charge::default(), |held, lane| held.plus(lane.held))
    }

    fn drop_oldest(&mut self, bounds: Bounds) -> Option<Envelope> {
        let lane = self.lanes.iter_mut().find(|lane| !lane.queue.is_empty())?;
        let oldest = lane.queue.pop_front()?;
        let charge = bounds.charge(oldest.units());
        lane.held = lane.held.minus(charge);
        self.held = self.held.minus(charge);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::letters::{Letter, Size, config, envelope, open, units_of};

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Offer(u8, Size),
        Press(u8, Size),
        Pop,
        Sleep,
        Close,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let size = prop_oneof![3 => Just(Size::Small), 1 => Just(Size::Large)];
        let step = prop_oneof![
            6 => (0_u8..5, size.clone()).prop_map(|(priority, size)| Step::Offer(priority, size)),
            6 => (0_u8..5, size).prop_map(|(priority, size)| Step::Press(priority, size)),
            6 => Just(Step::Pop),
            2 => Just(Step::Sleep),
            1 => Just(Step::Close),
        ];
        prop::collection::vec(step, 0..150)
    }

    /// All lanes in one list: what is in, with its lane, in order of arrival.
    struct Model {
        queued: Vec<(u8, Letter)>,
        bounds: Bounds,
        asleep: bool,
        closed: bool,
    }

    impl Model {
        fn fits(&self, size: Size, lanes: impl Fn(u8) -> bool) -> bool {
            let held = self.queued.iter().filter(|(lane, _)| lanes(*lane));
            let charges = held.map(|(_, letter)| self.bounds.charge(units_of(letter.size)));
            let held = charges.fold(Charge::default(), Charge::plus);
            self.bounds.fit(held, self.bounds.charge(units_of(size)))
        }

        /// Takes the oldest of the lane that `pick` chooses among those that are not empty.
        fn take(&mut self, pick: impl Fn(Vec<u8>) -> Option<u8>) -> Option<Letter> {
            let lane = pick(self.queued.iter().map(|(lane, _)| *lane).collect())?;
            let at = self.queued.iter().position(|(other, _)| *other == lane)?;
            Some(self.queued.remove(at).1)
        }

        fn put(&mut self, offered: &Offered, lane: u8, letter: Letter) {
            assert!(!self.closed);
            assert_eq!(matches!(offered, Offered::Woke), mem::take(&mut self.asleep));
            self.queued.push((lane, letter));
        }
    }

    proptest! {
        #![proptest_config(config())]

        /// Against a list that is searched: order in each lane, bounds, who is dropped, one wake after a sleep.
        #[test]
        fn lanes_are_lists_by_priority(
            count in 0_u8..5, messages in 1_u32..8, bytes in 0_usize..700, steps in steps(),
        ) {
            let bounds = Bounds::new(messages, bytes);
            let lanes = Lanes::new(count, bounds);
            let mut model = Model { queued: Vec::new(), bounds, asleep: false, closed: false };
            for (step, number) in steps.into_iter().zip(0..) {
                match step {
                    Step::Offer(priority, size) => {
                        let (letter, lane) = (Letter { number, size }, priority.min(count.max(1) - 1));
                        match lanes.offer(envelope(letter), priority, false) {
                            Offered::Closed(back) => {
                                prop_assert!(model.closed);
                                prop_assert_eq!(open(back), letter);
                            }
                            Offered::Full(back) => {
                                prop_assert!(!model.closed && !model.fits(size, |_| true));
                                prop_assert_eq!(open(back), letter);
                            }
                            offered => {
                                prop_assert!(model.fits(size, |_| true));
                                model.put(&offered, lane, letter);
                            }
                        }
                    }
                    Step::Press(priority, size) => {
                        let (letter, lane) = (Letter { number, size }, priority.min(count.max(1) - 1));
                        let (offered, gone) = lanes.press(envelope(letter), priority);
                        match offered {
                            Offered::Closed(back) | Offered::Full(back) => {
                                prop_assert!(model.closed || !model.fits(size, |other| other > lane));
                                prop_assert_eq!(open(back), letter);
                                prop_assert!(gone.is_empty());
                            }
                            offered => {
                                for gone in gone {
                                    prop_assert!(!model.fits(size, |_| true), "dropped for nothing");
                                    let least = model.take(|lanes| lanes.into_iter().min());
                                    prop_assert_eq!(Some(open(gone)), least);
                                }
                                prop_assert!(model.fits(size, |_| true));
                                model.put(&offered, lane, letter);
                            }
                        }
                    }
                    Step::Pop => {
                        let most = model.take(|lanes| lanes.into_iter().max());
                        prop_assert_eq!(lanes.pop().map(open), most);
                    }
                    Step::Sleep => {
                        let slept = lanes.sleep();
                        prop_assert_eq!(slept, model.queued.is_empty());
                        model.asleep = slept && !model.closed;
                    }
                    Step::Close => {
                        for rest in lanes.close() {
                            let most = model.take(|lanes| lanes.into_iter().max());
                            prop_assert_eq!(Some(open(rest)), most);
                        }
                        prop_assert!(model.queued.is_empty());
                        (model.closed, model.asleep) = (true, false);
                    }
                }
            }
        }
    }

    #[test]
    fn while_others_wait_only_the_first_of_them_enters() {
        let lanes = Lanes::new(2, Bounds::new(2, 1 << 10));
        let letter = |number| envelope(Letter { number, size: Size::Small });
        lanes.set_waiting(true);
        let Offered::Full(back) = lanes.offer(letter(1), 1, false) else { panic!("it overtook") };
        assert_eq!(open(back).number, 1);
        assert!(!lanes.has_room(1));
        assert!(matches!(lanes.offer(letter(2), 0, true), Offered::Queued));
        lanes.set_waiting(false);
        assert!(lanes.has_room(1));
        assert!(matches!(lanes.offer(letter(3), 1, false), Offered::Queued));
        assert_eq!(lanes.pop().map(open).map(|letter| letter.number), Some(3));
    }
}
