//! A turn of an actor that has nothing to do, for one message that somebody hands it on its own thread.
//!
//! The message is not put in the mailbox, and takes up no room there: it would be taken out at once. What it is NOT: the
//! decision whether the turn may be taken; read `worker/direct.rs`.

use std::{ptr::NonNull, sync::atomic::Ordering};

use super::{Core, Phase, drive_on, give_room_back, parts, whole};
use crate::{
    Actor,
    cell::{CellHead, Signals},
    envelope::Envelope,
    turn::Turn,
};

impl<A: Actor> Core<A> {
    /// Whether a message that comes right now would be handled next, and at once.
    pub(super) fn is_free(&self, head: &CellHead) -> bool {
        self.phase.is(Phase::Running)
            && head.signals.any() == 0
            && !self.slot.is_busy()
            && self.batch.is_empty()
            && !self.draining.get()
    }
}

/// One turn that begins with a message: `true` if the actor has more to do. The message comes back if something else
/// goes before it.
///
/// # Safety
/// As [`run`](super::run), and the message is one to this actor.
pub(crate) unsafe fn run_directly<A: Actor>(
    cell: NonNull<CellHead>,
    envelope: Envelope,
    turn: &mut Turn<'_>,
) -> Result<bool, Envelope> {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    if !core.is_free(head) {
        return Err(envelope);
    }
    turn.taken += 1;
    let first = |turn: &mut Turn<'_>| {
        // SAFETY: the caller says so, and the slot is idle.
        if !unsafe { envelope.start(cell, turn) } {
            wait(head, core, turn);
            return false;
        }
        // SAFETY: the caller says so.
        !core.is_free(head) && unsafe { drive_on::<A>(cell, turn) }
    };
    // SAFETY: the caller says so.
    Ok(unsafe { whole::<A>(cell, turn, first) })
}

/// The handler waits: what comes meanwhile does not find a free actor.
fn wait<A: Actor>(head: &CellHead, core: &Core<A>, turn: &Turn<'_>) {
    core.extras.get().into_iter().for_each(|extras| extras.held.set(true));
    head.mailbox.rouse();
    give_room_back(head);
    turn.worker.meters_of_turn(|meters| {
        head.taken_at.store(meters.tick.get(), Ordering::Relaxed);
    });
    debug_assert!(head.signals.any() & Signals::READING == 0, "a read leaves the slot idle");
}
