//! Tasks of the node: futures that run on its workers beside the actors, and end with it.
//!
//! What it is: [`spawn`], for code that runs on a worker, and [`ActorSystem::spawn_task`], for everybody else. Each
//! worker owns its tasks; it ends and joins them when its last actor is gone, and drops them with its `LocalSet`. What
//! it is NOT: `tokio::spawn`, whose tasks belong to nobody and outlive their node; nor [`Context::pipe`](crate::Context::pipe),
//! whose futures end with one life of an actor. Read `host.rs` for who holds the owner.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use odeon_env::buggify::any_order;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::{JoinError, JoinSet},
};

use crate::{ActorSystem, stats::count, worker::present_tasks};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why a task was not taken. State is unchanged; the future was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The calling code does not run on a worker of a node.
    #[error(
        "no node runs this code: call spawn in a handler or in a task of a node, or use the node's own handle"
    )]
    NoNode,
    /// So many tasks wait to begin already.
    #[error("{0} tasks wait to begin on this worker already: spawn fewer, or raise tasks_max")]
    Full(u32),
    /// The node is ending.
    #[error("the node takes no more tasks: it is ending")]
    Ending,
}

/// A task has ended without a result: it panicked, or its node ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the task panicked, or its node has ended")]
pub struct TaskEnded;

/// A task that runs; awaiting it gives its result. Dropping it ends the task at its next wait, unless it was
/// [detached](Self::detach).
///
/// # Cancel safety
/// Awaiting it by reference loses nothing.
#[must_use = "dropping it ends the task: keep it, await it, or detach it"]
#[derive(Debug)]
pub struct TaskHandle<T> {
    output: oneshot::Receiver<T>,
    end: Option<Arc<Notify>>,
}

impl<T> TaskHandle<T> {
    /// Lets the task run to its end, or to that of its node.
    pub fn detach(mut self) {
        self.end = None;
    }
}

impl<T> Drop for TaskHandle<T> {
    fn drop(&mut self) {
        self.end.iter().for_each(|end| end.notify_one());
    }
}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, TaskEnded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.output).poll(cx).map_err(|_| TaskEnded)
    }
}

/// Runs a future as a task of the node that this code runs on: in a handler, or in a task of the node, on the same
/// worker; on another one if the actor is placed where it may block. It outlives the actor that started it, never the
/// node.
///
/// # Errors
/// [`TaskError::NoNode`] outside of a node, and when the worker takes no more tasks.
pub fn spawn<F>(future: F) -> Result<TaskHandle<F::Output>, TaskError>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let here = HERE.take();
    let tasks = present_tasks().or_else(|| here.clone());
    HERE.set(here);
    tasks.ok_or(TaskError::NoNode)?.spawn(future)
}

impl ActorSystem {
    /// Runs a future as a task of this node, on one of its workers in turn; from any thread.
    ///
    /// # Errors
    /// [`TaskError::NoNode`] before the first worker was started, and when the worker takes no more tasks.
    pub fn spawn_task<F>(&self, future: F) -> Result<TaskHandle<F::Output>, TaskError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let worker = self.next_worker().ok_or(match self.is_stopping() {
            true => TaskError::Ending,
            false => TaskError::NoNode,
        })?;
        worker.tasks.spawn(future)
    }
}

thread_local! {
    /// The tasks among which the one is that this thread is polling right now.
    static HERE: Cell<Option<Tasks>> = const { Cell::new(None) };
}

/// A future that knows among which tasks it runs.
struct Placed<F> {
    future: F,
    tasks: Option<Tasks>,
}

/// Sets the thread's place back when it is dropped, also by a panic.
struct Back<'a> {
    tasks: &'a mut Option<Tasks>,
    before: Option<Tasks>,
}

impl Drop for Back<'_> {
    fn drop(&mut self) {
        *self.tasks = HERE.replace(self.before.take());
    }
}

impl<F: Future + Unpin> Future for Placed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, tasks } = self.get_mut();
        if tasks.as_ref().is_some_and(|tasks| tasks.system.has_crashed()) {
            return Poll::Pending;
        }
        let before = HERE.replace(tasks.take());
        let _back = Back { tasks, before };
        Pin::new(future).poll(cx)
    }
}

/// Gives tasks to a worker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tasks {
    system: ActorSystem,
    queue: mpsc::Sender<Task>,
    /// The worker lets its tasks go.
    end: Arc<Notify>,
}

impl Tasks {
    /// The queue's two ends.
    pub(crate) fn new(system: &ActorSystem) -> (Self, TaskOwner) {
        let tasks_max = system.config().tasks_max.max(1) as usize;
        let (sender, receiver) = mpsc::channel(tasks_max);
        let end = Arc::new(Notify::new());
        let owner = TaskOwner {
            system: system.clone(),
            queue: receiver,
            running: JoinSet::new(),
            end: Arc::clone(&end),
            tasks_max,
        };
        (Self { system: system.clone(), queue: sender, end }, owner)
    }

    pub(crate) fn spawn<F>(&self, future: F) -> Result<TaskHandle<F::Output>, TaskError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (sender, output) = oneshot::channel();
        let end = Arc::new(Notify::new());
        let ended = Arc::clone(&end);
        let future = async move {
            let (mut ended, mut future) = (pin!(ended.notified()), pin!(future));
            let output = poll_fn(|cx| match ended.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => future.as_mut().poll(cx).map(Some),
            });
            // Whoever does not wait for it misses nothing.
            let _ = output.await.map(|output| sender.send(output));
        };
        let task = Placed { future: Box::pin(future), tasks: Some(self.clone()) };
        match self.queue.try_send(Box::pin(task)) {
            Ok(()) => Ok(TaskHandle { output, end: Some(end) }),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(TaskError::Full(self.system.config().tasks_max))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(TaskError::Ending),
        }
    }

    /// Ends all tasks; their owner is done when they are gone.
    pub(crate) fn end(&self) {
        self.end.notify_one();
    }
}

/// Where the tasks of one worker run.
pub(crate) struct TaskOwner {
    system: ActorSystem,
    queue: mpsc::Receiver<Task>,
    running: JoinSet<()>,
    end: Arc<Notify>,
    tasks_max: usize,
}

impl TaskOwner {
    /// Runs tasks until it is told to end; then all tasks are ended and joined. Dropping it drops them.
    pub(crate) async fn run(mut self) {
        let end = Arc::clone(&self.end);
        let mut end = pin!(end.notified());
        poll_fn(|cx| {
            if end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            self.poll(cx)
        })
        .await;
        self.queue.close();
        while let Ok(task) = self.queue.try_recv() {
            drop(task);
        }
        self.running.abort_all();
        while let Some(ended) = self.running.join_next().await {
            self.note(ended);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(Some(ended)) = self.running.poll_join_next(cx) {
            self.note(ended);
        }
        while self.running.len() < self.tasks_max {
            match self.queue.poll_recv(cx) {
                Poll::Ready(Some(task)) => self.running.spawn_local(any_order(task)),
                // Its tasks hold senders, and so does the worker.
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => break,
            };
        }
        Poll::Pending
    }

    fn note(&self, ended: Result<(), JoinError>) {
        let Err(error) = ended else { return };
        if error.is_panic() {
            count(&self.system.counters().panics);
            tracing::error!(%error, "a task panicked");
        }
    }
}
