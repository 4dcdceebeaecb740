//! The last thing that peers are told before a node stops: send nothing more.
//!
//! A node that only closed its connections would leave whoever has just sent an ask in doubt whether it was read. So it
//! says close on the control stream first and goes on reading. A peer that hears it takes no more messages for that node, lets
//! what waits go out, and says close as well once all of it was handed on there, which pings at the end of its lanes tell.
//! What reached the stopping node has been read by then; once its answers are flushed too, the close of the connection
//! leaves nobody in doubt. What it is NOT: the goodbye of membership, or a bound on time, which is the caller's
//! ([`Transport::hush`](crate::Transport::hush)). Read `flush.rs` for the pings.

use std::{rc::Rc, sync::Arc};

use odeon_wire::{Close, CloseCode, FrameKind, Header};

use crate::{Association, PeerId, association::control::ControlQueue, connection::Live, hub::Hub};

/// What is awaited of a peer that was asked, among the tokens of pings, which count from 1.
pub(crate) const CLOSE: u64 = 0;

/// Asks a peer to send nothing more, and counts on its answer.
pub(crate) fn ask(hub: &Hub, association: &Association, control: &ControlQueue) {
    hub.flushes.expect(association.peer().id, CLOSE);
    say(association, control, CloseCode::Stopping);
}

fn say(association: &Association, control: &ControlQueue, code: CloseCode) {
    let close = Close { code, text: "".into() };
    association.control_body(control, Header::bare(FrameKind::Close), &close);
}

/// Tells a peer that this node is about to leave. It is no promise that anything is refused yet.
pub(crate) fn say_leaving(association: &Association, control: &ControlQueue) {
    say(association, control, CloseCode::Leaving);
}

/// The peer said close: that it is about to leave, that it stops, or that it has heard that this side does.
pub(crate) fn heard(live: &Live, close: &Close) {
    let peer = live.association.peer().id;
    match close.code {
        CloseCode::Stopping => quieten(live, peer),
        CloseCode::Leaving => live.hub.events.leaving(peer),
        CloseCode::Done => live.hub.flushes.answered(peer, CLOSE),
        // A later revision's, or what is said right before a connection is closed.
        _ => {}
    }
}

/// Asks the peer for nothing more, and tells it when it has all.
fn quieten(live: &Live, peer: PeerId) {
    // It is said once more right before the connection is closed.
    if live.is_hushed.replace(true) {
        return;
    }
    live.association.hush();
    let (hub, association) = (Rc::clone(&live.hub), Arc::clone(&live.association));
    let control = Arc::clone(&live.control);
    live.hub.spawn(async move {
        let pings = hub.flushes.ask(&association, || hub.next_ping());
        // Also when the connection is lost meanwhile: nobody reads it then.
        hub.flushes.answers(peer, &pings).await;
        say(&association, &control, CloseCode::Done);
    });
}
