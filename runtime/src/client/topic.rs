//! A topic of the cluster, seen from a client, which only publishes.
//!
//! What it is: a message goes to one member, the guide, and that one publishes it. What it is NOT: a node's own
//! [`Topic`](crate::Topic), which knows who listens and asks nobody; or the member's side, `roster/carrying.rs`.

use std::{fmt, marker::PhantomData};

use odeon_cluster::{TopicError, check_topic};
use odeon_message::{AskError, Certainty, Codec, Message};

use super::{ASK_WITHIN, Client, GUIDES_MAX};
use crate::{
    cluster::topic::Publication,
    directory::Member,
    roster::{
        carrying::{ARCHIVE_BYTES_MAX, NotCarried, Publish},
        receptionist::Receptionist,
    },
};

/// A client's message was not published, or nobody can say whether it was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The message cannot leave this program as it is: it is too long, or holds a reference to an actor that cannot be
    /// reached. It was not published, and trying again is of no use.
    #[error("the message cannot be published: {why}")]
    Unsendable {
        /// Why, and what to do about it.
        why: String,
    },
    /// The members that were asked run a program from before clients could publish. It was not published; trying again
    /// helps when a member of this release is there.
    #[error("{node} does not publish for clients: let it run a release that does, as this one")]
    Unknown {
        /// The member that was asked last.
        node: String,
    },
    /// The member takes the topic for none. It was not published.
    #[error("{node} refuses the topic: {why}")]
    Refused {
        /// The member.
        node: String,
        /// Why, in its words.
        why: String,
    },
    /// No member has taken it. It was not published, and trying again may help.
    #[error("no member has published it{}: {failure}", neither(.node))]
    NoAnswer {
        /// The member that was asked last; empty if none was known.
        node: String,
        /// What happened, in words.
        failure: String,
    },
    /// The member has it and did not answer: it may have been published, and is then had once. Whoever publishes it again
    /// may have it twice.
    #[error("{node} may have published it, and did not say so: {failure}")]
    Unsure {
        /// The member.
        node: String,
        /// What happened, in words.
        failure: String,
    },
}

/// That this member has not, if one is known.
fn neither(node: &str) -> String {
    if node.is_empty() { String::new() } else { format!(", {node} neither") }
}

impl PublishError {
    /// Whether the message may have been published all the same.
    #[must_use]
    pub fn certainty(&self) -> Certainty {
        match self {
            Self::Unsure { .. } => Certainty::MayHaveRun,
            _ => Certainty::NotDelivered,
        }
    }

    fn too_long(bytes: u64, bytes_max: u64) -> Self {
        let remedy = "publish less, and from where the rest can be had";
        let why = format!("its archive has {bytes} bytes, of at most {bytes_max}: {remedy}");
        Self::Unsendable { why }
    }

    /// Of an ask that failed.
    fn of(node: String, error: AskError<NotCarried>) -> Self {
        match error {
            AskError::Handler(NotCarried::NotMember) => {
                Self::NoAnswer { node, failure: "it is in no cluster".to_owned() }
            }
            AskError::Handler(NotCarried::NotTopic { why }) => Self::Refused { node, why },
            AskError::Handler(NotCarried::TooLong { bytes, bytes_max }) => {
                Self::too_long(bytes, bytes_max)
            }
            error if error.certainty() > Certainty::NotDelivered => {
                Self::Unsure { node, failure: error.to_string() }
            }
            AskError::Unsendable(cause) => Self::Unsendable { why: cause.detail.into() },
            AskError::Incompatible(_) => Self::Unknown { node },
            error => Self::NoAnswer { node, failure: error.to_string() },
        }
    }

    /// Whether the next message is better given to another member. What a member refuses for the message's sake, another one
    /// would too, and the order of what comes behind it is kept.
    fn is_of_guide(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::NoAnswer { .. } | Self::Unsure { .. })
    }

    /// Whether another member may take what this one has not.
    fn is_for_another(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::NoAnswer { .. })
    }
}

/// A topic of the cluster that a [`Client`] publishes messages of one type to; from [`Client::topic`].
///
/// A message goes to one member, which gives it to whoever listens, as far as that member has heard, and to no node
/// twice. It is kept nowhere, not even there: a node to which that member has no room at this moment misses it, and is
/// among those that failed. Messages that are published one behind the other come in order, as long as one member
/// answers for all of them.
///
/// # Examples
/// ```no_run
/// use odeon::{Client, Message};
///
/// async fn quote<M: Message>(client: &Client, price: M) -> Result<(), Box<dyn std::error::Error>> {
///     let gold = client.topic::<M>("prices.gold")?;
///     let published = gold.publish(price).await?;
///     println!("on its way to {} nodes", published.nodes);
///     Ok(())
/// }
/// ```
pub struct ClientTopic<M: Message> {
    client: Client,
    name: Box<str>,
    codec: Codec<M>,
    message: PhantomData<fn(M)>,
}

impl Client {
    /// A topic to publish messages of one type to: words with `.` between, at most 256 bytes in 32 words. A client does
    /// not listen to topics.
    ///
    /// # Errors
    /// When that is no topic, and when the message is declared local.
    pub fn topic<M: Message>(&self, topic: &str) -> Result<ClientTopic<M>, TopicError> {
        check_topic(topic)?;
        let codec = M::CODEC.ok_or(TopicError::Local { message: M::NAME })?;
        Ok(ClientTopic { client: self.clone(), name: topic.into(), codec, message: PhantomData })
    }
}

impl<M: Message> ClientTopic<M> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has a member publish a message. Where one is known not to have taken it, others are asked, four at most; each may
    /// take 2 s. Of what comes back, [`here`](Publication::here) is of the member that has published it.
    ///
    /// Its archive has at most 1 MiB: the member copies it for each node on which somebody listens.
    ///
    /// # Errors
    /// See [`PublishError`], which says of each whether the message may have been published.
    ///
    /// # Cancel safety
    /// The message may have been published, or may be yet.
    pub async fn publish(&self, message: M) -> Result<Publication, PublishError> {
        let mut archive = Vec::new();
        let encoded = self.codec.encode(&message, &mut archive);
        encoded.map_err(|error| PublishError::Unsendable { why: error.to_string() })?;
        drop(message);
        if archive.len() > ARCHIVE_BYTES_MAX {
            return Err(PublishError::too_long(archive.len() as u64, ARCHIVE_BYTES_MAX as u64));
        }
        let failure = "none is known yet".to_owned();
        let mut last = PublishError::NoAnswer { node: String::new(), failure };
        for attempt in 0..GUIDES_MAX {
            if attempt > 0 {
                self.client.pause().await;
            }
            let Some((turn, guide)) = self.client.guide() else { continue };
            match self.ask(&guide, &archive).await {
                Ok(publication) => return Ok(publication),
                Err(error) => last = error,
            }
            if last.is_of_guide() {
                self.client.node.roster().next_guide(turn);
            }
            if !last.is_for_another() {
                break;
            }
        }
        Err(last)
    }

    async fn ask(&self, guide: &Member, archive: &[u8]) -> Result<Publication, PublishError> {
        let system = self.client.system();
        let receptionist = Receptionist::of(system, guide.node, guide.incarnation);
        let publish = Publish {
            topic: self.name.clone().into(),
            message: self.codec.id(),
            layout: self.codec.fingerprint().0,
            archive: archive.to_vec(),
        };
        let carried = receptionist.ask(publish).within(ASK_WITHIN).await;
        let carried = carried.map_err(|error| PublishError::of(guide.name.clone(), error))?;
        Ok(carried.into_publication())
    }
}

impl<M: Message> fmt::Debug for ClientTopic<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientTopic({:?}, {})", self.name, M::NAME)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use odeon_env::{Env, RealEnv};
    use odeon_macros::message;
    use odeon_transport::{Ca, Validity};

    use super::*;
    use crate::{Node, NodeBuilder, TransportConfig};

    const SECOND: Duration = Duration::from_secs(1);

    #[message(id = "client-topic/Price", crate = odeon_message)]
    struct Price {
        cents: u64,
    }

    fn builder(ca: &Ca, name: &str) -> NodeBuilder {
        let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3_600));
        let identity = ca.issue(name, validity).unwrap();
        Node::builder(name).identity(identity).topic::<Price>().workers(1)
    }

    /// While a cluster goes over to this release, members of the one before are there.
    #[tokio::test]
    async fn a_member_that_does_not_know_it_says_so_and_another_one_publishes() {
        let ca = Ca::in_memory("test").unwrap();
        let mut before = builder(&ca, "a").alone();
        before.before_publish = true;
        let a = before.start().await.unwrap();
        let seed = a.addr().to_string();
        let till = builder(&ca, "till").seed(seed.clone()).start_client().await.unwrap();
        assert!(till.connected().await);
        let gold = till.topic::<Price>("prices.gold").unwrap();
        let mut heard = a.cluster().subscribe::<Price>("prices.*").unwrap();
        let error = gold.publish(Price { cents: 1 }).await.unwrap_err();
        assert_eq!(error, PublishError::Unknown { node: "a".to_owned() });
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        let b = builder(&ca, "b").seed(seed).start().await.unwrap();
        assert!(b.joined().await);
        while till.members_now().len() < 2
            || b.cluster().listening_nodes::<Price>("prices.gold") == 0
        {
            tokio::time::sleep(SECOND / 100).await;
        }
        let published = gold.publish(Price { cents: 2 }).await.unwrap();
        assert_eq!((published.here, published.nodes, published.failed), (0, 1, Vec::new()));
        let price = heard.next().await.unwrap();
        assert_eq!((&*price.topic, price.message.cents), ("prices.gold", 2));
        till.stop(SECOND).await;
        b.stop(SECOND).await;
        a.stop(SECOND).await;
    }

    /// The client refuses it before; this one is of another release, or of nobody's.
    #[tokio::test]
    async fn a_member_refuses_an_archive_that_is_too_long() {
        let ca = Ca::in_memory("test").unwrap();
        let a = builder(&ca, "a").alone().start().await.unwrap();
        let till = builder(&ca, "till").seed(a.addr().to_string()).start_client().await.unwrap();
        assert!(till.connected().await);
        let receptionist = Receptionist::of(till.system(), a.id(), a.incarnation());
        let publish = |bytes| {
            let (topic, archive) = ("prices".to_owned(), vec![0; bytes]);
            let codec = Price::CODEC.unwrap();
            Publish { topic, message: codec.id(), layout: codec.fingerprint().0, archive }
        };
        receptionist.ask(publish(ARCHIVE_BYTES_MAX)).await.unwrap();
        let error = receptionist.ask(publish(ARCHIVE_BYTES_MAX + 1)).await.unwrap_err();
        let error = PublishError::of("a".to_owned(), error);
        assert!(matches!(error, PublishError::Unsendable { .. }), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        till.stop(SECOND).await;
        a.stop(SECOND).await;
    }

    #[message(id = "client-topic/Note", crate = odeon_message)]
    struct Note {
        text: String,
    }

    /// Another member would not take it either, and what comes behind it would come through another one.
    #[tokio::test]
    async fn a_message_that_cannot_leave_is_not_the_guides_fault() {
        let ca = Ca::in_memory("test").unwrap();
        let bytes = 128 << 10;
        let transport = TransportConfig {
            frame_bytes_max: bytes,
            message_bytes_max: bytes,
            ..TransportConfig::default()
        };
        let a = builder(&ca, "a").alone().transport(transport).start().await.unwrap();
        let till = builder(&ca, "till").seed(a.addr().to_string()).start_client().await.unwrap();
        assert!(till.connected().await);
        let notes = till.topic::<Note>("notes").unwrap();
        let turn = till.node.roster().guide_turn();
        let short = Note { text: "x".repeat(1_000) };
        assert_eq!(notes.publish(short).await.unwrap().nodes, 0);
        let long = Note { text: "x".repeat(200_000) };
        let error = notes.publish(long).await.unwrap_err();
        assert!(matches!(error, PublishError::Unsendable { .. }), "{error}");
        assert_eq!(till.node.roster().guide_turn(), turn);
        a.stop(SECOND).await;
        let error = notes.publish(Note { text: String::new() }).await.unwrap_err();
        assert!(matches!(error, PublishError::NoAnswer { .. }), "{error}");
        assert_ne!(till.node.roster().guide_turn(), turn, "it is the guide's fault");
        till.stop(SECOND).await;
    }

    #[test]
    fn no_answer_reads_well_whether_a_member_was_asked_or_none_is_known() {
        let no_answer = |node: &str, failure: &str| {
            let (node, failure) = (node.to_owned(), failure.to_owned());
            PublishError::NoAnswer { node, failure }.to_string()
        };
        let asked = no_answer("a", "it is in no cluster");
        assert_eq!(asked, "no member has published it, a neither: it is in no cluster");
        assert_eq!(
            no_answer("", "none is known yet"),
            "no member has published it: none is known yet"
        );
    }
}
