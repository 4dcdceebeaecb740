//! Frames into a batch.
//!
//! The payload is written straight behind the header, in the caller's buffer: no copy, no allocation. A frame that
//! is not finished, because its payload could not be encoded or encoding panicked, leaves no trace. The batch goes
//! to one write of a stream; read `read.rs` for the other end.

use crate::{
    Body, EncodeFrameError, Extensions, FrameKind, Header,
    format::{ALIGNMENT, HEADER_BYTES, padded},
};

/// One frame being appended to a batch. Dropping it without [`finish`](Self::finish) takes it back.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    out: &'a mut Vec<u8>,
    header: Header,
    start: usize,
    extension_units: u8,
    finished: bool,
}

impl<'a> FrameWriter<'a> {
    /// Appends a header with its extensions; the payload follows.
    ///
    /// # Errors
    /// [`EncodeFrameError::Misaligned`] if the length of `out` is not a multiple of 16.
    pub fn begin(
        out: &'a mut Vec<u8>,
        header: Header,
        extensions: &Extensions,
    ) -> Result<Self, EncodeFrameError> {
        let start = out.len();
        if !start.is_multiple_of(ALIGNMENT) {
            return Err(EncodeFrameError::Misaligned { len: start });
        }
        debug_assert!(header.is_sound(), "the peer would close the connection over {header:?}");
        out.extend_from_slice(&[0; HEADER_BYTES]);
        let mut units = 0;
        if !extensions.is_empty() {
            extensions.encode(out);
            units = (out.len() - start - HEADER_BYTES) / ALIGNMENT;
        }
        let extension_units =
            u8::try_from(units).expect("the known extensions have at most 592 bytes, 37 units");
        Ok(Self { out, header, start, extension_units, finished: false })
    }

    /// The batch: append the payload to it, and only that.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Pads the payload and writes the lengths; returns the length of the whole frame.
    ///
    /// # Errors
    /// [`EncodeFrameError::TooLarge`] if the frame is longer than `frame_bytes_max`, [`EncodeFrameError::Shrunk`] if
    /// the batch was cut; it is then as it was before [`begin`](Self::begin).
    pub fn finish(mut self, frame_bytes_max: usize) -> Result<usize, EncodeFrameError> {
        let payload_start =
            self.start + HEADER_BYTES + usize::from(self.extension_units) * ALIGNMENT;
        let len = self.out.len();
        let Some(payload) = len.checked_sub(payload_start) else {
            return Err(EncodeFrameError::Shrunk { start: payload_start, len });
        };
        let bytes = padded(len) - self.start;
        let too_large = EncodeFrameError::TooLarge { bytes, bytes_max: frame_bytes_max };
        if bytes > frame_bytes_max {
            return Err(too_large);
        }
        let payload = u32::try_from(payload).map_err(|_| too_large)?;
        self.out.resize(self.start + bytes, 0);
        self.out[self.start..self.start + HEADER_BYTES]
            .copy_from_slice(&self.header.encode(self.extension_units, payload));
        self.finished = true;
        Ok(bytes)
    }
}

impl Drop for FrameWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}

/// Appends a frame with a payload of this crate; returns the length of the whole frame.
///
/// `header` names receiver, message and ask where the kind has them; its kind is set from the body.
///
/// # Errors
/// As [`FrameWriter::begin`] and [`FrameWriter::finish`].
pub fn write_body<B: Body>(
    out: &mut Vec<u8>,
    header: Header,
    body: &B,
    frame_bytes_max: usize,
) -> Result<usize, EncodeFrameError> {
    write_extended(out, (header, &Extensions::default()), body, frame_bytes_max)
}

/// As [`write_body`], with extensions.
///
/// # Errors
/// As [`FrameWriter::begin`] and [`FrameWriter::finish`].
pub fn write_extended<B: Body>(
    out: &mut Vec<u8>,
    (header, extensions): (Header, &Extensions),
    body: &B,
    frame_bytes_max: usize,
) -> Result<usize, EncodeFrameError> {
    let header = Header { kind: B::KIND, ..header };
    let mut frame = FrameWriter::begin(out, header, extensions)?;
    body.encode(frame.payload());
    frame.finish(frame_bytes_max)
}

/// Appends a frame without payload: a cancel, or the note that the credit state of a receiver was forgotten.
///
/// # Errors
/// [`EncodeFrameError::Misaligned`] as [`FrameWriter::begin`].
pub fn write_empty(out: &mut Vec<u8>, header: Header) -> Result<usize, EncodeFrameError> {
    FrameWriter::begin(out, header, &Extensions::default())?.finish(HEADER_BYTES)
}

/// Makes an ask that still waits in a batch expire: its remaining time becomes zero, so that its receiver will not
/// run it. `nth` counts the frames of the batch from 0, those of a train each.
///
/// False, and nothing changed, if there is no such frame or it says nothing of a remaining time.
pub fn expire(batch: &mut [u8], mut nth: usize) -> bool {
    let mut start = 0;
    let bytes = loop {
        let rest = &batch[start..];
        let Some(bytes) = frame_bytes(rest) else { return false };
        match nth.checked_sub(messages(rest)) {
            Some(left) => nth = left,
            None => break bytes,
        }
        start += bytes;
    };
    let Some(frame) = batch.get_mut(start..start + bytes) else { return false };
    Extensions::expire(&mut frame[HEADER_BYTES..])
}

/// How many messages the frame is that a batch begins with.
fn messages(batch: &[u8]) -> usize {
    match batch.first_chunk::<HEADER_BYTES>() {
        Some(header) if header[1] == FrameKind::Train as u8 => {
            u32::from_le_bytes([header[28], header[29], header[30], header[31]]) as usize
        }
        _ => 1,
    }
}

/// Length of the whole frame that a batch begins with.
fn frame_bytes(batch: &[u8]) -> Option<usize> {
    let header = batch.first_chunk::<HEADER_BYTES>()?;
    let payload = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    Some(HEADER_BYTES + usize::from(header[2]) * ALIGNMENT + padded(payload))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use odeon_message::{ActorKey, AskId, MessageId};

    use super::*;
    use crate::{Announce, OpenTrain};

    fn tell() -> Header {
        Header::message(ActorKey { slot: 1, generation: 2 }, MessageId(3), AskId::NONE)
    }

    fn begin(out: &mut Vec<u8>) -> FrameWriter<'_> {
        FrameWriter::begin(out, tell(), &Extensions::default()).unwrap()
    }

    #[test]
    fn frames_start_aligned() {
        let mut out = vec![0; 5];
        let error = FrameWriter::begin(&mut out, tell(), &Extensions::default()).unwrap_err();
        assert_eq!(error, EncodeFrameError::Misaligned { len: 5 });
        assert!(error.to_string().contains("5 bytes"));
        assert_eq!(write_empty(&mut out, tell()), Err(error));
        assert_eq!(out, [0; 5]);
    }

    #[test]
    fn what_is_not_finished_leaves_no_trace() {
        let mut out = Vec::new();
        write_empty(&mut out, Header::of_ask(FrameKind::Cancel, AskId(1))).unwrap();
        let before = out.clone();
        begin(&mut out).payload().extend_from_slice(b"half");
        assert_eq!(out, before);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let mut frame = begin(&mut out);
            frame.payload().extend_from_slice(b"half");
            panic!("a value that panics while it is archived");
        }));
        assert!(panic.is_err());
        assert_eq!(out, before);
    }

    #[test]
    fn the_bound_counts_the_whole_frame() {
        let mut out = Vec::new();
        let mut frame = begin(&mut out);
        frame.payload().resize(32 + 17, 1);
        assert_eq!(frame.finish(63), Err(EncodeFrameError::TooLarge { bytes: 64, bytes_max: 63 }));
        assert!(out.is_empty());
        let mut frame = begin(&mut out);
        frame.payload().resize(32 + 17, 1);
        assert_eq!(frame.finish(64), Ok(64));
        assert_eq!(out[49..], [0; 15]);
    }

    #[test]
    fn a_payload_that_eats_its_header_is_refused() {
        let mut out = vec![7; 16];
        let mut frame = begin(&mut out);
        frame.payload().truncate(20);
        let error = frame.finish(1 << 20).unwrap_err();
        assert_eq!(error, EncodeFrameError::Shrunk { start: 48, len: 20 });
        assert_eq!(out, [7; 16]);
    }

    #[test]
    fn the_kind_follows_the_body() {
        let mut out = Vec::new();
        let announce = Announce { stream: 1, frame_bytes: 2, kind: FrameKind::Message };
        let bytes = write_body(&mut out, tell(), &announce, 48).unwrap();
        assert_eq!((bytes, out.len(), out[1]), (48, 48, FrameKind::Announce as u8));
    }

    #[test]
    fn a_waiting_ask_is_made_to_expire() {
        let mut batch = Vec::new();
        let header = Header::message(ActorKey { slot: 1, generation: 0 }, MessageId(2), AskId(3));
        let second = std::time::Duration::from_secs(1);
        for remaining in [None, Some(second), Some(second)] {
            let extensions = Extensions::remaining(remaining);
            let mut frame = FrameWriter::begin(&mut batch, header, &extensions).unwrap();
            frame.payload().extend_from_slice(b"seven b");
            frame.finish(1 << 20).unwrap();
        }
        assert!(!expire(&mut batch, 0), "a tell has no remaining time");
        assert!(expire(&mut batch, 1));
        assert!(!expire(&mut batch, 3), "there is no such frame");
        let mut behind = Vec::new();
        let mut open = OpenTrain::default();
        for nth in 0..9 {
            let start = behind.len();
            if open.takes(tell().receiver, tell().message) {
                let append = |out: &mut Vec<u8>| {
                    out.push(7);
                    true
                };
                assert!(open.join(&mut behind, append), "tell {nth} is alike");
                continue;
            }
            let mut frame = begin(&mut behind);
            frame.payload().push(7);
            frame.finish(1 << 20).unwrap();
            open.begin(&tell(), start, 1);
        }
        behind.extend_from_slice(&batch);
        assert!((0..10).all(|nth| !expire(&mut behind, nth)), "tells have no remaining time");
        assert!(expire(&mut behind, 10) && expire(&mut behind, 11) && !expire(&mut behind, 12));
        let limits = crate::FrameLimits::default();
        let mut reader = crate::FrameReader::new(crate::Purpose::Lane, limits);
        reader.push(&batch);
        let mut read = || reader.next().unwrap().unwrap().extensions.remaining;
        let zero = Some(std::time::Duration::ZERO);
        assert_eq!([read(), read(), read()], [None, zero, Some(second)]);
    }
}
