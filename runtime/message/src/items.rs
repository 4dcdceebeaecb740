//! A stream of items as the answer to an ask.
//!
//! What it is: [`Items`], which the handler of a message with `#[message(stream = …)]` returns and its caller reads; and
//! the error that a stream may end with. What it is NOT: where items come from; that is a [`Flow`], made by the actors of
//! this node, or an [`Inflow`] of what another one sends. Read `items/travel.rs` for the way between nodes.

mod travel;

use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;

use crate::{AskError, Failure, Schema, SchemaWalk};

pub use travel::{Archived, Inflow, Outflow, Streamed, Travels};

/// Why a stream has ended before its last item. The handler ran, so [`certainty`](AskError::certainty) is always
/// [`Ran`](crate::Certainty::Ran): the items before the error were sent and received, in order and once each, and no
/// others will come. It is never [`AskError::Handler`]: an actor whose items can fail sends results.
///
/// `Stopped` and `Panicked` say how the life of the sending actor ended, `Cancelled` that it let go of the stream,
/// `Unreachable` that its node or the connection to it was lost, `Deadline` that the next item did not come
/// [`within`](Items::within) the time, `Full` that there was no room to open the stream, `Unsendable` and `Decode` that
/// an item cannot be archived or read.
pub type StreamError = AskError<Infallible>;

/// Where the items of one stream come from.
#[doc(hidden)]
pub trait Flow<T>: Send {
    /// The next item; `None` after the last one. Not called again after that, or after an error.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Failure>>>;

    /// The longest wait for one item.
    fn set_within(&mut self, within: Duration);

    /// Keeps no more than one item in store: whoever takes them has room for more.
    fn narrow(&mut self);
}

/// The items that an actor sends in answer to one ask; a [`Stream`] of `Result<T, StreamError>`.
///
/// The sender is held back while nobody takes items: it is ahead by a bounded number of them, on one node and across
/// nodes. Dropping this cancels the stream, wherever its sender is.
///
/// ```text
/// let mut lines = log.ask(Follow { from: 0 }).await?;
/// while let Some(line) = lines.next().await {
///     println!("{}", line?);
/// }
/// ```
#[must_use = "dropping it cancels the stream"]
pub struct Items<T> {
    /// `None` once it has ended.
    flow: Option<Box<dyn Flow<T>>>,
}

impl<T> Items<T> {
    #[doc(hidden)]
    pub fn of(flow: impl Flow<T> + 'static) -> Self {
        Self { flow: Some(Box::new(flow)) }
    }

    /// Ends the stream as [`Deadline`](AskError::Deadline), and cancels it, if the next item is waited for so long. Only
    /// time in which somebody waits for an item counts, and each item has the whole of it.
    ///
    /// Without it a stream that is silent is waited for as long as it lives: silence is no failure, and the end of the
    /// actor, its node or the connection ends the stream anyway. How long opening it may take is the deadline of the ask.
    pub fn within(mut self, within: Duration) -> Self {
        if let Some(flow) = &mut self.flow {
            flow.set_within(within);
        }
        self
    }

    /// The next item; `None` after the last one. An error is the end too: `None` follows.
    ///
    /// # Errors
    /// See [`StreamError`].
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, StreamError>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, StreamError>>> {
        let Some(flow) = &mut self.flow else { return Poll::Ready(None) };
        let Poll::Ready(next) = flow.poll_next(cx) else { return Poll::Pending };
        if !matches!(next, Some(Ok(_))) {
            self.flow = None;
        }
        Poll::Ready(next.map(|item| item.map_err(StreamError::from)))
    }
}

impl<T> Stream for Items<T> {
    type Item = Result<T, StreamError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.flow.is_some() { "Items(open)" } else { "Items(ended)" })
    }
}

impl<T: Schema> Schema for Items<T> {
    fn describe(walk: &mut SchemaWalk) {
        walk.composite::<Self>("stream", |walk| walk.field::<T>("item"));
    }
}
