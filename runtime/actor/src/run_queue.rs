//! The way of ready actors to their worker from other threads: a stack linked through the cells.
//!
//! The same stack as under the mailbox (`stack.rs`); here it says whether the worker is parked or gone. A cell is in it
//! at most once, which its `queued` flag sees to. Actors that become ready on the worker's own thread take a shorter
//! way, in `worker.rs`.
#![expect(unsafe_code, reason = "the queue is linked through the cells themselves")]

use std::ptr::NonNull;

use crate::{
    cell::{CellHead, CellPtr},
    stack::{self, Landed, Linked, Stack},
    sync::AtomicPtr,
};

// SAFETY: it is always the same field, which only `stack.rs` writes, for whoever owns the count in the queue.
unsafe impl Linked for CellHead {
    fn link(&self) -> &AtomicPtr<Self> {
        &self.next
    }
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
    stack: Stack<CellHead>,
}

impl Inbox {
    /// An empty inbox of a worker that is awake.
    pub(crate) fn new() -> Self {
        Self { stack: Stack::new() }
    }

    /// Puts a cell in that is in no queue.
    pub(crate) fn push(&self, cell: CellPtr) -> Arrival {
        let cell = cell.into_raw();
        // SAFETY: the count taken above keeps the cell alive, and it is in no queue, so its link is ours.
        match unsafe { self.stack.push(cell, || ()) } {
            Landed::Queued => Arrival::Queued,
            Landed::Woke => Arrival::Parked,
            // SAFETY: it was taken out of a `CellPtr` above and never published.
            Landed::Closed => Arrival::Closed(unsafe { CellPtr::from_raw(cell) }),
        }
    }

    /// Moves everything to `ready`, oldest first. Only the worker calls it.
    pub(crate) fn take(&self, ready: &mut impl Extend<CellPtr>) {
        if let Some((first, _)) = self.stack.take() {
            ready.extend(Taken(Some(first)));
        }
    }

    /// From now on a push says that the worker is parked; `false` if something came in meanwhile. Only the worker
    /// calls it.
    pub(crate) fn park(&self) -> bool {
        self.stack.sleep()
    }

    /// Whether the next push will find the worker parked. Certain on the worker's own thread only.
    pub(crate) fn is_parked(&self) -> bool {
        self.stack.is_asleep()
    }

    /// Takes nothing any more; what was in goes to `ready`.
    pub(crate) fn close(&self, ready: &mut impl Extend<CellPtr>) {
        ready.extend(Taken(self.stack.close().map(|(first, _)| first)));
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close(&mut Vec::new());
    }
}

/// Cells that were taken, oldest first, each with its count.
struct Taken(Option<NonNull<CellHead>>);

impl Iterator for Taken {
    type Item = CellPtr;

    fn next(&mut self) -> Option<CellPtr> {
        let cell = self.0?;
        // SAFETY: the list holds a count of each of its cells.
        self.0 = unsafe { stack::next(cell) };
        // SAFETY: the cell has just left the list, and its count goes with it.
        Some(unsafe { CellPtr::from_raw(cell) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SpawnOptions, SystemConfig, by_hand::ByHand, letters::Nobody};

    #[test]
    fn cells_come_out_in_order_and_none_is_left() {
        let hand = ByHand::new(SystemConfig::default());
        let spawn = |_| hand.spawn::<Nobody>((), SpawnOptions::default()).unwrap().cell().unwrap();
        let cells = (0..4).map(spawn).collect::<Vec<_>>();
        let inbox = Inbox::new();
        let numbers = |taken: &[CellPtr]| taken.iter().map(|cell| cell.number).collect::<Vec<_>>();
        let mut ready = Vec::new();
        inbox.take(&mut ready);
        assert!(inbox.park());
        assert!(matches!(inbox.push(cells[0].clone()), Arrival::Parked));
        assert!(matches!(inbox.push(cells[1].clone()), Arrival::Queued));
        assert!(!inbox.park(), "something is in");
        inbox.take(&mut ready);
        assert_eq!(numbers(&ready), numbers(&cells[..2]));
        assert!(matches!(inbox.push(cells[2].clone()), Arrival::Queued));
        inbox.close(&mut ready);
        assert_eq!(numbers(&ready), numbers(&cells[..3]));
        let Arrival::Closed(back) = inbox.push(cells[3].clone()) else { panic!("it is closed") };
        assert_eq!(back.number, cells[3].number);
        let full = Inbox::new();
        assert!(matches!(full.push(cells[0].clone()), Arrival::Queued));
        drop((inbox, full, ready, back, cells));
        hand.close();
    }
}
