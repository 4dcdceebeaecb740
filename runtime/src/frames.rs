//! The frames that the halls write and read themselves, each in one function.
//!
//! What it is: replies, streams, errors, cancels, probes, watches and their ends, put into frames and handed to an association. What
//! it is NOT: the frames' layout (`odeon-wire`). Called by `outbound.rs` and `inbound.rs`.

use odeon_actor::{ExitKind, ExitReason, WatchId};
use odeon_message::{ActorKey, AskId, Certainty, EncodeError, Failure, FailureKind};
use odeon_transport::{Association, SendRefused};
use odeon_wire::{
    Body, Frame, FrameKind, Header, PayloadError, Probe, StreamCredit, StreamEnd, Terminated,
    TerminatedReason, Unwatch, Watch,
};

/// A reply; where the output cannot be archived, or the lane has no room for it, the asker is told so, for the
/// handler ran.
pub(crate) fn reply(
    peer: &Association,
    ask: AskId,
    encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
) {
    let header = Header::of_ask(FrameKind::Reply, ask);
    let sent = match peer.send_prepaid(lane_of(ask), header, encode) {
        // Another lane may have room: replies have no order among each other.
        Err(SendRefused::LaneFull) => peer.send_prepaid(spread(ask), header, encode),
        sent => sent,
    };
    match sent {
        Ok(_) => {}
        Err(refused @ (SendRefused::Encode(_) | SendRefused::TooLong { .. })) => {
            let detail = format!("the reply: {refused}");
            error(peer, ask, &Failure::new(FailureKind::Unsendable, Certainty::Ran, detail));
        }
        Err(refused @ SendRefused::LaneFull) => {
            let detail = format!("the reply: {refused}");
            error(peer, ask, &Failure::new(FailureKind::Full, Certainty::Ran, detail));
        }
        // Most often the connection is gone, and the asker has been told that its message may have run.
        Err(refused) => tracing::debug!(peer = %peer.peer().id, %refused, "reply not sent"),
    }
}

/// Why there is no reply.
pub(crate) fn error(peer: &Association, ask: AskId, failure: &Failure) {
    let header = Header::of_ask(FrameKind::Error, ask);
    // As above: without a connection the asker knows already.
    let _ = peer.send_prepaid(lane_of(ask), header, &mut |out| {
        failure.encode(out);
        Ok(())
    });
}

/// Tells were not taken. While much waits on the control stream it is left out: it is said for the count alone.
pub(crate) fn not_taken(peer: &Association, tell: Header, failure: &Failure) {
    let error = Header::of_ask(FrameKind::Error, AskId::NONE);
    let header = Header { receiver: tell.receiver, message: tell.message, ..error };
    let _ = peer.control_spare(header, &mut |out| failure.encode(out));
}

/// The reply that begins a stream; if there is no room for it the asker is told so. Whether it was sent.
pub(crate) fn stream_begins(peer: &Association, ask: AskId) -> bool {
    let header = Header::of_ask(FrameKind::Reply, ask);
    match peer.send_prepaid(stream_lane(ask), header, &mut |_| Ok(())) {
        Ok(_) => return true,
        Err(refused @ SendRefused::LaneFull) => {
            let detail = format!("the reply: {refused}");
            error(peer, ask, &Failure::new(FailureKind::Full, Certainty::Ran, detail));
        }
        Err(refused) => tracing::debug!(peer = %peer.peer().id, %refused, "stream not begun"),
    }
    false
}

/// One item of a stream.
pub(crate) fn stream_item(
    peer: &Association,
    ask: AskId,
    archive: &[u8],
) -> Result<(), SendRefused> {
    let header = Header::of_ask(FrameKind::StreamItem, ask);
    let sent = peer.send_prepaid(stream_lane(ask), header, &mut |out| {
        out.extend_from_slice(archive);
        Ok(())
    });
    sent.map(drop)
}

/// The end of a stream, and why, if it was not the last item.
pub(crate) fn stream_end(peer: &Association, ask: AskId, failure: Option<Failure>) {
    let (header, end) = (Header::of_ask(FrameKind::StreamEnd, ask), StreamEnd { failure });
    // Without a connection the asker knows already.
    let _ = peer.send_prepaid(stream_lane(ask), header, &mut |out| {
        end.encode(out);
        Ok(())
    });
}

/// More items of a stream are taken.
pub(crate) fn stream_credit(peer: &Association, ask: AskId, total: StreamCredit) {
    let header = Header::of_ask(FrameKind::StreamCredit, ask);
    // Without a connection the stream has ended.
    let _ = peer.control(header, &mut |out| total.encode(out));
}

/// An item came of a stream that nobody knows any more: its sender may not know that.
pub(crate) fn stream_unknown(peer: &Association, ask: AskId) {
    let _ = peer.control_spare(Header::of_ask(FrameKind::Cancel, ask), &mut |_| {});
}

/// The failure that an error frame brings.
pub(crate) fn read_error(frame: &Frame) -> Failure {
    frame.body().unwrap_or_else(|error| {
        let detail = format!("the peer's error frame cannot be read: {error}");
        Failure::new(FailureKind::Decode, Certainty::MayHaveRun, detail)
    })
}

/// Nobody waits for the answer any more.
pub(crate) fn cancel(peer: &Association, ask: AskId) -> Result<(), SendRefused> {
    peer.control(Header::of_ask(FrameKind::Cancel, ask), &mut |_| {})
}

/// Does a wait lead back to its start, over this ask?
pub(crate) fn probe(peer: &Association, ask: AskId, probe: &Probe) -> Result<(), SendRefused> {
    peer.control_spare(Header::of_ask(FrameKind::Probe, ask), &mut |out| probe.encode(out))
}

/// Tell us when that actor ends.
pub(crate) fn watch(
    peer: &Association,
    id: WatchId,
    watched: ActorKey,
    watcher: Option<ActorKey>,
) -> Result<(), SendRefused> {
    let watcher = watcher.unwrap_or(ActorKey { slot: 0, generation: 0 });
    control(peer, &Watch { watch: id.0, watched, watcher })
}

/// No need to tell us any more.
pub(crate) fn unwatch(
    peer: &Association,
    id: WatchId,
    watched: ActorKey,
) -> Result<(), SendRefused> {
    control(peer, &Unwatch { watch: id.0, watched })
}

fn control<B: Body>(peer: &Association, body: &B) -> Result<(), SendRefused> {
    peer.control(Header::bare(B::KIND), &mut |out| body.encode(out))
}

/// A watched actor has ended; in the watcher's lane, after the last message to it.
pub(crate) fn terminated(
    peer: &Association,
    watcher: ActorKey,
    id: WatchId,
    watched: ActorKey,
    reason: &ExitReason,
) {
    let code = TerminatedReason::from_code(reason.kind() as u8);
    let body = Terminated { watch: id.0, watched, reason: code, text: reason.detail().into() };
    let header = Header::terminated(watcher);
    // Without a connection the watch comes again with the next one, and is answered at once.
    let _ = peer.send_prepaid(watcher, header, &mut |out| {
        body.encode(out);
        Ok(())
    });
}

/// A watch or the end of one, as a peer asks for it.
pub(crate) struct WatchAsked {
    pub(crate) id: WatchId,
    pub(crate) watched: ActorKey,
    pub(crate) watcher: ActorKey,
}

pub(crate) fn read_watch(frame: &Frame) -> Result<WatchAsked, PayloadError> {
    if frame.header.kind == FrameKind::Unwatch {
        let Unwatch { watch, watched } = frame.body()?;
        return Ok(WatchAsked { id: WatchId(watch), watched, watcher: watched });
    }
    let Watch { watch, watched, watcher } = frame.body()?;
    Ok(WatchAsked { id: WatchId(watch), watched, watcher })
}

pub(crate) fn read_terminated(frame: &Frame) -> Result<(WatchId, ExitReason), PayloadError> {
    let body: Terminated = frame.body()?;
    // A reason of a later version: what is certain is that the actor has ended.
    let kind = ExitKind::from_byte(body.reason.code()).unwrap_or(ExitKind::Stopped);
    Ok((WatchId(body.watch), ExitReason::new(kind, &body.text)))
}

/// The lane of all frames of one stream. No actor has this key, so that whoever waits for room there is woken by room alone.
pub(crate) fn stream_lane(ask: AskId) -> ActorKey {
    ActorKey { slot: ask.0 as u32, generation: u32::MAX }
}

/// Asks one after the other whose replies have one lane. What is answered together was mostly asked together, and leaves in
/// one packet so: each lane is a stream with a writer of its own. Few enough that, by default, a run of replies up to the length
/// from which they have a stream of their own fills half of a lane's room at most.
const RUN: u64 = 64;

/// Replies have no receiver's lane: they spread over all of them by ask, a run at a time.
fn lane_of(ask: AskId) -> ActorKey {
    ActorKey { slot: (ask.0 / RUN) as u32, generation: 0 }
}

/// Where a reply goes whose lane is full: one after the other to another.
fn spread(ask: AskId) -> ActorKey {
    ActorKey { slot: ask.0 as u32, generation: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_to_asks_in_a_row_have_one_lane_and_those_after_another() {
        let lanes = |first: u64| (first..first + RUN).map(|ask| lane_of(AskId(ask)));
        for first in [0, RUN, 1000 * RUN] {
            let next = lane_of(AskId(first + RUN));
            assert!(lanes(first).all(|lane| lane == lane_of(AskId(first)) && lane != next));
        }
    }
}
