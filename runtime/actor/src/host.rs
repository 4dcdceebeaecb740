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

use tokio::{sync::oneshot, task::JoinSet};

use crate::{
    tasks::TaskOwner,
    worker::{self, Worker},
};

/// The actix side of one worker.
struct Host {
    worker: Option<(Arc<Worker>, TaskOwner)>,
    /// Dropped with it, for whoever waits for its end.
    _end: Option<oneshot::Sender<()>>,
}

impl actix::Actor for Host {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some((worker, owner)) = self.worker.take() {
            worker::host(&worker);
            // A task of its own, so that what wakes it does not wake the worker.
            let mut tasks = JoinSet::new();
            tasks.spawn_local(owner.run());
            ctx.spawn(Drain { worker, quits: false, tasks });
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Never started: its thread was gone at once.
        if let Some((worker, _)) = self.worker.take() {
            worker.close();
        }
    }
}

/// Starts an actix actor that hosts `worker` and its tasks on the present `LocalSet` or arbiter; `end` is dropped when
/// it is gone.
pub(crate) fn start(worker: Arc<Worker>, tasks: TaskOwner, end: Option<oneshot::Sender<()>>) {
    actix::Actor::start(Host { worker: Some((worker, tasks)), _end: end });
}

/// Runs the worker, then ends its tasks; when it is dropped, the worker's actors end, and its tasks with them.
struct Drain {
    worker: Arc<Worker>,
    /// The worker is done, and its tasks are ending.
    quits: bool,
    /// The owner of its tasks.
    tasks: JoinSet<()>,
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
        let Self { worker, quits, tasks } = self.get_mut();
        if !*quits {
            let done =
                pin!(tokio::task::coop::unconstrained(std::future::poll_fn(|cx| worker.poll(cx))));
            if done.poll(task).is_pending() {
                return Poll::Pending;
            }
            worker.tasks.end();
            *quits = true;
        }
        while let Some(ended) = std::task::ready!(tasks.poll_join_next(task)) {
            if let Err(error) = ended {
                tracing::error!(%error, "the owner of a worker's tasks ended");
            }
        }
        ctx.stop();
        Poll::Ready(())
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        worker::unhost(&self.worker);
        self.worker.close();
    }
}
