//! The beginning of a life: the first one and each restart.

use std::ptr::{self, NonNull};

use odeon_message::Failure;

use super::{Exit, Next, Phase, Value, ending, parts, steps::rest_unless};
use crate::{
    Actor, ExitReason, StartError,
    bonds::News,
    cell::{CellHead, CellPtr, Signals},
    future_slot::Sink,
    stats::count,
    turn::Turn,
};

/// The cell has come to its worker; `alone` if nobody else knows it.
///
/// # Safety
/// It is the turn of `cell`, of actor type `A`, and its slot is idle.
#[inline]
pub(super) unsafe fn arrive<A: Actor>(
    cell: NonNull<CellHead>,
    turn: &mut Turn<'_>,
    alone: bool,
) -> Next {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let kept = match alone {
        // SAFETY: whoever waits for the start holds a count during the turn, and the caller says the rest.
        true => unsafe { CellPtr::share_alone(cell) },
        // SAFETY: the run queue, or whoever waits for the start, holds a count during the turn.
        false => unsafe { CellPtr::share(cell) },
    };
    turn.worker.attach(kept);
    let told = head.signals.any() & (Signals::HALT | Signals::STOP);
    if told != 0 {
        head.signals.take(Signals::HALT);
        if let Some(starter) = core.take_starter() {
            starter.fail(head, StartError::Stopped);
        }
        let last = told & Signals::STOP != 0 || !head.is_supervised();
        core.set_exit(Exit { reason: ExitReason::shutdown(""), last });
        // SAFETY: the caller says so.
        unsafe { ending::reap::<A>(cell, Signals::STOP) };
        return Next::Go;
    }
    // SAFETY: the caller says so.
    unsafe { start::<A>(cell, turn) }
}

/// Runs `start`.
///
/// # Safety
/// As [`arrive`].
pub(super) unsafe fn start<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> Next {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    core.phase.set(Phase::Starting);
    let make = || {
        // SAFETY: the slot is idle, so nothing borrows them.
        let value = unsafe { core.value() };
        let args = if head.may_restart() { value.copy_args(head) } else { value.take_args() };
        // SAFETY: the slot is idle, so nothing borrows the context.
        let context = unsafe { core.context() };
        let args = args.expect("arguments are kept as long as the actor may start");
        A::start(args, context.as_mut().expect("a live cell has a context"))
    };
    // SAFETY: the caller says so.
    let done =
        unsafe { core.slot.begin::<_, Started<A>>(cell, ptr::null_mut(), make, &mut turn.cx) };
    if !done {
        // Messages wait for the start: none of them schedules the actor meanwhile.
        head.mailbox.rouse();
    }
    rest_unless(done)
}

/// Takes what `start` answers.
struct Started<A>(std::marker::PhantomData<A>);

impl<A: Actor> Sink<Result<A, StartError>> for Started<A> {
    unsafe fn done(cell: NonNull<CellHead>, _: *mut (), output: Result<A, StartError>) {
        // SAFETY: the caller says so.
        let (head, core) = unsafe { parts::<A>(cell) };
        let starter = core.take_starter();
        let actor = match output {
            Ok(actor) => actor,
            Err(error) => {
                let last = !head.is_supervised();
                core.set_exit(Exit { reason: error.reason(), last });
                if let Some(starter) = starter {
                    starter.fail(head, error);
                }
                return;
            }
        };
        // SAFETY: the future in the slot is `start`, which borrows the context alone.
        *unsafe { core.value() } = Value::Actor(actor);
        core.phase.set(Phase::Running);
        head.worker.observe_started(head.number, head.kind());
        if starter.is_some() {
            head.worker.note_first_start(head);
        } else {
            count(&head.worker.system().counters().restarts);
            head.tally(|counts| &counts.restarts);
        }
        let told = starter.is_none_or(|starter| starter.tell(head));
        // After the starter: the supervisor may hold its other end, and drops it when it hears.
        head.report(News::Started);
        if !told {
            // Whoever spawned it gave up: nobody would ever use it.
            head.signals.set(Signals::STOP);
        }
    }

    unsafe fn fail(_: NonNull<CellHead>, _: *mut (), _: &Failure) {
        // Whoever abandons `start` knows more than the failure says, and tells the starter.
    }
}
