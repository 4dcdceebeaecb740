//! Whom one can send to: one actor, or something that picks one for each message.
//!
//! A [`Target`] takes messages for actors of one type: an [`ActorRef`], a group or a pool by one of its strategies, a
//! circuit breaker around any of them. It says where it [aims](Target::aim); the sends are the same for all. An
//! extension trait over it with a blanket impl therefore works on each of them. What it is NOT: a queue; whoever is
//! picked takes the message without a hop between. Read `ask.rs` and `tell.rs` for the sends, `group.rs` and
//! `breaker.rs` for who picks.

use std::{fmt, sync::Arc};

use odeon_message::{Failure, FailureKind, Message, TellError};

use crate::{Actor, ActorRef, Ask, Handler, Tell};

/// Something that takes messages for actors of one type.
///
/// # Examples
/// What can be asked of an account can be asked of whatever leads to one:
/// ```
/// use odeon::{Actor, Ask, Context, Handler, StartError, Target, message};
/// # mod odeon { pub use odeon_actor::*; pub use odeon_message::*; }
///
/// # /*
/// #[message(local, reply = u64)]
/// # */
/// # #[message(local, reply = u64, crate = crate::odeon)]
/// struct Deposit(u64);
/// # struct Account(u64);
/// # impl Actor for Account {
/// #     type Args = ();
/// #     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> { Ok(Self(0)) }
/// # }
/// # impl Handler<Deposit> for Account {
/// #     async fn handle(&mut self, deposit: Deposit, _: &mut Context<Self>) -> u64 { self.0 += deposit.0; self.0 }
/// # }
///
/// trait AccountCalls: Target<Actor = Account> {
///     fn deposit(&self, cents: u64) -> Ask<Account, Deposit> {
///         Target::ask(self, Deposit(cents))
///     }
/// }
///
/// impl<T: Target<Actor = Account> + ?Sized> AccountCalls for T {}
/// # fn main() {}
/// ```
pub trait Target {
    /// The type of the actors behind it.
    type Actor: Actor;

    /// Where the next message goes.
    fn aim(&self) -> Aim<Self::Actor>;

    /// As [`ActorRef::ask`]; the receiver is picked when the ask is awaited.
    fn ask<M: Message>(&self, message: M) -> Ask<Self::Actor, M>
    where
        Self::Actor: Handler<M>,
    {
        Ask::aimed(self.aim(), message)
    }

    /// As [`ActorRef::tell`]; the receiver is picked when the tell is awaited.
    fn tell<M: Message>(&self, message: M) -> Tell<'_, Self::Actor, M>
    where
        Self::Actor: Handler<M>,
    {
        Tell::aimed(self.aim(), message)
    }

    /// As [`ActorRef::try_tell`].
    ///
    /// # Errors
    /// As there, and when there is nobody to pick. The message comes back.
    fn try_tell<M: Message>(&self, message: M) -> Result<(), TellError<M>>
    where
        Self::Actor: Handler<M>,
    {
        match self.aim().pick() {
            Ok(Pick { actor, witness }) => {
                let told = actor.try_tell(message);
                if let Some(witness) = witness {
                    witness.learn(Outcome::of_tell(&told));
                }
                told
            }
            Err(failure) => Err(TellError::returned(failure, message)),
        }
    }
}

impl<A: Actor> Target for ActorRef<A> {
    type Actor = A;

    fn aim(&self) -> Aim<A> {
        Aim::at(self.clone())
    }

    fn tell<M: Message>(&self, message: M) -> Tell<'_, A, M>
    where
        A: Handler<M>,
    {
        Self::tell(self, message)
    }

    fn try_tell<M: Message>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handler<M>,
    {
        Self::try_tell(self, message)
    }
}

/// Where messages go: straight to one actor, or to whomever a [`Router`] picks for each.
pub struct Aim<A: Actor>(Way<A>);

enum Way<A: Actor> {
    Straight(ActorRef<A>),
    Routed(Arc<dyn Router<A>>),
}

impl<A: Actor> Aim<A> {
    /// At this actor.
    #[must_use]
    pub fn at(actor: ActorRef<A>) -> Self {
        Self(Way::Straight(actor))
    }

    /// At whomever `router` picks when a message is sent.
    #[must_use]
    pub fn routed(router: Arc<dyn Router<A>>) -> Self {
        Self(Way::Routed(router))
    }

    /// Who takes a message that is sent now.
    ///
    /// # Errors
    /// Why nobody does; the message was not delivered.
    pub fn pick(&self) -> Result<Pick<A>, Failure> {
        match &self.0 {
            Way::Straight(actor) => Ok(Pick::of(actor.clone())),
            Way::Routed(router) => router.pick(),
        }
    }

    /// Whether another message may go to another actor.
    pub(crate) fn is_routed(&self) -> bool {
        matches!(self.0, Way::Routed(_))
    }

    /// As [`pick`](Self::pick), for the last message.
    #[inline]
    pub(crate) fn into_pick(self) -> Result<Pick<A>, Failure> {
        match self.0 {
            Way::Straight(actor) => Ok(Pick::of(actor)),
            Way::Routed(router) => router.pick(),
        }
    }
}

impl<A: Actor> Clone for Aim<A> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Way::Straight(actor) => Way::Straight(actor.clone()),
            Way::Routed(router) => Way::Routed(router.clone()),
        })
    }
}

impl<A: Actor> fmt::Debug for Aim<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Way::Straight(actor) => write!(f, "Aim({actor:?})"),
            Way::Routed(_) => f.write_str("Aim(routed)"),
        }
    }
}

/// Picks who takes a message.
pub trait Router<A: Actor>: Send + Sync + 'static {
    /// Who takes a message that is sent now. Called once for each send and each retry, from any thread; must not wait.
    ///
    /// # Errors
    /// Why nobody does, as not delivered: [`FailureKind::Full`] if it is worth a retry after a pause,
    /// [`FailureKind::Stopped`] if there is nobody.
    fn pick(&self) -> Result<Pick<A>, Failure>;
}

/// Who was picked, and who wants to know how it went.
pub struct Pick<A: Actor> {
    pub(crate) actor: ActorRef<A>,
    pub(crate) witness: Option<Box<dyn Witness>>,
}

impl<A: Actor> Pick<A> {
    /// This actor, and nobody wants to know.
    #[must_use]
    pub fn of(actor: ActorRef<A>) -> Self {
        Self { actor, witness: None }
    }

    /// Adds somebody who wants to know; those added before are told first.
    #[must_use]
    pub fn witnessed(mut self, witness: Box<dyn Witness>) -> Self {
        self.witness = Some(match self.witness.take() {
            Some(first) => Box::new(Both { first, second: witness }),
            None => witness,
        });
        self
    }

    /// The actor.
    #[must_use]
    pub fn actor(&self) -> &ActorRef<A> {
        &self.actor
    }
}

impl<A: Actor> fmt::Debug for Pick<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pick({:?})", self.actor)
    }
}

/// Wants to know how one send went.
pub trait Witness: Send + Sync {
    /// Called once, from any thread; must not wait.
    fn learn(self: Box<Self>, outcome: Outcome);
}

/// Two who want to know about the same send.
struct Both {
    first: Box<dyn Witness>,
    second: Box<dyn Witness>,
}

impl Witness for Both {
    fn learn(self: Box<Self>, outcome: Outcome) {
        self.first.learn(outcome);
        self.second.learn(outcome);
    }
}

/// How one send went, without the message's types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A tell was taken, or an ask answered.
    Done,
    /// The handler answered with its own error: it ran.
    Refused,
    /// It failed on the way, or the handler panicked.
    Failed(FailureKind),
    /// The sender gave up before it was known.
    Abandoned,
}

impl Outcome {
    pub(crate) fn of_tell<M>(told: &Result<(), TellError<M>>) -> Self {
        match told {
            Ok(()) => Self::Done,
            Err(error) => Self::Failed(error.failure.kind),
        }
    }
}
