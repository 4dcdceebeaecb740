//! What waits for the control stream of one connection.
//!
//! Any thread appends frames and grants credit; the control writer (`stream_out.rs`) takes all as one batch. Grants
//! are kept apart until then, so that many for one receiver become one. Nothing survives the connection: what the
//! peer must hear when it is up again is said again by whoever knows it. So a frame without room ends the connection
//! at once: the writer may wait for a peer that does not read, and would never notice.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use odeon_message::ActorKey;
use odeon_wire::{
    Body, Credit, CreditTotal, EncodeFrameError, Header,
    format::{CONTROL_FRAME_BYTES_MAX, CREDIT_TOTALS_MAX},
    write_body,
};

use super::SendRefused;

/// The part of the bound that frames which can be spared may fill: an eighth, a thousand probes by default.
const SPARE_PART: usize = 8;

/// The queue of one control stream.
#[derive(Debug)]
pub(crate) struct ControlQueue {
    inner: Mutex<Inner>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    batch: Vec<u8>,
    /// Frames in it, without what a handshake began it with.
    frames: u64,
    /// The newest totals of receivers that grant; bounded by the receivers there are credit windows for.
    grants: BTreeMap<ActorKey, CreditTotal>,
    /// A frame found no room: the connection ends.
    overflown: bool,
    draining: bool,
    writer: Option<Waker>,
}

/// What the control writer finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Bytes to write.
    Batch { bytes: Vec<u8>, frames: u64 },
    /// Nothing waits and nothing more will come.
    Drained,
}

impl ControlQueue {
    /// A queue that starts with `first`, which must be whole frames.
    pub(crate) fn new(first: Vec<u8>, bytes_max: usize) -> Self {
        Self { inner: Mutex::new(Inner { batch: first, ..Inner::default() }), bytes_max }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        let writer = inner.writer.take();
        drop(inner);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Appends the frames that `write` appends. Over the bound nothing is appended, now or later.
    ///
    /// Called through [`Association::append_control`](super::Association::append_control), which resets the connection.
    pub(super) fn push(
        &self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<usize, EncodeFrameError>,
    ) -> Result<(), SendRefused> {
        let mut result = Ok(());
        self.change(|inner| {
            inner.overflown |= inner.batch.len() >= self.bytes_max;
            result = if inner.overflown {
                Err(SendRefused::NotUp)
            } else {
                write(&mut inner.batch).map(|_| inner.frames += 1).map_err(SendRefused::from)
            };
        });
        result
    }

    /// Whether so much waits that what can be spared is not to be appended.
    pub(crate) fn is_busy(&self) -> bool {
        self.lock().batch.len() > self.bytes_max / SPARE_PART
    }

    /// Whether a frame found no room: the peer does not read.
    pub(crate) fn is_overflown(&self) -> bool {
        self.lock().overflown
    }

    /// Grants credit with the next batch.
    pub(crate) fn grant(&self, total: CreditTotal) {
        self.change(|inner| {
            inner.grants.insert(total.receiver, total);
        });
    }

    /// Lets the writer finish the stream once all is written.
    pub(crate) fn drain(&self) {
        self.change(|inner| inner.draining = true);
    }

    /// Takes what waits; one task polls.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Control> {
        let mut inner = self.lock();
        if inner.batch.is_empty() && inner.grants.is_empty() {
            if inner.draining {
                return Poll::Ready(Control::Drained);
            }
            inner.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut batch = std::mem::take(&mut inner.batch);
        let grants = std::mem::take(&mut inner.grants);
        let mut frames = std::mem::take(&mut inner.frames);
        drop(inner);
        let totals: Vec<CreditTotal> = grants.into_values().collect();
        for totals in totals.chunks(CREDIT_TOTALS_MAX) {
            frames += 1;
            let credit = Credit { totals: totals.to_vec() };
            write_body(&mut batch, Header::bare(Credit::KIND), &credit, CONTROL_FRAME_BYTES_MAX)
                .expect("a credit frame has 24 KiB at most and the batch consists of whole frames");
        }
        Poll::Ready(Control::Batch { bytes: batch, frames })
    }
}

#[cfg(test)]
mod tests {
    use odeon_wire::{FrameKind, FrameLimits, FrameReader, Ping, Purpose};

    use super::*;

    fn take(queue: &ControlQueue) -> Poll<Control> {
        queue.poll_take(&mut Context::from_waker(Waker::noop()))
    }

    fn ping(queue: &ControlQueue, token: u64) {
        assert!(try_ping(queue, token).is_ok());
    }

    fn try_ping(queue: &ControlQueue, token: u64) -> Result<(), SendRefused> {
        let header = Header::bare(FrameKind::Ping);
        queue.push(|out| write_body(out, header, &Ping { token }, CONTROL_FRAME_BYTES_MAX))
    }

    #[test]
    fn many_grants_of_a_receiver_become_one() {
        let queue = ControlQueue::new(Vec::new(), 1 << 16);
        assert!(take(&queue).is_pending());
        ping(&queue, 7);
        for messages in [128, 256, 384] {
            let receiver = ActorKey { slot: 3, generation: 1 };
            queue.grant(CreditTotal { receiver, messages, bytes: 1 });
        }
        let Poll::Ready(Control::Batch { bytes, frames }) = take(&queue) else {
            panic!("a batch waits")
        };
        assert_eq!(frames, 2);
        let mut reader = FrameReader::new(Purpose::Control, FrameLimits::default());
        reader.push(&bytes);
        assert_eq!(reader.next().unwrap().unwrap().body::<Ping>().unwrap().token, 7);
        let credit = reader.next().unwrap().unwrap().body::<Credit>().unwrap();
        assert_eq!(credit.totals.iter().map(|total| total.messages).collect::<Vec<_>>(), [384]);
        assert!(reader.next().unwrap().is_none());
        queue.drain();
        assert_eq!(take(&queue), Poll::Ready(Control::Drained));
    }

    #[test]
    fn what_can_be_spared_leaves_room_for_the_rest() {
        let queue = ControlQueue::new(Vec::new(), 480);
        ping(&queue, 1);
        assert!(!queue.is_busy());
        ping(&queue, 2);
        assert!(queue.is_busy());
        assert!(take(&queue).is_ready() && !queue.is_busy());
    }

    #[test]
    fn a_queue_that_went_over_its_bound_takes_nothing_any_more() {
        let queue = ControlQueue::new(Vec::new(), 64);
        (0..2).for_each(|token| ping(&queue, token));
        assert!(!queue.is_overflown());
        assert!(matches!(try_ping(&queue, 2), Err(SendRefused::NotUp)));
        assert!(queue.is_overflown() && take(&queue).is_ready());
        assert!(matches!(try_ping(&queue, 3), Err(SendRefused::NotUp)), "one is missing already");
    }
}
