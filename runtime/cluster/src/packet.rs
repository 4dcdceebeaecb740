//! The bytes of membership.
//!
//! What it is: how a packet is written and read. Version 1, little-endian but for the two counts that foca writes
//! itself:
//!
//! ```text
//! packet   = version u8 = 1, kind u8, rest by kind
//! swim     = source identity, source's round u16, destination identity, body, [count u16 big-endian, updates]
//! body     = probe number u8        kinds 0 Ping, 1 Ack
//!          | probe number u8, identity   kinds 2 PingReq, 3 IndirectPing, 4 IndirectAck, 5 ForwardedAck
//!          | nothing                kinds 6 Announce, 7 Feed, 8 Gossip, 9 Broadcast, 10 TurnUndead
//! touch    = source node u64, source incarnation u64, destination node u64, destination incarnation u64
//!                                   kinds 32 Touch, 33 Probe, 34 Answer
//! told     = source node u64, source incarnation u64, destination node u64, destination incarnation u64, count u8,
//!            as many records (kind 35), nodes u64 whose records are wanted (36), or a sum u64 over all editions that
//!            are known and as many of these (37)
//! record   = identity, number u32, leaving u8 (0 or 1), load u16, zone text, version text, count u8 (at most 16), as many roles text
//! edition  = node u64, incarnation u64, number u32
//! text     = length u8 (at most 63), UTF-8
//! update   = identity, round u16, state u8 (0 alive, 1 suspect, 2 down)
//! identity = incarnation u64, family u8 (4 or 6), ip (4 or 16 bytes, network order), port u16, length u8, name
//! ```
//!
//! A round is what SWIM calls an incarnation: how often a member refuted. In an update that says "down" it carries
//! the reason instead, because nothing refutes death (`membership/news.rs`). A node id is not sent; it is the hash of
//! the name. What it is NOT: it judges no packet; a packet that reads well may still be refused. Nothing here panics
//! on any bytes. Read `packet/reader.rs` next.

mod about;
mod reader;
mod touch;

use std::{net::SocketAddr, ops::Range};

use bytes::{Buf, BufMut};
use foca::{Header, Message, State};

use crate::{Member, identity::Identity};

pub(crate) use about::{ASKED_MAX, About, Edition, LISTED_MAX, Record, Telling, fitting};
use reader::Reader;
pub(crate) use touch::{Touch, TouchKind};

/// Longest packet of membership, in bytes: what a QUIC datagram carries at the smallest MTU, with some to spare.
pub const PACKET_BYTES_MAX: usize = 1_000;

const VERSION: u8 = 1;

/// Kinds from here on are our own; below are SWIM's.
const TOUCH_KIND_MIN: u8 = 32;

/// Kinds from here on are about profiles.
const TELLING_KIND_MIN: u8 = 35;

/// Why bytes are no packet.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PacketError {
    #[error("a packet of membership ends too early")]
    Truncated,
    #[error("a packet of membership has version {0}, this node reads version {VERSION}")]
    Version(u8),
    #[error("a packet of membership has the unknown kind {0}")]
    Kind(u8),
    #[error("a packet of membership has the unknown state {0}")]
    State(u8),
    #[error("a packet of membership has the unknown address family {0}")]
    Family(u8),
    #[error("a packet of membership has a name that is none")]
    Name,
    #[error("a packet of membership has a profile that is none")]
    Profile,
    #[error("no room is left in the packet")]
    NoRoom,
}

/// What one packet says, without acting on it.
#[derive(Debug)]
pub(crate) enum Packet {
    Touch(Touch),
    Telling(Telling),
    Swim(Swim),
}

/// A packet of SWIM.
#[derive(Debug)]
pub(crate) struct Swim {
    pub(crate) source: Member,
    pub(crate) destination: Member,
    pub(crate) about: Vec<Update>,
    /// Where the count of the updates is, if there are any.
    count_at: usize,
}

impl Swim {
    /// The packet, whose bytes are these, without the updates that say nothing new; `None` if all of them do.
    pub(crate) fn without(
        &self,
        bytes: &[u8],
        is_known: impl Fn(&Update) -> bool,
    ) -> Option<Vec<u8>> {
        let news: Vec<&Update> = self.about.iter().filter(|update| !is_known(update)).collect();
        if news.len() == self.about.len() {
            return None;
        }
        let mut out = bytes.get(..self.count_at)?.to_vec();
        out.put_u16(u16::try_from(news.len()).ok()?);
        for update in news {
            out.extend_from_slice(bytes.get(update.at.clone())?);
        }
        Some(out)
    }
}

/// Reads a whole packet; foca reads it again when it is let in.
pub(crate) fn read(bytes: &[u8]) -> Result<Packet, PacketError> {
    let mut reader = Reader::new(bytes);
    match bytes.get(1) {
        Some(TELLING_KIND_MIN..) => return Ok(Packet::Telling(Telling::read(&mut reader)?)),
        Some(TOUCH_KIND_MIN..) => return Ok(Packet::Touch(Touch::read(&mut reader)?)),
        _ => {}
    }
    let header = header(&mut reader)?;
    let (count_at, mut about) = (bytes.len() - reader.left(), Vec::new());
    if reader.left() >= 2 && header.message != Message::Broadcast {
        for _ in 0..reader.u16_be()? {
            let start = bytes.len() - reader.left();
            let update = update(&mut reader)?;
            about.push(Update { at: start..bytes.len() - reader.left(), ..update });
        }
    }
    let (source, destination) = (header.src.0, header.dst.0);
    Ok(Packet::Swim(Swim { source, destination, about, count_at }))
}

/// Writes "I am down, and this is why", for one member.
pub(crate) fn write_leave(me: &Member, to: &Member, reason: u16) -> Vec<u8> {
    let death = foca::Member::new(Identity(me.clone()), reason, State::Down);
    write_one(me, to, Message::Gossip, &death)
}

/// Writes "I suspect you, answer", for the suspect.
pub(crate) fn write_suspect(me: &Member, suspect: &Member, round: u16) -> Vec<u8> {
    let suspicion = foca::Member::new(Identity(suspect.clone()), round, State::Suspect);
    write_one(me, suspect, Message::Ping(0), &suspicion)
}

/// Writes a packet with one update. Our own round is foca's secret; 0 is believed by whoever knows a later one.
fn write_one(
    me: &Member,
    to: &Member,
    message: Message<Identity>,
    update: &foca::Member<Identity>,
) -> Vec<u8> {
    let (src, dst) = (Identity(me.clone()), Identity(to.clone()));
    let mut out = Vec::new();
    write_header(&mut out, &Header { src, src_incarnation: 0, dst, message });
    out.put_u16(1);
    write_update(&mut out, update);
    out
}

/// How foca writes and reads; the buffer is kept between writes.
#[derive(Debug, Default)]
pub(crate) struct PacketCodec {
    scratch: Vec<u8>,
}

impl PacketCodec {
    /// Writes all or nothing.
    fn put(
        &mut self,
        mut buf: impl BufMut,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), PacketError> {
        self.scratch.clear();
        write(&mut self.scratch);
        if buf.remaining_mut() < self.scratch.len() {
            return Err(PacketError::NoRoom);
        }
        buf.put_slice(&self.scratch);
        Ok(())
    }
}

/// Reads one item off the front of `buf`, which foca promises to be in one piece.
fn take<T>(
    mut buf: impl Buf,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, PacketError>,
) -> Result<T, PacketError> {
    let mut reader = Reader::new(buf.chunk());
    let item = read(&mut reader)?;
    let taken = buf.chunk().len() - reader.left();
    buf.advance(taken);
    Ok(item)
}

impl foca::Codec<Identity> for PacketCodec {
    type Error = PacketError;

    fn encode_header(
        &mut self,
        header: &Header<Identity>,
        buf: impl BufMut,
    ) -> Result<(), PacketError> {
        self.put(buf, |out| write_header(out, header))
    }

    fn decode_header(&mut self, buf: impl Buf) -> Result<Header<Identity>, PacketError> {
        take(buf, header)
    }

    fn encode_member(
        &mut self,
        member: &foca::Member<Identity>,
        buf: impl BufMut,
    ) -> Result<(), PacketError> {
        self.put(buf, |out| write_update(out, member))
    }

    fn decode_member(&mut self, buf: impl Buf) -> Result<foca::Member<Identity>, PacketError> {
        take(buf, |reader| Ok(update(reader)?.into_foca()))
    }
}

fn write_header(out: &mut Vec<u8>, header: &Header<Identity>) {
    let (kind, number, peer) = match &header.message {
        Message::Ping(number) => (0, Some(number), None),
        Message::Ack(number) => (1, Some(number), None),
        Message::PingReq { target, probe_number } => (2, Some(probe_number), Some(target)),
        Message::IndirectPing { origin, probe_number } => (3, Some(probe_number), Some(origin)),
        Message::IndirectAck { target, probe_number } => (4, Some(probe_number), Some(target)),
        Message::ForwardedAck { origin, probe_number } => (5, Some(probe_number), Some(origin)),
        Message::Announce => (6, None, None),
        Message::Feed => (7, None, None),
        Message::Gossip => (8, None, None),
        Message::Broadcast => (9, None, None),
        Message::TurnUndead => (10, None, None),
    };
    out.extend([VERSION, kind]);
    write_identity(out, &header.src.0);
    out.put_u16_le(header.src_incarnation);
    write_identity(out, &header.dst.0);
    out.extend(number);
    if let Some(peer) = peer {
        write_identity(out, &peer.0);
    }
}

fn header(reader: &mut Reader<'_>) -> Result<Header<Identity>, PacketError> {
    reader.version()?;
    let kind = reader.u8()?;
    let src = identity(reader)?;
    let src_incarnation = reader.u16()?;
    let dst = identity(reader)?;
    let message = match kind {
        0 => Message::Ping(reader.u8()?),
        1 => Message::Ack(reader.u8()?),
        2 => Message::PingReq { probe_number: reader.u8()?, target: identity(reader)? },
        3 => Message::IndirectPing { probe_number: reader.u8()?, origin: identity(reader)? },
        4 => Message::IndirectAck { probe_number: reader.u8()?, target: identity(reader)? },
        5 => Message::ForwardedAck { probe_number: reader.u8()?, origin: identity(reader)? },
        6 => Message::Announce,
        7 => Message::Feed,
        8 => Message::Gossip,
        9 => Message::Broadcast,
        10 => Message::TurnUndead,
        unknown => return Err(PacketError::Kind(unknown)),
    };
    Ok(Header { src, src_incarnation, dst, message })
}

/// One piece of news, as read.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) member: Member,
    pub(crate) round: u16,
    pub(crate) state: State,
    /// Where it stands in its packet.
    at: Range<usize>,
}

impl Update {
    fn into_foca(self) -> foca::Member<Identity> {
        foca::Member::new(Identity(self.member), self.round, self.state)
    }
}

fn write_update(out: &mut Vec<u8>, update: &foca::Member<Identity>) {
    write_identity(out, &update.id().0);
    out.put_u16_le(update.incarnation());
    out.push(match update.state() {
        State::Alive => 0,
        State::Suspect => 1,
        State::Down => 2,
    });
}

fn update(reader: &mut Reader<'_>) -> Result<Update, PacketError> {
    let Identity(member) = identity(reader)?;
    let round = reader.u16()?;
    let state = match reader.u8()? {
        0 => State::Alive,
        1 => State::Suspect,
        2 => State::Down,
        unknown => return Err(PacketError::State(unknown)),
    };
    Ok(Update { member, round, state, at: 0..0 })
}

fn write_identity(out: &mut Vec<u8>, member: &Member) {
    out.put_u64_le(member.incarnation.0);
    match member.addr {
        SocketAddr::V4(v4) => {
            out.push(4);
            out.extend(v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            out.push(6);
            out.extend(v6.ip().octets());
        }
    }
    out.put_u16_le(member.addr.port());
    let name = member.name.as_str();
    out.push(u8::try_from(name.len()).expect("a name has at most 63 bytes"));
    out.extend(name.bytes());
}

fn identity(reader: &mut Reader<'_>) -> Result<Identity, PacketError> {
    let incarnation = reader.incarnation()?;
    let addr = reader.addr()?;
    let name = reader.name()?;
    Ok(Identity(Member::new(name, incarnation, addr)))
}

#[cfg(test)]
mod tests;
