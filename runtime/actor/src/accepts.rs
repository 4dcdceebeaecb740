//! What an actor type takes from other nodes, and what a whole node does.
//!
//! `#[actor(handles(…))]` fills an [`Accepts`]; declaring the actor type on a system adds it to the node's
//! [`Declared`] table, which refuses two meanings of one id. What is not listed cannot be reached from outside. Data
//! goes on to the handshake (names and fingerprints) and to `slots.rs` (the functions that make envelopes).

use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
    sync::{Arc, PoisonError, RwLock},
};

use odeon_message::{ActorTypeId, Fingerprint, Message, MessageId};
use tokio::time::Instant;

use crate::{Actor, Handler, Inbound, envelope::Envelope};

/// One message that a node takes from others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Accepted {
    /// What frames call it.
    pub message: MessageId,
    /// What it was declared as.
    pub name: &'static str,
    /// The layout of the message and of its answer.
    pub fingerprint: Fingerprint,
}

/// An actor type could not be declared: two declarations of this program contradict each other.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// A listed message never leaves its node.
    #[error(
        "{actor} lists {message} in handles(…), which is declared local: give it an id, or take it off the list"
    )]
    LocalMessage {
        /// The actor's type.
        actor: &'static str,
        /// The message's type.
        message: &'static str,
    },
    /// Two names have one hash, or one name has two layouts.
    #[error(
        "messages {ours} and {theirs} have one id but differ in name or layout: rename one of them"
    )]
    Message {
        /// The message being declared.
        ours: &'static str,
        /// The one that was declared before.
        theirs: &'static str,
    },
    /// Two actor types have one id.
    #[error("actor types {ours} and {theirs} have one id: rename one of them")]
    Actor {
        /// The type being declared.
        ours: &'static str,
        /// The one that was declared before.
        theirs: &'static str,
    },
}

/// Makes the envelope of an inbound message; the instant is its deadline.
pub(crate) type MakeEnvelope = fn(Inbound, Option<Instant>) -> Envelope;

/// What one actor type takes from other nodes, while it is being listed.
pub struct Accepts<A: Actor> {
    entries: Vec<(Accepted, MakeEnvelope)>,
    local: Option<&'static str>,
    actor: PhantomData<fn(A)>,
}

impl<A: Actor> Accepts<A> {
    /// Adds a message.
    pub fn handles<M: Message>(&mut self)
    where
        A: Handler<M>,
    {
        let Some(codec) = M::CODEC else {
            self.local = Some(M::NAME);
            return;
        };
        let accepted =
            Accepted { message: codec.id(), name: codec.name(), fingerprint: codec.fingerprint() };
        self.entries.push((accepted, Envelope::inbound::<A, M>));
    }
}

/// What one actor type takes: sorted by id.
#[derive(Default)]
pub(crate) struct AcceptTable(Vec<(MessageId, MakeEnvelope)>);

impl AcceptTable {
    pub(crate) fn find(&self, message: MessageId) -> Option<MakeEnvelope> {
        let at = self.0.binary_search_by_key(&message, |(id, _)| *id).ok()?;
        self.0.get(at).map(|(_, make)| *make)
    }
}

struct DeclaredActor {
    rust_type: TypeId,
    name: &'static str,
    table: Arc<AcceptTable>,
}

/// What a node takes from others. Bounded by what the program declares.
#[derive(Default)]
pub(crate) struct Declared(RwLock<Declarations>);

#[derive(Default)]
struct Declarations {
    actors: BTreeMap<ActorTypeId, DeclaredActor>,
    messages: BTreeMap<MessageId, Accepted>,
    /// Types with an id that were missed here and said so: at most as many as the program has.
    missed: BTreeSet<ActorTypeId>,
}

impl Declared {
    /// Whether this is the first time that a type with this id is missed among the declared ones.
    pub(crate) fn is_first_missed(&self, id: &'static str) -> bool {
        let actor = ActorTypeId::of(id);
        let mut declared = self.0.write().unwrap_or_else(PoisonError::into_inner);
        !declared.actors.contains_key(&actor) && declared.missed.insert(actor)
    }

    /// Adds an actor type; one without an id is local and adds nothing. Nothing changes on an error.
    pub(crate) fn add<A: Actor>(&self) -> Result<(), DeclareError> {
        let Some(id) = A::ID else { return Ok(()) };
        let mut accepts = Accepts::<A> { entries: Vec::new(), local: None, actor: PhantomData };
        A::accept(&mut accepts);
        if let Some(message) = accepts.local {
            return Err(DeclareError::LocalMessage { actor: std::any::type_name::<A>(), message });
        }
        let mut declared = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let actor_type = ActorTypeId::of(id);
        if let Some(known) = declared.actors.get(&actor_type) {
            let same = known.rust_type == TypeId::of::<A>();
            return if same {
                Ok(())
            } else {
                Err(DeclareError::Actor { ours: std::any::type_name::<A>(), theirs: known.name })
            };
        }
        let mut messages = declared.messages.clone();
        for (accepted, _) in &accepts.entries {
            let known = messages.entry(accepted.message).or_insert(*accepted);
            if known != accepted {
                return Err(DeclareError::Message { ours: accepted.name, theirs: known.name });
            }
        }
        let mut table =
            accepts.entries.iter().map(|(a, make)| (a.message, *make)).collect::<Vec<_>>();
        table.sort_by_key(|(id, _)| *id);
        let actor = DeclaredActor {
            rust_type: TypeId::of::<A>(),
            name: std::any::type_name::<A>(),
            table: Arc::new(AcceptTable(table)),
        };
        declared.messages = messages;
        declared.actors.insert(actor_type, actor);
        Ok(())
    }

    /// All messages, sorted by id.
    pub(crate) fn messages(&self) -> Vec<Accepted> {
        let declared = self.0.read().unwrap_or_else(PoisonError::into_inner);
        declared.messages.values().copied().collect()
    }

    pub(crate) fn table(&self, actor: ActorTypeId) -> Option<Arc<AcceptTable>> {
        let declared = self.0.read().unwrap_or_else(PoisonError::into_inner);
        declared.actors.get(&actor).map(|actor| actor.table.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_missed_is_said_once() {
        let declared = Declared::default();
        assert!(declared.is_first_missed("test/One"));
        assert!(!declared.is_first_missed("test/One"));
        assert!(declared.is_first_missed("test/Other"));
    }
}
