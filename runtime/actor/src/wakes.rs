//! Which of an actor's own sources and reads have something to do: each has a waker of its own.
//!
//! What it is: a number for each, and a list of the numbers that were woken, so that one wake polls one of them. What
//! it is NOT: the waker of a handler, which is the cell itself. Read `sources.rs` and `reads.rs` for what is polled.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use crate::cell::{CellPtr, Signals};

/// The number of one source or read, unique in its actor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key(u64);

/// What the wakers of one actor share.
struct Woken(Mutex<List>);

struct List {
    /// Whom to schedule; `None` once the actor is gone, so that the two do not keep each other.
    cell: Option<CellPtr>,
    /// Each living waker is in it at most once.
    keys: Vec<Key>,
}

impl Woken {
    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives out wakers, and says which of them were used.
pub(crate) struct Wakes {
    woken: Arc<Woken>,
    last: Cell<u64>,
}

struct One {
    woken: Arc<Woken>,
    key: Key,
    listed: AtomicBool,
}

impl Wake for One {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.listed.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut list = self.woken.list();
        let cell = list.cell.clone();
        list.keys.push(self.key);
        drop(list);
        if let Some(cell) = cell {
            cell.signal(Signals::SOURCES);
        }
    }
}

/// The waker of one source or read.
pub(crate) struct OwnWaker {
    one: Arc<One>,
    waker: Waker,
}

impl OwnWaker {
    /// The waker, for a poll that begins now: a wake from here on counts.
    pub(crate) fn begin(&self) -> &Waker {
        self.one.listed.store(false, Ordering::Release);
        &self.waker
    }

    /// Lets it be polled soon.
    pub(crate) fn wake(&self) {
        self.waker.wake_by_ref();
    }
}

impl Wakes {
    pub(crate) fn new(cell: CellPtr) -> Self {
        let woken = Arc::new(Woken(Mutex::new(List { cell: Some(cell), keys: Vec::new() })));
        Self { woken, last: Cell::new(0) }
    }

    /// One more.
    pub(crate) fn one(&self) -> (Key, OwnWaker) {
        let key = Key(self.last.get() + 1);
        self.last.set(key.0);
        let woken = self.woken.clone();
        let one = Arc::new(One { woken, key, listed: AtomicBool::new(false) });
        let waker = Waker::from(one.clone());
        (key, OwnWaker { one, waker })
    }

    /// Those that were woken, in order.
    pub(crate) fn take(&self) -> Vec<Key> {
        std::mem::take(&mut self.woken.list().keys)
    }

    /// The actor is gone.
    pub(crate) fn close(&self) {
        let mut list = self.woken.list();
        let last = (list.cell.take(), std::mem::take(&mut list.keys));
        drop(list);
        drop(last);
    }
}
