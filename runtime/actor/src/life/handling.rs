//! The begin of a handler, in its actor's turn: of a value, or of a message that is read in place.
//!
//! What it is NOT: the way there, which is that of each kind of envelope, nor what goes on when a handler waits
//! (`life.rs`). Reads begin in `reading.rs`.

use std::{future::Future, ptr::NonNull};

use odeon_message::{Message, View, Wire};

use super::{parts, reading::read};
use crate::{
    Actor, Context, Handler, ViewHandler,
    cell::{CellHead, CellPtr},
    future_slot::Sink,
    turn::Turn,
    watched::Watched,
};

/// Runs the handler of one message, to its end or to its first wait: `true` if the slot is idle then.
///
/// # Safety
/// It is the turn of `cell`, which is of actor type `A`; its slot is idle; `target` is what `S` expects.
#[inline(always)]
pub(crate) unsafe fn handle<A, M, S>(
    cell: NonNull<CellHead>,
    target: *mut (),
    message: M,
    turn: &mut Turn<'_>,
) -> bool
where
    A: Handler<M>,
    M: Message,
    S: Sink<M::Output>,
{
    // SAFETY: the caller says so.
    let (head, _) = unsafe { parts::<A>(cell) };
    turn.handled += 1;
    turn.worker.observe_handler(head.number, M::NAME);
    let watched = turn.watch(M::NAME);
    if A::READS {
        // SAFETY: the caller says so.
        unsafe { read::<A, M, S>(cell, target, message, turn, watched) };
        return true;
    }
    // SAFETY: the caller says so.
    unsafe { begin::<A, _, S>(cell, target, |a, ctx| a.handle(message, ctx), turn, watched) }
}

/// As [`handle`], of a message that is read in place.
///
/// # Safety
/// As there.
#[inline(always)]
pub(crate) unsafe fn view<A, M, S>(
    cell: NonNull<CellHead>,
    target: *mut (),
    view: View<M>,
    turn: &mut Turn<'_>,
) -> bool
where
    A: ViewHandler<M>,
    M: Message + Wire,
    S: Sink<M::Output>,
{
    // SAFETY: the caller says so.
    let (head, _) = unsafe { parts::<A>(cell) };
    turn.handled += 1;
    turn.worker.observe_handler(head.number, M::NAME);
    let watched = turn.watch(M::NAME);
    // SAFETY: the caller says so.
    unsafe { begin::<A, _, S>(cell, target, |a, ctx| a.view(view, ctx), turn, watched) }
}

/// Puts the future of a handler into the slot and polls it: `true` if the slot is idle then.
///
/// # Safety
/// As [`handle`].
#[inline(always)]
unsafe fn begin<'a, A, F, S>(
    cell: NonNull<CellHead>,
    target: *mut (),
    run: impl FnOnce(&'a mut A, &'a mut Context<A>) -> F,
    turn: &mut Turn<'_>,
    watched: Option<Watched>,
) -> bool
where
    A: Actor,
    F: Future,
    S: Sink<F::Output>,
{
    // SAFETY: the caller says so.
    let (_, core) = unsafe { parts::<A>(cell) };
    let make = || {
        // SAFETY: it is the turn and the slot is idle, so nothing borrows the actor; the future that does is dropped
        // before anything else borrows it.
        let (actor, context) = unsafe { core.borrow() };
        run(actor, context)
    };
    // SAFETY: the caller says so; the actor is not moved while the slot is busy.
    let done = unsafe { core.slot.begin::<_, S>(cell, target, make, &mut turn.cx) };
    match watched {
        None => {}
        Some(watched) if done => watched.done(turn),
        Some(watched) => {
            // SAFETY: the turn keeps the cell alive.
            let extras = core.extras_or(unsafe { CellPtr::share(cell) });
            extras.watched.set(Some(watched.hold()));
        }
    }
    done
}
