//! What an actor type takes from other nodes, and what a whole node does.
//!
//! `#[actor(handles(…), views(…))]` fills an [`Accepts`]; declaring the actor type on a system adds it to the node's
//! [`Declared`] table, which refuses two meanings of one id. What is not listed cannot be reached from outside. Data
//! goes on to the handshake (names and fingerprints) and to `slots.rs` (the functions that make envelopes).

use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
    sync::{Arc, PoisonError, RwLock},
};

use odeon_message::{ActorTypeId, Codec, Fingerprint, Formers, Message, MessageId, Wire};

use crate::{Actor, Handler, ViewHandler, inbound::Makes};

/// One message that a node takes from others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Accepted {
    /// What frames call it.
    pub message: MessageId,
    /// What it was declared as.
    pub name: &'static str,
    /// The layout of the message and of its answer.
    pub fingerprint: Fingerprint,
    /// Whether it is an older layout, from which the message is made when it arrives.
    pub former: bool,
}

/// An actor type could not be declared: two declarations of this program contradict each other.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// A listed message never leaves its node.
    #[error(
        "{actor} lists {message} for other nodes, which is declared local: give it an id, or take it off the list"
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

/// What one actor type takes from other nodes, while it is being listed.
pub struct Accepts<A: Actor> {
    entries: Vec<(Accepted, Makes)>,
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
        self.entries.push((accepted(codec, false), Makes::values::<A, M>()));
        M::formers(&mut FormerEntries(&mut self.entries, PhantomData::<fn(A)>));
    }
}

impl<A: Actor> Accepts<A> {
    /// Adds a message that is read in place; its older layouts become values.
    pub fn views<M: Message + Wire>(&mut self)
    where
        A: ViewHandler<M>,
    {
        let Some(codec) = M::CODEC else {
            self.local = Some(M::NAME);
            return;
        };
        self.entries.push((accepted(codec, false), Makes::views::<A, M>()));
        M::formers(&mut FormerEntries(&mut self.entries, PhantomData::<fn(A)>));
    }
}

/// The messages that an actor type lists for other nodes, in their present layouts.
#[doc(hidden)]
#[must_use]
pub fn listed<A: Actor>() -> Vec<Accepted> {
    let mut accepts = Accepts::<A> { entries: Vec::new(), local: None, actor: PhantomData };
    A::accept(&mut accepts);
    let present = accepts.entries.into_iter().map(|(accepted, _)| accepted);
    present.filter(|accepted| !accepted.former).collect()
}

/// Where the older layouts of a message go.
struct FormerEntries<'a, A>(&'a mut Vec<(Accepted, Makes)>, PhantomData<fn(A)>);

impl<A: Handler<M>, M: Message> Formers<M> for FormerEntries<'_, A> {
    fn former<O>(&mut self)
    where
        O: Message<Reply = M::Reply, Error = M::Error, Output = M::Output>,
        M: From<O>,
    {
        // One without a codec has another id, which does not compile.
        let Some(codec) = O::CODEC else { return };
        self.0.push((accepted(codec, true), Makes::formers::<A, M, O>()));
    }
}

fn accepted<M: Message>(codec: Codec<M>, former: bool) -> Accepted {
    Accepted { message: codec.id(), name: codec.name(), fingerprint: codec.fingerprint(), former }
}

/// One message that an actor type takes, in one layout.
struct Entry {
    message: MessageId,
    layout: Fingerprint,
    make: Makes,
}

/// What one actor type takes: sorted by id, and of each message the present layout first.
#[derive(Default)]
pub(crate) struct AcceptTable(Vec<Entry>);

impl AcceptTable {
    /// How a message is taken that came in this layout; one that is taken in several must say in which it comes.
    pub(crate) fn find(
        &self,
        message: MessageId,
        layout: Option<Fingerprint>,
    ) -> Result<Makes, NotTaken> {
        let first = self.0.partition_point(|entry| entry.message < message);
        let count = self.0[first..].partition_point(|entry| entry.message == message);
        let entries = &self.0[first..first + count];
        match (entries, layout) {
            ([], _) => Err(NotTaken::Message),
            ([only], None) => Ok(only.make),
            (all, layout) => {
                let entry = all.iter().find(|entry| Some(entry.layout) == layout);
                entry.map(|entry| entry.make).ok_or(NotTaken::Layout)
            }
        }
    }
}

/// Why an actor does not take a message from another node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotTaken {
    /// It is not listed.
    Message,
    /// It did not come in a layout that is listed.
    Layout,
}

struct DeclaredActor {
    rust_type: TypeId,
    name: &'static str,
    table: Arc<AcceptTable>,
}

/// What a node takes from others. Bounded by what the program declares.
#[derive(Default)]
pub(crate) struct Declared(RwLock<Declarations>);

/// By id; of each the present layout before the older ones.
type Messages = BTreeMap<(MessageId, bool, Fingerprint), Accepted>;

#[derive(Default)]
struct Declarations {
    actors: BTreeMap<ActorTypeId, DeclaredActor>,
    /// The present layouts come before the older ones of the same message.
    messages: Messages,
    /// Types with an id that were missed here and said so: at most as many as the program has.
    missed: BTreeSet<ActorTypeId>,
}

impl Declarations {
    /// The messages with these among them.
    fn with(&self, more: impl Iterator<Item = Accepted>) -> Result<Messages, DeclareError> {
        let mut messages = self.messages.clone();
        for accepted in more {
            let Accepted { message, name, fingerprint, former } = accepted;
            let mut known = messages.range((message, false, Fingerprint(0))..);
            if let Some((_, known)) = known.next().filter(|((id, ..), _)| *id == message) {
                let differs = !former && !known.former && known.fingerprint != fingerprint;
                if known.name != name || differs {
                    return Err(DeclareError::Message { ours: name, theirs: known.name });
                }
            }
            messages.insert((message, former, fingerprint), accepted);
        }
        Ok(messages)
    }
}

/// The layouts of a message that is listed for no actor.
struct Layouts(Vec<Accepted>);

impl<M: Message> Formers<M> for Layouts {
    fn former<O>(&mut self)
    where
        O: Message<Reply = M::Reply, Error = M::Error, Output = M::Output>,
        M: From<O>,
    {
        // One without a codec has another id, which does not compile.
        self.0.extend(O::CODEC.map(|codec| accepted(codec, true)));
    }
}

impl Declared {
    /// Adds a message that other nodes may send though no actor lists it. Nothing changes on an error.
    pub(crate) fn add_message<M: Message>(&self) -> Result<(), DeclareError> {
        let Some(codec) = M::CODEC else {
            return Err(DeclareError::LocalMessage { actor: "a topic", message: M::NAME });
        };
        let mut layouts = Layouts(vec![accepted(codec, false)]);
        M::formers(&mut layouts);
        let mut declared = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let messages = declared.with(layouts.0.into_iter())?;
        declared.messages = messages;
        Ok(())
    }

    /// Whether other nodes may send messages of this type.
    pub(crate) fn has(&self, message: MessageId) -> bool {
        let declared = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut known = declared.messages.range((message, false, Fingerprint(0))..);
        known.next().is_some_and(|((id, ..), _)| *id == message)
    }

    /// Whether other nodes may send messages of this type in this layout, the present one or a former one.
    pub(crate) fn has_layout(&self, message: MessageId, layout: Fingerprint) -> bool {
        let declared = self.0.read().unwrap_or_else(PoisonError::into_inner);
        [false, true]
            .iter()
            .any(|former| declared.messages.contains_key(&(message, *former, layout)))
    }

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
        let messages = declared.with(accepts.entries.iter().map(|(accepted, _)| *accepted))?;
        let mut table = accepts.entries;
        table.sort_by_key(|(accepted, _)| (accepted.message, accepted.former));
        let table = table.into_iter().map(|(accepted, make)| {
            let Accepted { message, fingerprint: layout, .. } = accepted;
            Entry { message, layout, make }
        });
        let actor = DeclaredActor {
            rust_type: TypeId::of::<A>(),
            name: std::any::type_name::<A>(),
            table: Arc::new(AcceptTable(table.collect())),
        };
        declared.messages = messages;
        declared.actors.insert(actor_type, actor);
        Ok(())
    }

    /// All messages, sorted by id, each in its present layout first.
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
