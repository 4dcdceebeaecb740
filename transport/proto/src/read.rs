//! Stream bytes into frames.
//!
//! A [`FrameReader`] belongs to one stream, after its preamble. It takes chunks as they come, copies them once and
//! hands out frames whose payloads share its slabs. It trusts nothing: every length is checked against its bound
//! before it is used, and memory is made for what has arrived, not for what was promised. Frames go to the
//! transport; read `read/trains.rs` for tells that come together, `body.rs` for the payloads of control frames.

mod trains;

use std::sync::Arc;

use odeon_message::{Payload, Slab};

use crate::{
    Body, Extensions, FrameError, FrameKind, Header, PayloadError, Purpose,
    format::{
        ALIGNMENT, CONTROL_FRAME_BYTES_MAX, FRAME_BYTES_MAX_DEFAULT, FRAME_BYTES_MAX_LEAST,
        FRAME_BYTES_MAX_MOST, HEADER_BYTES, SLAB_BYTES_DEFAULT,
    },
    header::Lengths,
    slab::{SlabPool, SlabShare, Slabs},
};

use trains::Coming;
pub use trains::{MessageTrain, Received};

/// Bounds of a [`FrameReader`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameLimits {
    /// Longest frame that is read, header and padding included; default 1 MiB, kept between 128 KiB and 256 MiB.
    /// On a control stream the bound is 128 KiB whatever this says.
    pub frame_bytes_max: usize,
    /// Up to which size slabs are used again; default 64 KiB, at least 4 KiB.
    pub slab_bytes: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { frame_bytes_max: FRAME_BYTES_MAX_DEFAULT, slab_bytes: SLAB_BYTES_DEFAULT }
    }
}

/// One frame as received.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it is and whom it is for.
    pub header: Header,
    /// What it carries beside the payload.
    pub extensions: Extensions,
    /// The payload without padding, aligned to 16, sharing the reader's slab; past its bound, a copy.
    pub payload: Payload,
    /// Length of the whole frame on the wire: what a message is charged in credit. Of a tell that came in a train, what it
    /// would have been alone.
    pub frame_bytes: usize,
}

impl Frame {
    /// Reads the payload as what the kind of the frame says.
    ///
    /// # Errors
    /// When the frame is of another kind, or its payload is not what the kind carries.
    pub fn body<B: Body>(&self) -> Result<B, PayloadError> {
        if self.header.kind != B::KIND {
            return Err(PayloadError::WrongKind { expected: B::KIND, found: self.header.kind });
        }
        B::decode(self.payload.bytes())
    }
}

/// Cuts the bytes of one stream into frames.
///
/// # Examples
/// Bytes come as the network cuts them; what is whole comes out.
/// ```
/// use odeon_message::{ActorKey, AskId, MessageId};
/// use odeon_wire::{Extensions, FrameLimits, FrameReader, FrameWriter, Header, Purpose};
///
/// let receiver = ActorKey { slot: 7, generation: 1 };
/// let header = Header::message(receiver, MessageId::of("bank/Deposit"), AskId::NONE);
/// let mut batch = Vec::new();
/// let mut frame = FrameWriter::begin(&mut batch, header, &Extensions::default())?;
/// frame.payload().extend_from_slice(b"an archive");
/// assert_eq!(frame.finish(1 << 20)?, 48);
///
/// let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
/// reader.push(&batch[..40]);
/// assert!(reader.next()?.is_none());
/// reader.push(&batch[40..]);
/// let frame = reader.next()?.expect("all of it came");
/// assert_eq!(frame.header, header);
/// assert_eq!(frame.payload.bytes(), b"an archive");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FrameReader {
    purpose: Purpose,
    frame_bytes_max: usize,
    slabs: Slabs,
    /// Length of the frame the unread bytes belong to, as far as it is known.
    need: usize,
    /// What empty payloads share, so that they pin no slab. It has an allocation: without one it would not be aligned.
    empty: Arc<Slab>,
    /// The train whose header was read, and of which tells are still to be taken out.
    coming: Option<Coming>,
    failed: Option<FrameError>,
}

impl FrameReader {
    /// A reader for a stream of this purpose, after its preamble, with slabs that nobody else counts or bounds.
    #[must_use]
    pub fn new(purpose: Purpose, limits: FrameLimits) -> Self {
        let pool = SlabPool::new(limits.slab_bytes);
        Self::sharing(purpose, limits, SlabShare::new(pool, usize::MAX))
    }

    /// A reader whose slabs are an association's, of its endpoint's pool.
    #[must_use]
    pub fn sharing(purpose: Purpose, limits: FrameLimits, share: Arc<SlabShare>) -> Self {
        let frame_bytes_max = match purpose {
            Purpose::Control => CONTROL_FRAME_BYTES_MAX,
            Purpose::Lane | Purpose::Bulk => {
                limits.frame_bytes_max.clamp(FRAME_BYTES_MAX_LEAST, FRAME_BYTES_MAX_MOST)
            }
        };
        Self {
            purpose,
            frame_bytes_max,
            slabs: Slabs::new(limits.slab_bytes.max(4096), share),
            need: HEADER_BYTES,
            empty: Arc::new(Slab::with_capacity(ALIGNMENT)),
            coming: None,
            failed: None,
        }
    }

    /// Says how long the first frame will be, as far as that is known before its header: if nobody uses memory of that length
    /// it is read into that. What is new grows with what has arrived all the same.
    pub fn expect(&mut self, frame_bytes: usize) {
        self.need = frame_bytes;
    }

    /// Takes the next bytes of the stream; any length, any cut.
    ///
    /// All of them are copied. Call [`next`](Self::next) until it has no more before a push when bytes are plenty:
    /// the reader then holds at most one partial frame and one push. After an error bytes are dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() && !bytes.is_empty() {
            self.slabs.append(bytes, self.need);
        }
    }

    /// The next whole frame, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are no frames of version 1. The place in the stream is lost then: every later call returns
    /// the same error, and the connection must be closed.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would end at None; this goes on after a push"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        self.next_as(|frame| frame)
    }

    /// The next whole frame, made into what is asked for where it is made: it is not small, and moved no more than need be.
    #[inline(always)]
    fn next_as<T>(&mut self, make: impl FnOnce(Frame) -> T) -> Result<Option<T>, FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let next = self.cut(make);
        if let Err(error) = &next {
            self.failed = Some(error.clone());
        }
        next
    }

    /// Gives the memory of frames that were taken out back to the pool, if nothing else is in it: nothing is expected soon,
    /// or other readers shall have it. What comes next is given memory again.
    pub fn rest(&mut self) {
        self.slabs.rest();
    }

    /// Tells that the stream has ended.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] if it ended inside a frame, or the error that [`next`](Self::next) returned.
    pub fn end(&self) -> Result<(), FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.slabs.unread().len() {
            0 if self.coming.is_none() => Ok(()),
            have => Err(FrameError::Truncated { have, need: self.need }),
        }
    }

    /// Memory the reader holds itself, in bytes; slabs that only payloads still hold are not counted.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.slabs.held_bytes()
    }

    #[inline(always)]
    fn cut<T>(&mut self, make: impl FnOnce(Frame) -> T) -> Result<Option<T>, FrameError> {
        if self.coming.is_some() {
            return Ok(self.cut_train()?.map(make));
        }
        let unread = self.slabs.unread();
        let Some(head) = unread.first_chunk::<HEADER_BYTES>() else {
            self.need = HEADER_BYTES;
            return Ok(None);
        };
        let (header, lengths) = Header::decode(head, self.purpose, self.frame_bytes_max)?;
        if header.kind == FrameKind::Train {
            self.begin_train(&header, lengths)?;
            return Ok(self.cut_train()?.map(make));
        }
        let Some(bytes) = unread.get(..lengths.frame) else {
            self.need = lengths.frame;
            return Ok(None);
        };
        check_padding(&header, lengths, bytes)?;
        let extensions = if lengths.extensions == 0 {
            Extensions::default()
        } else {
            Extensions::decode(&bytes[HEADER_BYTES..HEADER_BYTES + lengths.extensions])
                .map_err(|source| FrameError::Extension { kind: header.kind, source })?
        };
        let payload = self.payload(lengths);
        self.slabs.consume(lengths.frame);
        self.need = HEADER_BYTES;
        Ok(Some(make(Frame { header, extensions, payload, frame_bytes: lengths.frame })))
    }

    fn payload(&self, lengths: Lengths) -> Payload {
        let start = HEADER_BYTES + lengths.extensions;
        match lengths.payload {
            0 => Payload::new(self.empty.clone(), 0..0).expect("nothing is inside anything"),
            bytes => self.slabs.payload(start..start + bytes),
        }
    }
}

/// What follows the payload is zero.
fn check_padding(header: &Header, lengths: Lengths, bytes: &[u8]) -> Result<(), FrameError> {
    let padding = &bytes[HEADER_BYTES + lengths.extensions + lengths.payload..];
    match padding.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => Err(FrameError::Padding { kind: header.kind }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExtensionError, Ping, Pong, write_body};

    fn ping() -> Vec<u8> {
        let mut out = Vec::new();
        write_body(&mut out, Header::bare(FrameKind::Ping), &Ping { token: 5 }, 1 << 20).unwrap();
        out
    }

    fn control(bytes: &[u8]) -> FrameReader {
        let mut reader = FrameReader::new(Purpose::Control, FrameLimits::default());
        reader.push(bytes);
        reader
    }

    #[test]
    fn an_error_is_final() {
        let mut reader = control(&ping());
        assert!(reader.next().unwrap().is_some());
        reader.push(&[9; 32]);
        let error = reader.next().unwrap_err();
        assert_eq!(error, FrameError::Version { found: 9 });
        reader.push(&ping());
        assert_eq!(reader.next().unwrap_err(), error);
        assert_eq!(reader.end(), Err(error));
    }

    #[test]
    fn padding_is_zero() {
        let mut bytes = ping();
        bytes[47] = 1;
        let error = FrameError::Padding { kind: FrameKind::Ping };
        assert_eq!(control(&bytes).next().unwrap_err(), error);
    }

    #[test]
    fn extensions_are_checked_on_every_kind() {
        let mut bytes = ping();
        bytes[2] = 1;
        bytes.splice(32..32, [0; 16]);
        let source = ExtensionError::Padding;
        let error = FrameError::Extension { kind: FrameKind::Ping, source };
        assert_eq!(control(&bytes).next().unwrap_err(), error);
    }

    #[test]
    fn a_stream_ends_between_frames() {
        let bytes = ping();
        assert_eq!(control(&[]).end(), Ok(()));
        let mut reader = control(&bytes[..10]);
        assert!(reader.next().unwrap().is_none());
        let error = FrameError::Truncated { have: 10, need: 32 };
        assert_eq!(error.to_string(), "the stream ended inside a frame: 10 of 32 bytes came");
        assert_eq!(reader.end(), Err(error));
        reader.push(&bytes[10..40]);
        assert!(reader.next().unwrap().is_none());
        assert_eq!(reader.end(), Err(FrameError::Truncated { have: 40, need: 48 }));
        reader.push(&bytes[40..]);
        assert!(reader.next().unwrap().is_some());
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn bodies_are_read_as_their_kind_only() {
        let frame = control(&ping()).next().unwrap().unwrap();
        assert_eq!(frame.body::<Ping>(), Ok(Ping { token: 5 }));
        let error = PayloadError::WrongKind { expected: FrameKind::Pong, found: FrameKind::Ping };
        assert_eq!(frame.body::<Pong>(), Err(error));
    }

    #[test]
    fn limits_stay_in_their_range() {
        let limits = FrameLimits { frame_bytes_max: 0, slab_bytes: 0 };
        let lane = FrameReader::new(Purpose::Lane, limits);
        assert_eq!(lane.frame_bytes_max, FRAME_BYTES_MAX_LEAST);
        let limits = FrameLimits { frame_bytes_max: usize::MAX, ..limits };
        assert_eq!(FrameReader::new(Purpose::Bulk, limits).frame_bytes_max, FRAME_BYTES_MAX_MOST);
        let control = FrameReader::new(Purpose::Control, limits);
        assert_eq!(control.frame_bytes_max, CONTROL_FRAME_BYTES_MAX);
    }
}
