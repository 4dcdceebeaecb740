//! Actors as tasks of the host program's own runtime, which moves them between its threads.
//!
//! What it is: [`Placement::Stealing`](crate::Placement::Stealing) on a real machine. Each such actor has a worker of its
//! own (`worker.rs`), which runs that one actor and nothing else, and a task, [`Guest`], that polls the worker as
//! `host.rs` does elsewhere: so a wake of the actor is a wake of the task, and stop, end, tree and watchdog reach it
//! like any worker. The system owns the tasks. What it is NOT: a thread; the runtime is the caller's, and when it ends
//! it drops the tasks, which kills their actors. Simulations have no such tasks (`placement.rs`).

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    runtime::Handle,
    task::{JoinSet, coop::unconstrained},
};

use crate::{
    ActorSystem, StartError,
    worker::{Order, Worker},
    workers::Role,
};

/// The runtime for such actors, and their tasks.
#[derive(Default)]
pub(crate) struct Stealing {
    runtime: OnceLock<Handle>,
    /// Those that may still run. Bounded by the actors that live at a time: each start lets go of tasks that are done.
    tasks: Mutex<JoinSet<()>>,
}

impl Stealing {
    /// Gives the worker a task; `false` if the runtime has ended.
    fn invite(&self, worker: Arc<Worker>, runtime: &Handle) -> bool {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        forget_done(&mut tasks);
        // A runtime that has ended drops the task at once; nothing else can finish one before its actor has come.
        !tasks.spawn_on(Guest { worker }, runtime).is_finished()
    }

    /// Whether this thread is in the runtime.
    pub(crate) fn is_here(&self) -> bool {
        let own = self.runtime.get().map(Handle::id);
        own.is_some() && own == Handle::try_current().ok().map(|present| present.id())
    }

    /// Lets go of tasks that are done.
    pub(crate) fn tidy(&self) {
        forget_done(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn forget_done(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.try_join_next() {
        match ended {
            Err(error) if error.is_panic() => {
                tracing::error!(%error, "the task of an actor panicked")
            }
            // Done, or dropped with its runtime: its actor was ended then.
            Ok(()) | Err(_) => {}
        }
    }
}

/// The task of one actor; when it is dropped, the actor ends.
struct Guest {
    worker: Arc<Worker>,
}

impl Future for Guest {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The actor has a budget of its own, and gives the thread back when that is spent.
        pin!(unconstrained(poll_fn(|cx| self.worker.poll(cx)))).poll(cx)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.worker.close();
    }
}

impl ActorSystem {
    /// Gives the system a runtime for actors with [`Placement::Stealing`](crate::Placement::Stealing), once; a second
    /// call changes nothing. It should have several threads, or such a placement gains nothing, and needs timers if the
    /// actors use any. Whoever ends it kills these actors.
    pub fn set_stealing(&self, runtime: Handle) {
        // The first stays: actors run there.
        let _ = self.stealing().runtime.set(runtime);
    }

    /// Starts a worker for one actor on the program's runtime. It quits as soon as it has no actor, so one must be given
    /// to it before [`Order::QUIT`].
    pub(crate) fn start_stealing(&self) -> Result<Arc<Worker>, StartError> {
        let runtime = self.stealing().runtime.get().ok_or(StartError::NoRuntime)?;
        // Tasks that the actor starts belong to the node, not to the program.
        let tasks = self.spread()?.tasks.clone();
        let number = self.workers().number();
        let worker = Arc::new(Worker::new(self.clone(), tasks, number, Role::Stealing));
        // Only dedicated ones are refused.
        let _ = self.workers().add(worker.clone(), 0);
        if self.is_stopping() {
            // The order to all may have missed it.
            worker.order(Order::STOP);
        }
        match self.stealing().invite(worker.clone(), runtime) {
            true => Ok(worker),
            false if self.is_stopping() => Err(StartError::Stopping),
            false => Err(StartError::NoRuntime),
        }
    }
}
