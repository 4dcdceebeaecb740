//! A frame that is written on the stack of whoever appends it, where nothing waits before it.
//!
//! Only the frame link of simulations can do that: there a write is a packet, costs no system call, and gains nothing by
//! waiting. The writer sleeps meanwhile; what cannot be written at once wakes it, and so does a part of the rest, because
//! its way is the one that QUIC has. Read `lane.rs` next.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use odeon_env::buggify::is_deferred;

use super::{Inner, Lane};
use crate::association::pieces::Piece;

/// The stream of a lane, for whoever sends.
pub(crate) trait AtOnce: fmt::Debug + Send + Sync {
    /// Writes so many bytes, which `take` gives, unless they had better wait for the writer; whether it did.
    fn write(&self, length: usize, take: &mut dyn FnMut() -> Bytes) -> bool;
}

/// What was written.
#[derive(Debug)]
pub(crate) struct Wrote {
    pub(crate) bytes: usize,
    pub(crate) frames: u64,
    /// How long the first frame waited, if it was measured.
    pub(crate) waited: Option<Duration>,
}

/// The stream is written at once until this is dropped.
pub(crate) struct WritesAtOnce<'a>(&'a Lane);

impl Drop for WritesAtOnce<'_> {
    fn drop(&mut self) {
        self.0.lock().at_once = None;
    }
}

impl Lane {
    /// Lets frames be written at once, as long as the writer waits for the next.
    pub(crate) fn write_at_once(&self, way: Option<Arc<dyn AtOnce>>) -> WritesAtOnce<'_> {
        self.lock().at_once = way;
        WritesAtOnce(self)
    }
}

impl Inner {
    /// Writes what waits, if that is worth it. The writer sleeps, and will find nothing.
    pub(super) fn write_at_once(&mut self) -> Option<Wrote> {
        let way = self.at_once.as_ref()?;
        let is_idle = self.writer.is_some() && self.large.is_empty() && !self.was_full;
        if !is_idle || self.draining || is_deferred() {
            return None;
        }
        let length = self.pieces.last().len();
        let (pieces, books) = (&mut self.pieces, &mut self.books);
        let mut wrote = None;
        let mut take = || {
            let Some(Piece { bytes, frames, since }) = pieces.take() else { return Bytes::new() };
            books.hand(frames, bytes.len());
            books.taken(bytes.len());
            let waited = since.map(|since| since.elapsed());
            wrote = Some(Wrote { bytes: bytes.len(), frames, waited });
            // Under way is no more than is sent, and the memory is used for the next.
            let sent = Bytes::copy_from_slice(&bytes);
            pieces.give_back(bytes);
            sent
        };
        way.write(length, &mut take).then_some(wrote).flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Mutex,
            atomic::{AtomicBool, Ordering},
        },
        task::{Context, Poll, Waker},
    };

    use odeon_message::{ActorKey, AskId, MessageId};
    use odeon_wire::{Extensions, Header, InitialCredit, Position};

    use super::*;
    use crate::association::{
        BatchPool,
        bulk::Bulk,
        lane::{Batch, LaneBounds, Parcel},
    };

    /// What was written, and whether more is taken.
    #[derive(Debug, Default)]
    struct Way(Mutex<Vec<Bytes>>, AtomicBool);

    impl AtOnce for Way {
        fn write(&self, length: usize, take: &mut dyn FnMut() -> Bytes) -> bool {
            let takes = self.1.load(Ordering::Relaxed);
            if takes {
                let bytes = take();
                assert_eq!(bytes.len(), length);
                self.0.lock().unwrap().push(bytes);
            }
            takes
        }
    }

    fn lane() -> Lane {
        let bounds =
            LaneBounds { bytes_max: 1 << 20, write_bytes_max: 4096, bulk_from_bytes: 1 << 16 };
        let lane = Lane::new(0, bounds, Bulk::new(1 << 20), BatchPool::new(1 << 20));
        lane.meet(InitialCredit { messages: 100, bytes: 1 << 20 }, 1 << 20, None, true);
        lane
    }

    /// Appends a message; whether it was written at once.
    fn push(lane: &Lane) -> (Position, bool) {
        let to = ActorKey { slot: 1, generation: 0 };
        let header = Header::message(to, MessageId(3), AskId(1));
        let encode = &mut |out: &mut Vec<u8>| {
            out.extend_from_slice(&[7; 16]);
            Ok(())
        };
        let parcel = Parcel { header, extensions: Extensions::none(), encode };
        let (position, wrote) = lane.push(parcel, true, |appended| appended.position).unwrap();
        (position, wrote.is_some_and(|wrote| (wrote.bytes, wrote.frames) == (48, 1)))
    }

    fn poll(lane: &Lane) -> Option<u64> {
        match lane.poll_batch(&Context::from_waker(Waker::noop())) {
            Poll::Ready(Batch::Bytes { frames, .. }) => Some(frames),
            Poll::Ready(Batch::Drained) | Poll::Pending => None,
        }
    }

    #[test]
    fn a_frame_is_written_at_once_only_while_the_writer_waits() {
        let (lane, way) = (lane(), Arc::<Way>::default());
        way.1.store(true, Ordering::Relaxed);
        let at_once = lane.write_at_once(Some(way.clone()));
        assert!(!push(&lane).1, "the writer is busy with something else");
        assert_eq!((poll(&lane), poll(&lane)), (Some(1), None));
        let (position, wrote) = push(&lane);
        assert!(wrote && lane.handed(position), "nothing waits before it");
        assert_eq!(way.0.lock().unwrap().len(), 1);
        way.1.store(false, Ordering::Relaxed);
        let (position, wrote) = push(&lane);
        assert!(!wrote && !lane.handed(position), "it waits for the writer");
        way.1.store(true, Ordering::Relaxed);
        assert!(!push(&lane).1, "and nothing goes before it");
        assert_eq!((poll(&lane), poll(&lane)), (Some(2), None));
        assert!(push(&lane).1);
        drop(at_once);
        assert!(!push(&lane).1, "the stream has ended");
    }
}
