//! Direct turns: an ask of an actor that has nothing to do runs on the asker's stack, if the asker's thread may run it; so
//! does the start of an actor on the stack of whoever spawns it.
//!
//! The asker would wait for its answer anyway, and the actor would have its turn before anything else could reach it; so
//! nobody is scheduled, woken or parked, and the answer is there when the ask returns. The idea is the direct switch to
//! the receiver of a synchronous call (Liedtke, Improving IPC by Kernel Design, 1993, section 5.3.1); Swift's runtime
//! does the same for an actor that nobody uses. Only a free actor is run so: nothing is queued for it, no handler or read
//! of it waits, nothing is signalled, so that no order changes. Actors that ask each other go only so deep, and whoever
//! asks on and on gives its thread away after a number of them.
//!
//! The thread may run it if the actor's worker is polled on it, right now or next; a stealing actor, if the thread is in
//! its runtime and nobody else runs it (`held.rs`). What it is NOT: for tells, whose sender does not wait; nor for
//! simulations, in which the seed says whose turn it is. The turn itself is in `life/direct.rs`.

use std::{
    cell::Cell,
    convert::Infallible,
    ptr::{self, NonNull},
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use odeon_env::buggify;
use tokio::{
    runtime::Handle,
    task::{coop::poll_proceed, try_id},
};

use super::{
    Bound, Worker,
    held::Held,
    present::{POLLING, Polling, polling},
    waiting::Part,
};
use crate::{
    StartError,
    cell::{CellHead, CellPtr, turn_waker},
    envelope::Envelope,
    turn::Turn,
    workers::Role,
};

/// Direct turns within the turn of one actor: then the worker's other actors have theirs. As many as tokio lets a task go
/// on, which bounds those outside of turns.
const TURNS_MAX: u32 = 128;
/// Direct turns between two polls of a worker: tasks that tokio lets go on for ever give their thread away then.
const OUTSIDE_MAX: u32 = 8192;
/// Turns on one stack: each takes what handlers take, and the least stack of a thread is 2 MiB.
const DEPTH_MAX: u32 = 4;

thread_local! {
    /// Direct turns on this thread's stack.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// How a message fared that was run directly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ran {
    /// Its sender has used its thread for long: it shall give it away now, and will be woken.
    pub(crate) late: bool,
    /// How many senders were without a timer before.
    pub(crate) place: usize,
}

/// Direct turns of a worker's actors, and what was handled in them beside the messages they were for: within the turn
/// that goes on; outside of turns, those of senders who should have given their thread away.
#[derive(Default)]
pub(super) struct Direct(Cell<u32>);

impl Direct {
    /// A turn or a poll is over: how many there were.
    pub(super) fn take(&self) -> u32 {
        self.0.take()
    }

    /// Counts one more; `false` if there were enough.
    fn count(&self) -> bool {
        let before = self.0.get();
        self.0.set(before + u32::from(before < TURNS_MAX));
        before < TURNS_MAX
    }

    /// So many messages more were handled in one of them.
    fn add(&self, more: u32) {
        self.0.set(self.0.get().saturating_add(more));
    }
}

/// What came of a start that was taken on the stack of whoever waits for it. It goes from hand to hand in registers.
#[derive(Default, Debug)]
pub(crate) enum Begun {
    /// That is not known yet.
    #[default]
    Open,
    Well,
    Failed(Box<StartError>),
}

/// What the host of a worker wanted in the middle of a direct turn, from code of the handler: it is done afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Missed {
    #[default]
    Nothing,
    Poll,
    Close,
}

/// A turn that is taken directly, until it is dropped: then all is as it was before.
struct Within<'a> {
    worker: &'a Worker,
    bound: &'a Bound,
    cell: &'a CellHead,
    outer: *const CellHead,
    part: Part,
}

impl<'a> Within<'a> {
    fn begin(worker: &'a Worker, bound: &'a Bound, cell: &'a CellHead) -> Self {
        DEPTH.set(DEPTH.get() + 1);
        cell.in_turn.store(true, Ordering::Relaxed);
        let (outer, part) = (bound.running.get(), bound.part.replace(Part::Handler));
        Self { worker, bound, cell, outer, part }
    }
}

impl Drop for Within<'_> {
    fn drop(&mut self) {
        let Self { worker, bound, cell, outer, part } = self;
        cell.in_turn.store(false, Ordering::Relaxed);
        DEPTH.set(DEPTH.get() - 1);
        bound.part.set(*part);
        bound.running.set(*outer);
        // SAFETY: its own turn, which goes on, keeps it alive.
        if let Some(outer) = unsafe { outer.as_ref() } {
            worker.gauge.begin_turn(outer);
        }
    }
}

/// Leave to take direct turns of a worker's actors, until it is dropped.
struct Permit<'a> {
    worker: &'a Worker,
    bound: &'a Bound,
    late: bool,
    /// Direct turns that were counted before, of a permit between two polls.
    outside: Option<u32>,
    _held: Option<Held<'a>>,
}

impl Worker {
    /// Runs a message of one of its actors at once, if this thread may and the actor is free; else it comes back.
    #[inline]
    pub(crate) fn run_directly(
        &self,
        cell: &CellPtr,
        envelope: Envelope,
        cx: &mut Context<'_>,
    ) -> Result<Ran, Envelope> {
        if envelope.is_caused() || !cell.may_be_free() {
            return Err(envelope);
        }
        let Some(permit) = self.permit(Some(cx)) else { return Err(envelope) };
        if self.role == Role::Stealing && !cell.may_be_free() {
            return Err(envelope);
        }
        permit.turn(cell, |turn| {
            turn.direct = true;
            // SAFETY: the permit makes this thread the cell's worker; no turn of the cell goes on, or it would not sleep or
            // be marked.
            unsafe { cell.run_directly(envelope, turn) }
        })
    }

    /// Gives a new actor its first turn at once, if this thread may: then what came of its start, if that is known. Between
    /// two polls the caller has given its thread away if this [is tired](Self::is_tired).
    ///
    /// # Safety
    /// `first` is a first turn of the cell, which is of this worker and has had none. Nobody else gives it one.
    pub(crate) unsafe fn start_directly(
        &self,
        cell: &CellPtr,
        first: unsafe fn(NonNull<CellHead>, &mut Turn<'_>) -> bool,
    ) -> Option<Begun> {
        let permit = self.permit(None)?;
        let bound = permit.bound;
        // Of an actor in whose start or turn this is.
        let outer = bound.started.take();
        if cell.bonds.is_bare() {
            // Nobody else can have told it anything: whoever knows an actor by its parent or its name knows it by its bonds.
            cell.queued.store(false, Ordering::Relaxed);
        } else {
            // What others have told it is seen in the turn.
            cell.queued.swap(false, Ordering::AcqRel);
        }
        // SAFETY: the permit makes this thread the cell's worker; the caller says the rest.
        let run = |turn: &mut Turn<'_>| Ok::<_, Infallible>(unsafe { first(cell.as_raw(), turn) });
        let turn = permit.turn(cell, run);
        turn.ok().map(|_| bound.started.replace(outer))
    }

    /// A start that was waited for on this stack is over.
    pub(crate) fn note_started(&self, begun: Begun) {
        if let Some(bound) = self.own() {
            bound.started.set(begun);
        }
    }

    /// With a context, its task's time is looked at.
    #[inline(always)]
    fn permit(&self, cx: Option<&mut Context<'_>>) -> Option<Permit<'_>> {
        // In a simulation the order is to be chosen; now and then this is what was chosen.
        if (self.simulated && !buggify!()) || DEPTH.get() >= DEPTH_MAX {
            return None;
        }
        if self.role == Role::Stealing {
            if !self.system.stealing().is_here() {
                return None;
            }
            let held = Held::try_begin(self)?;
            // Handlers have no share of the thread's time as tasks have: what they ask counts for their own turn.
            // SAFETY: the thread is polling that worker.
            if polling().is_some_and(|asker| !unsafe { asker.bound() }.direct.count()) {
                return None;
            }
            // SAFETY: this thread holds the worker, and nobody else polls it meanwhile.
            return self.outside(unsafe { self.bound() }, Some(held), cx);
        }
        if !self.is_of_thread() {
            return None;
        }
        // SAFETY: this is the only thread that polls it, and it is polling it or between two polls.
        let bound = unsafe { self.bound() };
        if ptr::eq(POLLING.get(), self) {
            // Between turns only destructors and wakers run, also of a worker that is being closed.
            if bound.running.get().is_null() || !bound.direct.count() {
                return None;
            }
            return Some(Permit { worker: self, bound, late: false, outside: None, _held: None });
        }
        // What handlers do may need the thread's runtime, which is there if this is a task of it.
        if !POLLING.get().is_null() || !(try_id().is_some() || Handle::try_current().is_ok()) {
            return None;
        }
        self.outside(bound, None, cx)
    }

    /// Between two polls.
    #[inline(always)]
    fn outside<'a>(
        &'a self,
        bound: &'a Bound,
        held: Option<Held<'a>>,
        cx: Option<&mut Context<'_>>,
    ) -> Option<Permit<'a>> {
        let before = bound.direct.0.get();
        if before >= TURNS_MAX || self.system.has_crashed() || bound.closed.get() {
            return None;
        }
        let turns = bound.outside.get();
        if turns >= OUTSIDE_MAX {
            return None;
        }
        bound.outside.set(turns + 1);
        let late = cx.is_some_and(|cx| poll_way(cx).is_pending());
        let outside = Some(before + u32::from(late));
        Some(Permit { worker: self, bound, late, outside, _held: held })
    }
}

impl Worker {
    /// Whether a direct turn goes on right here, so that `what` has to wait until it is over.
    pub(super) fn misses(&self, what: Missed) -> bool {
        if !self.is_of_thread() {
            return false;
        }
        // SAFETY: this is the only thread that polls it, in the middle of a turn or between two polls.
        let bound = unsafe { self.bound() };
        let misses = !bound.running.get().is_null();
        if misses && bound.missed.get() != Missed::Close {
            bound.missed.set(what);
        }
        misses
    }

    #[cold]
    fn make_up(&self, bound: &Bound) {
        match bound.missed.take() {
            Missed::Nothing => {}
            Missed::Poll => bound.wake(),
            Missed::Close => self.close_held(),
        }
    }
}

impl Permit<'_> {
    /// Takes a turn; `run` says whether the actor has more to do, or that there was none.
    #[inline(always)]
    fn turn<E>(
        self,
        cell: &CellPtr,
        run: impl FnOnce(&mut Turn<'_>) -> Result<bool, E>,
    ) -> Result<Ran, E> {
        let Self { worker, bound, late, outside, .. } = self;
        let place = bound.untimed.borrow().len();
        let Some(counted) = outside else {
            bound.direct.add(self.within(cell, run)?);
            return Ok(Ran { late, place });
        };
        let _polling = Polling::begin(worker);
        let _polled = worker.gauge.begin_poll();
        bound.clock.begin_poll();
        bound.meters.tick.set(worker.system.tick(worker.simulated));
        let more = self.within(cell, run)?;
        bound.direct.0.set(counted.saturating_add(more));
        // Whoever has gone may have been the last for whom the worker was there.
        let ended = bound.buries.get();
        bound.bury();
        if ended || !bound.ready.borrow().is_empty() || !bound.untimed.borrow().is_empty() {
            worker.wake_here(bound);
        }
        if bound.missed.get() != Missed::Nothing {
            worker.make_up(bound);
        }
        Ok(Ran { late, place })
    }

    /// The turn itself; how many messages were taken in it beside the first.
    #[inline(always)]
    fn within<E>(
        &self,
        cell: &CellPtr,
        run: impl FnOnce(&mut Turn<'_>) -> Result<bool, E>,
    ) -> Result<u32, E> {
        let Self { worker, bound, .. } = *self;
        let waker = turn_waker(cell);
        let mut turn =
            Turn::new(worker, cell, Context::from_waker(&waker), bound.meters.until.get());
        // Goes before what is left of the turn, whose destructors may send something to the actor.
        let _within = Within::begin(worker, bound, cell);
        worker.begin_turn(bound, cell);
        let again = run(&mut turn)?;
        worker.end_turn(bound, cell, &turn, again);
        Ok(turn.taken.saturating_sub(1))
    }
}

fn poll_way(cx: &mut Context<'_>) -> Poll<()> {
    poll_proceed(cx).map(|budget| budget.made_progress())
}

impl CellHead {
    /// Whether a direct turn may be tried.
    #[inline]
    fn may_be_free(&self) -> bool {
        self.mailbox.is_idle()
            && !self.in_turn.load(Ordering::Relaxed)
            && !self.queued.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
