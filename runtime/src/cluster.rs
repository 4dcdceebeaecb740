//! The cluster, seen from one node: its names, its groups and its topics.
//!
//! What it is: [`Cluster`], from [`Node::cluster`](crate::Node::cluster). What it is NOT: the names of this node alone,
//! which are [`Node::register`](crate::Node::register) and [`RemoteNode`](crate::RemoteNode)'s, or the members, which are
//! [`Node::members`](crate::Node::members). Read `roster.rs` for how every node knows what there is.

pub(crate) mod foreman;
pub(crate) mod group;
pub(crate) mod name;
pub(crate) mod routing;
pub(crate) mod spawning;
pub(crate) mod subscription;
pub(crate) mod topic;

use std::{pin::Pin, sync::Arc};

use odeon_actor::{Actor, ActorIdentity, ActorRef, ExportError, Handler, listed};
use odeon_cluster::{EntryRefused, Roster, Subject, TopicError, check_topic};
use odeon_message::{ActorTypeId, Address, Message, MessageId, NodeId};
use odeon_transport::PeerId;
use tokio::{sync::watch, time::Sleep};

use crate::{
    node::Node,
    remote_node::LookupError,
    roster::{NotEntered, RosterHall, WhenLost},
};
use group::ClusterGroup;
use name::ClusterName;
use subscription::{SubscribeError, SubscribeOptions, Subscription};
use topic::Topic;

/// A name could not be registered, or a group not be joined. State is unchanged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The actor lives on another node.
    #[error("{name:?} was to be given to an actor of another node: let its own node do that")]
    NotHere {
        /// The name, or the group.
        name: Box<str>,
    },
    /// The actor has ended.
    #[error("{name:?} was to be given to an actor that has ended")]
    Ended {
        /// The name, or the group.
        name: Box<str>,
    },
    /// Other nodes cannot reach the actor.
    #[error("{name:?} cannot be given to this actor: {why}")]
    Hidden {
        /// The name, or the group.
        name: Box<str>,
        /// Why, and what to do about it.
        why: ExportError,
    },
    /// The name is too short or too long.
    #[error("{name:?}: a name has 1 to 256 bytes")]
    Length {
        /// The name, or the group, cut to 64 characters.
        name: Box<str>,
    },
    /// Another actor has the name.
    #[error("the name {name:?} belongs to an actor on {node}: choose another, or stop that one")]
    Taken {
        /// The name.
        name: Box<str>,
        /// Where its holder lives.
        node: Box<str>,
    },
    /// The group has members of another type.
    #[error("the group {name:?} has actors of another type, on {node}: choose another name")]
    OtherType {
        /// The group.
        name: Box<str>,
        /// Where one of them lives.
        node: Box<str>,
    },
    /// The names of two groups have one hash.
    #[error(
        "the groups {name:?} and {other:?} cannot be told apart on one node: rename one of them"
    )]
    Alike {
        /// The group.
        name: Box<str>,
        /// The other group.
        other: Box<str>,
    },
    /// This node has not joined a cluster in time, so that nobody could say whether the name is free.
    #[error(
        "{name:?} is not registered, because this node is in no cluster yet: wait for Node::joined"
    )]
    NotJoined {
        /// The name.
        name: Box<str>,
    },
    /// Not all members have confirmed it in time: they did not answer, or see other members than this node. The name was
    /// given back, unless the actor had it in an earlier life of its node.
    #[error(
        "{name:?} is not registered, because {nodes:?} did not confirm it: try again, also when they are gone"
    )]
    Unconfirmed {
        /// The name.
        name: Box<str>,
        /// Who has not confirmed it.
        nodes: Vec<Box<str>>,
    },
    /// This node has too many names and memberships.
    #[error(
        "this node has {max} names, memberships and patterns in the cluster: allow more in RosterConfig"
    )]
    Full {
        /// The bound.
        max: u32,
    },
    /// This node is leaving.
    #[error("this node is leaving the cluster")]
    Leaving,
}

/// A pattern by which somebody listens to messages of one type; from [`Cluster::patterns`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ListenedPattern {
    /// The pattern: words with `.` between, `*` for any one word, `>` for all further ones.
    pub pattern: String,
    /// The type of the messages.
    pub message: MessageId,
    /// The nodes on which somebody listens by it, in the order of their names.
    pub nodes: Vec<String>,
    /// How many subscriptions of this node have it, actors that listen by it among them.
    pub subscriptions: usize,
    /// How many messages those of them that are no actors have lost because their readers were too slow.
    /// [`Cluster::missed`] counts those of all that there ever were, and of actors.
    pub missed: u64,
}

/// The cluster, seen from one node. Cheap to clone.
///
/// Each node knows all names and groups of the cluster: looking something up asks nobody and never waits. What a node
/// has registered is known to the others about one round trip later, and is gone with its actor, or with its node: within
/// a second if that was killed, later if it cannot be heard.
///
/// # Examples
/// ```
/// use odeon::{Actor, Node};
///
/// async fn example<A: Actor>(node: &Node, a: &odeon::ActorRef<A>) -> Result<(), Box<dyn std::error::Error>> {
///     node.cluster().register("scheduler", a).await?; // once in the whole cluster
///     let found = node.cluster().lookup::<A>("scheduler")?; // from any node
///     assert!(found.is_some());
///     node.cluster().group::<A>("workers")?.join(a)?; // any number of actors on any nodes
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Cluster {
    node: Node,
}

impl Cluster {
    pub(crate) fn new(node: Node) -> Self {
        Self { node }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn roster(&self) -> &Arc<RosterHall> {
        self.node.roster()
    }

    /// Gives an actor of this node a name that no other actor of the cluster has, until it is gone.
    ///
    /// Waits until this node is in a cluster, until it has heard of what all members have, and then until all of them have
    /// heard of it and see the same members; all of that for `confirm_within` of [`RosterConfig`](crate::RosterConfig) at
    /// most. So of those who register a name at the same time one succeeds at most, and nobody who has a name loses it to
    /// a node that comes, as long as all members can hear each other. Nodes that cannot hear each other each hold the
    /// others for gone after a while, and may both give the name away; when they hear each other again the older
    /// registration holds, and the younger actor is stopped ([`register_with`](Self::register_with) lets it go on).
    /// Registering again what an actor has waits for nobody.
    ///
    /// # Errors
    /// See [`RegisterError`].
    ///
    /// # Cancel safety
    /// The name is given back, unless the actor had it before, or another call still waits for it.
    pub async fn register<A: Actor>(
        &self,
        name: &str,
        actor: &ActorRef<A>,
    ) -> Result<(), RegisterError> {
        self.register_with(name, actor, WhenLost::Stop).await
    }

    /// As [`register`](Self::register), and says what becomes of the actor if the name turns out to be another's.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    ///
    /// # Cancel safety
    /// The name is given back.
    pub async fn register_with<A: Actor>(
        &self,
        name: &str,
        actor: &ActorRef<A>,
        when_lost: WhenLost,
    ) -> Result<(), RegisterError> {
        let roster = self.roster();
        let (mut late, _waits) = (Box::pin(self.timer()), roster.wait());
        tokio::select! {
            biased;
            // One that leaves is refused by the claim.
            _ = self.node.joined() => {}
            () = &mut late => return Err(RegisterError::NotJoined { name: name.into() }),
        }
        // From before the claim, so that nothing that is heard of it is missed.
        let mut hearsay = roster.hearsay();
        // First what all others have: else the claim of a slow clock would be older than one that was confirmed.
        let is_held = || Ok(roster.with(|roster| roster.holder(name).is_some()));
        self.settled((name, 0), (&mut hearsay, &mut late), is_held).await?;
        let claimed = roster.claim(name, actor, when_lost);
        let (version, since) = claimed.map_err(|error| self.not_entered(name, error))?;
        // Who claims again what it has waits for nobody, and does not lose it.
        let confirmed = roster.is_confirmed(name, actor);
        let mut claim = Claim { roster, name, since, actor, confirmed };
        if !confirmed {
            let held = || self.still_held(name, actor).map(|()| false);
            self.settled((name, version), (&mut hearsay, &mut late), held).await?;
            claim.confirmed = true;
        }
        Ok(())
    }

    /// Waits until all members are settled as of a version, or `is_over` says that there is nothing to wait for.
    async fn settled(
        &self,
        (name, version): (&str, u64),
        (hearsay, late): (&mut watch::Receiver<u64>, &mut Pin<Box<Sleep>>),
        is_over: impl Fn() -> Result<bool, RegisterError>,
    ) -> Result<(), RegisterError> {
        loop {
            let unsettled = self.roster().with(|roster| roster.unsettled(version));
            if is_over()? || unsettled.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                // The sender lives in the roster.
                _ = hearsay.changed() => {}
                () = &mut *late => {
                    let nodes = unsettled.iter().map(|node| self.name_of(*node)).collect();
                    return Err(RegisterError::Unconfirmed { name: name.into(), nodes });
                }
            }
        }
    }

    fn timer(&self) -> Sleep {
        let _entered = self.node.system().runtime().enter();
        tokio::time::sleep(self.roster().config().confirm_within)
    }

    /// Whether the claim stands: it may be another's by now, or its actor be gone.
    fn still_held<A: Actor>(&self, name: &str, actor: &ActorRef<A>) -> Result<(), RegisterError> {
        let own = self.roster().with(|roster| {
            let own = roster.own(&Subject::Name(name.into())).and_then(|entry| entry.address);
            own.map(|own| own.key).ok_or_else(|| roster.holder(name))
        });
        match own {
            Ok(key) if self.roster().key_of(actor) == Some(key) => Ok(()),
            Ok(_) | Err(None) => Err(RegisterError::Ended { name: name.into() }),
            Err(Some(holder)) => {
                Err(RegisterError::Taken { name: name.into(), node: self.name_of(holder.node) })
            }
        }
    }

    /// Takes a name back that an actor of this node has; nothing if it has not.
    pub fn unregister<A: Actor>(&self, name: &str, actor: &ActorRef<A>) {
        self.roster().take_back(actor, &Subject::Name(name.into()));
    }

    /// The actor that has a name in the cluster, as far as this node has heard.
    ///
    /// # Errors
    /// When the type has no id, and when the holder is of another type or takes messages of this type in other layouts
    /// only.
    pub fn lookup<A: Actor>(&self, name: &str) -> Result<Option<ActorRef<A>>, LookupError> {
        let actor_type = type_of::<A>()?;
        let Some(holder) = self.roster().with(|roster| roster.holder(name)) else {
            return Ok(None);
        };
        if holder.actor_type != actor_type {
            let node = self.name_of(holder.node).into();
            return Err(LookupError::OtherType { name: name.to_owned(), node });
        }
        self.check_layouts::<A>(name, holder)?;
        Ok(Some(ActorRef::from_address(self.node.system(), holder)))
    }

    /// Whether the node of an actor takes messages in the layouts of this one, as far as it has said: before the first
    /// connection to it that is not known, and each send says it then.
    fn check_layouts<A: Actor>(&self, name: &str, holder: Address) -> Result<(), LookupError> {
        let peer = PeerId { node: holder.node, incarnation: holder.incarnation };
        let Some(association) = self.node.outbound().known(peer) else { return Ok(()) };
        for ours in listed::<A>() {
            if let Some(theirs) = association.accepts(ours.message)
                && theirs != ours.fingerprint
                && association.has_one_layout(ours.message)
            {
                let (name, node) = (name.to_owned(), self.name_of(holder.node).into());
                let (message, ours) = (ours.name, ours.fingerprint);
                return Err(LookupError::Incompatible { name, node, message, ours, theirs });
            }
        }
        Ok(())
    }

    /// Who has a name in the cluster, now and whenever it changes.
    ///
    /// # Errors
    /// When the type has no id, and when this node has stopped or follows too many names.
    pub fn follow<A: Actor>(&self, name: &str) -> Result<ClusterName<A>, LookupError> {
        let actor_type = type_of::<A>()?;
        ClusterName::new(Arc::clone(self.roster()), name, actor_type).ok_or(LookupError::Stopped)
    }

    /// The actors of one type, on all nodes, that have joined a group of this name.
    ///
    /// # Errors
    /// When the type has no id, and when this node has stopped or follows too many groups.
    pub fn group<A: Actor>(&self, name: &str) -> Result<ClusterGroup<A>, LookupError> {
        let actor_type = type_of::<A>()?;
        ClusterGroup::new(self.clone(), name, actor_type).ok_or(LookupError::Stopped)
    }

    /// A topic to publish messages of one type to: words with `.` between, at most 256 bytes in 32 words.
    ///
    /// # Errors
    /// When that is no topic, and when the message is declared local.
    pub fn topic<M: Message>(&self, topic: &str) -> Result<Topic<M>, TopicError> {
        Topic::new(self.clone(), topic)
    }

    /// Listens to messages of one type on all topics that match a pattern, from any node. In a pattern `*` stands for one
    /// word, and `>` at its end for all further words, of which there must be one: `prices.*.eu`, `prices.>`.
    ///
    /// Nodes on which nobody listens get nothing.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    ///
    /// # Examples
    /// ```
    /// use odeon::{Message, Node, SubscribeError};
    ///
    /// async fn watch<M: Message + std::fmt::Debug>(node: &Node) -> Result<(), SubscribeError> {
    ///     let mut prices = node.cluster().subscribe::<M>("prices.>")?;
    ///     while let Some(price) = prices.next().await {
    ///         println!("{}: {:?}, and {} were missed", price.topic, price.message, prices.missed());
    ///     }
    ///     Ok(()) // this node has stopped
    /// }
    /// ```
    pub fn subscribe<M: Message>(&self, pattern: &str) -> Result<Subscription<M>, SubscribeError> {
        self.subscribe_with(pattern, &SubscribeOptions::default())
    }

    /// As [`subscribe`](Self::subscribe), with other bounds.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_with<M: Message>(
        &self,
        pattern: &str,
        options: &SubscribeOptions,
    ) -> Result<Subscription<M>, SubscribeError> {
        Subscription::new(self.roster(), pattern, options)
    }

    /// Lets an actor of this node listen to messages of one type, which it lists in `handles(…)`, on all topics that match
    /// a pattern, until it ends; again changes nothing. It gets the messages without their topics, as ordinary messages
    /// in its mailbox; one for which there is no room then is lost, and [counted](Self::missed).
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn subscribe_actor<A: Handler<M>, M: Message>(
        &self,
        pattern: &str,
        actor: &ActorRef<A>,
    ) -> Result<(), SubscribeError> {
        subscription::listen(self.roster(), pattern, actor)
    }

    /// Lets an actor listen no more by a pattern.
    pub fn unsubscribe_actor<A: Handler<M>, M: Message>(&self, pattern: &str, actor: &ActorRef<A>) {
        let message = M::CODEC.map(|codec| codec.id());
        if let ActorIdentity::Local(number) = actor.identity() {
            let which = |by: &str, of| by == pattern && Some(of) == message;
            self.roster().hear_by_no_more(number, which);
        }
    }

    /// On how many other nodes somebody listens to messages of this type on a topic, as far as this node has heard; 0 of
    /// what is no topic, such as a pattern.
    #[must_use]
    pub fn listening_nodes<M: Message>(&self, topic: &str) -> usize {
        if check_topic(topic).is_err() {
            return 0;
        }
        let message = M::CODEC.map(|codec| codec.id());
        self.roster().with(|roster| message.map_or(0, |it| roster.listeners(topic, it).len()))
    }

    /// How many messages all subscriptions of this node together have lost because their readers were too slow.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.roster().listeners.missed()
    }

    /// All names of the cluster, in their order, each with the node of its holder; as far as this node has heard.
    #[must_use]
    pub fn names(&self) -> Vec<(String, String)> {
        let holder =
            |(name, address): (&str, Address)| (name.to_owned(), self.name_of(address.node).into());
        self.roster().with(|roster| roster.names().map(holder).collect())
    }

    /// All groups of the cluster, in the order of their names, each with how many members it has. Names that begin with
    /// `odeon.` are the nodes' own, and are left out.
    #[must_use]
    pub fn groups(&self) -> Vec<(String, usize)> {
        let group = |(name, members): (&str, usize)| (name.to_owned(), members);
        let groups = |roster: &Roster| {
            let users = roster.groups().filter(|(name, _)| !name.starts_with(foreman::RESERVED));
            users.map(group).collect()
        };
        self.roster().with(groups)
    }

    /// All patterns by which somebody in the cluster listens to topics, in their order, as far as this node has heard.
    /// Those to which a topic goes are counted by [`listening_nodes`](Self::listening_nodes).
    #[must_use]
    pub fn patterns(&self) -> Vec<ListenedPattern> {
        let mut here = self.roster().listeners.patterns();
        let all = self.roster().with(Roster::patterns).into_iter();
        let pattern = |((pattern, message), nodes): ((Box<str>, MessageId), Vec<NodeId>)| {
            let mut nodes: Vec<String> =
                nodes.into_iter().map(|node| self.name_of(node).into()).collect();
            nodes.sort_unstable();
            let of = (pattern, message);
            let (subscriptions, missed) = here.remove(&of).unwrap_or_default();
            ListenedPattern { pattern: of.0.into(), message, nodes, subscriptions, missed }
        };
        all.map(pattern).collect()
    }

    /// What people call a node; its id if it is no member any more.
    pub(crate) fn name_of(&self, node: NodeId) -> Box<str> {
        if node == self.node.id() {
            return self.node.name().into();
        }
        match self.node.directory().member(node) {
            Some(member) => member.name.into(),
            None => node.to_string().into(),
        }
    }

    pub(crate) fn not_entered(&self, name: &str, error: NotEntered) -> RegisterError {
        let cut = || name.chars().take(64).collect::<String>().into_boxed_str();
        match error {
            NotEntered::NotHere => RegisterError::NotHere { name: name.into() },
            NotEntered::Ended => RegisterError::Ended { name: name.into() },
            NotEntered::Leaving => RegisterError::Leaving,
            NotEntered::Hidden(why) => RegisterError::Hidden { name: name.into(), why },
            NotEntered::Alike(other) => RegisterError::Alike { name: name.into(), other },
            NotEntered::Refused(EntryRefused::Taken { holder }) => {
                RegisterError::Taken { name: name.into(), node: self.name_of(holder.node) }
            }
            NotEntered::Refused(EntryRefused::Full { max }) => RegisterError::Full { max },
            NotEntered::Refused(_) => RegisterError::Length { name: cut() },
        }
    }
}

/// A claim, until somebody waits for it no more; if not all have heard of it by then, it is withdrawn.
struct Claim<'a, A: Actor> {
    roster: &'a RosterHall,
    name: &'a str,
    since: u64,
    actor: &'a ActorRef<A>,
    confirmed: bool,
}

impl<A: Actor> Drop for Claim<'_, A> {
    fn drop(&mut self) {
        self.roster.claim_ends((self.name, self.since), self.actor, self.confirmed);
    }
}

/// The id of an actor type that other nodes can know.
pub(crate) fn type_of<A: Actor>() -> Result<ActorTypeId, LookupError> {
    A::ID.map(ActorTypeId::of).ok_or(LookupError::LocalType)
}
