//! The life of an actor, as its worker runs it: start, messages, restart, end.
//!
//! [`run`] is one turn. It polls the future that waits, then takes messages until the mailbox is empty or the turn is
//! spent; whenever something else is wanted, [`Phase`] says what comes next, in `steps.rs`. Panics are caught here,
//! once a turn, and judged in `ending.rs`. A turn that begins with a message that somebody hands the actor is in
//! `direct.rs`; what the turn touches in `core.rs`. What it is NOT: a task or a queue; the worker calls it (`worker.rs`).
#![expect(unsafe_code, reason = "handlers borrow the actor from its cell while the worker goes on")]

mod aside;
mod core;
mod direct;
mod ending;
mod handling;
mod near;
mod reading;
mod reaping;
mod seeking;
mod starting;
mod steps;
mod trains;
mod value;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
    sync::atomic::{AtomicU8, Ordering},
};

use odeon_message::planted::Bug;

use crate::{
    Actor,
    cell::{ActorCell, CellHead, Signals},
    future_slot::Sink,
    load::Charge,
    turn::Turn,
    watched::Held,
};

pub(crate) use self::core::{Core, Starter, await_start};
pub(crate) use direct::run_directly;
pub(crate) use ending::end;
pub(crate) use handling::{handle, view};
pub(crate) use near::{push, tell};
pub(crate) use seeking::seek;
pub(crate) use trains::Ride;

use self::core::Exit;
use value::Value;

/// Where an actor is in its life. Each phase but `Running` ends in `steps.rs`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Its worker has not seen it yet.
    Fresh,
    /// `start` runs.
    Starting,
    /// It takes messages.
    Running,
    /// `stopped` runs.
    Stopping,
    /// Its value is dropped; its children are ending.
    Reaping,
    /// Its supervisor decides whether it starts again; the mailbox fills.
    Waiting,
    /// It is gone.
    Ended,
}

/// A phase that the worker sets and anybody may read.
struct PhaseCell(AtomicU8);

impl PhaseCell {
    const ALL: [Phase; 7] = [
        Phase::Fresh,
        Phase::Starting,
        Phase::Running,
        Phase::Stopping,
        Phase::Reaping,
        Phase::Waiting,
        Phase::Ended,
    ];

    fn is(&self, phase: Phase) -> bool {
        self.0.load(Ordering::Relaxed) == phase as u8
    }

    fn get(&self) -> Phase {
        Self::ALL[usize::from(self.0.load(Ordering::Relaxed))]
    }

    fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }
}

/// What to do after a step.
enum Next {
    /// Another step or message may follow.
    Go,
    /// A message follows, whatever is signalled.
    Message,
    /// Nothing until somebody schedules the cell.
    Rest,
}

/// The cell behind a head.
///
/// # Safety
/// `cell` is alive for `'a` and of actor type `A`.
unsafe fn typed<'a, A: Actor>(cell: NonNull<CellHead>) -> &'a ActorCell<A> {
    // SAFETY: the caller says so, and the head is the first field of a cell with C layout.
    unsafe { cell.cast().as_ref() }
}

/// Where an actor is in its life, for anybody who wants to know.
///
/// # Safety
/// `cell` is alive and of actor type `A`.
pub(crate) unsafe fn phase<A: Actor>(cell: NonNull<CellHead>) -> Phase {
    let cell = cell.cast::<ActorCell<A>>().as_ptr();
    // SAFETY: the caller says that the cell is alive; no reference to what only its worker touches is made.
    let core = unsafe { ActorCell::core_of(cell) };
    // SAFETY: as above; the phase is atomic.
    unsafe { &(*core).phase }.get()
}

/// The head and the core of a cell whose turn it is.
///
/// # Safety
/// As [`typed`], and it is the cell's turn.
unsafe fn parts<'a, A: Actor>(cell: NonNull<CellHead>) -> (&'a CellHead, &'a Core<A>) {
    // SAFETY: the caller says so.
    let cell = unsafe { typed::<A>(cell) };
    // SAFETY: the caller says so.
    (&cell.head, unsafe { cell.core() })
}

/// One turn of an actor: `true` if it has more to do.
///
/// # Safety
/// The caller is the cell's worker, the cell is of actor type `A`, and no turn of it is going on.
pub(crate) unsafe fn run<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
    // SAFETY: the caller says so.
    let first = |turn: &mut Turn<'_>| unsafe { drive::<A>(cell, turn) };
    // SAFETY: as above.
    unsafe { whole::<A>(cell, turn, first) }
}

/// The first turn of an actor, on the stack of whoever waits for its start: `true` if it has more to do.
///
/// # Safety
/// As [`run`], and it has had no turn.
pub(crate) unsafe fn run_first<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let first = |turn: &mut Turn<'_>| {
        if head.signals.any() == 0 {
            // Whoever else knows an actor that has had no turn knows it by its bonds.
            // SAFETY: the caller says so, and the slot of an actor that has had no turn is idle.
            match unsafe { starting::arrive::<A>(cell, turn, head.bonds.is_bare()) } {
                Next::Rest => {
                    give_room_back(head);
                    return false;
                }
                // It sleeps since it was made.
                Next::Go | Next::Message if core.is_free(head) && head.mailbox.is_idle() => {
                    return false;
                }
                Next::Go | Next::Message => {}
            }
        }
        // SAFETY: the caller says so.
        unsafe { drive::<A>(cell, turn) }
    };
    // SAFETY: the caller says so.
    unsafe { whole::<A>(cell, turn, first) }
}

/// As [`drive`], where it is not the whole turn.
///
/// # Safety
/// As there.
#[inline(never)]
unsafe fn drive_on<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
    // SAFETY: the caller says so.
    unsafe { drive::<A>(cell, turn) }
}

/// A whole turn, which begins with `first`.
///
/// # Safety
/// As [`run`]; `first` is part of a turn of the cell.
#[inline]
unsafe fn whole<A: Actor>(
    cell: NonNull<CellHead>,
    turn: &mut Turn<'_>,
    first: impl FnOnce(&mut Turn<'_>) -> bool,
) -> bool {
    // SAFETY: the caller says so.
    let (_, core) = unsafe { parts::<A>(cell) };
    core.slot.lend(|| turn.worker.spare());
    // After a panic the slot keeps what panicked, and everything else is consistent between any two calls of foreign code.
    let mut caught = catch_unwind(AssertUnwindSafe(|| first(turn)));
    let again = loop {
        match caught {
            Ok(again) => break again,
            // SAFETY: the caller says so.
            Err(payload) => unsafe { ending::panicked::<A>(cell, payload) },
        }
        // SAFETY: the caller says so.
        caught = catch_unwind(AssertUnwindSafe(|| unsafe { drive_on::<A>(cell, turn) }));
    };
    if let Some(scratch) = core.slot.take_back() {
        turn.worker.keep(scratch);
    }
    if let Some(extras) = core.extras.get().filter(|_| turn.handles_messages()) {
        extras.touch();
    }
    again
}

/// The part of a turn that may panic.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn drive<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let killed = head.signals.any() & Signals::KILL != 0;
    // SAFETY: the caller says so.
    if (killed || core.slot.is_busy()) && !unsafe { go_on::<A>(cell, turn) } {
        return false;
    }
    let (portion, charge) = (head.mailbox.portion(), head.mailbox.charger());
    let mut far = false;
    if !core.batch.is_empty() {
        turn.worker.note_near(head);
    }
    if let Some(extras) = core.extras.get() {
        turn.resumed = extras.held.take();
    }
    loop {
        if !core.phase.is(Phase::Running) || head.signals.any() != 0 {
            // SAFETY: the slot is idle, and the caller says the rest.
            match unsafe { steps::step::<A>(cell, turn) } {
                Next::Go if turn.is_spent() => {
                    give_room_back(head);
                    return true;
                }
                Next::Go => continue,
                Next::Message => {}
                Next::Rest => break,
            }
        }
        let done = if let Some(train) = core.batch.first_train() {
            // SAFETY: as for an envelope below; it is the first of the batch.
            unsafe { train.run(cell, turn) }
        } else if let Some(envelope) = core.batch.pop_node().or_else(|| head.mailbox.pop()) {
            turn.taken += 1;
            if head.spare.add(charge(&envelope)) >= portion {
                give_portion_back(head);
            }
            // SAFETY: only senders to this cell's type put envelopes in its mailbox; the slot is idle.
            unsafe { envelope.start(cell, turn) }
        } else {
            // So most turns end, of actors that are told from this thread.
            if head.mailbox.sleeps_on(&head.spare) {
                head.taken_at.store(0, Ordering::Relaxed);
                return false;
            }
            core.batch.append(&head.mailbox.take());
            if !core.batch.is_empty() {
                // What its own thread sends does not come this way.
                far = true;
                turn.worker.note_taken(head);
            } else if sleeps(head, core, turn, far) {
                return false;
            }
            continue;
        };
        if !done {
            core.extras.get().into_iter().for_each(|extras| extras.held.set(true));
            head.mailbox.rouse();
            break;
        }
        if turn.is_spent() {
            give_room_back(head);
            let has_more = || !core.batch.is_empty() || !head.mailbox.is_quiet();
            return !Bug::LostWakeUp.is_planted() || has_more();
        }
    }
    give_room_back(head);
    false
}

/// Ends what is killed, and goes on with what waits in the slot: `true` if messages may follow.
///
/// # Safety
/// As [`run`].
unsafe fn go_on<A: Actor>(cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    // SAFETY: the caller says so.
    if head.signals.any() & Signals::KILL != 0 && unsafe { ending::kill::<A>(cell) } {
        return false;
    }
    // SAFETY: the caller says so.
    let idle = unsafe { resume(cell, core, turn) };
    if !idle {
        if head.signals.any() & Signals::SOURCES != 0 {
            // They go on meanwhile; what they bring waits.
            // SAFETY: none of these are reads, which do not run beside a handler.
            core.extras.get().into_iter().for_each(|extras| unsafe { extras.poll_woken(None) });
        }
        give_room_back(head);
    }
    idle
}

/// There is nothing to do: `true` if the actor sleeps now, `false` if something has come. After messages `far` from its
/// thread more may follow soon.
#[inline(never)]
fn sleeps<A: Actor>(head: &CellHead, core: &Core<A>, turn: &Turn<'_>, far: bool) -> bool {
    give_room_back(head);
    if far && turn.worker.lingers(head) {
        return false;
    }
    if head.mailbox.wants_mark() {
        head.mailbox.mark();
    }
    // Whoever was woken just now may have sent something from this thread.
    let asleep = head.mailbox.sleep() && core.batch.is_empty();
    if asleep {
        head.taken_at.store(0, Ordering::Relaxed);
    }
    asleep
}

/// Goes on with what waits in the slot: `true` if that is idle now.
///
/// # Safety
/// As [`run`]; the core is that of the cell.
unsafe fn resume<A: Actor>(cell: NonNull<CellHead>, core: &Core<A>, turn: &mut Turn<'_>) -> bool {
    let on = |turn: &mut Turn<'_>| {
        // SAFETY: the caller says so.
        unsafe { core.slot.resume(cell, &mut turn.cx) }
    };
    match core.extras.get() {
        None => on(turn),
        Some(extras) => Held::resume(&extras.watched, turn, on),
    }
}

/// So many messages were taken that others may have their room.
fn give_portion_back(head: &CellHead) {
    let waiting = head.mailbox.release(head.spare.take());
    // Whoever waits for it is woken once a turn: a wake may cross threads, and costs as much as many messages. Where
    // priorities count, who waits may be the most urgent of all.
    if waiting && head.mailbox.lanes().is_some() {
        head.serve_room();
    }
}

/// A turn ends, or the mailbox is empty: whoever waits for room has it now.
#[inline]
fn give_room_back(head: &CellHead) {
    let spare = head.spare.take();
    let waiting = match spare == Charge::default() {
        true => head.mailbox.has_waiting(),
        false => head.mailbox.release(spare),
    };
    if waiting {
        head.serve_room();
    }
}

/// Whether what runs in the slot has yet to answer `target`.
///
/// # Safety
/// It is the turn of `cell`, of actor type `A`.
pub(crate) unsafe fn answers<A: Actor>(cell: NonNull<CellHead>, target: *mut ()) -> bool {
    // SAFETY: the caller says so.
    let (_, core) = unsafe { parts::<A>(cell) };
    core.slot.asker().is_some() && core.slot.target() == target
}

/// Takes the end of a future that answers nobody.
struct Quiet;

impl Sink<()> for Quiet {
    unsafe fn done(_: NonNull<CellHead>, _: *mut (), (): ()) {}

    unsafe fn fail(_: NonNull<CellHead>, _: *mut (), _: &odeon_message::Failure) {}
}
