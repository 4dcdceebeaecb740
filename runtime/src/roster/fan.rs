//! One message from another node, given to many actors of this one.
//!
//! What it is: which actors of this node a key of many stands for; a message to it is delivered to each of them, with
//! one copy of its bytes. What it is NOT: other nodes' members; the roster has those. Called by `inbound.rs` on the
//! endpoint's thread.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use odeon_actor::{ActorSystem, Inbound, InboundTrain};
use odeon_message::{ActorKey, Address, Credit, Creditor, Failure, FailureKind};

struct Group {
    name: Box<str>,
    members: BTreeSet<ActorKey>,
}

/// The members of groups on this node, by the key of their group. Bounded by the node's entries in the roster.
#[derive(Default)]
pub(crate) struct Fan {
    groups: RwLock<BTreeMap<ActorKey, Group>>,
}

/// What a message to many holds of its sender's credit: it goes back when the last of them has taken it.
struct Shared {
    _credit: Credit,
}

impl Creditor for Shared {
    fn consumed(&self, _: ActorKey, _: u64, _: u64) {
        // Each has its own count of the whole, and the last one to drop that drops the whole.
    }
}

impl Fan {
    /// Adds an actor; the name of another group if that has the same key.
    pub(crate) fn add(&self, group: &str, address: &Address) -> Result<(), Box<str>> {
        let key = ActorKey::of_group(group, address.actor_type);
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let known = groups
            .entry(key)
            .or_insert_with(|| Group { name: group.into(), members: BTreeSet::new() });
        if &*known.name != group {
            return Err(known.name.clone());
        }
        known.members.insert(address.key);
        Ok(())
    }

    /// Removes an actor.
    pub(crate) fn remove(&self, group: &str, address: &Address) {
        let key = ActorKey::of_group(group, address.actor_type);
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = groups.get_mut(&key).filter(|known| &*known.name == group) {
            known.members.remove(&address.key);
            if known.members.is_empty() {
                groups.remove(&key);
            }
        }
    }

    /// Removes all.
    pub(crate) fn clear(&self) {
        self.groups.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Gives tells that came together to each member of the group that they are for: each is looked up once, and has them
    /// in the memory in which they came. Never waits, as [`ActorSystem::deliver_train`].
    ///
    /// # Errors
    /// When there is no member any more.
    pub(crate) fn deliver_train(
        &self,
        system: &ActorSystem,
        train: InboundTrain,
    ) -> Result<(), Failure> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let members = groups.get(&train.to).map(|group| &group.members).ok_or_else(nobody)?;
        if let (1, Some(&to)) = (members.len(), members.first()) {
            return system.deliver_train(InboundTrain { to, ..train });
        }
        let InboundTrain { to: key, message, archives, credit } = train;
        let shared: Arc<dyn Creditor> = Arc::new(Shared { _credit: credit });
        for to in members {
            let told = system.deliver_train(InboundTrain {
                to: *to,
                message,
                archives: archives.share(),
                credit: Credit::of_many(Arc::clone(&shared), key, 0, 0),
            });
            if let Err(failure) = told {
                tracing::debug!(%to, %failure, "a member of a group does not take messages");
            }
        }
        Ok(())
    }

    /// Gives a tell to each member of the group that it is for. Never waits, as [`ActorSystem::deliver`].
    ///
    /// # Errors
    /// When there is no member any more.
    pub(crate) fn deliver(&self, system: &ActorSystem, inbound: Inbound) -> Result<(), Failure> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let group = groups.get(&inbound.to).ok_or_else(nobody)?;
        if group.members.len() == 1 {
            let to = group.members.iter().next().copied().unwrap_or(inbound.to);
            return system.deliver(Inbound { to, ..inbound });
        }
        let Inbound { to: key, message, layout, payload, remaining, trace, credit, .. } = inbound;
        let shared: Arc<dyn Creditor> = Arc::new(Shared { _credit: credit });
        for to in &group.members {
            let told = system.deliver(Inbound {
                to: *to,
                message,
                layout,
                payload: payload.clone(),
                remaining,
                reply: None,
                trace: trace.clone(),
                credit: Credit::new(Arc::clone(&shared), key, 0),
            });
            if let Err(failure) = told {
                tracing::debug!(%to, %failure, "a member of a group does not take a message");
            }
        }
        Ok(())
    }
}

#[cold]
fn nobody() -> Failure {
    Failure::not_delivered(FailureKind::Stopped, "no member of that group is here any more")
}
