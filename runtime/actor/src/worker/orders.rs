//! What the system wants from a worker beside running actors: to stop or end them, to say who is there, to leave.
//!
//! Orders come from any thread and are followed in the next poll; the end of the host closes the worker.
#![expect(unsafe_code, reason = "actors are ended between their turns")]

use std::sync::{PoisonError, atomic::Ordering};

use tokio::sync::oneshot;

use super::{Worker, bound::Bound, direct::Missed, present::Polling};
use crate::{
    cell::{CellPtr, Signals},
    workers::Role,
};

/// What the system wants from a worker.
pub(crate) struct Order;

impl Order {
    /// Stop the actors that have no parent; each stops its children.
    pub(crate) const STOP: u8 = 1;
    /// End all actors where they stand.
    pub(crate) const END: u8 = 2;
    /// Leave the thread once no actor is left.
    pub(crate) const QUIT: u8 = 4;
    /// Say who has no parent.
    pub(crate) const ROOTS: u8 = 8;
    /// Say what was measured and what waits.
    pub(crate) const REPORT: u8 = 16;
    /// Look for asks of other nodes.
    pub(crate) const SEEK: u8 = 32;
}

impl Worker {
    /// Gives orders, from any thread.
    pub(crate) fn order(&self, orders: u8) {
        self.orders.fetch_or(orders, Ordering::AcqRel);
        self.wake();
    }

    /// The actors without a parent, in the worker's next poll.
    pub(crate) fn count_roots(&self) -> oneshot::Receiver<Vec<CellPtr>> {
        let (sender, roots) = oneshot::channel();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        self.order(Order::ROOTS);
        roots
    }

    fn answer_roots(&self, bound: &Bound) {
        self.orders.fetch_and(!Order::ROOTS, Ordering::AcqRel);
        let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        for sender in asked {
            let live = bound.live.borrow();
            let roots = live.iter().filter(|cell| !cell.has_parent()).cloned().collect();
            // A waker is foreign code, which may come back here.
            drop(live);
            // Whoever gave up waiting misses nothing.
            let _ = sender.send(roots);
        }
    }

    pub(super) fn follow(&self, bound: &Bound, orders: u8) {
        if orders & Order::STOP != 0 && !self.stopping.swap(true, Ordering::Relaxed) {
            let live = bound.live.borrow().clone();
            for cell in live.iter().rev().filter(|cell| !cell.has_parent()) {
                cell.signal(Signals::STOP);
            }
        }
        if orders & Order::ROOTS != 0 {
            self.answer_roots(bound);
        }
        if orders & Order::REPORT != 0 {
            self.answer_report(bound);
        }
        if orders & Order::SEEK != 0 {
            self.answer_seeks();
        }
        if orders & Order::END != 0 {
            self.inbox.take(&mut *bound.ready.borrow_mut());
            self.end_all(bound);
        }
    }

    /// Ends all actors of this worker where they stand.
    fn end_all(&self, bound: &Bound) {
        loop {
            let mut cells = bound.live.borrow().clone();
            cells.extend(bound.ready.borrow_mut().drain());
            if cells.is_empty() {
                return;
            }
            for cell in cells {
                // SAFETY: this is the cell's worker, and it is between turns.
                unsafe { cell.end() };
            }
            bound.bury();
        }
    }

    /// The worker's thread lets it go: whatever is left ends. Called once, by its host.
    pub(crate) fn close(&self) {
        if self.misses(Missed::Close) {
            return;
        }
        // Whoever asks a stealing actor directly right now closes it afterwards.
        if self.role != Role::Stealing || self.hold.close() {
            self.close_held();
        }
    }

    pub(super) fn close_held(&self) {
        let _polling = Polling::begin(self);
        // SAFETY: this thread is closing it.
        let bound = unsafe { self.bound() };
        self.inbox.close(&mut *bound.ready.borrow_mut());
        self.end_all(bound);
        bound.closed.set(true);
        bound.lent.take();
        bound.spare.borrow_mut().clear();
        bound.untimed.take();
        bound.kept.take();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.close_meters(bound);
        self.close_seeks();
        self.thread.store(0, Ordering::Relaxed);
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.system.forget_worker(self);
    }
}
