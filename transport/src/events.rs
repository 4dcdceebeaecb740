//! What the transport tells the runtime, and why it lost or refused a peer.
//!
//! All of it is called on the endpoint's thread, from the task it happened in: an implementation must not wait and
//! must not call back into [`Transport::close`](crate::Transport::close). Read `association.rs` next.

use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use odeon_message::{Credit, Incarnation, NodeId};
use odeon_wire::{CloseCode, Header, MessageTrain, PayloadError, Refuse, RefuseReason};

use crate::{Association, Frame};

/// One life of one node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerId {
    /// The node.
    pub node: NodeId,
    /// Which of its lives.
    pub incarnation: Incarnation,
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.incarnation)
    }
}

/// Receives what happens on the network. All methods are called on the endpoint's thread.
pub trait TransportEvents {
    /// The handshake with `peer` is done; frames flow both ways from now on.
    fn up(&self, peer: &Arc<Association>);

    /// The connection to `peer` is lost, or frames that waited for one were given up.
    ///
    /// Whatever was sent to this peer before and was not [handed](Association::handed) to QUIC will not be sent:
    /// it is not delivered. What was handed may have run. Called once for each [`up`](Self::up), and once each time
    /// waiting frames are given up without one.
    fn down(&self, peer: &Arc<Association>, why: &LostReason);

    /// A frame from `peer`, of any kind but those that the transport keeps for itself (handshake, credit, ping,
    /// close). Frames of one lane come in order.
    ///
    /// `credit` comes with message frames: dropping it gives it back.
    ///
    /// # Errors
    /// When the payload of a control frame is malformed: the connection is closed with that reason.
    fn frame(
        &self,
        peer: &Arc<Association>,
        frame: Frame,
        credit: Option<Credit>,
    ) -> Result<(), PayloadError>;

    /// Calls what hands on a few frames that came together, once: who is woken for several of them may be woken at the
    /// end. One that does not call it has them handed on behind it.
    fn together(&self, hand_on: &mut dyn FnMut()) {
        hand_on();
    }

    /// Tells of one type from `peer` to one actor, which came one behind the other: as many frames, but one call. By default
    /// each is given to [`frame`](Self::frame), with its part of the credit.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    fn train(
        &self,
        peer: &Arc<Association>,
        mut train: MessageTrain,
        mut credit: Credit,
    ) -> Result<(), PayloadError> {
        while let Some(frame) = train.next_frame() {
            let credit = credit.part(1, frame.frame_bytes as u64);
            self.frame(peer, frame, Some(credit))?;
        }
        Ok(())
    }

    /// A message from `peer`, a few tells of one type that came together, or an item of a stream, which were not taken because this node holds
    /// as much of what it received as it may ([`inbound_bytes_max`](crate::TransportConfig::inbound_bytes_max)). Whoever
    /// sent it is to be told; of an item also who reads its stream, which must end there. By default nobody is.
    fn shed(&self, peer: &Arc<Association>, header: Header) {
        let _ = (peer, header);
    }

    /// The peer says that it is about to leave; nothing has changed yet. By default nobody is told.
    fn leaving(&self, peer: PeerId) {
        let _ = peer;
    }

    /// A gossip datagram.
    fn datagram(&self, from: PeerId, bytes: Bytes);

    /// A datagram of ours to this address was answered with "nobody listens here".
    fn unreachable(&self, addr: SocketAddr);

    /// The node at `addr` refused us, or was refused by us while it was dialled.
    fn refused(&self, addr: SocketAddr, reason: &RefusedReason);
}

/// Why an association has no connection any more.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LostReason {
    /// This side closed the endpoint.
    Closed,
    /// Nothing was sent for a while and nobody keeps the association.
    Idle,
    /// The peer closed the connection.
    ClosedByPeer {
        /// Its reason.
        code: CloseCode,
        /// For people; may be empty.
        text: Box<str>,
    },
    /// The peer was silent for the idle timeout.
    TimedOut,
    /// The peer reset the connection: it has lost its state, as after a restart.
    Reset,
    /// A newer connection of the same peer took its place.
    Replaced,
    /// The peer lives anew, with this incarnation.
    Restarted(Incarnation),
    /// This incarnation was quarantined here.
    Quarantined,
    /// This node took a new incarnation.
    Reincarnated,
    /// The certificate that the peer came with is not accepted any more: it was revoked, or its authority is trusted no
    /// longer. A new connection takes a new certificate.
    Untrusted(Box<str>),
    /// The association was forgotten, or refused because there are too many peers.
    Forgotten,
    /// The peer broke the protocol; the connection was closed with this reason.
    Protocol(Box<str>),
    /// No connection came about within [`undeliverable_after`](crate::TransportConfig::undeliverable_after).
    Undeliverable(Box<str>),
    /// QUIC failed otherwise.
    Transport(Box<str>),
}

impl fmt::Display for LostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("this node closed its endpoint"),
            Self::Idle => f.write_str("the association was idle"),
            Self::ClosedByPeer { code, text } if text.is_empty() => {
                write!(f, "the peer closed the connection: {code}")
            }
            Self::ClosedByPeer { code, text } => {
                write!(f, "the peer closed the connection: {code}: {text}")
            }
            Self::TimedOut => f.write_str("the peer was silent for too long"),
            Self::Reset => f.write_str("the peer reset the connection"),
            Self::Replaced => f.write_str("a newer connection of the peer replaced this one"),
            Self::Restarted(incarnation) => write!(f, "the peer restarted as {incarnation}"),
            Self::Quarantined => f.write_str("the peer is quarantined"),
            Self::Forgotten => f.write_str("the peer was forgotten"),
            Self::Untrusted(cause) => {
                write!(f, "the peer's certificate is not accepted any more: {cause}")
            }
            Self::Reincarnated => f.write_str("this node took a new incarnation"),
            Self::Protocol(reason) => write!(f, "the peer broke the protocol: {reason}"),
            Self::Undeliverable(reason) => write!(f, "no connection came about: {reason}"),
            Self::Transport(reason) => write!(f, "the connection failed: {reason}"),
        }
    }
}

/// Why a dial did not become an association.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RefusedReason {
    /// The peer's certificate is not of this cluster, or ours is not of its.
    NotAuthenticated(Box<str>),
    /// The peer's certificate is revoked, or ours is.
    Revoked(Box<str>),
    /// The peer answered the handshake with a refusal.
    ByPeer(Refuse),
    /// The node that answered is not the one that was dialled, or says something its certificate does not.
    Identity(Box<str>),
    /// The node that answered, in this life of it, has left or was declared dead; a later life will be taken.
    Gone(Box<str>),
    /// The peer's wall clock and this node's are too far apart.
    Clock(Box<str>),
    /// The peer runs a version of Odeon that has no protocol in common with this one.
    Version(Box<str>),
    /// The peer speaks something else.
    Protocol(Box<str>),
    /// No answer in time, or the connection broke during the handshake.
    NoAnswer(Box<str>),
}

impl RefusedReason {
    /// Whether it is in the order of things: the peer, or this node, has left or was declared dead, and whoever lives
    /// comes back in a later life by itself.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Gone(_) => true,
            Self::ByPeer(refuse) => refuse.reason == RefuseReason::Quarantined,
            _ => false,
        }
    }

    /// Whether the peer stops, and says so to whoever dials it meanwhile: in the order of things as well.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        matches!(self, Self::ByPeer(refuse) if refuse.reason == RefuseReason::Stopping)
    }

    /// Whether dialling again soon is of no use: something must be changed by hand first.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::NotAuthenticated(_) | Self::Revoked(_) | Self::Clock(_) | Self::Version(_) => {
                true
            }
            Self::ByPeer(refuse) => matches!(
                refuse.reason,
                RefuseReason::Cluster
                    | RefuseReason::Revision
                    | RefuseReason::Identity
                    | RefuseReason::OwnName
                    | RefuseReason::Clock
            ),
            _ => false,
        }
    }
}

impl fmt::Display for RefusedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAuthenticated(cause) => {
                write!(
                    f,
                    "the nodes do not trust each other's certificates: {cause}; issue both from one authority, and \
                     give both nodes that authority's certificate (ca.pem)"
                )
            }
            Self::Revoked(cause) => {
                write!(
                    f,
                    "a certificate is revoked, the peer's or this node's: {cause}; give the node that it belongs to a \
                     new one (`odeon ca issue` or `odeon ca renew`)"
                )
            }
            Self::ByPeer(refusal) => {
                write!(f, "the peer refused: {}: {}", refusal.reason, refusal.text)
            }
            Self::Identity(cause) => write!(f, "another node answered: {cause}"),
            Self::Gone(cause) => write!(f, "the node that answered is gone: {cause}"),
            Self::Clock(cause) => write!(f, "the clocks are too far apart: {cause}"),
            Self::Version(cause) => write!(f, "the versions do not fit together: {cause}"),
            Self::Protocol(cause) => write!(f, "the peer does not speak this protocol: {cause}"),
            Self::NoAnswer(cause) => write!(f, "no answer: {cause}"),
        }
    }
}
