//! What an actor does beside its mailbox: the items of its sources, its receive timeout, what it unstashed.
//!
//! Taken up between messages, like the system lane, when no future is in the slot. What it is NOT: the sources
//! themselves; read `sources.rs`.

use std::ptr::NonNull;

use super::{Next, parts, steps::rest_unless};
use crate::{
    Actor,
    cell::{CellHead, Signals},
    extras::Extras,
    turn::Turn,
};

/// Goes on with what waits beside the mailbox.
///
/// # Safety
/// It is the turn of `cell`, of actor type `A`, its slot is idle and it runs.
pub(super) unsafe fn attend<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> Next {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let Some(extras) = core.extras.get() else { return Next::Go };
    let signals = head.signals.any();
    if signals & Signals::SOURCES != 0 {
        // SAFETY: the caller says so.
        return unsafe { serve_sources::<A>(cell, extras, turn) };
    }
    if signals & Signals::RETURNED != 0 {
        let Some(envelope) = extras.next_returned() else {
            head.signals.take(Signals::RETURNED);
            return Next::Go;
        };
        turn.taken += 1;
        // SAFETY: only envelopes for this cell's type were stashed by it; the caller says the rest.
        let done = unsafe { envelope.start(cell, turn) };
        extras.held.set(!done);
        return rest_unless(done);
    }
    if signals & Signals::OWED != 0 {
        // One message first, if there is one.
        head.signals.take(Signals::OWED);
        extras.sources().settle();
        return if core.has_message(head) { Next::Message } else { Next::Go };
    }
    Next::Go
}

/// Handles the next item of a source.
///
/// # Safety
/// As [`attend`].
unsafe fn serve_sources<A: Actor>(
    cell: NonNull<CellHead>,
    extras: &Extras,
    turn: &mut Turn<'_>,
) -> Next {
    // SAFETY: the caller says so.
    let (head, _) = unsafe { parts::<A>(cell) };
    // Taken before anything is polled: what is woken from now on sets it again.
    head.signals.take(Signals::SOURCES);
    extras.poll_woken();
    let next = extras.sources().next();
    let item = match next {
        Some((item, ended)) => {
            drop(ended);
            Some(item)
        }
        None => extras.poll_quiet(turn.handles_messages()),
    };
    head.signals.set(extras.wants(item.is_some()));
    let Some(item) = item else { return Next::Go };
    turn.taken += 1;
    turn.aside += 1;
    // SAFETY: only envelopes for this cell's type come from its sources; the caller says the rest.
    rest_unless(unsafe { item.start(cell, turn) })
}
