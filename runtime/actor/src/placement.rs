//! Where an actor runs: on which worker, decided once, when it is spawned.
//!
//! What it is: [`Placement`] and the choice among the workers of this moment. What it is NOT: a balancer; an actor
//! stays where it was placed, also when it restarts. Read `workers.rs` for the workers there are.

use std::sync::Arc;

use crate::{ActorSystem, StartError, worker::Worker};

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
            (Placement::Parent, Some(parent)) => return Ok(parent.clone()),
            (Placement::Parent | Placement::Spread, _) => workers.next(),
            (Placement::LeastLoaded, _) => workers.least_loaded(),
            (Placement::Key(key), _) => workers.of_key(key),
            (Placement::Endpoint, _) => return workers.endpoint().ok_or(StartError::NoEndpoint),
            (Placement::Blocking, _) => return self.start_dedicated(),
        };
        shared.ok_or_else(|| match self.is_stopping() {
            true => StartError::Stopping,
            false => StartError::NoWorker,
        })
    }
}
