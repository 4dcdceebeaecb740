//! What other threads may see of a worker: whether it is in a poll, whose turn it is, how much waits.
//!
//! The worker writes it with plain stores, once a poll and once a turn, never once a message; whoever reads it gets a
//! hint. Data goes to `placement.rs` and `watchdog.rs`.
#![expect(unsafe_code, reason = "a static table is published as a pointer")]

use std::{
    ptr,
    sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use crate::{
    cell::{CellCalls, CellHead},
    stats::count,
};

/// A line of its own: the worker writes here while others write beside it.
#[repr(align(128))]
#[derive(Default)]
pub(crate) struct Gauge {
    /// Polls begun and ended: odd in a poll.
    polls: AtomicU64,
    /// The actor whose turn it is, or was last.
    actor: AtomicU64,
    /// The table of its type, or null.
    calls: AtomicPtr<CellCalls>,
    /// Ready actors at the beginning of the poll that goes on, or at the end of the last.
    ready: AtomicUsize,
    /// Actors placed here and not gone: those that came from other threads, and how many more came from the worker's own
    /// than are gone.
    far: AtomicUsize,
    near: AtomicUsize,
    watched: Watched,
}

/// What the watchdog has seen of the worker; only it writes here.
#[repr(align(128))]
#[derive(Default)]
struct Watched {
    looks: AtomicU64,
    busy: AtomicU64,
    blocked: AtomicU64,
}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Running {
    pub(crate) actor: u64,
    pub(crate) kind: &'static str,
}

/// A poll, until it is dropped.
pub(crate) struct Polled<'a>(&'a Gauge);

impl Gauge {
    /// The worker's poll begins.
    pub(crate) fn begin_poll(&self) -> Polled<'_> {
        self.step();
        Polled(self)
    }

    /// Only the worker writes, so that no exchange is needed.
    fn step(&self) {
        self.polls.store(self.polls.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// An actor's turn begins.
    pub(crate) fn begin_turn(&self, cell: &CellHead) {
        self.actor.store(cell.number, Relaxed);
        self.calls.store(ptr::from_ref(cell.calls()).cast_mut(), Relaxed);
    }

    pub(crate) fn set_ready(&self, ready: usize) {
        self.ready.store(ready, Relaxed);
    }

    /// An actor is placed here; `near` if by the worker's own thread, which alone does so.
    #[inline]
    pub(crate) fn one_more(&self, near: bool) {
        match near {
            true => self.near.store(self.near.load(Relaxed).wrapping_add(1), Relaxed),
            false => drop(self.far.fetch_add(1, Relaxed)),
        }
    }

    /// One of them is gone.
    pub(crate) fn one_less(&self, near: bool) {
        match near {
            true => self.near.store(self.near.load(Relaxed).wrapping_sub(1), Relaxed),
            false => drop(self.far.fetch_sub(1, Relaxed)),
        }
    }

    /// How much there is to do, to be compared.
    pub(crate) fn load(&self) -> (usize, usize) {
        let actors = self.far.load(Relaxed).wrapping_add(self.near.load(Relaxed));
        // One that came from elsewhere and is gone may be seen to go alone.
        let actors = usize::try_from(actors.cast_signed()).unwrap_or(0);
        (self.ready.load(Relaxed), actors)
    }

    /// The poll that is going on.
    pub(crate) fn poll(&self) -> Option<u64> {
        let polls = self.polls.load(Relaxed);
        (polls % 2 == 1).then_some(polls)
    }

    /// The watchdog looks: the poll that is going on.
    pub(crate) fn look(&self) -> Option<u64> {
        let poll = self.poll();
        count(&self.watched.looks);
        if poll.is_some() {
            count(&self.watched.busy);
        }
        poll
    }

    /// So many looks were left out, at which it would have been seen at rest.
    pub(crate) fn leave_out(&self, looks: u32) {
        self.watched.looks.fetch_add(u64::from(looks), Relaxed);
    }

    /// A poll was found to be blocked.
    pub(crate) fn block(&self) {
        count(&self.watched.blocked);
    }

    /// How often it was looked at, was at work, and was blocked.
    pub(crate) fn seen(&self) -> (u64, u64, u64) {
        let Watched { looks, busy, blocked } = &self.watched;
        (looks.load(Relaxed), busy.load(Relaxed), blocked.load(Relaxed))
    }

    /// Whose turn it is. Of a worker that moves on meanwhile it may be anybody's; of one that is blocked it is right.
    pub(crate) fn running(&self) -> Option<Running> {
        let calls = ptr::NonNull::new(self.calls.load(Relaxed))?;
        // SAFETY: only tables that live for ever are stored.
        let calls: &'static CellCalls = unsafe { calls.as_ref() };
        Some(Running { actor: self.actor.load(Relaxed), kind: calls.kind() })
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.0.step();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_that_is_seen_to_go_before_it_came_is_no_load() {
        let gauge = Gauge::default();
        gauge.one_less(true);
        assert_eq!(gauge.load(), (0, 0));
        gauge.one_more(false);
        gauge.one_more(true);
        assert_eq!(gauge.load(), (0, 1));
    }
}
