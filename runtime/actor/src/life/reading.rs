//! Reads that run beside each other: how they begin, and what may begin while they run.
//!
//! A read begins in the actor's slot like any handler. If it waits, it moves to a slot of its own, and the actor goes on
//! in a mode in which only further reads begin: whatever wants the actor for itself waits until all of them are done,
//! and nothing overtakes it. What it is NOT: the reads' futures; read `reads.rs`.

use std::ptr::NonNull;

use odeon_message::Message;

use super::{Core, Next, give_room_back, parts};
use crate::{
    Actor, ActorRef, Handler,
    cell::{CellHead, CellPtr, Signals},
    extras::Extras,
    future_slot::Sink,
    reads::ReadContext,
    turn::Turn,
    watched::Watched,
    worker::waiting::{Part, begin_part},
};

/// Runs one read, to its end or to its first wait; then it goes on beside the actor's messages.
///
/// # Safety
/// As [`handle`](super::handle).
pub(super) unsafe fn read<A, M, S>(
    cell: NonNull<CellHead>,
    target: *mut (),
    message: M,
    turn: &mut Turn<'_>,
    watched: Option<Watched>,
) where
    A: Handler<M>,
    M: Message,
    S: Sink<M::Output>,
{
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    // SAFETY: the turn keeps the cell alive.
    let own = unsafe { CellPtr::share(cell) };
    let own = own.downcast::<A>().ok().expect("an envelope's table is of the cell's type");
    let actor_ref = ActorRef::local(own);
    let make = || {
        // SAFETY: it is the turn and the slot is idle, so that nothing borrows the actor but other reads. What needs it
        // for itself waits until they are done, in `attend`, or drops them, in `ending::abandon`.
        let actor = unsafe { core.shared() };
        // SAFETY: the future below owns the context, and drops it before it is done or where it is abandoned; the slot
        // answers after that.
        let ctx = unsafe { ReadContext::new(actor_ref, core.slot.asker()) };
        async move { actor.handle_read(message, &ctx).await }
    };
    let part = begin_part(Part::Read(target.addr()));
    // SAFETY: the caller says so; the actor is not moved while reads run.
    if unsafe { core.slot.begin::<_, S>(cell, target, make, &mut turn.cx) } {
        return watched.into_iter().for_each(|watched| watched.done(turn));
    }
    drop(part);
    // SAFETY: the turn keeps the cell alive.
    let extras = core.extras_or(unsafe { CellPtr::share(cell) });
    extras.reads.park(extras.wakes.one(), core.slot.move_out(), watched.map(Watched::hold));
    core.slot.lend(|| turn.worker.spare());
    head.signals.set(Signals::READING);
}

impl<A: Actor> Core<A> {
    /// What a read borrows.
    ///
    /// # Safety
    /// It is the cell's turn, and nothing borrows the actor but reads, until these are done or dropped.
    unsafe fn shared<'a>(&self) -> &'a A {
        // SAFETY: the caller says so.
        unsafe { &*self.value.get() }.shared()
    }
}

/// Reads ran when the turn began: polls those that were woken. `None` once all are done; else what may follow.
///
/// # Safety
/// It is the turn of `cell`, of actor type `A`, its slot is idle and it runs.
pub(super) unsafe fn attend<A: Actor>(
    cell: NonNull<CellHead>,
    turn: &mut Turn<'_>,
) -> Option<Next> {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let extras = core.extras.get()?;
    if head.signals.take(Signals::SOURCES) != 0 {
        // SAFETY: the caller says so.
        unsafe { extras.poll_woken(Some((cell, turn))) };
        // Kept for later: nothing of it begins beside reads.
        head.signals.set(extras.wants(true) & Signals::SOURCES);
    }
    if extras.reads.len() == 0 {
        head.signals.take(Signals::READING);
        return None;
    }
    if head.signals.take(Signals::OWED) != 0 {
        extras.sources().settle();
    }
    // SAFETY: the caller says so.
    Some(unsafe { next::<A>(cell, extras, turn) })
}

/// What may begin beside the reads that run.
///
/// # Safety
/// As [`attend`].
unsafe fn next<A: Actor>(cell: NonNull<CellHead>, extras: &Extras, turn: &mut Turn<'_>) -> Next {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let signals = head.signals.any();
    // What was unstashed is no read: a read has no stash.
    let wanted = Signals::STOP | Signals::HALT | Signals::LEAVE | Signals::LANE | Signals::RETURNED;
    let alone = signals & wanted != 0
        || signals & Signals::DRAIN != 0 && !core.draining.get()
        || extras.sources().is_ready();
    let full = extras.reads.len() >= turn.worker.system().config().reads_max.max(1) as usize;
    if alone || full {
        return Next::Rest;
    }
    if core.has_message(head) {
        return if core.batch.next_reads() { Next::Message } else { Next::Rest };
    }
    if core.draining.get() {
        return Next::Rest;
    }
    give_room_back(head);
    // Those that had waited for room may be in now.
    if core.has_message(head) || !head.mailbox.sleep() { Next::Go } else { Next::Rest }
}
