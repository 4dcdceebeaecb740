//! Packets about profiles: what nodes say of themselves, questions for it, and lists of what is known.
//!
//! Like a touch they begin with which life of whom speaks to which life of whom. Counts are one byte, and a packet holds
//! what fits.

use bytes::BufMut;
use odeon_message::{Incarnation, NodeId};

use super::{PACKET_BYTES_MAX, PacketError, VERSION, identity, reader::Reader, write_identity};
use crate::{Member, Profile, identity::Identity, profile::ROLES_MAX};

/// Bytes of a packet before what it is about: version, kind, two lives, the count.
const HEAD_BYTES: usize = 2 + 4 * 8 + 1;

/// Bytes of a record without its identity and its texts.
const RECORD_BYTES: usize = 4 + 1 + 2 + 1;

/// Bytes of a sum.
const SUM_BYTES: usize = 8;

/// Bytes of an entry of a list.
const KNOWN_BYTES: usize = 8 + 8 + 4;

/// Most nodes that one question asks for.
pub(crate) const ASKED_MAX: usize = (PACKET_BYTES_MAX - HEAD_BYTES) / 8;

/// Most entries of one list.
pub(crate) const LISTED_MAX: usize = (PACKET_BYTES_MAX - HEAD_BYTES - SUM_BYTES) / KNOWN_BYTES;

/// Which saying of which life of a node; later lives and later sayings are greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Edition {
    pub(crate) incarnation: Incarnation,
    pub(crate) number: u32,
}

/// Who a node is, and what it said of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub(crate) member: Member,
    /// Which saying of this life; 0 before the first.
    pub(crate) number: u32,
    pub(crate) leaving: bool,
    pub(crate) profile: Profile,
}

/// What a packet is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum About {
    /// What nodes said.
    Records(Vec<Record>),
    /// Whose records the sender wants.
    Question(Vec<NodeId>),
    /// Which editions the sender has: a sum over all of them, and some.
    List(u64, Vec<(NodeId, Edition)>),
}

/// A packet about profiles: which life of whom tells which life of whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Telling {
    pub(crate) source: (NodeId, Incarnation),
    pub(crate) destination: (NodeId, Incarnation),
    pub(crate) about: About,
}

impl Record {
    pub(crate) fn edition(&self) -> Edition {
        Edition { incarnation: self.member.incarnation, number: self.number }
    }

    /// How long it is in a packet.
    pub(crate) fn bytes(&self) -> usize {
        let ip = if self.member.addr.is_ipv4() { 4 } else { 16 };
        let identity = 8 + 1 + ip + 2 + 1 + self.member.name.as_str().len();
        identity + RECORD_BYTES + self.profile.text_bytes()
    }
}

/// How many of these records one packet holds, in this order.
pub(crate) fn fitting<'a>(records: impl Iterator<Item = &'a Record>) -> usize {
    let sums = records.scan(HEAD_BYTES, |sum, record| {
        *sum += record.bytes();
        Some(*sum)
    });
    sums.take_while(|sum| *sum <= PACKET_BYTES_MAX).take(usize::from(u8::MAX)).count()
}

impl Telling {
    pub(crate) fn new(source: &Member, destination: &Member, about: About) -> Self {
        Self {
            source: (source.node, source.incarnation),
            destination: (destination.node, destination.incarnation),
            about,
        }
    }

    /// Its bytes; the caller keeps to what fits.
    pub(crate) fn write(&self) -> Vec<u8> {
        let (kind, count) = match &self.about {
            About::Records(records) => (35, records.len()),
            About::Question(nodes) => (36, nodes.len()),
            About::List(_, known) => (37, known.len()),
        };
        let mut out = vec![VERSION, kind];
        for (node, incarnation) in [self.source, self.destination] {
            out.put_u64_le(node.0);
            out.put_u64_le(incarnation.0);
        }
        out.put_u8(u8::try_from(count).expect("what fits a packet is less than 256 items"));
        match &self.about {
            About::Records(records) => records.iter().for_each(|one| write_record(&mut out, one)),
            About::Question(nodes) => nodes.iter().for_each(|node| out.put_u64_le(node.0)),
            About::List(sum, known) => {
                out.put_u64_le(*sum);
                known.iter().for_each(|(node, edition)| write_known(&mut out, *node, *edition));
            }
        }
        out
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, PacketError> {
        reader.version()?;
        let kind = reader.u8()?;
        let source = (reader.node()?, reader.incarnation()?);
        let destination = (reader.node()?, reader.incarnation()?);
        let count = reader.u8()?;
        let about = match kind {
            35 => About::Records((0..count).map(|_| record(reader)).collect::<Result<_, _>>()?),
            36 => About::Question((0..count).map(|_| reader.node()).collect::<Result<_, _>>()?),
            37 => {
                let sum = reader.u64()?;
                About::List(sum, (0..count).map(|_| known(reader)).collect::<Result<_, _>>()?)
            }
            unknown => return Err(PacketError::Kind(unknown)),
        };
        Ok(Self { source, destination, about })
    }
}

fn write_known(out: &mut Vec<u8>, node: NodeId, edition: Edition) {
    out.put_u64_le(node.0);
    out.put_u64_le(edition.incarnation.0);
    out.put_u32_le(edition.number);
}

fn known(reader: &mut Reader<'_>) -> Result<(NodeId, Edition), PacketError> {
    let (node, incarnation, number) = (reader.node()?, reader.incarnation()?, reader.u32()?);
    Ok((node, Edition { incarnation, number }))
}

fn write_record(out: &mut Vec<u8>, record: &Record) {
    let Record { member, number, leaving, profile } = record;
    write_identity(out, member);
    out.put_u32_le(*number);
    out.put_u8(u8::from(*leaving));
    out.put_u16_le(profile.load);
    put_text(out, &profile.zone);
    put_text(out, &profile.version);
    out.put_u8(u8::try_from(profile.roles.len()).expect("a profile has at most 16 roles"));
    profile.roles.iter().for_each(|role| put_text(out, role));
}

fn record(reader: &mut Reader<'_>) -> Result<Record, PacketError> {
    let Identity(member) = identity(reader)?;
    let number = reader.u32()?;
    let leaving = match reader.u8()? {
        0 => false,
        1 => true,
        unknown => return Err(PacketError::State(unknown)),
    };
    let load = reader.u16()?;
    let (zone, version) = (reader.text()?, reader.text()?);
    let count = usize::from(reader.u8()?);
    if count > ROLES_MAX {
        return Err(PacketError::Profile);
    }
    let roles = (0..count).map(|_| reader.text()).collect::<Result<_, _>>()?;
    let profile = Profile { zone, roles, version, load };
    profile.check().map_err(|_| PacketError::Profile)?;
    Ok(Record { member, number, leaving, profile })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_u8(u8::try_from(text.len()).expect("a text of a profile has at most 63 bytes"));
    out.put_slice(text.as_bytes());
}
