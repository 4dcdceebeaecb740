//! What a member publishes for clients, which know nobody who listens.
//!
//! What it is: the messages between the two, and the way of one message from a client to whoever listens: it is never
//! read here, but goes on as the bytes in which it came, once to each node on which somebody listens. What it is NOT: the
//! client's side, `client/topic.rs`; or a queue: a node to which there is no room at this moment does not get the message,
//! and the client is told which.

use odeon_cluster::check_topic;
use odeon_macros::{data, message};
use odeon_message::{
    ActorKey, ActorTypeId, Address, Failure, FailureKind, Fingerprint, MessageId, NodeId, Payload,
};
use odeon_wire::put_topic;

use super::RosterHall;
use crate::{cluster::topic::Publication, outbound::OutboundRemotes, phase::Phase};

/// Longest detail of a failure that a client is told of one node, in bytes: there may be one for each node of a cluster.
const DETAIL_BYTES_MAX: usize = 128;

/// Longest archive that a client may have published, in bytes. It is copied once for each node on which somebody listens,
/// before the member does anything else for clients and for other nodes' rosters.
pub(crate) const ARCHIVE_BYTES_MAX: usize = 1 << 20;

/// What people call a message of a client whose type this node may not know.
const NAME: &str = "what a client publishes";

/// Publish this, and say to whom it is on its way. Asked by clients, of one member at a time.
#[message(id = "odeon/Publish", reply = Carried, error = NotCarried)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    /// The type of the message.
    pub(crate) message: MessageId,
    /// The layout of its archive.
    pub(crate) layout: u64,
    pub(crate) archive: Vec<u8>,
}

/// What became of it.
#[data]
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    /// Who on the member itself has taken it.
    here: u64,
    /// Other nodes that it is on its way to.
    nodes: u64,
    missed: Vec<Missed>,
}

/// A node that does not get it.
#[data]
#[derive(Clone, Debug)]
struct Missed {
    node: String,
    /// A [`FailureKind`].
    kind: u8,
    detail: String,
}

/// Nothing was published.
#[data]
#[derive(Clone, Debug)]
pub(crate) enum NotCarried {
    /// Who was asked is in no cluster.
    NotMember,
    /// Its topic is none to the member.
    NotTopic { why: String },
    /// Its archive has so many bytes, and the member takes no more than these.
    TooLong { bytes: u64, bytes_max: u64 },
}

impl Carried {
    fn miss(&mut self, node: Box<str>, failure: &Failure) {
        let detail = failure.detail.floor_char_boundary(DETAIL_BYTES_MAX);
        let detail = failure.detail[..detail].to_owned();
        self.missed.push(Missed { node: node.into(), kind: failure.kind as u8, detail });
    }

    /// The same for the client's caller. What a later program calls a kind that is not known here is one of a refusal.
    pub(crate) fn into_publication(self) -> Publication {
        let count = |it| usize::try_from(it).unwrap_or(usize::MAX);
        let failed = self.missed.into_iter().map(|Missed { node, kind, detail }| {
            let kind = FailureKind::from_byte(kind).unwrap_or(FailureKind::Unsendable);
            (node.into_boxed_str(), Failure::not_delivered(kind, detail))
        });
        let (here, nodes) = (count(self.here), count(self.nodes));
        Publication { here, nodes, failed: failed.collect() }
    }
}

/// Publishes a client's message to all who listen and have room at this moment.
///
/// # Errors
/// When this node is no member, the topic is none, or the archive is too long; then nothing has happened.
pub(crate) fn carry(
    roster: &RosterHall,
    remotes: &OutboundRemotes,
    publish: &Publish,
) -> Result<Carried, NotCarried> {
    let here = &roster.here;
    if !here.is_member || here.phases.current() != Phase::Up {
        return Err(NotCarried::NotMember);
    }
    let Publish { topic, message, layout, archive } = publish;
    check_topic(topic).map_err(|error| NotCarried::NotTopic { why: error.to_string() })?;
    if archive.len() > ARCHIVE_BYTES_MAX {
        let (bytes, bytes_max) = (archive.len() as u64, ARCHIVE_BYTES_MAX as u64);
        return Err(NotCarried::TooLong { bytes, bytes_max });
    }
    let layout = Fingerprint(*layout);
    let mut carried = Carried { here: 0, nodes: 0, missed: Vec::new() };
    match give_here(roster, publish) {
        Ok(here) => carried.here = here,
        Err(failure) => carried.miss(here.name.as_str().into(), &failure),
    }
    let nodes = roster.with(|roster| roster.listeners(topic, *message));
    for (node, incarnation) in nodes {
        let key = ActorKey::of_topic(topic);
        let to = Address { node, incarnation, key, actor_type: ActorTypeId(0) };
        let passed_on = remotes.0.pass_on(to, (*message, layout), NAME, &mut |out| {
            out.extend_from_slice(archive);
            put_topic(out, topic);
            Ok(())
        });
        match passed_on {
            Ok(()) => carried.nodes += 1,
            Err(failure) => carried.miss(name_of(roster, node), &failure),
        }
    }
    Ok(carried)
}

/// Gives the message to those who listen on this node; answers with how many have taken it. What another node is not sent
/// in its layout is not taken here either.
fn give_here(roster: &RosterHall, publish: &Publish) -> Result<u64, Failure> {
    let (message, layout) = (publish.message, Fingerprint(publish.layout));
    let audience = roster.listeners.on(&publish.topic, message);
    if audience.ears.is_empty() {
        return Ok(0);
    }
    if !roster.system().accepts_layout(message, layout) {
        let detail = format!("{NAME}: this node does not take it in the client's layout");
        return Err(Failure::not_delivered(FailureKind::Incompatible, detail));
    }
    let payload = Payload::copy_from(&publish.archive);
    let message = (message, Some(layout));
    Ok(roster.listeners.deliver(roster.system(), &audience, message, &payload) as u64)
}

fn name_of(roster: &RosterHall, node: NodeId) -> Box<str> {
    let member = roster.here.directory.member(node);
    member.map_or_else(|| node.to_string(), |member| member.name).into()
}
