//! Which worker this thread is polling right now, and whose turn it is.
//!
//! Bound to the thread for the length of a poll only, since several workers may share one. What it is NOT: where a worker
//! belongs; see `Worker::is_here`.
#![expect(unsafe_code, reason = "a worker is reached through the thread that polls it")]

use std::{
    cell::{Cell, RefCell},
    ptr::{self, NonNull},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Worker, bound::Bound};
use crate::{
    ActorSystem,
    cell::{CellHead, CellPtr},
    tasks::Tasks,
    workers::Role,
};

thread_local! {
    /// The worker that this thread is polling right now, null between polls.
    pub(super) static POLLING: Cell<*const Worker> = const { Cell::new(ptr::null()) };
    /// The number of this thread, once it has polled a worker; before, one that no worker has.
    pub(super) static THREAD: Cell<u64> = const { Cell::new(NO_THREAD) };
}

thread_local! {
    /// The shared worker that was hosted last on this thread, and is hosted still.
    static SHARED: RefCell<Option<Arc<Worker>>> = const { RefCell::new(None) };
}

/// A worker is hosted on this thread from now on.
pub(crate) fn host(worker: &Arc<Worker>) {
    if worker.role() == Role::Shared {
        // What was there is not the last reference: it is hosted still.
        SHARED.set(Some(worker.clone()));
    }
}

/// A worker is hosted no more.
pub(crate) fn unhost(worker: &Arc<Worker>) {
    let is_it = |hosted: &Arc<Worker>| Arc::ptr_eq(hosted, worker);
    // A thread that ends has forgotten it before.
    let gone = SHARED.try_with(|shared| shared.borrow_mut().take_if(|hosted| is_it(hosted)));
    drop(gone);
}

/// The shared worker of `system` that is hosted on this thread, if it is there and was the last of all to come.
#[inline]
pub(crate) fn shared_here(system: &ActorSystem) -> Option<Arc<Worker>> {
    let find = |shared: &RefCell<Option<Arc<Worker>>>| {
        shared.borrow().as_ref().filter(|worker| worker.system().is(system)).cloned()
    };
    // A thread that ends has forgotten it, and may still spawn.
    SHARED.try_with(find).ok().flatten()
}

/// Nobody's number; a worker that no thread polls has 0.
const NO_THREAD: u64 = u64::MAX;

/// Threads that have a number.
static THREADS: AtomicU64 = AtomicU64::new(0);

/// A number that no other thread has.
pub(super) fn this_thread() -> u64 {
    if THREAD.get() == NO_THREAD {
        THREAD.set(THREADS.fetch_add(1, Ordering::Relaxed) + 1);
    }
    THREAD.get()
}

/// Whether this thread polls workers, or polls one right now.
#[inline]
pub(crate) fn polls_workers() -> bool {
    THREAD.get() != NO_THREAD || !POLLING.get().is_null()
}

/// Marks the thread as polling a worker, until it is dropped.
pub(super) struct Polling(*const Worker);

impl Polling {
    pub(super) fn begin(worker: &Worker) -> Self {
        Self(POLLING.replace(worker))
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        POLLING.set(self.0);
    }
}

/// The worker that this thread is polling, for the length of that poll.
pub(super) fn polling<'a>() -> Option<&'a Worker> {
    // SAFETY: the thread is polling this worker, which its host keeps alive.
    NonNull::new(POLLING.get().cast_mut()).map(|worker| unsafe { worker.as_ref() })
}

/// Whether this thread is polling a worker. Asked while the thread panics, so that it must not panic itself.
pub(crate) fn is_polling() -> bool {
    POLLING.try_with(|polling| !polling.get().is_null()).unwrap_or(false)
}

/// The actor whose turn it is.
pub(super) fn running(bound: &Bound) -> Option<CellPtr> {
    let cell = NonNull::new(bound.running.get().cast_mut())?;
    // SAFETY: its turn keeps it alive.
    Some(unsafe { CellPtr::share(cell) })
}

/// Whether the code that asks is part of this actor's turn.
pub(crate) fn is_own_turn(cell: *const CellHead) -> bool {
    // SAFETY: the thread is polling it.
    polling().is_some_and(|worker| ptr::eq(unsafe { worker.bound() }.running.get(), cell))
}

/// Where a task goes that the present turn spawns, if this thread is polling a worker.
pub(crate) fn present_tasks() -> Option<Tasks> {
    polling()?.task_home()
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;
    use crate::{Placement, SystemConfig, by_hand::ByHand};

    /// Looks for a worker when its thread ends.
    struct Late(ActorSystem, mpsc::SyncSender<bool>);

    impl Drop for Late {
        fn drop(&mut self) {
            // What stands here is gone before what was there first.
            self.1.send(self.0.place(Placement::Spread, None).is_ok()).unwrap();
        }
    }

    thread_local! {
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }

    #[test]
    fn a_thread_that_ends_may_still_spawn() {
        let hand = ByHand::new(SystemConfig::default());
        hand.system.workers().add(hand.worker.clone(), 0).unwrap();
        let (late, found) = mpsc::sync_channel(1);
        let system = hand.system.clone();
        let ends = move || {
            LATE.set(Some(Late(system.clone(), late)));
            assert!(shared_here(&system).is_none(), "it is hosted nowhere");
        };
        thread::scope(|scope| scope.spawn(ends).join().unwrap());
        assert_eq!(found.recv(), Ok(true));
        hand.close();
    }
}
