//! What travels on the frame link: the words that one side says to the other, each as a packet.
//!
//! What it is: data, with what follows from it: how long a packet is, and how often it is tried. What it is NOT: the way
//! of a packet, which is in `../frames.rs`. Read `side.rs` next.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use odeon_env::{FrameIdentity, FrameStream};

use super::SideId;
use crate::{
    net::links::Place,
    trace::{Payload, hash_bytes},
};

/// What a packet takes of the bandwidth beside its payload: about what QUIC's headers and seal and UDP's take.
const PACKET_BYTES: usize = 40;

/// Attempts to tell a peer of a close or a refusal; after that it learns by a reset, or by silence.
pub(super) const GOODBYES_MAX: u32 = 3;

/// Places of packets that are kept while nobody uses them; further ones are freed. About 150 KiB.
const SPARE_MAX: usize = 1_024;

/// What one side says to the other.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Dial { identity: FrameIdentity, binding: u64 },
    Accept { identity: FrameIdentity, binding: u64 },
    Refuse,
    Chunk { stream: FrameStream, number: u64, bytes: Bytes, last: bool },
    Received { stream: FrameStream },
    Window { stream: FrameStream, limit: u64 },
    Datagram(Bytes),
    Here,
    Close { code: u64, reason: Bytes },
    Reset,
}

impl Content {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Chunk { bytes, .. } | Self::Datagram(bytes) => bytes,
            Self::Close { reason, .. } => reason,
            _ => &[],
        }
    }
}

/// One packet between two sides.
#[derive(Clone, Debug)]
pub(in crate::net) struct Packet {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// The link between them.
    pub(super) link: Place,
    pub(super) sender: SideId,
    /// Whom it is for, and at which binding of its socket; nobody yet for a dial.
    pub(super) receiver: Option<(SideId, u64)>,
    /// The how manieth attempt it is, from 1.
    pub(super) attempt: u32,
    pub(super) content: Content,
    /// Of its bytes.
    hash: u64,
}

/// What the frame link has under way.
#[derive(Debug)]
pub(in crate::net) enum Carried {
    Packet(Box<Packet>),
    /// A packet that is to be sent again.
    Retry(Box<Packet>),
    /// A side is to look whether it heard and said enough.
    Look(SideId),
}

impl Carried {
    pub(in crate::net) fn is_retry_from(&self, host: IpAddr) -> bool {
        matches!(self, Self::Retry(packet) if packet.from.ip() == host)
    }
}

impl Packet {
    /// The first attempt, from the first end to the second over the link between them.
    pub(super) fn new(
        ([from, to], link): ([SocketAddr; 2], Place),
        sender: SideId,
        receiver: Option<(SideId, u64)>,
        content: Content,
    ) -> Self {
        let hash = hash_bytes(content.bytes());
        Self { from, to, link, sender, receiver, attempt: 1, content, hash }
    }

    /// Bytes that it takes of the bandwidth.
    pub(in crate::net) fn length(&self) -> usize {
        self.bytes().len() + PACKET_BYTES
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.content.bytes()
    }

    pub(super) fn payload(&self) -> Payload<'_> {
        Payload::hashed(self.bytes(), self.hash)
    }

    /// Attempts before it is given up.
    pub(super) fn attempts_max(&self) -> u32 {
        match self.content {
            Content::Datagram(_) | Content::Here | Content::Reset => 1,
            Content::Refuse | Content::Close { .. } => GOODBYES_MAX,
            _ => u32::MAX,
        }
    }
}

/// Packets that nobody uses, kept for the next: a network has as many under way in one millisecond as in another.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the boxes are what is used again")]
pub(super) struct Spare(Vec<Box<Packet>>);

impl Spare {
    /// A place for a packet.
    pub(super) fn fill(&mut self, packet: Packet) -> Box<Packet> {
        match self.0.pop() {
            Some(mut place) => {
                *place = packet;
                place
            }
            None => Box::new(packet),
        }
    }

    /// Keeps the place of a packet that has arrived; says what was in it.
    pub(super) fn empty(&mut self, mut place: Box<Packet>) -> Content {
        let content = std::mem::replace(&mut place.content, Content::Here);
        if self.0.len() < SPARE_MAX {
            self.0.push(place);
        }
        content
    }
}
