//! One outbound lane: frames on their way into a stream, the credit of their receivers, and who waits for either.
//!
//! Any thread appends under the lane's lock, straight into the [pieces](Pieces); the lane's writer (`stream_out.rs`)
//! takes one at a time, right before it writes that to QUIC, and only then its frames count as handed. Between
//! connections the pieces wait. Tells that are alike are appended by a shorter way (`lane/join.rs`). Large messages are in
//! `lane/large.rs`; in a simulation without QUIC the sender may write
//! at once, past the writer (`lane/at_once.rs`). What is NOT here: the rules of positions and credit, which are
//! `odeon_wire`'s.

mod at_once;
mod join;
mod large;
mod likely;

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use odeon_message::{ActorKey, AskId, EncodeError, archive_within, planted::Bug};
use odeon_wire::{
    BulkTerms, CreditBook, CreditRefused, CreditTotal, Extensions, FrameKind, FrameWriter,
    GrantError, Header, InitialCredit, LaneState, Position,
    format::{CREDIT_ENTRIES_MAX, HEADER_BYTES},
    write_empty,
};

use super::{
    SendRefused,
    batch_pool::BatchPool,
    bulk::Bulk,
    notice::{NOTICE_BYTES_MAX, NOTICES_BYTES_MAX, is_notice},
    pieces::{Piece, Pieces},
    room::{RoomWaiter, Rooms},
};
use crate::LostReason;

pub(crate) use at_once::{AtOnce, Wrote};
use likely::Likely;

pub(crate) use large::{Large, LargeFrame};

/// Receivers forgotten at once when the book is full, and in one sweep.
const FORGET_MAX: usize = 1024;

/// Which frames a lane takes.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Phase {
    /// Before the first handshake: what the peer grants is not known, so messages are not taken yet.
    Fresh,
    /// All, whether there is a connection or not.
    Open,
    /// None for now: the peer could not be reached for a while.
    Unreachable(LostReason),
    /// What needs no credit: answers, and pings. The peer stops, and is to be asked for nothing more on this connection.
    Hushed,
    /// None any more.
    Closed(LostReason),
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    books: LaneState,
    pieces: Pieces,
    credit: CreditBook,
    window: InitialCredit,
    /// Bytes up to which paid frames are taken; prepaid ones have as much again, notices still more.
    bytes_max: usize,
    /// Longest frame the peer reads.
    frame_bytes_max: usize,
    index: u8,
    /// From where on this side sends frames as large ones, whatever the peer reads.
    bulk_from_bytes: usize,
    /// What is large for this peer; `None` before it is met, and if it reads no bulk streams.
    large_terms: Option<Large>,
    /// Announced in the pieces, in their order.
    large: VecDeque<LargeFrame>,
    likely: Likely,
    bulk: Arc<Bulk>,
    rooms: Rooms,
    /// A frame was refused for want of room in the lane since the writer last made some.
    was_full: bool,
    /// The writer shall finish its stream when nothing waits.
    draining: bool,
    writer: Option<Waker>,
    /// How a piece is written without the writer, while the carrier can and the writer has opened its stream.
    at_once: Option<Arc<dyn AtOnce>>,
    /// Frames that were taken, over all connections.
    taken: u64,
}

/// An outbound lane.
#[derive(Debug)]
pub(crate) struct Lane {
    inner: Mutex<Inner>,
    batches: Arc<BatchPool>,
    /// How long the last large frame was.
    likely_large_bytes: AtomicUsize,
}

/// What to append.
pub(crate) struct Parcel<'a> {
    pub(crate) header: Header,
    pub(crate) extensions: &'a Extensions,
    pub(crate) encode: &'a mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
}

/// What the writer finds.
#[derive(Debug)]
pub(crate) enum Batch {
    /// Bytes that count as handed from now on, how many frames they are, and how long the first waited, if it was
    /// measured.
    Bytes { bytes: Bytes, frames: u64, waited: Option<Duration> },
    /// Nothing waits and nothing more will come.
    Drained,
}

/// Where a payload stands that was just appended.
enum Where {
    /// In the open piece.
    Piece(Range<usize>),
    /// In the newest large frame.
    Large(Range<usize>),
}

/// The bounds of a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneBounds {
    pub(crate) bytes_max: usize,
    pub(crate) write_bytes_max: usize,
    pub(crate) bulk_from_bytes: usize,
}

/// What waits at a lane, and what has waited.
pub(crate) struct Waiting {
    pub(crate) bytes: usize,
    pub(crate) senders: usize,
    /// How often somebody came to wait where nobody did, and for how long somebody waited.
    pub(crate) stalls: (u64, Duration),
}

/// What was appended, for whoever wants to look at it.
pub(crate) struct Appended<'a> {
    pub(crate) position: Position,
    pub(crate) payload: &'a [u8],
}

impl Lane {
    pub(crate) fn new(
        index: u8,
        bounds: LaneBounds,
        bulk: Arc<Bulk>,
        batches: Arc<BatchPool>,
    ) -> Self {
        let LaneBounds { bytes_max, write_bytes_max, bulk_from_bytes } = bounds;
        let window = InitialCredit::default();
        let inner = Inner {
            phase: Phase::Fresh,
            books: LaneState::new(bytes_max.saturating_mul(2)),
            bytes_max,
            pieces: Pieces::new(write_bytes_max, Arc::clone(&batches)),
            credit: CreditBook::new(window, CREDIT_ENTRIES_MAX),
            window,
            frame_bytes_max: odeon_wire::format::FRAME_BYTES_MAX_LEAST,
            index,
            bulk_from_bytes,
            large_terms: None,
            large: VecDeque::new(),
            likely: Likely::default(),
            bulk,
            rooms: Rooms::default(),
            was_full: false,
            draining: false,
            writer: None,
            at_once: None,
            taken: 0,
        };
        Self { inner: Mutex::new(inner), batches, likely_large_bytes: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Encoding runs under the lock and may panic; a frame that was not finished leaves no trace, so the state
        // is sound all the same.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a frame and tells `seen` of it; `paid` ones take credit of their receiver. Also returned is what was written
    /// at once.
    pub(crate) fn push<R>(
        &self,
        parcel: Parcel<'_>,
        paid: bool,
        seen: impl FnOnce(Appended<'_>) -> R,
    ) -> Result<(R, Option<Wrote>), SendRefused> {
        let mut parcel = parcel;
        let mut guard = self.lock();
        if guard.likely.has(&parcel.header) {
            drop(guard);
            if let Some(archived) = self.archive_likely(&mut parcel, paid)? {
                return self
                    .push_archived(parcel.header, archived, paid, seen)
                    .map(|it| (it, None));
            }
            guard = self.lock();
        }
        let inner = &mut *guard;
        inner.check_phase(paid)?;
        let was_empty = inner.pieces.is_empty();
        let result = match inner.large_from(parcel.header.kind) {
            None => inner.append(&mut parcel, paid),
            Some(Large { from_bytes, .. }) => {
                let append = || inner.append(&mut parcel, paid);
                let (result, is_large) = archive_within(from_bytes, append);
                if is_large && result.is_err() {
                    drop(guard);
                    let archived = self.archive_large(&mut parcel, paid)?;
                    return self
                        .push_archived(parcel.header, archived, paid, seen)
                        .map(|it| (it, None));
                }
                result
            }
        };
        let (position, payload) = match result {
            Ok(appended) => appended,
            Err(refused) => return Err(refuse(guard, was_empty, refused)),
        };
        inner.taken += 1;
        let payload = inner.payload(&payload);
        let result = seen(Appended { position, payload });
        let wrote = if was_empty { inner.write_at_once() } else { None };
        let writer = if was_empty && wrote.is_none() { inner.writer.take() } else { None };
        drop(guard);
        if let Some(writer) = writer {
            writer.wake();
        }
        Ok((result, wrote))
    }

    /// Why no message is taken before the peer's hello is known.
    pub(crate) fn unmet(&self) -> SendRefused {
        match &self.lock().phase {
            Phase::Fresh | Phase::Open => SendRefused::Connecting,
            Phase::Hushed => SendRefused::Stopping,
            Phase::Unreachable(why) => SendRefused::Unreachable(why.clone()),
            Phase::Closed(why) => SendRefused::Closed(why.clone()),
        }
    }

    /// The peer's hello is known: messages are taken from now on, and as trains if it reads `trains`; nobody is sent what came
    /// with a revision that it does not speak.
    pub(crate) fn meet(
        &self,
        window: InitialCredit,
        frame_bytes_max: usize,
        bulk: Option<BulkTerms>,
        trains: bool,
    ) {
        let mut inner = self.lock();
        inner.pieces.allow_trains(trains);
        if !matches!(inner.phase, Phase::Closed(_)) {
            inner.phase = Phase::Open;
        }
        if inner.window != window || inner.frame_bytes_max != frame_bytes_max {
            inner.window = window;
            inner.frame_bytes_max = frame_bytes_max;
            inner.credit = CreditBook::new(window, CREDIT_ENTRIES_MAX);
        }
        inner.large_terms = bulk.map(|terms| Large {
            // A peer may read shorter frames in its lanes than is usual.
            from_bytes: inner.bulk_from_bytes.min(frame_bytes_max),
            bytes_max: (terms.frame_bytes_max as usize).max(frame_bytes_max),
        });
        let wakers = inner.rooms.wake_all();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The connection is lost, or waiting is given up: what waits is dropped. Returns how many frames.
    pub(crate) fn lose(&self) -> u64 {
        self.end(None)
    }

    /// Takes nothing until [`reopen`](Self::reopen) or [`meet`](Self::meet).
    pub(crate) fn give_up(&self, why: LostReason) -> u64 {
        self.end(Some(Phase::Unreachable(why)))
    }

    /// Takes nothing any more.
    pub(crate) fn close(&self, why: LostReason) -> u64 {
        self.end(Some(Phase::Closed(why)))
    }

    fn end(&self, phase: Option<Phase>) -> u64 {
        let mut inner = self.lock();
        let dropped = inner.books.lose();
        inner.pieces.clear();
        inner.large.clear();
        inner.credit = CreditBook::new(inner.window, CREDIT_ENTRIES_MAX);
        inner.was_full = false;
        if Bug::FramesOutliveConnection.is_planted() && phase.is_none() {
            let (frames, bytes) = inner.pieces.bring_back();
            // The books ask for all bytes of a piece together.
            for nth in 0..frames {
                inner.books.write(if nth == 0 { bytes } else { 0 });
            }
        }
        inner.at_once = None;
        if let Some(phase) = phase
            && !matches!(inner.phase, Phase::Closed(_))
        {
            inner.phase = phase;
        }
        let wakers = inner.rooms.wake_all();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        dropped
    }

    /// Takes frames again after [`give_up`](Self::give_up); messages only if the peer was met before.
    pub(crate) fn reopen(&self, met: bool) {
        let mut inner = self.lock();
        if matches!(inner.phase, Phase::Unreachable(_)) {
            inner.phase = if met { Phase::Open } else { Phase::Fresh };
        }
    }

    /// Takes nothing any more, but what is there goes out.
    pub(crate) fn drain(&self, why: LostReason) {
        let mut inner = self.lock();
        if !matches!(inner.phase, Phase::Closed(_)) {
            inner.phase = Phase::Closed(why);
        }
        inner.draining = true;
        let writer = inner.writer.take();
        let wakers = inner.rooms.wake_all();
        drop(inner);
        wakers.into_iter().chain(writer).for_each(Waker::wake);
    }

    /// Takes no more messages until there is another connection; what is there goes out, and so do answers.
    pub(crate) fn hush(&self) {
        let mut inner = self.lock();
        if matches!(inner.phase, Phase::Closed(_)) {
            return;
        }
        inner.phase = Phase::Hushed;
        let wakers = inner.rooms.wake_all();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ready when frames wait, or when none will any more.
    pub(crate) fn poll_frames(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.draining || !inner.pieces.is_empty() {
            return Poll::Ready(());
        }
        inner.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes what one write carries and marks it as handed: write it at once. The rest waits on. One task polls.
    pub(crate) fn poll_batch(&self, cx: &Context<'_>) -> Poll<Batch> {
        let mut inner = self.lock();
        let Some(Piece { bytes, frames, since }) = inner.pieces.take() else {
            if inner.draining {
                return Poll::Ready(Batch::Drained);
            }
            inner.writer = Some(cx.waker().clone());
            return Poll::Pending;
        };
        inner.books.hand(frames, bytes.len());
        drop(inner);
        let waited = since.map(|since| since.elapsed());
        Poll::Ready(Batch::Bytes { bytes: self.batches.lend(bytes), frames, waited })
    }

    /// QUIC took this many bytes: there is room again.
    pub(crate) fn taken(&self, bytes: usize) {
        let mut inner = self.lock();
        inner.books.taken(bytes);
        if !inner.large.is_empty() && inner.books.is_written() {
            inner.large_are_due();
        }
        if !inner.was_full {
            return;
        }
        inner.was_full = false;
        let wakers = inner.rooms.wake_all();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A receiver of this lane granted credit.
    pub(crate) fn grant(&self, total: CreditTotal) -> Result<(), GrantError> {
        let mut inner = self.lock();
        if !inner.credit.grant(total)? || inner.rooms.is_empty() {
            return Ok(());
        }
        let count = u64::from(inner.window.messages);
        let wakers = inner.rooms.wake(total.receiver, count);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Forgets the credit of receivers that nothing was sent to for a while, and tells the peer.
    pub(crate) fn sweep(&self) {
        let mut inner = self.lock();
        let was_empty = inner.pieces.is_empty();
        inner.forget_idle();
        let forgot = was_empty && !inner.pieces.is_empty();
        let writer = if forgot { inner.writer.take() } else { None };
        // Whoever found the book full may find room in it now.
        let wakers = if inner.was_full { inner.rooms.wake_all() } else { Vec::new() };
        drop(inner);
        wakers.into_iter().chain(writer).for_each(Waker::wake);
    }

    pub(crate) fn poll_room(
        &self,
        receiver: ActorKey,
        waiter: &mut RoomWaiter,
        cx: &Context<'_>,
    ) -> Poll<()> {
        self.lock().rooms.poll(receiver, waiter, cx.waker())
    }

    pub(crate) fn forget_room(&self, waiter: &mut RoomWaiter) {
        let next = self.lock().rooms.forget(waiter);
        if let Some(next) = next {
            next.wake();
        }
    }

    pub(crate) fn handed(&self, position: Position) -> bool {
        self.lock().books.handed(position)
    }

    /// Sees to it that an ask will not run; true if it never left and never will in a form that runs.
    ///
    /// The frame is found by a walk under the lane's lock: over the pieces, some eighty in a full lane, then over the
    /// headers of one, at most `batch_bytes_max` of them by bytes: 2,400 of the shortest asks, and as long as one write.
    /// Only an ask that is given up before it was handed pays for it. An index would cost every ask, and its memory, to
    /// make a rare thing fast.
    pub(crate) fn withdraw(&self, position: Position) -> bool {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if let Some(expired) = inner.expire_large(position) {
            return expired;
        }
        match inner.books.waiting(position) {
            // One without a remaining time cannot be made to expire: it will go out.
            Some(nth) => inner.pieces.expire(nth),
            None => Bug::CancelledAskRuns.is_planted() || !inner.books.handed(position),
        }
    }

    pub(crate) fn is_lost(&self, position: Position) -> bool {
        self.lock().books.is_lost(position)
    }

    /// Whether frames or callers wait.
    pub(crate) fn is_wanted(&self) -> bool {
        let inner = self.lock();
        !inner.pieces.is_empty() || !inner.rooms.is_empty()
    }

    /// Frames that were taken, over all connections.
    pub(crate) fn frames_taken(&self) -> u64 {
        self.lock().taken
    }

    /// Whether a frame was appended since the connection was last lost.
    pub(crate) fn is_used(&self) -> bool {
        self.lock().books.is_used()
    }

    /// What waits, for whoever looks from outside.
    pub(crate) fn waiting(&self) -> Waiting {
        let inner = self.lock();
        let (senders, stalls) = (inner.rooms.len(), inner.rooms.stalls());
        Waiting { bytes: inner.books.bytes(), senders, stalls }
    }

    /// Whether frames wait.
    pub(crate) fn has_frames(&self) -> bool {
        let inner = self.lock();
        !inner.pieces.is_empty() || !inner.large.is_empty()
    }
}

/// Ends a push that was refused.
fn refuse(mut inner: MutexGuard<'_, Inner>, was_empty: bool, refused: SendRefused) -> SendRefused {
    // Making room in the credit book appends to the batch, and room in it helps whoever waits.
    let forgot = was_empty && !inner.pieces.is_empty();
    inner.was_full |= forgot || matches!(refused, SendRefused::LaneFull);
    let writer = if forgot { inner.writer.take() } else { None };
    drop(inner);
    if let Some(writer) = writer {
        writer.wake();
    }
    refused
}

impl Inner {
    fn check_phase(&self, paid: bool) -> Result<(), SendRefused> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Fresh if !paid => Ok(()),
            Phase::Fresh => Err(SendRefused::Connecting),
            Phase::Hushed if !paid => Ok(()),
            Phase::Hushed => Err(SendRefused::Stopping),
            Phase::Unreachable(why) => Err(SendRefused::Unreachable(why.clone())),
            Phase::Closed(why) => Err(SendRefused::Closed(why.clone())),
        }
    }

    /// Whether a frame of this length has room, one that can wait for it or not. Replies must not be refused because
    /// messages fill the lane, so there is as much room again for what is prepaid, and some more for notices: whoever is
    /// not told that its ask failed or its watched actor ended waits for ever.
    fn fits(&self, frame_bytes: usize, waits: bool, is_notice: bool) -> bool {
        let bytes_max = match (waits, is_notice) {
            (true, _) => self.bytes_max,
            (false, true) if frame_bytes <= NOTICE_BYTES_MAX => {
                self.bytes_max.saturating_mul(2).saturating_add(NOTICES_BYTES_MAX)
            }
            (false, _) => self.bytes_max.saturating_mul(2),
        };
        let bytes = self.books.bytes();
        bytes == 0 || bytes.saturating_add(frame_bytes) <= bytes_max
    }

    /// Returns the frame's position and where its payload is.
    fn append(
        &mut self,
        parcel: &mut Parcel<'_>,
        paid: bool,
    ) -> Result<(Position, Where), SendRefused> {
        let receiver = parcel.header.receiver;
        // Before anything is encoded: most refusals need no more than this.
        let is_notice = is_notice(parcel.header.kind);
        // Items of streams fill what replies must find room in no more than messages do.
        let waits = paid || parcel.header.kind == FrameKind::StreamItem;
        if !self.fits(HEADER_BYTES, waits, is_notice) {
            return Err(SendRefused::LaneFull);
        }
        if paid && !self.credit.has_room(receiver, 1) {
            return Err(SendRefused::NoCredit);
        }
        let large = self.large_from(parcel.header.kind);
        let frame_bytes_max = large.map_or(self.frame_bytes_max, |large| large.bytes_max);
        let out = self.pieces.grow();
        let start = out.len();
        let mut writer = FrameWriter::begin(out, parcel.header, parcel.extensions)
            .expect("every frame of a piece is a multiple of 16 long");
        let payload_start = writer.payload().len();
        (parcel.encode)(writer.payload())?;
        let payload_end = writer.payload().len();
        let frame_bytes = writer.finish(frame_bytes_max)?;
        if large.is_some_and(|large| frame_bytes >= large.from_bytes) {
            let payload = payload_start..payload_end;
            return self.detach(start, parcel.header, payload, paid);
        }
        if !self.fits(frame_bytes, waits, is_notice) {
            self.pieces.truncate(start);
            return Err(SendRefused::LaneFull);
        }
        if paid && let Err(refused) = self.credit.try_take(receiver, frame_bytes) {
            self.pieces.truncate(start);
            return Err(self.no_credit(&refused));
        }
        self.pieces.count();
        if paid && parcel.header.ask == AskId::NONE && payload_start == start + HEADER_BYTES {
            self.pieces.begin_train(&parcel.header, start, payload_end - payload_start);
        }
        Ok((self.books.write(frame_bytes), Where::Piece(payload_start..payload_end)))
    }

    /// What a frame is refused with that found no credit; makes room in the book if that is full.
    fn no_credit(&mut self, refused: &CreditRefused) -> SendRefused {
        if !matches!(refused, CreditRefused::BookFull { .. }) {
            return SendRefused::NoCredit;
        }
        // The frames that say who is forgotten must stand before this one, so it goes with the next try.
        if self.forget_idle() { SendRefused::NoCredit } else { SendRefused::LaneFull }
    }

    /// Returns whether there were any.
    fn forget_idle(&mut self) -> bool {
        let receivers = self.credit.forget_idle(FORGET_MAX);
        let forgot = !receivers.is_empty();
        for receiver in receivers {
            let bytes = write_empty(self.pieces.grow(), Header::forget(receiver))
                .expect("every frame of a piece is a multiple of 16 long");
            self.pieces.count();
            self.books.write(bytes);
        }
        forgot
    }
}
