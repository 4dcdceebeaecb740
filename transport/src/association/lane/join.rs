//! A tell that joins the train at the end of a lane: the short way of what busy senders send most.
//!
//! Whatever is not as the tells before it, finds no room or no credit, or cannot be archived is left to
//! [`push`](Lane::push), which says why. Here the frame that the lane ends with waits already, so nobody has to be woken.

use odeon_message::{ActorKey, EncodeError, MessageId, archive_within};
use odeon_wire::{Position, format::TRAIN_ARCHIVE_BYTES_MAX};

use super::{Appended, Inner, Lane, Phase};

impl Lane {
    /// Appends a tell without extensions and tells `seen` of it; `None` if it is to be pushed.
    #[inline]
    pub(crate) fn join(
        &self,
        receiver: ActorKey,
        message: MessageId,
        encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
        seen: impl FnOnce(Appended<'_>),
    ) -> Option<Position> {
        let mut inner = self.lock();
        if !matches!(inner.phase, Phase::Open) {
            return None;
        }
        inner.join(receiver, message, encode, seen)
    }
}

impl Inner {
    #[inline]
    fn join(
        &mut self,
        receiver: ActorKey,
        message: MessageId,
        encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
        seen: impl FnOnce(Appended<'_>),
    ) -> Option<Position> {
        let (train, batch) = self.pieces.train(receiver, message)?;
        let (bytes, padded, charged) =
            (train.archive_bytes(), train.padded_bytes(), train.charged_bytes());
        if self.books.bytes() + padded > self.bytes_max {
            return None;
        }
        let room = self.credit.room(receiver, charged)?;
        let start = batch.len();
        let append = |batch: &mut Vec<u8>| {
            archive_within(TRAIN_ARCHIVE_BYTES_MAX, || encode(batch)).0.is_ok()
        };
        if !train.join(batch, append) {
            return None;
        }
        room.take();
        self.pieces.count();
        self.taken += 1;
        let position = self.books.write(padded);
        let payload = self.pieces.last().get(start..start + bytes).unwrap_or_default();
        seen(Appended { position, payload });
        Some(position)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        task::{Context, Poll, Waker},
        time::Duration,
    };

    use bytes::Bytes;
    use odeon_message::AskId;
    use odeon_wire::{
        Extensions, FrameLimits, FrameReader, Header, InitialCredit, Purpose, Received,
    };

    use super::*;
    use crate::association::{
        BatchPool, SendRefused,
        bulk::Bulk,
        lane::{Batch, LaneBounds, Parcel},
    };

    const TO: ActorKey = ActorKey { slot: 1, generation: 0 };
    const TELL: MessageId = MessageId(3);

    fn lane(bytes_max: usize, messages: u32) -> Lane {
        let bounds = LaneBounds { bytes_max, write_bytes_max: 4096, bulk_from_bytes: 1 << 16 };
        let lane = Lane::new(0, bounds, Bulk::new(1 << 20), BatchPool::new(1 << 20));
        lane.meet(InitialCredit { messages, bytes: 1 << 20 }, 1 << 20, None, true);
        lane
    }

    fn join(lane: &Lane, bytes: usize) -> Option<Position> {
        let encode = &mut |out: &mut Vec<u8>| {
            out.resize(out.len() + bytes, 7);
            Ok(())
        };
        lane.join(TO, TELL, encode, |appended| assert_eq!(appended.payload, vec![7; bytes]))
    }

    fn push(lane: &Lane, ask: AskId, bytes: usize) -> Result<Position, SendRefused> {
        let extensions = match ask {
            AskId::NONE => Extensions::default(),
            _ => Extensions::remaining(Some(Duration::from_secs(1))),
        };
        let encode = &mut |out: &mut Vec<u8>| {
            out.resize(out.len() + bytes, 7);
            Ok(())
        };
        let header = Header::message(TO, TELL, ask);
        let parcel = Parcel { header, extensions: &extensions, encode };
        lane.push(parcel, true, |appended| appended.position).map(|(position, _)| position)
    }

    /// As an association tells.
    fn tell(lane: &Lane, bytes: usize) -> Result<Position, SendRefused> {
        join(lane, bytes).map_or_else(|| push(lane, AskId::NONE, bytes), Ok)
    }

    fn batch(lane: &Lane) -> Option<(Bytes, u64)> {
        match lane.poll_batch(&Context::from_waker(Waker::noop())) {
            Poll::Ready(Batch::Bytes { bytes, frames, .. }) => Some((bytes, frames)),
            Poll::Ready(Batch::Drained) | Poll::Pending => None,
        }
    }

    /// The lengths of tells that come together.
    fn read(bytes: &[u8]) -> Vec<u32> {
        let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
        reader.push(bytes);
        let mut counts = Vec::new();
        while let Some(received) = reader.next_or_train().unwrap() {
            counts.push(match received {
                Received::Frame(_) => 1,
                Received::Train(train) => train.archives.len(),
            });
        }
        reader.end().unwrap();
        counts
    }

    #[test]
    fn tells_that_are_alike_share_a_header_and_count_one_by_one() {
        let lane = lane(1 << 20, 100);
        assert!(join(&lane, 20).is_none(), "nothing waits that it could join");
        let positions: Vec<Position> = (0..10).map(|_| tell(&lane, 20).unwrap()).collect();
        assert!(positions.is_sorted() && !lane.handed(positions[3]));
        assert_eq!(lane.waiting().bytes, 3 * 64 + 7 * 32);
        let (bytes, frames) = batch(&lane).unwrap();
        assert_eq!((bytes.len(), frames, read(&bytes)), (3 * 64 + 7 * 32, 10, vec![2, 8]));
        assert!(positions.iter().all(|position| lane.handed(*position)));
        assert_eq!(lane.frames_taken(), 10);
        lane.taken(bytes.len());
        assert!(join(&lane, 20).is_none(), "what was taken is not joined");
        assert_eq!(lane.waiting().bytes, 0);
    }

    #[test]
    fn what_is_not_alike_or_has_no_room_is_pushed() {
        let lane = lane(400, 9);
        assert!((0..4).all(|_| tell(&lane, 20).is_ok()));
        assert!(join(&lane, 21).is_none() && join(&lane, 20).is_none(), "it is not tried again");
        assert!((0..2).all(|_| tell(&lane, 30).is_ok()));
        assert_eq!(lane.waiting().bytes, 3 * 64 + 32 + 2 * 64);
        assert!(matches!(tell(&lane, 30), Err(SendRefused::LaneFull)));
        let (bytes, frames) = batch(&lane).unwrap();
        assert_eq!((frames, read(&bytes)), (6, vec![2, 2, 2]));
        lane.taken(bytes.len());
        assert!((0..3).all(|_| tell(&lane, 30).is_ok()));
        assert!(join(&lane, 30).is_none(), "the credit is used");
        assert!(matches!(tell(&lane, 30), Err(SendRefused::NoCredit)));
    }

    #[test]
    fn an_ask_behind_a_train_is_withdrawn_and_tells_are_not() {
        let lane = lane(1 << 20, 100);
        let tells: Vec<Position> = (0..6).map(|_| tell(&lane, 20).unwrap()).collect();
        let ask = push(&lane, AskId(5), 20).unwrap();
        let after = tell(&lane, 20).unwrap();
        assert!(lane.withdraw(ask), "it is found behind six tells in four frames");
        assert!(!lane.withdraw(tells[5]) && !lane.withdraw(after));
        let (bytes, frames) = batch(&lane).unwrap();
        assert_eq!(frames, 8);
        let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
        reader.push(&bytes);
        let frames = std::iter::from_fn(|| reader.next().unwrap());
        let remaining: Vec<_> = frames.map(|frame| frame.extensions.remaining).collect();
        assert_eq!(remaining.len(), 8);
        assert_eq!(remaining[6], Some(Duration::ZERO));
    }
}
