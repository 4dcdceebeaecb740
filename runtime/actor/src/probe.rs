//! A probe: an actor that catches what it is sent, for tests of those who send.
//!
//! The test holds the [`Probe`], gives its reference to the code that it tests, and says what it expects. What it is
//! NOT: a mock with a script; it knows no more than what came. The words are Akka's (`TestProbe`).

use std::{any::Any, fmt, future::poll_fn, task::Poll, time::Duration};

use odeon_message::Message;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Actor, ActorRef, ActorSystem, Context, Handler, Recipient, SpawnOptions, StartError,
    deadline::Deadline,
};

/// Messages that were caught and not looked at yet; then the probe's mailbox fills.
const CAUGHT_MAX: usize = 1024;

/// A caught message and where its answer goes.
type Caught<M> = (M, Option<oneshot::Sender<<M as Message>::Output>>);

/// An actor that catches messages of one type, in the hands of a test.
///
/// A message whose handlers answer with `()` is answered at once. Any other holds the probe until the test has called
/// [`reply_with`](Self::reply_with). Dropping the probe stops the actor; a message
/// that it holds is answered as [`Cancelled`](odeon_message::AskError::Cancelled), ran.
///
/// # Examples
/// ```no_run
/// # mod odeon { pub use odeon_actor::*; pub use odeon_message::*; }
/// # use std::time::Duration;
/// use odeon::{ActorSystem, Probe, StartError, message};
///
/// # /*
/// #[message(local, reply = u64)]
/// # */
/// # #[message(local, reply = u64, crate = crate::odeon)]
/// struct Charge { cents: u64 }
///
/// # async fn example(system: ActorSystem) -> Result<(), StartError> {
/// let mut bank = Probe::<Charge>::start(&system).await?;
/// let to = bank.recipient(); // for the actor that is tested
/// # let _ = to;
/// let charge = bank.expect(Duration::from_secs(1)).await;
/// assert_eq!(charge.cents, 5);
/// bank.reply_with(95);
/// # Ok(())
/// # }
/// # fn main() {}
/// ```
pub struct Probe<M: Message> {
    system: ActorSystem,
    actor: ActorRef<ProbeActor<M>>,
    caught: mpsc::Receiver<Caught<M>>,
    /// Where the answer to the last message goes, until it is given.
    unanswered: Option<oneshot::Sender<M::Output>>,
}

impl<M: Message> Probe<M> {
    /// Starts a probe as an actor of `system`.
    ///
    /// # Errors
    /// When the system takes no actor.
    ///
    /// # Cancel safety
    /// A probe that nobody waits for is stopped.
    pub async fn start(system: &ActorSystem) -> Result<Self, StartError> {
        let (sender, caught) = mpsc::channel(CAUGHT_MAX);
        let actor = system.spawn::<ProbeActor<M>>(Sink(sender), SpawnOptions::default()).await?;
        Ok(Self { system: system.clone(), actor, caught, unanswered: None })
    }

    /// The reference to give to the code that is tested.
    #[must_use]
    pub fn recipient(&self) -> Recipient<M> {
        self.actor.recipient()
    }

    /// The probe as an actor, to be watched or put into a group.
    #[must_use]
    pub fn actor_ref(&self) -> ActorRef<ProbeActor<M>> {
        self.actor.clone()
    }

    /// The next message.
    ///
    /// # Panics
    /// When none comes within that time, and when the last one waits for its [answer](Self::reply_with).
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn expect(&mut self, within: Duration) -> M {
        match self.next(within).await {
            Some(message) => message,
            None => panic!("no {} came within {within:?}", M::NAME),
        }
    }

    /// The next message, of which something must be true.
    ///
    /// # Panics
    /// As [`expect`](Self::expect), and when it is not true.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn expect_that(&mut self, within: Duration, predicate: impl FnOnce(&M) -> bool) -> M {
        let message = self.expect(within).await;
        assert!(predicate(&message), "the next {} is not as expected", M::NAME);
        message
    }

    /// Waits that long and sees no message.
    ///
    /// # Panics
    /// When one comes, and when the last one waits for its [answer](Self::reply_with).
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn expect_no_message(&mut self, within: Duration) {
        assert!(self.next(within).await.is_none(), "a {} came that was not expected", M::NAME);
    }

    /// Answers the message that was expected last; what the handler of a real actor would return.
    ///
    /// # Panics
    /// When there is none that waits for an answer: nothing was expected, it was answered, or its answer is `()`.
    pub fn reply_with(&mut self, output: M::Output) {
        match self.unanswered.take() {
            // An asker that gave up misses nothing.
            Some(answer) => drop(answer.send(output)),
            None => panic!("no {} waits for an answer: expect one first", M::NAME),
        }
    }

    async fn next(&mut self, within: Duration) -> Option<M> {
        assert!(
            self.unanswered.as_ref().is_none_or(oneshot::Sender::is_closed),
            "the last {} was not answered, and no other can come before: call reply_with first",
            M::NAME
        );
        let mut deadline = Deadline::after(within);
        let (message, answer) = poll_fn(|cx| {
            if let Poll::Ready(caught) = self.caught.poll_recv(cx) {
                return Poll::Ready(caught);
            }
            if deadline.is_over(&self.system, cx) { Poll::Ready(None) } else { Poll::Pending }
        })
        .await?;
        self.unanswered = answer;
        Some(message)
    }
}

impl<M: Message> Drop for Probe<M> {
    fn drop(&mut self) {
        // A test that is done is no failure. A message that is held ends too, when the fields are gone.
        self.actor.stop();
    }
}

impl<M: Message> fmt::Debug for Probe<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Probe<{}>({})", M::NAME, self.caught.len())
    }
}

/// The actor behind a [`Probe`].
pub struct ProbeActor<M: Message> {
    sink: Sink<M>,
}

/// Where a probe puts what it catches.
pub struct Sink<M: Message>(mpsc::Sender<Caught<M>>);

impl<M: Message> Clone for Sink<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Message> Actor for ProbeActor<M> {
    type Args = Sink<M>;

    async fn start(sink: Sink<M>, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { sink })
    }
}

/// The one value of the type `()`, where `T` is that.
fn nothing<T: 'static>() -> Option<T> {
    let nothing: Box<dyn Any> = Box::new(());
    nothing.downcast().ok().map(|nothing| *nothing)
}

impl<M: Message> Handler<M> for ProbeActor<M> {
    async fn handle(&mut self, message: M, ctx: &mut Context<Self>) -> M::Output {
        if let Some(output) = nothing() {
            // The test has dropped the probe.
            let _ = self.sink.0.send((message, None)).await;
            return output;
        }
        let (sender, answer) = oneshot::channel();
        let caught = self.sink.0.send((message, Some(sender))).await;
        match (caught, answer.await) {
            (Ok(()), Ok(output)) => output,
            // The test has dropped the probe, which ends this actor.
            _ => ctx.defer(|responder| responder.fail("the probe was dropped")).await,
        }
    }
}
