//! What a simulation sees of the inside of a node: events that become part of its trace.

use std::{fmt, net::SocketAddr};

/// Something that happened inside a node.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Observed<'a> {
    /// An actor was started or restarted.
    ActorStarted {
        /// Number of the actor on its node, in order of spawning.
        actor: u64,
        /// Name of its type.
        kind: &'a str,
    },
    /// A handler begins to run.
    HandlerStarted {
        /// Number of the actor on its node.
        actor: u64,
        /// Name of the message.
        message: &'a str,
    },
    /// An actor is gone.
    ActorStopped {
        /// Number of the actor on its node.
        actor: u64,
        /// Why, in words.
        reason: &'a str,
    },
    /// A timer of the node fired.
    TimerFired {
        /// Name of the timer.
        timer: &'a str,
    },
    /// A frame was sent or received.
    Frame {
        /// `true` if it was received.
        inbound: bool,
        /// Where the node at the other end was first found.
        peer: SocketAddr,
        /// Kind of the frame, as in the wire format.
        kind: u8,
        /// Id of the message's type; 0 for kinds that have none.
        message: u64,
        /// The payload.
        payload: &'a [u8],
    },
    /// Frames are about to be written to a QUIC stream, in one or more writes: from now on the peer may have them.
    Written {
        /// Whole frames.
        bytes: &'a [u8],
    },
    /// Anything else worth a line.
    Note {
        /// Name of the event.
        name: &'a str,
        /// Its details.
        detail: &'a str,
    },
}

/// Receives what happens inside a node.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Takes one event; called on the thread where it happened.
    fn observe(&self, event: Observed<'_>);
}
