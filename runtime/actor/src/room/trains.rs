//! Messages of another node that came together, at the door of a mailbox.
//!
//! They go in as far as there is room, and wait behind it as one: what the bounds say of messages holds for each of them.
//! A mailbox with lanes, or one that lets nobody wait, takes them one by one, as if they had come alone.

use odeon_message::{Failure, FailureKind};

use super::{Entered, Patience, Room};
use crate::{
    Overflow, cell::CellPtr, envelope::Envelope, mailbox::Boarded, stats::count_more,
    worker::polls_workers,
};

/// Those that are not taken, and why.
type Turned = Option<(Envelope, FailureKind)>;

impl CellPtr {
    /// Puts messages in that came together, or lets them wait, or does what the mailbox does when it is full. Those that
    /// are not taken are counted and refused.
    pub(crate) fn enter_train(&self, train: Envelope) {
        if !self.is_plain() || self.overflow != Overflow::Wait {
            let turn_away = |one, kind| self.turn_away(Some((one, kind)));
            return self.enter_each(train, Patience::Quiet, turn_away);
        }
        let (closed, rest) = self.board(train);
        self.turn_away(closed.map(|closed| (closed, FailureKind::Stopped)));
        let Some(rest) = rest else { return };
        match self.mailbox.is_closed() {
            true => self.turn_away(Some((rest, FailureKind::Stopped))),
            false => self.wait_together(rest),
        }
    }

    /// As [`enter_train`](Self::enter_train), of messages that must not wait: those that are not taken are refused, and
    /// are not counted here; how many they are.
    pub(crate) fn offer_train(&self, train: Envelope) -> u32 {
        let mut refused = 0;
        let mut refuse = |envelope: Envelope, kind| {
            refused += envelope.messages();
            envelope.refuse(&self.refusal(kind));
        };
        if !self.is_plain() || self.overflow != Overflow::Wait {
            self.enter_each(train, Patience::None, refuse);
            return refused;
        }
        let (closed, rest) = self.board(train);
        closed.into_iter().for_each(|closed| refuse(closed, FailureKind::Stopped));
        rest.into_iter().for_each(|rest| refuse(rest, FailureKind::Full));
        refused
    }

    /// Puts as many in as there is room for, while nobody waits: those that found the mailbox closed, and the rest.
    fn board(&self, train: Envelope) -> (Option<Envelope>, Option<Envelope>) {
        // What this thread handed over counts before it sends more.
        let here = polls_workers() && self.worker.is_here();
        if here && !self.mailbox.count_handed_over(&self.spare) {
            return (None, Some(train));
        }
        let Boarded { woke, closed, rest } = self.mailbox.board(train, false);
        if woke {
            self.schedule();
        }
        (closed, rest)
    }

    fn enter_each(
        &self,
        mut train: Envelope,
        patience: Patience<'_>,
        mut turn_away: impl FnMut(Envelope, FailureKind),
    ) {
        while let Some(one) = train.take_one() {
            if let Entered::Refused(one, kind) = self.enter(one, 0, patience) {
                turn_away(one, kind);
            }
        }
    }

    fn wait_together(&self, train: Envelope) {
        let waiting_max = self.worker.system().config().waiting_max as usize;
        let mut woke = false;
        let turned = self.with_bonds(|bonds| {
            let room = &mut bonds.room;
            if room.closed {
                return [Some((train, FailureKind::Stopped)), None];
            }
            self.mailbox.mark_waiting();
            let boarded = match room.is_first(0) {
                // Some may have been handled meanwhile.
                true => self.mailbox.board(train, true),
                false => Boarded { woke: false, closed: None, rest: Some(train) },
            };
            woke = boarded.woke;
            let turned = match (boarded.closed, boarded.rest) {
                (None, None) => [None, None],
                (None, Some(rest)) => [room.push_train(rest, waiting_max), None],
                (closed, rest) => {
                    let stopped = |envelope| (envelope, FailureKind::Stopped);
                    [closed.map(stopped), rest.map(stopped)]
                }
            };
            if room.waiting == 0 {
                self.mailbox.clear_waiting();
            }
            turned
        });
        if woke {
            self.schedule();
        }
        turned.into_iter().for_each(|turned| self.turn_away(turned));
    }

    /// Counts and refuses messages that are not taken.
    fn turn_away(&self, turned: Turned) {
        let Some((envelope, kind)) = turned else { return };
        count_more(&self.worker.system().counters().undelivered, envelope.messages().into());
        let failure: Failure = self.refusal(kind);
        envelope.refuse(&failure);
    }
}

impl Room {
    /// Lets messages wait, as many as may; the others come back.
    fn push_train(&mut self, mut train: Envelope, waiting_max: usize) -> Turned {
        let free = waiting_max.saturating_sub(self.waiting);
        let free = u32::try_from(free).unwrap_or(u32::MAX);
        if free >= train.messages() {
            self.push(train, 0, None);
            return None;
        }
        if free > 0
            && let Some(some) = train.take_some(free)
        {
            self.push(some, 0, None);
        }
        Some((train, FailureKind::Full))
    }
}
