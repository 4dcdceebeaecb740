//! Messages from the thread of the actor's own worker: they go straight behind those that were taken from the mailbox.
//!
//! Nobody else touches that list, so that no exchange is needed. They go there only while nothing is in the mailbox
//! itself: what one sender sends stays in order, also when it moves from thread to thread meanwhile.
//!
//! In a large mailbox room is reserved for a few of them at once, so that not each needs an exchange for that. The first
//! message of an actor that has nothing to do needs none: it is *handed over*, and takes up no room, as if its handler had
//! begun. Before this thread sends another one to the actor, it is counted like all others. So senders on this thread find
//! the bound as it is; for those on others a message that was handed over counts as one that is handled, and what was
//! reserved ahead as room of messages that were handled: both until the turn ends that is next. What it is NOT: a way round
//! the bound.

use std::sync::atomic::Ordering::Relaxed;

use odeon_message::Message;

use super::Core;
use crate::{
    Actor, Handler,
    cell::{CellArc, CellPtr},
    envelope::Envelope,
    mailbox::Pushed,
    watched::is_traced,
};

/// Tells an actor whose worker's thread this is, if nothing is in its mailbox itself; the message comes back if that cannot
/// be, or there is no room.
#[inline(always)]
pub(crate) fn tell<A, M>(cell: &CellArc<A>, message: M) -> Result<(), M>
where
    A: Handler<M>,
    M: Message,
{
    let head = &cell.head;
    // A message with its cause is made by foreign code, which might send something before it.
    if let Some(asleep) = head.mailbox.is_clear()
        && head.worker.is_here()
        && head.is_kept()
        && !is_traced()
        && !head.worker.prefers_far()
    {
        // SAFETY: as in `push`.
        let core = unsafe { cell.core() };
        let units = const { Envelope::tell_units::<M>() };
        if !core.draining.get() && head.mailbox.reserve_near(&head.spare, units, asleep) {
            core.batch.push(Envelope::tell::<A, M>(message));
            if asleep {
                head.worker.schedule_here(&CellPtr::borrow(cell));
            }
            return Ok(());
        }
    }
    Err(message)
}

/// Whether the actor sleeps and the next message is to be measured, and that has begun: then `Some(true)`.
#[cold]
fn note<A: Actor>(cell: &CellArc<A>) -> Option<bool> {
    let head = &cell.head;
    // In a turn it would be taken without another look.
    let here = head.worker.is_here() && head.is_kept() && !head.in_turn.load(Relaxed);
    // SAFETY: as in `push`.
    let free = here && unsafe { cell.core() }.takes_near();
    (free && head.mailbox.note_near()).then_some(true)
}

impl<A: Actor> Core<A> {
    /// Whether a message would be the first of those that were taken.
    fn takes_near(&self) -> bool {
        self.batch.is_empty() && !self.draining.get()
    }
}

/// Puts a message in whose room is reserved, and sees to it that the actor has its turn. It comes back if the mailbox is
/// closed.
#[inline(always)]
pub(crate) fn push<A: Actor>(cell: &CellArc<A>, envelope: Envelope) -> Result<(), Envelope> {
    let head = &cell.head;
    if let Some(asleep) =
        head.mailbox.is_clear().or_else(|| if head.mailbox.is_marked() { note(cell) } else { None })
        && head.worker.is_here()
        && head.is_kept()
        && !head.worker.prefers_far()
    {
        // SAFETY: the actor has come to its worker and is not gone, so that only this thread touches its core; it is in a
        // turn of it or between two of them, and no reference to a part of the core is made that a turn borrows.
        let core = unsafe { cell.core() };
        if !core.draining.get() {
            core.batch.push(envelope);
            if asleep {
                head.worker.schedule_here(&CellPtr::borrow(cell));
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
