//! How actors tell the driver that a slice of a workload is done: a count down with one waiter.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Opens when as many actors have passed it as were expected.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    missing: AtomicUsize,
    opened: Notify,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Closes it until so many have passed; called while no actor is on its way to it.
    pub(crate) fn expect(&self, actors: usize) {
        self.missing.store(actors, Ordering::Release);
    }

    /// An actor is done.
    pub(crate) fn pass(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.opened.notify_one();
        }
    }

    /// Waits for the last of them.
    pub(crate) async fn opened(&self) {
        self.opened.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use super::Gate;

    #[test]
    fn it_opens_with_the_last_one_and_can_be_closed_again() {
        let gate = Gate::new();
        for actors in [1, 3] {
            gate.expect(actors);
            let mut opened = pin!(gate.opened());
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..actors {
                assert!(opened.as_mut().poll(&mut cx).is_pending());
                gate.pass();
            }
            assert!(opened.as_mut().poll(&mut cx).is_ready());
        }
    }
}
