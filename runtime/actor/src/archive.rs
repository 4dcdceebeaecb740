//! How a reference travels inside a message: as the actor's [`Address`].
//!
//! Archiving exports the actor. Reading needs to know where it is read: the decoder carries the receiving node's
//! [`ActorSystem`] as its site, and the address becomes the local actor, a route, or a reference that is gone.

use odeon_message::{
    ActorTypeId, Address, Decoder, Schema, SchemaWalk,
    rkyv::{
        self, Archive, Deserialize, Place, Serialize,
        rancor::{Error, Fallible, Source},
    },
};

use crate::{Actor, ActorRef, ActorSystem, ExportError};

/// What a reference looks like in an archive: the address and nothing else.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = odeon_message::rkyv)]
pub struct Reference {
    address: Address,
}

impl<A: Actor> Schema for ActorRef<A> {
    fn describe(walk: &mut SchemaWalk) {
        walk.leaf("actor reference");
        walk.number(A::ID.map_or(0, |id| ActorTypeId::of(id).0));
    }
}

impl<A: Actor> Archive for ActorRef<A> {
    type Archived = ArchivedReference;
    type Resolver = (Reference, ReferenceResolver);

    fn resolve(&self, (reference, resolver): Self::Resolver, out: Place<Self::Archived>) {
        reference.resolve(resolver, out);
    }
}

impl<A, S> Serialize<S> for ActorRef<A>
where
    A: Actor,
    S: Fallible + ?Sized,
    S::Error: Source,
    Reference: Serialize<S, Resolver = ReferenceResolver>,
{
    fn serialize(&self, serializer: &mut S) -> Result<Self::Resolver, S::Error> {
        let address = self.address().map_err(|cause| {
            S::Error::new(NotReachable { actor: std::any::type_name::<A>(), cause })
        })?;
        let reference = Reference { address };
        let resolver = reference.serialize(serializer)?;
        Ok((reference, resolver))
    }
}

/// No other node could use the reference.
#[derive(Debug, thiserror::Error)]
#[error("no other node can reach the {actor} that it refers to: {cause}")]
struct NotReachable {
    actor: &'static str,
    cause: ExportError,
}

/// The receiver of a message with a reference in it is no actor system.
#[derive(Debug, thiserror::Error)]
#[error("a reference to an actor can only be read on a node")]
struct NoSystem;

impl<'a, A: Actor> Deserialize<ActorRef<A>, Decoder<'a>> for ArchivedReference {
    fn deserialize(&self, decoder: &mut Decoder<'a>) -> Result<ActorRef<A>, Error> {
        let Reference { address } = Deserialize::<Reference, _>::deserialize(self, decoder)?;
        let system = decoder.site().downcast_ref::<ActorSystem>();
        let system = system.ok_or_else(|| Error::new(NoSystem))?;
        Ok(ActorRef::from_address(system, address))
    }
}
