//! Sending the items of a stream: by a stream that the actor drives, or one by one.
//!
//! What it is: [`Context::items`] and [`Context::outlet`], which make the [`Items`] that a handler answers with. Both tie
//! the stream to the life of the actor by one of its [sources](crate::sources): when that ends, so does the stream, with
//! the reason. What it is NOT: streams into an actor, which are [`Context::attach`]'s.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use futures_core::Stream;
use odeon_message::{Certainty, Failure, FailureKind, Items};

use crate::{
    Actor, Context, ExitReason,
    channel::{Channel, Over, ended_with},
    extras::add_source,
    items::NearItems,
    sources::{Given, Source},
};

fn cancelled(why: &str) -> Failure {
    Failure::new(FailureKind::Cancelled, Certainty::Ran, why)
}

/// A stream that the actor polls in its turns.
struct Driven<S: Stream> {
    stream: Pin<Box<S>>,
    channel: Arc<Channel<S::Item>>,
}

impl<S> Source for Driven<S>
where
    S: Stream + Send,
    S::Item: Send,
{
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Given> {
        // As many as fit at once, however fast they are read: then the actor goes on with something else.
        for _ in 0..self.channel.room() {
            match self.channel.poll_room(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(Over)) => return Poll::Ready(Given::End),
                Poll::Pending => return Poll::Pending,
            }
            match self.stream.as_mut().poll_next(cx) {
                // There was room, and only this fills it; where nobody reads, nobody misses the item.
                Poll::Ready(Some(item)) => drop(self.channel.push(item)),
                Poll::Ready(None) => {
                    self.channel.end(Ok(()));
                    return Poll::Ready(Given::End);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn end(&mut self, reason: &ExitReason) {
        self.channel.end(Err(ended_with(reason)));
    }
}

/// Ends a stream with the life of its actor.
struct Tether<T>(Arc<Channel<T>>);

impl<T: Send> Source for Tether<T> {
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Given> {
        self.0.poll_tether(cx).map(|()| Given::End)
    }

    fn end(&mut self, reason: &ExitReason) {
        self.0.end(Err(ended_with(reason)));
    }
}

/// The sending end of a stream; from [`Context::outlet`].
///
/// Dropping it without [`finish`](Self::finish) ends the stream as
/// [`Cancelled`](odeon_message::AskError::Cancelled), ran.
#[must_use = "dropping it ends the stream as cancelled"]
pub struct Outlet<T> {
    channel: Arc<Channel<T>>,
}

/// An item was not sent; here it is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutletError<T> {
    /// The reader is behind by as many items as a stream holds: send it later, or await [`Outlet::send`].
    Full(T),
    /// The reader has dropped the stream, or it has ended with the life of its actor: send nothing more.
    Closed(T),
}

impl<T> OutletError<T> {
    /// The item.
    pub fn into_item(self) -> T {
        match self {
            Self::Full(item) | Self::Closed(item) => item,
        }
    }
}

impl<T> fmt::Debug for OutletError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for OutletError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the item was not sent: the reader of the stream is behind",
            Self::Closed(_) => "the item was not sent: the stream has ended, or nobody reads it",
        })
    }
}

impl<T> std::error::Error for OutletError<T> {}

impl<T> Outlet<T> {
    /// Sends an item, once there is room for it.
    ///
    /// # Errors
    /// [`OutletError::Closed`].
    ///
    /// # Cancel safety
    /// Dropped before it is done, the item is not sent, and gone.
    pub async fn send(&mut self, item: T) -> Result<(), OutletError<T>> {
        match poll_fn(|cx| self.channel.poll_room(cx)).await {
            Ok(()) => self.try_send(item),
            Err(Over) => Err(OutletError::Closed(item)),
        }
    }

    /// Sends an item, if there is room for it.
    ///
    /// # Errors
    /// See [`OutletError`].
    pub fn try_send(&mut self, item: T) -> Result<(), OutletError<T>> {
        self.channel.push(item).map_err(|(item, over)| match over {
            Some(Over) => OutletError::Closed(item),
            None => OutletError::Full(item),
        })
    }

    /// Whether nothing can be sent any more: the reader has dropped the stream, or the actor's life has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.channel.is_over()
    }

    /// Is done when nothing can be sent any more.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn closed(&mut self) {
        poll_fn(|cx| match self.channel.poll_room(cx) {
            Poll::Ready(Err(Over)) => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }

    /// Ends the stream: all items were sent.
    pub fn finish(self) {
        self.channel.end(Ok(()));
    }

    /// Ends the stream early, and says why: the reader is told
    /// [`Cancelled`](odeon_message::AskError::Cancelled), ran. For an error of your own, let the items be results.
    pub fn fail(self, why: &str) {
        self.channel.end(Err(cancelled(why)));
    }
}

impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        self.channel.end(Err(cancelled("the actor dropped the outlet without finishing it")));
    }
}

impl<T> fmt::Debug for Outlet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_closed() { "Outlet(closed)" } else { "Outlet(open)" })
    }
}

impl<A: Actor> Context<A> {
    /// Sends what a stream gives as the items of an answer: for a handler whose message was declared with `stream = …`.
    ///
    /// The actor polls the stream beside its messages, as far as the reader is not behind by more than
    /// [`stream_items`](crate::SystemConfig::stream_items), and goes on with them meanwhile. It is dropped when it has
    /// ended, when the reader drops its end, and when this life of the actor ends: then the reader is told `Stopped` or
    /// `Panicked`. A panic in it ends the life of the actor as one in a handler does.
    ///
    /// It takes one of the actor's [`sources_max`](crate::SystemConfig::sources_max); without one left the answer ends at
    /// once, as `Full`.
    ///
    /// ```
    /// # mod odeon {
    /// #     pub use odeon_actor::*;
    /// #     pub use odeon_message::*;
    /// # }
    /// use odeon::{Actor, Context, Handler, Items, StartError, Stream, message};
    ///
    /// #[message(local, stream = String, crate = odeon)]
    /// struct Follow;
    ///
    /// struct Log {
    ///     lines: Vec<String>,
    /// }
    /// # impl Actor for Log {
    /// #     type Args = ();
    /// #     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
    /// #         Ok(Self { lines: Vec::new() })
    /// #     }
    /// # }
    ///
    /// impl Handler<Follow> for Log {
    ///     async fn handle(&mut self, _: Follow, ctx: &mut Context<Self>) -> Items<String> {
    ///         ctx.items(stream_of(self.lines.clone()))
    ///     }
    /// }
    /// # fn stream_of(_: Vec<String>) -> impl Stream<Item = String> + Send + 'static {
    /// #     struct None;
    /// #     impl Stream for None {
    /// #         type Item = String;
    /// #         fn poll_next(
    /// #             self: std::pin::Pin<&mut Self>,
    /// #             _: &mut std::task::Context<'_>,
    /// #         ) -> std::task::Poll<Option<String>> {
    /// #             std::task::Poll::Ready(Option::None)
    /// #         }
    /// #     }
    /// #     None
    /// # }
    /// ```
    pub fn items<S>(&mut self, stream: S) -> Items<S::Item>
    where
        S: Stream + Send + 'static,
        S::Item: Send + 'static,
    {
        self.open(|channel| Driven { stream: Box::pin(stream), channel })
    }

    /// Both ends of a stream: the handler answers with the [`Items`], and whoever has the [`Outlet`] sends them: the actor
    /// keeps it for later messages, or a [piped](Self::pipe) future has it. It ends with this life of the actor, wherever
    /// the outlet is.
    ///
    /// It takes one of the actor's [`sources_max`](crate::SystemConfig::sources_max); without one left the stream ends at
    /// once, as `Full`, and the outlet is closed.
    pub fn outlet<T: Send + 'static>(&mut self) -> (Outlet<T>, Items<T>) {
        let mut sender = None;
        let items = self.open(|channel| {
            sender = Some(channel.clone());
            Tether(channel)
        });
        let channel = sender.expect("the closure above ran");
        (Outlet { channel }, items)
    }

    fn open<T: Send + 'static, S: Source + 'static>(
        &mut self,
        source: impl FnOnce(Arc<Channel<T>>) -> S,
    ) -> Items<T> {
        let system = self.system().clone();
        let channel = Channel::new(system.config().stream_items);
        if let Err(full) = add_source(self, None, Box::new(source(channel.clone()))) {
            let failure = Failure::new(FailureKind::Full, Certainty::Ran, full.to_string());
            channel.end(Err(failure));
        }
        Items::of(NearItems::new(channel, &system))
    }
}
