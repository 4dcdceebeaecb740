//! Tells of one type to one actor that came one behind the other, cut as one.
//!
//! What it is: the short way through [`FrameReader`] for what busy senders send most: the tells of a train frame, and frames
//! whose headers differ in their length alone. Of those the first header is decoded as always and the others are compared
//! with it; every length is checked before it is used, and padding is zero. A train frame is read as it comes: a tell whose
//! bytes are there does not wait for the others, and no more than one is ever held. Whatever else comes ends a train and is
//! [`next`](FrameReader::next)'s, errors too. Read `train.rs` for what a train frame says.

use odeon_message::{Alike, AskId, Coupling, Heads, Train};

use super::{Frame, FrameReader};
use crate::{
    Extensions, FrameError, FrameKind, Header, Purpose, format::HEADER_BYTES, format::padded,
    header::Lengths, train::Alikes,
};

/// Where the length of the payload stands in a header.
const LENGTH_AT: usize = 4;

/// What stands before each archive: the header of its frame.
const COUPLING: Coupling = Coupling::Headed(&Heads { bytes: HEADER_BYTES, length: payload_bytes });

fn payload_bytes(header: &[u8]) -> usize {
    let length = header.get(LENGTH_AT..).and_then(|rest| rest.first_chunk());
    length.map_or(0, |length| u32::from_le_bytes(*length) as usize)
}

/// A train frame of which some tells are still to be taken out.
#[derive(Debug)]
pub(super) struct Coming {
    /// The header of each, had it come alone.
    header: Header,
    alikes: Alikes,
    left: u32,
}

/// Two or more tells that have one receiver and one type, from one train frame or from as many frames without extensions.
#[derive(Debug)]
pub struct MessageTrain {
    /// The header of each of them.
    pub header: Header,
    /// Their archives; with the headers, their bytes are what the messages are charged in credit.
    pub archives: Train,
}

impl MessageTrain {
    /// Takes the next of them, as the frame that it came in.
    pub fn next_frame(&mut self) -> Option<Frame> {
        let taken = self.archives.take()?;
        Some(Frame {
            header: self.header,
            extensions: Extensions::default(),
            payload: self.archives.payload_of(&taken),
            frame_bytes: taken.whole_bytes,
        })
    }
}

/// What a reader has next.
#[derive(Debug)]
pub enum Received {
    /// One frame.
    Frame(Frame),
    /// Several that are alike.
    Train(MessageTrain),
}

/// The words of a header that are the same in a train: all but the length.
fn same_words(head: &[u8; HEADER_BYTES]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(head.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words[0] &= u64::from(u32::MAX);
    words
}

impl FrameReader {
    /// As [`next`](Self::next), but tells that are alike and have all arrived come together. A lane alone has such. While
    /// payloads hold more memory than they may there are none, for each is then copied out of its slab.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_or_train(&mut self) -> Result<Option<Received>, FrameError> {
        match self.train() {
            Some(train) => Ok(Some(Received::Train(train))),
            None => self.next_as(Received::Frame),
        }
    }

    fn train(&mut self) -> Option<MessageTrain> {
        // Before the frames are looked at, which would be done again for each of them.
        if self.purpose != Purpose::Lane || self.failed.is_some() || self.slabs.is_full() {
            return None;
        }
        if self.coming.is_some() {
            return self.arrived();
        }
        let unread = self.slabs.unread();
        let first = unread.first_chunk::<HEADER_BYTES>()?;
        if first[1] == FrameKind::Train as u8 {
            let (header, lengths) =
                Header::decode(first, self.purpose, self.frame_bytes_max).ok()?;
            self.begin_train(&header, lengths).ok()?;
            return self.arrived();
        }
        let words = same_words(first);
        let [_, kind, units, ..] = *first;
        // The last word is the ask.
        if kind != FrameKind::Message as u8 || units != 0 || words[3] != 0 {
            return None;
        }
        let (mut end, mut count) = (0, 0);
        while let Some(bytes) = self.alike(&unread[end..], &words) {
            end += bytes;
            count += 1;
        }
        if count < 2 {
            return None;
        }
        let (header, _) = Header::decode(first, self.purpose, self.frame_bytes_max).ok()?;
        let archives = self.slabs.train(end, count, COUPLING)?;
        self.slabs.consume(end);
        self.need = HEADER_BYTES;
        Some(MessageTrain { header, archives })
    }

    /// Takes the header of a train frame off.
    pub(super) fn begin_train(
        &mut self,
        header: &Header,
        lengths: Lengths,
    ) -> Result<(), FrameError> {
        let alikes = Alikes::of(header, lengths)?;
        let header = Header::message(header.receiver, header.message, AskId::NONE);
        self.coming = Some(Coming { header, alikes, left: alikes.count });
        self.slabs.consume(HEADER_BYTES);
        self.need = alikes.padded();
        Ok(())
    }

    /// The next tell of a train frame.
    pub(super) fn cut_train(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(Coming { header, alikes, .. }) = &self.coming else { return Ok(None) };
        let (bytes, whole) = (alikes.bytes as usize, alikes.padded());
        let Some(archive) = self.slabs.unread().get(..whole) else { return Ok(None) };
        if !archive[bytes..].iter().all(|byte| *byte == 0) {
            return Err(FrameError::Padding { kind: FrameKind::Train });
        }
        let (header, payload) = (*header, self.slabs.payload(0..bytes));
        self.took(1, whole);
        let (extensions, frame_bytes) = (Extensions::default(), HEADER_BYTES + whole);
        Ok(Some(Frame { header, extensions, payload, frame_bytes }))
    }

    /// The tells of a train frame that have arrived, if they are more than one.
    fn arrived(&mut self) -> Option<MessageTrain> {
        let Coming { header, alikes, left } = self.coming.as_ref()?;
        let (header, Alikes { bytes, .. }, whole) = (*header, *alikes, alikes.padded());
        let archives = self.slabs.unread().chunks_exact(whole).take(*left as usize);
        let count = match whole - bytes as usize {
            0 => archives.len(),
            _ => {
                archives.take_while(|it| it[bytes as usize..].iter().all(|byte| *byte == 0)).count()
            }
        };
        if count < 2 {
            return None;
        }
        // No more than are left of a train.
        let taken = count as u32;
        let alike = Coupling::Alike(Alike { bytes, beside_bytes: HEADER_BYTES as u32 });
        let archives = self.slabs.train(count * whole, taken, alike)?;
        self.took(taken, count * whole);
        Some(MessageTrain { header, archives })
    }

    /// So many tells of a train frame were taken out.
    fn took(&mut self, count: u32, bytes: usize) {
        self.slabs.consume(bytes);
        let is_last = self.coming.as_mut().is_none_or(|coming| {
            coming.left -= count;
            coming.left == 0
        });
        if is_last {
            self.coming = None;
            self.need = HEADER_BYTES;
        }
    }

    /// The length of the whole frame that these bytes begin with, if it has these words and a payload.
    #[inline(always)]
    fn alike(&self, bytes: &[u8], words: &[u64; 4]) -> Option<usize> {
        let head = bytes.first_chunk::<HEADER_BYTES>()?;
        if same_words(head) != *words {
            return None;
        }
        let payload = payload_bytes(head);
        if payload == 0 || payload > self.frame_bytes_max {
            return None;
        }
        let whole = HEADER_BYTES + padded(payload);
        if whole > self.frame_bytes_max {
            return None;
        }
        let padding = bytes.get(HEADER_BYTES + payload..whole)?;
        padding.iter().all(|byte| *byte == 0).then_some(whole)
    }
}

#[cfg(test)]
mod tests {
    use odeon_message::{ActorKey, MessageId};

    use super::*;
    use crate::{FrameLimits, FrameWriter, SlabPool, SlabShare};

    fn tell(out: &mut Vec<u8>, slot: u32, bytes: usize) {
        let header = Header::message(ActorKey { slot, generation: 0 }, MessageId(7), AskId::NONE);
        let mut frame = FrameWriter::begin(out, header, &Extensions::default()).unwrap();
        frame.payload().extend(std::iter::repeat_n(bytes as u8, bytes));
        frame.finish(1 << 20).unwrap();
    }

    fn reader(bytes: &[u8]) -> FrameReader {
        let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
        reader.push(bytes);
        reader
    }

    fn next(reader: &mut FrameReader) -> Option<(u32, Vec<usize>)> {
        Some(match reader.next_or_train().unwrap()? {
            Received::Frame(frame) => (frame.header.receiver.slot, vec![frame.payload.len()]),
            Received::Train(train) => {
                let lengths = train.archives.iter().map(|taken| taken.bytes());
                (train.header.receiver.slot, lengths.collect())
            }
        })
    }

    #[test]
    fn what_is_alike_comes_together_and_the_rest_alone() {
        let mut bytes = Vec::new();
        for (slot, length) in [(1, 5), (1, 64), (1, 1), (2, 8), (1, 8), (1, 0), (1, 3), (1, 4)] {
            tell(&mut bytes, slot, length);
        }
        let mut reader = reader(&bytes[..bytes.len() - 1]);
        assert_eq!(next(&mut reader), Some((1, vec![5, 64, 1])));
        assert_eq!(next(&mut reader), Some((2, vec![8])));
        assert_eq!(next(&mut reader), Some((1, vec![8])));
        assert_eq!(next(&mut reader), Some((1, vec![0])));
        assert_eq!(next(&mut reader), Some((1, vec![3])));
        assert_eq!(next(&mut reader), None, "a part of the next is missing");
        reader.push(&bytes[bytes.len() - 1..]);
        assert_eq!(next(&mut reader), Some((1, vec![4])));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn frames_of_a_train_are_what_came() {
        let mut bytes = Vec::new();
        (1..9).for_each(|length| tell(&mut bytes, 3, length * 9));
        let mut one = reader(&bytes);
        let Ok(Some(Received::Train(mut train))) = reader(&bytes).next_or_train() else {
            panic!("they are alike")
        };
        assert_eq!(train.archives.whole_bytes(), bytes.len());
        while let Some(alone) = one.next().unwrap() {
            let frame = train.next_frame().unwrap();
            assert_eq!(frame.header, alone.header);
            assert_eq!(frame.payload.bytes(), alone.payload.bytes());
            assert_eq!(frame.frame_bytes, alone.frame_bytes);
        }
        assert!(train.next_frame().is_none());
    }

    #[test]
    fn nonsense_ends_a_train_and_is_an_error_afterwards() {
        let mut good = Vec::new();
        (0..3).for_each(|_| tell(&mut good, 1, 20));
        let whole = good.len() / 3;
        let wrong = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[2 * whole + at] = byte;
            let mut reader = reader(&bytes);
            assert_eq!(next(&mut reader), Some((1, vec![20; 2])));
            reader.next_or_train().unwrap_err()
        };
        assert_eq!(wrong(0, 9), FrameError::Version { found: 9 });
        assert_eq!(wrong(whole - 1, 1), FrameError::Padding { kind: FrameKind::Message });
        assert!(matches!(wrong(7, 0x7f), FrameError::TooLarge { .. }));
        assert!(matches!(wrong(3, 1), FrameError::Flags { .. }));
        let mut unknown = good.clone();
        for frame in unknown.chunks_mut(whole) {
            frame[0] = 2;
        }
        let error = reader(&unknown).next_or_train().unwrap_err();
        assert_eq!(error, FrameError::Version { found: 2 }, "all of them alike");
    }

    /// A train frame of so many tells of so many bytes.
    fn train(out: &mut Vec<u8>, count: u32, bytes: usize) {
        let ask = AskId(u64::from(count) << 32 | bytes as u64);
        let header = Header::message(ActorKey { slot: 1, generation: 0 }, MessageId(7), ask);
        let header = Header { kind: FrameKind::Train, ..header };
        let mut frame = FrameWriter::begin(out, header, &Extensions::default()).unwrap();
        for number in 0..count as usize {
            let start = frame.payload().len();
            frame.payload().resize(start + bytes, number as u8);
            frame.payload().resize(start + padded(bytes), 0);
        }
        frame.finish(1 << 20).unwrap();
    }

    #[test]
    fn a_train_frame_is_read_as_it_comes() {
        let mut bytes = Vec::new();
        train(&mut bytes, 5, 20);
        tell(&mut bytes, 1, 3);
        let mut reader = reader(&bytes[..31]);
        assert_eq!(next(&mut reader), None);
        reader.push(&bytes[31..32 + 32]);
        assert_eq!(next(&mut reader), Some((1, vec![20])), "one that is there does not wait");
        assert_eq!(reader.end(), Err(FrameError::Truncated { have: 0, need: 32 }));
        assert_eq!(next(&mut reader), None);
        reader.push(&bytes[64..64 + 95]);
        assert_eq!(next(&mut reader), Some((1, vec![20, 20])));
        assert_eq!(next(&mut reader), None);
        reader.push(&bytes[64 + 95..]);
        assert_eq!(next(&mut reader), Some((1, vec![20, 20])));
        assert_eq!(next(&mut reader), Some((1, vec![3])));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn a_train_frame_is_as_long_as_its_tells() {
        let mut good = Vec::new();
        train(&mut good, 3, 20);
        let wrong = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            let mut alone = reader(&bytes);
            let alone = std::iter::from_fn(|| alone.next().transpose());
            let alone = alone.filter_map(Result::err).next();
            let mut reader = reader(&bytes);
            let together = std::iter::from_fn(|| reader.next_or_train().transpose());
            let together = together.filter_map(Result::err).next();
            assert_eq!(alone, together);
            alone.unwrap()
        };
        let train = |count, bytes, payload| FrameError::Train { count, bytes, payload };
        assert_eq!(wrong(24, 40), train(3, 40, 96));
        assert_eq!(wrong(24, 0), train(3, 0, 96));
        assert_eq!(wrong(28, 4), train(4, 20, 96));
        assert_eq!(wrong(4, 95), train(3, 20, 95));
        assert_eq!(wrong(2, 1), train(3, 20, 96), "it has no extensions");
        assert_eq!(wrong(31, 0x80), train(0x8000_0003, 20, 96));
        let too_long = FrameError::PayloadTooLong {
            kind: FrameKind::Train,
            bytes: 96 | 2 << 16,
            bytes_max: 64 << 10,
        };
        assert_eq!(wrong(6, 2), too_long);
        assert_eq!(wrong(32 + 32 + 20, 1), FrameError::Padding { kind: FrameKind::Train });
        let mut one = Vec::new();
        super::tests::train(&mut one, 1, 20);
        assert_eq!(reader(&one).next().unwrap_err(), train(1, 20, 32), "it is no train");
    }

    #[test]
    fn asks_and_other_streams_have_no_trains() {
        let mut asks = Vec::new();
        let receiver = ActorKey { slot: 1, generation: 0 };
        for _ in 0..2 {
            let header = Header::message(receiver, MessageId(7), AskId(5));
            let mut frame = FrameWriter::begin(&mut asks, header, &Extensions::default()).unwrap();
            frame.payload().push(1);
            frame.finish(1 << 20).unwrap();
        }
        assert_eq!(next(&mut reader(&asks)), Some((1, vec![1])));
        let mut tells = Vec::new();
        (0..2).for_each(|_| tell(&mut tells, 1, 20));
        let mut bulk = FrameReader::new(Purpose::Bulk, FrameLimits::default());
        bulk.push(&tells);
        assert_eq!(next(&mut bulk), Some((1, vec![20])));
    }

    #[test]
    fn past_the_bound_of_memory_each_is_copied_out() {
        let share = SlabShare::new(SlabPool::new(64 << 10), 0);
        let limits = FrameLimits::default();
        let mut reader = FrameReader::sharing(Purpose::Lane, limits, share.clone());
        let mut bytes = Vec::new();
        (0..3).for_each(|_| tell(&mut bytes, 1, 20));
        reader.push(&bytes);
        assert_eq!(next(&mut reader), Some((1, vec![20])));
        assert_eq!(share.stats().frames_copied_out, 1);
        (0..2).for_each(|_| assert_eq!(next(&mut reader), Some((1, vec![20]))));
        let mut bytes = Vec::new();
        train(&mut bytes, 3, 20);
        reader.push(&bytes);
        (0..3).for_each(|_| assert_eq!(next(&mut reader), Some((1, vec![20]))));
        assert_eq!(share.stats().frames_copied_out, 6, "those of a train frame as well");
    }
}
