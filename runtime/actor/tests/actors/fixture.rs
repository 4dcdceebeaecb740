//! Systems to test in, and an actor that does what its messages say.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context as Task, Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use odeon_env::{Env, RealEnv};
use odeon_message::{Incarnation, NodeId, message};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::LocalSet,
};

use crate::odeon::{Actor, ActorSystem, Context, ExitReason, Handler, StartError, SystemConfig};

pub(crate) fn system_of(name: &str, env: Arc<dyn Env>, config: SystemConfig) -> ActorSystem {
    let runtime = tokio::runtime::Handle::current();
    ActorSystem::new(config, env, NodeId::of(name), Incarnation(1), runtime)
}

/// Runs a test on one thread, with a paused clock and this many workers; nothing may be left of it.
pub(crate) fn on_one_thread<F: Future<Output = ()>>(
    workers: usize,
    test: impl FnOnce(ActorSystem) -> F,
) {
    on_one_thread_with(SystemConfig::default(), workers, test);
}

/// The same, with these bounds.
pub(crate) fn on_one_thread_with<F: Future<Output = ()>>(
    config: SystemConfig,
    workers: usize,
    test: impl FnOnce(ActorSystem) -> F,
) {
    in_world(|| {
        let system = system_of("test", Arc::new(RealEnv), config);
        (0..workers).for_each(|_| system.start_worker());
        let ended = system.clone();
        let run = test(system);
        async move {
            run.await;
            ended.stop(Duration::from_secs(60)).await;
            tokio::task::yield_now().await;
            assert_eq!(ended.stats().live_actors, 0, "actors are left");
            assert_eq!(ended.stats().cells, 0, "cells leaked");
        }
    });
}

/// Runs a future on a paused clock, in a `LocalSet`.
pub(crate) fn in_world<F: Future<Output = ()>>(make: impl FnOnce() -> F) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let local = LocalSet::new();
    local.block_on(&runtime, async { make().await });
}

/// A system whose workers have threads of their own.
pub(crate) struct Threads {
    pub(crate) system: ActorSystem,
    threads: Vec<JoinHandle<()>>,
    runtime: Runtime,
}

#[expect(clippy::disallowed_methods, reason = "the tests play the runtime's part")]
pub(crate) fn spawn_thread<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    thread::spawn(f)
}

impl Threads {
    pub(crate) fn new(workers: usize) -> Self {
        Self::of(workers, |_| ())
    }

    /// With other bounds than the default.
    pub(crate) fn of(workers: usize, change: impl FnOnce(&mut SystemConfig)) -> Self {
        let mut config = SystemConfig::default();
        change(&mut config);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let system = {
            let _entered = runtime.enter();
            system_of("threads", Arc::new(RealEnv), config)
        };
        let threads = (0..workers).map(|_| worker_thread(system.clone())).collect();
        Self { system, threads, runtime }
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Stops it; nothing may be left.
    pub(crate) fn end(self) {
        self.runtime.block_on(self.system.stop(Duration::from_secs(20)));
        for thread in self.threads {
            thread.join().unwrap();
        }
        assert_eq!(self.system.stats().live_actors, 0, "actors are left");
        assert_eq!(self.system.stats().cells, 0, "cells leaked");
    }
}

fn worker_thread(system: ActorSystem) -> JoinHandle<()> {
    let (ready, started) = std::sync::mpsc::sync_channel(1);
    let thread = spawn_thread(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let local = LocalSet::new();
        local.spawn_local(async move {
            system.start_worker();
            ready.send(()).unwrap();
        });
        runtime.block_on(local);
    });
    started.recv().unwrap();
    thread
}

/// The smallest executor there is: a thread that parks.
pub(crate) fn block_on_plain<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Task::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Counts what it is told and what becomes of it.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    pub(crate) starts: Arc<AtomicU64>,
    pub(crate) stops: Arc<AtomicU64>,
    pub(crate) drops: Arc<AtomicU64>,
    pub(crate) runs: Arc<AtomicU64>,
}

pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

pub(crate) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}

/// An actor that sums, waits, panics and stops as it is told.
pub(crate) struct Worker {
    pub(crate) sum: u64,
    tally: Tally,
}

impl Drop for Worker {
    fn drop(&mut self) {
        bump(&self.tally.drops);
    }
}

impl Actor for Worker {
    type Args = Tally;

    async fn start(tally: Tally, _: &mut Context<Self>) -> Result<Self, StartError> {
        bump(&tally.starts);
        Ok(Self { sum: 0, tally })
    }

    async fn stopped(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        bump(&self.tally.stops);
    }
}

/// Adds and answers with the sum.
#[message(local, reply = u64, crate = crate::odeon)]
pub(crate) struct Add(pub(crate) u64);

impl Handler<Add> for Worker {
    async fn handle(&mut self, message: Add, _: &mut Context<Self>) -> u64 {
        bump(&self.tally.runs);
        self.sum += message.0;
        self.sum
    }
}

/// Waits until it is let go; answers with the sum before.
#[message(local, reply = u64, crate = crate::odeon)]
pub(crate) struct Hold(pub(crate) oneshot::Receiver<()>);

impl Handler<Hold> for Worker {
    async fn handle(&mut self, message: Hold, _: &mut Context<Self>) -> u64 {
        bump(&self.tally.runs);
        let _ = message.0.await;
        self.sum
    }
}

/// Panics, before or after it has waited.
#[message(local, crate = crate::odeon)]
pub(crate) struct Boom {
    pub(crate) later: bool,
}

impl Handler<Boom> for Worker {
    async fn handle(&mut self, message: Boom, _: &mut Context<Self>) {
        bump(&self.tally.runs);
        if message.later {
            tokio::task::yield_now().await;
        }
        panic!("boom");
    }
}

/// Stops the actor, or fails it.
#[message(local, crate = crate::odeon)]
pub(crate) enum Leave {
    Stop,
    Fail,
}

impl Handler<Leave> for Worker {
    async fn handle(&mut self, message: Leave, ctx: &mut Context<Self>) {
        match message {
            Leave::Stop => ctx.stop(),
            Leave::Fail => ctx.fail("told to"),
        }
    }
}

/// Answers with an error.
#[message(local, reply = u64, error = String, crate = crate::odeon)]
pub(crate) struct Refuse;

impl Handler<Refuse> for Worker {
    async fn handle(&mut self, _: Refuse, _: &mut Context<Self>) -> Result<u64, String> {
        Err("no".to_owned())
    }
}
