//! Reads: messages that only look at their actor, and so may run beside each other.
//!
//! What it is: [`ReadHandler`], and the futures of an actor's reads that wait. Reads at the head of the mailbox begin in
//! order and run together, at most [`reads_max`](crate::SystemConfig::reads_max) of them; any other message waits until
//! they are done, and reads behind it wait for it, so that neither kind starves the other. What it is NOT: a second
//! thread; reads interleave on the actor's worker wherever they wait. Scheduled in `life/reading.rs`.
#![expect(unsafe_code, reason = "reads borrow the actor from its cell while the worker goes on")]

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    ptr::NonNull,
    task::{self, Poll},
    time::Duration,
};

use odeon_message::{Failure, Message};

use crate::{
    Actor, ActorRef, ActorSystem, AskThere,
    actor_ref::Place,
    cell::CellHead,
    future_slot::{Asker, FutureSlot},
    turn::Turn,
    wakes::{Key, OwnWaker},
    watched::Held,
    worker::{
        is_own_turn,
        waiting::{Part, begin_part},
    },
};

/// Answers messages of one type from a shared reference: many of them may be under way at a time.
///
/// Implement it, and say `reads!(Account: Balance);` beside it: that makes the actor a [`Handler`](crate::Handler) of the
/// message, so that it is asked like for any other. A panic in a read ends the life of the actor, and all its reads are
/// answered.
pub trait ReadHandler<M: Message>: Actor + Sync {
    /// Answers one message. What changes the actor waits until the future is done.
    fn read(&self, message: M, ctx: &ReadContext<Self>) -> impl Future<Output = M::Output> + Send;
}

/// Makes an actor a [`Handler`](crate::Handler) of the messages that it [reads](crate::ReadHandler).
///
/// ```
/// use odeon::{ReadContext, ReadHandler, message, reads};
/// # use odeon_actor::{Actor, Context, StartError};
/// # struct Account { cents: u64 }
/// # impl Actor for Account {
/// #     type Args = ();
/// #     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> { Ok(Self { cents: 0 }) }
/// # }
/// # mod odeon { pub use odeon_actor::*; pub use odeon_message::*; }
///
/// # /*
/// #[message(local, reply = u64)]
/// # */
/// # #[message(local, reply = u64, crate = crate::odeon)]
/// struct Balance;
///
/// impl ReadHandler<Balance> for Account {
///     async fn read(&self, _: Balance, _: &ReadContext<Self>) -> u64 {
///         self.cents
///     }
/// }
///
/// reads!(Account: Balance);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! reads {
    ($actor:ty: $($message:ty),+ $(,)?) => {$(
        impl $crate::Handler<$message> for $actor {
            const READS: bool = true;

            async fn handle(
                &mut self,
                message: $message,
                ctx: &mut $crate::Context<Self>,
            ) -> <$message as $crate::ReadMessage>::Output {
                let ctx = $crate::ReadContext::alone(ctx);
                $crate::ReadHandler::<$message>::read(self, message, &ctx).await
            }

            async fn handle_read(
                &self,
                message: $message,
                ctx: &$crate::ReadContext<Self>,
            ) -> <$message as $crate::ReadMessage>::Output {
                $crate::ReadHandler::<$message>::read(self, message, ctx).await
            }
        }
    )+};
}

/// What a read can do besides answering.
pub struct ReadContext<A: Actor> {
    actor: ActorRef<A>,
    /// Whoever waits; of a slot that does not answer while this exists.
    asker: Option<Asker>,
}

impl<A: Actor> ReadContext<A> {
    /// # Safety
    /// The slot of the asker does not answer as long as the context exists.
    pub(crate) unsafe fn new(actor: ActorRef<A>, asker: Option<Asker>) -> Self {
        Self { actor, asker }
    }

    /// Of a read that runs as a message that may change the actor; it knows nothing of its asker.
    #[doc(hidden)]
    #[must_use]
    pub fn alone(ctx: &crate::Context<A>) -> Self {
        Self { actor: ctx.self_ref(), asker: None }
    }

    /// The reference to this actor.
    #[must_use]
    pub fn self_ref(&self) -> ActorRef<A> {
        self.actor.clone()
    }

    /// The node's actors; `None` never happens for an actor that runs.
    #[must_use]
    pub fn system(&self) -> Option<&ActorSystem> {
        match self.actor.place() {
            Place::Local(cell) => Some(cell.head.worker.system()),
            Place::Remote(abroad) => Some(&abroad.system),
            Place::Gone(_) => None,
        }
    }

    /// As [`Context::remaining`](crate::Context::remaining), for this read.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        // SAFETY: whoever made the context says that the slot has not answered.
        unsafe { self.asker?.waits() }.remaining()
    }

    /// As [`Context::is_cancelled`](crate::Context::is_cancelled), for this read.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let Some(asker) = self.asker else { return false };
        // SAFETY: whoever made the context says that the slot has not answered.
        let given_up = unsafe { asker.is_cancelled(None) };
        given_up || self.remaining().is_some_and(|time| time.is_zero())
    }

    /// As [`Context::cancelled`](crate::Context::cancelled), for this read.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send {
        poll_fn(|cx| {
            let Some(asker) = self.asker else { return Poll::Pending };
            let own = match self.actor.place() {
                Place::Local(cell) => is_own_turn(&raw const cell.head),
                Place::Remote(..) | Place::Gone(_) => false,
            };
            // SAFETY: whoever made the context says that the slot has not answered; one thread has the actor's turn.
            let given_up = unsafe { asker.is_cancelled(own.then(|| cx.waker())) };
            if given_up { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

impl<A: Actor> fmt::Debug for ReadContext<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadContext({:?})", self.actor)
    }
}

struct Read {
    slot: FutureSlot,
    waker: OwnWaker,
    watched: Cell<Option<Box<Held>>>,
}

/// The reads of one actor that wait, each in a slot of its own.
#[derive(Default)]
pub(crate) struct Reads(RefCell<BTreeMap<Key, Read>>);

impl Reads {
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Takes in what waits in the actor's slot; it is polled again with a waker of its own.
    pub(crate) fn park(
        &self,
        (key, waker): (Key, OwnWaker),
        slot: FutureSlot,
        watched: Option<Box<Held>>,
    ) {
        waker.wake();
        self.0.borrow_mut().insert(key, Read { slot, waker, watched: Cell::new(watched) });
    }

    /// Polls a read that was woken; `false` if there is none of that number.
    ///
    /// # Safety
    /// It is the turn of `cell`, whose reads these are.
    pub(crate) unsafe fn poll(
        &self,
        key: Key,
        cell: NonNull<CellHead>,
        turn: &mut Turn<'_>,
    ) -> bool {
        let reads = self.0.borrow();
        let Some(Read { slot, waker, watched }) = reads.get(&key) else { return false };
        let part = begin_part(Part::Read(slot.target().addr()));
        let done = Held::resume(watched, turn, |_| {
            // Nothing that runs in a read gets here.
            // SAFETY: the caller says so.
            unsafe { slot.resume(cell, &mut task::Context::from_waker(waker.begin())) }
        });
        drop((part, reads));
        if done {
            let read = self.0.borrow_mut().remove(&key);
            turn.resumed = true;
            if let Some(scratch) = read.and_then(|read| read.slot.take_back()) {
                turn.worker.keep(scratch);
            }
        }
        true
    }

    /// The read that is to answer this ask of another node, by the address of its target.
    ///
    /// # Safety
    /// The caller is the worker whose actor this is, and is not polling it.
    pub(crate) unsafe fn find(&self, ask: &AskThere) -> Option<usize> {
        let reads = self.0.borrow();
        // SAFETY: the caller says so.
        let read = reads.values().find(|read| unsafe { read.slot.answers(ask) })?;
        Some(read.slot.target().addr())
    }

    /// Drops all reads and answers their askers. Returns how many panics that caused.
    ///
    /// # Safety
    /// As [`poll`](Self::poll).
    pub(crate) unsafe fn abandon(&self, cell: NonNull<CellHead>, failure: &Failure) -> u64 {
        let reads = self.0.take();
        // SAFETY: the caller says so.
        reads.into_values().map(|read| unsafe { read.slot.abandon(cell, failure) }).sum()
    }
}
