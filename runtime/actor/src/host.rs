//! The actix actor that hosts a worker: actix's runtime drives our run queue.
//!
//! Its context runs one future, [`Drain`], for as long as the worker lives; that future is polled outside tokio's
//! cooperative budget, because one budget for all actors of a worker would starve most of them. What it is NOT: a
//! mailbox for our actors; they have their own (`mailbox.rs`). Orders reach the worker through `worker.rs`.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use actix::{ActorContext, ActorFuture, ActorState, AsyncContext};

use crate::worker::Worker;

/// The actix side of one worker.
struct Host {
    worker: Option<Arc<Worker>>,
}

impl actix::Actor for Host {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(worker) = self.worker.take() {
            ctx.spawn(Drain { worker });
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Never started: its thread was gone at once.
        if let Some(worker) = self.worker.take() {
            worker.close();
        }
    }
}

/// Starts an actix actor that hosts `worker` on the present `LocalSet` or arbiter.
pub(crate) fn start(worker: Arc<Worker>) {
    actix::Actor::start(Host { worker: Some(worker) });
}

/// Runs the worker; when it is dropped, the worker's actors end.
struct Drain {
    worker: Arc<Worker>,
}

impl ActorFuture<Host> for Drain {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Host,
        ctx: &mut actix::Context<Host>,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        // A context that is dropped polls once more; nothing may run then.
        if ctx.state() != ActorState::Running || self.worker.system().has_crashed() {
            return Poll::Pending;
        }
        let worker = &*self.worker;
        let done =
            pin!(tokio::task::coop::unconstrained(std::future::poll_fn(|cx| worker.poll(cx))));
        if done.poll(task).is_ready() {
            ctx.stop();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.worker.close();
    }
}
