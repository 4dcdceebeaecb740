//! The messages of a train in their actor's turn: handled one after the other where they wait.
//!
//! A train stays the first of what was taken from the mailbox until its last message begins, so that a panic, a wait or the
//! end of the turn between two of them leaves the others where they are, in order. What it is NOT: the opening of a message
//! or its handler; read `inbound/trains.rs`, which comes here before and after each.
#![expect(unsafe_code, reason = "the turn is that of a typed cell")]

use std::ptr::NonNull;

use super::{Core, Phase, give_portion_back, parts};
use crate::{
    Actor,
    cell::CellHead,
    envelope::Envelope,
    load::{Bounds, Charge},
    turn::Turn,
};

/// An actor's turn, as it handles a train.
pub(crate) struct Ride<'a, A: Actor> {
    head: &'a CellHead,
    core: &'a Core<A>,
    bounds: Bounds,
    portion: u32,
}

impl<A: Actor> Ride<'_, A> {
    /// # Safety
    /// It is the turn of `cell`, of actor type `A`.
    pub(crate) unsafe fn new(cell: NonNull<CellHead>) -> Self {
        // SAFETY: the caller says so.
        let (head, core) = unsafe { parts::<A>(cell) };
        Self { head, core, bounds: head.mailbox.bounds(), portion: head.mailbox.portion() }
    }

    /// One message, of so many units, was taken off: its room is left over.
    #[inline(always)]
    pub(crate) fn take(&self, turn: &mut Turn<'_>, units: u32) {
        turn.taken += 1;
        let charge: Charge = self.bounds.charge(units);
        if self.head.spare.add(charge) >= self.portion {
            give_portion_back(self.head);
        }
    }

    /// The train has no message any more: it leaves the batch, whose first it is.
    pub(crate) fn end(&self) -> Option<Envelope> {
        self.core.batch.pop_node()
    }

    /// Whether the next message may begin without a look at anything else.
    #[inline(always)]
    pub(crate) fn goes_on(&self, turn: &Turn<'_>) -> bool {
        !turn.is_spent() && self.core.phase.is(Phase::Running) && self.head.signals.any() == 0
    }
}
