//! Senders that wait without a timer until the end of a poll: most answers come before.
//!
//! What it is: the way of a send to the list of its worker, and from there to its timer. What it is NOT: the list; read
//! `untimed.rs`, and `deadline.rs` for who waits.
#![expect(unsafe_code, reason = "what only a poll touches is shared without a lock")]

use std::task::Waker;

use tokio::time::Instant;

use super::{Worker, bound::Bound, present::polling};

/// Lets whoever waits with a deadline do without a timer until the end of a poll: most answers come before. The poll is
/// the one that is going on, or the next of `answerer`, the worker whose actor answers, if this is its thread. `None` if
/// there is neither, so that the timer is needed now; else how often the worker has woken such sends before.
///
/// With a `place`, it had asked when so many others were without a timer, and before those that have come since.
pub(crate) fn arm_later(
    waker: &Waker,
    answerer: Option<&Worker>,
    place: Option<usize>,
) -> Option<u32> {
    let polling = polling();
    let worker = match (polling, answerer) {
        (Some(worker), _) => worker,
        (None, Some(answerer)) if answerer.is_of_thread() => answerer,
        _ => return None,
    };
    // SAFETY: the thread is polling it, or is between two polls and alone does poll it: `thread` is no one's where any
    // thread may be next.
    let bound = unsafe { worker.bound() };
    let place = place.unwrap_or(usize::MAX);
    let again = bound.untimed.borrow_mut().goes_on(place, waker);
    if !again {
        // Foreign code, which may come back here.
        let waker = waker.clone();
        bound.untimed.borrow_mut().add_at(place, waker);
    }
    // Its actor may be in the middle of a handler, and no poll due.
    if polling.is_none() {
        worker.wake_here(bound);
    }
    Some(bound.sweeps.get())
}

/// An answer wakes somebody now, who may have done without a timer.
pub(crate) fn answered(waker: &Waker) {
    if let Some(worker) = polling() {
        // SAFETY: the thread is polling it.
        unsafe { worker.bound() }.untimed.borrow_mut().woken(waker);
    }
}

/// The time was read, for a deadline.
pub(crate) fn note_time(now: Instant) {
    if let Some(worker) = polling() {
        // SAFETY: the thread is polling it.
        unsafe { worker.bound() }.clock.note(now);
    }
}

/// Lets those arm their timers who still wait; `false` if there was nobody.
pub(super) fn wake_untimed(bound: &Bound) -> bool {
    // Foreign wakers may come back here.
    let mut untimed = bound.untimed.take();
    let some = !untimed.is_empty();
    if some {
        bound.sweeps.set(bound.sweeps.get().wrapping_add(1));
    }
    untimed.wake();
    if bound.untimed.borrow().is_empty() && untimed.is_keepable() {
        bound.untimed.replace(untimed);
    }
    some
}
