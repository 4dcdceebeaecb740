//! Where an ask of another node is among what waits at an actor, for probes that look for a circle.
//!
//! What it is: a look at what runs and what is queued, in place, by the worker that alone may take any of it. It answers
//! for asks that run or wait in the mailbox or its waiting room. What it is NOT: a way to find those that were deferred,
//! forwarded or stashed, for nobody knows who will answer them, nor those that are still on their way.

use std::ptr::NonNull;

use super::parts;
use crate::{Actor, AskThere, cell::CellHead, edges::Came, envelope::Envelope};

/// How the ask waits here, if it does and something is under way that may hold it up.
///
/// # Safety
/// The caller is the cell's worker, the cell is of actor type `A`, and no turn of it is going on.
pub(crate) unsafe fn seek<A: Actor>(cell: NonNull<CellHead>, ask: &AskThere) -> Option<Came> {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    // SAFETY: the caller says that nothing runs it.
    if unsafe { core.slot.answers(ask) } {
        return Some(Came::Ask { reads: false, at: 0 });
    }
    let reads = core.extras.get().map(|extras| &extras.reads).filter(|reads| reads.len() > 0);
    if let Some(reads) = reads
        // SAFETY: as above.
        && let Some(at) = unsafe { reads.find(ask) }
    {
        return Some(Came::Ask { reads: true, at });
    }
    if !core.slot.is_busy() && reads.is_none() {
        return None;
    }
    let fits = |envelope: &Envelope| envelope.is_ask(ask);
    let queued = core.batch.find(&fits).or_else(|| head.mailbox.find(&fits));
    let waiting = || head.if_bonds(|bonds| bonds.room.find_read(&fits)).flatten();
    queued.or_else(waiting).map(|reads| Came::Ask { reads, at: 0 })
}
