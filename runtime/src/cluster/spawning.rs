//! Starting actors on other nodes.
//!
//! What it is: the choice of the node, the ask, and what can be wrong with it. What it is NOT: the start, which is the
//! foreman's of that node (`foreman.rs`).

use std::{cell::Cell, fmt, sync::Arc};

use odeon_actor::{Actor, ActorRef, strategy};
use odeon_cluster::Profile;
use odeon_message::{ActorTypeId, Address, AskError, Certainty, Fingerprint, NodeId, Schema, Wire};

use super::{
    Cluster,
    foreman::{Foreman, Spawn, SpawnRefused, group_of},
};
use crate::phase::Phase;

/// On which node an actor is started.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SpawnPlace {
    /// On the node of this name, this one or another.
    Node(String),
    /// On any node that starts actors of the type for others, one after the other.
    Any,
    /// On one of them that [says](crate::Profile) it has this role, one after the other.
    Role(String),
    /// On one of them that says it is in this zone, one after the other.
    Zone(String),
    /// On the one that says it is the least [loaded](crate::Profile::load); among equals one after the other.
    LeastLoaded,
    /// On the node that a key belongs to, among those that start actors of the type: the same one from everywhere, as
    /// long as the same are there.
    Key(u64),
}

impl SpawnPlace {
    /// On the node of this name.
    #[must_use]
    pub fn node(name: impl Into<String>) -> Self {
        Self::Node(name.into())
    }

    /// On a node with this role.
    #[must_use]
    pub fn role(role: impl Into<String>) -> Self {
        Self::Role(role.into())
    }

    /// On a node in this zone.
    #[must_use]
    pub fn zone(zone: impl Into<String>) -> Self {
        Self::Zone(zone.into())
    }
}

impl fmt::Display for SpawnPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => f.write_str(name),
            Self::Any => f.write_str("any node"),
            Self::Role(role) => write!(f, "a node with the role {role}"),
            Self::Zone(zone) => write!(f, "a node in the zone {zone}"),
            Self::LeastLoaded => f.write_str("the least loaded node"),
            Self::Key(_) => f.write_str("the node of the key"),
        }
    }
}

/// An actor was not started elsewhere, or it is not known whether it was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The type has no id.
    #[error("actors of this type cannot be started elsewhere: give it an id, #[actor(id = \"…\")]")]
    LocalType,
    /// What the actor is to start from cannot be archived.
    #[error("what the {actor_type} is to start from cannot be sent: {why}")]
    Unsendable {
        /// The type of the actor.
        actor_type: &'static str,
        /// Why.
        why: String,
    },
    /// No such node starts actors of this type for others.
    #[error(
        "{actor_type} is started for others on no such node now ({place}): declare it there, with \
         NodeBuilder::spawnable, or try again when such a node is there"
    )]
    Nowhere {
        /// The type of the actor.
        actor_type: &'static str,
        /// Where.
        place: String,
    },
    /// The nodes that start actors of this type are about to leave.
    #[error(
        "the nodes that start {actor_type} for others are about to leave ({place}): try again when others are there"
    )]
    Leaving {
        /// The type of the actor.
        actor_type: &'static str,
        /// Where.
        place: String,
    },
    /// What it starts from has another layout there.
    #[error(
        "{actor_type} starts from something else on {node} ({theirs}) than here ({ours}): let both run the same version"
    )]
    Layout {
        /// The type of the actor.
        actor_type: &'static str,
        /// The node.
        node: Box<str>,
        /// The layout there.
        theirs: Fingerprint,
        /// The layout here.
        ours: Fingerprint,
    },
    /// So many starts are under way there.
    #[error("{node} starts {starts} actors for others already: try again")]
    Busy {
        /// The node.
        node: Box<str>,
        /// How many.
        starts: u32,
    },
    /// It did not start.
    #[error("{actor_type} did not start on {node}: {why}")]
    Start {
        /// The type of the actor.
        actor_type: &'static str,
        /// The node.
        node: Box<str>,
        /// Why.
        why: String,
    },
    /// The node did not answer.
    #[error("{node} did not answer: {failure}")]
    NoAnswer {
        /// The node.
        node: Box<str>,
        /// What happened, in words.
        failure: String,
        /// Whether the actor may have been started.
        certainty: Certainty,
    },
}

impl Cluster {
    /// Starts an actor on a node that the place names, from what it starts from there as anywhere.
    ///
    /// The type must be declared on that node with [`NodeBuilder::spawnable`](crate::NodeBuilder::spawnable), which says
    /// how it is supervised: by a supervisor of that node, not by whoever starts it. It ends by itself, or with its node;
    /// watch it to be told.
    ///
    /// # Errors
    /// See [`SpawnError`].
    ///
    /// # Cancel safety
    /// The actor may be started all the same, and then nobody has its reference.
    ///
    /// # Examples
    /// ```
    /// use odeon::{Actor, Node, Schema, SpawnError, SpawnPlace, Wire};
    ///
    /// async fn delegate<A: Actor>(node: &Node, args: A::Args) -> Result<(), SpawnError>
    /// where
    ///     A::Args: Wire + Schema,
    /// {
    ///     let near = node.cluster().spawn_on::<A>(SpawnPlace::node("b"), args.clone()).await?;
    ///     let somewhere = node.cluster().spawn_on::<A>(SpawnPlace::Any, args).await?;
    ///     # let _ = (near, somewhere);
    ///     Ok(())
    /// }
    /// ```
    pub async fn spawn_on<A>(
        &self,
        place: SpawnPlace,
        args: A::Args,
    ) -> Result<ActorRef<A>, SpawnError>
    where
        A: Actor,
        A::Args: Wire + Schema,
    {
        let actor_type = A::ID.ok_or(SpawnError::LocalType)?;
        let foreman = self.foreman(actor_type, &place)?;
        let mut archive = Vec::new();
        args.archive(&mut archive).map_err(|error| {
            let why = error.to_string();
            SpawnError::Unsendable { actor_type, why }
        })?;
        drop(args);
        let node = self.name_of(foreman.node);
        let ours = Fingerprint::of::<A::Args>();
        let spawn = Spawn { actor_type: actor_type.into(), layout: ours.0, args: archive };
        let system = self.node().system();
        let foreman = ActorRef::<Foreman>::from_address(system, foreman);
        match foreman.ask(spawn).await {
            Ok(address) if address.actor_type == ActorTypeId::of(actor_type) => {
                Ok(ActorRef::from_address(system, address))
            }
            Ok(_) => Err(SpawnError::Start {
                actor_type,
                node,
                why: "an actor of another type was started".into(),
            }),
            Err(AskError::Handler(refused)) => {
                Err(refused_by(refused, (actor_type, node, place.to_string()), ours))
            }
            Err(error) => {
                let (failure, certainty) = (error.to_string(), error.certainty());
                Err(SpawnError::NoAnswer { node, failure, certainty })
            }
        }
    }

    /// The nodes that start actors of this type for others, by their names, as far as this node has heard.
    #[must_use]
    pub fn spawns_on<A: Actor>(&self) -> Vec<String> {
        let group = A::ID.map(group_of);
        let foremen = group.map(|group| self.roster().with(|roster| roster.members(&group)));
        foremen.into_iter().flatten().map(|foreman| self.name_of(foreman.node).into()).collect()
    }

    /// The foreman that starts actors of this type at such a place. A node that is about to leave takes nothing new.
    fn foreman(&self, actor_type: &'static str, place: &SpawnPlace) -> Result<Address, SpawnError> {
        let group = group_of(actor_type);
        let foremen = self.roster().with(|roster| roster.members(&group));
        let is_leaving = Cell::new(false);
        let staying = |fits: &dyn Fn(&Profile) -> bool| {
            let of = |foreman: Address| Some((foreman, self.said_by(foreman.node)?));
            let all = foremen.iter().copied().filter_map(of);
            let fitting = all.filter(|(_, (profile, _))| fits(profile));
            let (leaving, staying): (Vec<_>, Vec<_>) =
                fitting.partition(|(_, (_, leaves))| *leaves);
            is_leaving.set(!leaving.is_empty());
            staying
                .into_iter()
                .map(|(foreman, (profile, _))| (foreman, profile))
                .collect::<Vec<_>>()
        };
        let turn = || self.roster().next_turn();
        let in_turn = |some: Vec<(Address, Arc<Profile>)>| {
            Some(some[strategy::round_robin(turn(), some.len())?].0)
        };
        let foreman = match place {
            SpawnPlace::Node(name) => {
                let id = NodeId::of(name);
                // Its entries may be gone already, or not yet.
                is_leaving.set(self.said_by(id).is_some_and(|(_, leaves)| leaves));
                let foreman = foremen.iter().find(|foreman| foreman.node == id).copied();
                foreman.filter(|_| !is_leaving.get())
            }
            SpawnPlace::Any => in_turn(staying(&|_| true)),
            SpawnPlace::Role(role) => in_turn(staying(&|it| it.roles.contains(role))),
            SpawnPlace::Zone(zone) => in_turn(staying(&|it| it.zone == *zone)),
            SpawnPlace::LeastLoaded => {
                let all = staying(&|_| true);
                let loads: Vec<usize> = all.iter().map(|(_, it)| it.load.into()).collect();
                strategy::least_loaded(turn(), &loads).map(|at| all[at].0)
            }
            SpawnPlace::Key(key) => {
                let all = staying(&|_| true);
                let at = strategy::rendezvous(*key, all.iter().map(|(it, _)| it.node.0));
                at.map(|at| all[at].0)
            }
        };
        let place = || place.to_string();
        foreman.ok_or_else(|| match is_leaving.get() {
            true => SpawnError::Leaving { actor_type, place: place() },
            false => SpawnError::Nowhere { actor_type, place: place() },
        })
    }

    /// What a node says of itself, and whether it is about to leave.
    fn said_by(&self, node: NodeId) -> Option<(Arc<Profile>, bool)> {
        if node == self.node().id() {
            let leaves = self.node().phase() >= Phase::Leaving;
            return Some((Arc::new(self.node().profile()), leaves));
        }
        let member = self.node().directory().member(node)?;
        Some((member.profile, member.leaving))
    }
}

fn refused_by(
    refused: SpawnRefused,
    (actor_type, node, place): (&'static str, Box<str>, String),
    ours: Fingerprint,
) -> SpawnError {
    match refused {
        SpawnRefused::Undeclared => SpawnError::Nowhere { actor_type, place },
        SpawnRefused::Layout { theirs } => {
            SpawnError::Layout { actor_type, node, theirs: Fingerprint(theirs), ours }
        }
        SpawnRefused::Busy { starts } => SpawnError::Busy { node, starts },
        SpawnRefused::Args { why } | SpawnRefused::Start { why } => {
            SpawnError::Start { actor_type, node, why }
        }
    }
}
