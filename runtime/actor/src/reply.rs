//! An ask in two steps: first it is taken, then it is answered.
//!
//! Whoever keeps several asks in flight and cares about their order awaits [`Ask::sent`] of each before the next: then
//! they reach the actor in that order. What it is NOT: another kind of ask; `ask.rs` does the work.

use std::{
    future::{Future, IntoFuture, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use odeon_message::{AskError, Message};

use crate::{Ask, AskFuture, Handler};

type Answer<M> = Result<<M as Message>::Reply, AskError<<M as Message>::Error>>;

/// The answer to come of an ask that was taken; from [`Ask::sent`].
///
/// # Cancel safety
/// As [`AskFuture`]: dropped before its turn has come, the message does not run.
#[must_use = "dropping it cancels the ask"]
pub struct Reply<A: Handler<M>, M: Message> {
    state: State<A, M>,
}

enum State<A: Handler<M>, M: Message> {
    Waiting(AskFuture<A, M>),
    /// It was answered as soon as it was taken.
    Answered(Option<Answer<M>>),
}

// Nothing in it is pinned.
impl<A: Handler<M>, M: Message> Unpin for Reply<A, M> {}

impl<A: Handler<M>, M: Message> Ask<A, M> {
    /// Waits until the message was taken: it is in the mailbox or its waiting room, or in a lane to another node. The
    /// answer is awaited after that. Two asks taken one after the other reach the actor in that order.
    ///
    /// # Errors
    /// As the ask itself; a message that was not taken was not delivered.
    ///
    /// # Cancel safety
    /// Dropped before it completes, the message is not sent.
    pub async fn sent(self) -> Result<Reply<A, M>, AskError<M::Error>> {
        let mut ask = self.into_future();
        let answer = poll_fn(|cx| match Pin::new(&mut ask).poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if ask.is_taken() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match answer.await {
            None => Ok(Reply { state: State::Waiting(ask) }),
            Some(Ok(reply)) => Ok(Reply { state: State::Answered(Some(Ok(reply))) }),
            Some(Err(AskError::Handler(error))) => {
                Ok(Reply { state: State::Answered(Some(Err(AskError::Handler(error)))) })
            }
            Some(Err(error)) => Err(error),
        }
    }
}

impl<A: Handler<M>, M: Message> Future for Reply<A, M> {
    type Output = Answer<M>;

    /// # Panics
    /// When it is polled after its end.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().state {
            State::Waiting(ask) => Pin::new(ask).poll(cx),
            State::Answered(answer) => {
                Poll::Ready(answer.take().expect("a future is not polled after its end"))
            }
        }
    }
}
