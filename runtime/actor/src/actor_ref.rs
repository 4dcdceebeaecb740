//! The reference to an actor: the same type whether it lives on this node or on another.
//!
//! A reference stays valid across restarts by a supervisor. One to an actor of this node points at its cell; one to an
//! actor of another node holds a [`Route`]; one to an earlier life of this node is gone, and every send says so. How
//! it archives is in `archive.rs`; sends go on in `tell.rs` and `ask.rs`.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use odeon_message::{ActorTypeId, Address, Failure, FailureKind, Message, TellError};

use crate::{
    Actor, ActorSystem, Aim, AnyRef, Ask, ExportError, Handler, Identity, Route, Tell,
    cell::{CellArc, CellPtr, Signals},
    tell,
};

/// A reference to an actor. Cheap to clone; holding one keeps no actor alive.
pub struct ActorRef<A: Actor> {
    place: Place<A>,
}

/// The way to an actor of another node, and the system that it begins in.
pub(crate) struct Abroad {
    pub(crate) route: Arc<dyn Route>,
    pub(crate) system: ActorSystem,
}

/// Where an actor is: two words, which go from hand to hand in registers.
pub(crate) enum Place<A: Actor> {
    Local(CellArc<A>),
    Remote(Arc<Abroad>),
    /// Of an earlier life of this node, ended, or of another type.
    Gone(Box<Address>),
}

impl<A: Actor> ActorRef<A> {
    pub(crate) fn local(cell: CellArc<A>) -> Self {
        Self { place: Place::Local(cell) }
    }

    pub(crate) fn place(&self) -> &Place<A> {
        &self.place
    }

    /// The system it was made by; `None` if it leads nowhere.
    pub(crate) fn system(&self) -> Option<&ActorSystem> {
        match &self.place {
            Place::Local(cell) => Some(cell.head.worker.system()),
            Place::Remote(abroad) => Some(&abroad.system),
            Place::Gone(_) => None,
        }
    }

    /// How much an actor of this node has to do; one that cannot be seen from here has nothing.
    pub(crate) fn load(&self) -> usize {
        match &self.place {
            Place::Local(cell) => cell.head.depth(),
            Place::Remote(..) | Place::Gone(_) => 0,
        }
    }

    /// The cell, if the actor is of this node.
    pub(crate) fn cell(&self) -> Option<CellPtr> {
        match &self.place {
            Place::Local(cell) => Some(CellPtr::new(cell.clone())),
            Place::Remote(..) | Place::Gone(_) => None,
        }
    }

    /// The reference to the actor at `address`, seen from `system`'s node.
    ///
    /// An address of this node and life leads to the actor itself if it is still there and of this type. One of
    /// another node leads to a route, whether or not that node can be reached; before the system has a network it
    /// leads nowhere.
    #[must_use]
    pub fn from_address(system: &ActorSystem, address: Address) -> Self {
        let gone = || Place::Gone(Box::new(address));
        let place = if A::ID.map(ActorTypeId::of) != Some(address.actor_type) {
            gone()
        } else if address.node != system.node() {
            system.remotes().map_or_else(gone, |remotes| {
                let (route, system) = (remotes.route(address), system.clone());
                Place::Remote(Arc::new(Abroad { route, system }))
            })
        } else if address.incarnation == system.incarnation() {
            let cell = system.slots().with(address.key, |cell, _| cell.clone());
            cell.and_then(|cell| cell.downcast().ok()).map_or_else(gone, Place::Local)
        } else {
            gone()
        };
        Self { place }
    }

    /// Sends a message and waits until there is room for it: in the mailbox, or on the way to another node.
    ///
    /// It waits at most the system's `tell_within`, 5 s by default; see [`Tell::within`]. A tell to oneself never
    /// waits: a full mailbox is an error at once.
    ///
    /// # Errors
    /// The future answers with the message and why it was not taken. A handler that waits for room at an actor that waits
    /// for this one is told [`Deadlock`](FailureKind::Deadlock).
    pub fn tell<M: Message>(&self, message: M) -> Tell<'_, A, M>
    where
        A: Handler<M>,
    {
        Tell::new(self, message)
    }

    /// Sends a message if there is room for it now.
    ///
    /// # Errors
    /// [`Full`](FailureKind::Full) when there is no room or others wait for it,
    /// [`Stopped`](FailureKind::Stopped) when the actor has ended, and what the network says about an actor on another
    /// node. The message comes back.
    pub fn try_tell<M: Message>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handler<M>,
    {
        match &self.place {
            Place::Local(cell) => tell::try_local(cell, message),
            Place::Remote(abroad) => tell::try_remote(&*abroad.route, &message)
                .map_err(|failure| TellError::returned(failure, message)),
            Place::Gone(address) => Err(TellError::returned(gone(address), message)),
        }
    }

    /// Sends a message and waits for the answer.
    ///
    /// It waits at most the system's `ask_within`, 5 s by default; see [`Ask::within`]. Await it on any executor.
    ///
    /// An actor that has nothing to do may run the message at once, on the stack of whoever polls the future first, if
    /// that thread is the actor's, or in the runtime of a stealing actor: hold no lock meanwhile that the handler needs.
    ///
    /// # Errors
    /// The future says what happened and whether the message may have run.
    pub fn ask<M: Message>(&self, message: M) -> Ask<A, M>
    where
        A: Handler<M>,
    {
        Ask::aimed(Aim::at(self.clone()), message)
    }

    /// The actor's address; one of this node takes a slot in the node's table on first use.
    ///
    /// # Errors
    /// When the actor's type has no id or was not declared, the actor has ended, or the table is full.
    pub fn address(&self) -> Result<Address, ExportError> {
        match &self.place {
            Place::Local(cell) => CellPtr::borrow(cell).address(),
            Place::Remote(abroad) => Ok(abroad.route.address()),
            Place::Gone(address) => Ok(**address),
        }
    }

    /// Who it is, for comparing.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match &self.place {
            Place::Local(cell) => Identity::Local(cell.head.number),
            Place::Remote(abroad) => Identity::Remote(abroad.route.address()),
            Place::Gone(address) => Identity::Remote(**address),
        }
    }

    /// The same actor without its type, if it lives on this node.
    #[must_use]
    pub fn any(&self) -> Option<AnyRef> {
        self.cell().map(AnyRef)
    }

    /// Whether the actor lives on this node.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Local(_))
    }

    /// Lets an actor of this node end after its present message, as if it had called
    /// [`Context::stop`](crate::Context::stop): a supervisor may start it again. Does nothing to an actor of another
    /// node.
    pub fn stop(&self) {
        if let Some(cell) = self.cell() {
            cell.signal(Signals::LEAVE);
        }
    }

    /// Ends an actor of this node where it stands, even while its handler waits: [`Actor::stopped`] does not run, the
    /// message that runs is answered as stopped. A supervisor may start it again; OTP's `exit(Pid, kill)`. Does nothing
    /// to an actor of another node. A handler that blocks its thread goes on until it waits or is done.
    pub fn kill(&self) {
        if let Some(cell) = self.cell() {
            cell.signal(Signals::HALT | Signals::KILL);
        }
    }
}

impl<A: Actor> ActorRef<A> {
    /// Lets an actor of this node handle what is in its mailbox by then, and end after that, as if it had called
    /// [`Context::drain`](crate::Context::drain). Does nothing to an actor of another node.
    pub fn drain(&self) {
        if let Some(cell) = self.cell() {
            cell.signal(Signals::DRAIN);
        }
    }
}

/// What a send to an actor of an earlier life answers.
pub(crate) fn gone(address: &Address) -> Failure {
    let detail = format!("no actor of this type at {address}: look it up again");
    Failure::not_delivered(FailureKind::Stopped, detail)
}

impl<A: Actor> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        let place = match &self.place {
            Place::Local(cell) => Place::Local(cell.clone()),
            Place::Remote(abroad) => Place::Remote(abroad.clone()),
            Place::Gone(address) => Place::Gone(address.clone()),
        };
        Self { place }
    }
}

impl<A: Actor> PartialEq for ActorRef<A> {
    /// Whether both lead to the same actor.
    fn eq(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::Local(ours), Place::Local(theirs)) => ours.as_raw() == theirs.as_raw(),
            (Place::Local(_), _) | (_, Place::Local(_)) => false,
            _ => self.identity() == other.identity(),
        }
    }
}

impl<A: Actor> Eq for ActorRef<A> {}

impl<A: Actor> Hash for ActorRef<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl<A: Actor> fmt::Debug for ActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = A::ID.unwrap_or_else(|| std::any::type_name::<A>());
        match &self.place {
            Place::Local(cell) => write!(f, "ActorRef({kind} {})", cell.head.number),
            Place::Remote(abroad) => write!(f, "ActorRef({kind} {})", abroad.route.address()),
            Place::Gone(address) => write!(f, "ActorRef({kind} {address}, gone)"),
        }
    }
}
