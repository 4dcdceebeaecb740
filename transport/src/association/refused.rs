//! Why a frame was not taken.

use odeon_message::{EncodeError, Fingerprint};
use odeon_wire::EncodeFrameError;

use crate::LostReason;

/// Why a frame was not taken. It was certainly not delivered and sending it again is safe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendRefused {
    /// The archive could not be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The frame is longer than the peer reads.
    #[error(
        "the frame has {bytes} bytes and the peer reads {bytes_max} at most: send less at once"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Whoever encoded the payload did not only append; a bug.
    #[error(transparent)]
    Frame(EncodeFrameError),
    /// No actor type that is declared on the peer lists this message.
    #[error(
        "no actor type that is declared over there lists this message: list it in handles(…) of its #[actor], and \
         declare that actor there, with NodeBuilder::actor; see runbook: incompatible-message"
    )]
    NotAccepted,
    /// The peer accepts this message in another layout: deploy matching versions.
    #[error(
        "the peer has this message in another layout ({theirs}, ours is {ours}): deploy matching versions; see \
         runbook: incompatible-message"
    )]
    Incompatible {
        /// Our layout.
        ours: Fingerprint,
        /// The peer's.
        theirs: Fingerprint,
    },
    /// The peer was never met, so what it accepts is not known yet. A dial is under way: wait with
    /// [`poll_room`](crate::Association::poll_room).
    #[error("the first connection to the peer is being made")]
    Connecting,
    /// The receiver's credit is used up; wait with [`poll_room`](crate::Association::poll_room).
    #[error("the receiver has as many messages waiting as it takes; see runbook: credit-stall")]
    NoCredit,
    /// The lane is full; wait with [`poll_room`](crate::Association::poll_room).
    #[error("the lane to the peer holds as many bytes as it may; see runbook: credit-stall")]
    LaneFull,
    /// There is no connection for a control frame; say it again after [`up`](crate::TransportEvents::up).
    #[error("there is no connection to the peer")]
    NotUp,
    /// The peer could not be reached for a while. Later sends try again.
    #[error("the peer cannot be reached: {0}")]
    Unreachable(LostReason),
    /// The peer stops and takes nothing more: ask somebody else.
    #[error("the node stops, and takes nothing more: ask another one")]
    Stopping,
    /// The association is over for good; a new life of the peer has another one.
    #[error("the association is over: {0}")]
    Closed(LostReason),
}

impl From<EncodeFrameError> for SendRefused {
    fn from(error: EncodeFrameError) -> Self {
        match error {
            EncodeFrameError::TooLarge { bytes, bytes_max } => Self::TooLong { bytes, bytes_max },
            other => Self::Frame(other),
        }
    }
}

impl SendRefused {
    /// Whether the frame may be taken later: wait with [`poll_room`](crate::Association::poll_room), try again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Connecting | Self::NoCredit | Self::LaneFull)
    }
}
