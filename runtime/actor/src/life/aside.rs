//! What an actor does beside its mailbox: the items of its sources, its receive timeout, what it unstashed; and
//! how it drains.
//!
//! Taken up between messages, like the system lane, when no future is in the slot. What it is NOT: the sources
//! themselves; read `sources.rs`.

use std::ptr::NonNull;

use super::{Exit, Next, ending, parts, steps::rest_unless};
use crate::{
    Actor, ExitReason,
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
    let signals = head.signals.any();
    if let Some(extras) = core.extras.get() {
        if signals & Signals::SOURCES != 0 {
            // SAFETY: the caller says so.
            return unsafe { serve_sources::<A>(cell, extras, turn) };
        }
        if signals & Signals::RETURNED != 0 {
            // SAFETY: the caller says so.
            return unsafe { take_returned::<A>(cell, extras, turn) };
        }
        if signals & Signals::OWED != 0 {
            // One message first, if there is one.
            head.signals.take(Signals::OWED);
            extras.sources().settle();
            return if core.has_message(head) { Next::Message } else { Next::Go };
        }
    }
    if signals & Signals::DRAIN != 0 {
        // SAFETY: the caller says so.
        return unsafe { drain::<A>(cell, turn) };
    }
    Next::Go
}

/// Handles the next message that was unstashed.
///
/// # Safety
/// As [`attend`].
unsafe fn take_returned<A: Actor>(
    cell: NonNull<CellHead>,
    extras: &Extras,
    turn: &mut Turn<'_>,
) -> Next {
    // SAFETY: the caller says so.
    let (head, _) = unsafe { parts::<A>(cell) };
    let Some(envelope) = extras.next_returned() else {
        head.signals.take(Signals::RETURNED);
        return Next::Go;
    };
    turn.taken += 1;
    // SAFETY: only envelopes for this cell's type were stashed by it; the caller says the rest.
    let done = unsafe { envelope.start(cell, turn) };
    extras.held.set(!done);
    rest_unless(done)
}

/// Handles what was queued when the actor was told to drain, then stops.
///
/// # Safety
/// As [`attend`].
unsafe fn drain<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> Next {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let last = !head.is_supervised();
    if !core.draining.replace(true) {
        head.mailbox.forget_mark();
        // A supervised actor keeps its mailbox for its next life.
        core.batch.append(&if last { head.mailbox.close() } else { head.mailbox.take() });
        if last {
            ending::refuse_waiting(head, &ExitReason::stopped());
        }
    }
    if !core.batch.is_empty() {
        return Next::Message;
    }
    core.draining.set(false);
    head.signals.take(Signals::DRAIN);
    // SAFETY: the caller says so.
    unsafe { ending::leave::<A>(cell, Exit { reason: ExitReason::stopped(), last }, turn) }
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
    // SAFETY: the caller says so.
    unsafe { extras.poll_woken(None) };
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
