//! One peer's life as seen from here.
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use odeon_message::{ActorKey, AskId, EncodeError, Fingerprint, MessageId};

use crate::{FrameHeader, PeerId};

/// Who an association leads to.
#[derive(Debug)]
pub struct PeerInfo {
    /// Node and incarnation.
    pub id: PeerId,
    /// Where it was first found; later addresses replace it for dialling.
    pub addr: SocketAddr,
    name: OnceLock<Box<str>>,
}

impl PeerInfo {
    /// The node's name, empty before the first handshake.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.get().map_or("", |name| name)
    }
}

/// The place of one frame among all that were sent to a peer; unique for the association, across reconnects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    pub(crate) lane: u16,
    pub(crate) sequence: u64,
}

/// What a message frame says besides its archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageHeader {
    /// The receiver.
    pub to: ActorKey,
    /// The message's type.
    pub message: MessageId,
    /// Its layout on this node; `None` leaves the check to the receiver.
    pub fingerprint: Option<Fingerprint>,
    /// The ask, or [`AskId::NONE`].
    pub ask: AskId,
    /// Time the receiver has left, for asks.
    pub remaining: Option<Duration>,
}

/// Why a frame was not taken. It is certain that it was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendRefused {
    /// The archive could not be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The frame is longer than the peer takes.
    #[error("the frame has {bytes} bytes and {peer} takes {bytes_max} at most: send less at once")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
        /// The peer.
        peer: PeerId,
    },
    /// The receiver's credit is used up; wait with [`Association::poll_room`].
    #[error("the receiver has as many messages waiting as it takes")]
    NoCredit,
    /// The lane is full; wait with [`Association::poll_room`].
    #[error("the lane holds as many bytes as it may")]
    LaneFull,
    /// A control frame for a peer that is not connected now; say it again after `up`.
    #[error("the peer is not connected")]
    NotUp,
    /// The peer does not accept this message, or in another layout.
    #[error("the peer does not accept this message in our layout {ours}")]
    Incompatible {
        /// Our layout.
        ours: Fingerprint,
        /// The peer's; `None` if it does not know the message.
        theirs: Option<Fingerprint>,
    },
    /// The association is closed for good: the peer is quarantined, restarted or this endpoint is closed.
    #[error("the association is closed: {0}")]
    Closed(crate::LostReason),
}

impl SendRefused {
    /// Whether the frame may be taken later: wait with [`Association::poll_room`] and try again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::NoCredit | Self::LaneFull)
    }
}

/// A place in the queue for room; `Default` is none yet.
#[derive(Debug, Default)]
pub struct RoomWaiter(pub(crate) Option<u64>);

/// What was counted on one association since it exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssociationStats {
    /// Frames taken for sending.
    pub frames_sent: u64,
    /// Frames received.
    pub frames_received: u64,
    /// Bytes handed to QUIC.
    pub bytes_sent: u64,
    /// Bytes received from QUIC.
    pub bytes_received: u64,
    /// Writes to QUIC.
    pub batches: u64,
    /// Frames refused because credit or lane was full.
    pub credit_stalls: u64,
    /// Frames that broke the protocol.
    pub bad_frames: u64,
    /// Connections that came up.
    pub connections: u64,
}

/// The way to one life of one node. `Send + Sync`; sending works from any thread.
#[derive(Debug)]
pub struct Association {
    peer: PeerInfo,
}

/// Gives back credit for one inbound message; cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Flow {
    association: Arc<Association>,
    receiver: ActorKey,
}

impl Flow {
    /// The receiver took a message of this many bytes (its payload's length), or it was dropped.
    pub fn consumed(&self, bytes: usize) {
        let _ = (&self.association, self.receiver, bytes);
    }
}

impl Association {
    /// Who it leads to.
    #[must_use]
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }

    /// In which layout the peer accepts this message; `None` if not at all, or before the first handshake.
    #[must_use]
    pub fn accepts(&self, message: MessageId) -> Option<Fingerprint> {
        let _ = message;
        None
    }

    /// Whether there is a connection now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        false
    }

    /// Keeps a connection (dialling again after each loss) as long as it is set; cluster members are kept.
    pub fn keep(&self, keep: bool) {
        let _ = keep;
    }

    /// Sends a message frame, if the receiver has credit and the lane has room. Never waits.
    ///
    /// # Errors
    /// See [`SendRefused`]; the frame was not taken.
    pub fn try_send(
        &self,
        header: MessageHeader,
        encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Position, SendRefused> {
        let _ = (header, encode);
        Err(SendRefused::NotUp)
    }

    /// Sends a frame that costs no credit (reply, error, terminated), in the lane of `to`.
    ///
    /// # Errors
    /// See [`SendRefused`]; never `NoCredit`.
    pub fn send_prepaid(
        &self,
        lane_of: ActorKey,
        header: FrameHeader,
        encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Position, SendRefused> {
        let _ = (lane_of, header, encode);
        Err(SendRefused::NotUp)
    }

    /// Sends a frame on the control stream: cancel, watch, unwatch, probe. Only while the association is up.
    ///
    /// # Errors
    /// `NotUp` while there is no connection; `Closed`.
    pub fn control(&self, header: FrameHeader, payload: &[u8]) -> Result<(), SendRefused> {
        let _ = (header, payload);
        Err(SendRefused::NotUp)
    }

    /// Ready when trying again is worth it: credit or room came, or the association's state changed.
    pub fn poll_room(
        &self,
        receiver: ActorKey,
        waiter: &mut RoomWaiter,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let _ = (receiver, waiter, cx);
        Poll::Pending
    }

    /// Leaves the queue for room.
    pub fn forget_room(&self, receiver: ActorKey, waiter: &mut RoomWaiter) {
        let _ = receiver;
        waiter.0 = None;
    }

    /// Whether the frame was, or may have been, handed to QUIC. `false` is certain: it was not and, once
    /// [`down`](crate::TransportEvents::down) was called, never will be.
    #[must_use]
    pub fn handed(&self, position: Position) -> bool {
        let _ = position;
        true
    }

    /// What gives back credit for a message frame that came from this peer to `receiver`.
    #[must_use]
    pub fn flow(self: &Arc<Self>, receiver: ActorKey) -> Flow {
        Flow { association: Arc::clone(self), receiver }
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> AssociationStats {
        AssociationStats::default()
    }
}
