//! Addresses where nobody listens, waiting to be asked for.
//!
//! A bounded set in order of arrival. The socket fills it when it drains the system's error queue; membership
//! empties it through [`DatagramSocket::poll_unreachable`](crate::DatagramSocket::poll_unreachable).

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

/// Most addresses that wait at once. A cluster of hundreds that loses power at once still fits a few turns; when it
/// is full the oldest is dropped, because a newer report says more about now.
pub(super) const UNREACHABLE_MAX: usize = 64;

/// The addresses and the one task that waits for them.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<SocketAddr>,
    waker: Option<Waker>,
}

impl Unreachable {
    /// Adds an address and wakes whoever waits; one that already waits is not added again.
    pub(super) fn push(&self, addr: SocketAddr) {
        let waker = {
            let mut inner = self.lock();
            if inner.waiting.contains(&addr) {
                return;
            }
            if inner.waiting.len() == UNREACHABLE_MAX {
                inner.waiting.pop_front();
            }
            inner.waiting.push_back(addr);
            inner.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the oldest address; if there is none, the task of `cx` is woken by the next.
    pub(super) fn pop(&self, cx: &Context<'_>) -> Option<SocketAddr> {
        let mut inner = self.lock();
        let oldest = inner.waiting.pop_front();
        if oldest.is_none() && !inner.waker.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
            inner.waker = Some(cx.waker().clone());
        }
        oldest
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can panic half way, so a poisoned lock still guards a whole value.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn addr(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    #[test]
    fn merges_duplicates_and_drops_the_oldest() {
        let queue = Unreachable::default();
        let cx = Context::from_waker(Waker::noop());
        for port in 0..=UNREACHABLE_MAX as u16 {
            queue.push(addr(port));
            queue.push(addr(port));
        }
        let left: Vec<_> = std::iter::from_fn(|| queue.pop(&cx)).collect();
        assert_eq!(left.len(), UNREACHABLE_MAX);
        assert_eq!((left[0], left[UNREACHABLE_MAX - 1]), (addr(1), addr(UNREACHABLE_MAX as u16)));
    }

    #[test]
    fn wakes_the_last_who_waited() {
        let queue = Unreachable::default();
        let count = Arc::new(Count::default());
        let waker = count.clone().into();
        assert_eq!(queue.pop(&Context::from_waker(&waker)), None);
        queue.push(addr(1));
        queue.push(addr(2));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
