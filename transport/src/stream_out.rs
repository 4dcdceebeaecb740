//! Outbound streams: batches from the queues into QUIC.
//!
//! A writer sleeps until its queue has something, takes about as much as one write carries and writes that. A lane's
//! stream is opened when its first frame waits, so that an association without messages has none, and before any is
//! taken: what is taken counts as handed, and opening may wait for the peer. Large messages are in `bulk_out.rs`.

use std::{future::poll_fn, rc::Rc, time::Duration};

use bytes::Bytes;
use odeon_env::{Observed, buggify_number};
use odeon_wire::{Close, CloseCode, FrameKind, Header, Preamble};

use crate::{
    association::{Counters, control::Control, lane::Batch},
    carrier::SendStream,
    connection::{End, Live, Part},
};

/// How probable it is in a simulation that a writer is late.
const LATE_CHANCE: f64 = 0.05;

/// Writes one lane until the connection ends, or until it is drained.
pub(crate) async fn write_lane(live: Rc<Live>, index: u8) -> Result<Part, End> {
    let association = &live.association;
    let lane = &association.lanes()[usize::from(index)];
    let write_bytes_max = live.config().batch_bytes_max;
    poll_fn(|cx| lane.poll_frames(cx)).await;
    if !lane.has_frames() {
        return Ok(Part::LaneWriter);
    }
    let mut stream = open_lane(&live, index).await?;
    let _at_once = lane.write_at_once(stream.at_once());
    let is_frames = live.connection.is_frames();
    loop {
        if is_frames {
            // What is written at once is never late, so that what wakes the writer is so more often.
            poll_fn(|cx| lane.poll_frames(cx)).await;
            late(0.5).await;
        } else {
            late(LATE_CHANCE).await;
        }
        let Batch::Bytes { bytes: mut batch, frames, waited } =
            poll_fn(|cx| lane.poll_batch(cx)).await
        else {
            break;
        };
        association.counters.batch(index, frames, batch.len(), waited);
        if let Some(observer) = association.observer() {
            observer.observe(Observed::Written { bytes: &batch });
        }
        // Every frame of the batch begins in the first of these writes, unless a simulation wants shorter ones: all of
        // them count as handed from here on.
        while !batch.is_empty() {
            let bytes_max = buggify_number!(1..200).map_or(write_bytes_max, |bytes| bytes as usize);
            let piece = batch.split_to(batch.len().min(bytes_max));
            let bytes = piece.len();
            let first = live.precedence.first();
            stream.write_chunk(piece).await?;
            drop(first);
            lane.taken(bytes);
            association.counters.wrote(index, bytes);
        }
        // What was written is sent while the next batch grows: without this turn for the others a busy sender would
        // be answered with a write for every few frames.
        if live.connection.sends_later() {
            tokio::task::yield_now().await;
        }
    }
    end_stream(stream).await?;
    Ok(Part::LaneWriter)
}

/// In a simulation a writer is late now and then, and finds more, or credit that waits.
async fn late(chance: f64) {
    if let Some(ms) = buggify_number!(chance, 1..20) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

async fn open_lane(live: &Live, index: u8) -> Result<SendStream, End> {
    let mut stream = live.connection.open_uni().await?;
    stream.write_all(&Preamble::lane(index).encode()).await?;
    Ok(stream)
}

/// Completes when the peer has acknowledged all of it.
pub(crate) async fn end_stream(mut stream: SendStream) -> Result<(), End> {
    if stream.finish() {
        stream.stopped().await;
    }
    Ok(())
}

/// Writes the control stream until the connection ends, or until it is drained.
pub(crate) async fn write_control(live: Rc<Live>, mut stream: SendStream) -> Result<Part, End> {
    let counters = &live.association.counters;
    loop {
        late(LATE_CHANCE).await;
        let Control::Batch { bytes, frames } = poll_fn(|cx| live.control.poll_take(cx)).await
        else {
            break;
        };
        let count = bytes.len() as u64;
        counters.control.batch(frames);
        let first = live.precedence.first();
        stream.write_chunk(Bytes::from(bytes)).await?;
        drop(first);
        Counters::add_alone(&counters.bytes_sent, count);
        Counters::add_alone(&counters.control.bytes_sent, count);
    }
    let mut last = Vec::new();
    let close = Close { code: CloseCode::Stopping, text: "".into() };
    odeon_wire::write_body(
        &mut last,
        Header::bare(FrameKind::Close),
        &close,
        odeon_wire::format::CONTROL_FRAME_BYTES_MAX,
    )
    .expect("a close without text is short and the batch is empty");
    counters.control.batch(1);
    Counters::add_alone(&counters.control.bytes_sent, last.len() as u64);
    stream.write_chunk(Bytes::from(last)).await?;
    end_stream(stream).await?;
    Ok(Part::ControlWriter)
}
