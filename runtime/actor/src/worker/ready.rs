//! The actors of a worker that have something to do, in the order in which they have their turn.
//!
//! An actor is in it because its worker's own thread put it there (it is *near*), because another thread put it in the
//! inbox, or for both reasons; each is noted at the actor, so that it is in at most once for each. The own thread needs no
//! exchange for that, and no count of references either: the worker keeps its actors until they are gone, and gives one
//! that is still in here a count of its own then. What it is NOT: shared; read `run_queue.rs` for the way from other
//! threads.
#![expect(unsafe_code, reason = "actors that the worker keeps anyway are not counted")]

use std::{
    collections::VecDeque,
    mem::{self, ManuallyDrop},
    ops::Deref,
    ptr::NonNull,
    sync::atomic::Ordering,
};

use crate::cell::{CellHead, CellPtr};

enum Entry {
    Near(NonNull<CellHead>),
    Far(CellPtr),
}

// SAFETY: it is a cell, and those are `Send`; who counts it does not depend on the thread.
unsafe impl Send for Entry {}

/// An actor that was taken out.
pub(super) struct Taken {
    cell: ManuallyDrop<CellPtr>,
    counted: bool,
}

impl Deref for Taken {
    type Target = CellPtr;

    fn deref(&self) -> &CellPtr {
        &self.cell
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.counted {
            // SAFETY: it is not used any more, and has its count.
            unsafe { ManuallyDrop::drop(&mut self.cell) };
        }
    }
}

#[derive(Default)]
pub(super) struct Ready(VecDeque<Entry>);

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number on its node of the actor that is so many behind the first; 0 where there is none.
    pub(super) fn number(&self, at: usize) -> u64 {
        match self.0.get(at) {
            // SAFETY: the worker keeps the actor, or has left its count here.
            Some(Entry::Near(cell)) => unsafe { cell.as_ref() }.number,
            Some(Entry::Far(cell)) => cell.number,
            None => 0,
        }
    }

    /// Puts an actor in that the worker keeps, from its own thread, unless that has done so already.
    #[inline(always)]
    pub(super) fn push_near(&mut self, cell: &CellPtr) {
        // Only this thread touches it.
        if !cell.near.load(Ordering::Relaxed) {
            self.put_near(cell);
        }
    }

    /// Puts one in that this thread has not put in already.
    #[inline(always)]
    pub(super) fn put_near(&mut self, cell: &CellPtr) {
        debug_assert!(!cell.near.load(Ordering::Relaxed), "once is enough");
        cell.near.store(true, Ordering::Relaxed);
        self.0.push_back(Entry::Near(cell.as_raw()));
    }

    /// The worker does not keep an actor any more.
    pub(super) fn release(cell: &CellPtr) {
        if cell.near.load(Ordering::Relaxed) {
            // The entry's, which sees that the actor is gone.
            mem::forget(cell.clone());
        }
    }

    /// Takes the one out that is so many behind the first. From here on it may be put in again.
    #[inline]
    pub(super) fn take(&mut self, at: usize) -> Option<Taken> {
        let entry = if at == 0 { self.0.pop_front() } else { self.0.remove(at) };
        entry.map(Entry::open)
    }

    /// Takes all of them out, each with a count.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = CellPtr> {
        self.0.drain(..).map(|entry| CellPtr::clone(&entry.open()))
    }
}

impl Entry {
    #[inline]
    fn open(self) -> Taken {
        match self {
            Self::Near(cell) => {
                // SAFETY: the worker keeps the actor, or has left its count here.
                let cell = ManuallyDrop::new(unsafe { CellPtr::from_raw(cell) });
                cell.near.store(false, Ordering::Relaxed);
                let counted = !cell.is_kept();
                Taken { cell, counted }
            }
            Self::Far(cell) => {
                cell.queued.swap(false, Ordering::AcqRel);
                Taken { cell: ManuallyDrop::new(cell), counted: true }
            }
        }
    }
}

/// Those that came from other threads.
impl Extend<CellPtr> for Ready {
    fn extend<I: IntoIterator<Item = CellPtr>>(&mut self, cells: I) {
        self.0.extend(cells.into_iter().map(Entry::Far));
    }
}
