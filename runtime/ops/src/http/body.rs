//! The body of an answer: in one piece, with what is held until it is written.
//!
//! hyper takes the piece at once, writes it as the client reads it, and drops this when less than its buffer is left: so a
//! client that reads slowly keeps its place until what is left of its answer fits the buffer, which the system takes as a
//! rule. What it is NOT: a stream.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use super::places::Busy;

/// One piece, and the place that its reader has.
pub(super) struct AnswerBody {
    piece: Full<Bytes>,
    _busy: Option<Busy>,
}

impl AnswerBody {
    pub(super) fn new(piece: Bytes, busy: Option<Busy>) -> Self {
        Self { piece: Full::new(piece), _busy: busy }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.piece).poll_frame(cx)
    }

    // No word of its end before it is asked again: hyper would drop it with all of the piece still to be written.
    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.piece.size_hint()
    }
}
