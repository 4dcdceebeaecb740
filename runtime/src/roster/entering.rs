//! How an actor of this node comes to a name or into a group of the cluster, and leaves it again.
//!
//! What it is: the entry in the state machine, the mark by which it goes with the actor's end, and the fan of a group, in an
//! order that leaves none of them alone. What it is NOT: the wait until others have heard of it, which is `cluster.rs`.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::{RwLockWriteGuard, Weak},
};

use odeon_actor::{Actor, ActorIdentity, ActorRef, EndHook, ExportError};
use odeon_cluster::{EntryRefused, Learned, Roster, Subject};
use odeon_message::{ActorKey, Address};

use super::{Claimed, Held, NotEntered, RosterHall, State, WhenLost};

impl RosterHall {
    /// Enters an actor of this node: `enter` says what, with its address in the present life of the node.
    fn enter<A: Actor>(
        &self,
        actor: &ActorRef<A>,
        subject: impl Fn(&Address) -> Subject,
        enter: impl Fn(&mut Roster, Address) -> Result<Learned, EntryRefused>,
        mark: impl Fn(&mut Held, u64),
    ) -> Result<(Address, u64), NotEntered> {
        let (Some(any), ActorIdentity::Local(number)) = (actor.any(), actor.identity()) else {
            return Err(NotEntered::NotHere);
        };
        loop {
            let address = match any.address() {
                Ok(address) => address,
                Err(ExportError::Ended) => return Err(NotEntered::Ended),
                Err(why) => return Err(NotEntered::Hidden(why)),
            };
            let mut state = self.write();
            if state.leaving {
                return Err(NotEntered::Leaving);
            }
            if state.roster.incarnation() != address.incarnation {
                // Another life of the node begins at this moment, and `renew` waits for the lock, or the address is old.
                drop(state);
                self.renew();
                continue;
            }
            let learned = enter(&mut state.roster, address).map_err(NotEntered::Refused)?;
            let version = state.roster.version();
            let subject = subject(&address);
            if let Some(held) = state.held.get_mut(&number) {
                held.subjects.insert(subject);
                mark(held, version);
            } else {
                let hook: Weak<dyn EndHook> = Weak::<Self>::clone(&self.myself);
                let Some(token) = any.on_end(hook) else {
                    state.roster.withdraw(&subject);
                    drop(state);
                    self.follow_up(learned);
                    return Err(NotEntered::Ended);
                };
                let mut held = Held {
                    actor: any,
                    key: address.key,
                    token,
                    subjects: BTreeSet::from([subject]),
                    spared: BTreeSet::new(),
                    claims: BTreeMap::new(),
                };
                mark(&mut held, version);
                state.held.insert(number, held);
            }
            drop(state);
            self.follow_up(learned);
            return Ok((address, version));
        }
    }

    /// Claims a name for an actor of this node; answers with the version of the roster that has it, and with the one that the
    /// claim began with, which says which claim it is. Whoever did so says when they [wait no more](Self::claim_ends).
    pub(crate) fn claim<A: Actor>(
        &self,
        name: &str,
        actor: &ActorRef<A>,
        when_lost: WhenLost,
    ) -> Result<(u64, u64), NotEntered> {
        let (now, since) = (self.now(), Cell::new(0));
        let mark = |held: &mut Held, version| {
            match when_lost {
                WhenLost::GoOn => drop(held.spared.insert(name.into())),
                WhenLost::Stop => drop(held.spared.remove(name)),
            }
            let begun = || Claimed { since: version, waiting: 0, confirmed: None };
            let claimed = held.claims.entry(name.into()).or_insert_with(begun);
            claimed.waiting += 1;
            since.set(claimed.since);
        };
        let claim = |roster: &mut Roster, address| roster.claim(name, address, now);
        let (_, version) = self.enter(actor, |_| Subject::Name(name.into()), claim, mark)?;
        Ok((version, since.get()))
    }

    /// Whether all have heard, in this life of the node, that an actor has a name.
    pub(crate) fn is_confirmed<A: Actor>(&self, name: &str, actor: &ActorRef<A>) -> bool {
        let ActorIdentity::Local(number) = actor.identity() else { return false };
        let state = self.read();
        let claimed = state.held.get(&number).and_then(|held| held.claims.get(name));
        let life = state.roster.incarnation();
        claimed.is_some_and(|claimed| claimed.confirmed == Some(life))
    }

    /// One who waited for a claim waits no more. Unless all have heard of it, now or before, or others wait for it too, it is
    /// withdrawn. A later claim of the same actor is none of theirs.
    pub(crate) fn claim_ends<A: Actor>(
        &self,
        (name, since): (&str, u64),
        actor: &ActorRef<A>,
        confirmed: bool,
    ) {
        let ActorIdentity::Local(number) = actor.identity() else { return };
        let mut state = self.write();
        let life = state.roster.incarnation();
        let Some(held) = state.held.get_mut(&number) else { return };
        let claimed = held.claims.get_mut(name).filter(|claimed| claimed.since == since);
        let Some(claimed) = claimed else { return };
        claimed.waiting = claimed.waiting.saturating_sub(1);
        if confirmed {
            claimed.confirmed = Some(life);
        }
        if claimed.waiting == 0 && claimed.confirmed.is_none() {
            self.withdraw(state, number, &Subject::Name(name.into()));
        }
    }

    /// Puts an actor of this node into a group.
    pub(crate) fn join<A: Actor>(
        &self,
        group: &str,
        actor: &ActorRef<A>,
    ) -> Result<(), NotEntered> {
        let subject =
            |address: &Address| Subject::Member { group: group.into(), actor: address.key };
        let join = |roster: &mut Roster, address| roster.join(group, address);
        // Before others hear of it: what they send at once finds it here.
        let early = actor.any().and_then(|any| any.address().ok());
        if let Some(early) = &early {
            self.fan.add(group, early).map_err(NotEntered::Alike)?;
        }
        let entered = self.enter(actor, subject, join, |_, _| ());
        let address = entered.as_ref().ok().map(|(address, _)| *address);
        // Another life of the node may have begun meanwhile.
        let added = address.map_or(Ok(()), |address| self.fan.add(group, &address));
        // It was not taken, or has ended in between, and was taken off before it was put on.
        for address in early.iter().chain(&address) {
            if self.with(|roster| roster.own(&subject(address)).is_none()) {
                self.fan.remove(group, address);
            }
        }
        entered?;
        added.map_err(NotEntered::Alike)
    }

    /// Takes an entry of an actor of this node back.
    pub(crate) fn take_back<A: Actor>(&self, actor: &ActorRef<A>, subject: &Subject) {
        let ActorIdentity::Local(number) = actor.identity() else { return };
        self.withdraw(self.write(), number, subject);
    }

    fn withdraw(&self, mut state: RwLockWriteGuard<'_, State>, number: u64, subject: &Subject) {
        let Some(held) = state.held.get_mut(&number) else { return };
        if !held.subjects.remove(subject) {
            return;
        }
        if let Subject::Name(name) = subject {
            held.claims.remove(name);
        }
        let idle = held.subjects.is_empty().then(|| state.held.remove(&number)).flatten();
        let entry = state.roster.own(subject).cloned();
        let learned = state.roster.withdraw(subject);
        drop(state);
        if let Some((entry, address)) = entry.and_then(|it| Some((it.clone(), it.address?))) {
            self.leave_fan(&entry.subject, &address);
        }
        if let Some(idle) = idle {
            idle.actor.forget_end(idle.token);
        }
        self.follow_up(learned);
    }

    pub(super) fn leave_fan(&self, subject: &Subject, address: &Address) {
        if let Subject::Member { group, .. } = subject {
            self.fan.remove(group, address);
        }
    }

    /// The place of an actor of this node in its entries.
    pub(crate) fn key_of<A: Actor>(&self, actor: &ActorRef<A>) -> Option<ActorKey> {
        let ActorIdentity::Local(number) = actor.identity() else { return None };
        self.read().held.get(&number).map(|held| held.key)
    }
}
