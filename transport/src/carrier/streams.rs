//! One stream, to send on or to receive from.
//!
//! Read `frames.rs` next.

use std::sync::Arc;

use bytes::Bytes;
use quinn::{ReadError, ReadExactError, WriteError};

use super::frames;
use crate::association::AtOnce;

/// The sending side of a stream.
#[derive(Debug)]
pub(crate) enum SendStream {
    Quic(quinn::SendStream),
    Frames(frames::Stream),
}

impl SendStream {
    /// Streams of a higher priority go first; 0 by default. Frame connections send at once, so there it says nothing.
    pub(crate) fn set_priority(&self, priority: i32) -> Result<(), quinn::ClosedStream> {
        match self {
            Self::Quic(stream) => stream.set_priority(priority),
            Self::Frames(_) => Ok(()),
        }
    }

    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        match self {
            Self::Quic(stream) => stream.write_all(bytes).await,
            Self::Frames(stream) => stream.write(Bytes::copy_from_slice(bytes)).await,
        }
    }

    pub(crate) async fn write_chunk(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        match self {
            Self::Quic(stream) => stream.write_chunk(bytes).await,
            Self::Frames(stream) => stream.write(bytes).await,
        }
    }

    /// A handle that writes on the stack of whoever sends, where the carrier can.
    pub(crate) fn at_once(&self) -> Option<Arc<dyn AtOnce>> {
        match self {
            Self::Quic(_) => None,
            Self::Frames(stream) => Some(stream.at_once()),
        }
    }

    /// Says that nothing more comes; whether that makes sense still.
    pub(crate) fn finish(&mut self) -> bool {
        match self {
            Self::Quic(stream) => stream.finish().is_ok(),
            Self::Frames(stream) => stream.finish(),
        }
    }

    /// Completes when the peer has received all of it, or wants no more, or the connection is lost.
    pub(crate) async fn stopped(&mut self) {
        match self {
            // Whether the peer took all or lost interest makes no difference to anybody here.
            Self::Quic(stream) => drop(stream.stopped().await),
            Self::Frames(stream) => stream.finished().await,
        }
    }
}

/// The receiving side of a stream.
#[derive(Debug)]
pub(crate) enum RecvStream {
    Quic(quinn::RecvStream),
    Frames(frames::Stream),
}

impl RecvStream {
    pub(crate) async fn read_exact(&mut self, out: &mut [u8]) -> Result<(), ReadExactError> {
        match self {
            Self::Quic(stream) => stream.read_exact(out).await,
            Self::Frames(stream) => stream.read_exact(out).await,
        }
    }

    /// The next bytes, about `bytes_max` at most; `None` at the end.
    pub(crate) async fn read_chunk(
        &mut self,
        bytes_max: usize,
    ) -> Result<Option<Bytes>, ReadError> {
        match self {
            Self::Quic(stream) => {
                Ok(stream.read_chunk(bytes_max, true).await?.map(|chunk| chunk.bytes))
            }
            Self::Frames(stream) => {
                let mut piece = [Bytes::new()];
                let count = stream.read_chunks(&mut piece).await?;
                Ok(count.map(|_| std::mem::take(&mut piece[0])))
            }
        }
    }

    /// Fills `pieces` from the front and says how many; `None` at the end.
    pub(crate) async fn read_chunks(
        &mut self,
        pieces: &mut [Bytes],
    ) -> Result<Option<usize>, ReadError> {
        match self {
            Self::Quic(stream) => stream.read_chunks(pieces).await,
            Self::Frames(stream) => stream.read_chunks(pieces).await,
        }
    }
}
