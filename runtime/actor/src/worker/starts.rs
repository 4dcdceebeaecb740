//! How many actors are started in a row on the worker's own thread.
//!
//! They start on the stack of whoever spawns them (`direct.rs`), so that a task that spawns on and on would never wait.
//! Every so many starts a spawn waits until the worker was polled, which the thread's other tasks then were, too; the
//! others go on, since whoever polls many spawns at once polls each of them again otherwise. What it is NOT: the bound of
//! what may run between two polls, which is that of all direct turns.

use tokio::task::yield_now;

use super::{POLLING, Worker};
use crate::growth::AHEAD;

/// After so many starts a spawn waits: as many as one actor's messages in its turn, which are handlers like `start`.
const STARTS_MAX: u32 = 256;
/// How often a spawn gives its thread away at most: whoever polls it may poll it again at once, and its worker may be one
/// that nobody polls while its task runs.
const WAYS_MAX: usize = 3;

impl Worker {
    /// Counts one start, of an actor that may have it on the stack of whoever spawns it: whether that gives its thread away
    /// first. An actor in its turn has a budget of its own.
    #[inline]
    pub(crate) fn is_tired(&self) -> bool {
        if !self.is_of_thread() || !POLLING.get().is_null() {
            return false;
        }
        // SAFETY: this is the only thread that polls it, and it is between two polls.
        let bound = unsafe { self.bound() };
        let starts = bound.starts.get() + 1;
        bound.starts.set(starts);
        let tired = starts.is_multiple_of(STARTS_MAX);
        if tired {
            self.wake_here(bound);
        }
        tired
    }

    /// This thread has made one of its actors, which ends at this address: more may follow.
    #[inline]
    pub(crate) fn note_growth(&self, end: usize) {
        if !self.is_of_thread() {
            return;
        }
        // SAFETY: this is the only thread that polls it, in a turn or between two polls.
        let growth = &unsafe { self.bound() }.growth;
        if let Some(from) = growth.note(end) {
            growth.provided(from, self.system.env().provide_memory(from, AHEAD));
        }
    }

    /// Lets the thread's other tasks have their turn.
    #[cold]
    pub(crate) async fn rest(&self) {
        for _ in 0..WAYS_MAX {
            yield_now().await;
            // SAFETY: this is the only thread that polls it, and it is in no poll, since a task runs.
            if !self.is_of_thread() || unsafe { self.bound() }.starts.get() < STARTS_MAX {
                return;
            }
        }
    }
}
