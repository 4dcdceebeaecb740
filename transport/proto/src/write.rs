//! Frames into a batch.
//!
//! The payload is written straight behind the header, in the caller's buffer: no copy, no allocation. A frame that
//! is not finished, because its payload could not be encoded or encoding panicked, leaves no trace. The batch goes
//! to one write of a stream; read `read.rs` for the other end.

use crate::{
    Body, EncodeFrameError, Extensions, Header,
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
        out.extend_from_slice(&[0; HEADER_BYTES]);
        let mut units = 0;
        if !extensions.is_empty() {
            extensions.encode(out);
            units = (out.len() - start - HEADER_BYTES) / ALIGNMENT;
        }
        let extension_units =
            u8::try_from(units).expect("the known extensions have at most 624 bytes, 39 units");
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
    let header = Header { kind: B::KIND, ..header };
    let mut frame = FrameWriter::begin(out, header, &Extensions::default())?;
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
