//! What only the thread touches that polls the worker: its lists, its memory, its clock.
//!
//! What it is NOT: shared; who may reach it stands at `Worker::bound`.

use std::{
    cell::{Cell, RefCell},
    task::Waker,
};

use super::{
    direct::{self, Begun, Missed},
    metering,
    ready::Ready,
    waiting,
};
use crate::{
    cell::{CellHead, CellPtr},
    clock::Clock,
    growth::Growth,
    meters::Meters,
    scratch::Scratch,
    untimed::Untimed,
};

/// Pieces of memory kept for handlers' futures.
const SPARE_MAX: usize = 32;

/// What only the thread touches that polls the worker, one at a time.
#[derive(Default)]
pub(super) struct Bound {
    pub(super) ready: RefCell<Ready>,
    pub(super) live: RefCell<Vec<CellPtr>>,
    /// Actors that are gone, until the turn is over in which they went.
    pub(super) gone: RefCell<Vec<CellPtr>>,
    /// There are such.
    pub(super) buries: Cell<bool>,
    /// The piece of memory that the next turn is lent; most need no other.
    pub(super) lent: Cell<Scratch>,
    pub(super) spare: RefCell<Vec<Scratch>>,
    /// Who waits with a deadline but without a timer yet.
    pub(super) untimed: RefCell<Untimed>,
    /// How often those were woken.
    pub(super) sweeps: Cell<u32>,
    /// What of the turn is polled.
    pub(super) part: Cell<waiting::Part>,
    pub(super) clock: Clock,
    /// What came of a start that was taken on the stack of whoever waits for it.
    pub(super) started: Cell<Begun>,
    /// The waker of the last poll: the one that others find behind the lock.
    pub(super) kept: RefCell<Option<Waker>>,
    /// The actor whose turn it is.
    pub(super) running: Cell<*const CellHead>,
    /// Turns that are taken directly: of this poll, or since the last.
    pub(super) direct: direct::Direct,
    /// Those since the last poll, outside of turns.
    pub(super) outside: Cell<u32>,
    /// What its host wanted in the middle of such a turn.
    pub(super) missed: Cell<Missed>,
    /// Actors started outside of turns since the last poll.
    pub(super) starts: Cell<u32>,
    pub(super) spun: Cell<u32>,
    /// Its own thread has woken it since the last poll.
    pub(super) woken: Cell<bool>,
    /// It is closed: nobody is ready any more.
    pub(super) closed: Cell<bool>,
    pub(super) meters: Meters,
    pub(super) growth: Growth,
    /// A report that is being made.
    pub(super) look: RefCell<metering::Look>,
}

impl Bound {
    #[cold]
    pub(super) fn store(&self, scratch: Scratch) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(scratch);
        }
    }

    /// A turn is over: those that went in it are let go.
    #[inline(always)]
    pub(super) fn bury(&self) {
        if self.buries.get() {
            self.bury_all();
        }
    }

    #[cold]
    fn bury_all(&self) {
        self.buries.set(false);
        // Destructors may come back here.
        drop(self.gone.take());
    }

    /// Has the worker polled: as `Worker::wake` for other threads, without the lock.
    pub(super) fn wake(&self) {
        // Foreign code, which may poll the worker right here.
        let Some(waker) = self.kept.take() else { return };
        waker.wake_by_ref();
        if self.kept.borrow().is_none() {
            self.kept.replace(Some(waker));
        }
    }
}
