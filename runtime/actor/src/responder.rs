//! The duty to answer a message, as a value: kept, moved to another actor or to a task, and settled later.
//!
//! What it is: what [`Context::defer`] takes out of a handler that runs. The handler is done with that, and the actor
//! goes on with its next message. What it is NOT: a second reply; each message is answered once, and a responder that is
//! dropped answers that there will be none. The three ways back are in `ask_slot/duty.rs` and `inbound.rs`; a tell has
//! none.

use std::{
    fmt,
    future::{Future, pending, poll_fn},
    task::{Poll, Waker},
    time::Duration,
};

use odeon_message::{Certainty, Failure, FailureKind, Message};
use tokio::time::Instant;

use crate::{
    Actor, ActorSystem, Context, Handler, ask_slot::Duty, envelope::Envelope, inbound::Asked,
    stats::count,
};

/// The duty to answer one message `M`.
///
/// Dropping it tells the asker [`Cancelled`](odeon_message::AskError::Cancelled), ran. The asker waits no longer than
/// its deadline, whether or not there is a responder. For a tell it answers nobody.
#[must_use = "dropping it answers the asker that there is no reply"]
pub struct Responder<M: Message> {
    way: Way<M>,
}

enum Way<M: Message> {
    /// A tell: only an error is counted.
    Nobody(ActorSystem),
    /// An asker on this node.
    Here(Duty<M>),
    /// One on another node.
    There(Asked<M>),
}

impl<M: Message> Responder<M> {
    pub(crate) fn nobody(system: ActorSystem) -> Self {
        Self { way: Way::Nobody(system) }
    }

    pub(crate) fn here(duty: Duty<M>) -> Self {
        Self { way: Way::Here(duty) }
    }

    pub(crate) fn there(asked: Asked<M>, system: &ActorSystem) -> Self {
        let way = if asked.is_tell() { Way::Nobody(system.clone()) } else { Way::There(asked) };
        Self { way }
    }

    /// Answers with what the handler would have returned.
    pub fn reply(self, output: M::Output) {
        match self.way {
            Way::Nobody(system) => {
                if M::answer(output).is_err() {
                    count(&system.counters().tell_errors);
                }
            }
            Way::Here(duty) => duty.finish(Ok(output)),
            // It is no tell, so it is sent.
            Way::There(asked) => drop(asked.answer(output)),
        }
    }

    /// Answers that there is no reply, and why: the asker is told
    /// [`Cancelled`](odeon_message::AskError::Cancelled), ran. For an error of the message's own, [`reply`](Self::reply) with
    /// it.
    pub fn fail(self, why: &str) {
        self.settle(Err(Failure::new(FailureKind::Cancelled, Certainty::Ran, why)));
    }

    /// Answers with what became of the message elsewhere.
    pub(crate) fn settle(self, result: Result<M::Output, Failure>) {
        match (result, self.way) {
            (Ok(output), way) => Self { way }.reply(output),
            (Err(_), Way::Nobody(system)) => count(&system.counters().undelivered),
            (Err(failure), Way::Here(duty)) => duty.finish(Err(failure)),
            (Err(failure), Way::There(asked)) => asked.fail(&failure),
        }
    }

    /// Whether somebody waits for an answer: `false` for a tell.
    #[must_use]
    pub fn is_ask(&self) -> bool {
        !matches!(self.way, Way::Nobody(_))
    }

    /// The time for which the asker still waits; `None` for a tell, and for one who waits for ever.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline().map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.way {
            Way::Nobody(_) => None,
            Way::Here(duty) => duty.deadline(),
            Way::There(asked) => asked.deadline(),
        }
    }

    /// Whether the asker has given up: its time is up, its future was dropped, or its node is lost. `false` for a tell.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let given_up = match &self.way {
            Way::Nobody(_) => return false,
            Way::Here(duty) => duty.is_cancelled(),
            Way::There(asked) => asked.is_cancelled(None),
        };
        given_up || self.deadline().is_some_and(|at| Instant::now() >= at)
    }

    /// Is done when the asker has given up, and never for a tell. It is not woken by the deadline of an asker on another
    /// node, but by the news from there.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn cancelled(&mut self) -> impl Future<Output = ()> + Send {
        poll_fn(|cx| if self.watch(cx.waker()) { Poll::Ready(()) } else { Poll::Pending })
    }

    /// Whether the asker has given up; else the waker is used when it does.
    pub(crate) fn watch(&mut self, waker: &Waker) -> bool {
        match &mut self.way {
            Way::Nobody(_) => false,
            Way::Here(duty) => duty.watch(waker),
            Way::There(asked) => asked.is_cancelled(Some(waker)),
        }
    }

    /// Makes message and duty an envelope again, for an actor of any type; `None` if nobody wants the answer any more.
    pub(crate) fn carry<B: Handler<M>>(self, message: M) -> Option<Envelope> {
        match self.way {
            Way::Nobody(_) => Some(Envelope::tell::<B, M>(message)),
            Way::Here(duty) => duty.carry::<B>(message),
            Way::There(asked) => asked.carry::<B>(message),
        }
    }
}

impl<M: Message> fmt::Debug for Responder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = match &self.way {
            Way::Nobody(_) => "nobody",
            Way::Here(_) => "this node",
            Way::There(_) => "another node",
        };
        write!(f, "Responder({}, {to})", M::NAME)
    }
}

impl<A: Actor> Context<A> {
    /// Takes the duty to answer the present message out of its handler, which is done with that: `take` keeps the
    /// [`Responder`], the future never ends, and the actor goes on with its next message. The handler's last line is
    /// usually `ctx.defer(|responder| self.waiting.push(responder)).await`.
    ///
    /// For the asker the message runs until the responder answers.
    ///
    /// # Panics
    /// When the handler that runs is not one of `M`, or its message was deferred, forwarded or stashed before.
    ///
    /// # Cancel safety
    /// Nothing happens before its first poll. A future that is dropped after that has deferred, and what its handler
    /// returns is ignored.
    pub async fn defer<M: Message>(&mut self, take: impl FnOnce(Responder<M>) + Send) -> M::Output
    where
        A: Handler<M>,
    {
        take(self.take_responder::<M>("defer"));
        pending().await
    }
}
