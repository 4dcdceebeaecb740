//! The run queue: actors that are made ready, signalled and stopped from other threads, against a worker that parks.

use std::{ptr, ptr::NonNull};

use loom::{
    sync::{
        Arc, Notify,
        atomic::{
            AtomicBool, AtomicU8,
            Ordering::{AcqRel, Acquire},
        },
    },
    thread,
};

use super::{
    model,
    stack::{self, Landed, Linked, Stack},
    sync::{AtomicPtr, UnsafeCell},
};

/// An actor's cell, as far as its worker's queue goes.
struct Cell {
    link: AtomicPtr<Self>,
    queued: AtomicBool,
    signals: AtomicU8,
    /// What only its turns touch: loom sees whether two of them overlap.
    turns: UnsafeCell<u32>,
}

// SAFETY: it is always the same field, which only the stack writes.
unsafe impl Linked for Cell {
    fn link(&self) -> &AtomicPtr<Self> {
        &self.link
    }
}

struct Worker {
    cell: Cell,
    inbox: Stack<Cell>,
    woken: Notify,
}

// SAFETY: the cell is shared as cells are; its turns are the worker's.
unsafe impl Send for Worker {}
// SAFETY: as above.
unsafe impl Sync for Worker {}

impl Worker {
    fn new() -> Arc<Self> {
        let cell = Cell {
            link: AtomicPtr::new(ptr::null_mut()),
            queued: AtomicBool::new(false),
            signals: AtomicU8::new(0),
            turns: UnsafeCell::new(0),
        };
        Arc::new(Self { cell, inbox: Stack::new(), woken: Notify::new() })
    }

    /// As `CellPtr::signal` and `Worker::enqueue`; `false` if the worker is gone.
    fn signal(&self, bits: u8) -> bool {
        self.cell.signals.fetch_or(bits, AcqRel);
        if self.cell.queued.swap(true, AcqRel) {
            return true;
        }
        // SAFETY: the flag was not set, so the cell is in no queue and its link is this thread's.
        match unsafe { self.inbox.push(NonNull::from(&self.cell), || ()) } {
            Landed::Queued => true,
            Landed::Woke => {
                self.woken.notify();
                true
            }
            Landed::Closed => false,
        }
    }

    /// As `Worker::turn`, with what the cell then does: the signals it sees.
    fn turn(cell: &Cell) -> u8 {
        cell.queued.swap(false, AcqRel);
        // SAFETY: it is the cell's turn.
        cell.turns.with_mut(|turns| unsafe { *turns += 1 });
        let seen = cell.signals.load(Acquire);
        cell.signals.fetch_and(!seen, AcqRel);
        seen
    }

    /// Runs what is in the inbox: the signals that were seen.
    fn run(&self, mut first: Option<NonNull<Cell>>) -> u8 {
        let mut seen = 0;
        let mut turns = 0;
        while let Some(cell) = first {
            // SAFETY: the list is the worker's.
            first = unsafe { stack::next(cell) };
            // SAFETY: the cell lives as long as the worker here.
            seen |= Self::turn(unsafe { cell.as_ref() });
            turns += 1;
        }
        assert!(turns <= 1, "a cell is queued once");
        seen
    }
}

#[test]
fn a_signal_reaches_the_actor_whose_worker_parks() {
    model(3, || {
        let worker = Worker::new();
        let senders = [1, 2].map(|bit| {
            let worker = worker.clone();
            thread::spawn(move || assert!(worker.signal(bit)))
        });
        let mut seen = 0;
        while seen != 3 {
            let ran = worker.run(worker.inbox.take().map(|(first, _)| first));
            if ran == 0 && worker.inbox.sleep() {
                // Loom reports a deadlock if a signal wakes nobody.
                worker.woken.wait();
            }
            seen |= ran;
        }
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

#[test]
fn a_worker_that_closes_sees_each_signal_or_refuses_it() {
    model(3, || {
        let worker = Worker::new();
        let other = worker.clone();
        let sender = thread::spawn(move || other.signal(1));
        let mut seen = worker.run(worker.inbox.take().map(|(first, _)| first));
        worker.inbox.sleep();
        seen |= worker.run(worker.inbox.close().map(|(first, _)| first));
        let taken = sender.join().unwrap();
        assert_eq!(seen == 1, taken, "seen {seen}, taken: {taken}");
    });
}
