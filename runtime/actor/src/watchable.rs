//! What can be watched: a reference of any kind, seen without its type.

use std::sync::Arc;

use odeon_message::Message;

use crate::{Actor, ActorRef, AnyRef, Identity, Recipient, Route, actor_ref::Place, cell::CellPtr};

/// Where a watched actor is.
pub enum Spot {
    #[doc(hidden)]
    Local(LocalSpot),
    #[doc(hidden)]
    Remote(Arc<dyn Route>),
    #[doc(hidden)]
    Gone,
}

/// Keeps the cell out of sight of other crates.
pub struct LocalSpot(pub(crate) CellPtr);

mod sealed {
    pub trait Sealed {
        fn who(&self) -> crate::Identity;
        fn place(&self) -> super::Spot;
    }
}

pub(crate) use sealed::Sealed;

/// A reference that [`Context::watch`](crate::Context::watch) takes: an [`ActorRef`], a [`Recipient`] or an [`AnyRef`].
pub trait Watchable: Sealed {}

impl<A: Actor> ActorRef<A> {
    pub(crate) fn spot(&self) -> Spot {
        match self.place() {
            Place::Local(cell) => Spot::Local(LocalSpot(CellPtr::new(cell.clone()))),
            Place::Remote(abroad) => Spot::Remote(abroad.route.clone()),
            Place::Gone(_) => Spot::Gone,
        }
    }
}

impl<A: Actor> Sealed for ActorRef<A> {
    fn who(&self) -> Identity {
        self.identity()
    }

    fn place(&self) -> Spot {
        self.spot()
    }
}

impl<A: Actor> Watchable for ActorRef<A> {}

impl<M: Message> Sealed for Recipient<M> {
    fn who(&self) -> Identity {
        self.identity()
    }

    fn place(&self) -> Spot {
        self.spot()
    }
}

impl<M: Message> Watchable for Recipient<M> {}

impl Sealed for AnyRef {
    fn who(&self) -> Identity {
        self.identity()
    }

    fn place(&self) -> Spot {
        Spot::Local(LocalSpot(self.0.clone()))
    }
}

impl Watchable for AnyRef {}
