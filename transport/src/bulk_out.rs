//! Large messages and replies into streams of their own.
//!
//! One task takes what was announced (`association/bulk.rs`) and writes each frame to a stream of its own, as many at once
//! as the peer reads. They stand behind lanes and control stream in two ways: QUIC sends these first, and what is not
//! given to QUIC yet waits while one of those has something to give, because all share one send window.

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    rc::Rc,
    time::Duration,
};

use odeon_env::{Observed, buggify::any_order, buggify_number};
use odeon_wire::{Preamble, Purpose};
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    association::{Counters, bulk::Due},
    connection::{End, Live, Part},
};

/// Below that of lanes, which have quinn's default, 0.
const BULK_PRIORITY: i32 = -1;
/// Bytes that one stream gives to QUIC at once: what a small message may find before it in the send window, of each
/// stream, while that is full.
const WRITE_BYTES_MAX: usize = 32 << 10;
/// How long a stream holds back for lanes and control stream that always have something to give; then it gives one
/// piece, so that it gets on.
const PATIENCE: Duration = Duration::from_millis(100);

/// Which writes of lanes and control stream are under way.
#[derive(Debug, Default)]
pub(crate) struct Precedence {
    writing: Cell<u32>,
    none: Notify,
}

/// A write that goes first.
pub(crate) struct First<'a>(&'a Precedence);

impl Drop for First<'_> {
    fn drop(&mut self) {
        let left = self.0.writing.get() - 1;
        self.0.writing.set(left);
        if left == 0 {
            self.0.none.notify_waiters();
        }
    }
}

impl Precedence {
    /// Goes first until it is dropped.
    pub(crate) fn first(&self) -> First<'_> {
        self.writing.set(self.writing.get() + 1);
        First(self)
    }

    /// Completes when nothing goes first, or after a while.
    async fn last(&self) {
        if self.writing.get() == 0 {
            return;
        }
        let none = async {
            while self.writing.get() > 0 {
                self.none.notified().await;
            }
        };
        // That the time is up is no failure: it has waited long enough.
        let _ = tokio::time::timeout(PATIENCE, none).await;
    }
}

/// Writes large frames until the connection ends, or until the association is drained.
pub(crate) async fn write_bulk(live: Rc<Live>) -> Result<Part, End> {
    let bulk = live.association.bulk();
    let Some(terms) = live.association.bulk_terms() else {
        // Nothing is ever announced to this peer.
        poll_fn(|cx| bulk.poll_due(cx, |_| true)).await;
        return Ok(Part::BulkWriter);
    };
    let mut streams: JoinSet<Result<usize, End>> = JoinSet::new();
    let mut open_bytes = 0_u64;
    let mut is_drained = false;
    loop {
        let has_place = streams.len() < usize::from(terms.streams) && !is_drained;
        let fits = |bytes: usize| open_bytes == 0 || open_bytes + bytes as u64 <= terms.bytes_max();
        let due = async {
            if has_place { poll_fn(|cx| bulk.poll_due(cx, fits)).await } else { pending().await }
        };
        tokio::select! {
            biased;
            Some(ended) = streams.join_next() => {
                open_bytes -= ended.map_err(End::from)?? as u64;
                live.association.bulk_room_again();
            }
            due = due => match due {
                Some(due) => {
                    open_bytes += due.bytes as u64;
                    streams.spawn_local(any_order(Box::pin(write_large(Rc::clone(&live), due))));
                }
                None => is_drained = true,
            },
        }
        if is_drained && streams.is_empty() {
            return Ok(Part::BulkWriter);
        }
    }
}

/// Writes one frame to a stream of its own, and waits until the peer has all of it. Returns the frame's length.
async fn write_large(live: Rc<Live>, due: Due) -> Result<usize, End> {
    if let Some(ms) = buggify_number!(0.1, 1..50) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    // Opening may wait for the peer, and until then the frame is not handed.
    let mut stream = live.connection.open_uni().await?;
    let association = &live.association;
    let lane = &association.lanes()[usize::from(due.lane)];
    let Some((mut bytes, _room)) = lane.begin_large(due.number) else {
        // The association was closed, and its connection is about to be.
        return pending().await;
    };
    // The stream was opened just now: its priority can be set.
    let _ = stream.set_priority(BULK_PRIORITY);
    if let Some(observer) = association.observer() {
        observer.observe(Observed::Written { bytes: &bytes });
    }
    let preamble = Preamble { purpose: Purpose::Bulk, index: due.number };
    stream.write_all(&preamble.encode()).await?;
    // What is given in one turn is sent together, as what a lane gives: packets that are cut apart by the kernel.
    let mut in_turn = 0;
    while !bytes.is_empty() {
        live.precedence.last().await;
        let bytes_max =
            buggify_number!(0.01, 1..200).map_or(WRITE_BYTES_MAX, |bytes| bytes as usize);
        let piece = bytes.split_to(bytes.len().min(bytes_max));
        in_turn += piece.len();
        Counters::add_alone(&association.counters.bytes_sent, piece.len() as u64);
        stream.write_chunk(piece).await?;
        if in_turn >= live.config().batch_bytes_max && live.connection.sends_later() {
            in_turn = 0;
            tokio::task::yield_now().await;
        }
    }
    crate::stream_out::end_stream(stream).await?;
    Ok(due.bytes)
}
