//! Who runs a worker that any thread may run: its task, or somebody who asks its actor directly.
//!
//! One at a time holds it. A task that finds it held leaves a note, and is woken when the holder is done; whoever closes
//! it while it is held leaves that to the holder. What it is NOT: a lock to wait for. Used for workers of stealing actors
//! only; all others have a thread. `loom_models.rs` runs it in all orders; `worker/held.rs` says who holds when.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use super::sync::AtomicU8;

const HELD: u8 = 1;
/// The task came while somebody else held it.
const MISSED: u8 = 2;
/// Whoever holds it closes it, and keeps it for ever.
const CLOSING: u8 = 4;

pub(crate) struct Hold(AtomicU8);

/// What a holder has to see to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// Nothing.
    Free,
    /// The task wants to be woken.
    Missed,
    /// It is to be closed, and is still held.
    Closing,
}

impl Hold {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Takes it, if it is free.
    pub(crate) fn try_begin(&self) -> bool {
        self.0.load(Relaxed) == 0 && self.0.compare_exchange(0, HELD, Acquire, Relaxed).is_ok()
    }

    /// Takes it for its task; `false` if somebody holds it, who will wake the task.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.0.load(Relaxed);
        loop {
            let next = if state == 0 { HELD } else { state | MISSED };
            match self.0.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) => return state == 0,
                Err(now) => state = now,
            }
        }
    }

    /// The holder is done.
    pub(crate) fn end(&self) -> Ended {
        let mut state = self.0.load(Relaxed);
        loop {
            if state & CLOSING != 0 {
                // What the closer did before is seen.
                self.0.load(Acquire);
                return Ended::Closing;
            }
            match self.0.compare_exchange_weak(state, 0, AcqRel, Relaxed) {
                Ok(_) if state & MISSED != 0 => return Ended::Missed,
                Ok(_) => return Ended::Free,
                Err(now) => state = now,
            }
        }
    }

    /// Takes it for ever, to close it; `false` if somebody holds it, who closes it then.
    pub(crate) fn close(&self) -> bool {
        self.0.fetch_or(HELD | CLOSING, AcqRel) & HELD == 0
    }
}
