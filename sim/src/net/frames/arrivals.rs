//! What has arrived on the streams that an endpoint attends to, in one queue.
//!
//! So one task of a node reads all of them: a packet wakes that task alone, however many connections and streams there are.
//! It is bounded by the windows of the streams: what is here counts as not read. Read `handles.rs` next.

use std::{collections::VecDeque, task::Waker, time::Duration};

use odeon_env::{FrameArrival, FrameStream};

use super::{Content, SideId};
use crate::net::{fabric::Fabric, port::Socket};

/// The queue of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    queue: VecDeque<(SideId, FrameStream, FrameArrival)>,
    waker: Option<Waker>,
}

impl Arrivals {
    /// Appends what has arrived.
    pub(super) fn push(
        &mut self,
        arrived: (SideId, FrameStream, FrameArrival),
        wake: &mut Vec<Waker>,
    ) {
        self.queue.push_back(arrived);
        if let Some(waker) = self.waker.take() {
            wake.push(waker);
        }
    }
}

impl Fabric {
    /// Hands what is ready on a stream over to its endpoint.
    pub(super) fn hand_over(
        &mut self,
        (id, stream): (SideId, FrameStream),
        ticket: u64,
        wake: &mut Vec<Waker>,
    ) {
        let Some(side) = self.frames.sides.find(id) else { return };
        let port = self.ports.port(&side.socket);
        // Without an endpoint nobody attends to anything.
        let Some(listener) = port.and_then(|port| port.frames.as_mut()) else { return };
        while let Some(bytes) = side.next_ready(stream) {
            listener.arrivals.push((id, stream, FrameArrival { ticket, bytes }), wake);
        }
    }

    /// Takes all that has arrived at an endpoint. The peers whose windows it filled are told that they may go on.
    pub(super) fn take_arrived(
        &mut self,
        now: Duration,
        socket: &Socket,
        arrived: &mut Vec<FrameArrival>,
        waker: Option<&Waker>,
    ) {
        let listener = self.ports.port(socket).and_then(|port| port.frames.as_mut());
        let Some(listener) = listener else { return };
        let arrivals = &mut listener.arrivals;
        if let Some(waker) = waker
            && !arrivals.waker.as_ref().is_some_and(|known| known.will_wake(waker))
        {
            arrivals.waker = Some(waker.clone());
        }
        let mut queue = std::mem::take(&mut arrivals.queue);
        for (id, stream, arrival) in queue.drain(..) {
            let side = self.frames.sides.find(id);
            let limit = side.and_then(|side| side.note_read(stream, arrival.bytes.len()));
            if let Some(limit) = limit {
                self.say(now, id, Content::Window { stream, limit });
            }
            arrived.push(arrival);
        }
        // Its room is used again.
        let listener = self.ports.port(socket).and_then(|port| port.frames.as_mut());
        if let Some(listener) = listener {
            listener.arrivals.queue = queue;
        }
    }
}
