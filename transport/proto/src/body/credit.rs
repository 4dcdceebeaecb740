//! Credit on the wire: how much each receiver has taken in, plus its window.

use odeon_message::ActorKey;

use crate::{Body, FrameKind, PayloadError, bytes::ByteReader, format::CREDIT_TOTALS_MAX};

/// What one receiver has been granted since its credit state began: totals, not differences.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CreditTotal {
    /// The receiver.
    pub receiver: ActorKey,
    /// Messages.
    pub messages: u64,
    /// Bytes of whole frames.
    pub bytes: u64,
}

/// Totals of several receivers, at most [`CREDIT_TOTALS_MAX`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Credit {
    /// The totals. Encoding writes the first [`CREDIT_TOTALS_MAX`]; split longer lists with `chunks`.
    pub totals: Vec<CreditTotal>,
}

const TOTAL_BYTES: usize = 24;

impl Body for Credit {
    const KIND: FrameKind = FrameKind::Credit;

    fn encode(&self, out: &mut Vec<u8>) {
        for total in self.totals.iter().take(CREDIT_TOTALS_MAX) {
            out.extend_from_slice(&total.receiver.slot.to_le_bytes());
            out.extend_from_slice(&total.receiver.generation.to_le_bytes());
            out.extend_from_slice(&total.messages.to_le_bytes());
            out.extend_from_slice(&total.bytes.to_le_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let found = bytes.len() / TOTAL_BYTES;
        if found > CREDIT_TOTALS_MAX {
            return Err(PayloadError::TooMany {
                what: "credit totals",
                found,
                bound: CREDIT_TOTALS_MAX,
            });
        }
        let mut read = ByteReader::new(bytes);
        let mut totals = Vec::with_capacity(found);
        for _ in 0..found {
            totals.push(CreditTotal {
                receiver: ActorKey {
                    slot: read.u32("credit slot")?,
                    generation: read.u32("credit generation")?,
                },
                messages: read.u64("credit messages")?,
                bytes: read.u64("credit bytes")?,
            });
        }
        read.end()?;
        Ok(Self { totals })
    }
}
