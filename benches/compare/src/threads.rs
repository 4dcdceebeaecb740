//! The threads of a sample that a system does not start itself, each with a runtime of its own.
//!
//! What it is NOT: used by Odeon's or actix's actors, whose systems have threads of their own.

use std::{
    future::Future,
    sync::mpsc::sync_channel,
    thread::{self, JoinHandle},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
    task::LocalSet,
};

use crate::{
    Outcome,
    cpus::Cpus,
    system::{Mode, System, Tasks, World},
};

/// Worker threads of a program on tokio's multi-thread runtime.
pub(crate) const POOL_WORKERS: usize = 2;

/// A runtime for one thread.
///
/// # Errors
/// What the system says.
pub(crate) fn single() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// A runtime of a multi-thread program.
///
/// # Errors
/// What the system says.
pub(crate) fn pool() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(POOL_WORKERS).enable_all().build()?)
}

/// Runs a workload as a task of a multi-thread program.
///
/// # Errors
/// The workload's own, and that it panicked.
pub(crate) fn on_pool<W>(pool: &Runtime, workload: W) -> Outcome<f64>
where
    W: Future<Output = Outcome<f64>> + Send + 'static,
{
    pool.block_on(async { pool.spawn(workload).await? })
}

/// Runs a future on a thread of its own, on any CPU.
///
/// # Errors
/// What the system says.
#[expect(clippy::disallowed_methods, reason = "the bench plays programs with threads of their own")]
pub(crate) fn start<F>(cpus: Cpus, future: F) -> Outcome<JoinHandle<Outcome<()>>>
where
    F: Future<Output = Outcome<()>> + Send + 'static,
{
    let run = move || {
        cpus.unpin()?;
        single()?.block_on(future)
    };
    Ok(thread::Builder::new().spawn(run)?)
}

/// A pinned thread with a runtime on which others spawn; it ends, with all that runs on it, when this is dropped.
struct Other {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Other {
    #[expect(clippy::disallowed_methods, reason = "as above")]
    fn start(cpus: Cpus) -> Outcome<Self> {
        let (report, started) = sync_channel(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let run = move || {
            let runtime = cpus.pin_actors().and_then(|()| single());
            let handle = runtime.as_ref().map(|runtime| runtime.handle().clone());
            // Who starts the thread waits for the report.
            let _ = report.send(handle.map_err(|error| error.to_string()));
            if let Ok(runtime) = runtime {
                // It ends when the sender is dropped.
                let _ = runtime.block_on(stopped);
            }
        };
        let thread = thread::Builder::new().spawn(run)?;
        Ok(Self { handle: started.recv()??, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// Where a system spawns actors that are tasks of tokio.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// On the runtime that the driver is on.
    Here,
    /// On another one.
    There(Handle),
}

impl Place {
    /// Runs a future where actors live: what it spawns lives there too.
    ///
    /// # Errors
    /// The future's own, and that it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> Outcome<T> {
        match self {
            Self::Here => future.await,
            Self::There(handle) => handle.spawn(future).await?,
        }
    }
}

/// Runs a workload of a system whose actors are tasks of tokio. `make` is called where they live.
///
/// # Errors
/// The workload's own, and what the system says.
pub(crate) fn run_tasks<S, M, F, W>(mode: Mode, cpus: Cpus, make: M, workload: F) -> Outcome<f64>
where
    S: System,
    M: FnOnce(Place) -> S,
    F: FnOnce(World<S>) -> W + Send + 'static,
    W: Future<Output = Outcome<f64>> + Send + 'static,
{
    let other = match mode {
        Mode::Xt => Some(Other::start(cpus.clone())?),
        Mode::St | Mode::Mt => None,
    };
    let place = other.as_ref().map_or(Place::Here, |other| Place::There(other.handle.clone()));
    let runtime = match mode {
        Mode::Mt => pool()?,
        Mode::St | Mode::Xt => {
            cpus.pin_driver()?;
            single()?
        }
    };
    let system = {
        let _entered = other.as_ref().map_or(runtime.handle(), |other| &other.handle).enter();
        make(place)
    };
    let tasks = if mode == Mode::Mt { Tasks::Runtime } else { Tasks::Local };
    let work = workload(World { system, mode, tasks, cpus });
    match mode {
        Mode::Mt => on_pool(&runtime, work),
        Mode::St | Mode::Xt => LocalSet::new().block_on(&runtime, work),
    }
}
