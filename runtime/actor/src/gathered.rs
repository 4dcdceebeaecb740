//! Wakes of workers that a thread leaves until it has handed on what came together.
//!
//! A worker that is found asleep runs at once, on the processor of whoever woke it if there is no other: it would take
//! the first of many messages, answer it, and sleep again before the second. So whoever has several at hand wakes it when
//! all of them are there. What it is NOT: a timer, nor for what may wait; the work in between is handing on, and short.
//! Data comes from `worker.rs`.

use std::{cell::RefCell, marker::PhantomData, mem, task::Waker};

/// Wakes that are left at most: each worker of the node is asleep once, and so are actors with a worker of their own.
const LEFT_MAX: usize = 64;

thread_local! {
    static LEFT: RefCell<Left> = const { RefCell::new(Left { leaves: false, wakers: Vec::new() }) };
}

struct Left {
    /// Whether wakes are left.
    leaves: bool,
    wakers: Vec<Waker>,
}

/// Until it is dropped, workers that this thread finds asleep are not woken. For the runtime, around a few messages from
/// the network; nothing in between may wait.
#[doc(hidden)]
#[must_use = "they are woken when it is dropped"]
#[derive(Debug)]
pub struct GatheredWakes(PhantomData<*const ()>);

impl GatheredWakes {
    /// From here on. One within another ends both.
    pub fn begin() -> Self {
        // A thread that ends leaves nothing.
        let _ = LEFT.try_with(|left| left.borrow_mut().leaves = true);
        Self(PhantomData)
    }
}

impl Drop for GatheredWakes {
    fn drop(&mut self) {
        let take = |left: &RefCell<Left>| {
            let mut left = left.borrow_mut();
            left.leaves = false;
            (!left.wakers.is_empty()).then(|| mem::take(&mut left.wakers))
        };
        let Ok(Some(mut wakers)) = LEFT.try_with(take) else { return };
        // Foreign code, which may come back here.
        wakers.drain(..).for_each(Waker::wake);
        let _ = LEFT.try_with(|left| {
            let mut left = left.borrow_mut();
            if left.wakers.is_empty() {
                left.wakers = wakers;
            }
        });
    }
}

/// Wakes a worker of another thread, now or when this thread has handed on what it has at hand.
pub(crate) fn wake(waker: Waker) {
    let mut waker = Some(waker);
    let _ = LEFT.try_with(|left| {
        let mut left = left.borrow_mut();
        if left.leaves && left.wakers.len() < LEFT_MAX {
            left.wakers.extend(waker.take());
        }
    });
    waker.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn wakes_come_at_the_end_and_none_is_lost() {
        let woken = Arc::<Woken>::default();
        let count = || woken.0.load(Relaxed);
        wake(Waker::from(woken.clone()));
        assert_eq!(count(), 1, "nothing is left where nobody says so");
        let gathered = GatheredWakes::begin();
        (0..LEFT_MAX).for_each(|_| wake(Waker::from(woken.clone())));
        assert_eq!(count(), 1);
        wake(Waker::from(woken.clone()));
        assert_eq!(count(), 2, "there is no room for more");
        drop(gathered);
        assert_eq!(count(), LEFT_MAX + 2);
        wake(Waker::from(woken.clone()));
        assert_eq!(count(), LEFT_MAX + 3);
    }
}
