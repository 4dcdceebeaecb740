//! Tells of one length in one frame: a header for all of them, and their archives behind each other.
//!
//! What it is: what the header of a train says ([`Alikes`]), and the sender's half, [`OpenTrain`]: the frame that a batch
//! ends with, as long as one more tell may join it. A tell becomes a train when another one joins it, so that nobody has to
//! know beforehand how many there will be, and nothing waits for more. What it is NOT: the reading of one, which is
//! `read/trains.rs`.

use odeon_message::{ActorKey, AskId, MessageId};

use crate::{
    FrameError, FrameKind, Header,
    format::{HEADER_BYTES, TRAIN_ARCHIVE_BYTES_MAX, TRAIN_BYTES_MAX, padded},
    header::Lengths,
};

/// Tells of one length behind each other until the next is taken to have it as well.
const EQUAL_LEAST: u8 = 3;

/// How many tells are in a train, and how long each is: what stands in the place of the ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Alikes {
    /// The length of each archive, without its padding.
    pub(crate) bytes: u32,
    /// How many.
    pub(crate) count: u32,
}

impl Alikes {
    /// Reads the header of a train.
    pub(crate) fn of(header: &Header, lengths: Lengths) -> Result<Self, FrameError> {
        let AskId(word) = header.ask;
        let alikes = Self { bytes: word as u32, count: (word >> 32) as u32 };
        let whole = alikes.padded() as u64 * u64::from(alikes.count);
        let is_sound = alikes.bytes > 0
            && alikes.count > 1
            && whole == lengths.payload as u64
            && lengths.extensions == 0;
        match is_sound {
            true => Ok(alikes),
            false => {
                let Self { bytes, count } = alikes;
                Err(FrameError::Train { count, bytes, payload: lengths.payload })
            }
        }
    }

    /// The length of each with its padding.
    pub(crate) fn padded(self) -> usize {
        padded(self.bytes as usize)
    }
}

/// The tell or the train that a batch ends with.
///
/// # Examples
/// ```
/// use odeon_message::{ActorKey, AskId, MessageId};
/// use odeon_wire::{Extensions, FrameWriter, Header, OpenTrain};
///
/// let receiver = ActorKey { slot: 7, generation: 1 };
/// let header = Header::message(receiver, MessageId::of("bank/Deposit"), AskId::NONE);
/// let (mut batch, mut open) = (Vec::new(), OpenTrain::default());
/// for number in 0..10 {
///     if open.takes(header.receiver, header.message) {
///         assert!(open.join(&mut batch, |batch| {
///             batch.extend_from_slice(&[number; 20]);
///             true
///         }));
///         continue;
///     }
///     let start = batch.len();
///     let mut frame = FrameWriter::begin(&mut batch, header, &Extensions::default())?;
///     frame.payload().extend_from_slice(&[number; 20]);
///     frame.finish(1 << 20)?;
///     open.begin(&header, start, 20);
/// }
/// // Three tells alone, of which the last is a train by now, and seven more in it.
/// assert_eq!(batch.len(), 3 * (32 + 32) + 7 * 32);
/// # Ok::<(), odeon_wire::EncodeFrameError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OpenTrain {
    receiver: ActorKey,
    message: MessageId,
    /// Where its header is.
    start: usize,
    bytes: u32,
    /// The same with what is behind it.
    padded: u32,
    count: u32,
    /// How many tells of that length came behind each other, up to [`EQUAL_LEAST`].
    equal: u8,
}

impl Default for OpenTrain {
    fn default() -> Self {
        let (receiver, message) = (ActorKey { slot: 0, generation: 0 }, MessageId(0));
        Self { receiver, message, start: 0, bytes: 0, padded: 0, count: 0, equal: 0 }
    }
}

impl OpenTrain {
    /// The batch ends with this tell from now on, which has no ask and no extensions.
    pub fn begin(&mut self, header: &Header, start: usize, payload_bytes: usize) {
        let bytes = match payload_bytes {
            1..=TRAIN_ARCHIVE_BYTES_MAX => payload_bytes as u32,
            _ => 0,
        };
        let same = self.receiver == header.receiver
            && self.message == header.message
            && self.bytes == bytes
            && bytes > 0;
        let equal = if same { self.equal.saturating_add(1).min(EQUAL_LEAST) } else { 1 };
        let (receiver, message) = (header.receiver, header.message);
        let padded = padded(bytes as usize) as u32;
        *self = Self { receiver, message, start, bytes, padded, count: 1, equal };
    }

    /// The batch ends with something else, or is another one: nothing joins what it ended with.
    pub fn end(&mut self) {
        self.count = 0;
    }

    /// Whether another tell of this type to this actor is likely to be alike, and there is room for it: then its archive is
    /// to be appended without a header.
    #[must_use]
    #[inline]
    pub fn takes(&self, receiver: ActorKey, message: MessageId) -> bool {
        self.count > 0
            && self.equal >= EQUAL_LEAST
            && self.receiver == receiver
            && self.message == message
            && (self.count as usize + 1) * self.padded_bytes() <= TRAIN_BYTES_MAX
    }

    /// The length of the archive of one of them.
    #[must_use]
    #[inline]
    pub fn archive_bytes(&self) -> usize {
        self.bytes as usize
    }

    /// The length of one of them with its padding.
    #[must_use]
    #[inline]
    pub fn padded_bytes(&self) -> usize {
        self.padded as usize
    }

    /// What one of them is charged in credit: as much as if it had come alone.
    #[must_use]
    #[inline]
    pub fn charged_bytes(&self) -> usize {
        HEADER_BYTES + self.padded_bytes()
    }

    /// Has another tell appended and takes it into the frame. False if it was not appended, or is not alike after all: then
    /// the batch is as it was, and the tell is to be appended as a frame.
    #[inline]
    pub fn join(&mut self, batch: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let (bytes, padded, count) = (self.bytes as usize, self.padded_bytes(), self.count + 1);
        let archive = batch.len();
        let batch = Joining { batch, whole: archive };
        let appended = append(&mut *batch.batch);
        if !appended || batch.batch.len() != archive + bytes {
            self.equal = 0;
            return false;
        }
        if padded != bytes {
            batch.batch.resize(archive + padded, 0);
        }
        let header = batch.batch.get_mut(self.start..).and_then(|rest| rest.first_chunk_mut());
        let Some(header) = header else { return false };
        write_alikes(header, self.bytes, count, count * padded as u32);
        self.count = count;
        batch.keep(archive + padded);
        true
    }
}

/// A batch that is as long as it was if what is appended does not stay, or panics.
struct Joining<'a> {
    batch: &'a mut Vec<u8>,
    whole: usize,
}

impl Joining<'_> {
    fn keep(mut self, whole: usize) {
        self.whole = whole;
    }
}

impl Drop for Joining<'_> {
    #[inline]
    fn drop(&mut self) {
        self.batch.truncate(self.whole);
    }
}

/// Makes a header that of a train.
#[inline]
fn write_alikes(header: &mut [u8; HEADER_BYTES], bytes: u32, count: u32, payload: u32) {
    header[1] = FrameKind::Train as u8;
    header[4..8].copy_from_slice(&payload.to_le_bytes());
    header[24..28].copy_from_slice(&bytes.to_le_bytes());
    header[28..32].copy_from_slice(&count.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::{Extensions, FrameLimits, FrameReader, FrameWriter, Purpose};

    const A: ActorKey = ActorKey { slot: 1, generation: 2 };

    /// Appends tells of these lengths to one actor as a lane does; how many frames they became.
    fn append(batch: &mut Vec<u8>, open: &mut OpenTrain, lengths: &[usize]) -> usize {
        let header = Header::message(A, MessageId(3), AskId::NONE);
        let mut frames = 0;
        for length in lengths {
            let archive = vec![*length as u8; *length];
            let start = batch.len();
            let append = |batch: &mut Vec<u8>| {
                batch.extend_from_slice(&archive);
                true
            };
            if open.takes(A, MessageId(3)) && open.join(batch, append) {
                continue;
            }
            let mut frame = FrameWriter::begin(batch, header, &Extensions::default()).unwrap();
            frame.payload().extend_from_slice(&archive);
            frame.finish(1 << 20).unwrap();
            open.begin(&header, start, *length);
            frames += 1;
        }
        frames
    }

    fn read(batch: &[u8]) -> Vec<usize> {
        let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
        reader.push(batch);
        let mut lengths = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            let length = frame.payload.len();
            assert_eq!(frame.header, Header::message(A, MessageId(3), AskId::NONE));
            assert_eq!(frame.payload.bytes(), vec![length as u8; length]);
            assert_eq!(frame.frame_bytes, 32 + padded(length));
            lengths.push(length);
        }
        reader.end().unwrap();
        lengths
    }

    #[test]
    fn tells_that_are_alike_become_a_train_and_others_do_not() {
        for (lengths, frames) in [
            (vec![20; 10], 3),
            (vec![16; 4], 3),
            (vec![20, 20, 20, 21, 20, 20, 20, 20], 7),
            (vec![20, 21, 20, 21, 20], 5),
            (vec![TRAIN_ARCHIVE_BYTES_MAX; 5], 3),
            (vec![TRAIN_ARCHIVE_BYTES_MAX + 1; 5], 5),
            (vec![0; 5], 5),
        ] {
            let (mut batch, mut open) = (Vec::new(), OpenTrain::default());
            assert_eq!(append(&mut batch, &mut open, &lengths), frames, "{lengths:?}");
            assert_eq!(read(&batch), lengths);
        }
    }

    #[test]
    fn a_train_has_an_end() {
        let (mut batch, mut open) = (Vec::new(), OpenTrain::default());
        let many = vec![1000; 3 * TRAIN_BYTES_MAX / 1008];
        let frames = append(&mut batch, &mut open, &many);
        assert_eq!((frames, read(&batch)), (5, many));
        open.end();
        assert!(!open.takes(A, MessageId(3)), "the batch is another one");
        assert_eq!(append(&mut Vec::new(), &mut open, &[1000; 4]), 1, "they are expected alike");
    }

    #[test]
    fn what_does_not_stay_leaves_no_trace() {
        let (mut batch, mut open) = (Vec::new(), OpenTrain::default());
        append(&mut batch, &mut open, &[20; 5]);
        let before = batch.clone();
        let joined = catch_unwind(AssertUnwindSafe(|| {
            open.join(&mut batch, |batch| {
                batch.push(1);
                panic!("a value that panics while it is archived")
            })
        }));
        assert!(joined.is_err());
        assert_eq!(batch, before);
        assert!(open.takes(A, MessageId(3)));
        let refused = open.join(&mut batch, |batch| {
            batch.push(1);
            false
        });
        assert!(!refused && batch == before);
        assert!(!open.takes(A, MessageId(3)), "it is not tried again at once");
        append(&mut batch, &mut open, &[20]);
        assert_eq!(read(&batch), [20; 6]);
    }

    #[test]
    fn only_the_same_actor_and_type_join() {
        let mut open = OpenTrain::default();
        append(&mut Vec::new(), &mut open, &[20; 3]);
        assert!(open.takes(A, MessageId(3)));
        assert!(
            !open.takes(ActorKey { slot: 2, ..A }, MessageId(3)) && !open.takes(A, MessageId(4))
        );
    }
}
