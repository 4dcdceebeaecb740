//! Inbound streams: bytes from QUIC into frames, and frames to the events.
//!
//! Every error here is the peer's or QUIC's, and ends the connection; nothing panics on what a peer sends. A lane
//! never waits for a receiver: what its credit allows is taken. What a lane announces comes by `bulk_in.rs`.

pub(crate) mod attended;
mod shed;

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use odeon_env::{buggify, buggify::any_order, buggify_number};
use odeon_message::AskId;
use odeon_wire::{
    Announce, Close, CloseCode, Credit, Frame, FrameKind, FrameReader, Header, InitialCredit,
    MessageTrain, Overrun, PayloadError, Ping, Pong, Preamble, Purpose, Received,
    format::PREAMBLE_BYTES,
};
use quinn::ReadExactError;
use tokio::task::JoinSet;

use crate::{
    Association,
    association::{Counters, StreamCounters, flow::LaneWindows},
    bulk_in::read_bulk,
    carrier::RecvStream,
    connection::{End, Live, Part},
    hush,
};

pub(crate) use shed::{lost_reply, shed};

/// Pieces taken from QUIC at once; each is one packet's share of the stream at most.
const PIECES_MAX: usize = 32;
/// Bytes given to a reader before its frames are taken out: with a partial frame they fit one slab of 64 KiB.
const PUSH_BYTES_MAX: usize = 32 << 10;
/// Frames that are handed on together: a worker that is asleep is woken behind them. That is some ten microseconds later, and
/// more behind long trains.
const TOGETHER_MAX: usize = 64;

fn misplaced(kind: FrameKind) -> End {
    let text = format!("a {kind} frame has no place here");
    End::protocol(CloseCode::Protocol, &text)
}

fn malformed(cause: &dyn std::fmt::Display) -> End {
    End::protocol(CloseCode::Malformed, cause)
}

/// Reads a stream to its end and gives what comes to `take`.
async fn read_frames(
    live: &Live,
    mut stream: RecvStream,
    mut reader: FrameReader,
    of_stream: &StreamCounters,
    mut take: impl FnMut(Received) -> Result<(), End>,
) -> Result<(), End> {
    let counters = &live.association.counters;
    let drain = |reader: &mut FrameReader, take: &mut _| drain(live, reader, of_stream, take);
    let mut pieces: [Bytes; PIECES_MAX] = Default::default();
    // The control stream's reader may have frames from behind the handshake.
    drain(&mut reader, &mut take)?;
    while let Some(count) = stream.read_chunks(&mut pieces).await? {
        let mut pushed = 0;
        let mut received = 0;
        for piece in &mut pieces[..count] {
            let piece = std::mem::take(piece);
            received += piece.len();
            pushed += piece.len();
            reader.push(&piece);
            if pushed >= PUSH_BYTES_MAX {
                pushed = 0;
                drain(&mut reader, &mut take)?;
            }
        }
        Counters::add_alone(&counters.bytes_received, received as u64);
        Counters::add_alone(&of_stream.bytes_received, received as u64);
        live.bulk_reads.heard();
        drain(&mut reader, &mut take)?;
        if let Some(ms) = buggify_number!(0.02, 1..20) {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        // A peer that sends without a pause must not keep the thread from the others.
        tokio::task::coop::consume_budget().await;
    }
    reader.end().map_err(|cause| malformed(&cause))
}

/// Gives every whole frame to `take`, those of a train together.
fn drain(
    live: &Live,
    reader: &mut FrameReader,
    of_stream: &StreamCounters,
    take: &mut impl FnMut(Received) -> Result<(), End>,
) -> Result<(), End> {
    let mut count = 0;
    let mut hand_on = || -> Result<bool, End> {
        for _ in 0..TOGETHER_MAX {
            // Not mapped: a frame is some two hundred bytes, which each step would move.
            let received = match reader.next_or_train() {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(true),
                Err(cause) => return Err(malformed(&cause)),
            };
            count += note(&live.association, &received);
            take(received)?;
        }
        Ok(false)
    };
    let mut all = Ok(false);
    while matches!(all, Ok(false)) {
        let mut is_done = false;
        live.hub.events.together(&mut || {
            (is_done, all) = (true, hand_on());
        });
        if !is_done {
            all = hand_on();
        }
    }
    all?;
    Counters::add_alone(&live.association.counters.frames_received, count);
    Counters::add_alone(&of_stream.frames_received, count);
    Ok(())
}

/// Shows what came to who looks on; how many frames it is.
fn note(association: &Association, received: &Received) -> u64 {
    match received {
        Received::Frame(frame) => {
            if frame.extensions.trace_ignored {
                Counters::add(&association.counters.traces_ignored, 1);
            }
            association.observe(true, frame.header, frame.payload.bytes());
            1
        }
        Received::Train(MessageTrain { header, archives }) => {
            if association.observer().is_some() {
                let all = archives.iter();
                all.for_each(|one| association.observe(true, *header, archives.bytes_of(&one)));
            }
            archives.len().into()
        }
    }
}

/// Reads the control stream until the connection ends.
pub(crate) async fn read_control(
    live: Rc<Live>,
    stream: RecvStream,
    reader: FrameReader,
) -> Result<Part, End> {
    let counters = &live.association.counters.control;
    let take = |received| match received {
        Received::Frame(frame) => take_control(&live, frame),
        // Lanes alone have trains.
        Received::Train(train) => Err(misplaced(train.header.kind)),
    };
    read_frames(&live, stream, reader, counters, take).await?;
    Ok(Part::Reader)
}

fn take_control(live: &Live, frame: Frame) -> Result<(), End> {
    let association = &live.association;
    match frame.header.kind {
        FrameKind::Credit => {
            let credit: Credit = frame.body().map_err(|cause| malformed(&cause))?;
            for total in credit.totals {
                association
                    .grant(total)
                    .map_err(|cause| End::protocol(CloseCode::Protocol, &cause))?;
            }
        }
        FrameKind::Ping => pong(live, &frame)?,
        FrameKind::Error if frame.header.ask == AskId::NONE => {
            Counters::add(&association.counters.sheds_heard, 1);
        }
        FrameKind::Pong => {
            // One of the control stream is awaited by nobody: that QUIC acknowledged it was all that was wanted.
            let Pong { token } = frame.body().map_err(|cause| malformed(&cause))?;
            live.hub.flushes.answered(association.peer().id, token);
        }
        // The close of QUIC follows that of the stream.
        FrameKind::Close => {
            let close: Close = frame.body().map_err(|cause| malformed(&cause))?;
            hush::heard(live, &close);
        }
        FrameKind::Hello | FrameKind::Welcome | FrameKind::Refuse => {
            return Err(misplaced(frame.header.kind));
        }
        _ => tell(live, frame, None)?,
    }
    Ok(())
}

/// Accepts the peer's lanes and bulk streams and reads each until it or the connection ends.
pub(crate) async fn read_streams(live: Rc<Live>) -> Result<Part, End> {
    let mut streams: JoinSet<Result<(), End>> = JoinSet::new();
    let seen = Rc::new(Cell::new(0));
    let lost = loop {
        let stream = tokio::select! {
            biased;
            Some(ended) = streams.join_next() => {
                ended.map_err(End::from)??;
                continue;
            }
            stream = live.connection.accept_uni() => stream,
        };
        match stream {
            Ok(stream) => {
                let stream = read_stream(Rc::clone(&live), stream, Rc::clone(&seen));
                streams.spawn_local(any_order(Box::pin(stream)));
            }
            Err(cause) => break cause,
        }
    };
    live.bulk_reads.lost();
    // The streams still have what had arrived.
    while let Some(ended) = streams.join_next().await {
        match ended {
            Err(failed) => return Err(failed.into()),
            // Each says that the connection is lost; a frame error says more than that.
            Ok(Err(end)) if end.close.is_some() => return Err(end),
            Ok(_) => {}
        }
    }
    Err(lost.into())
}

/// What a stream says it is.
async fn read_preamble(stream: &mut RecvStream) -> Result<Preamble, End> {
    let mut preamble = [0; PREAMBLE_BYTES];
    match stream.read_exact(&mut preamble).await {
        Ok(()) => {}
        Err(ReadExactError::ReadError(cause)) => return Err(cause.into()),
        Err(cause @ ReadExactError::FinishedEarly(_)) => return Err(malformed(&cause)),
    }
    Preamble::decode(preamble).map_err(|cause| malformed(&cause))
}

/// The index of a lane that the peer's hello has and that was not opened before.
fn lane_index(live: &Live, preamble: Preamble, seen: &Cell<u64>) -> Result<u8, End> {
    let wrong = |text: String| End::protocol(CloseCode::Protocol, &text);
    let lanes = live.peer_lanes;
    let index = u8::try_from(preamble.index).ok().filter(|index| *index < lanes);
    let Some(index) = index else {
        return Err(wrong(format!("lane {} of {lanes} was opened", preamble.index)));
    };
    if seen.get() & 1 << index != 0 {
        return Err(wrong(format!("lane {index} was opened twice")));
    }
    seen.set(seen.get() | 1 << index);
    Ok(index)
}

async fn read_stream(
    live: Rc<Live>,
    mut stream: RecvStream,
    seen: Rc<Cell<u64>>,
) -> Result<(), End> {
    let preamble = read_preamble(&mut stream).await?;
    match preamble.purpose {
        Purpose::Lane => {
            let index = lane_index(&live, preamble, &seen)?;
            read_lane(&live, stream, index).await
        }
        // In a box, as the pieces that a lane takes from QUIC: most streams are of the other kind.
        Purpose::Bulk => Box::pin(read_bulk(&live, stream, preamble.index)).await,
        Purpose::Control => {
            let text = "a control stream has no place here";
            Err(End::protocol(CloseCode::Protocol, &text))
        }
    }
}

async fn read_lane(live: &Rc<Live>, stream: RecvStream, index: u8) -> Result<(), End> {
    let _read = live.bulk_reads.lane();
    tracing::trace!(peer = live.association.peer().name(), lane = index, "lane opened");
    let config = live.config();
    let window = InitialCredit { messages: config.credit_messages, bytes: config.credit_bytes };
    let windows = LaneWindows::new(window, Arc::clone(&live.control));
    live.association.opened(Arc::clone(&windows));
    let reader = FrameReader::sharing(Purpose::Lane, live.limits(), live.association.slabs());
    let stream = match stream {
        RecvStream::Frames(stream) => {
            return attended::attend(live, stream, index, windows, reader).await;
        }
        stream @ RecvStream::Quic(_) => stream,
    };
    let counters = &live.association.counters.lane(index).stream;
    let take = |received| take_from(live, index, &windows, received);
    Box::pin(read_frames(live, stream, reader, counters, take)).await
}

fn overrun(cause: Overrun) -> End {
    End::protocol(CloseCode::CreditOverrun, &cause)
}

/// Takes what came on a lane.
#[inline]
fn take_from(
    live: &Live,
    index: u8,
    windows: &Arc<LaneWindows>,
    received: Received,
) -> Result<(), End> {
    match received {
        Received::Frame(frame) => take_from_lane(live, index, windows, frame),
        Received::Train(train) => take_train(live, index, windows, train),
    }
}

#[inline]
fn take_from_lane(
    live: &Live,
    lane: u8,
    windows: &Arc<LaneWindows>,
    frame: Frame,
) -> Result<(), End> {
    match frame.header.kind {
        FrameKind::Message => {
            let credit =
                windows.deliver(frame.header.receiver, frame.frame_bytes).map_err(overrun)?;
            if live.association.is_spent() {
                shed(live, frame.header, 1);
                return Ok(());
            }
            if live.bulk_reads.is_clear(lane) {
                // As nearly always: a frame is a dozen words, which are not to be moved there and back.
                return tell(live, frame, Some(credit));
            }
            pass(live, lane, frame, Some(credit))?;
        }
        FrameKind::Credit => windows.forget(frame.header.receiver).map_err(overrun)?,
        FrameKind::Ping | FrameKind::Terminated => pass(live, lane, frame, None)?,
        FrameKind::Announce => {
            let announce: Announce = frame.body().map_err(|cause| malformed(&cause))?;
            let (receiver, bytes) = (frame.header.receiver, announce.frame_bytes as usize);
            let credit = match announce.kind {
                FrameKind::Message => Some(windows.deliver(receiver, bytes).map_err(overrun)?),
                _ => None,
            };
            live.bulk_reads.announce(lane, frame.header, announce, credit)?;
        }
        FrameKind::StreamItem if live.association.is_spent() => shed(live, frame.header, 1),
        _ => tell(live, frame, None)?,
    }
    Ok(())
}

/// Takes tells that came together, and hands them on together unless something that was announced before them is still to
/// come.
fn take_train(
    live: &Live,
    lane: u8,
    windows: &Arc<LaneWindows>,
    mut train: MessageTrain,
) -> Result<(), End> {
    let mut credit =
        windows.deliver_train(train.header.receiver, &train.archives).map_err(overrun)?;
    if live.association.is_spent() {
        shed(live, train.header, train.archives.len());
        return Ok(());
    }
    if live.bulk_reads.is_clear(lane) {
        return live.hub.events.train(&live.association, train, credit).map_err(refused);
    }
    while let Some(frame) = train.next_frame() {
        let credit = credit.part(1, frame.frame_bytes as u64);
        pass(live, lane, frame, Some(credit))?;
    }
    Ok(())
}

/// Hands a frame on, unless something that was announced before it is still to come.
#[inline]
fn pass(
    live: &Live,
    lane: u8,
    frame: Frame,
    credit: Option<odeon_message::Credit>,
) -> Result<(), End> {
    if live.bulk_reads.is_clear(lane) {
        return hand_on(live, frame, credit);
    }
    match live.bulk_reads.pass(lane, frame, credit, || live.association.slabs())? {
        Some((frame, credit)) => hand_on(live, frame, credit),
        None => Ok(()),
    }
}

/// Hands a frame of a lane on, at its place.
#[inline]
pub(crate) fn hand_on(
    live: &Live,
    frame: Frame,
    credit: Option<odeon_message::Credit>,
) -> Result<(), End> {
    match frame.header.kind {
        FrameKind::Ping => pong(live, &frame),
        _ => tell(live, frame, credit),
    }
}

/// Answers a ping: whatever came before it on its stream was handed on.
fn pong(live: &Live, ping: &Frame) -> Result<(), End> {
    let Ping { token } = ping.body().map_err(|cause| malformed(&cause))?;
    live.association.control_body(&live.control, Header::bare(FrameKind::Pong), &Pong { token });
    Ok(())
}

#[inline]
fn tell(live: &Live, frame: Frame, credit: Option<odeon_message::Credit>) -> Result<(), End> {
    live.hub.events.frame(&live.association, frame, credit).map_err(refused)
}

fn refused(cause: PayloadError) -> End {
    match cause {
        PayloadError::Overrun(overrun) => End::protocol(CloseCode::CreditOverrun, &overrun),
        cause => malformed(&cause),
    }
}

/// Reads datagrams until the connection ends.
pub(crate) async fn read_datagrams(live: Rc<Live>) -> Result<Part, End> {
    let from = live.association.peer().id;
    loop {
        let bytes = live.connection.read_datagram().await?;
        if buggify!(0.05) {
            continue;
        }
        Counters::add(&live.association.counters.datagrams_received, 1);
        live.hub.events.datagram(from, bytes);
    }
}
