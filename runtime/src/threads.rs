//! The node's own threads: actix's `System` for the endpoint, an actix `Arbiter` for each worker, a thread for each actor
//! that blocks.
//!
//! What it is: where a real node runs, so that it can be started from a plain `main` as well as from inside any
//! runtime. What it is NOT: used in simulations, whose nodes start inside their `LocalSet` (`builder.rs`).

use std::{
    io,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};

use actix_rt::{Arbiter, System};
use odeon_actor::{ActorSystem, ThreadJob, Threads};
use tokio::sync::oneshot;

use crate::{
    builder::{NodeBuilder, NodeError},
    heart::{Heart, Workers},
    node::Node,
    tasks::Tasks,
};

/// Starts a node on threads of its own and waits until it has started.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where threads are started; simulated nodes have none"
)]
pub(crate) async fn start(builder: NodeBuilder) -> Result<Node, NodeError> {
    let (report, started) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("odeon-{}", builder.name))
        .spawn(move || run(builder, report))
        .map_err(NodeError::Thread)?;
    started.await.unwrap_or_else(|_| Err(NodeError::Thread(std::io::ErrorKind::BrokenPipe.into())))
}

/// The life of the endpoint's thread.
fn run(mut builder: NodeBuilder, report: oneshot::Sender<Result<Node, NodeError>>) {
    let cpus = cpus();
    let count = builder.workers.unwrap_or_else(|| default_workers(cpus));
    if cpus == 1 {
        // Whoever a spinning worker waits for cannot run meanwhile.
        builder.system.spin = 0;
    }
    let blocking = Arc::new(Blocking { node: builder.name.clone(), started: Mutex::default() });
    let mut workers = Arbiters { count, started: Vec::new(), blocking };
    System::new().block_on(async {
        match Heart::start(builder, &mut workers).await {
            Ok(heart) => {
                let node = heart.node.clone();
                // The caller gave up meanwhile: nobody would ever stop the node.
                if report.send(Ok(node)).is_ok() {
                    heart.run().await;
                }
            }
            Err(error) => drop(report.send(Err(error))),
        }
    });
}

/// How many threads of this one's may run at a time: those that its affinity and the limits of its control group leave.
fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// One thread fewer than may run at a time, at least one: the endpoint has its own.
fn default_workers(cpus: usize) -> usize {
    cpus.saturating_sub(1).max(1)
}

/// Workers on actix arbiters, each with a thread of its own.
struct Arbiters {
    count: usize,
    started: Vec<Arbiter>,
    blocking: Arc<Blocking>,
}

impl Workers for Arbiters {
    fn start(&mut self, system: &ActorSystem) {
        let (report, started) = mpsc::sync_channel(self.count);
        for _ in 0..self.count {
            let arbiter = Arbiter::new();
            let (system, report) = (system.clone(), report.clone());
            arbiter.spawn_fn(move || {
                system.start_worker();
                // Whoever waits for it is the thread that started this one.
                let _ = report.send(());
            });
            self.started.push(arbiter);
        }
        drop(report);
        // Nothing else lives on this thread yet: it may wait until actors can be spawned.
        while started.recv().is_ok() {}
    }

    fn threads(&mut self, _: &Tasks) -> Arc<dyn Threads> {
        self.blocking.clone()
    }
}

impl Drop for Arbiters {
    /// Also when the endpoint's thread panics.
    fn drop(&mut self) {
        for arbiter in self.started.drain(..) {
            arbiter.stop();
            // A worker that panicked has said so already.
            let _ = arbiter.join();
        }
        self.blocking.join();
    }
}

/// Threads for actors that block.
struct Blocking {
    node: String,
    /// Those that may still run. Bounded by the actors that may block: each start lets go of those that have ended.
    started: Mutex<Vec<JoinHandle<()>>>,
}

impl Blocking {
    /// The workers have been given their time: a thread that still blocks is left behind.
    fn join(&self) {
        let started =
            std::mem::take(&mut *self.started.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in started {
            if thread.is_finished() {
                // One that panicked has said so already.
                let _ = thread.join();
            } else {
                let name = thread.thread().name().unwrap_or_default();
                tracing::warn!(
                    thread = name,
                    "a blocking actor does not end: its thread is left behind"
                );
            }
        }
    }
}

impl Threads for Blocking {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where threads are started; simulated nodes have none"
    )]
    fn start(&self, job: ThreadJob) -> io::Result<()> {
        let name = format!("odeon-{}-{}", self.node, job.number());
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            match actix_rt::Runtime::new() {
                Ok(runtime) => runtime.block_on(job.run()),
                // The job is dropped, and whoever waits for its actor is told.
                Err(error) => tracing::error!(%error, "no runtime for a blocking actor"),
            }
        })?;
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.retain(|thread| !thread.is_finished());
        started.push(thread);
        Ok(())
    }
}
