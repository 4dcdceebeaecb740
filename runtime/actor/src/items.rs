//! A stream of items as its reader sees it: of this node, or of another one.
//!
//! What it is: what stands behind [`Items`](odeon_message::Items), and the longest wait for an item. What it is NOT: who
//! sends; read `outlet.rs` for that, and the runtime for what becomes frames.

mod far;
mod patience;

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use odeon_message::{Failure, Flow};

use crate::{ActorSystem, channel::Channel};

pub(crate) use far::{FarItems, Inlet};

use patience::Patience;

/// The reader of a stream of this node.
pub(crate) struct NearItems<T> {
    channel: Arc<Channel<T>>,
    patience: Patience,
}

impl<T> NearItems<T> {
    pub(crate) fn new(channel: Arc<Channel<T>>, system: &ActorSystem) -> Self {
        Self { channel, patience: Patience::new(system) }
    }
}

impl<T: Send> Flow<T> for NearItems<T> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Failure>>> {
        match self.channel.poll_next(cx) {
            Poll::Ready(Ok(item)) => {
                self.patience.renew();
                Poll::Ready(Some(Ok(item)))
            }
            Poll::Ready(Err(Ok(()))) => Poll::Ready(None),
            Poll::Ready(Err(Err(failure))) => Poll::Ready(Some(Err(failure))),
            Poll::Pending => self.patience.poll_spent(cx).map(|failure| Some(Err(failure))),
        }
    }

    fn set_within(&mut self, within: Duration) {
        self.patience.set(within);
    }

    fn narrow(&mut self) {
        self.channel.narrow();
    }
}

impl<T> Drop for NearItems<T> {
    fn drop(&mut self) {
        self.channel.close();
    }
}
