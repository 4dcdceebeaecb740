//! How nodes introduce themselves: the payloads of hello and welcome.
//!
//! A value of these types satisfies every bound of the format; bytes that do not are refused while they are read.
//! Read `handshake.rs` for what is decided from them.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use odeon_message::{Fingerprint, Incarnation, MessageId, NAME_BYTES_MAX, NodeId};

use crate::{
    Body, ClusterName, FrameKind, NodeName, PayloadError,
    bytes::{ByteReader, put_socket_addr},
    format::{
        ACCEPTED_MAX, BULK_STREAMS_MAX, BULK_UNIT_BYTES, CREDIT_BYTES_DEFAULT,
        CREDIT_MESSAGES_DEFAULT, FRAME_BYTES_MAX_LEAST, FRAME_BYTES_MAX_MOST, LANES_MAX, REVISION,
    },
};

/// The revisions of version 1 that a node speaks, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Revisions {
    /// The oldest; at least 1.
    pub min: u16,
    /// The newest; at least `min`.
    pub max: u16,
}

impl Revisions {
    /// What this crate speaks.
    pub const OURS: Self = Self { min: 1, max: REVISION };

    /// The newest revision that both speak.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u16> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }
}

/// What every receiver of a node grants each sender before the first credit frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InitialCredit {
    /// Messages, at least 1; default 256.
    pub messages: u32,
    /// Bytes of whole frames, at least 1; default 1 MiB.
    pub bytes: u32,
}

impl Default for InitialCredit {
    fn default() -> Self {
        Self { messages: CREDIT_MESSAGES_DEFAULT, bytes: CREDIT_BYTES_DEFAULT }
    }
}

/// What a node reads on bulk streams, each of which brings one large message or reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BulkTerms {
    /// Streams at once, 1 to [`BULK_STREAMS_MAX`].
    pub streams: u8,
    /// Longest frame on one of them, 64 KiB to 256 MiB; a multiple of 64 KiB.
    pub frame_bytes_max: u32,
}

impl BulkTerms {
    /// Most bytes that the frames of all open streams have together, unless only one is open: four of the longest. So
    /// one long message holds up no other, and many do not add up to more than a peer can hold.
    #[must_use]
    pub const fn bytes_max(self) -> u64 {
        self.frame_bytes_max as u64 * 4
    }

    fn encode(terms: Option<Self>) -> [u8; 3] {
        let Some(Self { streams, frame_bytes_max }) = terms else { return [0; 3] };
        let units = u16::try_from(frame_bytes_max as usize / BULK_UNIT_BYTES)
            .expect("256 MiB are 4,096 units");
        let [low, high] = units.to_le_bytes();
        [streams, low, high]
    }

    fn read(read: &mut ByteReader<'_>) -> Result<Option<Self>, PayloadError> {
        let (streams, units) =
            (read.u8("bulk streams")?, usize::from(read.u16("longest message")?));
        if (streams == 0) != (units == 0) {
            return Err(PayloadError::Value { what: "longest message", found: units as u64 });
        }
        at_most("bulk streams", usize::from(streams), usize::from(BULK_STREAMS_MAX))?;
        at_most("longest message", units * BULK_UNIT_BYTES, FRAME_BYTES_MAX_MOST)?;
        let frame_bytes_max = u32::try_from(units * BULK_UNIT_BYTES).expect("bounded above");
        Ok((streams > 0).then_some(Self { streams, frame_bytes_max }))
    }
}

/// One message type that a node takes from outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Accepted {
    /// Which.
    pub message: MessageId,
    /// In which layout. One message may be accepted in several.
    pub fingerprint: Fingerprint,
}

/// Everything a node takes from outside: sorted, without doubles, at most [`ACCEPTED_MAX`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AcceptedTable(Box<[Accepted]>);

impl AcceptedTable {
    /// Sorts the entries and drops doubles; `None` if more than [`ACCEPTED_MAX`] are left.
    #[must_use]
    pub fn new(mut entries: Vec<Accepted>) -> Option<Self> {
        entries.sort_unstable();
        entries.dedup();
        (entries.len() <= ACCEPTED_MAX).then(|| Self(entries.into_boxed_slice()))
    }

    /// All entries, ascending.
    #[must_use]
    pub fn entries(&self) -> &[Accepted] {
        &self.0
    }

    /// The layouts in which this message is accepted; empty if it is not.
    #[must_use]
    pub fn layouts(&self, message: MessageId) -> &[Accepted] {
        let start = self.0.partition_point(|entry| entry.message < message);
        let len = self.0[start..].partition_point(|entry| entry.message == message);
        &self.0[start..start + len]
    }

    /// Whether this message is accepted in this layout.
    #[must_use]
    pub fn accepts(&self, message: MessageId, fingerprint: Fingerprint) -> bool {
        self.0.binary_search(&Accepted { message, fingerprint }).is_ok()
    }
}

/// What a node says about itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The revisions it speaks.
    pub revisions: Revisions,
    /// The cluster it belongs to.
    pub cluster: ClusterName,
    /// Its name.
    pub name: NodeName,
    /// Its id; must be the id of its name.
    pub node: NodeId,
    /// Which life of the node this is.
    pub incarnation: Incarnation,
    /// In a hello: the number of this dial. In a welcome: of the last dial the acceptor began, to any peer.
    ///
    /// Dials are counted from 1 over the life of a node; see [`admit`](crate::admit) for what it decides.
    pub dial: u64,
    /// Where other nodes reach it.
    pub advertised: SocketAddr,
    /// How many message lanes it opens, 1 to [`LANES_MAX`].
    pub lanes: u8,
    /// The longest frame it reads in a lane, between 128 KiB and 256 MiB.
    pub frame_bytes_max: u32,
    /// What it reads on bulk streams; `None` if it reads none, so that only what fits a lane can be sent to it.
    pub bulk: Option<BulkTerms>,
    /// What its receivers grant at first.
    pub credit: InitialCredit,
    /// Whether it is a guest, which talks to the cluster and is no member of it. It travels beside the payload, in an
    /// extension of hello and welcome, which the [`Handshake`](crate::Handshake) writes and reads.
    pub guest: bool,
    /// What it takes from outside.
    pub accepted: AcceptedTable,
}

/// What this node says about itself; the transport sets `dial` for every handshake.
pub type LocalHello = Hello;

/// The answer to a hello that is welcome: the association is up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// The revision both will speak.
    pub revision: u16,
    /// What the acceptor says about itself.
    pub hello: Hello,
}

impl Body for Hello {
    const KIND: FrameKind = FrameKind::Hello;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.revisions.min.to_le_bytes());
        out.extend_from_slice(&self.revisions.max.to_le_bytes());
        out.push(self.lanes);
        out.extend_from_slice(&BulkTerms::encode(self.bulk));
        out.extend_from_slice(&self.frame_bytes_max.to_le_bytes());
        out.extend_from_slice(&self.credit.messages.to_le_bytes());
        out.extend_from_slice(&self.credit.bytes.to_le_bytes());
        out.extend_from_slice(&self.node.0.to_le_bytes());
        out.extend_from_slice(&self.incarnation.0.to_le_bytes());
        out.extend_from_slice(&self.dial.to_le_bytes());
        put_socket_addr(out, self.advertised);
        put_name(out, self.cluster.as_str());
        put_name(out, self.name.as_str());
        let entries =
            u16::try_from(self.accepted.0.len()).expect("a table has at most 4096 entries");
        out.extend_from_slice(&entries.to_le_bytes());
        for entry in &self.accepted.0 {
            out.extend_from_slice(&entry.message.0.to_le_bytes());
            out.extend_from_slice(&entry.fingerprint.0.to_le_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let hello = read_hello(&mut read)?;
        read.end()?;
        Ok(hello)
    }
}

impl Body for Welcome {
    const KIND: FrameKind = FrameKind::Welcome;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.revision.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        self.hello.encode(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let revision = read.u16("agreed revision")?;
        read.zero("welcome reserved bytes", 2)?;
        let hello = read_hello(&mut read)?;
        read.end()?;
        Ok(Self { revision, hello })
    }
}

fn read_hello(read: &mut ByteReader<'_>) -> Result<Hello, PayloadError> {
    let revisions =
        Revisions { min: read.u16("oldest revision")?, max: read.u16("newest revision")? };
    let at_least = |what, found: u32, least: u32| {
        if found < least {
            Err(PayloadError::Value { what, found: u64::from(found) })
        } else {
            Ok(found)
        }
    };
    at_least("oldest revision", u32::from(revisions.min), 1)?;
    at_least("newest revision", u32::from(revisions.max), u32::from(revisions.min))?;
    let lanes = read.u8("lanes")?;
    at_least("lanes", u32::from(lanes), 1)?;
    at_most("lanes", usize::from(lanes), usize::from(LANES_MAX))?;
    let bulk = BulkTerms::read(read)?;
    let frame_bytes_max = read.u32("longest frame")?;
    at_least("longest frame", frame_bytes_max, FRAME_BYTES_MAX_LEAST as u32)?;
    at_most("longest frame", frame_bytes_max as usize, FRAME_BYTES_MAX_MOST)?;
    let credit = InitialCredit {
        messages: at_least("initial credit in messages", read.u32("initial credit")?, 1)?,
        bytes: at_least("initial credit in bytes", read.u32("initial credit")?, 1)?,
    };
    Ok(Hello {
        revisions,
        lanes,
        frame_bytes_max,
        bulk,
        credit,
        node: NodeId(read.u64("node id")?),
        incarnation: Incarnation(read.u64("incarnation")?),
        dial: read.u64("dial number")?,
        advertised: read.socket_addr("advertised address")?,
        cluster: name(read, "cluster name", ClusterName::from_bytes)?,
        name: name(read, "node name", NodeName::from_bytes)?,
        guest: false,
        accepted: table(read)?,
    })
}

fn at_most(what: &'static str, found: usize, bound: usize) -> Result<(), PayloadError> {
    if found > bound { Err(PayloadError::TooMany { what, found, bound }) } else { Ok(()) }
}

fn name<N>(
    read: &mut ByteReader<'_>,
    what: &'static str,
    parse: fn(&[u8]) -> Result<N, crate::NameError>,
) -> Result<N, PayloadError> {
    let len = usize::from(read.u8(what)?);
    at_most(what, len, NAME_BYTES_MAX)?;
    parse(read.bytes(what, len)?).map_err(|source| PayloadError::Name { what, source })
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    out.push(u8::try_from(name.len()).expect("a name has at most 63 bytes"));
    out.extend_from_slice(name.as_bytes());
}

fn table(read: &mut ByteReader<'_>) -> Result<AcceptedTable, PayloadError> {
    let what = "accepted messages";
    let len = usize::from(read.u16(what)?);
    at_most(what, len, ACCEPTED_MAX)?;
    // Taken as a whole first: the allocation is never larger than what has arrived.
    let (pairs, _) = read.bytes(what, len * 16)?.as_chunks::<8>();
    let long = |at: usize| u64::from_le_bytes(pairs[at]);
    let entries: Vec<Accepted> = (0..len)
        .map(|at| Accepted {
            message: MessageId(long(2 * at)),
            fingerprint: Fingerprint(long(2 * at + 1)),
        })
        .collect();
    match entries.windows(2).position(|pair| pair[0] >= pair[1]) {
        Some(at) => Err(PayloadError::Order { what: "accepted message", at: at + 1 }),
        None => Ok(AcceptedTable(entries.into_boxed_slice())),
    }
}
