//! Inbound bulk streams: each brings one large message or reply, which takes the place that a lane announced.
//!
//! A stream is read as it comes, so that its bytes fill no window that others need; a frame has a buffer of its own, one
//! that an earlier frame of about its length has left, or one that grows with the bytes that have arrived. One that the
//! node has no memory for is read to its end, and its bytes are let go. What it is NOT: the order of a lane, which is
//! `odeon_wire`'s [`BulkInbox`]. Frames come from `stream_in.rs`, and go on there.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use odeon_env::buggify_number;
use odeon_message::{ActorKey, Credit};
use odeon_wire::{
    Announce, Announced, Behind, BulkInbox, BulkTerms, CloseCode, Frame, FrameKind, FrameLimits,
    FrameReader, Header, Purpose, SlabShare,
};
use tokio::{sync::Notify, time::Instant};

use crate::{
    association::Counters,
    carrier::RecvStream,
    connection::{End, Live},
    stream_in::{hand_on, lost_reply, shed},
};

/// Pieces taken from QUIC at once.
const PIECES_MAX: usize = 32;

/// A frame that waits, and the credit that it came with.
type Waiting = (Frame, Option<Credit>);

/// The bulk streams that a peer announces and opens, and what waits for them.
pub(crate) struct BulkReads {
    /// One that was not taken has no frame.
    inbox: RefCell<BulkInbox<Option<Waiting>, Option<Credit>>>,
    /// Bytes of incomplete frames, and the most that there may be.
    held_bytes: Cell<u64>,
    held_bytes_max: u64,
    /// When a lane or a bulk stream brought something, while something is waited for.
    heard_at: Cell<Instant>,
    /// Something was announced, or nothing more will be.
    news: Notify,
    lanes: Cell<u32>,
    is_lost: Cell<bool>,
}

/// A lane is being read.
pub(crate) struct LaneRead<'a>(&'a BulkReads);

impl Drop for LaneRead<'_> {
    fn drop(&mut self) {
        self.0.lanes.set(self.0.lanes.get() - 1);
        self.0.news.notify_waiters();
    }
}

fn protocol(cause: &dyn std::fmt::Display) -> End {
    End::protocol(CloseCode::Protocol, cause)
}

impl BulkReads {
    /// `window` is what the peer may send ahead on one connection.
    pub(crate) fn new(terms: BulkTerms, window: u32) -> Self {
        Self {
            inbox: RefCell::new(BulkInbox::new(Some(terms))),
            held_bytes: Cell::new(0),
            // What has arrived in full counts for the peer no more, and may not be read yet.
            held_bytes_max: terms.bytes_max() + u64::from(window),
            heard_at: Cell::new(Instant::now()),
            news: Notify::new(),
            lanes: Cell::new(0),
            is_lost: Cell::new(false),
        }
    }

    /// A lane is read until this is dropped.
    pub(crate) fn lane(&self) -> LaneRead<'_> {
        self.lanes.set(self.lanes.get() + 1);
        LaneRead(self)
    }

    /// The connection is lost: lanes still have what had arrived, and when they are read nothing more is announced.
    pub(crate) fn lost(&self) {
        self.is_lost.set(true);
        self.news.notify_waiters();
    }

    /// Bytes of a lane or of a bulk stream came.
    pub(crate) fn heard(&self) {
        if self.inbox.borrow().is_waiting() {
            self.heard_at.set(Instant::now());
        }
    }

    /// Whether large messages are announced or on their way.
    pub(crate) fn is_waiting(&self) -> bool {
        self.inbox.borrow().is_waiting()
    }

    /// An end if the peer has been silent for too long while it owes something.
    pub(crate) fn silence(&self, max: Duration) -> Option<End> {
        let is_silent = self.inbox.borrow().is_owed() && self.heard_at.get().elapsed() >= max;
        is_silent.then(|| {
            let text = format!("a bulk stream was announced, and nothing came for {max:?}");
            protocol(&text)
        })
    }

    /// Takes the announcement of a frame, with the credit that it took.
    pub(crate) fn announce(
        &self,
        lane: u8,
        header: Header,
        announce: Announce,
        credit: Option<Credit>,
    ) -> Result<(), End> {
        let mut inbox = self.inbox.borrow_mut();
        if !inbox.is_owed() {
            self.heard_at.set(Instant::now());
        }
        inbox.announce(lane, header, announce, credit).map_err(|cause| protocol(&cause))?;
        self.news.notify_waiters();
        Ok(())
    }

    /// Whether nothing that a lane has announced is still to come.
    pub(crate) fn is_clear(&self, lane: u8) -> bool {
        self.inbox.borrow().is_clear(lane)
    }

    /// Lets a frame of a lane pass, or keeps it, in memory of these slabs, until what was announced before it is there.
    pub(crate) fn pass(
        &self,
        lane: u8,
        mut frame: Frame,
        credit: Option<Credit>,
        slabs: impl FnOnce() -> Arc<SlabShare>,
    ) -> Result<Option<Waiting>, End> {
        if self.is_clear(lane) {
            return Ok(Some((frame, credit)));
        }
        let nobody = ActorKey { slot: 0, generation: 0 };
        let behind = match frame.header.kind {
            FrameKind::Ping => Behind::All,
            // Nobody's messages can be before it.
            FrameKind::Terminated if frame.header.receiver == nobody => {
                return Ok(Some((frame, credit)));
            }
            _ => Behind::Receiver(frame.header.receiver),
        };
        let mut inbox = self.inbox.borrow_mut();
        if !inbox.waits(lane, behind) {
            return Ok(Some((frame, credit)));
        }
        if !frame.payload.is_empty() {
            // The slab that it shares with others is not to be held by it.
            frame.payload = frame.payload.alone(|bytes| slabs().copy(bytes));
        }
        let is_notice = frame.header.kind != FrameKind::Message;
        let passed = inbox.pass(lane, behind, is_notice, Some((frame, credit)));
        passed.map(Option::flatten).map_err(|cause| protocol(&cause))
    }

    /// Waits until a stream that was opened is announced as well.
    async fn announced(&self, number: u64, max: Duration) -> Result<Announced, End> {
        let announced = async {
            loop {
                let news = self.news.notified();
                if let Some(announced) = self.inbox.borrow().announced(number) {
                    return Some(announced);
                }
                if self.is_lost.get() && self.lanes.get() == 0 {
                    return None;
                }
                news.await;
            }
        };
        match tokio::time::timeout(max, announced).await {
            Ok(Some(announced)) => Ok(announced),
            Ok(None) => Err(End::lost()),
            Err(_) => {
                Err(protocol(&format!("bulk stream {number} was not announced within {max:?}")))
            }
        }
    }

    fn hold(&self, bytes: u64) -> Result<(), End> {
        self.held_bytes.set(self.held_bytes.get() + bytes);
        if self.held_bytes.get() > self.held_bytes_max {
            let max = self.held_bytes_max;
            return Err(protocol(&format!("more than {max} bytes are on open bulk streams")));
        }
        Ok(())
    }
}

/// Bytes of one frame that is not complete; they are no longer held when it is dropped.
struct HeldBytes<'a> {
    reads: &'a BulkReads,
    bytes: u64,
}

impl Drop for HeldBytes<'_> {
    fn drop(&mut self) {
        self.reads.held_bytes.set(self.reads.held_bytes.get() - self.bytes);
    }
}

/// Reads a bulk stream to its end, and hands on what waited for it.
pub(crate) async fn read_bulk(live: &Live, stream: RecvStream, number: u64) -> Result<(), End> {
    let reads = &live.bulk_reads;
    reads.inbox.borrow_mut().open(number).map_err(|cause| protocol(&cause))?;
    // An unread stream fills no more than its own window until then, and lanes are never behind it.
    let announced = reads.announced(number, live.config().bulk_silence).await?;
    let (announced_header, frame_bytes) = (announced.header, announced.frame_bytes);
    let received = receive(live, stream, number, announced).await?;
    let association = &live.association;
    Counters::add_alone(&association.counters.frames_received, 1);
    let header = received.as_ref().map_or(announced_header, |frame| frame.header);
    let frame = match received {
        Some(frame) => {
            association.observe(true, frame.header, frame.payload.bytes());
            Some(frame)
        }
        None if header.kind == FrameKind::Reply => Some(lost_reply(live, header, frame_bytes)),
        None => {
            shed(live, header, 1);
            None
        }
    };
    let frame_bytes = frame.as_ref().map_or(frame_bytes, |frame| frame.frame_bytes);
    let make = |credit| frame.map(|frame| (frame, credit));
    let completed = reads.inbox.borrow_mut().complete(number, &header, frame_bytes, make);
    for (frame, credit) in completed.map_err(|cause| protocol(&cause))?.into_iter().flatten() {
        hand_on(live, frame, credit)?;
    }
    Ok(())
}

/// The frame that comes on a stream; `None` where there is no memory for it.
async fn receive(
    live: &Live,
    mut stream: RecvStream,
    number: u64,
    announced: Announced,
) -> Result<Option<Frame>, End> {
    let malformed = |cause: &dyn std::fmt::Display| {
        let text = format!("bulk stream {number}: {cause}");
        End::protocol(CloseCode::Malformed, &text)
    };
    let frame_bytes = announced.frame_bytes;
    let limits = FrameLimits { frame_bytes_max: frame_bytes, ..FrameLimits::default() };
    let slabs = live.association.bulk_slabs();
    let mut reader = FrameReader::sharing(Purpose::Bulk, limits, slabs);
    reader.expect(frame_bytes);
    let mut reader = Some(reader);
    let mut held = HeldBytes { reads: &live.bulk_reads, bytes: 0 };
    let mut pieces: [Bytes; PIECES_MAX] = Default::default();
    let mut complete = None;
    while let Some(count) = stream.read_chunks(&mut pieces).await? {
        let mut received = 0;
        for piece in &mut pieces[..count] {
            let piece = std::mem::take(piece);
            received += piece.len();
            if let Some(reader) = &mut reader {
                reader.push(&piece);
            }
        }
        Counters::add_alone(&live.association.counters.bytes_received, received as u64);
        held.bytes += received as u64;
        live.bulk_reads.hold(received as u64)?;
        if held.bytes > frame_bytes as u64 {
            let text = format!("it is longer than the {frame_bytes} bytes that were announced");
            return Err(malformed(&text));
        }
        if complete.is_none() && live.association.is_spent() {
            // What has come of it is let go, and what comes is not kept.
            reader = None;
        }
        if let Some(reader) = &mut reader
            && let Some(frame) = reader.next().map_err(|cause| malformed(&cause))?
        {
            complete = Some(frame);
        }
        live.bulk_reads.heard();
        if let Some(ms) = buggify_number!(0.02, 1..20) {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        // A peer that sends without a pause must not keep the thread from the others.
        tokio::task::coop::consume_budget().await;
    }
    if let Some(reader) = &reader {
        reader.end().map_err(|cause| malformed(&cause))?;
    }
    let is_whole = held.bytes == frame_bytes as u64 && complete.is_some() == reader.is_some();
    if !is_whole {
        return Err(malformed(&format!("it ended after {} of {frame_bytes} bytes", held.bytes)));
    }
    Ok(complete)
}
