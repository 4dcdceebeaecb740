//! The ends of streams: of a streamed reply, and of a message too large for its lane.

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

/// The place of a large message in the order of its lane; the message itself comes on a bulk stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announce {
    /// The number of the bulk stream, as in its preamble.
    pub stream: u64,
    /// Length of the message's whole frame.
    pub frame_bytes: u64,
}

impl Body for Announce {
    const KIND: FrameKind = FrameKind::Announce;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.stream.to_le_bytes());
        out.extend_from_slice(&self.frame_bytes.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let announce =
            Self { stream: read.u64("bulk stream")?, frame_bytes: read.u64("announced bytes")? };
        read.end()?;
        Ok(announce)
    }
}
