//! Groups of the cluster: actors of one type on any nodes that are sent to as one.
//!
//! What it is: the handle, joining and leaving, the changes, and the broadcast, which is one message to each node that
//! has members. What it is NOT: a group of one node, which is [`Group`](crate::Group). Read `routing.rs` for who is
//! picked, `roster/fan.rs` for how a message reaches all members of a node.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::poll_fn,
    hash::Hash,
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use odeon_actor::{
    Actor, ActorIdentity, ActorRef, Aim, Broadcast, Handler, Target, Tell, strategy,
};
use odeon_cluster::{Subject, Touched};
use odeon_message::{ActorTypeId, Address, Failure, FailureKind, Message, TellError};
use tokio::sync::watch;

use super::{
    Cluster, RegisterError,
    routing::{ClusterStrategy, Member, Roll, Route, Shared, Told},
};
use crate::{remote_node::LookupError, roster::RosterHall};

/// Actors of one type, on any nodes, that are sent to as one; from [`Cluster::group`]. Clones share their turns.
///
/// Whoever has joined is a member until it leaves or ends, or its node is gone. Each node knows all members, about one
/// round trip after they joined; a message to one that has just ended fails as one to any actor that has.
///
/// # Examples
/// ```
/// use odeon::{Actor, ActorRef, Handler, Message, Node};
///
/// async fn work<A: Actor + Handler<M>, M: Message + Clone>(
///     node: &Node,
///     worker: &ActorRef<A>,
///     job: M,
/// ) -> Result<(), Box<dyn std::error::Error>> {
///     use odeon::Target; // for `ask` and `tell`
///     let workers = node.cluster().group::<A>("workers")?;
///     workers.join(worker)?;
///     workers.broadcast(job.clone()).await; // to all, one message a node
///     let _ = workers.round_robin().ask(job).await; // to one after the other
///     Ok(())
/// }
/// ```
pub struct ClusterGroup<A: Actor> {
    cluster: Cluster,
    shared: Arc<Shared<A>>,
}

impl<A: Actor> ClusterGroup<A> {
    pub(crate) fn new(cluster: Cluster, name: &str, actor_type: ActorTypeId) -> Option<Self> {
        let roster = Arc::clone(cluster.node().roster());
        let sign = roster.signs.follow(Touched::Group(name.into()))?;
        let shared = Arc::new(Shared::new(roster, name, actor_type, sign));
        Some(Self { cluster, shared })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Lets an actor of this node join, until it leaves or has ended; again changes nothing. A restart by its supervisor
    /// is no end.
    ///
    /// # Errors
    /// See [`RegisterError`]: when the actor lives elsewhere, has ended or cannot be reached by other nodes, and when a
    /// group of this name has members of another type.
    pub fn join(&self, actor: &ActorRef<A>) -> Result<(), RegisterError> {
        let name = &self.shared.name;
        let members = self.shared.roster.with(|roster| roster.members(name));
        if let Some(other) = members.iter().find(|it| it.actor_type != self.shared.actor_type) {
            let node = self.cluster.name_of(other.node);
            return Err(RegisterError::OtherType { name: name.clone(), node });
        }
        let joined = self.shared.roster.join(name, actor);
        joined.map_err(|error| self.cluster.not_entered(name, error))
    }

    /// Lets an actor of this node leave; nothing if it is no member.
    pub fn leave(&self, actor: &ActorRef<A>) {
        if let Some(key) = self.shared.roster.key_of(actor) {
            let group = self.shared.name.clone();
            self.shared.roster.take_back(actor, &Subject::Member { group, actor: key });
        }
    }

    /// The members of all nodes, as far as this node has heard.
    #[must_use]
    pub fn members(&self) -> Vec<ActorRef<A>> {
        self.shared.roll().members.iter().map(|member| member.actor.clone()).collect()
    }

    /// How many members there are, as far as this node has heard.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.roll().members.len()
    }

    /// Whether there is no member, as far as this node has heard.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The members, and then each that comes or goes, without a gap.
    ///
    /// # Errors
    /// When this node has stopped, or follows too many groups.
    pub fn changes(&self) -> Result<GroupChanges<A>, LookupError> {
        let roster = Arc::clone(&self.shared.roster);
        let sign = roster.signs.follow(Touched::Group(self.shared.name.clone()));
        let mut sign = sign.ok_or(LookupError::Stopped)?;
        sign.mark_changed();
        let (name, actor_type) = (self.shared.name.clone(), self.shared.actor_type);
        let (known, ready) = (BTreeMap::new(), VecDeque::new());
        Ok(GroupChanges { roster, name, actor_type, sign, known, ready })
    }

    /// Sends to one member after the other, over all nodes.
    #[must_use]
    pub fn round_robin(&self) -> ClusterRouted<A> {
        self.routed(ClusterStrategy::RoundRobin)
    }

    /// Sends to any member.
    #[must_use]
    pub fn random(&self) -> ClusterRouted<A> {
        self.routed(ClusterStrategy::Random)
    }

    /// Sends to the member with the fewest asks of this node that wait for an answer; tells are spread evenly. Looks at
    /// every member.
    #[must_use]
    pub fn least_loaded(&self) -> ClusterRouted<A> {
        self.routed(ClusterStrategy::LeastLoaded)
    }

    /// Sends to one member of this node after the other; to all nodes' while there is none here.
    #[must_use]
    pub fn prefer_local(&self) -> ClusterRouted<A> {
        self.routed(ClusterStrategy::PreferLocal)
    }

    /// Sends to the member that the key belongs to, the same from every node that knows the same members. Looks at every
    /// member; see [`strategy::rendezvous`].
    #[must_use]
    pub fn consistent_hash(&self, key: &(impl Hash + ?Sized)) -> ClusterRouted<A> {
        self.routed(ClusterStrategy::ConsistentHash(strategy::hash_of(key)))
    }

    /// Sends by this strategy.
    #[must_use]
    pub fn routed(&self, strategy: ClusterStrategy) -> ClusterRouted<A> {
        ClusterRouted { router: Arc::new(Route { shared: Arc::clone(&self.shared), strategy }) }
    }

    /// Tells every member that this node knows of at this moment: those of this node one by one, those of each other node
    /// with one message, which is given to each of them there. Waits for room where there is none, as
    /// [`ActorRef::tell`] does, at all of them at once.
    ///
    /// What one handle broadcasts comes to a member in order; it has no order with what is told to the member directly. A
    /// member whose mailbox is full holds up its node's further broadcasts to this group, once they fill the credit of one
    /// receiver.
    ///
    /// # Cancel safety
    /// Those who had room have the message; the others do not get it.
    pub async fn broadcast<M: Message + Clone>(&self, message: M) -> Broadcast
    where
        A: Handler<M>,
    {
        match self.shared.tell_only_node(message) {
            Told::Done(broadcast) => broadcast,
            Told::NotYet(message) => self.broadcast_to(&self.shared.roll(), message).await,
        }
    }

    /// As [`broadcast`](Self::broadcast), where several take it, or it has to wait.
    async fn broadcast_to<M: Message + Clone>(&self, roll: &Roll<A>, message: M) -> Broadcast
    where
        A: Handler<M>,
    {
        let here = roll.here.iter().map(|it| (&it.actor, std::slice::from_ref(it)));
        let abroad = roll.abroad.iter().map(|it| (&it.all, &it.members[..]));
        let mut broadcast = Broadcast::default();
        let mut recipients = here.chain(abroad);
        if roll.here.len() + roll.abroad.len() == 1
            && let Some((actor, members)) = recipients.next()
        {
            // Nothing is to be copied, nor waited for beside it.
            count(&mut broadcast, members, actor.tell(message).await);
            return broadcast;
        }
        let mut waiting = Vec::new();
        for (actor, members) in recipients {
            match actor.try_tell(message.clone()) {
                Err(TellError { failure, message: Some(message) })
                    if failure.kind == FailureKind::Full =>
                {
                    waiting.push((members, actor.tell(message)));
                }
                told => count(&mut broadcast, members, told),
            }
        }
        drop(message);
        poll_fn(|cx| {
            let poll =
                |(members, tell): &mut (&[Arc<Member<A>>], Tell<'_, A, M>)| match Pin::new(tell)
                    .poll(cx)
                {
                    Poll::Ready(told) => {
                        count(&mut broadcast, members, told);
                        false
                    }
                    Poll::Pending => true,
                };
            waiting.retain_mut(poll);
            if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        broadcast
    }
}

/// Notes what became of a message to the members of one node.
pub(super) fn count<A: Actor, M>(
    broadcast: &mut Broadcast,
    members: &[Arc<Member<A>>],
    told: Result<(), TellError<M>>,
) {
    match told {
        Ok(()) => broadcast.told += members.len(),
        Err(TellError { failure, .. }) => {
            let failed = |member: &Arc<Member<A>>| -> (ActorIdentity, Failure) {
                (member.actor.identity(), failure.clone())
            };
            broadcast.failed.extend(members.iter().map(failed));
        }
    }
}

impl<A: Actor> Clone for ClusterGroup<A> {
    fn clone(&self) -> Self {
        Self { cluster: self.cluster.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<A: Actor> fmt::Debug for ClusterGroup<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterGroup({:?}, {} members)", self.name(), self.len())
    }
}

/// A group of the cluster by one of its strategies: a [`Target`]. Cheap to clone.
pub struct ClusterRouted<A: Actor> {
    router: Arc<Route<A>>,
}

impl<A: Actor> Clone for ClusterRouted<A> {
    fn clone(&self) -> Self {
        Self { router: Arc::clone(&self.router) }
    }
}

impl<A: Actor> Target for ClusterRouted<A> {
    type Actor = A;

    fn aim(&self) -> Aim<A> {
        Aim::routed(Arc::clone(&self.router) as _)
    }
}

impl<A: Actor> fmt::Debug for ClusterRouted<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterRouted({:?}, {:?})", self.router.shared.name, self.router.strategy)
    }
}

/// A group has another member, or one less.
#[non_exhaustive]
pub enum GroupChange<A: Actor> {
    /// This actor is a member.
    Joined(ActorRef<A>),
    /// It is no member any more: it has left, ended, or was lost with its node.
    Left(ActorRef<A>),
}

impl<A: Actor> Clone for GroupChange<A> {
    fn clone(&self) -> Self {
        match self {
            Self::Joined(actor) => Self::Joined(actor.clone()),
            Self::Left(actor) => Self::Left(actor.clone()),
        }
    }
}

impl<A: Actor> fmt::Debug for GroupChange<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined(actor) => write!(f, "Joined({actor:?})"),
            Self::Left(actor) => write!(f, "Left({actor:?})"),
        }
    }
}

/// The members of a group and their changes; from [`ClusterGroup::changes`].
///
/// First each member there is, then each that comes or goes. A slow reader is told the difference between what it knew
/// and what is: of one that joined and left in the meantime it hears nothing.
pub struct GroupChanges<A: Actor> {
    roster: Arc<RosterHall>,
    name: Box<str>,
    actor_type: ActorTypeId,
    sign: watch::Receiver<u64>,
    known: BTreeMap<Address, ActorRef<A>>,
    ready: VecDeque<GroupChange<A>>,
}

impl<A: Actor> GroupChanges<A> {
    /// The next change; `None` once this node has stopped.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<GroupChange<A>> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            if self.sign.changed().await.is_err() {
                return None;
            }
            self.sign.borrow_and_update();
            self.compare();
        }
    }

    /// Compares what is known with what is.
    fn compare(&mut self) {
        let members = self.roster.with(|roster| roster.members(&self.name));
        let ours = |address: &Address| address.actor_type == self.actor_type;
        let mut before = std::mem::take(&mut self.known);
        let mut joined = Vec::new();
        for address in members.into_iter().filter(ours) {
            let actor = before.remove(&address).unwrap_or_else(|| {
                let actor = ActorRef::from_address(self.roster.system(), address);
                joined.push(GroupChange::Joined(ActorRef::clone(&actor)));
                actor
            });
            self.known.insert(address, actor);
        }
        self.ready.extend(before.into_values().map(GroupChange::Left));
        self.ready.extend(joined);
    }
}
