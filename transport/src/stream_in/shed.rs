//! What is not taken, because the node holds as much of what it received as it may.
//!
//! What it is: the answer to whoever sent it, and the count. What it is NOT: the bound, which is the
//! [`SlabPool`](odeon_wire::SlabPool)'s, or a reason to wait: the lane goes on, credit goes back, and what a peer sends
//! finds room again as soon as receivers have taken something. A large message that finds none is read and let go
//! (`bulk_in.rs`).

use odeon_message::{Certainty, Failure, FailureKind, Payload};
use odeon_wire::{Body, Extensions, Frame, FrameKind, Header};

use crate::{association::Counters, connection::Live};

/// So many messages of one header were not taken.
pub(crate) fn shed(live: &Live, header: Header, count: u32) {
    let association = &live.association;
    Counters::add(&association.counters.messages_shed, count.into());
    live.hub.events.shed(association, header);
    let (peer, bound) = (association.peer(), live.config().inbound_bytes_max);
    if let Some(held_back) = live.hub.sheds.pass(peer.name()) {
        tracing::warn!(
            peer = peer.name(), to = %header.receiver, message = %header.message, bound, held_back,
            "messages are not taken: what was received and not handled holds too much memory; handle it faster, send \
             less, or raise inbound_bytes_max"
        );
    }
}

/// What an asker is given in place of a large reply that found no room: its ask ran.
pub(crate) fn lost_reply(live: &Live, reply: Header, frame_bytes: usize) -> Frame {
    Counters::add(&live.association.counters.messages_shed, 1);
    let bound = live.config().inbound_bytes_max;
    let detail = format!(
        "the reply has {frame_bytes} bytes, and this node holds as much of what it received as it may: \
         inbound_bytes_max is {bound}"
    );
    let mut bytes = Vec::new();
    Failure::new(FailureKind::Full, Certainty::Ran, detail).encode(&mut bytes);
    Frame {
        header: Header::of_ask(FrameKind::Error, reply.ask),
        extensions: Extensions::default(),
        payload: Payload::copy_from(&bytes),
        frame_bytes,
    }
}
