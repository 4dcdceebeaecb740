//! One actor's turn on its worker: what every step of it needs at hand.

use std::{mem::ManuallyDrop, task};

use odeon_message::Credit;
use tokio::time::Instant;

use crate::{cause::Origin, cell::CellHead, worker::Worker};

/// Messages that one actor takes before the next has its turn: enough to amortise the switch, few enough that a
/// thousand busy actors all move within a millisecond.
pub(crate) const ACTOR_MESSAGES_MAX: u32 = 256;

pub(crate) struct Turn<'a> {
    pub(crate) worker: &'a Worker,
    /// The actor whose turn it is.
    pub(crate) head: &'a CellHead,
    /// Wakes the actor whose turn it is.
    pub(crate) cx: task::Context<'a>,
    /// Messages that it takes at most.
    messages_max: u32,
    /// Handlers begun in this turn.
    pub(crate) handled: u32,
    /// Messages taken in this turn: those that were skipped or could not be read, too.
    pub(crate) taken: u32,
    /// Those of them that came from a source of the actor, not from its mailbox.
    pub(crate) aside: u32,
    /// It is taken directly: its first message has not waited at all.
    pub(crate) direct: bool,
    /// A handler of a message of the mailbox that had waited is done.
    pub(crate) resumed: bool,
    /// How many handlers will have begun when one of them is measured.
    pub(crate) sample_at: u32,
    /// Where the message that is taken comes from, if that is known.
    pub(crate) origin: ManuallyDrop<Option<Origin>>,
    /// Credit of inbound messages that were taken in this turn, given back together.
    credit: ManuallyDrop<Option<Credit>>,
}

impl Drop for Turn<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.origin.is_some() || self.credit.is_some() {
            self.end();
        }
    }
}

impl<'a> Turn<'a> {
    /// A turn in which one of the handlers is measured, when so many have begun.
    #[inline]
    pub(crate) fn new(
        worker: &'a Worker,
        head: &'a CellHead,
        cx: task::Context<'a>,
        sample_at: u32,
    ) -> Self {
        Self {
            worker,
            head,
            cx,
            messages_max: worker.messages_max(),
            handled: 0,
            taken: 0,
            aside: 0,
            direct: false,
            resumed: false,
            sample_at,
            origin: ManuallyDrop::new(None),
            credit: ManuallyDrop::new(None),
        }
    }

    /// It ends, and has something to give back: few turns have.
    #[cold]
    fn end(&mut self) {
        drop((self.origin.take(), self.credit.take()));
    }

    /// The time: the clock is read once for a few messages.
    pub(crate) fn now(&self) -> Instant {
        self.worker.recent(self.handled)
    }

    /// An inbound message was taken: its credit goes back to the sender when the turn ends, or another sender's
    /// message comes.
    pub(crate) fn give_back(&mut self, credit: Credit) {
        match &mut *self.credit {
            Some(held) => {
                if let Some(other) = held.absorb(credit) {
                    *held = other;
                }
            }
            none => *none = Some(credit),
        }
    }

    /// As [`give_back`](Self::give_back), of some of the messages that came together.
    #[inline(always)]
    pub(crate) fn give_back_part(&mut self, credit: &mut Credit, messages: u64, bytes: u64) {
        if let Some(held) = &mut *self.credit
            && held.absorb_part(credit, messages, bytes)
        {
            return;
        }
        *self.credit = Some(credit.part(messages, bytes));
    }

    /// Whether messages of the mailbox were handled in this turn.
    pub(crate) fn handles_messages(&self) -> bool {
        self.resumed || self.taken > self.aside
    }

    /// Whether others should have their turn.
    pub(crate) fn is_spent(&self) -> bool {
        self.taken >= self.messages_max
    }
}
