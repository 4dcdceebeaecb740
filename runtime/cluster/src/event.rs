//! What goes into membership and what comes out.

use std::net::SocketAddr;

use bytes::Bytes;
use odeon_message::{Incarnation, NodeId};

use crate::{Member, Profile};

/// Something that happened, for [`Membership::handle`](crate::Membership::handle).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The time of [`Membership::next_wakeup`](crate::Membership::next_wakeup) has come.
    Tick,
    /// A gossip datagram arrived.
    Datagram {
        /// Who sent it, as its certificate says; a packet that claims another sender is refused.
        from: NodeId,
        /// What arrived; garbage is refused and counted.
        bytes: Bytes,
    },
    /// A seed or a peer answered the transport's handshake. It is asked to take us in, unless it is up already.
    Contact(Member),
    /// The system says that nobody listens at this address (ICMP port unreachable).
    Unreachable {
        /// As it was reported; the IPv4-mapped form is understood.
        addr: SocketAddr,
    },
    /// Something was received from that life of a node outside of gossip: a sign of life. Giving it is optional.
    Answered {
        /// Who is alive.
        node: NodeId,
        /// In which life.
        incarnation: Incarnation,
    },
    /// The connection to a member was lost: it is probed at once, so that a closed port shows.
    ConnectionLost {
        /// To whom.
        node: NodeId,
        /// In which life.
        incarnation: Incarnation,
    },
    /// A peer refused us, because it knows our node in the life `known`, and that one is dead or not older than ours.
    Outdated {
        /// The life that the peer knows.
        known: Incarnation,
    },
    /// What this node says of itself from now on. Others learn it within about a second, in a large cluster later if
    /// something was said shortly before; that it is about to leave they learn at once.
    Describe {
        /// All of it; the caller has [checked](Profile::check) it.
        profile: Profile,
        /// Whether it is about to leave, and should get nothing new.
        leaving: bool,
    },
    /// We leave on purpose. Others see [`DownReason::Left`]; [`Effect::Left`] comes when enough was said.
    Leave,
}

/// What is to be done, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Send a datagram; it may be lost.
    Send {
        /// To whom, in that life. It need not be up: a member that is down is asked now and then whether it is.
        to: Member,
        /// At most [`PACKET_BYTES_MAX`](crate::PACKET_BYTES_MAX) bytes.
        bytes: Bytes,
        /// Whether it says nothing but who sends it, and is of use only if nothing else went there since the last of its
        /// kind. Sending it all the same does no harm, and any datagram does in its place: of use is that the system says
        /// so where the port is closed. Who receives it learns nothing that later gossip does not tell.
        idle_only: bool,
    },
    /// The first member answered: from now on we are part of the cluster.
    Joined,
    /// A member is up. An earlier life of the same node was reported down before.
    Up(Member),
    /// A member that is up said something of itself: first soon after it came up, then whenever it changes.
    Described {
        /// Who.
        member: Member,
        /// All of it.
        profile: Profile,
        /// Whether it is about to leave, and should get nothing new.
        leaving: bool,
    },
    /// A member is down, and will never be up again in this life.
    Down {
        /// Who was up until now.
        member: Member,
        /// How it is known.
        reason: DownReason,
    },
    /// The cluster held us for dead; we are back in a new life, and references to the old one are dead.
    Rejoined {
        /// Ourselves, with the new incarnation.
        me: Member,
    },
    /// Our leaving was said often enough: the transport may close. The last effect.
    Left,
    /// A later life of our own node exists: this one must stop. The last effect.
    Superseded {
        /// The later life.
        by: Incarnation,
    },
}

/// How it is known that a member is down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum DownReason {
    /// It did not answer probes, and nobody refuted the suspicion in time.
    Suspected,
    /// Its port is closed: the program is gone, the machine is not.
    Unreachable,
    /// It said that it leaves.
    Left,
    /// A later life of the same node is there.
    Replaced,
}
