//! Who of a group of the cluster takes a message.
//!
//! What it is: the members as this node knows them, made anew when they have changed, and the picks. What it is NOT: the
//! group's handle, which is `group.rs`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
};

use odeon_actor::{Actor, ActorRef, Broadcast, Handler, Outcome, Pick, Router, Witness, strategy};
use odeon_message::{ActorKey, ActorTypeId, Address, Failure, FailureKind, Message, TellError};
use tokio::sync::watch;

use super::group::count;

use crate::roster::RosterHall;

/// How a member of a [`ClusterGroup`](crate::ClusterGroup) is picked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ClusterStrategy {
    /// One after the other, over all nodes.
    RoundRobin,
    /// Any.
    Random,
    /// The one with the fewest asks of this node that wait for an answer; among equals one after the other.
    LeastLoaded,
    /// One after the other of those on this node; of all others only while there is none.
    PreferLocal,
    /// The one that a key belongs to; see [`strategy::rendezvous`].
    ConsistentHash(u64),
}

/// One member, as this node sees it.
pub(crate) struct Member<A: Actor> {
    pub(crate) actor: ActorRef<A>,
    pub(crate) address: Address,
    /// Asks of this node that wait for its answer.
    asks: AtomicU32,
}

/// The members of one other node, and the key by which they are told together.
pub(crate) struct Abroad<A: Actor> {
    pub(crate) all: ActorRef<A>,
    pub(crate) members: Vec<Arc<Member<A>>>,
}

/// The members at one moment.
pub(crate) struct Roll<A: Actor> {
    /// In the order of their nodes.
    pub(crate) members: Vec<Arc<Member<A>>>,
    /// Those of this node.
    pub(crate) here: Vec<Arc<Member<A>>>,
    /// Those of others, node by node.
    pub(crate) abroad: Vec<Abroad<A>>,
}

struct Known<A: Actor> {
    sign: watch::Receiver<u64>,
    roll: Arc<Roll<A>>,
}

/// What became of a message that was tried at once.
pub(crate) enum Told<M> {
    /// It is on its way, or failed for good.
    Done(Broadcast),
    /// Others than one node take it, or there was no room.
    NotYet(M),
}

/// What all handles of one group on one node share.
pub(crate) struct Shared<A: Actor> {
    pub(crate) roster: Arc<RosterHall>,
    pub(crate) name: Box<str>,
    pub(crate) actor_type: ActorTypeId,
    known: Mutex<Known<A>>,
    turn: AtomicUsize,
    /// What random picks begin with.
    seed: u64,
}

impl<A: Actor> Shared<A> {
    pub(crate) fn new(
        roster: Arc<RosterHall>,
        name: &str,
        actor_type: ActorTypeId,
        sign: watch::Receiver<u64>,
    ) -> Self {
        let roll = Arc::new(Roll { members: Vec::new(), here: Vec::new(), abroad: Vec::new() });
        let mut seed = [0; 8];
        roster.system().env().entropy(&mut seed);
        let mut sign = sign;
        // What there is counts as the first change.
        sign.mark_changed();
        Self {
            roster,
            name: name.into(),
            actor_type,
            known: Mutex::new(Known { sign, roll }),
            turn: AtomicUsize::new(0),
            seed: u64::from_le_bytes(seed),
        }
    }

    /// The members of this moment.
    pub(crate) fn roll(&self) -> Arc<Roll<A>> {
        Arc::clone(&self.known().roll)
    }

    #[inline]
    fn known(&self) -> MutexGuard<'_, Known<A>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // A node that has ended has nobody to pick; who there was is still known.
        if known.sign.has_changed().unwrap_or(false) {
            known.sign.borrow_and_update();
            known.roll = Arc::new(self.read(&known.roll));
        }
        known
    }

    /// Tells all members where they are on one other node, if there is room at once: the short way of most broadcasts.
    pub(crate) fn tell_only_node<M: Message>(&self, message: M) -> Told<M>
    where
        A: Handler<M>,
    {
        // Without the lock: what archives, traces and drops a message is others' code, which may come here again.
        let roll = self.roll();
        let Roll { here, abroad, .. } = &*roll;
        let ([], [Abroad { all, members }]) = (&here[..], &abroad[..]) else {
            return Told::NotYet(message);
        };
        match all.try_tell(message) {
            Ok(()) => {
                let mut broadcast = Broadcast::default();
                broadcast.told = members.len();
                Told::Done(broadcast)
            }
            Err(TellError { failure, message: Some(message) })
                if failure.kind == FailureKind::Full =>
            {
                Told::NotYet(message)
            }
            told => {
                let mut broadcast = Broadcast::default();
                count(&mut broadcast, members, told);
                Told::Done(broadcast)
            }
        }
    }

    fn read(&self, before: &Roll<A>) -> Roll<A> {
        let system = self.roster.system();
        let before: BTreeMap<Address, &Arc<Member<A>>> =
            before.members.iter().map(|member| (member.address, member)).collect();
        let addresses = self.roster.with(|roster| roster.members(&self.name));
        let mut roll = Roll { members: Vec::new(), here: Vec::new(), abroad: Vec::new() };
        for address in addresses.into_iter().filter(|it| it.actor_type == self.actor_type) {
            let member = before.get(&address).map_or_else(
                || {
                    let actor = ActorRef::from_address(system, address);
                    Arc::new(Member { actor, address, asks: AtomicU32::new(0) })
                },
                |member| Arc::clone(member),
            );
            roll.members.push(Arc::clone(&member));
            if address.node == system.node() {
                roll.here.push(member);
                continue;
            }
            let last = roll.abroad.last_mut().filter(|it| {
                it.members.first().is_some_and(|first| first.address.node == address.node)
            });
            if let Some(abroad) = last {
                abroad.members.push(member);
            } else {
                let key = ActorKey::of_group(&self.name, self.actor_type);
                let all = ActorRef::from_address(system, Address { key, ..address });
                roll.abroad.push(Abroad { all, members: vec![member] });
            }
        }
        roll
    }

    fn next(&self) -> usize {
        self.turn.fetch_add(1, Relaxed)
    }
}

/// A group by one of its strategies.
pub(crate) struct Route<A: Actor> {
    pub(crate) shared: Arc<Shared<A>>,
    pub(crate) strategy: ClusterStrategy,
}

impl<A: Actor> Router<A> for Route<A> {
    fn pick(&self) -> Result<Pick<A>, Failure> {
        let roll = self.shared.roll();
        let all = &roll.members;
        let (members, at) = match self.strategy {
            ClusterStrategy::RoundRobin => {
                (all, strategy::round_robin(self.shared.next(), all.len()))
            }
            ClusterStrategy::Random => {
                let drawn = strategy::hash_of(&(self.shared.seed, self.shared.next()));
                (all, usize::try_from(drawn >> 1).unwrap_or(0).checked_rem(all.len()))
            }
            ClusterStrategy::LeastLoaded => return self.least_loaded(all),
            ClusterStrategy::PreferLocal => {
                let some = if roll.here.is_empty() { all } else { &roll.here };
                (some, strategy::round_robin(self.shared.next(), some.len()))
            }
            ClusterStrategy::ConsistentHash(key) => {
                let seeds = all.iter().map(|member| strategy::hash_of(&member.address));
                (all, strategy::rendezvous(key, seeds))
            }
        };
        let member = at.and_then(|at| members.get(at)).ok_or_else(nobody)?;
        Ok(Pick::of(member.actor.clone()))
    }
}

impl<A: Actor> Route<A> {
    fn least_loaded(&self, members: &[Arc<Member<A>>]) -> Result<Pick<A>, Failure> {
        let loads: Vec<usize> =
            members.iter().map(|member| member.asks.load(Relaxed) as usize).collect();
        let at = strategy::least_loaded(self.shared.next(), &loads);
        let member = at.and_then(|at| members.get(at)).ok_or_else(nobody)?;
        member.asks.fetch_add(1, Relaxed);
        let done = Box::new(Counted { member: Arc::clone(member) });
        Ok(Pick::of(member.actor.clone()).witnessed(done))
    }
}

/// One ask that waits for a member's answer, until it is dropped.
struct Counted<A: Actor> {
    member: Arc<Member<A>>,
}

impl<A: Actor> Witness for Counted<A> {
    fn learn(self: Box<Self>, _: Outcome) {}
}

impl<A: Actor> Drop for Counted<A> {
    fn drop(&mut self) {
        self.member.asks.fetch_sub(1, Relaxed);
    }
}

fn nobody() -> Failure {
    Failure::not_delivered(FailureKind::Stopped, "the group has no member that this node knows of")
}
