//! Messages from the thread of the actor's own worker: they go straight behind those that were taken from the mailbox.
//!
//! Nobody else touches that list, so that no exchange is needed. They go there only while nothing is in the mailbox
//! itself: what one sender sends stays in order, also when it moves from thread to thread meanwhile. What it is NOT: a
//! way round the bound; the room is reserved in the mailbox as for any other.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    Actor,
    cell::{ActorCell, CellPtr},
    envelope::Envelope,
    mailbox::Pushed,
};

/// Puts a message in whose room is reserved, and sees to it that the actor has its turn. It comes back if the mailbox is
/// closed.
#[inline(always)]
pub(crate) fn push<A: Actor>(cell: &Arc<ActorCell<A>>, envelope: Envelope) -> Result<(), Envelope> {
    let head = &cell.head;
    if let Some(asleep) = head.mailbox.is_clear()
        && head.worker.is_here()
        && head.is_kept()
        && !head.worker.prefers_far()
    {
        // SAFETY: the actor has come to its worker and is not gone, so that only this thread touches its core; it is in a
        // turn of it or between two of them, and no reference to a part of the core is made that a turn borrows.
        let core = unsafe { cell.core() };
        if !core.draining.get() {
            core.batch.push(envelope);
            if asleep && !head.in_turn.load(Ordering::Relaxed) {
                CellPtr::borrow(cell).schedule();
            }
            return Ok(());
        }
    }
    match head.mailbox.push(envelope) {
        Pushed::Queued => Ok(()),
        Pushed::Woke => {
            CellPtr::borrow(cell).schedule();
            Ok(())
        }
        Pushed::Closed(envelope) => Err(envelope),
    }
}
