//! The local registry: names of actors on this node, and who waits for them.
//!
//! A name belongs to an actor, not to one life of it: it survives restarts and is free when the actor is gone. A
//! subscription sees the present holder and then each change; a slow one sees the latest only, so nothing queues. What
//! it is NOT: cluster-wide; the runtime asks other nodes' registries.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::watch;

use crate::{
    Actor, ActorRef, ExportError, Identity,
    cell::{CellPtr, Signals},
    watchers::{EndHook, Watcher},
};
use odeon_message::Address;

/// A name could not be given.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameTaken {
    /// Another actor has it.
    #[error(
        "the name {name:?} belongs to another {kind} on this node: choose another, or stop that one"
    )]
    Taken {
        /// The name.
        name: Box<str>,
        /// The type of the actor that has it.
        kind: &'static str,
    },
    /// The actor has ended, or lives on another node.
    #[error("{name:?} was to name an actor that does not live on this node")]
    NotHere {
        /// The name.
        name: Box<str>,
    },
    /// Too many names.
    #[error("this node has {max} names already: allow more, or stop some actors")]
    Full {
        /// The bound.
        max: u32,
    },
}

/// An actor of this node whose type is not known where it is held.
#[derive(Clone)]
pub struct AnyRef(pub(crate) CellPtr);

impl AnyRef {
    /// The typed reference, if the actor is of this type.
    #[must_use]
    pub fn downcast<A: Actor>(&self) -> Option<ActorRef<A>> {
        self.0.clone().downcast().ok().map(ActorRef::local)
    }

    /// Its address; takes a slot in the node's table on first use.
    ///
    /// # Errors
    /// As [`ActorRef::address`].
    pub fn address(&self) -> Result<Address, ExportError> {
        self.0.address()
    }

    /// Who it is, for comparing.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::Local(self.0.number)
    }

    /// What people call its type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// Has a list told when the actor is gone, once; `None` if it is. What is returned takes that back.
    #[doc(hidden)]
    pub fn on_end(&self, hook: Weak<dyn EndHook>) -> Option<u64> {
        let token = self.0.worker.system().next_token();
        self.0.add_watcher(Watcher::Hook { token, hook }).ok().map(|()| token)
    }

    /// Takes an [`on_end`](Self::on_end) back.
    #[doc(hidden)]
    pub fn forget_end(&self, token: u64) {
        self.0.remove_watcher(token);
    }

    /// Lets it end after its present message, as [`ActorRef::stop`].
    pub fn stop(&self) {
        self.0.signal(Signals::LEAVE);
    }

    /// Ends it where it stands, as [`ActorRef::kill`].
    pub fn kill(&self) {
        self.0.signal(Signals::HALT | Signals::KILL);
    }
}

impl fmt::Debug for AnyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyRef({} {})", self.kind(), self.0.number)
    }
}

/// What became of a name.
#[derive(Clone, Debug)]
pub enum NameChange {
    /// This actor has it.
    Registered(AnyRef),
    /// Nobody has it.
    Free,
}

impl NameChange {
    /// The typed reference to who has the name, if somebody of this type has.
    #[must_use]
    pub fn holder<A: Actor>(&self) -> Option<ActorRef<A>> {
        match self {
            Self::Registered(actor) => actor.downcast(),
            Self::Free => None,
        }
    }
}

/// Who has a name, and as of when. The same name's states are ordered by their versions, however they were asked for.
#[derive(Clone, Debug)]
pub struct NameState {
    /// Who has it.
    pub holder: Option<AnyRef>,
    /// How many changes of names there had been on this node.
    pub version: u64,
}

/// A subscription to one name.
#[derive(Debug)]
pub struct NameChanges {
    receiver: watch::Receiver<NameState>,
}

impl NameChanges {
    /// The present state at first, then the state after each change; `None` when the system is gone.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<NameChange> {
        let NameState { holder, .. } = self.next_state().await?;
        Some(holder.map_or(NameChange::Free, NameChange::Registered))
    }

    /// As [`next`](Self::next), with the version of the state.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next_state(&mut self) -> Option<NameState> {
        self.receiver.changed().await.ok()?;
        Some(self.receiver.borrow_and_update().clone())
    }
}

/// Other nodes do not find what the name's giver most likely wants them to find: says so, once a type.
fn warn_if_hidden(name: &str, cell: &CellPtr) {
    let system = cell.worker.system();
    // Without other nodes nobody misses it.
    if let Some(id) = cell.actor_id()
        && system.remotes().is_some()
        && system.declared().is_first_missed(id)
    {
        tracing::warn!(
            name,
            "actors of type {id} have an id, and no other node finds them by name: declare the type before the node \
             starts, with NodeBuilder::actor"
        );
    }
}

#[derive(Default)]
struct Names {
    holders: BTreeMap<Box<str>, CellPtr>,
    subscribers: BTreeMap<Box<str>, watch::Sender<NameState>>,
    /// How many changes there were.
    version: u64,
}

impl Names {
    fn state(&self, name: &str) -> NameState {
        let holder = self.holders.get(name).cloned().map(AnyRef);
        NameState { holder, version: self.version }
    }

    /// The name has changed.
    fn announce(&mut self, name: &str) {
        self.version += 1;
        let Some(sender) = self.subscribers.get(name) else { return };
        if sender.is_closed() {
            self.subscribers.remove(name);
            return;
        }
        sender.send_replace(self.state(name));
    }
}

pub(crate) struct Registry {
    names: Mutex<Names>,
    names_max: u32,
}

impl Registry {
    pub(crate) fn new(names_max: u32) -> Self {
        Self { names: Mutex::default(), names_max }
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, name: &str, cell: &CellPtr) -> Result<(), NameTaken> {
        {
            let mut names = self.lock();
            if let Some(holder) = names.holders.get(name) {
                if holder.number == cell.number {
                    return Ok(());
                }
                return Err(NameTaken::Taken { name: name.into(), kind: holder.kind() });
            }
            if names.holders.len() >= self.names_max as usize {
                return Err(NameTaken::Full { max: self.names_max });
            }
            names.holders.insert(name.into(), cell.clone());
            names.announce(name);
        }
        let kept = cell.with_bonds(|bonds| {
            if bonds.ended.is_none() {
                bonds.names.push(name.into());
            }
            bonds.ended.is_none()
        });
        if kept {
            warn_if_hidden(name, cell);
            return Ok(());
        }
        self.free(cell, &[name.into()]);
        Err(NameTaken::NotHere { name: name.into() })
    }

    pub(crate) fn lookup(&self, name: &str) -> Option<CellPtr> {
        self.lock().holders.get(name).cloned()
    }

    pub(crate) fn state(&self, name: &str) -> NameState {
        self.lock().state(name)
    }

    /// Frees the names that still belong to `cell`.
    pub(crate) fn free(&self, cell: &CellPtr, freed: &[Box<str>]) {
        if freed.is_empty() {
            return;
        }
        let mut names = self.lock();
        for name in freed {
            if names.holders.get(name).is_some_and(|holder| holder.number == cell.number) {
                // The caller holds a count, so no cell ends under the lock.
                names.holders.remove(name);
                names.announce(name);
            }
        }
    }

    pub(crate) fn subscribe(&self, name: &str) -> Result<NameChanges, NameTaken> {
        let mut names = self.lock();
        if !names.subscribers.contains_key(name) {
            if names.subscribers.len() >= self.names_max as usize {
                names.subscribers.retain(|_, sender| !sender.is_closed());
            }
            if names.subscribers.len() >= self.names_max as usize {
                return Err(NameTaken::Full { max: self.names_max });
            }
        }
        let state = names.state(name);
        let sender =
            names.subscribers.entry(name.into()).or_insert_with(|| watch::Sender::new(state));
        let mut receiver = sender.subscribe();
        // The present state counts as the first change.
        receiver.mark_changed();
        Ok(NameChanges { receiver })
    }
}
