//! Groups: actors of one type on this node that are sent to as one.
//!
//! A member joins by its reference and is out when it leaves or has ended; its end is told under the same lock as any
//! watch, so none that has ended stays. A pick reads the members of the moment and does not wait. What it is NOT:
//! cluster-wide, or an actor; nothing stands between a sender and the member it picks. Read `strategy.rs` for who is
//! picked, `pool.rs` for a group whose members are started as they are needed.

mod named;

use std::{
    fmt,
    future::poll_fn,
    hash::Hash,
    pin::Pin,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
};

use odeon_message::{Failure, FailureKind, Message, TellError};

use crate::{
    Actor, ActorRef, Aim, Handler, Identity, Pick, Router, Target, Tell,
    strategy::{self, Strategy},
    watchers::{EndHook, Watcher},
};

pub(crate) use named::Groups;

/// An actor could not join, or there is no such group. State is unchanged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// A group of this name has members of another type.
    #[error("the group {name:?} is of another type of actor, {kind}: choose another name")]
    OtherType {
        /// The name.
        name: Box<str>,
        /// The type of its members.
        kind: &'static str,
    },
    /// The actor lives on another node.
    #[error("a member of a group lives on the group's node: let a group of its own node have it")]
    NotHere,
    /// The actor has ended.
    #[error("the actor has ended")]
    Ended,
    /// Too many members.
    #[error("the group has {max} members already: allow more, or form another")]
    Full {
        /// The bound.
        max: u32,
    },
    /// Too many named groups.
    #[error("this node has {max} named groups already: allow more, or let some go")]
    TooMany {
        /// The bound.
        max: u32,
    },
}

struct Member<A: Actor> {
    actor: ActorRef<A>,
    /// What its keys follow.
    seed: u64,
    token: u64,
}

type Roll<A> = Arc<Vec<Arc<Member<A>>>>;

/// What all handles of one group share.
pub(crate) struct Members<A: Actor> {
    roll: RwLock<Roll<A>>,
    turn: AtomicUsize,
    members_max: u32,
}

impl<A: Actor> Members<A> {
    fn now(&self) -> Roll<A> {
        self.roll.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the members under their lock; what was replaced is dropped outside.
    fn change<R>(&self, f: impl FnOnce(&mut Vec<Arc<Member<A>>>) -> R) -> R {
        let mut roll = self.roll.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = (**roll).clone();
        let result = f(&mut next);
        let old = std::mem::replace(&mut *roll, Arc::new(next));
        drop(roll);
        drop(old);
        result
    }

    fn remove(&self, who: Identity) -> Option<Arc<Member<A>>> {
        self.change(|members| {
            let at = members.iter().position(|member| member.actor.identity() == who)?;
            Some(members.remove(at))
        })
    }
}

impl<A: Actor> EndHook for Members<A> {
    fn ended(&self, who: Identity) {
        self.remove(who);
    }
}

impl<A: Actor> Drop for Members<A> {
    fn drop(&mut self) {
        for member in self.now().iter() {
            if let Some(cell) = member.actor.cell() {
                cell.remove_watcher(member.token);
            }
        }
    }
}

/// Actors of one type on this node that are sent to as one. Clones are handles to the same group.
///
/// # Examples
/// ```
/// # use odeon_actor as odeon;
/// use odeon::{Actor, ActorRef, Group, GroupError};
///
/// fn gather<A: Actor>(actors: &[ActorRef<A>]) -> Result<Group<A>, GroupError> {
///     let group = Group::new(64);
///     for actor in actors {
///         group.join(actor)?;
///     }
///     Ok(group) // `group.round_robin().ask(message)`, `group.consistent_hash("alice").tell(message)`
/// }
/// ```
pub struct Group<A: Actor> {
    members: Arc<Members<A>>,
}

impl<A: Actor> Group<A> {
    /// A group without a name or members, of at most `members_max`; 0 is taken as 1.
    #[must_use]
    pub fn new(members_max: u32) -> Self {
        let members_max = members_max.max(1);
        let members = Members { roll: RwLock::default(), turn: AtomicUsize::new(0), members_max };
        Self { members: Arc::new(members) }
    }

    /// Lets an actor of this node join, until it leaves or has ended; again changes nothing. A restart by its
    /// supervisor is no end.
    ///
    /// # Errors
    /// When the actor has ended or lives elsewhere, or the group is full.
    pub fn join(&self, actor: &ActorRef<A>) -> Result<(), GroupError> {
        let Identity::Local(number) = actor.identity() else { return Err(GroupError::NotHere) };
        self.join_as(actor, number)
    }

    /// As [`join`](Self::join); `seed` decides which keys are the member's.
    pub(crate) fn join_as(&self, actor: &ActorRef<A>, seed: u64) -> Result<(), GroupError> {
        let cell = actor.cell().ok_or(GroupError::NotHere)?;
        let who = actor.identity();
        let max = self.members.members_max;
        let token = cell.worker.system().next_token();
        let joined = self.members.change(|members| {
            if members.iter().any(|member| member.actor.identity() == who) {
                return Ok(false);
            }
            if members.len() >= max as usize {
                return Err(GroupError::Full { max });
            }
            members.push(Arc::new(Member { actor: actor.clone(), seed, token }));
            Ok(true)
        })?;
        if !joined {
            return Ok(());
        }
        let hook: Weak<dyn EndHook> = Arc::<Members<A>>::downgrade(&self.members);
        if cell.add_watcher(Watcher::Hook { token, hook }).is_err() {
            self.members.remove(who);
            return Err(GroupError::Ended);
        }
        Ok(())
    }

    /// Lets a member leave: it is picked no more. Nothing if it is none.
    pub fn leave(&self, actor: &ActorRef<A>) {
        let Some(member) = self.members.remove(actor.identity()) else { return };
        if let Some(cell) = member.actor.cell() {
            cell.remove_watcher(member.token);
        }
    }

    /// The members now, in the order in which they joined.
    #[must_use]
    pub fn members(&self) -> Vec<ActorRef<A>> {
        self.members.now().iter().map(|member| member.actor.clone()).collect()
    }

    /// How many members there are now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.now().len()
    }

    /// Whether there is no member now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends to one member after the other. All handles of a group take turns together.
    #[must_use]
    pub fn round_robin(&self) -> Routed<A> {
        self.routed(Strategy::RoundRobin)
    }

    /// Sends to the member with the fewest messages in its mailbox, a handler that runs among them; looks at every
    /// member.
    #[must_use]
    pub fn least_loaded(&self) -> Routed<A> {
        self.routed(Strategy::LeastLoaded)
    }

    /// Sends to the member that the key belongs to; only keys of a member that comes or goes move. Looks at every
    /// member; see [`strategy::rendezvous`].
    #[must_use]
    pub fn consistent_hash(&self, key: &(impl Hash + ?Sized)) -> Routed<A> {
        self.routed(Strategy::ConsistentHash(strategy::hash_of(key)))
    }

    /// Sends by this strategy.
    #[must_use]
    pub fn routed(&self, strategy: Strategy) -> Routed<A> {
        Routed { router: Arc::new(Route { members: self.members.clone(), strategy }) }
    }

    /// Tells every member of this moment, and waits for room where there is none, as [`ActorRef::tell`] does.
    ///
    /// # Cancel safety
    /// Those who had room have the message; the others do not get it.
    pub async fn broadcast<M: Message + Clone>(&self, message: M) -> Broadcast
    where
        A: Handler<M>,
    {
        let members = self.members();
        let mut broadcast = Broadcast::default();
        let mut waiting = Vec::new();
        for actor in &members {
            match actor.try_tell(message.clone()) {
                Err(TellError { failure, message: Some(message) })
                    if failure.kind == FailureKind::Full =>
                {
                    waiting.push((actor.identity(), actor.tell(message)));
                }
                told => broadcast.add(actor.identity(), told),
            }
        }
        drop(message);
        poll_fn(|cx| {
            let poll = |(who, tell): &mut (Identity, Tell<'_, A, M>)| match Pin::new(tell).poll(cx)
            {
                Poll::Ready(told) => {
                    broadcast.add(*who, told);
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

impl<A: Actor> Clone for Group<A> {
    fn clone(&self) -> Self {
        Self { members: self.members.clone() }
    }
}

impl<A: Actor> PartialEq for Group<A> {
    /// Whether both are handles to the same group.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.members, &other.members)
    }
}

impl<A: Actor> Eq for Group<A> {}

impl<A: Actor> fmt::Debug for Group<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = A::ID.unwrap_or_else(|| std::any::type_name::<A>());
        write!(f, "Group({kind}, {} members)", self.len())
    }
}

/// What became of a broadcast.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Broadcast {
    /// Members that took the message.
    pub told: usize,
    /// Members that did not, and why.
    pub failed: Vec<(Identity, Failure)>,
}

impl Broadcast {
    fn add<M>(&mut self, who: Identity, told: Result<(), TellError<M>>) {
        match told {
            Ok(()) => self.told += 1,
            Err(error) => self.failed.push((who, error.failure)),
        }
    }
}

struct Route<A: Actor> {
    members: Arc<Members<A>>,
    strategy: Strategy,
}

impl<A: Actor> Router<A> for Route<A> {
    fn pick(&self) -> Result<Pick<A>, Failure> {
        let members = self.members.now();
        let turn = match self.strategy {
            Strategy::ConsistentHash(_) => 0,
            _ => self.members.turn.fetch_add(1, Relaxed),
        };
        let at = match self.strategy {
            Strategy::RoundRobin => strategy::round_robin(turn, members.len()),
            Strategy::LeastLoaded => {
                strategy::least_loaded_by(turn, members.len(), |at| members[at].actor.load())
            }
            Strategy::ConsistentHash(key) => {
                strategy::rendezvous(key, members.iter().map(|member| member.seed))
            }
        };
        let member = at.and_then(|at| members.get(at)).ok_or_else(|| {
            Failure::not_delivered(FailureKind::Stopped, "the group has no member")
        })?;
        Ok(Pick::of(member.actor.clone()))
    }
}

/// A group by one of its strategies: a [`Target`]. Cheap to clone; keep it instead of making it for each send.
pub struct Routed<A: Actor> {
    router: Arc<Route<A>>,
}

impl<A: Actor> Clone for Routed<A> {
    fn clone(&self) -> Self {
        Self { router: self.router.clone() }
    }
}

impl<A: Actor> Target for Routed<A> {
    type Actor = A;

    fn aim(&self) -> Aim<A> {
        Aim::routed(self.router.clone())
    }
}

impl<A: Actor> fmt::Debug for Routed<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = A::ID.unwrap_or_else(|| std::any::type_name::<A>());
        write!(f, "Routed({kind}, {:?})", self.router.strategy)
    }
}
