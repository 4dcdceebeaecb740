//! One message on its way through a mailbox: one allocation, linked in place, typed by a table of functions. Tells of another
//! node that came together are one as well (`inbound/trains.rs`).
//!
//! An [`Envelope`] owns its node. It ends in exactly one of three ways: it is [started](Envelope::start), which hands
//! the message to a handler, it is [refused](Envelope::refuse), which answers whoever waits, or a tell takes its
//! message [back](Envelope::reclaim). Dropping one refuses it, so that none is lost on any way out. What it is NOT: a
//! queue; read `mailbox.rs` next. Asks are in `ask_slot.rs`, messages from the network in `inbound.rs`.
#![expect(unsafe_code, reason = "nodes of different types share one intrusive list")]

use std::{
    any::Any,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
};

use odeon_message::{Failure, FailureKind, Message};

use crate::{
    AskThere, Handler, ReplyTo,
    cell::{ActorCell, CellHead},
    future_slot::Sink,
    inbound::TrainCalls,
    life,
    load::units,
    nodes,
    responder::Responder,
    stack::Linked,
    stats::count,
    sync::AtomicPtr,
    turn::Turn,
};

/// The start of every node; the rest depends on the kind of envelope.
pub(crate) struct Head {
    /// The node below in a stack of messages; written by whoever owns the node alone.
    next: AtomicPtr<Head>,
    calls: &'static EnvelopeCalls,
}

impl Head {
    pub(crate) const fn new(calls: &'static EnvelopeCalls) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), calls }
    }
}

// SAFETY: it is always the same field, which only `stack.rs` and `mailbox.rs` write, for whoever owns the node.
unsafe impl Linked for Head {
    fn link(&self) -> &AtomicPtr<Self> {
        &self.next
    }
}

/// Where the answer of a node goes, if it is an ask of another node.
type AskedCall = unsafe fn(NonNull<Head>) -> Option<NonNull<ReplyTo>>;

/// What can be done with a node. Each function consumes it.
pub(crate) struct EnvelopeCalls {
    /// Hands the message to its handler; `true` if the handler's future is done.
    ///
    /// # Safety
    /// The node is owned and of this table's type; the cell is of the actor type the table was made for; this is the
    /// cell's turn and no future is in its slot.
    pub(crate) start: unsafe fn(NonNull<Head>, NonNull<CellHead>, &mut Turn<'_>) -> bool,
    /// Drops the message and answers whoever waits.
    ///
    /// # Safety
    /// The node is owned and of this table's type.
    pub(crate) refuse: unsafe fn(NonNull<Head>, &Failure),
    /// What a node takes up in a mailbox, in units of `load.rs`: its own size. Heap memory behind a message is not seen.
    pub(crate) units: u32,
    /// The bytes of a node's payload, which count beside its own.
    ///
    /// # Safety
    /// The node is alive and of this table's type.
    pub(crate) payload: Option<unsafe fn(NonNull<Head>) -> usize>,
    /// Whether its handler is a read.
    pub(crate) reads: bool,
    /// Which ask of another node it is, for kinds that may be one.
    ///
    /// # Safety
    /// The node is alive and of this table's type.
    pub(crate) asked: Option<AskedCall>,
    /// Whether it is another node with its cause, of `cause.rs`.
    pub(crate) caused: bool,
    /// What can be done with it if it is messages that came together, of `inbound/trains.rs`.
    pub(crate) train: Option<&'static TrainCalls>,
}

/// An owned node.
pub(crate) struct Envelope(NonNull<Head>);

// SAFETY: every node holds only `Send` parts (messages are `Send`), and the handle owns it.
unsafe impl Send for Envelope {}

impl Envelope {
    /// Takes ownership of a node.
    ///
    /// # Safety
    /// `node` came from [`into_raw`](Self::into_raw), or is the start of a node whose table is its own; nobody else
    /// owns it.
    pub(crate) unsafe fn from_raw(node: NonNull<Head>) -> Self {
        Self(node)
    }

    pub(crate) fn into_raw(self) -> NonNull<Head> {
        ManuallyDrop::new(self).0
    }

    /// Its node, which it goes on to own.
    #[inline]
    pub(crate) fn as_node(&self) -> NonNull<Head> {
        self.0
    }

    #[inline]
    pub(crate) fn calls(node: NonNull<Head>) -> &'static EnvelopeCalls {
        // SAFETY: the caller owns the node, so it is alive.
        unsafe { node.as_ref() }.calls
    }

    /// What it takes up in a mailbox, in units of `load.rs`.
    #[inline]
    pub(crate) fn units(&self) -> u32 {
        let calls = Self::calls(self.0);
        match calls.payload {
            None => calls.units,
            // SAFETY: the node is owned by `self`, and its table is of its type.
            Some(payload) => calls.units.saturating_add(units(unsafe { payload(self.0) })),
        }
    }

    /// Whether its cause travels with it.
    pub(crate) fn is_caused(&self) -> bool {
        Self::calls(self.0).caused
    }

    /// Whether its handler is a read.
    pub(crate) fn reads(&self) -> bool {
        Self::calls(self.0).reads
    }

    /// Whether it is this ask of another node.
    pub(crate) fn is_ask(&self, ask: &AskThere) -> bool {
        let Some(asked) = Self::calls(self.0).asked else { return false };
        // SAFETY: the node is owned by `self`, and its table is of its type.
        let reply = unsafe { asked(self.0) };
        // SAFETY: it is part of the node.
        reply.is_some_and(|reply| unsafe { reply.as_ref() }.answers(ask))
    }

    /// Hands the message to its handler; `true` if the handler's future is done, `false` if it waits in the slot.
    ///
    /// # Safety
    /// The cell is of the actor type the envelope was made for; this is its turn, and its slot is empty.
    pub(crate) unsafe fn start(self, cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
        let node = self.into_raw();
        // SAFETY: the node was owned by `self`; the caller keeps the rest.
        unsafe { (Self::calls(node).start)(node, cell, turn) }
    }

    /// Drops the message unhandled and tells whoever waits why.
    pub(crate) fn refuse(self, failure: &Failure) {
        let node = self.into_raw();
        // SAFETY: the node was owned by `self`.
        unsafe { (Self::calls(node).refuse)(node, failure) }
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        let failure = Failure::not_delivered(FailureKind::Stopped, "");
        // SAFETY: the node is owned by `self`, which is going away.
        unsafe { (Self::calls(self.0).refuse)(self.0, &failure) }
    }
}

#[repr(C)]
struct TellNode<M> {
    head: Head,
    message: M,
}

/// The table of tells of `M` to `A`, and the sink of their handlers.
struct Told<A, M>(std::marker::PhantomData<(A, M)>);

impl<A: Handler<M>, M: Message> Told<A, M> {
    const CALLS: &'static EnvelopeCalls = &EnvelopeCalls {
        start: Self::start,
        refuse: Self::refuse,
        units: Envelope::tell_units::<M>(),
        payload: None,
        reads: A::READS,
        asked: None,
        caused: false,
        train: None,
    };

    unsafe fn start(node: NonNull<Head>, cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
        // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
        let message = unsafe { open::<M>(node) };
        // SAFETY: the caller keeps the contract of the turn; the sink needs no target.
        unsafe { life::handle::<A, M, Self>(cell, ptr::null_mut(), message, turn) }
    }

    unsafe fn refuse(node: NonNull<Head>, _: &Failure) {
        // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
        drop(unsafe { open::<M>(node) });
    }
}

impl<A: Handler<M>, M: Message> Sink<M::Output> for Told<A, M> {
    unsafe fn done(cell: NonNull<CellHead>, _: *mut (), output: M::Output) {
        if M::answer(output).is_err() {
            // SAFETY: the cell is alive during its turn and of this actor type.
            let cell = unsafe { cell.cast::<ActorCell<A>>().as_ref() };
            count(&cell.head.worker.system().counters().tell_errors);
        }
    }

    unsafe fn fail(_: NonNull<CellHead>, _: *mut (), _: &Failure) {}

    unsafe fn detach(cell: NonNull<CellHead>, _: *mut (), out: &mut dyn Any) -> bool {
        let Some(out) = out.downcast_mut::<Option<Responder<M>>>() else { return false };
        // SAFETY: the cell is alive during its turn.
        *out = Some(Responder::nobody(unsafe { cell.as_ref() }.worker.system().clone()));
        true
    }
}

/// Frees the node of a tell and takes its message out.
///
/// # Safety
/// The node is owned and was made by [`Envelope::tell`] with the same `M`.
#[inline]
unsafe fn open<M>(node: NonNull<Head>) -> M {
    // SAFETY: the caller says that it is an owned node of this type.
    let TellNode { head: _, message } = unsafe { nodes::take(node.cast::<TellNode<M>>()) };
    message
}

impl Envelope {
    /// A tell: one block of memory.
    pub(crate) fn tell<A: Handler<M>, M: Message>(message: M) -> Self {
        let head = Head::new(Told::<A, M>::CALLS);
        Self(nodes::put(TellNode { head, message }).cast())
    }

    /// What a tell of `M` takes up in a mailbox, known before it is made.
    pub(crate) const fn tell_units<M>() -> u32 {
        units(size_of::<TellNode<M>>())
    }

    /// Takes the message of a tell back.
    ///
    /// # Safety
    /// The envelope was made by [`tell`](Self::tell) with the same `M`.
    pub(crate) unsafe fn reclaim<M: Message>(self) -> M {
        let node = self.without_cause().into_raw();
        // SAFETY: the node is owned, and has no other around it; the caller says what it is.
        unsafe { open::<M>(node) }
    }
}
