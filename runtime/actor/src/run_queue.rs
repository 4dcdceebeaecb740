//! The way of ready actors to their worker from other threads: a stack linked through the cells.
//!
//! The same design as the mailbox: pushed one by one, taken as a whole and reversed; the top says whether the worker
//! is parked or gone. A cell is in it at most once, which its `queued` flag sees to. Actors that become ready on the
//! worker's own thread take a shorter way, in `worker.rs`.
#![expect(unsafe_code, reason = "the queue is linked through the cells themselves")]

use std::{
    ptr::{self, NonNull},
    sync::atomic::{
        AtomicPtr,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
};

use crate::cell::{CellHead, CellPtr};

/// The top of an empty stack whose worker is parked. No cell has this address.
const PARKED: usize = 1;
/// The top of a stack that takes nothing any more.
const CLOSED: usize = 2;

fn mark(value: usize) -> *mut CellHead {
    ptr::without_provenance_mut(value)
}

/// What became of a push.
pub(crate) enum Arrival {
    /// The worker will see it.
    Queued,
    /// The worker is parked and must be woken.
    Parked,
    /// The worker is gone.
    Closed(CellPtr),
}

/// Cells that other threads made ready.
pub(crate) struct Inbox {
    top: AtomicPtr<CellHead>,
}

impl Inbox {
    /// An empty inbox of a worker that is awake.
    pub(crate) const fn new() -> Self {
        Self { top: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Puts a cell in that is in no queue.
    pub(crate) fn push(&self, cell: CellPtr) -> Arrival {
        let cell = cell.into_raw();
        let mut top = self.top.load(Relaxed);
        loop {
            if top.addr() == CLOSED {
                // SAFETY: it was taken out of a `CellPtr` above and never published.
                return Arrival::Closed(unsafe { CellPtr::from_raw(cell) });
            }
            let parked = top.addr() == PARKED;
            let below = if parked { ptr::null_mut() } else { top };
            // SAFETY: the count taken above keeps the cell alive.
            unsafe { cell.as_ref() }.next.store(below, Relaxed);
            match self.top.compare_exchange_weak(top, cell.as_ptr(), AcqRel, Relaxed) {
                Ok(_) if parked => return Arrival::Parked,
                Ok(_) => return Arrival::Queued,
                Err(now) => top = now,
            }
        }
    }

    /// Moves everything to `ready`, oldest first. Only the worker calls it.
    pub(crate) fn take(&self, ready: &mut impl Extend<CellPtr>) {
        if self.top.load(Relaxed).addr() > CLOSED {
            ready.extend(Reversed::new(self.top.swap(ptr::null_mut(), Acquire)));
        }
    }

    /// From now on a push says that the worker is parked; `false` if something came in meanwhile. Only the worker
    /// calls it.
    pub(crate) fn park(&self) -> bool {
        match self.top.compare_exchange(ptr::null_mut(), mark(PARKED), AcqRel, Relaxed) {
            Ok(_) => true,
            Err(top) => top.addr() <= CLOSED,
        }
    }

    /// Takes nothing any more; what was in goes to `ready`.
    pub(crate) fn close(&self, ready: &mut impl Extend<CellPtr>) {
        ready.extend(Reversed::new(self.top.swap(mark(CLOSED), AcqRel)));
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close(&mut Vec::new());
    }
}

/// A taken stack, turned round.
struct Reversed(Option<NonNull<CellHead>>);

impl Reversed {
    /// `top` was just taken as a whole, so its cells and their counts are ours.
    fn new(top: *mut CellHead) -> Self {
        let mut rest = if top.addr() <= CLOSED { ptr::null_mut() } else { top };
        let mut first = ptr::null_mut();
        while let Some(cell) = NonNull::new(rest) {
            // SAFETY: the stack holds a count of each of its cells.
            let next = &unsafe { cell.as_ref() }.next;
            rest = next.load(Relaxed);
            next.store(first, Relaxed);
            first = cell.as_ptr();
        }
        Self(NonNull::new(first))
    }
}

impl Iterator for Reversed {
    type Item = CellPtr;

    fn next(&mut self) -> Option<CellPtr> {
        let cell = self.0?;
        // SAFETY: the list holds a count of each of its cells.
        self.0 = NonNull::new(unsafe { cell.as_ref() }.next.load(Relaxed));
        // SAFETY: the cell has just left the list, and its count goes with it.
        Some(unsafe { CellPtr::from_raw(cell) })
    }
}
