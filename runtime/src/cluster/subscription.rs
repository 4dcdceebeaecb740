//! Listening to topics.
//!
//! What it is: the reading half of `topic.rs`: a stream of what is published on topics that match a pattern. What it is
//! NOT: the buffer, which is `roster/listeners.rs`; values are made of bytes here, on the reader's thread.

use std::{
    any::Any,
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use odeon_actor::{ActorIdentity, ActorRef, ExportError, Handler, Stream};
use odeon_cluster::{EntryRefused, Subject, TopicError, check_pattern};
use odeon_message::{Codec, DecodeError, Fingerprint, Formers, Message, MessageId, Payload};

use crate::roster::{
    RosterHall,
    listeners::{Buffer, Ear, Waiting},
};

/// How a subscription is made; the default suits most.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SubscribeOptions {
    /// Messages that wait for the reader; beyond that the oldest are lost and counted. Default 4,096, twice what one batch
    /// of a peer brings, so that who reads at once loses none. At least 1.
    pub messages_max: usize,
    /// Bytes of them, as archives; the last one stays however long it is. Default 4 MiB.
    pub bytes_max: usize,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { messages_max: 4_096, bytes_max: 4 << 20 }
    }
}

/// Topics cannot be listened to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The pattern is none.
    #[error(transparent)]
    Pattern(#[from] TopicError),
    /// Other nodes would not send messages of this type here.
    #[error(
        "{message} is not declared on this node: declare it before the node starts, with NodeBuilder::topic"
    )]
    Undeclared {
        /// The message.
        message: &'static str,
    },
    /// Messages of other nodes do not reach the actor.
    #[error("the actor cannot listen: {why}")]
    Hidden {
        /// Why, and what to do about it.
        why: ExportError,
    },
    /// This node has too many names, memberships and patterns.
    #[error(
        "this node has {max} names, memberships and patterns in the cluster: allow more in RosterConfig"
    )]
    Full {
        /// The bound.
        max: u32,
    },
    /// This node has too many subscriptions.
    #[error("this node has {max} subscriptions: allow more in RosterConfig, or drop some")]
    TooMany {
        /// The bound.
        max: u32,
    },
    /// The actor has ended, or lives on another node.
    #[error("the actor that was to listen does not live on this node")]
    NotHere,
    /// This node is leaving.
    #[error("this node is leaving the cluster")]
    Leaving,
}

/// A message that was published.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Published<M> {
    /// On which topic.
    pub topic: Arc<str>,
    /// What.
    pub message: M,
}

/// How messages that come in one layout are read.
type Read<M> = fn(&Payload, &(dyn Any + Send + Sync)) -> Result<M, DecodeError>;

/// What is published on topics that match a pattern; from [`Cluster::subscribe`](crate::Cluster::subscribe). It is a
/// [`Stream`], and so can be given to an actor with [`Context::attach`](odeon_actor::Context::attach).
///
/// A reader that is too slow loses the oldest messages, and [`missed`](Self::missed) counts them; nobody else waits for
/// it. Ends when it is dropped.
pub struct Subscription<M: Message> {
    roster: Arc<RosterHall>,
    pattern: Box<str>,
    message: MessageId,
    number: u64,
    buffer: Arc<Buffer>,
    codec: Codec<M>,
    /// The present layout.
    layout: Fingerprint,
    /// Former layouts that other nodes may send.
    formers: Vec<(Fingerprint, Read<M>)>,
    /// Messages that could not be read.
    unread: u64,
    marker: PhantomData<fn() -> M>,
}

impl<M: Message> Subscription<M> {
    pub(crate) fn new(
        roster: &Arc<RosterHall>,
        pattern: &str,
        options: &SubscribeOptions,
    ) -> Result<Self, SubscribeError> {
        let codec = check::<M>(roster, pattern)?;
        let buffer = Arc::new(Buffer::new(options.messages_max, options.bytes_max));
        let first = || roster.listen(pattern, codec.id());
        let ear = Ear::Stream(Arc::clone(&buffer));
        let number = roster.listeners.add(pattern, codec.id(), ear, first)?;
        let mut formers = Former(Vec::new());
        M::formers(&mut formers);
        Ok(Self {
            roster: Arc::clone(roster),
            pattern: pattern.into(),
            message: codec.id(),
            number,
            buffer,
            codec,
            layout: codec.fingerprint(),
            formers: formers.0,
            unread: 0,
            marker: PhantomData,
        })
    }

    /// The pattern.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// How many messages were lost because their reader was too slow.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.buffer.missed()
    }

    /// How many messages came that could not be read, and were left out: see the log.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.unread
    }

    /// How many messages wait to be read.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// The next message; `None` once this node has stopped and all that had come was read.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Published<M>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Published<M>>> {
        loop {
            let Poll::Ready(waiting) = self.buffer.poll_pop(cx.waker()) else {
                return Poll::Pending;
            };
            let Some(waiting) = waiting else { return Poll::Ready(None) };
            match self.read(&waiting) {
                Ok(message) => {
                    return Poll::Ready(Some(Published { topic: waiting.topic, message }));
                }
                Err(error) => {
                    self.unread += 1;
                    tracing::warn!(topic = &*waiting.topic, message = M::NAME, %error, "a published message cannot be read");
                }
            }
        }
    }

    fn read(&self, waiting: &Waiting) -> Result<M, Unread> {
        let site: &(dyn Any + Send + Sync) = self.roster.system();
        // A node that takes one layout alone is sent no other, and not told which it is.
        let Some(layout) = waiting.layout.filter(|layout| *layout != self.layout) else {
            return Ok(self.codec.decode(&waiting.payload, site)?);
        };
        let former = self.formers.iter().find(|(former, _)| *former == layout);
        let (_, read) = former.ok_or(Unread::Layout { theirs: layout, ours: self.layout })?;
        Ok(read(&waiting.payload, site)?)
    }
}

/// Why a message is left out.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(
        "it came in another layout ({theirs}) than ours ({ours}), and is none that the message accepts: publish the type that is listened to"
    )]
    Layout { theirs: Fingerprint, ours: Fingerprint },
}

/// Whether this node may listen to messages of this type by this pattern.
fn check<M: Message>(roster: &RosterHall, pattern: &str) -> Result<Codec<M>, SubscribeError> {
    check_pattern(pattern)?;
    let codec = M::CODEC.ok_or(TopicError::Local { message: M::NAME })?;
    if !roster.system().accepts(codec.id()) {
        return Err(SubscribeError::Undeclared { message: M::NAME });
    }
    let max = roster.config().subscriptions_max;
    if roster.listeners.len() >= max as usize {
        return Err(SubscribeError::TooMany { max });
    }
    Ok(codec)
}

/// Lets an actor listen, until it ends.
pub(crate) fn listen<A: Handler<M>, M: Message>(
    roster: &RosterHall,
    pattern: &str,
    actor: &ActorRef<A>,
) -> Result<(), SubscribeError> {
    let codec = check::<M>(roster, pattern)?;
    let (Some(any), ActorIdentity::Local(number)) = (actor.any(), actor.identity()) else {
        return Err(SubscribeError::NotHere);
    };
    if let Err(why) = any.address() {
        return Err(match why {
            ExportError::Ended => SubscribeError::NotHere,
            why => SubscribeError::Hidden { why },
        });
    }
    roster.hear_by(any, number, pattern, codec.id())
}

/// Collects the former layouts of a message.
struct Former<M>(Vec<(Fingerprint, Read<M>)>);

impl<M: Message> Formers<M> for Former<M> {
    fn former<O>(&mut self)
    where
        O: Message<Reply = M::Reply, Error = M::Error, Output = M::Output>,
        M: From<O>,
    {
        // One without a codec has another id, which does not compile.
        let Some(codec) = O::CODEC else { return };
        self.0.push((codec.fingerprint(), |payload, site| {
            O::CODEC.expect("it was there").decode(payload, site).map(M::from)
        }));
    }
}

impl<M: Message> Stream for Subscription<M> {
    type Item = Published<M>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Published<M>>> {
        self.get_mut().poll(cx)
    }
}

impl<M: Message> Drop for Subscription<M> {
    fn drop(&mut self) {
        let subject = Subject::Interest { pattern: self.pattern.clone(), message: self.message };
        let roster = &self.roster;
        roster.listeners.remove(&self.pattern, self.message, self.number, || {
            roster.listen_no_more(&subject);
        });
    }
}

impl<M: Message> fmt::Debug for Subscription<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({:?}, {})", self.pattern, M::NAME)
    }
}

impl From<EntryRefused> for SubscribeError {
    fn from(refused: EntryRefused) -> Self {
        match refused {
            EntryRefused::Full { max } => Self::Full { max },
            // A pattern has been checked before, and is nobody's.
            _ => Self::Leaving,
        }
    }
}
