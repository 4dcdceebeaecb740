//! The registrar: answers other nodes' questions about this node's names.
//!
//! What it is: an actor at a place that every node knows, slot 0, asked by `remote_node.rs` on other nodes with
//! ordinary messages. What it is NOT: the registry, which is the actor system's; it only looks there. A name that is
//! followed has a task of its own here, which ends with its follower.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use odeon_actor::{
    Actor, ActorIdentity, ActorRef, ActorSystem, AnyRef, Context, ExportError, Handler,
    NameChanges, NameState, StartError, Terminated,
};
use odeon_env::buggify_number;
use odeon_macros::{actor, data, message};
use odeon_message::{ActorKey, ActorTypeId, Address, Incarnation, NodeId};

use crate::{
    drain::Gate,
    follower::Follower,
    tasks::{TaskHandle, Tasks},
};

/// Most names that other nodes may follow on one node at a time.
const FOLLOWED_MAX: usize = 16_384;

/// Longest name that can be asked for, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The id of the registrar's type.
const TYPE: &str = "odeon/Registrar";

/// Who has a name, and as of when. An answer and a change travel in different lanes: the greater incarnation and version
/// is the later one.
#[data]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    pub(crate) holder: Option<Address>,
    /// Why the holder cannot be reached, if there is one without an address.
    pub(crate) hidden: Option<Hidden>,
    /// The life of the node.
    pub(crate) incarnation: Incarnation,
    /// How many changes of names there had been in this life.
    pub(crate) version: u64,
}

/// Why an actor has no address.
#[data]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hidden {
    /// Its type has no id.
    NoId,
    /// Its type was not declared.
    Undeclared,
    /// So many actors of its node are reachable already.
    Full { actors: u32 },
}

impl Hidden {
    fn of(error: ExportError) -> Option<Self> {
        match error {
            ExportError::NoId => Some(Self::NoId),
            ExportError::Undeclared => Some(Self::Undeclared),
            ExportError::Full(actors) => Some(Self::Full { actors }),
            // It ended just now: nobody has the name.
            _ => None,
        }
    }

    /// What is to be said and done about it.
    pub(crate) fn error(self) -> ExportError {
        match self {
            Self::NoId => ExportError::NoId,
            Self::Undeclared => ExportError::Undeclared,
            Self::Full { actors } => ExportError::Full(actors),
        }
    }
}

impl Holding {
    /// What other nodes are told of any name once this one drains: nobody holds it, and nothing later counts.
    fn withdrawn(system: &ActorSystem) -> Self {
        let incarnation = system.incarnation();
        Self { holder: None, hidden: None, incarnation, version: u64::MAX }
    }

    pub(crate) fn of(system: &ActorSystem, state: &NameState) -> Self {
        let address = state.holder.as_ref().map(AnyRef::address);
        let (holder, hidden) = match address {
            None => (None, None),
            Some(Ok(holder)) => (Some(holder), None),
            Some(Err(error)) => (None, Hidden::of(error)),
        };
        Self { holder, hidden, incarnation: system.incarnation(), version: state.version }
    }
}

/// Who has this name?
#[message(id = "odeon/Lookup", reply = Holding)]
pub(crate) struct Lookup {
    pub(crate) name: String,
}

/// Tell me who has this name, now and whenever it changes.
#[message(id = "odeon/Follow", error = FollowRefused)]
pub(crate) struct Follow {
    pub(crate) name: String,
    pub(crate) follower: ActorRef<Follower>,
}

/// A name cannot be followed.
#[data]
#[derive(Debug)]
pub(crate) struct FollowRefused {
    pub(crate) why: String,
}

/// Answers for the names of its node.
pub(crate) struct Registrar {
    tasks: Tasks,
    gate: Arc<Gate>,
    /// One name a follower: whoever asks again, because an answer was lost, is told by a new task.
    following: BTreeMap<ActorIdentity, TaskHandle>,
}

impl Registrar {
    /// Its place on every node.
    pub(crate) const KEY: ActorKey = ActorKey { slot: 0, generation: 0 };

    /// Where the registrar of that life of a node is.
    pub(crate) fn address(node: NodeId, incarnation: Incarnation) -> Address {
        Address { node, incarnation, key: Self::KEY, actor_type: ActorTypeId::of(TYPE) }
    }

    fn follow(&mut self, follow: Follow, ctx: &mut Context<Self>) -> Result<(), FollowRefused> {
        let refused = |why: String| FollowRefused { why };
        let known = self.following.contains_key(&follow.follower.identity());
        if !known && self.following.len() >= FOLLOWED_MAX {
            return Err(refused(format!("{FOLLOWED_MAX} names of this node are followed already")));
        }
        if follow.name.len() > NAME_BYTES_MAX {
            return Err(refused(format!("the name has more than {NAME_BYTES_MAX} bytes")));
        }
        let changes =
            ctx.system().subscribe(&follow.name).map_err(|error| refused(error.to_string()))?;
        let task = self
            .tasks
            .spawn(tell_names(
                ctx.system().clone(),
                changes,
                follow.follower.clone(),
                Arc::clone(&self.gate),
            ))
            .ok_or_else(|| refused("the node is stopping".to_owned()))?;
        ctx.watch(&follow.follower);
        self.following.insert(follow.follower.identity(), task);
        Ok(())
    }
}

#[actor(id = "odeon/Registrar", handles(Lookup, Follow))]
impl Actor for Registrar {
    type Args = (Tasks, Arc<Gate>);

    async fn start((tasks, gate): Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { tasks, gate, following: BTreeMap::new() })
    }

    async fn terminated(&mut self, terminated: Terminated, _: &mut Context<Self>) {
        // Dropping its handle ends the task.
        self.following.remove(&terminated.who);
    }
}

impl Handler<Lookup> for Registrar {
    async fn handle(&mut self, lookup: Lookup, ctx: &mut Context<Self>) -> Holding {
        if let Some(ms) = buggify_number!(1..100) {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        if self.gate.is_hidden() {
            return Holding::withdrawn(ctx.system());
        }
        Holding::of(ctx.system(), &ctx.system().name_state(&lookup.name))
    }
}

impl Handler<Follow> for Registrar {
    async fn handle(
        &mut self,
        follow: Follow,
        ctx: &mut Context<Self>,
    ) -> Result<(), FollowRefused> {
        self.follow(follow, ctx)
    }
}

/// Tells a follower every change of a name until the node drains, and then that nobody holds it.
async fn tell_names(
    system: ActorSystem,
    changes: NameChanges,
    follower: ActorRef<Follower>,
    gate: Arc<Gate>,
) {
    tokio::select! {
        biased;
        () = gate.was_hidden() => tell(&follower, Holding::withdrawn(&system)).await,
        () = tell_changes(&system, changes, &follower) => {}
    }
}

/// Tells a follower every change of a name, in order; a follower that cannot be told hears it when it asks again.
async fn tell_changes(
    system: &ActorSystem,
    mut changes: NameChanges,
    follower: &ActorRef<Follower>,
) {
    while let Some(state) = changes.next_state().await {
        if let Some(ms) = buggify_number!(1..100) {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        tell(follower, Holding::of(system, &state)).await;
    }
}

async fn tell(follower: &ActorRef<Follower>, holding: Holding) {
    if let Err(error) = follower.tell(NameIs { holding }).await {
        tracing::debug!(%error, "a follower was not told of a name");
    }
}

/// The name has this holder now.
#[message(id = "odeon/NameIs")]
pub(crate) struct NameIs {
    pub(crate) holding: Holding,
}
