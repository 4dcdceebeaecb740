//! How an actor comes to be: a cell, its name, its place among its parent's children, and the way to its worker.

#![expect(unsafe_code, reason = "an actor that cannot be placed is ended outside a turn")]

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    Actor, ActorRef, Shutdown, SpawnOptions, StartError,
    bonds::Parent,
    cell::{ActorCell, CellPtr},
    life::{self, Core, Starter},
    worker::{Order, Worker, give_way},
    workers::Role,
};

/// Spawns an actor on `worker`, and is done when it has started.
pub(crate) async fn spawn<A: Actor>(
    worker: Arc<Worker>,
    args: A::Args,
    options: SpawnOptions,
    parent: Option<Parent>,
) -> Result<ActorRef<A>, StartError> {
    let stays = matches!(worker.role(), Role::Shared | Role::Endpoint);
    if stays && worker.is_here() {
        give_way().await;
        // Whoever polls the future may have moved it.
        if worker.is_here() {
            return here::<A>(&worker, args, options, parent).await;
        }
    }
    let (starter, started) = oneshot::channel();
    let actor = begin::<A>(worker, args, options, parent, Some(Starter::Task(starter)))?;
    wait(actor, started).await
}

/// Spawns an actor on the worker of this thread: most have started before anybody has to wait.
async fn here<A: Actor>(
    worker: &Arc<Worker>,
    args: A::Args,
    options: SpawnOptions,
    parent: Option<Parent>,
) -> Result<ActorRef<A>, StartError> {
    let actor = make::<A>(worker, args, options, parent, None)?;
    life::await_start(&actor, Starter::Stack);
    let run = worker.start_directly(&CellPtr::borrow(&actor));
    if let Some(Some(result)) = run {
        return result.map(|()| ActorRef::local(actor));
    }
    let (starter, started) = oneshot::channel();
    life::await_start(&actor, Starter::Task(starter));
    if run.is_none() {
        enqueue(&CellPtr::borrow(&actor))?;
    }
    wait(actor, started).await
}

async fn wait<A: Actor>(
    actor: Arc<ActorCell<A>>,
    started: oneshot::Receiver<Result<(), StartError>>,
) -> Result<ActorRef<A>, StartError> {
    match started.await {
        Ok(result) => result.map(|()| ActorRef::local(actor)),
        // Its worker ended before it had a turn.
        Err(_) => Err(StartError::Stopped),
    }
}

/// Puts an actor on its way to `worker`; `starter` is told when it has started.
pub(crate) fn begin<A: Actor>(
    worker: Arc<Worker>,
    args: A::Args,
    options: SpawnOptions,
    parent: Option<Parent>,
    starter: Option<Starter>,
) -> Result<Arc<ActorCell<A>>, StartError> {
    let own = matches!(worker.role(), Role::Dedicated | Role::Stealing).then(|| worker.clone());
    let begun = make::<A>(&worker, args, options, parent, starter);
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
    worker: &Arc<Worker>,
    args: A::Args,
    options: SpawnOptions,
    parent: Option<Parent>,
    starter: Option<Starter>,
) -> Result<Arc<ActorCell<A>>, StartError> {
    let system = worker.system();
    if system.is_stopping() {
        return Err(StartError::Stopping);
    }
    let shutdown = options.shutdown.unwrap_or(Shutdown::of::<A>());
    let mailbox = options.make_mailbox(system.config());
    let core = Core::new(args, starter);
    let cell =
        ActorCell::new(worker.clone(), system.next_number(), (mailbox, options.overflow), core);
    let ptr = CellPtr::new(cell.clone());
    if let Err(error) = introduce(&ptr, options.name.as_deref(), parent, shutdown) {
        // SAFETY: it counts as queued from the start, so nobody schedules it and no worker knows it.
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
    cell.worker.system().registry().register(name, cell).map_err(StartError::Name)
}
