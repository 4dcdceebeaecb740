//! Credit and end of a streamed reply, and the place of a message too large for its lane.

use odeon_message::Failure;

use crate::{Body, FrameKind, PayloadError, bytes::ByteReader};

/// The end of a streamed reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamEnd {
    /// Why it ended early; `None` if every item was sent.
    pub failure: Option<Failure>,
}

impl Body for StreamEnd {
    const KIND: FrameKind = FrameKind::StreamEnd;

    fn encode(&self, out: &mut Vec<u8>) {
        if let Some(failure) = &self.failure {
            failure.encode(out);
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let failure = if bytes.is_empty() { None } else { Some(Failure::decode(bytes)?) };
        Ok(Self { failure })
    }
}

/// What the asker of a streamed reply takes of it, in all since it was asked for: totals, not differences.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StreamCredit {
    /// Items.
    pub items: u64,
    /// Bytes of their whole frames.
    pub bytes: u64,
}

impl Body for StreamCredit {
    const KIND: FrameKind = FrameKind::StreamCredit;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.items.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let credit = Self { items: read.u64("stream items")?, bytes: read.u64("stream bytes")? };
        read.end()?;
        Ok(credit)
    }
}

/// The place of a large message or reply in its lane; the frame itself comes on a bulk stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announce {
    /// The number of the bulk stream, as in its preamble.
    pub stream: u64,
    /// Length of the whole frame that comes.
    pub frame_bytes: u32,
    /// Its kind: message or reply.
    pub kind: FrameKind,
}

impl Body for Announce {
    const KIND: FrameKind = FrameKind::Announce;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.stream.to_le_bytes());
        out.extend_from_slice(&self.frame_bytes.to_le_bytes());
        out.extend_from_slice(&[self.kind as u8, 0, 0, 0]);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let (stream, frame_bytes) = (read.u64("bulk stream")?, read.u32("announced bytes")?);
        let what = "announced kind";
        let byte = read.u8(what)?;
        let kind = match FrameKind::from_byte(byte) {
            Some(kind @ (FrameKind::Message | FrameKind::Reply)) => kind,
            _ => return Err(PayloadError::Value { what, found: byte.into() }),
        };
        read.zero("announce reserved bytes", 3)?;
        read.end()?;
        Ok(Self { stream, frame_bytes, kind })
    }
}
