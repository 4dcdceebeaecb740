//! The fixed header of a frame and the rules of every kind.
//!
//! 32 bytes, laid out in `format.md`. Lengths are not part of [`Header`]: the writer knows them when the payload is
//! written, the reader turns them into slices. Read `write.rs` and `read.rs` next.

#[cfg(test)]
mod tests;

use std::fmt;

use odeon_message::{ActorKey, AskId, Failure, MessageId, NAME_BYTES_MAX};

use crate::{
    Field, FrameError, Purpose,
    bytes::ADDRESS_BYTES,
    format::{
        ACCEPTED_MAX, ALIGNMENT, CREDIT_TOTALS_MAX, HEADER_BYTES, PROBE_BYTES_MAX, TEXT_BYTES_MAX,
        TRAIN_BYTES_MAX, VERSION,
    },
};

/// A hello with two longest names and a full table.
const HELLO_BYTES_MAX: usize = 64 + 2 * (1 + NAME_BYTES_MAX) + 2 + 16 * ACCEPTED_MAX;

/// What a frame is. Numbers are part of the format and never used again for something else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum FrameKind {
    /// The dialer introduces itself.
    Hello = 1,
    /// The acceptor introduces itself and the association is up.
    Welcome = 2,
    /// The acceptor says why not.
    Refuse = 3,
    /// A message to an actor: a tell, or an ask if it has an ask id.
    Message = 4,
    /// What a handler returned.
    Reply = 5,
    /// Why an ask has no reply, or a tell was not taken.
    Error = 6,
    /// Control: credit for receivers. Lane: the sender forgot the credit state of one receiver.
    Credit = 7,
    /// The asker gave up.
    Cancel = 8,
    /// Tell me when this actor is gone.
    Watch = 9,
    /// No longer.
    Unwatch = 10,
    /// A watched actor is gone; comes after its last message.
    Terminated = 11,
    /// Deadlock detection: does this wait lead back to its start?
    Probe = 12,
    /// It does.
    ProbeAnswer = 13,
    /// One item of a streamed reply.
    StreamItem = 14,
    /// The end of a streamed reply.
    StreamEnd = 15,
    /// A large message or reply comes on a stream of its own; this is its place in the order.
    Announce = 16,
    /// The connection is about to be closed, and why.
    Close = 17,
    /// Are you there?
    Ping = 18,
    /// Here.
    Pong = 19,
    /// How many items of a streamed reply the asker takes.
    StreamCredit = 20,
    /// Several tells of one type and one length to one actor.
    Train = 21,
}

/// What a header field may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Zero,
    Any,
    Set,
}

impl FrameKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 21] = [
        Self::Hello,
        Self::Welcome,
        Self::Refuse,
        Self::Message,
        Self::Reply,
        Self::Error,
        Self::Credit,
        Self::Cancel,
        Self::Watch,
        Self::Unwatch,
        Self::Terminated,
        Self::Probe,
        Self::ProbeAnswer,
        Self::StreamItem,
        Self::StreamEnd,
        Self::Announce,
        Self::Close,
        Self::Ping,
        Self::Pong,
        Self::StreamCredit,
        Self::Train,
    ];

    /// Reads the byte that frames carry.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte).checked_sub(1)?).copied()
    }

    /// Whether frames of this kind travel on streams of this purpose.
    #[must_use]
    pub const fn travels_on(self, purpose: Purpose) -> bool {
        match self {
            Self::Message | Self::Reply => matches!(purpose, Purpose::Lane | Purpose::Bulk),
            Self::Terminated
            | Self::StreamItem
            | Self::StreamEnd
            | Self::Announce
            | Self::Train => {
                matches!(purpose, Purpose::Lane)
            }
            Self::Error | Self::Credit | Self::Ping => {
                matches!(purpose, Purpose::Lane | Purpose::Control)
            }
            Self::Hello
            | Self::Welcome
            | Self::Refuse
            | Self::Cancel
            | Self::Watch
            | Self::Unwatch
            | Self::Probe
            | Self::ProbeAnswer
            | Self::Close
            | Self::Pong
            | Self::StreamCredit => matches!(purpose, Purpose::Control),
        }
    }

    /// Most bytes of payload; `None` where only the bound on the frame counts.
    #[must_use]
    pub const fn payload_bytes_max(self, purpose: Purpose) -> Option<usize> {
        Some(match self {
            Self::Message | Self::Reply | Self::StreamItem => return None,
            Self::Train => TRAIN_BYTES_MAX,
            Self::Hello => HELLO_BYTES_MAX,
            Self::Welcome => 4 + HELLO_BYTES_MAX,
            Self::Refuse | Self::Close => 4 + TEXT_BYTES_MAX,
            Self::Error | Self::StreamEnd => 4 + Failure::DETAIL_BYTES_MAX,
            Self::Credit if matches!(purpose, Purpose::Control) => CREDIT_TOTALS_MAX * 24,
            Self::Credit | Self::Cancel => 0,
            Self::Watch | Self::Unwatch | Self::ProbeAnswer => 2 * ADDRESS_BYTES,
            Self::Terminated => 2 * ADDRESS_BYTES + 4 + TEXT_BYTES_MAX,
            Self::Probe => PROBE_BYTES_MAX,
            Self::Announce | Self::StreamCredit => 16,
            Self::Ping | Self::Pong => 8,
        })
    }

    /// What receiver, message id and ask id of this kind may be.
    const fn rules(self, purpose: Purpose) -> (Rule, Rule, Rule) {
        match self {
            Self::Message | Self::Announce | Self::Error => (Rule::Any, Rule::Any, Rule::Any),
            // In the place of the ask are how many they are and how long each.
            Self::Train => (Rule::Any, Rule::Any, Rule::Set),
            Self::Credit if matches!(purpose, Purpose::Lane) => (Rule::Any, Rule::Zero, Rule::Zero),
            Self::Terminated => (Rule::Any, Rule::Zero, Rule::Zero),
            Self::Reply | Self::StreamItem | Self::StreamEnd => (Rule::Zero, Rule::Any, Rule::Set),
            Self::Cancel | Self::Probe | Self::ProbeAnswer | Self::StreamCredit => {
                (Rule::Zero, Rule::Zero, Rule::Set)
            }
            Self::Hello
            | Self::Welcome
            | Self::Refuse
            | Self::Watch
            | Self::Unwatch
            | Self::Credit
            | Self::Close
            | Self::Ping
            | Self::Pong => (Rule::Zero, Rule::Zero, Rule::Zero),
        }
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the header of a frame says, without the lengths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What the frame is.
    pub kind: FrameKind,
    /// The receiving actor, for kinds that have one; else slot and generation 0.
    pub receiver: ActorKey,
    /// The message type, for kinds that have one; else 0.
    pub message: MessageId,
    /// The ask, for kinds that have one; else [`AskId::NONE`].
    pub ask: AskId,
}

/// The lengths of the parts of one frame, checked against the bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lengths {
    /// Extensions, a multiple of 16.
    pub(crate) extensions: usize,
    /// Payload without padding.
    pub(crate) payload: usize,
    /// The whole frame.
    pub(crate) frame: usize,
}

impl Header {
    /// A header whose kind says all: no receiver, message or ask.
    #[must_use]
    pub const fn bare(kind: FrameKind) -> Self {
        Self {
            kind,
            receiver: ActorKey { slot: 0, generation: 0 },
            message: MessageId(0),
            ask: AskId::NONE,
        }
    }

    /// A header that names an ask and nothing else: reply, cancel, probe, stream item, its end and credit.
    #[must_use]
    pub const fn of_ask(kind: FrameKind, ask: AskId) -> Self {
        Self { ask, ..Self::bare(kind) }
    }

    /// The header of a message: a tell if `ask` is [`AskId::NONE`].
    #[must_use]
    pub const fn message(receiver: ActorKey, message: MessageId, ask: AskId) -> Self {
        Self { kind: FrameKind::Message, receiver, message, ask }
    }

    /// The header of a terminated: who watched, by which its place among the frames of that actor is known; zero if no
    /// message can reach the watcher.
    #[must_use]
    pub const fn terminated(watcher: ActorKey) -> Self {
        Self { receiver: watcher, ..Self::bare(FrameKind::Terminated) }
    }

    /// The note in a lane that the sender forgot the credit state of this receiver; it has no payload.
    #[must_use]
    pub const fn forget(receiver: ActorKey) -> Self {
        Self { receiver, ..Self::bare(FrameKind::Credit) }
    }

    pub(crate) fn encode(&self, extension_units: u8, payload_len: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = VERSION;
        bytes[1] = self.kind as u8;
        bytes[2] = extension_units;
        bytes[4..8].copy_from_slice(&payload_len.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.receiver.slot.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.receiver.generation.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.message.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.ask.0.to_le_bytes());
        bytes
    }

    // Inlined by force, like `FrameReader::cut`: moving the results through memory takes as long as the reading.
    #[inline(always)]
    pub(crate) fn decode(
        bytes: &[u8; HEADER_BYTES],
        purpose: Purpose,
        frame_bytes_max: usize,
    ) -> Result<(Self, Lengths), FrameError> {
        let [version, kind, units, flags, ..] = *bytes;
        if version != VERSION {
            return Err(FrameError::Version { found: version });
        }
        let kind = FrameKind::from_byte(kind).ok_or(FrameError::Kind { found: kind })?;
        if !kind.travels_on(purpose) {
            return Err(FrameError::WrongStream { kind, purpose });
        }
        if flags != 0 {
            return Err(FrameError::Flags { kind, flags });
        }
        let header = Self {
            kind,
            receiver: ActorKey { slot: word(bytes, 8), generation: word(bytes, 12) },
            message: MessageId(long(bytes, 16)),
            ask: AskId(long(bytes, 24)),
        };
        header.check_fields(purpose)?;
        let extensions = usize::from(units) * ALIGNMENT;
        let payload = u64::from(word(bytes, 4));
        if let Some(bytes_max) = kind.payload_bytes_max(purpose)
            && payload > bytes_max as u64
        {
            return Err(FrameError::PayloadTooLong { kind, bytes: payload, bytes_max });
        }
        let frame = (HEADER_BYTES + extensions) as u64 + payload.next_multiple_of(ALIGNMENT as u64);
        match usize::try_from(frame) {
            Ok(frame) if frame <= frame_bytes_max => {
                let payload = payload as usize;
                Ok((header, Lengths { extensions, payload, frame }))
            }
            _ => Err(FrameError::TooLarge { kind, bytes: frame, bytes_max: frame_bytes_max }),
        }
    }

    /// Whether some stream takes a header with these fields.
    pub(crate) fn is_sound(&self) -> bool {
        let purposes = [Purpose::Control, Purpose::Lane, Purpose::Bulk];
        purposes
            .into_iter()
            .any(|purpose| self.kind.travels_on(purpose) && self.check_fields(purpose).is_ok())
    }

    #[inline(always)]
    fn check_fields(&self, purpose: Purpose) -> Result<(), FrameError> {
        let (receiver, message, ask) = self.kind.rules(purpose);
        let receiver_zero = self.receiver == ActorKey { slot: 0, generation: 0 };
        let fields = [
            (Field::Receiver, receiver, receiver_zero),
            (Field::Message, message, self.message.0 == 0),
            (Field::Ask, ask, self.ask == AskId::NONE),
        ];
        for (field, rule, zero) in fields {
            match (rule, zero) {
                (Rule::Zero, false) => {
                    return Err(FrameError::FieldSet { kind: self.kind, field });
                }
                (Rule::Set, true) => {
                    return Err(FrameError::FieldUnset { kind: self.kind, field });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn word(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn long(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}
