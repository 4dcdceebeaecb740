//! What a worker measures of its actors, and how it is copied for whoever asks.
//!
//! The live actors are looked at a portion a poll, so that a worker with a million of them stays as quick as before.
//! What it is NOT: the sum over all workers; read `metrics.rs`.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use tokio::sync::oneshot;

use super::{Bound, Order, Worker};
use crate::{
    cell::{CellHead, CellPtr},
    hot::{Picked, Sums},
    meters::{Meters, Sampled, Tallies},
    metrics::since,
};

/// Actors that are looked at in one poll: about a tenth of a millisecond.
const LOOKED_AT_MAX: usize = 4096;

/// What waits at the actors of one type.
#[derive(Clone, Copy, Default)]
pub(crate) struct Waiting {
    pub(crate) messages: u64,
    pub(crate) messages_max: u32,
    /// The longest time since messages were taken from a mailbox in which some wait, in ticks.
    pub(crate) ticks_max: Option<u32>,
}

impl Waiting {
    pub(crate) fn add(&mut self, more: &Self) {
        self.messages += more.messages;
        self.messages_max = self.messages_max.max(more.messages_max);
        self.ticks_max = self.ticks_max.max(more.ticks_max);
    }
}

/// A worker's answer, by the place of the type.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) waiting: BTreeMap<usize, Waiting>,
    pub(crate) sampled: BTreeMap<usize, Sampled>,
    /// The actors that stand out.
    pub(crate) picked: Picked,
}

/// Who wants a report, and whom the watchdog found at work.
pub(super) type AskedReport = (oneshot::Sender<Report>, Arc<Sums>);

/// How far the worker has come.
#[derive(Default)]
pub(super) struct Look {
    next: usize,
    waiting: BTreeMap<usize, Waiting>,
    /// As of the beginning.
    sums: Arc<Sums>,
    picked: Picked,
}

impl Look {
    fn at(&mut self, cell: &CellPtr, tick: u32) {
        let messages = cell.held().messages();
        let taken_at = cell.taken_at.load(Ordering::Relaxed);
        let ticks = (messages > 0).then(|| since(taken_at, tick)).flatten();
        let one = Waiting { messages: messages.into(), messages_max: messages, ticks_max: ticks };
        self.waiting.entry(cell.place.get()).or_default().add(&one);
        self.picked.look(cell, messages, ticks, &self.sums);
    }
}

impl Worker {
    /// What it measured, what waits at its actors and which of them stand out, within a few polls.
    pub(crate) fn report(&self, sums: &Arc<Sums>) -> oneshot::Receiver<Report> {
        let (sender, report) = oneshot::channel();
        let asked = (sender, Arc::clone(sums));
        self.asked_report.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        self.order(Order::REPORT);
        report
    }

    /// Looks at some more of the actors; whoever asked is answered after the last.
    pub(super) fn answer_report(&self, bound: &Bound) {
        self.orders.fetch_and(!Order::REPORT, Ordering::AcqRel);
        let tick = bound.meters.tick.get();
        let mut look = bound.look.take();
        if look.next == 0 {
            let asked = self.asked_report.lock().unwrap_or_else(PoisonError::into_inner);
            look.sums = asked.last().map(|(_, sums)| Arc::clone(sums)).unwrap_or_default();
        }
        let alive = {
            let live = bound.live.borrow();
            live.iter().skip(look.next).take(LOOKED_AT_MAX).for_each(|cell| look.at(cell, tick));
            live.len()
        };
        look.next += LOOKED_AT_MAX;
        if look.next < alive {
            bound.look.replace(look);
            return self.order(Order::REPORT);
        }
        let asked =
            std::mem::take(&mut *self.asked_report.lock().unwrap_or_else(PoisonError::into_inner));
        for (sender, _) in asked {
            let (waiting, sampled) = (look.waiting.clone(), bound.meters.sampled());
            // Whoever gave up waiting misses nothing.
            let _ = sender.send(Report { waiting, sampled, picked: look.picked.copy() });
        }
    }

    /// The worker leaves: what it has counted stays.
    pub(super) fn close_meters(&self, bound: &Bound) {
        self.asked_report.lock().unwrap_or_else(PoisonError::into_inner).clear();
        bound.look.take();
        self.tallies.hand_over(self.system.census(), &self.system.counters().handled);
        self.system.keep_sampled(bound.meters.take());
    }

    /// From one message that is measured to the next. A busy worker measures so many that a quarter of them does: of
    /// millions a second, thousands.
    #[cold]
    pub(crate) fn sample_spacing(&self) -> u32 {
        let every = self.system.config().sample_every;
        let busy = every > 1 && self.own().is_some_and(|bound| bound.meters.busy.get());
        // Of the default it makes another prime.
        if busy { every.saturating_mul(4).saturating_add(1) } else { every }
    }

    /// Works on the meters, in a turn.
    pub(crate) fn meters_of_turn(&self, f: impl FnOnce(&Meters)) {
        if let Some(bound) = self.own() {
            f(&bound.meters);
        }
    }

    /// What is counted here.
    pub(crate) fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// An actor's first turn: its type gets its place.
    #[inline]
    pub(super) fn enrol(&self, bound: &Bound, cell: &CellPtr) {
        let place = bound.meters.place(cell, self.system.census());
        cell.place.set(place);
        self.tallies.expect(usize::from(place));
        self.tallies.one_more(usize::from(place), |of| &of.live);
    }

    /// An actor whose turn it is has started for the first time.
    #[inline]
    pub(crate) fn note_first_start(&self, head: &CellHead) {
        self.tallies.one_more(head.place.get(), |of| &of.started);
    }

    /// Messages that came from this thread are about to be taken, in the actor's turn.
    #[inline]
    pub(crate) fn note_near(&self, head: &CellHead) {
        let Some(bound) = self.own() else { return };
        head.taken_at.store(bound.meters.tick.get(), Ordering::Relaxed);
        if head.mailbox.is_noted_near() {
            self.measure(bound, head);
        }
    }

    #[cold]
    fn measure(&self, bound: &Bound, head: &CellHead) {
        if let Some(waited) = head.mailbox.take_mark() {
            bound.meters.queue(head.place.get(), waited);
        }
    }

    /// Messages of the mailbox were taken, in the actor's turn.
    #[inline]
    pub(crate) fn note_taken(&self, head: &CellHead) {
        let Some(bound) = self.own() else { return };
        head.taken_at.store(bound.meters.tick.get(), Ordering::Relaxed);
        if head.mailbox.is_marked() {
            self.measure(bound, head);
        } else if head.mailbox.wants_mark() {
            head.mailbox.mark();
        }
    }
}
