//! Outbound streams: batches from the queues into QUIC.
//!
//! A writer sleeps until its queue has something, takes about as much as one write carries and writes that. A lane's
//! stream is opened when its first frame waits, so that an association without messages has none, and before any is
//! taken: what is taken counts as handed, and opening may wait for the peer.

use std::{future::poll_fn, rc::Rc};

use bytes::Bytes;
use odeon_env::Observed;
use odeon_wire::{Close, CloseCode, FrameKind, Header, Preamble};
use quinn::SendStream;

use crate::{
    association::{Counters, control::Control, lane::Batch},
    connection::{End, Live, Part},
};

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
    while let Batch::Bytes(mut batch) = poll_fn(|cx| lane.poll_batch(cx)).await {
        Counters::add(&association.counters.batches, 1);
        if let Some(observer) = association.observer() {
            observer.observe(Observed::Written { bytes: &batch });
        }
        // Every frame of the batch begins in the first of these writes.
        while !batch.is_empty() {
            let piece = batch.split_to(batch.len().min(write_bytes_max));
            let bytes = piece.len();
            stream.write_chunk(piece).await?;
            lane.taken(bytes);
            Counters::add(&association.counters.bytes_sent, bytes as u64);
        }
        // What was written is sent while the next batch grows: without this turn for the others a busy sender would
        // be answered with a write for every few frames.
        tokio::task::yield_now().await;
    }
    end_stream(stream).await?;
    Ok(Part::LaneWriter)
}

async fn open_lane(live: &Live, index: u8) -> Result<SendStream, End> {
    let mut stream = live.connection.open_uni().await?;
    stream.write_all(&Preamble::lane(index).encode()).await?;
    Ok(stream)
}

/// Completes when the peer has acknowledged all of it.
async fn end_stream(mut stream: SendStream) -> Result<(), End> {
    if stream.finish().is_ok() {
        // Whether the peer took all or lost interest makes no difference now.
        let _ = stream.stopped().await;
    }
    Ok(())
}

/// Writes the control stream until the connection ends, or until it is drained.
pub(crate) async fn write_control(live: Rc<Live>, mut stream: SendStream) -> Result<Part, End> {
    while let Control::Batch(batch) = poll_fn(|cx| live.control.poll_take(cx)).await {
        Counters::add(&live.association.counters.bytes_sent, batch.len() as u64);
        stream.write_chunk(Bytes::from(batch)).await?;
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
    stream.write_chunk(Bytes::from(last)).await?;
    end_stream(stream).await?;
    Ok(Part::ControlWriter)
}
