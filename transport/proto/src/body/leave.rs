//! Why not, and why no longer: refusals of the handshake and closes of a connection.

use odeon_message::Incarnation;

use crate::{
    Body, FrameKind, PayloadError,
    body::code,
    bytes::{ByteReader, put_text},
    format::TEXT_BYTES_MAX,
};

code! {
    /// Why a hello was not welcome. The text beside it names the values.
    RefuseReason: u8 {
        /// The node belongs to another cluster.
        Cluster = 1 "another cluster",
        /// No revision of the format is spoken by both.
        Revision = 2 "no common revision of the format",
        /// Name, id and certificate do not agree.
        Identity = 3 "name, id and certificate do not agree",
        /// This life of the node was declared dead; it must restart with a new incarnation.
        Quarantined = 4 "this incarnation is quarantined",
        /// A later life of the node is known.
        StaleIncarnation = 5 "a later incarnation is known",
        /// Another connection of the pair is, or will be, the association.
        Duplicate = 6 "another connection of this pair wins",
        /// The dialer has the acceptor's own name.
        OwnName = 7 "this node has that name itself",
        /// No room for another peer. Retry later.
        Busy = 8 "no room for another peer",
        /// The node is going down.
        Stopping = 9 "the node is stopping",
        /// The wall clocks of both are too far apart.
        Clock = 10 "the clocks are too far apart",
    }
}

code! {
    /// Why a connection is closed: in [`Close`], and as QUIC's application error code.
    CloseCode: u16 {
        /// Done, nothing is wrong.
        Done = 0 "done",
        /// The node is going down.
        Stopping = 1 "the node is stopping",
        /// A newer connection of the pair takes its place.
        Replaced = 2 "replaced by a newer connection",
        /// The peer's incarnation was declared dead.
        Quarantined = 3 "this incarnation is quarantined",
        /// The handshake was refused.
        Refused = 4 "refused",
        /// The handshake took too long.
        HandshakeTimeout = 5 "the handshake took too long",
        /// The peer sent bytes that cannot be read.
        Malformed = 6 "bytes that cannot be read",
        /// The peer sent something that has no place here: a wrong frame, a wrong stream.
        Protocol = 7 "a frame that has no place here",
        /// The peer sent more than its credit.
        CreditOverrun = 8 "more was sent than the credit allows",
        /// A bound of this node was reached.
        Overloaded = 9 "a bound was reached",
        /// This dial lost against the peer's.
        Duplicate = 10 "another connection of this pair wins",
        /// Nothing is closed yet: the node is about to leave, and others are to be asked.
        Leaving = 11 "the node is about to leave",
    }
}

/// The answer to a hello that is not welcome; the acceptor closes after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refuse {
    /// Why.
    pub reason: RefuseReason,
    /// Of a life that is stale or quarantined: the newest life of the dialer that is known, or the newest dead one. A
    /// dialer that still lives comes back with a greater one.
    pub known: Option<Incarnation>,
    /// For people: the values; cut at [`TEXT_BYTES_MAX`].
    pub text: Box<str>,
}

impl Body for Refuse {
    const KIND: FrameKind = FrameKind::Refuse;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.reason.code(), 0]);
        out.extend_from_slice(&self.known.map_or(0, |known| known.0).to_le_bytes());
        put_text(out, &self.text, TEXT_BYTES_MAX);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let reason = RefuseReason::from_code(read.u8("refuse reason")?);
        read.zero("refuse reserved byte", 1)?;
        let known = read.u64("refuse known incarnation")?;
        let known = (known != 0).then_some(Incarnation(known));
        let text = read.text("refuse text", TEXT_BYTES_MAX)?.into();
        read.end()?;
        Ok(Self { reason, known, text })
    }
}

/// That a connection comes to its end, or will.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Close {
    /// Why.
    pub code: CloseCode,
    /// For people; cut at [`TEXT_BYTES_MAX`].
    pub text: Box<str>,
}

impl Body for Close {
    const KIND: FrameKind = FrameKind::Close;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code.code().to_le_bytes());
        put_text(out, &self.text, TEXT_BYTES_MAX);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let code = CloseCode::from_code(read.u16("close code")?);
        let text = read.text("close text", TEXT_BYTES_MAX)?.into();
        read.end()?;
        Ok(Self { code, text })
    }
}
