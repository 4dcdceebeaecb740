//! The end of a life: told, by itself, by a panic, or because its worker goes away.
//!
//! Everything an actor holds is dropped here, each part with panics caught, so that one bad destructor loses nothing
//! else. An end is final when nobody supervises the actor or when it was told to stop; then queued messages are
//! refused, watchers told, names and slot freed.

use std::{
    any::Any,
    cell::OnceCell,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::{self, NonNull},
};

use odeon_message::{Certainty, Failure, FailureKind, planted::Bug};

use super::{Core, Exit, Next, Phase, Quiet, parts, steps::killed, steps::rest_unless};
use crate::{
    Actor, ExitKind, ExitReason, Identity, StartError,
    bonds::{Bonds, LaneItem, News},
    cell::{CellHead, CellPtr, Signals},
    envelope::Envelope,
    stats::count,
    turn::Turn,
};

/// Runs foreign destructors; a panic is counted and goes no further.
fn quietly<R>(head: &CellHead, f: impl FnOnce() -> R) -> Option<R> {
    let result = catch_unwind(AssertUnwindSafe(f));
    match result {
        Ok(value) => Some(value),
        Err(payload) => {
            count(&head.worker.system().counters().panics);
            // A payload whose own destructor panics is left alone.
            std::mem::forget(payload);
            None
        }
    }
}

/// Drops the handler that runs, or the reads, and answers their askers. Returns how many panics that caused.
///
/// # Safety
/// It is the turn of `cell`, whose core this is.
unsafe fn abandon<A: Actor>(cell: NonNull<CellHead>, core: &Core<A>, failure: &Failure) -> u64 {
    // SAFETY: the caller says so.
    let panics = unsafe { core.slot.abandon(cell, failure) };
    let Some(extras) = core.extras.get() else { return panics };
    // Before the reads: its span is closed, and its time is not measured.
    drop(extras.watched.take());
    // SAFETY: as above.
    let reads = unsafe { extras.reads.abandon(cell, failure) };
    // SAFETY: the cell is alive in its turn.
    unsafe { cell.as_ref() }.signals.take(Signals::READING);
    panics + reads
}

/// A turn panicked: whoever asked is answered at once, and the life ends.
///
/// # Safety
/// It is the turn of `cell`, of actor type `A`; the panic has been caught.
pub(super) unsafe fn panicked<A: Actor>(cell: NonNull<CellHead>, payload: Box<dyn Any + Send>) {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    count(&head.worker.system().counters().panics);
    let reason = ExitReason::panicked(&*payload);
    let text = Box::<str>::from(reason.detail());
    quietly(head, || drop(payload));
    let known = match Bug::PanicNotDelivered.is_planted() {
        true => Certainty::NotDelivered,
        false => Certainty::Ran,
    };
    let failure = Failure::new(FailureKind::Panicked, known, reason.detail());
    end_items(core, &reason);
    // SAFETY: the caller says so.
    unsafe { abandon(cell, core, &failure) };
    match core.phase.get() {
        Phase::Starting => {
            let starter = core.take_starter();
            let last = !head.is_supervised();
            let error = StartError::Panicked(text);
            core.set_exit(Exit { reason: error.reason(), last });
            if let Some(starter) = starter {
                starter.fail(head, error);
            }
        }
        Phase::Running => core.set_exit(Exit { reason, last: !head.is_supervised() }),
        // `stopped` panicked: the end goes on as it was.
        Phase::Stopping => {}
        Phase::Reaping => {
            // Nobody can wait for the children, as without a timer: they end without this actor.
            head.signal_children(Signals::KILL);
            drop(head.if_bonds(|bonds| std::mem::take(&mut bonds.children)));
            return;
        }
        Phase::Fresh | Phase::Waiting | Phase::Ended => return,
    }
    // SAFETY: the slot is idle now.
    unsafe { reap::<A>(cell, Signals::STOP) };
}

/// The actor shall end after the present message: its `stopped` runs.
///
/// # Safety
/// It is the turn of `cell`, of actor type `A`, and its slot is idle.
pub(super) unsafe fn leave<A: Actor>(
    cell: NonNull<CellHead>,
    exit: Exit,
    turn: &mut Turn<'_>,
) -> Next {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    end_items(core, &exit.reason);
    end_sources(head, core);
    let reason = exit.reason.clone();
    let last = exit.last;
    core.set_exit(exit);
    core.phase.set(Phase::Stopping);
    head.close_family();
    if last {
        // SAFETY: the caller says so.
        unsafe { refuse_queued::<A>(cell, &reason) };
    }
    let make = || {
        // SAFETY: the slot is idle, so nothing borrows the actor.
        let (actor, context) = unsafe { core.borrow() };
        async move { actor.stopped(&reason, context).await }
    };
    // SAFETY: the caller says so.
    let done = unsafe { core.slot.begin::<_, Quiet>(cell, ptr::null_mut(), make, &mut turn.cx) };
    rest_unless(done)
}

/// Whoever reads items of this life is told why there are no more, before those who send them are dropped.
fn end_items<A: Actor>(core: &Core<A>, reason: &ExitReason) {
    if let Some(extras) = core.extras.get() {
        extras.sources().tell_end(reason);
    }
}

/// Nothing comes from timers, piped futures and streams any more.
fn end_sources<A: Actor>(head: &CellHead, core: &Core<A>) {
    if let Some(extras) = core.extras.get() {
        extras.end_life(|f| {
            quietly(head, f);
        });
    }
}

/// Drops the actor's value and lets its children end, as `signal` says.
///
/// # Safety
/// It is the turn of `cell`, of actor type `A`, and its slot is idle.
pub(super) unsafe fn reap<A: Actor>(cell: NonNull<CellHead>, signal: u16) {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    core.phase.set(Phase::Reaping);
    head.close_family();
    let exit = core.take_exit().unwrap_or_else(killed);
    end_items(core, &exit.reason);
    core.set_exit(exit);
    // SAFETY: the slot is idle, so nothing borrows the actor.
    let actor = unsafe { core.value() }.take_actor();
    quietly(head, || drop(actor));
    // SAFETY: as above, for the context.
    if let Some(context) = unsafe { core.context() } {
        context.forget_life();
    }
    end_sources(head, core);
    if core.extras.get().is_some_and(|extras| extras.unstash() > 0) {
        // For the next life, if there is one.
        head.signals.set(Signals::RETURNED);
    }
    head.signal_children(signal);
    let exit = core.take_exit().unwrap_or_else(killed);
    // Whoever spawned it was told that it could not start.
    let told = exit.last && exit.reason.kind() == ExitKind::StartFailed;
    if !exit.reason.is_normal() && !told {
        // SAFETY: the turn keeps the cell alive.
        let kind = unsafe { CellPtr::share(cell) }.kind();
        head.worker.system().note_failure(kind, head.number, &exit.reason);
        head.tally(|counts| &counts.failures);
    }
    head.break_links(&exit.reason);
    if exit.last {
        // SAFETY: the caller says so.
        unsafe { refuse_queued::<A>(cell, &exit.reason) };
    }
    core.set_exit(exit);
}

/// The children are gone: the supervisor is asked, or this was it.
///
/// # Safety
/// As [`reap`].
pub(super) unsafe fn settle<A: Actor>(cell: NonNull<CellHead>) -> Next {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let exit = core.take_exit().unwrap_or_else(killed);
    core.set_exit(exit.clone());
    if !exit.last && head.report(News::Down(exit.reason.clone())) {
        core.phase.set(Phase::Waiting);
        return Next::Go;
    }
    if !exit.reason.is_normal() {
        // SAFETY: the turn keeps the cell alive.
        let kind = unsafe { CellPtr::share(cell) }.kind();
        tracing::error!(actor = head.number, kind, reason = %exit.reason, "actor ended for good");
    }
    // SAFETY: the caller says so.
    unsafe { finish::<A>(cell) };
    Next::Rest
}

/// Closes the mailbox and refuses what is in it.
///
/// # Safety
/// It is the turn of `cell`, of actor type `A`.
unsafe fn refuse_queued<A: Actor>(cell: NonNull<CellHead>, reason: &ExitReason) {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let refusal = Refusal::new(head, reason);
    if let Some(extras) = core.extras.get() {
        extras.unstash();
        while let Some(envelope) = extras.next_returned() {
            refusal.refuse(envelope);
        }
    }
    let rest = head.mailbox.close();
    for batch in [&core.batch, &rest] {
        while let Some(envelope) = batch.pop() {
            refusal.refuse(envelope);
        }
    }
    refuse_waiting(head, reason);
}

/// Closes the waiting room and refuses what is in it.
pub(super) fn refuse_waiting(head: &CellHead, reason: &ExitReason) {
    let refusal = Refusal::new(head, reason);
    // Without bonds nobody waits, but latecomers must find the room closed.
    head.close_room().into_iter().for_each(|envelope| refusal.refuse(envelope));
}

/// Why messages come back from an actor that ends. It is put in words for the first of them: most actors end with none.
struct Refusal<'a> {
    head: &'a CellHead,
    reason: &'a ExitReason,
    failure: OnceCell<Failure>,
}

impl<'a> Refusal<'a> {
    fn new(head: &'a CellHead, reason: &'a ExitReason) -> Self {
        Self { head, reason, failure: OnceCell::new() }
    }

    fn refuse(&self, mut envelope: Envelope) {
        // Of messages that came together each is counted.
        while envelope.messages() > 1
            && let Some(one) = envelope.take_one()
        {
            self.refuse(one);
        }
        let words = || Failure::not_delivered(FailureKind::Stopped, self.reason.to_string());
        let failure = self.failure.get_or_init(words);
        count(&self.head.worker.system().counters().undelivered);
        self.head.tally(|counts| &counts.undelivered);
        quietly(self.head, || envelope.refuse(failure));
    }
}

/// Somebody wants it ended where it stands: for good, then it is gone and this says `true`; or for its supervisor to
/// decide.
///
/// # Safety
/// As [`end`], and it is its turn.
pub(super) unsafe fn kill<A: Actor>(cell: NonNull<CellHead>) -> bool {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    let halted = head.signals.any() & Signals::HALT != 0;
    if !halted {
        // SAFETY: the caller says so.
        unsafe { end::<A>(cell) };
        return true;
    }
    // An actor that has not arrived yet does as it is told then.
    let fresh = core.phase.get() == Phase::Fresh;
    head.signals.take(if fresh { Signals::KILL } else { Signals::KILL | Signals::HALT });
    match core.phase.get() {
        Phase::Starting | Phase::Running | Phase::Stopping => {}
        Phase::Reaping => {
            head.signal_children(Signals::KILL);
            return false;
        }
        Phase::Fresh | Phase::Waiting | Phase::Ended => return false,
    }
    let failure = Failure::new(FailureKind::Stopped, Certainty::Ran, "killed");
    end_items(core, &killed().reason);
    // SAFETY: the caller says so.
    let panics = unsafe { abandon(cell, core, &failure) };
    head.worker.system().counters().panics.fetch_add(panics, std::sync::atomic::Ordering::Relaxed);
    if let Some(starter) = core.take_starter() {
        starter.fail(head, StartError::Stopped);
    }
    let last = core.take_exit().map_or(!head.is_supervised(), |exit| exit.last);
    core.set_exit(Exit { last, ..killed() });
    // SAFETY: the slot is idle now.
    unsafe { reap::<A>(cell, Signals::KILL) };
    false
}

/// Ends the actor where it stands; none of its code runs any more but destructors.
///
/// # Safety
/// It is the turn of `cell`, of actor type `A`, or the cell never got to its worker.
pub(crate) unsafe fn end<A: Actor>(cell: NonNull<CellHead>) {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    if core.phase.get() == Phase::Ended {
        return;
    }
    let failure = Failure::new(FailureKind::Stopped, Certainty::Ran, "killed");
    end_items(core, &killed().reason);
    // SAFETY: the caller says so.
    let panics = unsafe { abandon(cell, core, &failure) };
    head.worker.system().counters().panics.fetch_add(panics, std::sync::atomic::Ordering::Relaxed);
    if let Some(starter) = core.take_starter() {
        starter.fail(head, StartError::Stopped);
    }
    // One that was never to start says why itself.
    let refused = core.take_exit().filter(|_| core.phase.get() == Phase::Fresh);
    core.set_exit(refused.unwrap_or_else(killed));
    // SAFETY: the slot is idle now.
    unsafe { reap::<A>(cell, Signals::KILL) };
    // SAFETY: as above.
    unsafe { finish::<A>(cell) };
}

/// The last act: everybody who knows the actor learns that it is gone.
///
/// # Safety
/// As [`reap`].
pub(super) unsafe fn finish<A: Actor>(cell: NonNull<CellHead>) {
    // SAFETY: the caller says so.
    let (head, core) = unsafe { parts::<A>(cell) };
    core.phase.set(Phase::Ended);
    let exit = core.take_exit().unwrap_or_else(killed);
    // SAFETY: the caller says so.
    unsafe { refuse_queued::<A>(cell, &exit.reason) };
    let killed = exit.reason.kind() == ExitKind::Killed;
    let mut bonds = head.with_bonds(|bonds| {
        let room = std::mem::take(&mut bonds.room);
        let ended = Bonds { ended: Some(exit.reason.clone()), room, ..Bonds::default() };
        std::mem::replace(bonds, ended)
    });
    // SAFETY: the turn keeps the cell alive; one that never got to its worker is kept by its spawner.
    let this = unsafe { CellPtr::share(cell) };
    let kept = bonds.args.take();
    if Bug::NameOutlivesActor.is_planted() && !exit.last && !exit.reason.is_normal() {
        bonds.names.clear();
    }
    part(&this, bonds, &exit.reason, killed);
    // SAFETY: the slot is idle, so nothing borrows them.
    let args = unsafe { core.value() }.take_args();
    quietly(head, || drop(args));
    quietly(head, || drop(kept));
    // SAFETY: the slot is idle, so nothing borrows the context.
    let context = unsafe { core.context() }.take();
    if let Some(extras) = core.extras.get() {
        extras.wakes.close();
    }
    let worker = head.worker.clone();
    worker.observe_stopped(head.number, &exit.reason);
    worker.detach(&this);
    drop(context);
    worker.system().one_less();
}

/// Undoes the bonds of an actor that is gone.
fn part(this: &CellPtr, bonds: Bonds, reason: &ExitReason, killed: bool) {
    let Bonds { parent, children, watchers, names, key, lane, .. } = bonds;
    let system = this.worker.system();
    system.registry().free(this, &names);
    if let Some((incarnation, key)) = key {
        system.slots().free(incarnation, key);
    }
    for child in children.values().rev() {
        child.cell.signal(if killed { Signals::KILL } else { Signals::STOP });
    }
    for item in lane.into_items() {
        quietly(this, || drop(item));
    }
    watchers.tell(Identity::Local(this.number), key.map(|(_, key)| key), reason);
    if let Some(parent) = parent {
        parent.cell.if_bonds(|bonds| bonds.children.remove(&this.number));
        let told = parent.report.map(|report| report(this.number, News::Gone(reason.clone())));
        match told {
            Some(news) => drop(parent.cell.push_lane(LaneItem::Message(news))),
            None => drop(parent.cell.schedule()),
        }
    }
}
