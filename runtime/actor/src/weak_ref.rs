//! A reference that keeps nothing: neither the actor, which no reference keeps, nor the memory of its cell.
//!
//! All weak references to an actor share one small link that its bonds hold, too; it is cut when the actor has ended.
//! What it is NOT: a way to watch; nobody is told. Read `watch.rs` for that.
#![expect(unsafe_code, reason = "a link leads to a cell without a count")]

use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use odeon_message::Address;

use crate::{
    Actor, ActorRef, ActorSystem, Identity,
    actor_ref::Place,
    cell::{CellArc, CellSpot},
};

/// Leads to an actor's cell until it is cut, which is before the cell is dropped: its bonds hold the [`Anchor`].
struct Link<A: Actor>(Mutex<Option<CellSpot<A>>>);

trait Cut: Any + Send + Sync {
    fn cut(&self);
}

impl<A: Actor> Cut for Link<A> {
    fn cut(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What an actor's bonds hold of the link; the link is cut when it is dropped.
pub(crate) struct Anchor(Arc<dyn Cut>);

impl Drop for Anchor {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// A reference that keeps no memory of an actor that has ended. Cheap to clone.
pub struct WeakRef<A: Actor> {
    place: Weakly<A>,
}

enum Weakly<A: Actor> {
    Local(Arc<Link<A>>, u64),
    Remote(Address, ActorSystem),
    Gone(Address),
}

impl<A: Actor> ActorRef<A> {
    /// A reference to the same actor that keeps no memory once it has ended. One to an actor of another node keeps its
    /// address.
    #[must_use]
    pub fn downgrade(&self) -> WeakRef<A> {
        let place = match self.place() {
            Place::Local(cell) => Weakly::Local(link(cell), cell.head.number),
            Place::Remote(abroad) => Weakly::Remote(abroad.route.address(), abroad.system.clone()),
            Place::Gone(address) => Weakly::Gone(**address),
        };
        WeakRef { place }
    }
}

fn link<A: Actor>(cell: &CellArc<A>) -> Arc<Link<A>> {
    cell.head.with_bonds(|bonds| {
        if bonds.ended.is_some() {
            return Arc::new(Link(Mutex::new(None)));
        }
        let known =
            bonds.anchor.as_ref().map(|anchor| anchor.0.clone() as Arc<dyn Any + Send + Sync>);
        if let Some(Ok(link)) = known.map(Arc::downcast) {
            return link;
        }
        let link = Arc::new(Link(Mutex::new(Some(cell.spot()))));
        bonds.anchor = Some(Anchor(link.clone()));
        link
    })
}

impl<A: Actor> WeakRef<A> {
    /// The reference, unless the actor is of this node and has ended: one that is just ending may still be given, and
    /// refuses what is sent to it. What became of one on another node is not known
    /// here: sends to it say so.
    #[must_use]
    pub fn upgrade(&self) -> Option<ActorRef<A>> {
        match &self.place {
            Weakly::Local(link, _) => {
                let link = link.0.lock().unwrap_or_else(PoisonError::into_inner);
                // SAFETY: the cell cuts the link, for which it needs the lock, before it is dropped.
                let cell = link.as_ref().and_then(|spot| unsafe { spot.upgrade() });
                // If that has ended meanwhile, and this is the last reference, it cuts the link when it goes.
                drop(link);
                cell.map(ActorRef::local)
            }
            Weakly::Remote(address, system) => Some(ActorRef::from_address(system, *address)),
            Weakly::Gone(_) => None,
        }
    }

    /// Who it is, for comparing.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match &self.place {
            Weakly::Local(_, number) => Identity::Local(*number),
            Weakly::Remote(address, _) | Weakly::Gone(address) => Identity::Remote(*address),
        }
    }
}

impl<A: Actor> Clone for WeakRef<A> {
    fn clone(&self) -> Self {
        let place = match &self.place {
            Weakly::Local(link, number) => Weakly::Local(link.clone(), *number),
            Weakly::Remote(address, system) => Weakly::Remote(*address, system.clone()),
            Weakly::Gone(address) => Weakly::Gone(*address),
        };
        Self { place }
    }
}

impl<A: Actor> PartialEq for WeakRef<A> {
    /// Whether both lead to the same actor, or led to it.
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl<A: Actor> Eq for WeakRef<A> {}

impl<A: Actor> Hash for WeakRef<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl<A: Actor> fmt::Debug for WeakRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = A::ID.unwrap_or_else(|| std::any::type_name::<A>());
        match self.identity() {
            Identity::Local(number) => write!(f, "WeakRef({kind} {number})"),
            Identity::Remote(address) => write!(f, "WeakRef({kind} {address})"),
        }
    }
}
