//! The node's own tasks: futures that any thread may give to the endpoint's thread, which owns and ends them.
//!
//! What it is: a bounded queue into the heart (`heart.rs`) and a handle that ends its task when it is dropped. What
//! it is NOT: `tokio::spawn`, whose tasks belong to nobody and outlive their node.

use std::{future::Future, pin::Pin, sync::Arc};

use odeon_env::buggify::any_order;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};

/// Most tasks that wait to be taken over by the endpoint's thread.
const WAITING_MAX: usize = 1024;

/// Most tasks that run at a time; further ones wait.
const RUNNING_MAX: usize = 65_536;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Gives tasks to the node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tasks {
    queue: mpsc::Sender<Task>,
}

/// Ends its task when it is dropped.
pub(crate) struct TaskHandle(Arc<Notify>);

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Tasks {
    /// The queue's two ends.
    pub(crate) fn new() -> (Self, TaskOwner) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self { queue: sender }, TaskOwner { queue: receiver, running: JoinSet::new() })
    }

    /// Runs a future on the endpoint's thread until it is done, its handle is dropped, or the node ends; `None` if
    /// the node has ended or too many wait.
    pub(crate) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Option<TaskHandle> {
        let end = Arc::new(Notify::new());
        let handle = TaskHandle(Arc::clone(&end));
        let task = async move {
            tokio::select! {
                biased;
                () = end.notified() => {}
                () = task => {}
            }
        };
        self.queue.try_send(Box::pin(task)).ok().map(|()| handle)
    }

    /// Runs a future on the endpoint's thread until it is done or the node ends; `false` if the node has ended or too
    /// many wait.
    pub(crate) fn run(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        self.queue.try_send(Box::pin(task)).is_ok()
    }
}

/// Where tasks run: held by the heart.
pub(crate) struct TaskOwner {
    queue: mpsc::Receiver<Task>,
    running: JoinSet<()>,
}

impl TaskOwner {
    /// Runs until it is dropped, and all tasks with it.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                Some(_) = self.running.join_next() => {}
                task = self.queue.recv(), if self.running.len() < RUNNING_MAX => {
                    let Some(task) = task else { return std::future::pending().await };
                    self.running.spawn_local(any_order(task));
                }
            }
        }
    }
}
