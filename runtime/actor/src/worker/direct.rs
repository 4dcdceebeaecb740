//! Direct turns: an ask of an actor that has nothing to do runs on the asker's stack, if the asker's thread may run it.
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
    ptr,
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use tokio::{
    runtime::Handle,
    task::{coop::poll_proceed, try_id},
};

use super::{Bound, POLLING, Polling, Worker, held::Held, waiting::Part};
use crate::{
    cell::{CellHead, CellPtr, turn_waker},
    envelope::Envelope,
    turn::Turn,
    workers::Role,
};

/// Direct turns within the turn of one actor: then the worker's other actors have theirs. As many as tokio lets a task go
/// on, which bounds those outside of turns.
const TURNS_MAX: u32 = 128;
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

/// Direct turns of a worker's actors: within the turn that goes on; outside of turns, those of senders who should have
/// given their thread away.
#[derive(Default)]
pub(super) struct Direct(Cell<u32>);

impl Direct {
    /// A turn or a poll is over: how many there were.
    pub(super) fn take(&self) -> u32 {
        self.0.take()
    }
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

impl Worker {
    /// Runs a message of one of its actors at once, if this thread may and the actor is free; else it comes back.
    #[inline]
    pub(crate) fn run_directly(
        &self,
        cell: &CellPtr,
        envelope: Envelope,
        cx: &mut Context<'_>,
    ) -> Result<Ran, Envelope> {
        if self.simulated || envelope.is_caused() || !cell.may_be_free() {
            return Err(envelope);
        }
        if self.role == Role::Stealing {
            return self.held(cell, envelope, cx);
        }
        if !self.is_of_thread() {
            return Err(envelope);
        }
        // SAFETY: this is the only thread that polls it, and it is polling it or between two polls.
        let bound = unsafe { self.bound() };
        if ptr::eq(POLLING.get(), self) {
            if bound.direct.0.get() >= TURNS_MAX {
                return Err(envelope);
            }
            bound.direct.0.set(bound.direct.0.get() + 1);
            let place = bound.untimed.borrow().len();
            return self.within(bound, cell, envelope).map(|()| Ran { late: false, place });
        }
        // What handlers do may need the thread's runtime, which is there if this is a task of it.
        if !POLLING.get().is_null() || !(try_id().is_some() || Handle::try_current().is_ok()) {
            return Err(envelope);
        }
        self.outside(bound, cell, envelope, cx)
    }

    /// Of an actor that any thread of its runtime may run.
    fn held(
        &self,
        cell: &CellPtr,
        envelope: Envelope,
        cx: &mut Context<'_>,
    ) -> Result<Ran, Envelope> {
        if !self.system.stealing().is_here() {
            return Err(envelope);
        }
        let Some(_held) = Held::try_begin(self) else { return Err(envelope) };
        if !cell.may_be_free() {
            return Err(envelope);
        }
        // SAFETY: this thread holds the worker, and nobody else polls it meanwhile.
        self.outside(unsafe { self.bound() }, cell, envelope, cx)
    }

    /// As part of the turn that goes on.
    fn within(&self, bound: &Bound, cell: &CellPtr, envelope: Envelope) -> Result<(), Envelope> {
        if DEPTH.get() >= DEPTH_MAX {
            return Err(envelope);
        }
        let _within = Within::begin(self, bound, cell);
        let waker = turn_waker(cell);
        let mut turn = Turn::new(self, cell, Context::from_waker(&waker), bound.meters.until.get());
        turn.direct = true;
        self.begin_turn(bound, cell);
        // SAFETY: this is the cell's worker, which this thread is polling as far as others see; the cell is marked, and no
        // turn of it goes on, or it would not sleep or be marked.
        let again = unsafe { cell.run_directly(envelope, &mut turn) }?;
        self.end_turn(bound, cell, &turn, again);
        Ok(())
    }

    /// Between two polls.
    fn outside(
        &self,
        bound: &Bound,
        cell: &CellPtr,
        envelope: Envelope,
        cx: &mut Context<'_>,
    ) -> Result<Ran, Envelope> {
        let before = bound.direct.0.get();
        if before >= TURNS_MAX || self.system.has_crashed() {
            return Err(envelope);
        }
        let late = match poll_proceed(cx) {
            Poll::Ready(budget) => {
                budget.made_progress();
                false
            }
            Poll::Pending => true,
        };
        let place = bound.untimed.borrow().len();
        let _polling = Polling::begin(self);
        let _polled = self.gauge.begin_poll();
        bound.clock.begin_poll();
        bound.meters.tick.set(self.system.tick(self.simulated));
        self.within(bound, cell, envelope)?;
        bound.direct.0.set(before + u32::from(late));
        bound.bury();
        if !bound.ready.borrow().is_empty() || !bound.untimed.borrow().is_empty() {
            self.wake_here(bound);
        }
        Ok(Ran { late, place })
    }
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
