//! The large messages and replies of an association: how many bytes of them wait, and whose streams may begin.
//!
//! The frames themselves stand in their lanes (`lane/large.rs`) until their streams begin, so that a lane that is lost
//! takes them along. What it is: the room that all lanes share, the numbers of bulk streams, and the queue of those that
//! were announced. Who takes them out is `bulk_out.rs`. Locks: a lane's first, then this one's.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use odeon_wire::format::BULK_SENT_MAX;

/// What all lanes of an association share.
#[derive(Debug)]
pub(crate) struct Bulk {
    inner: Mutex<Inner>,
    /// Bytes up to which messages are taken; replies have as much again.
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// The number of the stream that was announced last.
    number: u64,
    bytes: usize,
    frames: usize,
    due: VecDeque<Due>,
    /// A frame was refused for want of room since somebody was last woken.
    was_full: bool,
    draining: bool,
    writer: Option<Waker>,
}

/// An announced frame whose stream may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Due {
    pub(crate) lane: u8,
    pub(crate) number: u64,
    pub(crate) bytes: usize,
}

/// The room that one frame takes; dropping it gives that back.
#[derive(Debug)]
pub(crate) struct BulkRoom {
    bulk: Arc<Bulk>,
    bytes: usize,
}

impl Drop for BulkRoom {
    fn drop(&mut self) {
        let mut inner = self.bulk.lock();
        inner.bytes = inner.bytes.saturating_sub(self.bytes);
        inner.frames = inner.frames.saturating_sub(1);
    }
}

impl Bulk {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), bytes_max })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more frame has room, of any length: the length is known only when it is archived, and then it shall
    /// not have been archived in vain. So the bytes go beyond the bound by one frame at most.
    pub(crate) fn has_room(&self, paid: bool) -> bool {
        let times = if paid { 1 } else { 2 };
        let mut inner = self.lock();
        let has_room = inner.bytes < self.bytes_max.saturating_mul(times)
            && inner.frames < BULK_SENT_MAX * times;
        inner.was_full |= !has_room;
        has_room
    }

    /// Counts a frame, and gives its stream a number. In one lane, under its lock, numbers ascend.
    pub(crate) fn take_room(self: &Arc<Self>, bytes: usize) -> (u64, BulkRoom) {
        let mut inner = self.lock();
        inner.number += 1;
        inner.bytes += bytes;
        inner.frames += 1;
        (inner.number, BulkRoom { bulk: Arc::clone(self), bytes })
    }

    /// Whether somebody found no room and may find some now.
    pub(crate) fn take_was_full(&self) -> bool {
        std::mem::take(&mut self.lock().was_full)
    }

    /// The stream of an announced frame may begin.
    pub(crate) fn push_due(&self, due: Due) {
        let mut inner = self.lock();
        inner.due.push_back(due);
        let writer = inner.writer.take();
        drop(inner);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// The next frame whose stream may begin, if it fits; `None` when nothing more will come. One task polls.
    pub(crate) fn poll_due(
        &self,
        cx: &Context<'_>,
        fits: impl FnOnce(usize) -> bool,
    ) -> Poll<Option<Due>> {
        let mut inner = self.lock();
        match inner.due.front() {
            Some(due) if fits(due.bytes) => Poll::Ready(inner.due.pop_front()),
            None if inner.draining => Poll::Ready(None),
            // One that does not fit is looked at again when a stream has ended.
            _ => {
                inner.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The connection is lost, and the frames with it.
    pub(crate) fn clear(&self) {
        self.lock().due.clear();
    }

    /// Nothing more is announced: the writer ends when nothing is due.
    pub(crate) fn drain(&self) {
        let mut inner = self.lock();
        inner.draining = true;
        let writer = inner.writer.take();
        drop(inner);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Whether frames wait or are being written.
    pub(crate) fn is_busy(&self) -> bool {
        self.lock().frames > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frame_may_go_beyond_the_bound_and_replies_have_as_much_again() {
        let bulk = Bulk::new(100);
        assert!(bulk.has_room(true));
        let (one, first) = bulk.take_room(150);
        assert!(!bulk.has_room(true) && bulk.has_room(false) && bulk.take_was_full());
        let (two, second) = bulk.take_room(60);
        assert!(one < two && !bulk.has_room(false));
        drop(first);
        assert!(bulk.has_room(true) && bulk.is_busy());
        drop(second);
        assert!(!bulk.is_busy());
    }

    #[test]
    fn what_does_not_fit_waits_its_turn() {
        let bulk = Bulk::new(100);
        let mut cx = Context::from_waker(Waker::noop());
        let poll = |cx: &mut Context<'_>, bytes_max| bulk.poll_due(cx, |bytes| bytes <= bytes_max);
        assert!(poll(&mut cx, 10).is_pending());
        let due = |number, bytes| Due { lane: 0, number, bytes };
        bulk.push_due(due(1, 20));
        bulk.push_due(due(2, 5));
        assert!(poll(&mut cx, 10).is_pending(), "none overtakes");
        assert_eq!(poll(&mut cx, 20), Poll::Ready(Some(due(1, 20))));
        bulk.drain();
        assert_eq!(poll(&mut cx, 20), Poll::Ready(Some(due(2, 5))));
        assert_eq!(poll(&mut cx, 20), Poll::Ready(None));
    }
}
