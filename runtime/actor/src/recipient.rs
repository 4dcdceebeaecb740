//! A reference by what it takes instead of by who takes it.
//!
//! A [`Recipient<M>`] leads to an actor of any type that handles `M`, on this node or another. What it is NOT: a
//! target, whose sends cost no allocation of their own; here an ask and a tell that waits are boxed.

use std::{
    fmt,
    future::{Future, IntoFuture},
    hash::{Hash, Hasher},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use odeon_message::{AskError, FailureKind, Message, TellError};

use crate::{ActorRef, Handler, Identity, watchable::Spot};

type Told<M> = Result<(), TellError<M>>;
type Telling<'a, M> = Pin<Box<dyn Future<Output = Told<M>> + Send + 'a>>;
type Answer<M> = Result<<M as Message>::Reply, AskError<<M as Message>::Error>>;
type Asking<M> = Pin<Box<dyn Future<Output = Answer<M>> + Send>>;

/// How one message is sent.
#[derive(Clone, Copy, Default)]
struct How {
    within: Option<Duration>,
    priority: u8,
}

/// What a reference can do with one type of message.
trait Receive<M: Message>: Send + Sync {
    fn try_tell(&self, message: M) -> Told<M>;
    fn tell(&self, message: M, how: How) -> Telling<'_, M>;
    fn ask(&self, message: M, how: How) -> Asking<M>;
    fn identity(&self) -> Identity;
    fn spot(&self) -> Spot;
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<A: Handler<M>, M: Message> Receive<M> for ActorRef<A> {
    fn try_tell(&self, message: M) -> Told<M> {
        Self::try_tell(self, message)
    }

    fn tell(&self, message: M, how: How) -> Telling<'_, M> {
        let tell = Self::tell(self, message).priority(how.priority);
        Box::pin(match how.within {
            Some(within) => tell.within(within),
            None => tell,
        })
    }

    fn ask(&self, message: M, how: How) -> Asking<M> {
        let ask = Self::ask(self, message).priority(how.priority);
        Box::pin(match how.within {
            Some(within) => ask.within(within).into_future(),
            None => ask.into_future(),
        })
    }

    fn identity(&self) -> Identity {
        Self::identity(self)
    }

    fn spot(&self) -> Spot {
        Self::spot(self)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A reference to an actor of any type that handles `M`. Cheap to clone; holding one keeps no actor alive.
///
/// Made from an [`ActorRef`] with `into()` or [`ActorRef::recipient`]. Two are equal if they lead to the same actor. It
/// can be [watched](crate::Context::watch). It cannot be a part of a message that crosses nodes: an [`ActorRef`] can.
pub struct Recipient<M: Message>(Arc<dyn Receive<M>>);

impl<M: Message> Recipient<M> {
    /// As [`ActorRef::try_tell`].
    ///
    /// # Errors
    /// As there; the message comes back.
    pub fn try_tell(&self, message: M) -> Result<(), TellError<M>> {
        self.0.try_tell(message)
    }

    /// As [`ActorRef::tell`].
    ///
    /// # Errors
    /// The future answers with the message and why it was not taken.
    pub fn tell(&self, message: M) -> RecipientTell<'_, M> {
        RecipientTell {
            recipient: self,
            message: Some(message),
            how: How::default(),
            waiting: None,
        }
    }

    /// As [`ActorRef::ask`].
    ///
    /// # Errors
    /// The future says what happened and whether the message may have run.
    pub fn ask(&self, message: M) -> RecipientAsk<M> {
        RecipientAsk { recipient: self.clone(), message, how: How::default() }
    }

    /// Who it is, for comparing.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.0.identity()
    }

    pub(crate) fn spot(&self) -> Spot {
        self.0.spot()
    }
}

impl<A: crate::Actor> ActorRef<A> {
    /// The same actor, known only by one type of message.
    #[must_use]
    pub fn recipient<M: Message>(&self) -> Recipient<M>
    where
        A: Handler<M>,
    {
        Recipient(Arc::new(self.clone()))
    }
}

impl<A: Handler<M>, M: Message> From<ActorRef<A>> for Recipient<M> {
    fn from(actor: ActorRef<A>) -> Self {
        Self(Arc::new(actor))
    }
}

impl<M: Message> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Message> PartialEq for Recipient<M> {
    /// Whether both lead to the same actor.
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl<M: Message> Eq for Recipient<M> {}

impl<M: Message> Hash for Recipient<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl<M: Message> fmt::Debug for Recipient<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient<{}>(", M::NAME)?;
        self.0.describe(f)?;
        f.write_str(")")
    }
}

/// A tell to a recipient that was not sent yet: await it. It allocates only if it has to wait.
///
/// # Cancel safety
/// As [`Tell`](crate::Tell).
#[must_use = "a tell does nothing unless it is awaited"]
pub struct RecipientTell<'a, M: Message> {
    recipient: &'a Recipient<M>,
    message: Option<M>,
    how: How,
    waiting: Option<Telling<'a, M>>,
}

// The message is moved out by value; what waits is boxed.
impl<M: Message> Unpin for RecipientTell<'_, M> {}

impl<M: Message> RecipientTell<'_, M> {
    /// Waits at most this long for room.
    pub fn within(mut self, within: Duration) -> Self {
        self.how.within = Some(within);
        self
    }

    /// How urgent it is; as [`Tell::priority`](crate::Tell::priority). One with a priority allocates.
    pub fn priority(mut self, priority: u8) -> Self {
        self.how.priority = priority;
        self
    }
}

impl<M: Message> Future for RecipientTell<'_, M> {
    type Output = Result<(), TellError<M>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(message) = this.message.take() {
            // What is tried has the priority of all that says none.
            let message = match this.how.priority {
                0 => match this.recipient.0.try_tell(message) {
                    Err(TellError { failure, message: Some(message) })
                        if failure.kind == FailureKind::Full =>
                    {
                        message
                    }
                    told => return Poll::Ready(told),
                },
                _ => message,
            };
            this.waiting = Some(this.recipient.0.tell(message, this.how));
        }
        match &mut this.waiting {
            Some(waiting) => waiting.as_mut().poll(cx),
            // It was told at its first poll.
            None => Poll::Ready(Ok(())),
        }
    }
}

/// An ask of a recipient that was not sent yet: await it.
#[must_use = "an ask does nothing unless it is awaited"]
pub struct RecipientAsk<M: Message> {
    recipient: Recipient<M>,
    message: M,
    how: How,
}

impl<M: Message> RecipientAsk<M> {
    /// Waits at most this long for the answer.
    pub fn within(mut self, within: Duration) -> Self {
        self.how.within = Some(within);
        self
    }

    /// How urgent it is; as [`Tell::priority`](crate::Tell::priority).
    pub fn priority(mut self, priority: u8) -> Self {
        self.how.priority = priority;
        self
    }
}

impl<M: Message> IntoFuture for RecipientAsk<M> {
    type Output = Answer<M>;
    /// # Cancel safety
    /// As [`AskFuture`](crate::AskFuture).
    type IntoFuture = Asking<M>;

    fn into_future(self) -> Self::IntoFuture {
        self.recipient.0.ask(self.message, self.how)
    }
}
