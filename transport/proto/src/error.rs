//! What can be wrong with bytes, by blame: ours when encoding, the peer's when decoding.
//!
//! Every text names the value and the bound. None of these is a panic; the transport closes the connection on a
//! [`FrameError`] and counts it. Read `read.rs` for where they come from.

use thiserror::Error;

use crate::{FrameKind, Purpose};

/// Why a frame was not appended to the batch; the batch is as it was before.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum EncodeFrameError {
    /// Caller: the batch does not end on a frame boundary.
    #[error("the batch has {len} bytes, which is not a multiple of 16: frames start aligned")]
    Misaligned {
        /// Length of the batch.
        len: usize,
    },
    /// Caller: the payload was cut below its own start.
    #[error("the payload starts at byte {start} but the batch ends at {len}: only append to it")]
    Shrunk {
        /// Where the payload starts in the batch.
        start: usize,
        /// Length of the batch.
        len: usize,
    },
    /// Caller: the frame is longer than the peer accepts. Send less, or raise the bound on both nodes.
    #[error("the frame has {bytes} bytes, the peer accepts {bytes_max}")]
    TooLarge {
        /// Length of the whole frame.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
}

/// A field of the header, for errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Field {
    /// Slot and generation of the receiver.
    Receiver,
    /// The message id.
    Message,
    /// The ask id.
    Ask,
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Receiver => "receiver",
            Self::Message => "message id",
            Self::Ask => "ask id",
        })
    }
}

/// Why a stream of bytes cannot be read on. All of them are the peer's fault and end the connection.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The version byte is not ours.
    #[error(
        "frame version {found} is not known, this node reads version {}",
        crate::format::VERSION
    )]
    Version {
        /// What the frame says.
        found: u8,
    },
    /// The kind is not one of version 1.
    #[error("frame kind {found} is not known")]
    Kind {
        /// What the frame says.
        found: u8,
    },
    /// The kind does not travel on this stream.
    #[error("a {kind} frame does not travel on a {purpose} stream")]
    WrongStream {
        /// The kind of the frame.
        kind: FrameKind,
        /// What the stream is for.
        purpose: Purpose,
    },
    /// A flag is set that the revision does not have.
    #[error("a {kind} frame has unknown flags {flags:#04x}")]
    Flags {
        /// The kind of the frame.
        kind: FrameKind,
        /// The whole flag byte.
        flags: u8,
    },
    /// A field is set that has no meaning for the kind.
    #[error("a {kind} frame has no {field}, but it is set")]
    FieldSet {
        /// The kind of the frame.
        kind: FrameKind,
        /// The field.
        field: Field,
    },
    /// A field is zero that the kind needs.
    #[error("a {kind} frame needs its {field}, but it is zero")]
    FieldUnset {
        /// The kind of the frame.
        kind: FrameKind,
        /// The field.
        field: Field,
    },
    /// The frame claims more bytes than are accepted.
    #[error("a {kind} frame claims {bytes} bytes, at most {bytes_max} are accepted")]
    TooLarge {
        /// The kind of the frame.
        kind: FrameKind,
        /// Length of the whole frame as claimed.
        bytes: u64,
        /// The bound.
        bytes_max: usize,
    },
    /// The payload is longer than any of its kind.
    #[error("a {kind} frame claims {bytes} bytes of payload, at most {bytes_max} have a meaning")]
    PayloadTooLong {
        /// The kind of the frame.
        kind: FrameKind,
        /// Length of the payload as claimed.
        bytes: u64,
        /// The bound.
        bytes_max: usize,
    },
    /// A train is not as long as its tells are together, has fewer than two, or has extensions.
    #[error("a train of {count} tells of {bytes} bytes each has {payload} bytes, or extensions")]
    Train {
        /// How many tells it says it has.
        count: u32,
        /// How long it says each is.
        bytes: u32,
        /// Length of its payload.
        payload: usize,
    },
    /// The bytes between payload and next frame are not zero.
    #[error("the padding of a {kind} frame is not zero: the sender lost its place in the stream")]
    Padding {
        /// The kind of the frame.
        kind: FrameKind,
    },
    /// The extensions cannot be read.
    #[error("the extensions of a {kind} frame cannot be read: {source}")]
    Extension {
        /// The kind of the frame.
        kind: FrameKind,
        /// What is wrong with them.
        source: ExtensionError,
    },
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame: {have} of {need} bytes came")]
    Truncated {
        /// Bytes of the frame that came.
        have: usize,
        /// Bytes the frame has, as far as is known.
        need: usize,
    },
}

/// What is wrong with the extensions of a frame.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// An extension is longer than what is left of the region.
    #[error("extension {tag} claims {len} bytes, {left} are left")]
    Truncated {
        /// Its number.
        tag: u16,
        /// Its length as claimed.
        len: usize,
        /// Bytes left after its head.
        left: usize,
    },
    /// A known extension has the wrong length.
    #[error("extension {tag} has {len} bytes, which is not a length it can have")]
    Length {
        /// Its number.
        tag: u16,
        /// Its length.
        len: usize,
    },
    /// Extensions are not in ascending order, or one comes twice.
    #[error("extension {tag} comes after extension {before}: they ascend and none comes twice")]
    Order {
        /// Its number.
        tag: u16,
        /// The one before.
        before: u16,
    },
    /// The sender insists on an extension that this node does not know.
    #[error("extension {tag} must be understood and is not known: upgrade this node")]
    MustUnderstand {
        /// Its number.
        tag: u16,
    },
    /// What follows the last extension is not zero.
    #[error("the padding after the extensions is not zero")]
    Padding,
}

/// Why the payload of a control frame cannot be read. The peer's fault; it ends the connection.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The frame is of another kind.
    #[error("expected a {expected} frame, got a {found} frame")]
    WrongKind {
        /// What was asked for.
        expected: FrameKind,
        /// What came.
        found: FrameKind,
    },
    /// The payload ends inside a value.
    #[error("the payload ends inside {what}: {need} bytes needed, {have} left")]
    Truncated {
        /// The value.
        what: &'static str,
        /// Bytes it needs.
        need: usize,
        /// Bytes left.
        have: usize,
    },
    /// Bytes follow the last value.
    #[error("{bytes} bytes follow the end of the payload")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A length or count is above its bound.
    #[error("{what} has {found}, at most {bound} are accepted")]
    TooMany {
        /// The value.
        what: &'static str,
        /// What the payload says.
        found: usize,
        /// The bound.
        bound: usize,
    },
    /// A number has no meaning.
    #[error("{what} is {found}, which has no meaning")]
    Value {
        /// The value.
        what: &'static str,
        /// What the payload says.
        found: u64,
    },
    /// A text is not UTF-8.
    #[error("{what} is not UTF-8 from byte {at}")]
    Text {
        /// The value.
        what: &'static str,
        /// Where it stops being UTF-8.
        at: usize,
    },
    /// A name is not a DNS label.
    #[error("{what}: {source}")]
    Name {
        /// The value.
        what: &'static str,
        /// What is wrong with it.
        source: crate::NameError,
    },
    /// The entries of a table do not ascend.
    #[error("{what} number {at} is not greater than the one before")]
    Order {
        /// What the table holds.
        what: &'static str,
        /// Which entry, from 0.
        at: usize,
    },
    /// The frame is sound, and more than was granted.
    #[error(transparent)]
    Overrun(#[from] crate::ItemsOverrun),
}
