//! A system for unit tests whose one worker the test polls itself: no actix, no thread and no input or output, so that
//! Miri can run it, and so that the test knows what has happened and what has not.
//!
//! What it is NOT: the fixture of the integration tests, which run real workers (`tests/actors/fixture.rs`).

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use odeon_env::RealEnv;
use odeon_message::{Incarnation, NodeId};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Actor, ActorRef, ActorSystem, SpawnOptions, StartError, SystemConfig, spawn, tasks::Tasks,
    worker::Worker, workers::Role,
};

pub(crate) struct ByHand {
    pub(crate) system: ActorSystem,
    pub(crate) worker: Arc<Worker>,
    /// For timers that never fire: its clock stands still.
    runtime: Runtime,
}

impl ByHand {
    pub(crate) fn new(config: SystemConfig) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.unwrap();
        let (env, node) = (Arc::new(RealEnv), NodeId::of("by hand"));
        let config = SystemConfig { spin: 0, ..config };
        let system = ActorSystem::new(config, env, node, Incarnation(1), runtime.handle().clone());
        let (tasks, _) = Tasks::new(&system);
        let worker = Arc::new(Worker::new(system.clone(), tasks, 1, Role::Shared));
        Self { system, worker, runtime }
    }

    /// Runs the worker until it has nothing to do; `true` once it has quit.
    pub(crate) fn run(&self) -> bool {
        let _entered = self.runtime.enter();
        self.worker.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Runs the worker until the future is done.
    pub(crate) fn finish<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        for _ in 0..100 {
            let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(output) = polled {
                return output;
            }
            self.run();
        }
        panic!("it waits for something that does not come");
    }

    pub(crate) fn spawn<A: Actor>(
        &self,
        args: A::Args,
        options: SpawnOptions,
    ) -> Result<ActorRef<A>, StartError> {
        self.finish(spawn::spawn(self.worker.clone(), args, options, None))
    }

    /// Ends it; nothing may be left.
    pub(crate) fn close(self) {
        self.worker.close();
        let stats = self.system.stats();
        assert_eq!((stats.live_actors, stats.cells), (0, 0), "cells are left");
    }
}
