//! Topics: publishing to whoever listens, on any node.
//!
//! What it is: the sending half. A message goes once to each node on which somebody listens, and is copied there; it is
//! kept nowhere. What it is NOT: durable, or the listening, which is `subscription.rs`.

use std::{
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use odeon_actor::{Parcel, Remotes, RoomWaiter, Route};
use odeon_cluster::{TopicError, check_topic};
use odeon_message::{
    ActorKey, ActorTypeId, Address, Codec, EncodeError, Failure, FailureKind, Fingerprint, Message,
    MessageId, Payload,
};
use odeon_wire::put_topic;
use tokio::sync::watch;

use super::Cluster;
use crate::{
    outbound::OutboundRemotes,
    roster::{RosterHall, listeners::Audience},
};

/// What became of a published message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Publication {
    /// Subscriptions and actors of this node that have taken it, into their buffers and mailboxes.
    pub here: usize,
    /// Other nodes that it is on its way to.
    pub nodes: usize,
    /// Nodes on which somebody listens and that do not get it, and why; this one among them where it cannot be archived.
    pub failed: Vec<(Box<str>, Failure)>,
}

/// The way to one node that listens.
struct Listening {
    node: odeon_message::NodeId,
    route: Arc<dyn Route>,
}

/// Who listens, as it was known last.
struct Known {
    sign: watch::Receiver<u64>,
    ways: Arc<[Listening]>,
    /// On this node, by which version of its subscriptions; `None` where nobody does.
    here: (u64, Option<Audience>),
}

/// A topic that messages of one type are published to; from [`Cluster::topic`]. Keep it for the next message: it knows
/// who listens.
///
/// A message reaches each subscription at most once: it is lost where a connection or a node is lost, where a subscriber
/// is too slow, and for whoever began to listen so shortly before that this node has not heard of it. From one handle
/// messages come in order.
///
/// # Examples
/// ```
/// use odeon::{Message, Node, TopicError};
///
/// async fn quote<M: Message>(node: &Node, price: M) -> Result<(), TopicError> {
///     let gold = node.cluster().topic::<M>("prices.gold")?;
///     gold.publish(price).await;
///     Ok(())
/// }
/// ```
pub struct Topic<M: Message> {
    cluster: Cluster,
    name: Box<str>,
    codec: Codec<M>,
    known: Mutex<Known>,
    message: PhantomData<fn(M)>,
}

impl<M: Message> Topic<M> {
    pub(crate) fn new(cluster: Cluster, name: &str) -> Result<Self, TopicError> {
        check_topic(name)?;
        let Some(codec) = M::CODEC else {
            return Err(TopicError::Local { message: M::NAME });
        };
        let mut sign = cluster.roster().interests();
        sign.mark_changed();
        // No table has that version.
        let here = (u64::MAX, None);
        let known = Mutex::new(Known { sign, ways: Arc::new([]), here });
        Ok(Self { cluster, name: name.into(), codec, known, message: PhantomData })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn roster(&self) -> &RosterHall {
        self.cluster.roster()
    }

    /// The nodes that listen now, and who does on this one.
    #[inline]
    fn known(&self) -> MutexGuard<'_, Known> {
        let listeners = &self.roster().listeners;
        // Before they are looked for.
        let version = listeners.version();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.sign.has_changed().unwrap_or(false) || known.here.0 != version {
            return self.known_anew(known, version);
        }
        known
    }

    #[cold]
    fn known_anew<'t>(
        &'t self,
        mut known: MutexGuard<'t, Known>,
        version: u64,
    ) -> MutexGuard<'t, Known> {
        let listeners = &self.roster().listeners;
        let mut stale = None;
        if known.sign.has_changed().unwrap_or(false) {
            known.sign.borrow_and_update();
            known.ways = self.find();
        }
        if known.here.0 != version {
            let here = listeners.on(&self.name, self.codec.id());
            let here = (version, Some(here).filter(|it| !it.ears.is_empty()));
            stale = std::mem::replace(&mut known.here, here).1;
        }
        if stale.is_some() {
            // Behind the lock: with a subscription goes what it held, messages of the application among it.
            drop(known);
            drop(stale);
            known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        }
        known
    }

    /// Offers the message to the only node that listens, if that is another one, and says so if it had room: the short way of
    /// most messages.
    fn offer_only(&self, message: &M) -> Option<Publication> {
        let known = self.known();
        let ([_], None) = (&*known.ways, &known.here.1) else { return None };
        let ways = Arc::clone(&known.ways);
        // What archives and traces a message is others' code, which may come here again.
        drop(known);
        let way = ways.first()?;
        self.offer(way, message).ok()?;
        Some(Publication { nodes: 1, ..Publication::default() })
    }

    fn find(&self) -> Arc<[Listening]> {
        let listeners = self.roster().with(|it| it.listeners(&self.name, self.codec.id()));
        let remotes = OutboundRemotes(Arc::clone(self.cluster.node().outbound()));
        let way = |(node, incarnation)| {
            let key = ActorKey::of_topic(&self.name);
            let to = Address { node, incarnation, key, actor_type: ActorTypeId(0) };
            Listening { node, route: remotes.route(to) }
        };
        listeners.into_iter().map(way).collect()
    }

    /// Publishes a message, and waits until there is room for it on the way to each node on which somebody listens, at
    /// most the system's `tell_within`. Subscribers are not waited for.
    ///
    /// # Cancel safety
    /// Nodes to which there was room get the message; the others do not.
    pub async fn publish(&self, message: M) -> Publication {
        if let Some(published) = self.offer_only(&message) {
            return published;
        }
        let within = self.roster().system().config().tell_within;
        self.send(&message, Some(within)).await
    }

    /// Publishes a message to all nodes to which there is room at this moment.
    pub fn try_publish(&self, message: M) -> Publication {
        if let Some(published) = self.offer_only(&message) {
            return published;
        }
        let mut sent = pin!(self.send(&message, None));
        match sent.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(publication) => publication,
            // Without a time to wait nothing waits.
            Poll::Pending => Publication::default(),
        }
    }

    async fn send(&self, message: &M, within: Option<Duration>) -> Publication {
        let (ways, here) = {
            let known = self.known();
            (Arc::clone(&known.ways), known.here.1.clone())
        };
        let mut publication = Publication::default();
        match here.map_or(Ok(0), |audience| self.give_here(&audience, message)) {
            Ok(here) => publication.here = here,
            Err(failure) => {
                publication.failed.push((self.cluster.node().name().into(), failure));
            }
        }
        let mut waiting = Vec::new();
        for way in &*ways {
            let told = self.offer(way, message);
            match told {
                Err(failure) if failure.kind == FailureKind::Full && within.is_some() => {
                    waiting.push(Line { way, waiter: RoomWaiter::default() });
                }
                told => self.count(&mut publication, way, told),
            }
        }
        if waiting.is_empty() {
            return publication;
        }
        let mut late = Box::pin(self.timer(within.unwrap_or_default()));
        poll_fn(|cx| {
            let is_late = late.as_mut().poll(cx).is_ready();
            waiting.retain_mut(|line| {
                let told = match line.poll(cx, || self.offer(line.way, message)) {
                    Poll::Ready(told) => told,
                    Poll::Pending if is_late => Err(Failure::not_delivered(
                        FailureKind::Deadline,
                        "there was no room in time",
                    )),
                    Poll::Pending => return true,
                };
                self.count(&mut publication, line.way, told);
                false
            });
            if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        publication
    }

    fn timer(&self, within: Duration) -> tokio::time::Sleep {
        let _entered = self.roster().system().runtime().enter();
        tokio::time::sleep(within)
    }

    fn offer(&self, way: &Listening, message: &M) -> Result<(), Failure> {
        let mut parcel = Published { message, codec: &self.codec, topic: &self.name };
        way.route.try_send(&mut parcel).map_err(|refused| refused.failure)
    }

    /// Gives the message to those who listen on this node; answers with how many have taken it.
    fn give_here(&self, audience: &Audience, message: &M) -> Result<usize, Failure> {
        let mut archive = Vec::new();
        self.codec
            .encode(message, &mut archive)
            .map_err(|error| Failure::not_delivered(FailureKind::Unsendable, error.to_string()))?;
        let payload = Payload::copy_from(&archive);
        // With the layout, as several may be taken here.
        let message = (self.codec.id(), Some(self.codec.fingerprint()));
        let roster = self.roster();
        Ok(roster.listeners.deliver(roster.system(), audience, message, &payload))
    }

    fn count(&self, publication: &mut Publication, way: &Listening, told: Result<(), Failure>) {
        match told {
            Ok(()) => publication.nodes += 1,
            Err(failure) => {
                publication.failed.push((self.cluster.name_of(way.node), failure));
            }
        }
    }
}

impl<M: Message> fmt::Debug for Topic<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({:?}, {})", self.name, M::NAME)
    }
}

/// A place in the line for room on the way to one node; left when it is dropped.
struct Line<'a> {
    way: &'a Listening,
    waiter: RoomWaiter,
}

impl Line<'_> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        offer: impl Fn() -> Result<(), Failure>,
    ) -> Poll<Result<(), Failure>> {
        loop {
            match offer() {
                Err(failure) if failure.kind == FailureKind::Full => {}
                told => return Poll::Ready(told),
            }
            if self.way.route.poll_room(&mut self.waiter, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if self.waiter.slot != 0 {
            self.way.route.forget_room(&mut self.waiter);
        }
    }
}

/// A message on its way to those who listen on another node.
struct Published<'a, M: Message> {
    message: &'a M,
    codec: &'a Codec<M>,
    topic: &'a str,
}

impl<M: Message> Parcel for Published<'_, M> {
    fn message(&self) -> MessageId {
        self.codec.id()
    }

    fn name(&self) -> &'static str {
        self.codec.name()
    }

    fn remaining(&self) -> Option<Duration> {
        None
    }

    fn fingerprint(&self) -> Fingerprint {
        self.codec.fingerprint()
    }

    fn encode(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        // The constant, whose function is known here, unlike that behind a reference.
        M::CODEC.as_ref().unwrap_or(self.codec).encode(self.message, out)?;
        put_topic(out, self.topic);
        Ok(())
    }
}
