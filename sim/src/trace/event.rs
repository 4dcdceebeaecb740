//! What can happen in a run, and how each event enters the hash and the lines.
//!
//! Read `line.rs` next.

use std::{borrow::Cow, net::SocketAddr};

use odeon_env::Observed;

use super::{
    digest::{Digest, hash_bytes},
    disk::DiskEvent,
    line::{Content, Passage, Told, bits},
};

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It was put into the socket's receive buffer.
    Delivered,
    /// Lost by chance.
    Lost,
    /// The link is cut.
    Cut,
    /// Larger than the link carries.
    TooLarge,
    /// The link's queue was full.
    QueueFull,
    /// The receive buffer was full.
    BufferFull,
    /// Nobody listens there.
    NobodyListens,
    /// There is no host with that address.
    NoHost,
    /// More datagrams were in flight than the network holds.
    NetworkFull,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Turn {
    /// It was started.
    Started,
    /// Its machine lost its power.
    Crashed,
    /// Its body came to its end.
    Exited,
    /// It is polled no more.
    Paused,
    /// It is polled again.
    Resumed,
    /// It was killed, and its machine stays up.
    Killed,
}

/// What a datagram carries, and its hash, which is made once however often it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    pub(crate) hash: u64,
}

impl<'a> Payload<'a> {
    /// These bytes.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, hash: hash_bytes(bytes) }
    }

    /// These bytes, whose hash is known.
    pub(crate) fn hashed(bytes: &'a [u8], hash: u64) -> Self {
        debug_assert_eq!(hash, hash_bytes(bytes), "it is the hash of these bytes");
        Self { bytes, hash }
    }
}

/// One event of a trace.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A datagram was handed to the network.
    Sent {
        /// Sender.
        from: SocketAddr,
        /// Receiver.
        to: SocketAddr,
        /// Payload.
        payload: Payload<'a>,
    },
    /// What became of a datagram.
    Ended {
        /// Sender.
        from: SocketAddr,
        /// Receiver.
        to: SocketAddr,
        /// Payload, as it arrived.
        payload: Payload<'a>,
        /// Its end.
        fate: Fate,
    },
    /// A sender was told that nobody listens.
    Unreachable {
        /// Who is told.
        to: SocketAddr,
        /// Where nobody listens.
        about: SocketAddr,
    },
    /// A node was polled. Not kept as a line.
    Polled,
    /// A node started, ended or was held.
    Turn(Turn),
    /// Something on a node's disk.
    Disk(DiskEvent<'a>),
    /// Something inside a node.
    Observed(Observed<'a>),
    /// Something the driver of the world or a scenario says.
    Note {
        /// Name of the event.
        name: &'a str,
        /// Its details.
        detail: &'a str,
    },
}

impl Event<'_> {
    /// Enters the hash; the result is the line to keep.
    pub(super) fn fold(&self, digest: &mut Digest) -> Told<'_> {
        match *self {
            Self::Sent { .. } | Self::Ended { .. } => self.fold_packet(digest),
            Self::Unreachable { to, about } => {
                packet(digest, 3, Passage::Unreachable, [about, to], Payload::of(&[]))
            }
            Self::Polled => polled(digest),
            Self::Turn(turn) => {
                digest.word(5);
                digest.word(turn as u64);
                Told::Said(turn.name().into(), "".into(), 0)
            }
            Self::Disk(event) => {
                let (name, detail, number) = event.fold(digest);
                Told::Said(name.into(), detail.into(), number)
            }
            Self::Observed(observed) => observed_words(digest, observed),
            Self::Note { name, detail } => {
                digest.bytes(name.as_bytes());
                words(digest, 7, name, detail, 0)
            }
        }
    }

    /// The same for what becomes of a packet; of other events nothing.
    #[inline(always)]
    pub(super) fn fold_packet(&self, digest: &mut Digest) -> Told<'static> {
        match *self {
            Self::Sent { from, to, payload } => {
                packet(digest, 1, Passage::Sent, [from, to], payload)
            }
            Self::Ended { from, to, payload, fate } => {
                let kind = 2 + ((fate as u64) << 8);
                packet(digest, kind, Passage::Ended(fate), [from, to], payload)
            }
            _ => Told::Nothing,
        }
    }
}

/// A node was polled.
#[inline(always)]
pub(super) fn polled(digest: &mut Digest) -> Told<'static> {
    digest.word(4);
    Told::Nothing
}

/// A frame of a node.
#[inline(always)]
pub(super) fn frame(digest: &mut Digest, inbound: bool, kind: u8, payload: &[u8]) -> Told<'static> {
    let hash = hash_bytes(payload);
    digest.joined([hash, 24 << 16 | u64::from(inbound) << 8 | u64::from(kind), 0]);
    Told::Whole(Content::Frame { inbound, kind, length: payload.len() as u32 }, hash)
}

/// A handler of an actor began.
#[inline(always)]
pub(super) fn handler<'a>(digest: &mut Digest, actor: u64, message: &'a str) -> Told<'a> {
    fold_words(digest, 21, message, actor);
    Told::Handler { actor, message }
}

fn observed_words<'a>(digest: &mut Digest, observed: Observed<'a>) -> Told<'a> {
    match observed {
        Observed::ActorStarted { actor, kind } => words(digest, 20, "actor started", kind, actor),
        Observed::HandlerStarted { actor, message } => handler(digest, actor, message),
        Observed::ActorStopped { actor, reason } => {
            words(digest, 22, "actor stopped", reason, actor)
        }
        Observed::TimerFired { timer } => words(digest, 23, "timer fired", timer, 0),
        Observed::Frame { inbound, kind, payload, .. } => frame(digest, inbound, kind, payload),
        Observed::Note { name, detail } => {
            digest.bytes(name.as_bytes());
            words(digest, 25, name, detail, 0)
        }
        // The frames themselves are in the trace already.
        // The enum grows; what is not known here still counts.
        Observed::Written { bytes } => words(digest, 27, "written", "", bytes.len() as u64),
        other => words(digest, 26, "observed", format!("{other:?}"), 0),
    }
}

/// A line of words. The name is not hashed: it follows from the kind, or whoever calls adds it.
fn words<'a>(
    digest: &mut Digest,
    kind: u64,
    name: &'a str,
    detail: impl Into<Cow<'a, str>>,
    number: u64,
) -> Told<'a> {
    let detail = detail.into();
    fold_words(digest, kind, &detail, number);
    Told::Said(name.into(), detail, number)
}

#[inline]
fn fold_words(digest: &mut Digest, kind: u64, detail: &str, number: u64) {
    digest.word(kind << 56 ^ number);
    if !detail.is_empty() {
        digest.bytes(detail.as_bytes());
    }
}

#[inline(always)]
fn packet(
    digest: &mut Digest,
    kind: u64,
    what: Passage,
    ends: [SocketAddr; 2],
    Payload { bytes, hash }: Payload<'_>,
) -> Told<'static> {
    let length = bytes.len() as u32;
    if let [SocketAddr::V4(from), SocketAddr::V4(to)] = ends {
        let ends @ [from, to] = [bits(from), bits(to)];
        // The kind stands above the 48 bits of an address.
        digest.joined([hash, kind << 48 | from, to]);
        return Told::Whole(Content::Packet { what, length, ends }, hash);
    }
    fold_far(digest, kind, ends, hash);
    Told::Far { what, ends, length, hash }
}

/// A packet with an end of IPv6.
#[cold]
fn fold_far(digest: &mut Digest, kind: u64, ends: [SocketAddr; 2], hash: u64) {
    for end in ends {
        digest.bytes(end.to_string().as_bytes());
    }
    digest.joined([hash, kind << 48, 0]);
}

impl Fate {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Delivered,
        Self::Lost,
        Self::Cut,
        Self::TooLarge,
        Self::QueueFull,
        Self::BufferFull,
        Self::NobodyListens,
        Self::NoHost,
        Self::NetworkFull,
    ];

    /// In words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Lost => "lost",
            Self::Cut => "cut off",
            Self::TooLarge => "too large",
            Self::QueueFull => "link queue full",
            Self::BufferFull => "receive buffer full",
            Self::NobodyListens => "nobody listens",
            Self::NoHost => "no such host",
            Self::NetworkFull => "network full",
        }
    }
}

impl Turn {
    /// In words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Started => "node started",
            Self::Crashed => "node crashed",
            Self::Exited => "node exited",
            Self::Paused => "node paused",
            Self::Resumed => "node resumed",
            Self::Killed => "node killed",
        }
    }
}
