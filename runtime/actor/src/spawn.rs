//! How an actor comes to be: a cell, its name, its place among its parent's children, and the way to its worker.

#![expect(unsafe_code, reason = "an actor has its first turn here, or ends outside of one")]

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    Actor, ActorRef, Shutdown, SpawnOptions, StartError,
    bonds::Parent,
    cell::{ActorCell, CellArc, CellPtr},
    life::{self, Starter},
    worker::{Begun, Order, Worker},
    workers::Role,
};

/// Spawns an actor on `worker`, and is done when it has started. Where spawning is to be quick its three parts are called
/// one by one: each layer of futures is moved with what it holds.
pub(crate) async fn spawn<A: Actor>(
    worker: Arc<Worker>,
    args: A::Args,
    options: SpawnOptions,
    parent: Option<Parent>,
) -> Result<ActorRef<A>, StartError> {
    if worker.is_tired() {
        worker.rest().await;
    }
    set_out::<A>(worker, args, &options, parent)?.arrive().await
}

/// An actor on its way.
pub(crate) enum SetOut<A: Actor> {
    /// Nobody had to wait.
    Arrived(CellArc<A>),
    Waits(CellArc<A>, oneshot::Receiver<Result<(), StartError>>),
}

impl<A: Actor> SetOut<A> {
    /// Is done when the actor has started.
    pub(crate) async fn arrive(self) -> Result<ActorRef<A>, StartError> {
        match self {
            Self::Arrived(actor) => Ok(ActorRef::local(actor)),
            Self::Waits(actor, started) => match started.await {
                Ok(result) => result.map(|()| ActorRef::local(actor)),
                // Its worker ended before it had a turn.
                Err(_) => Err(StartError::Stopped),
            },
        }
    }
}

/// Sends an actor to its worker, which may have started it when this returns. The caller has given its thread away before
/// if the worker [is tired](Worker::is_tired).
pub(crate) fn set_out<A: Actor>(
    worker: Arc<Worker>,
    args: A::Args,
    options: &SpawnOptions,
    parent: Option<Parent>,
) -> Result<SetOut<A>, StartError> {
    if matches!(worker.role(), Role::Shared | Role::Endpoint) && worker.is_here() {
        return here::<A>(worker, args, options, parent);
    }
    let (starter, started) = oneshot::channel();
    let actor = begin::<A>(worker, args, options, parent, Some(Starter::Task(starter)))?;
    Ok(SetOut::Waits(actor, started))
}

/// Spawns an actor on the worker of this thread: most have started before anybody has to wait.
fn here<A: Actor>(
    worker: Arc<Worker>,
    args: A::Args,
    options: &SpawnOptions,
    parent: Option<Parent>,
) -> Result<SetOut<A>, StartError> {
    let actor = make::<A>(worker, args, options, parent, Some(Starter::Stack))?;
    let cell = CellPtr::borrow(&actor);
    // SAFETY: it was made just now, on its way to this worker alone, and has its type.
    let run = unsafe { cell.worker.start_directly(&cell, life::run_first::<A>) };
    match run {
        Some(Begun::Well) => return Ok(SetOut::Arrived(actor)),
        Some(Begun::Failed(error)) => return Err(*error),
        Some(Begun::Open) | None => {}
    }
    let (starter, started) = oneshot::channel();
    life::await_start(&actor, starter);
    if run.is_none() {
        enqueue(&CellPtr::borrow(&actor))?;
    }
    Ok(SetOut::Waits(actor, started))
}

/// Puts an actor on its way to `worker`; `starter` is told when it has started.
pub(crate) fn begin<A: Actor>(
    worker: Arc<Worker>,
    args: A::Args,
    options: &SpawnOptions,
    parent: Option<Parent>,
    starter: Option<Starter>,
) -> Result<CellArc<A>, StartError> {
    let own = matches!(worker.role(), Role::Dedicated | Role::Stealing).then(|| worker.clone());
    let begun = make::<A>(worker, args, options, parent, starter);
    let begun = begun.and_then(|cell| enqueue(&CellPtr::borrow(&cell)).map(|()| cell));
    // It has its actor now, or has none and is not needed.
    own.into_iter().for_each(|worker| worker.order(Order::QUIT));
    begun
}

/// Puts a new actor on its way to its worker.
fn enqueue(ptr: &CellPtr) -> Result<(), StartError> {
    if ptr.worker.enqueue(ptr.clone()) {
        return Ok(());
    }
    // SAFETY: its worker refused it, and nobody else schedules it: it counts as queued.
    unsafe { ptr.end() };
    Err(StartError::Stopping)
}

/// Makes an actor that no worker knows yet.
fn make<A: Actor>(
    worker: Arc<Worker>,
    args: A::Args,
    options: &SpawnOptions,
    parent: Option<Parent>,
    starter: Option<Starter>,
) -> Result<CellArc<A>, StartError> {
    if worker.system().is_stopping() {
        return Err(StartError::Stopping);
    }
    let cell = ActorCell::<A>::make(worker, options, args, starter);
    if parent.is_none() && options.name().is_none() {
        return Ok(cell);
    }
    let shutdown = options.of_shutdown().unwrap_or(Shutdown::of::<A>());
    let ptr = CellPtr::borrow(&cell);
    if let Err(error) = introduce(&ptr, options.name(), parent, shutdown) {
        // SAFETY: it counts as queued from the start, so nobody schedules it and no worker knows it.
        let core = unsafe { cell.core() };
        // The spawner hears it from here; on this stack another actor may start, whose answer it would be taken for.
        core.never_starts(&error);
        // SAFETY: as above.
        unsafe { ptr.end() };
        return Err(error);
    }
    Ok(cell)
}

/// Gives a new actor its name and its parent.
fn introduce(
    cell: &CellPtr,
    name: Option<&str>,
    parent: Option<Parent>,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    if let Some(parent) = parent {
        let family = parent.cell.clone();
        let reports = parent.report.is_some();
        cell.with_bonds(|bonds| bonds.parent = Some(parent));
        if !family.adopt(cell, shutdown, reports) {
            return Err(StartError::Stopped);
        }
    }
    let Some(name) = name else { return Ok(()) };
    cell.worker
        .system()
        .registry()
        .register(name, cell)
        .map_err(|taken| StartError::Name(Box::new(taken)))
}
