//! The phases of a life, each with what ends it: the one place where a phase follows another in the normal course.
//!
//! A step is taken in the actor's turn when no future is in its slot. Read `starting.rs` and `ending.rs` for what the
//! steps do.

use std::ptr::{self, NonNull};

use odeon_message::planted::Bug;

use super::{Exit, Next, Phase, Quiet, aside, ending, parts, reading, reaping, starting};
use crate::{
    Actor, ExitKind, ExitReason, Identity, Terminated,
    bonds::{LaneItem, News},
    cell::{CellHead, CellPtr, Signals},
    turn::Turn,
};

/// Goes on from the present phase.
///
/// # Safety
/// It is the turn of `cell`, of actor type `A`, and its slot is idle.
#[inline(never)]
pub(super) unsafe fn step<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> Next {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    if head.signals.any() & Signals::WAITS != 0 {
        head.end_waits();
    }
    match core.phase.get() {
        // SAFETY: the caller says so.
        Phase::Fresh => unsafe { starting::arrive::<A>(cell, turn, false) },
        // SAFETY: as above.
        Phase::Running => unsafe { attend::<A>(cell, turn) },
        // `start` answered with an error, or `stopped` is done.
        Phase::Starting | Phase::Stopping => {
            // SAFETY: as above.
            unsafe { ending::reap::<A>(cell, Signals::STOP) };
            Next::Go
        }
        Phase::Reaping if head.has_children() => {
            // SAFETY: the turn keeps the cell alive.
            let parent = unsafe { CellPtr::share(cell) };
            let make = || reaping::childless(parent);
            // SAFETY: the caller says so.
            rest_unless(unsafe {
                core.slot.begin::<_, Quiet>(cell, ptr::null_mut(), make, &mut turn.cx)
            })
        }
        // SAFETY: as above.
        Phase::Reaping => unsafe { ending::settle::<A>(cell) },
        // SAFETY: as above.
        Phase::Waiting => unsafe { obey::<A>(cell, turn) },
        Phase::Ended => Next::Rest,
    }
}

/// Running, and something is signalled.
///
/// # Safety
/// As [`step`].
unsafe fn attend<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> Next {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    if head.signals.any() & Signals::READING != 0 {
        // SAFETY: the caller says so.
        if let Some(next) = unsafe { reading::attend::<A>(cell, turn) } {
            return next;
        }
    }
    // Verdicts on an end that did not come about.
    head.signals.take(Signals::RESTART | Signals::RELEASE);
    if head.signals.any() & Signals::KILL != 0 {
        // SAFETY: the caller says so.
        unsafe { ending::kill::<A>(cell) };
        return Next::Go;
    }
    let told = head.signals.take(Signals::STOP | Signals::HALT);
    if told != 0 {
        let last = told & Signals::STOP != 0 || !head.is_supervised();
        let exit = Exit { reason: ExitReason::shutdown(""), last };
        // SAFETY: the caller says so.
        return unsafe { ending::leave::<A>(cell, exit, turn) };
    }
    if head.signals.take(Signals::LEAVE) != 0 {
        // SAFETY: the slot is idle, so no handler borrows the context.
        let wanted = unsafe { core.context() }.as_mut().and_then(|context| context.take_ending());
        let reason = wanted.unwrap_or_else(ExitReason::stopped);
        let exit = Exit { reason, last: !head.is_supervised() };
        // SAFETY: the caller says so.
        return unsafe { ending::leave::<A>(cell, exit, turn) };
    }
    match head.next_lane_item() {
        // SAFETY: the caller says so.
        None => unsafe { aside::attend::<A>(cell, turn) },
        // SAFETY: only senders to this cell's type put messages in its lane; the slot is idle.
        Some(LaneItem::Message(envelope)) => rest_unless(unsafe { envelope.start(cell, turn) }),
        Some(LaneItem::Linked { who, token, reason }) => {
            if !head.take_link(who, token) {
                return Next::Go;
            }
            turn.worker.observe_handler(head.number, "LinkEnded");
            let make = || {
                // SAFETY: as in `handle`.
                let (actor, context) = unsafe { core.borrow() };
                actor.link_ended(Terminated { who: Identity::Local(who), reason }, context)
            };
            // SAFETY: the caller says so.
            let done =
                unsafe { core.slot.begin::<_, Quiet>(cell, ptr::null_mut(), make, &mut turn.cx) };
            rest_unless(done)
        }
        Some(LaneItem::Terminated { who, token, reason }) => {
            // SAFETY: the slot is idle, so no handler borrows the context.
            let context = unsafe { core.context() };
            if !context.as_mut().is_some_and(|context| context.take_watch(who, token)) {
                return Next::Go;
            }
            turn.worker.observe_handler(head.number, "Terminated");
            let make = || {
                // SAFETY: as in `handle`.
                let (actor, context) = unsafe { core.borrow() };
                actor.terminated(Terminated { who, reason }, context)
            };
            // SAFETY: the caller says so.
            let done =
                unsafe { core.slot.begin::<_, Quiet>(cell, ptr::null_mut(), make, &mut turn.cx) };
            rest_unless(done)
        }
    }
}

/// Ended for now, and the supervisor decides.
///
/// # Safety
/// As [`step`].
unsafe fn obey<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> Next {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let verdict =
        head.signals.take(Signals::STOP | Signals::RELEASE | Signals::RESTART | Signals::HALT);
    if verdict & (Signals::STOP | Signals::RELEASE) != 0 {
        // SAFETY: the caller says so.
        unsafe { ending::finish::<A>(cell) };
        return Next::Rest;
    }
    if verdict & Signals::RESTART != 0 {
        // What was wanted of the life that ended is void.
        head.signals.take(Signals::LEAVE | Signals::DRAIN);
        core.draining.set(false);
        let exit = core.take_exit();
        if verdict & Signals::HALT != 0 {
            // The verdict was taken back before it was heard.
            exit.into_iter().for_each(|exit| core.set_exit(exit));
            if !head.report(News::Down(ExitReason::shutdown(""))) {
                // SAFETY: the caller says so.
                unsafe { ending::finish::<A>(cell) };
            }
            return Next::Rest;
        }
        head.renew_lane();
        if Bug::RestartEmptiesMailbox.is_planted() {
            core.batch.append(&head.mailbox.take());
            std::iter::from_fn(|| core.batch.pop()).for_each(drop);
        }
        head.live_again(exit.map(|exit| exit.reason));
        // SAFETY: the caller says so.
        return unsafe { starting::start::<A>(cell, turn) };
    }
    Next::Rest
}

pub(super) fn rest_unless(done: bool) -> Next {
    if done { Next::Go } else { Next::Rest }
}

/// What an actor is told that was ended from outside.
pub(super) fn killed() -> Exit {
    Exit { reason: ExitReason::bare(ExitKind::Killed), last: true }
}
