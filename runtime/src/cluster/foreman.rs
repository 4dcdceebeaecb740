//! The foreman: starts actors for other nodes.
//!
//! What it is: an actor of each node on which some type may be started from elsewhere, in a group of the cluster for each
//! of these types, so that every node knows where that is. A start runs beside the next ones, and the child belongs to
//! the supervisor of its type. What it is NOT: the choice of the node, which is `spawning.rs`.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use odeon_actor::{
    Actor, ActorRef, ActorSystem, ChildError, Context, DynamicSpec, DynamicSupervisor, Handler,
    SpawnOptions, StartError,
};
use odeon_macros::{actor, data, message};
use odeon_message::{Address, Fingerprint, Payload, Schema, Wire};

use crate::{
    builder::{MakeSpawner, NodeError},
    roster::RosterHall,
    tasks::Tasks,
};

/// Starts of actors that one node may have under way for others; further ones are refused. As many as handlers that
/// wait for something outside are worth.
const STARTS_MAX: usize = 1_024;

/// The group of the foremen that start actors of a type.
pub(crate) fn group_of(actor_type: &str) -> String {
    format!("{RESERVED}spawn.{actor_type}")
}

/// How names and groups of the nodes' own begin.
pub(crate) const RESERVED: &str = "odeon.";

/// Start an actor of this type.
#[message(id = "odeon/Spawn", reply = Address, error = SpawnRefused)]
pub(crate) struct Spawn {
    /// The id of the type.
    pub(crate) actor_type: String,
    /// The layout of what it starts from.
    pub(crate) layout: u64,
    /// The archive of that.
    pub(crate) args: Vec<u8>,
}

/// An actor was not started.
#[data]
#[derive(Clone, Debug)]
pub(crate) enum SpawnRefused {
    /// The type is not one of those that may be started from elsewhere.
    Undeclared,
    /// What it starts from has another layout here.
    Layout { theirs: u64 },
    /// What it is to start from cannot be read.
    Args { why: String },
    /// So many starts are under way.
    Busy { starts: u32 },
    /// It did not start.
    Start { why: String },
}

/// Starts the foreman of a node, and the supervisors of the types whose actors it starts; nobody, if there are none.
pub(crate) async fn appoint(
    spawners: Vec<MakeSpawner>,
    system: &ActorSystem,
    (roster, tasks): (&RosterHall, &Tasks),
) -> Result<(), NodeError> {
    if spawners.is_empty() {
        return Ok(());
    }
    let mut table = BTreeMap::new();
    for make in spawners {
        let spawner = make(system.clone()).await.map_err(NodeError::Spawnable)?;
        table.insert(spawner.actor_type, spawner);
    }
    let types: Vec<&str> = table.keys().copied().collect();
    let args = (Arc::new(table), tasks.clone());
    let foreman = system.spawn::<Foreman>(args, SpawnOptions::default()).await;
    let foreman = foreman.map_err(NodeError::Spawnable)?;
    for actor_type in types {
        let joined = roster.join(&group_of(actor_type), &foreman);
        joined.map_err(|error| NodeError::Spawnable(StartError::new(format!("{error:?}"))))?;
    }
    Ok(())
}

type Starting = Pin<Box<dyn Future<Output = Result<Address, SpawnRefused>> + Send>>;

/// Starts actors of one type.
pub(crate) struct Spawner {
    pub(crate) actor_type: &'static str,
    layout: Fingerprint,
    start: Arc<dyn Fn(Vec<u8>) -> Starting + Send + Sync>,
}

impl Spawner {
    /// For actors of type `A`, under a supervisor of their own.
    pub(crate) async fn of<A>(
        system: ActorSystem,
        actor_type: &'static str,
        spec: DynamicSpec<A>,
    ) -> Result<Self, StartError>
    where
        A: Actor,
        A::Args: Wire + Schema,
    {
        let supervisor = system.spawn(spec.clone(), SpawnOptions::default()).await?;
        let nursery = Arc::new(Nursery { system, spec, supervisor: Mutex::new(supervisor) });
        let start = move |args| -> Starting { Box::pin(Arc::clone(&nursery).start(args)) };
        Ok(Self { actor_type, layout: Fingerprint::of::<A::Args>(), start: Arc::new(start) })
    }
}

/// The supervisor of the actors of one type that were started for other nodes.
struct Nursery<A: Actor> {
    system: ActorSystem,
    spec: DynamicSpec<A>,
    /// Another one, when it has given up.
    supervisor: Mutex<ActorRef<DynamicSupervisor<A>>>,
}

impl<A: Actor> Nursery<A>
where
    A::Args: Wire,
{
    async fn start(self: Arc<Self>, args: Vec<u8>) -> Result<Address, SpawnRefused> {
        let why = |error: String| SpawnRefused::Start { why: error };
        // An archive is read from an aligned start.
        let payload = Payload::copy_from(&args);
        drop(args);
        let args = <A::Args as Wire>::unarchive(payload.bytes(), &self.system);
        let args = args.map_err(|error| SpawnRefused::Args { why: error.to_string() })?;
        let mut supervisor = self.present();
        let started = match supervisor.start_child(args.clone()).await {
            Err(ChildError::Ended | ChildError::Unreachable(_)) => {
                let next = self.system.spawn(self.spec.clone(), SpawnOptions::default()).await;
                let next = next.map_err(|error| why(error.to_string()))?;
                *self.supervisor.lock().unwrap_or_else(PoisonError::into_inner) = next.clone();
                supervisor = next;
                supervisor.start_child(args).await
            }
            started => started,
        };
        let child = started.map_err(|error| why(error.to_string()))?;
        match child.address() {
            Ok(address) => Ok(address),
            Err(error) => {
                // Nobody would ever find it. One that has ended is no child any more.
                let _ = supervisor.terminate_child(&child).await;
                Err(why(error.to_string()))
            }
        }
    }

    fn present(&self) -> ActorRef<DynamicSupervisor<A>> {
        self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts actors for other nodes.
pub(crate) struct Foreman {
    spawners: Arc<BTreeMap<&'static str, Spawner>>,
    tasks: Tasks,
    /// One permit a start that is under way.
    starts: Arc<tokio::sync::Semaphore>,
}

#[actor(id = "odeon/Foreman", handles(Spawn))]
impl Actor for Foreman {
    type Args = (Arc<BTreeMap<&'static str, Spawner>>, Tasks);

    async fn start(
        (spawners, tasks): Self::Args,
        _: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        let starts = Arc::new(tokio::sync::Semaphore::new(STARTS_MAX));
        Ok(Self { spawners, tasks, starts })
    }
}

impl Foreman {
    fn begin(&self, spawn: Spawn) -> Result<Starting, SpawnRefused> {
        let spawner = self.spawners.get(&*spawn.actor_type).ok_or(SpawnRefused::Undeclared)?;
        if spawner.layout.0 != spawn.layout {
            return Err(SpawnRefused::Layout { theirs: spawner.layout.0 });
        }
        let busy = SpawnRefused::Busy { starts: STARTS_MAX as u32 };
        let permit = Arc::clone(&self.starts).try_acquire_owned().map_err(|_| busy)?;
        let starting = (spawner.start)(spawn.args);
        Ok(Box::pin(async move {
            let started = starting.await;
            drop(permit);
            started
        }))
    }
}

impl Handler<Spawn> for Foreman {
    async fn handle(
        &mut self,
        spawn: Spawn,
        ctx: &mut Context<Self>,
    ) -> Result<Address, SpawnRefused> {
        let starting = self.begin(spawn)?;
        let tasks = self.tasks.clone();
        ctx.defer::<Spawn>(move |responder| {
            // Without room the responder is dropped, and the asker told.
            let _ = tasks.run(async move { responder.reply(starting.await) });
        })
        .await
    }
}
