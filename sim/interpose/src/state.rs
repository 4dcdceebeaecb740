//! What each thread knows of its simulation: whether it is in one, its clock, who is being polled, and the gate.
//!
//! Everything is per thread, because a test binary runs other tests, and the harness itself, beside a simulation.
//! Two sets of cells: plain ones without destructors, which every clock read of every thread touches, and the seat,
//! which only active threads touch. Read `linux.rs` next.

use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{Seat, take_refusals};

/// What the wall clock shows when a simulation begins: 2030-03-17T17:46:40Z, as time since 1970.
pub const WALL_BASE: Duration = Duration::from_secs(1_900_000_000);

/// What the monotonic clock shows when a simulation begins: far enough from zero for times before it.
pub const MONOTONIC_BASE: Duration = Duration::from_secs(1_000_000);

/// The most virtual time that clocks show: a hundred years, so that no sum of times runs over.
const ELAPSED_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Which of the overrides that return a value are on. All, except in a test that proves that each one matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Random bytes come from the seed. Default: on.
    pub entropy: bool,
    /// Clocks show virtual time. Default: on.
    pub clock: bool,
}

impl Switches {
    /// Everything on.
    pub const ALL: Self = Self { entropy: true, clock: true };
}

impl Default for Switches {
    fn default() -> Self {
        Self::ALL
    }
}

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static SWITCHES: Cell<Switches> = const { Cell::new(Switches::ALL) };
    static ELAPSED: Cell<Option<fn() -> Duration>> = const { Cell::new(None) };
    static READING: Cell<bool> = const { Cell::new(false) };
    static LAST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static GATED: Cell<bool> = const { Cell::new(false) };
    static SEAT: RefCell<Option<Arc<Seat>>> = const { RefCell::new(None) };
}

/// This thread is in a simulation until this is dropped.
#[derive(Debug)]
#[must_use = "the simulation ends when this is dropped"]
pub struct Activation {
    thread_bound: PhantomData<*const ()>,
}

/// Puts this thread into a simulation: entropy of the driver comes from `seed`, clocks start at their bases and
/// follow `elapsed`.
///
/// `elapsed` is called for each clock read, never from inside itself, and may go back without harm: the clocks
/// stand still then. Refusals left over from an earlier simulation on this thread are forgotten.
///
/// # Panics
/// When this thread is in a simulation already.
pub fn activate(seed: u64, switches: Switches, elapsed: fn() -> Duration) -> Activation {
    assert!(!ACTIVE.get(), "this thread is in a simulation already: one world a thread");
    crate::layout::remember_executable();
    drop(take_refusals());
    SEAT.set(Some(Arc::new(Seat::new("world", seed))));
    SWITCHES.set(switches);
    LAST.set(Duration::ZERO);
    ELAPSED.set(Some(elapsed));
    ACTIVE.set(true);
    Activation { thread_bound: PhantomData }
}

impl Drop for Activation {
    fn drop(&mut self) {
        ACTIVE.set(false);
        ELAPSED.set(None);
        GATED.set(false);
        SEAT.set(None);
    }
}

/// A node is being polled until this is dropped.
#[derive(Debug)]
#[must_use = "the node is left when this is dropped"]
pub struct Entered {
    seat: Option<Arc<Seat>>,
    gated: bool,
    thread_bound: PhantomData<*const ()>,
}

/// Enters a node: its entropy, its wall clock, and the gate is closed. Entries nest.
pub fn enter(seat: &Arc<Seat>) -> Entered {
    let seat = SEAT.replace(Some(Arc::clone(seat)));
    Entered { seat, gated: GATED.replace(true), thread_bound: PhantomData }
}

impl Drop for Entered {
    fn drop(&mut self) {
        GATED.set(self.gated);
        SEAT.set(self.seat.take());
    }
}

/// The gate is open until this is dropped, although a node is being polled.
#[derive(Debug)]
#[must_use = "the gate closes again when this is dropped"]
pub struct Outside {
    gated: bool,
    thread_bound: PhantomData<*const ()>,
}

/// Opens the gate, for a panic hook or a checker that runs in the middle of a node's poll.
pub fn outside() -> Outside {
    Outside { gated: GATED.replace(false), thread_bound: PhantomData }
}

impl Drop for Outside {
    fn drop(&mut self) {
        GATED.set(self.gated);
    }
}

/// The node that is being polled on this thread; `None` outside a simulation and in its driver.
#[must_use]
pub fn current() -> Option<Arc<Seat>> {
    if GATED.get() { seat() } else { None }
}

/// Asks the node that is being polled on this thread, as [`current`] gives it, without keeping it.
pub fn with_current<T>(ask: impl FnOnce(&Seat) -> T) -> Option<T> {
    let asked = |seat: &RefCell<Option<Arc<Seat>>>| seat.try_borrow().ok()?.as_deref().map(ask);
    if GATED.get() { SEAT.try_with(asked).ok().flatten() } else { None }
}

/// Virtual time since the simulation of this thread began; zero outside one.
#[must_use]
pub fn elapsed() -> Duration {
    let Some(elapsed) = ELAPSED.get() else { return LAST.get() };
    // The source may itself read a clock.
    if !READING.replace(true) {
        LAST.set(LAST.get().max(elapsed()));
        READING.set(false);
    }
    LAST.get()
}

/// Lets the clocks of this thread show that this much time has passed, until virtual time has come so far itself: for a
/// wait that was refused, so that whoever waits for a moment in a loop does not wait for ever.
#[cfg_attr(
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    expect(dead_code, reason = "only the symbols wait")
)]
pub(crate) fn let_pass(time: Duration) {
    LAST.set(elapsed().saturating_add(time).min(ELAPSED_MAX));
}

/// The virtual wall clock of the node that is being polled, with its skew, jumps and drift.
#[must_use]
pub fn wall_clock() -> SystemTime {
    seat().map_or_else(|| UNIX_EPOCH + WALL_BASE + elapsed(), |seat| seat.clock().at(elapsed()))
}

/// The node, or the driver, whose turn it is.
fn seat() -> Option<Arc<Seat>> {
    SEAT.try_with(|seat| seat.try_borrow().ok().and_then(|seat| seat.clone())).ok().flatten()
}

/// What the symbols ask; every answer is "no" on a thread that is in no simulation.
#[cfg_attr(
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    expect(dead_code, reason = "only the symbols ask")
)]
pub(crate) mod ask {
    use super::*;

    pub(crate) fn active() -> bool {
        ACTIVE.get()
    }

    /// The seat whose entropy is to be used.
    pub(crate) fn entropy() -> Option<Arc<Seat>> {
        if ACTIVE.get() && SWITCHES.get().entropy { seat() } else { None }
    }

    /// Whether clocks show virtual time.
    pub(crate) fn clock() -> bool {
        ACTIVE.get() && SWITCHES.get().clock
    }

    /// The node that is to be refused.
    pub(crate) fn gated() -> Option<Arc<Seat>> {
        if ACTIVE.get() && GATED.get() { seat() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_nest_and_restore() {
        let _active = activate(1, Switches::ALL, || Duration::ZERO);
        let (a, b) = (Arc::new(Seat::new("a", 1)), Arc::new(Seat::new("b", 1)));
        assert!(current().is_none());
        let in_a = enter(&a);
        {
            let _in_b = enter(&b);
            assert_eq!(current().expect("b is entered").name(), "b");
            let _outside = outside();
            assert!(current().is_none());
        }
        assert_eq!(current().expect("a is entered").name(), "a");
        drop(in_a);
        assert!(current().is_none());
    }
}
