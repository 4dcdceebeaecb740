//! How an actor of this node comes to a name or into a group of the cluster, and leaves it again.
//!
//! What it is: the entry in the state machine, the mark by which it goes with the actor's end, and the fan of a group, in an
//! order that leaves none of them alone. What it is NOT: the wait until others have heard of it, which is `cluster.rs`.

use std::{collections::BTreeSet, sync::Weak};

use odeon_actor::{Actor, ActorIdentity, ActorRef, EndHook, ExportError};
use odeon_cluster::{EntryRefused, Learned, Roster, Subject};
use odeon_message::{ActorKey, Address};

use super::{Held, NotEntered, RosterHall, WhenLost};

impl RosterHall {
    /// Enters an actor of this node: `enter` says what, with its address in the present life of the node.
    fn enter<A: Actor>(
        &self,
        actor: &ActorRef<A>,
        subject: impl Fn(&Address) -> Subject,
        enter: impl Fn(&mut Roster, Address) -> Result<Learned, EntryRefused>,
        mark: impl Fn(&mut Held),
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
                mark(held);
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
                };
                mark(&mut held);
                state.held.insert(number, held);
            }
            drop(state);
            self.follow_up(learned);
            return Ok((address, version));
        }
    }

    /// Claims a name for an actor of this node; answers with the address under which, and as of which version.
    pub(crate) fn claim<A: Actor>(
        &self,
        name: &str,
        actor: &ActorRef<A>,
        when_lost: WhenLost,
    ) -> Result<(Address, u64), NotEntered> {
        let now = self.now();
        let mark = |held: &mut Held| match when_lost {
            WhenLost::GoOn => drop(held.spared.insert(name.into())),
            WhenLost::Stop => drop(held.spared.remove(name)),
        };
        let claim = |roster: &mut Roster, address| roster.claim(name, address, now);
        self.enter(actor, |_| Subject::Name(name.into()), claim, mark)
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
        let (address, _) = self.enter(actor, subject, join, |_| ())?;
        if let Err(other) = self.fan.add(group, &address) {
            self.take_back(actor, &subject(&address));
            return Err(NotEntered::Alike(other));
        }
        // It may have ended in between, and was taken off before it was put on.
        if self.with(|roster| roster.own(&subject(&address)).is_none()) {
            self.fan.remove(group, &address);
        }
        Ok(())
    }

    /// Takes an entry of an actor of this node back.
    pub(crate) fn take_back<A: Actor>(&self, actor: &ActorRef<A>, subject: &Subject) {
        let ActorIdentity::Local(number) = actor.identity() else { return };
        let mut state = self.write();
        let Some(held) = state.held.get_mut(&number) else { return };
        if !held.subjects.remove(subject) {
            return;
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
