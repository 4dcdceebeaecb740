//! What waits on a clogged link.
//!
//! A queue with a bound in bytes; what passes when the link is free again meets the fate that its number had in store
//! all along. Read `obstacle.rs` for when a link is clogged.

use std::{collections::VecDeque, net::SocketAddr};

use super::{frames::Packet, link::Number, port::Datagram};

/// Bytes of IPv4 and UDP header (RFC 791, RFC 768), so that empty datagrams fill the queue too.
pub(super) const HEADER_BYTES: usize = 28;

/// What a link can hold.
#[derive(Debug)]
pub(super) enum Held {
    /// A datagram, and the socket address it was sent to.
    Datagram(Number, Datagram, SocketAddr),
    /// A report to its first that nobody listens at its second.
    Report(Number, SocketAddr, SocketAddr),
    /// A packet of the frame link.
    Packet(Number, Box<Packet>),
}

impl Held {
    fn cost(&self) -> usize {
        match self {
            Self::Datagram(_, datagram, _) => HEADER_BYTES + datagram.bytes.len(),
            // An ICMP message: its header, and those of the datagram it is about.
            Self::Report(..) => 2 * HEADER_BYTES,
            Self::Packet(_, packet) => packet.length(),
        }
    }
}

/// The queue of one direction.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: VecDeque<Held>,
    bytes: usize,
}

impl Waiting {
    /// Takes one more, or says that there is no room below `bytes_max`.
    pub(super) fn push(&mut self, held: Held, bytes_max: u32) -> Result<(), Held> {
        let bytes = self.bytes + held.cost();
        if bytes > bytes_max as usize {
            return Err(held);
        }
        self.bytes = bytes;
        self.queue.push_back(held);
        Ok(())
    }

    /// Gives back all that wait, in the order in which they came.
    pub(super) fn take(&mut self) -> VecDeque<Held> {
        self.bytes = 0;
        std::mem::take(&mut self.queue)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
