//! The mailbox: a bounded queue of many senders and one receiver.
//!
//! By default senders push on a lock-free stack (`stack.rs`), after they have [reserved](Mailbox::reserve) room, which
//! is counted beside it (`load.rs`). A mailbox with priorities, or one that drops its oldest messages, has lanes
//! instead (`lanes.rs`); it lets nobody reserve, so that every sender comes to `room.rs`, where the difference is made,
//! and the common way pays nothing for it. What the receiver's own thread sends goes past the stack, to the messages that
//! were taken from it (`life/near.rs`). What it is NOT: the waiting room of senders that found it full; read
//! `room.rs` next.
#![expect(unsafe_code, reason = "the queue is linked through the messages themselves")]

mod board;
mod mark;
mod order;

use std::{cell::Cell, ptr::NonNull, sync::atomic::Ordering::Relaxed, time::Duration};

use mark::Mark;

use crate::{
    envelope::{Envelope, Head},
    inbound::{FirstTrain, split_first},
    lanes::Lanes,
    load::{Bounds, Charge, Load, Spare},
    stack::{self, Landed, Linked, Stack},
};

pub(crate) use board::Boarded;

/// The receiver gives room back in portions of at most this many messages.
const PORTION_MAX: u32 = 32;

/// What became of a push.
pub(crate) enum Pushed {
    /// It is in; the receiver is awake or already scheduled.
    Queued,
    /// It is in, and the pusher must schedule the receiver.
    Woke,
    /// The mailbox is closed; the envelope comes back and its reservation is gone.
    Closed(Envelope),
}

/// What became of a message for which no room was reserved.
pub(crate) enum Offered {
    /// It is in; the receiver is awake or already scheduled.
    Queued,
    /// It is in, and the sender must schedule the receiver.
    Woke,
    /// There is no room for it.
    Full(Envelope),
    /// The mailbox is closed.
    Closed(Envelope),
}

/// Laid out as its cell wants it.
#[repr(C)]
pub(crate) struct Mailbox {
    stack: Stack<Head>,
    load: Load,
    lanes: Option<Box<Lanes>>,
    mark: Mark,
}

impl Mailbox {
    /// An empty mailbox whose receiver is awake.
    #[cfg(test)]
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { stack: Stack::new(), load: Load::new(bounds), lanes: None, mark: Mark::default() }
    }

    /// An empty mailbox, whose receiver sleeps, or one with lanes. It is made of parts that are one word each, and so where
    /// it stays.
    #[inline(always)]
    pub(crate) fn of(bounds: Bounds, lanes: Option<Box<Lanes>>) -> Self {
        let asleep = lanes.is_none();
        // Nobody reserves beside lanes, which count for themselves.
        let load = Load::new(if asleep { bounds } else { Bounds::CLOSED });
        Self { stack: Stack::at_rest(asleep), load, lanes, mark: Mark::default() }
    }

    pub(crate) fn lanes(&self) -> Option<&Lanes> {
        self.lanes.as_deref()
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.lanes().map_or(self.load.bounds(), Lanes::bounds)
    }

    /// After how many handled messages the receiver should [`release`](Self::release) their room.
    #[inline]
    pub(crate) fn portion(&self) -> u32 {
        (self.load.bounds().messages_max() / 4).clamp(1, PORTION_MAX)
    }

    /// What a message, or a train, takes up here.
    #[inline]
    pub(crate) fn charge(&self, envelope: &Envelope) -> Charge {
        match envelope.is_train() {
            true => envelope.charges(self.bounds()).fold(Charge::default(), Charge::plus),
            false => self.charger()(envelope),
        }
    }

    /// The same for many, none of them a train, without a look at what senders change.
    #[inline]
    pub(crate) fn charger(&self) -> impl Fn(&Envelope) -> Charge + use<> {
        let bounds = self.load.bounds();
        move |envelope| bounds.charge(envelope.units())
    }

    /// What is in, beside what is to spare: also what the receiver has taken and not begun.
    pub(crate) fn held(&self, spare: &Spare) -> Charge {
        self.lanes().map_or_else(|| self.load.held(spare), Lanes::held)
    }

    /// Whether the receiver sleeps. Only a hint.
    pub(crate) fn is_asleep(&self) -> bool {
        self.stack.is_asleep()
    }

    /// Reserves room for one message of so many units; `false` if there is none, others wait for it, or there are
    /// lanes.
    #[inline]
    pub(crate) fn reserve(&self, units: u32) -> bool {
        self.load.reserve(units)
    }

    /// The same from the receiver's thread, which knows whether it is `asleep`.
    #[inline(always)]
    pub(crate) fn reserve_near(&self, spare: &Spare, units: u32, asleep: bool) -> bool {
        self.load.reserve_near(spare, units, asleep)
    }

    /// Puts a message in that is the first of those who wait, for whoever holds the lock of the waiting room and has
    /// marked it.
    pub(crate) fn offer_first(&self, envelope: Envelope, priority: u8) -> Offered {
        if let Some(lanes) = self.lanes() {
            return lanes.offer(envelope, priority, true);
        }
        if !self.load.reserve_waiting(envelope.units()) {
            return Offered::Full(envelope);
        }
        match self.push(envelope) {
            Pushed::Queued => Offered::Queued,
            Pushed::Woke => Offered::Woke,
            Pushed::Closed(envelope) => Offered::Closed(envelope),
        }
    }

    /// Gives back the room of messages that were taken; `true` if senders wait for it. That of messages in lanes is
    /// free when they are popped.
    #[inline]
    pub(crate) fn release(&self, taken: Charge) -> bool {
        match self.lanes() {
            None => self.load.release(taken),
            Some(lanes) => lanes.is_waiting(),
        }
    }

    /// Whether senders wait for room.
    #[inline]
    pub(crate) fn has_waiting(&self) -> bool {
        match self.lanes() {
            None => self.load.is_waiting(),
            Some(lanes) => lanes.is_waiting(),
        }
    }

    /// From now on nobody enters without asking the waiting room.
    pub(crate) fn mark_waiting(&self) {
        match self.lanes() {
            None => self.load.mark_waiting(),
            Some(lanes) => lanes.set_waiting(true),
        }
    }

    pub(crate) fn clear_waiting(&self) {
        match self.lanes() {
            None => self.load.clear_waiting(),
            Some(lanes) => lanes.set_waiting(false),
        }
    }

    /// Whether a message that the receiver's own thread sends may be put behind those that were taken, because none is in
    /// and none is to be measured; and if so, whether the receiver sleeps.
    #[inline]
    pub(crate) fn is_clear(&self) -> Option<bool> {
        self.stack.is_clear()
    }

    /// Puts an envelope in, for which room was reserved.
    #[inline]
    pub(crate) fn push(&self, envelope: Envelope) -> Pushed {
        let node = envelope.into_raw();
        // SAFETY: the node was owned by the envelope.
        match unsafe { self.stack.push(node, || self.mark.note()) } {
            Landed::Queued => Pushed::Queued,
            Landed::Woke => Pushed::Woke,
            // SAFETY: it was taken out of an envelope above and not given away.
            Landed::Closed => Pushed::Closed(self.withdraw(unsafe { Envelope::from_raw(node) })),
        }
    }

    /// Gives the room of an envelope back that found the mailbox closed.
    #[cold]
    fn withdraw(&self, envelope: Envelope) -> Envelope {
        self.load.release(self.charge(&envelope));
        envelope
    }

    /// Takes everything that is in, oldest first. Only the receiver calls it.
    #[inline]
    pub(crate) fn take(&self) -> Batch {
        match self.lanes() {
            None => Batch::of_list(self.stack.take()),
            Some(lanes) => Batch::of(lanes.take_all()),
        }
    }

    /// Takes what comes next: of the lanes only one message, so that a more urgent one may still come before the rest.
    /// Only the receiver calls it.
    pub(crate) fn take_some(&self) -> Batch {
        match self.lanes() {
            None => self.take(),
            Some(lanes) => Batch::of(lanes.pop().into_iter().collect()),
        }
    }

    /// Takes the next message out of the lanes, if there are any. Only the receiver calls it.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Envelope> {
        self.lanes()?.pop()
    }

    /// Lets the next push schedule the receiver; `false` if something came in meanwhile. Only the receiver calls it.
    #[inline]
    pub(crate) fn sleep(&self) -> bool {
        match self.lanes() {
            None => self.stack.sleep(),
            Some(lanes) => lanes.sleep(),
        }
    }

    /// Whether its receiver, which has nothing to do, sleeps already, and has nothing to give back, nobody to let in and
    /// nothing to mark before. Only the receiver calls it.
    #[inline]
    pub(crate) fn sleeps_on(&self, spare: &Spare) -> bool {
        self.stack.is_only_asleep()
            && spare.is_none()
            && !self.load.is_waiting()
            && !self.mark.is_wanted()
    }

    /// Whether its receiver sleeps, with nothing in it, nobody at the door and no mark to be found. Those with lanes know
    /// themselves who sleeps, and answer `false`.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.stack.is_only_asleep() && self.load.is_empty()
    }

    /// Whether nothing is in. Only a hint.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stack.is_empty()
    }

    /// Its receiver, which sleeps, is busy with something else: a push schedules it no more. Only the receiver calls it.
    pub(crate) fn rouse(&self) {
        self.stack.rouse();
    }

    /// The wait of one of the next messages shall be measured: of the next, if the mailbox is empty. Only the receiver
    /// calls it, and what follows.
    pub(crate) fn want_mark(&self) {
        if self.lanes.is_none() {
            self.mark.want();
        }
        if self.mark.is_wanted() {
            self.mark();
        }
    }

    /// Whether a mark is to be [set](Self::mark) as soon as the mailbox is empty.
    #[inline]
    pub(crate) fn wants_mark(&self) -> bool {
        self.mark.is_wanted()
    }

    /// Marks the mailbox, if it is empty now.
    #[cold]
    pub(crate) fn mark(&self) {
        self.mark.prepare();
        if self.stack.mark() {
            self.mark.set();
        }
    }

    /// Notes a message that goes past the mailbox, as the first that the receiver takes, if that sleeps and the mailbox is
    /// marked: `false` if not. Only the receiver's thread calls it.
    #[cold]
    pub(crate) fn note_near(&self) -> bool {
        let found = self.stack.unmark();
        if found {
            self.mark.note_near();
        }
        found
    }

    /// Whether that was noted which is taken now.
    #[inline]
    pub(crate) fn is_noted_near(&self) -> bool {
        self.mark.is_near()
    }

    /// Whether the first message that was taken just now had been noted.
    #[inline]
    pub(crate) fn is_marked(&self) -> bool {
        self.mark.is_set()
    }

    /// How long that message has waited.
    #[cold]
    pub(crate) fn take_mark(&self) -> Option<Duration> {
        self.mark.take()
    }

    /// What is taken now is not measured.
    pub(crate) fn forget_mark(&self) {
        self.mark.forget();
    }

    /// Takes nothing any more; what was in comes out, oldest first.
    pub(crate) fn close(&self) -> Batch {
        match self.lanes() {
            None => Batch::of_list(self.stack.close()),
            Some(lanes) => Batch::of(lanes.close()),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lanes().map_or_else(|| self.stack.is_closed(), Lanes::is_closed)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// Messages taken out of a mailbox, oldest first, linked in place, and those that came straight here. Dropping it refuses
/// them.
#[derive(Default)]
pub(crate) struct Batch {
    /// The youngest, from which the link leads to the oldest.
    last: Cell<Option<NonNull<Head>>>,
}

// SAFETY: it owns its nodes, which are envelopes, and those are `Send`.
unsafe impl Send for Batch {}

impl Batch {
    /// Links envelopes, the first of them first.
    fn of(envelopes: Vec<Envelope>) -> Self {
        let batch = Self::default();
        envelopes.into_iter().for_each(|envelope| batch.push(envelope));
        batch
    }

    /// What was taken from a stack: its oldest node, from which links lead to the youngest.
    #[inline]
    fn of_list(list: Option<(NonNull<Head>, NonNull<Head>)>) -> Self {
        let last = list.map(|(first, last)| {
            link(last, first);
            last
        });
        Self { last: Cell::new(last) }
    }

    /// Puts a message behind the others.
    #[inline(always)]
    pub(crate) fn push(&self, envelope: Envelope) {
        let node = envelope.into_raw();
        match self.last.replace(Some(node)) {
            None => link(node, node),
            Some(last) => {
                // SAFETY: the batch owns its nodes.
                let first = unsafe { last.as_ref() }.link().load(Relaxed);
                // SAFETY: the node was owned by the envelope.
                unsafe { node.as_ref() }.link().store(first, Relaxed);
                link(last, node);
            }
        }
    }

    /// The oldest message, which stays.
    fn first(&self) -> Option<NonNull<Head>> {
        // SAFETY: the batch owns its nodes, whose links lead round.
        self.last.get().and_then(|last| unsafe { stack::next(last) })
    }

    /// The train that is the oldest, if it is one; it stays.
    #[inline(always)]
    pub(crate) fn first_train(&self) -> Option<FirstTrain> {
        self.first().and_then(FirstTrain::of)
    }

    /// The oldest message, also of a train, alone.
    pub(crate) fn pop(&self) -> Option<Envelope> {
        let first = self.first()?;
        if FirstTrain::of(first).is_none() {
            return self.pop_node();
        }
        // SAFETY: it is a train, which the batch owns.
        let (one, has_more) = unsafe { split_first(first) };
        if !has_more {
            drop(self.pop_node());
        }
        one.or_else(|| self.pop())
    }

    /// The oldest, be it a message or a train.
    #[inline(always)]
    pub(crate) fn pop_node(&self) -> Option<Envelope> {
        let last = self.last.get()?;
        let first = self.first()?;
        if first == last {
            self.last.set(None);
        } else {
            // SAFETY: the batch owns its nodes.
            unsafe { stack::next(first) }.into_iter().for_each(|second| link(last, second));
        }
        // SAFETY: it has just left the list, so nobody else owns it.
        Some(unsafe { Envelope::from_raw(first) })
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.last.get().is_none()
    }

    /// Puts the messages of another batch behind these.
    #[inline]
    pub(crate) fn append(&self, other: &Self) {
        let Some(their_last) = other.last.take() else { return };
        let Some(last) = self.last.replace(Some(their_last)) else { return };
        // SAFETY: both batches own their nodes.
        let first = unsafe { stack::next(last) };
        // SAFETY: as above.
        let their_first = unsafe { stack::next(their_last) };
        their_first.into_iter().for_each(|their_first| link(last, their_first));
        first.into_iter().for_each(|first| link(their_last, first));
    }
}

/// Lets one node of a batch lead to another.
#[inline]
fn link(node: NonNull<Head>, to: NonNull<Head>) {
    // SAFETY: only a batch calls it, for nodes that it owns.
    unsafe { node.as_ref() }.link().store(to.as_ptr(), Relaxed);
}

impl Drop for Batch {
    fn drop(&mut self) {
        while let Some(envelope) = self.pop_node() {
            drop(envelope);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, mem::take};

    use proptest::prelude::*;

    use super::*;
    use crate::letters::{Letter, Size, config, envelope, open, units_of};

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Send(Size),
        Receive,
        Release,
        Sleep,
        Close,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => Just(Step::Send(Size::Small)),
            2 => Just(Step::Send(Size::Large)),
            6 => Just(Step::Receive),
            3 => Just(Step::Release),
            3 => Just(Step::Sleep),
            1 => Just(Step::Close),
        ];
        prop::collection::vec(step, 0..200)
    }

    /// What a mailbox should be.
    #[derive(Default)]
    struct Model {
        queued: VecDeque<Letter>,
        /// Received, and their room not given back yet.
        taken: Vec<Size>,
        asleep: bool,
        closed: bool,
    }

    impl Model {
        /// Whether a letter fits, by counting.
        fn fits(&self, bounds: Bounds, size: Size) -> bool {
            let held = self.queued.iter().map(|letter| letter.size).chain(self.taken.clone());
            let units_max = u32::try_from(bounds.bytes_max() / 16).unwrap();
            let units = |size| u64::from(units_of(size).min(units_max));
            let (messages, held) = held.fold((0, 0), |(n, sum), size| (n + 1, sum + units(size)));
            messages < bounds.messages_max() && held + units(size) <= u64::from(units_max)
        }
    }

    proptest! {
        #![proptest_config(config())]

        /// Against a model: order, bounds, the one wake after a sleep, and nothing after the close.
        #[test]
        fn it_is_a_bounded_queue(messages in 1_u32..20, bytes in 0_usize..900, steps in steps()) {
            let bounds = Bounds::new(messages, bytes);
            let (mailbox, batch, mut model) = (Mailbox::new(bounds), Batch::default(), Model::default());
            for (step, number) in steps.into_iter().zip(0..) {
                match step {
                    Step::Send(size) => {
                        let letter = Letter { number, size };
                        let room = mailbox.reserve(units_of(size));
                        prop_assert_eq!(room, model.fits(bounds, size));
                        if !room {
                            continue;
                        }
                        match mailbox.push(envelope(letter)) {
                            Pushed::Closed(back) => {
                                prop_assert!(model.closed);
                                prop_assert_eq!(open(back), letter);
                                continue;
                            }
                            Pushed::Woke => prop_assert!(take(&mut model.asleep)),
                            Pushed::Queued => prop_assert!(!model.asleep && !model.closed),
                        }
                        model.queued.push_back(letter);
                    }
                    Step::Receive => {
                        if batch.is_empty() {
                            batch.append(&mailbox.take());
                        }
                        let next = batch.pop().map(open);
                        prop_assert_eq!(next, model.queued.pop_front());
                        model.taken.extend(next.map(|letter| letter.size));
                    }
                    Step::Release => {
                        let charges = take(&mut model.taken).into_iter();
                        let taken = charges.map(|size| bounds.charge(units_of(size)));
                        prop_assert!(!mailbox.release(taken.fold(Charge::default(), Charge::plus)));
                    }
                    Step::Sleep => {
                        if batch.is_empty() {
                            let slept = mailbox.sleep();
                            prop_assert_eq!(slept, model.queued.is_empty());
                            model.asleep = slept && !model.closed;
                        }
                    }
                    Step::Close => {
                        let rest = mailbox.close();
                        for batch in [&batch, &rest] {
                            while let Some(next) = batch.pop().map(open) {
                                prop_assert_eq!(Some(next), model.queued.pop_front());
                                model.taken.push(next.size);
                            }
                        }
                        prop_assert!(model.queued.is_empty());
                        (model.closed, model.asleep) = (true, false);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_left_in_a_mailbox_goes_with_it() {
        for mailbox in [Mailbox::new(Bounds::new(8, 1 << 20)), {
            let bounds = Bounds::new(8, 1 << 20);
            Mailbox::of(bounds, Some(Box::new(crate::lanes::Lanes::new(2, bounds))))
        }] {
            let kept = std::sync::Arc::new(());
            let letter = crate::letters::counted(&kept);
            match mailbox.lanes() {
                None => {
                    assert!(mailbox.reserve(letter.units()));
                    assert!(matches!(mailbox.push(letter), Pushed::Queued));
                }
                Some(lanes) => {
                    assert!(!mailbox.reserve(letter.units()), "nobody gets past the lanes");
                    assert!(matches!(lanes.offer(letter, 1, false), Offered::Queued));
                }
            }
            assert_eq!(std::sync::Arc::strong_count(&kept), 2);
            drop(mailbox);
            assert_eq!(std::sync::Arc::strong_count(&kept), 1);
        }
    }
}
