//! A stream on its way between nodes: how its opening is answered, and items as archives.
//!
//! On the sending node the runtime takes the stream out of what the handler returned, as an [`Outflow`] that archives one
//! item after the other. On the asking node it puts an [`Inflow`] of payloads into what the ask is answered with. What it
//! is NOT: frames or credit, which the runtime and `odeon-wire` have. Used through [`Codec`](crate::Codec).

use std::{
    any::Any,
    marker::PhantomData,
    task::{Context, Poll},
    time::Duration,
};

use rkyv::rancor::{self, Source};

use super::{Flow, Items};
use crate::{Certainty, DecodeError, EncodeError, Failure, FailureKind, Payload, Wire};

/// What the error of a handler stands behind in an answer, so that none of its length is an answer without one. As long
/// as the alignment of archives.
const MARK_BYTES: usize = 16;

/// What is next in an [`Outflow`].
#[doc(hidden)]
#[derive(Debug)]
pub enum Archived {
    /// An item was appended.
    Item,
    /// The last one was before.
    End,
    /// There are no more, for this reason.
    Failed(Failure),
}

/// Items on their way out.
#[doc(hidden)]
pub trait Outflow: Send {
    /// Appends the archive of the next item to `out`, whose length is a multiple of 16.
    fn poll_archive(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Archived>;
}

/// Items on their way in. Dropping it cancels the stream.
#[doc(hidden)]
pub trait Inflow: Send {
    /// The archive of the next item; `None` after the last one.
    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload, Failure>>>;

    /// The longest wait for one item.
    fn set_within(&mut self, within: Duration);

    /// The actor system of this node.
    fn site(&self) -> &(dyn Any + Send + Sync);
}

/// A stream whose items can cross nodes.
#[doc(hidden)]
pub trait Travels {
    /// Takes the items out.
    fn depart(&mut self) -> Box<dyn Outflow>;

    /// Lets items come from there.
    fn arrive(&mut self, inflow: Box<dyn Inflow>);
}

/// What the handler of a message with a stream returns: [`Items`], or a `Result` with them.
#[doc(hidden)]
pub trait Streamed: Sized + 'static {
    /// Appends what the asker is answered: nothing if the stream begins.
    ///
    /// # Errors
    /// When the handler's error refuses to be archived.
    fn archive_opening(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Reads that; the stream, if it begins, has to [arrive](Travels::arrive) yet.
    ///
    /// # Errors
    /// When the bytes are no such answer.
    fn unarchive_opening(bytes: &[u8], site: &(dyn Any + Send + Sync))
    -> Result<Self, DecodeError>;

    /// The stream, if it begins.
    fn items(&mut self) -> Option<&mut dyn Travels>;
}

#[derive(Debug, thiserror::Error)]
#[error("{0} bytes are no answer that opens a stream")]
struct NoOpening(usize);

fn no_opening(bytes: &[u8]) -> DecodeError {
    DecodeError::Archive(rancor::Error::new(NoOpening(bytes.len())))
}

impl<T: Wire> Streamed for Items<T> {
    fn archive_opening(&self, _: &mut Vec<u8>) -> Result<(), EncodeError> {
        Ok(())
    }

    fn unarchive_opening(bytes: &[u8], _: &(dyn Any + Send + Sync)) -> Result<Self, DecodeError> {
        if bytes.is_empty() { Ok(Self { flow: None }) } else { Err(no_opening(bytes)) }
    }

    fn items(&mut self) -> Option<&mut dyn Travels> {
        Some(self)
    }
}

impl<T: Wire, E: Wire> Streamed for Result<Items<T>, E> {
    fn archive_opening(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Err(error) = self else { return Ok(()) };
        let start = out.len();
        out.resize(start + MARK_BYTES, 0);
        error.archive(out).inspect_err(|_| out.truncate(start))
    }

    fn unarchive_opening(
        bytes: &[u8],
        site: &(dyn Any + Send + Sync),
    ) -> Result<Self, DecodeError> {
        match bytes.split_first_chunk::<MARK_BYTES>() {
            None => Items::unarchive_opening(bytes, site).map(Ok),
            Some(([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], error)) => {
                E::unarchive(error, site).map(Err)
            }
            Some(_) => Err(no_opening(bytes)),
        }
    }

    fn items(&mut self) -> Option<&mut dyn Travels> {
        self.as_mut().ok().map(|items| items as &mut dyn Travels)
    }
}

impl<T: Wire> Travels for Items<T> {
    fn depart(&mut self) -> Box<dyn Outflow> {
        if let Some(flow) = &mut self.flow {
            flow.narrow();
        }
        Box::new(Departed(self.flow.take()))
    }

    fn arrive(&mut self, inflow: Box<dyn Inflow>) {
        self.flow = Some(Box::new(Arriving(inflow, PhantomData)));
    }
}

struct Departed<T>(Option<Box<dyn Flow<T>>>);

impl<T: Wire> Outflow for Departed<T> {
    fn poll_archive(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Archived> {
        let Some(flow) = &mut self.0 else { return Poll::Ready(Archived::End) };
        let Poll::Ready(next) = flow.poll_next(cx) else { return Poll::Pending };
        let end = match next {
            None => Archived::End,
            Some(Err(failure)) => Archived::Failed(failure),
            Some(Ok(item)) => match item.archive(out) {
                Ok(()) => return Poll::Ready(Archived::Item),
                Err(error) => {
                    let detail = format!("an item of the stream: {error}");
                    let failure = Failure::new(FailureKind::Unsendable, Certainty::Ran, detail);
                    Archived::Failed(failure)
                }
            },
        };
        self.0 = None;
        Poll::Ready(end)
    }
}

struct Arriving<T>(Box<dyn Inflow>, PhantomData<fn() -> T>);

impl<T: Wire> Flow<T> for Arriving<T> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Failure>>> {
        self.0.poll_payload(cx).map(|next| {
            next.map(|payload| {
                T::unarchive(payload?.bytes(), self.0.site()).map_err(|error| {
                    let detail = format!("an item of the stream: {error}");
                    Failure::new(FailureKind::Decode, Certainty::Ran, detail)
                })
            })
        })
    }

    fn set_within(&mut self, within: Duration) {
        self.0.set_within(within);
    }

    fn narrow(&mut self) {}
}
