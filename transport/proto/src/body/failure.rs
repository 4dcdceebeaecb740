//! A [`Failure`] on the wire: the payload of an error frame.

use odeon_message::{Certainty, Failure, FailureKind};

use crate::{
    Body, FrameKind, PayloadError,
    bytes::{ByteReader, put_text},
};

impl Body for Failure {
    const KIND: FrameKind = FrameKind::Error;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind as u8, self.certainty as u8]);
        put_text(out, &self.detail, Self::DETAIL_BYTES_MAX);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let unknown = |what, byte| PayloadError::Value { what, found: u64::from(byte) };
        let kind = read.u8("failure kind")?;
        let kind = FailureKind::from_byte(kind).ok_or(unknown("failure kind", kind))?;
        let certainty = read.u8("certainty")?;
        let certainty = Certainty::from_byte(certainty).ok_or(unknown("certainty", certainty))?;
        let detail = read.text("failure detail", Self::DETAIL_BYTES_MAX)?;
        let failure = Self::new(kind, certainty, detail);
        read.end()?;
        Ok(failure)
    }
}
