#![expect(unsafe_code, reason = "what one thread alone uses is shared without a lock")]
//! What the thread of a world uses, in handles that may be anywhere.
//!
//! A world runs on one thread, but what its environments hand out must be `Send + Sync`. A lock for that would be taken some
//! fifty times for each message that is sent, and never find anybody in it. What it is NOT: for what wakers touch, which
//! other threads may have. Read `net.rs` and `trace.rs` for what is in it.

use std::{
    cell::{Cell, RefCell, RefMut},
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// Threads that have a number.
static THREADS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// The number of this thread, from 1; no other thread of the program has it, now or later.
fn this_thread() -> u64 {
    if THREAD.get() == 0 {
        THREAD.set(THREADS.fetch_add(1, Ordering::Relaxed) + 1);
    }
    THREAD.get()
}

/// A value that the thread on which it was made uses, and no other.
pub(crate) struct Bound<T> {
    owner: u64,
    value: RefCell<T>,
}

// SAFETY: `value` is reached through a shared reference in `hold` alone, which the owner's thread alone passes; numbers of
// threads are not used twice. Another thread may drop it, alone by then, so it must be `Send`.
unsafe impl<T: Send> Sync for Bound<T> {}

impl<T> Bound<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { owner: this_thread(), value: RefCell::new(value) }
    }

    /// The value, until the result is dropped.
    ///
    /// # Panics
    /// On another thread than its own, and while it is held already.
    #[inline]
    pub(crate) fn hold(&self) -> RefMut<'_, T> {
        assert!(THREAD.get() == self.owner, "a world is used by the thread that it runs on");
        self.value.borrow_mut()
    }
}

impl<T> fmt::Debug for Bound<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bound(to thread {})", self.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_thread_is_refused() {
        let bound = Bound::new(7);
        *bound.hold() += 1;
        let other = std::thread::scope(|scope| scope.spawn(|| *bound.hold()).join().is_err());
        assert!(other && *bound.hold() == 8);
    }
}
