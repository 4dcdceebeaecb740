//! A stealing actor's worker: its task on one thread, whoever asks the actor directly on another, and the end of the task.

use loom::{
    sync::{
        Arc, Notify,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use super::{
    hold::{Ended, Hold},
    model,
    sync::UnsafeCell,
};

struct Worker {
    hold: Hold,
    /// What only the holder touches: loom sees whether two of them overlap.
    turns: UnsafeCell<u32>,
    /// There is something for the task to do.
    ready: AtomicBool,
    closed: AtomicBool,
    woken: Notify,
}

// SAFETY: what is not shared is the holder's, which is what the models look at.
unsafe impl Send for Worker {}
// SAFETY: as above.
unsafe impl Sync for Worker {}

impl Worker {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            hold: Hold::new(),
            turns: UnsafeCell::new(0),
            ready: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            woken: Notify::new(),
        })
    }

    fn turn(&self) {
        assert!(!self.closed.load(SeqCst), "nothing runs after the close");
        // SAFETY: the caller holds the worker.
        self.turns.with_mut(|turns| unsafe { *turns += 1 });
    }

    /// As `Held` when it is dropped.
    fn end(&self) {
        match self.hold.end() {
            Ended::Free => {}
            Ended::Missed => self.woken.notify(),
            Ended::Closing => self.close(),
        }
    }

    fn close(&self) {
        self.turn();
        assert!(!self.closed.swap(true, SeqCst), "it is closed once");
    }
}

#[test]
fn a_task_that_finds_its_worker_held_is_woken() {
    model(3, || {
        let worker = Worker::new();
        let other = worker.clone();
        let asker = thread::spawn(move || {
            if other.hold.try_begin() {
                other.turn();
                other.end();
            }
            other.ready.store(true, SeqCst);
            other.woken.notify();
        });
        loop {
            if worker.hold.begin() {
                worker.turn();
                let done = worker.ready.load(SeqCst);
                worker.end();
                if done {
                    break;
                }
            }
            // Loom reports a deadlock if nobody wakes the task.
            worker.woken.wait();
        }
        asker.join().unwrap();
    });
}

#[test]
fn a_worker_that_is_closed_while_it_is_held_is_closed_by_its_holder() {
    model(3, || {
        let worker = Worker::new();
        let askers = [(); 2].map(|()| {
            let other = worker.clone();
            thread::spawn(move || {
                if other.hold.try_begin() {
                    other.turn();
                    other.end();
                }
            })
        });
        if worker.hold.close() {
            worker.close();
        }
        for asker in askers {
            asker.join().unwrap();
        }
        assert!(worker.closed.load(SeqCst));
        assert!(!worker.hold.try_begin(), "nobody holds it any more");
    });
}
