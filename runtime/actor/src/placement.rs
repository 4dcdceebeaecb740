//! Where an actor runs: on which worker, decided once, when it is spawned.
//!
//! What it is: [`Placement`] and the choice among the workers of this moment. What it is NOT: a balancer; an actor
//! stays where it was placed, also when it restarts. Read `workers.rs` for the workers there are.

use std::sync::Arc;

use crate::{ActorSystem, StartError, worker::Worker, workers::Role};

/// On which worker an actor runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Placement {
    /// On its parent's worker, so that messages between them cross no thread: the default of children. Without a parent
    /// as [`Spread`](Self::Spread).
    Parent,
    /// On one worker after the other: the default without a parent.
    Spread,
    /// On the worker with the shortest queue of ready actors, and among those the one with the fewest actors. The queue
    /// is that at the beginning of the poll that goes on, or at the end of the last.
    LeastLoaded,
    /// On the worker that the number is hashed to: equal numbers share a worker as long as there are as many.
    Key(u64),
    /// On the thread of the node's endpoint, beside heartbeats and gossip, where no message from the network crosses a
    /// thread. A handler that blocks there stops them, and the watchdog does not see it.
    Endpoint,
    /// On a thread of its own, which ends with the actor: for handlers that block. Its children start there, too,
    /// unless they are placed elsewhere. At most [`blocking_threads_max`](crate::SystemConfig::blocking_threads_max)
    /// at a time. In a simulation it is one more worker on the one thread.
    Blocking,
    /// As a task of the program's own multi-thread runtime, for actors that are mostly asked from there, as by the
    /// handlers of an HTTP server: asker and actor often share a thread, where the way to a worker and back crosses two.
    /// The runtime moves it between its threads, one turn at a time; its order of messages is that of any actor. An ask from
    /// the runtime runs on the asker's thread at once if the actor has nothing to do.
    ///
    /// Needs a runtime: `NodeBuilder::stealing`, or [`set_stealing`](crate::ActorSystem::set_stealing) of a system
    /// without a node. It costs about a KiB an actor, and each wake goes
    /// through the runtime's scheduler, dearer than a worker's queue: actors that mostly talk to each other belong on a
    /// worker. A handler that blocks takes a thread from the program. Children that ask for [`Parent`](Self::Parent) are
    /// spread, tasks of the node that it starts run on a worker, and it is killed when its runtime ends. In a simulation
    /// it is as [`Spread`](Self::Spread), with or without a runtime.
    Stealing,
}

/// Where a new actor goes.
pub(crate) enum Destination {
    /// It is this worker's turn, which is known before anybody waits for the actor. The system is not counted for it.
    Known(Arc<Worker>),
    /// What decides is how it is when the actor is made.
    Open(ActorSystem, Placement),
}

impl Destination {
    pub(crate) fn worker(self) -> Result<Arc<Worker>, StartError> {
        match self {
            Self::Known(worker) => Ok(worker),
            Self::Open(system, placement) => system.place(placement, None),
        }
    }
}

impl ActorSystem {
    /// The worker for a new actor. One for a blocking actor is started here, and ends when it has no actor left.
    pub(crate) fn place(
        &self,
        placement: Placement,
        parent: Option<&Arc<Worker>>,
    ) -> Result<Arc<Worker>, StartError> {
        let workers = self.workers();
        let shared = match (placement, parent) {
            (Placement::Parent, Some(parent)) if parent.role() != Role::Stealing => {
                return Ok(parent.clone());
            }
            (Placement::Stealing, _) if !self.is_simulated() => return self.start_stealing(),
            (Placement::Parent | Placement::Spread | Placement::Stealing, _) => self.next_worker(),
            (Placement::LeastLoaded, _) => workers.least_loaded(),
            (Placement::Key(key), _) => workers.of_key(key),
            (Placement::Endpoint, _) => return workers.endpoint().ok_or(StartError::NoEndpoint),
            (Placement::Blocking, _) => return self.start_dedicated(),
        };
        shared.ok_or_else(|| self.no_worker())
    }

    /// Where an actor without a parent goes.
    pub(crate) fn destination(&self, placement: Placement) -> Destination {
        let turn = (placement == Placement::Spread).then(|| self.next_worker()).flatten();
        turn.map_or_else(|| Destination::Open(self.clone(), placement), Destination::Known)
    }

    /// The next worker in turn.
    pub(crate) fn spread(&self) -> Result<Arc<Worker>, StartError> {
        self.next_worker().ok_or_else(|| self.no_worker())
    }

    fn no_worker(&self) -> StartError {
        match self.is_stopping() {
            true => StartError::Stopping,
            false => StartError::NoWorker,
        }
    }

    /// Whether the world of this node is simulated.
    fn is_simulated(&self) -> bool {
        self.env().observer().is_some() || self.env().choose(1).is_some()
    }
}
