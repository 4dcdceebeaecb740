//! Large messages and replies of a lane: announced at their place in it, written to streams of their own.
//!
//! A frame is large from `bulk_from_bytes` on, which is known when it is archived. In the lane's buffer no more than
//! that is archived: a longer one is given up there and archived once more in a buffer of its own, without the lane's
//! lock, so that it holds up neither the lane's writer nor other senders. Where the last one of its type on its route was
//! large (`lane/likely.rs`) it is archived there at once. Until its stream begins it waits here, and
//! whatever is asked of its position is said of it, not of what announces it (`odeon_wire`'s `LaneState`).

use std::{ops::Range, sync::atomic::Ordering::Relaxed, task::Waker};

use bytes::Bytes;
use odeon_message::ActorKey;
use odeon_wire::{Announce, FrameKind, FrameWriter, Header, Position, write_body};

use super::{Appended, Inner, Lane, Parcel, Where, refuse};
use crate::association::{
    SendRefused,
    bulk::{BulkRoom, Due},
};

/// Longest frame that announces another: a header and 16 bytes.
const ANNOUNCE_BYTES: usize = 48;

/// When a frame is large, and how long it may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Large {
    pub(crate) from_bytes: usize,
    pub(crate) bytes_max: usize,
}

/// A large frame whose stream has not begun.
#[derive(Debug)]
pub(crate) struct LargeFrame {
    position: Position,
    number: u64,
    is_due: bool,
    bytes: Vec<u8>,
    /// Held until the peer has all of it.
    room: BulkRoom,
}

/// A large frame that was archived, and where its payload is in it.
pub(super) struct Archived {
    bytes: Vec<u8>,
    payload: Range<usize>,
}

impl Lane {
    /// Archives what was large the last time, where a large frame lies. `None` if it is to be pushed as any other: it is
    /// short this time, or there is no room for a large one.
    #[cold]
    pub(super) fn archive_likely(
        &self,
        parcel: &mut Parcel<'_>,
        paid: bool,
    ) -> Result<Option<Archived>, SendRefused> {
        let from_bytes = self.lock().large_from(parcel.header.kind).map(|large| large.from_bytes);
        match self.archive_large(parcel, paid) {
            Ok(archived) if Some(archived.bytes.len()) >= from_bytes => Ok(Some(archived)),
            Ok(Archived { bytes, .. }) => {
                self.batches.put(bytes);
                self.lock().likely.forget(&parcel.header);
                Ok(None)
            }
            // A short one may have room all the same.
            Err(refused) if refused.is_full() => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// Archives a large frame without the lane's lock.
    pub(super) fn archive_large(
        &self,
        parcel: &mut Parcel<'_>,
        paid: bool,
    ) -> Result<Archived, SendRefused> {
        let Parcel { header, extensions, encode } = parcel;
        let large = {
            let mut inner = self.lock();
            inner.check_phase(paid)?;
            inner.check_large(header.receiver, paid)?;
            // The peer is the same for as long as the association lives.
            inner.large_from(header.kind).ok_or(SendRefused::Connecting)?
        };
        let likely = large.from_bytes.max(self.likely_large_bytes.load(Relaxed));
        let mut bytes = self.batches.take_large(likely);
        let mut writer = FrameWriter::begin(&mut bytes, *header, extensions)
            .expect("the buffer is empty, and so aligned");
        let start = writer.payload().len();
        encode(writer.payload())?;
        let payload = start..writer.payload().len();
        writer.finish(large.bytes_max)?;
        Ok(Archived { bytes, payload })
    }

    /// Takes a large frame, and appends what announces it.
    pub(super) fn push_archived<R>(
        &self,
        header: Header,
        archived: Archived,
        paid: bool,
        seen: impl FnOnce(Appended<'_>) -> R,
    ) -> Result<R, SendRefused> {
        let Archived { mut bytes, payload } = archived;
        self.likely_large_bytes.store(bytes.len(), Relaxed);
        // It counts as long as it is, and may have had the buffer of a longer one.
        if bytes.capacity() / 2 > bytes.len() {
            bytes.shrink_to_fit();
        }

        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.check_phase(paid)?;
        let was_empty = inner.pieces.is_empty();
        let position = match inner.append_large(header, bytes, paid) {
            Ok(position) => position,
            Err(refused) => return Err(refuse(guard, was_empty, refused)),
        };
        inner.taken += 1;
        let payload = inner.payload(&Where::Large(payload));
        let result = seen(Appended { position, payload });
        let writer = if was_empty { inner.writer.take() } else { None };
        drop(guard);
        if let Some(writer) = writer {
            writer.wake();
        }
        Ok(result)
    }

    /// Takes a large frame out because its stream begins: from now on it counts as handed. `None` if it was lost.
    pub(crate) fn begin_large(&self, number: u64) -> Option<(Bytes, BulkRoom)> {
        let mut inner = self.lock();
        let at = inner.large.iter().position(|frame| frame.number == number)?;
        let frame = inner.large.remove(at)?;
        let LargeFrame { position, bytes, room, .. } = frame;
        let begins = inner.books.begin(position);
        drop(inner);
        begins.then(|| (self.batches.lend(bytes), room))
    }

    /// There is room for large frames again.
    pub(crate) fn room_again(&self) {
        let mut inner = self.lock();
        if !std::mem::take(&mut inner.was_full) {
            return;
        }
        let wakers = inner.rooms.wake_all();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Inner {
    /// From where on frames of this kind are large; `None` if they never are.
    pub(super) fn large_from(&self, kind: FrameKind) -> Option<Large> {
        self.large_terms.filter(|_| matches!(kind, FrameKind::Message | FrameKind::Reply))
    }

    /// Whether a large frame of any length would be taken, so that it is not archived in vain.
    ///
    /// Of the credit half a window must be left, which is what the longest need; so a frame that is shorter may wait a
    /// little longer than it would have to.
    fn check_large(&mut self, receiver: ActorKey, paid: bool) -> Result<(), SendRefused> {
        if !self.fits(ANNOUNCE_BYTES, paid, false) || !self.bulk.has_room(paid) {
            self.was_full = true;
            return Err(SendRefused::LaneFull);
        }
        if paid && !self.credit.has_room(receiver, usize::MAX) {
            return Err(SendRefused::NoCredit);
        }
        Ok(())
    }

    /// Takes the frame that was written last, from `start` of the open piece on, out of the lane and announces it.
    pub(super) fn detach(
        &mut self,
        start: usize,
        header: Header,
        payload: Range<usize>,
        paid: bool,
    ) -> Result<(Position, Where), SendRefused> {
        let bytes = self.pieces.cut(start);
        let position = self.append_large(header, bytes, paid)?;
        Ok((position, Where::Large(payload.start - start..payload.end - start)))
    }

    fn append_large(
        &mut self,
        header: Header,
        bytes: Vec<u8>,
        paid: bool,
    ) -> Result<Position, SendRefused> {
        self.check_large(header.receiver, paid)?;
        if paid && let Err(refused) = self.credit.try_take(header.receiver, bytes.len()) {
            return Err(self.no_credit(&refused));
        }
        let (number, room) = self.bulk.take_room(bytes.len());
        let frame_bytes = u32::try_from(bytes.len()).expect("a frame has at most 256 MiB");
        let announce = Announce { stream: number, frame_bytes, kind: header.kind };
        let announced = write_body(self.pieces.grow(), header, &announce, ANNOUNCE_BYTES)
            .expect("every frame of a piece is a multiple of 16 long");
        self.pieces.count();
        let position = self.books.write(announced);
        self.books.announce(position);
        self.likely.note(&header);
        self.large.push_back(LargeFrame { position, number, is_due: false, bytes, room });
        Ok(position)
    }

    /// Lets the streams of those begin whose announcements QUIC has taken. Not earlier: a stream that is read only once it
    /// is announced must not take the window that its announcement needs.
    pub(super) fn large_are_due(&mut self) {
        for frame in self.large.iter_mut().filter(|frame| !frame.is_due) {
            if self.books.waiting(frame.position).is_some() {
                break;
            }
            frame.is_due = true;
            let bytes = frame.bytes.len();
            self.bulk.push_due(Due { lane: self.index, number: frame.number, bytes });
        }
    }

    /// Makes a large ask expire whose stream has not begun; `None` if it is no such.
    pub(super) fn expire_large(&mut self, position: Position) -> Option<bool> {
        let frame = self.large.iter_mut().find(|frame| frame.position == position)?;
        Some(odeon_wire::expire(&mut frame.bytes, 0))
    }

    /// The payload that was appended last.
    pub(super) fn payload(&self, at: &Where) -> &[u8] {
        match at {
            Where::Piece(range) => &self.pieces.last()[range.clone()],
            Where::Large(range) => {
                self.large.back().map_or(&[], |frame| &frame.bytes[range.clone()])
            }
        }
    }
}
