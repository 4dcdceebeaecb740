//! The frames that wait in an outbound lane, as pieces of about one write each.
//!
//! Frames are encoded straight into the last piece; once that is long enough for a write, the next frame begins
//! another. So the writer takes as many whole frames as it is about to write, without a copy or a walk, and the rest
//! stays where it can be withdrawn. What is NOT here: positions and room, which are `odeon_wire`'s `LaneState`.

use std::{collections::VecDeque, sync::Arc};

use odeon_message::{ActorKey, MessageId, planted::Bug};
use odeon_wire::{Header, OpenTrain, expire};
use tokio::time::Instant;

use super::batch_pool::BatchPool;

/// First capacity of a piece: one packet on an ordinary network.
const PIECE_BYTES_LEAST: usize = 1 << 10;

/// One piece in so many is measured: where each carries one frame, two clock reads a piece would be felt.
const SAMPLE_EVERY: u32 = 8;

/// Whole frames.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) frames: u64,
    /// When its first frame came, if it is measured.
    pub(super) since: Option<Instant>,
}

/// The waiting frames of a lane; bounded by the lane's bytes.
#[derive(Debug)]
pub(super) struct Pieces {
    /// Long enough for a write each, oldest first.
    full: VecDeque<Piece>,
    /// The one that grows.
    open: Piece,
    /// What it ends with, while one more tell may join that.
    train: OpenTrain,
    /// Whether the peer reads trains.
    trains: bool,
    /// How long the last ones were: the next begins with as much room, so that it is seldom moved.
    last_bytes: usize,
    /// Most bytes of one write.
    write_bytes_max: usize,
    /// Pieces until one is measured.
    until_sample: u32,
    /// What was taken last, for a planted bug alone.
    taken: Option<Piece>,
    /// Where long pieces have their memory from.
    batches: Arc<BatchPool>,
}

impl Pieces {
    pub(super) fn new(write_bytes_max: usize, batches: Arc<BatchPool>) -> Self {
        Self {
            full: VecDeque::new(),
            open: Piece::default(),
            train: OpenTrain::default(),
            trains: false,
            last_bytes: 0,
            write_bytes_max,
            until_sample: 0,
            taken: None,
            batches,
        }
    }

    pub(super) fn allow_trains(&mut self, allowed: bool) {
        self.trains = allowed;
        self.train.end();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.full.is_empty() && self.open.bytes.is_empty()
    }

    /// Where the next frame is to be appended. Call [`count`](Self::count) once it stands, or [`truncate`](Self::truncate).
    ///
    /// A piece is full at seven eighths of a write: with frames up to the last eighth it is one write, and with any
    /// frames all of them begin in its first write.
    pub(super) fn grow(&mut self) -> &mut Vec<u8> {
        self.train.end();
        if self.is_full() {
            self.note();
            self.full.push_back(std::mem::take(&mut self.open));
        }
        if self.open.bytes.capacity() == 0 {
            let most = self.write_bytes_max.max(PIECE_BYTES_LEAST);
            let capacity = self.last_bytes.next_power_of_two().clamp(PIECE_BYTES_LEAST, most);
            self.open.bytes = self.batches.take(capacity);
        }
        &mut self.open.bytes
    }

    fn is_full(&self) -> bool {
        self.open.bytes.len() >= self.write_bytes_max - self.write_bytes_max / 8
    }

    /// The tell that was appended last, from `start` on, has no ask and no extensions: others may join it.
    pub(super) fn begin_train(&mut self, header: &Header, start: usize, payload_bytes: usize) {
        if self.trains {
            self.train.begin(header, start, payload_bytes);
        }
    }

    /// The train that another tell of this type to this actor may join, if there is one, and where it is.
    #[inline]
    pub(super) fn train(
        &mut self,
        receiver: ActorKey,
        message: MessageId,
    ) -> Option<(&mut OpenTrain, &mut Vec<u8>)> {
        let takes = self.train.takes(receiver, message) && !self.is_full();
        takes.then_some((&mut self.train, &mut self.open.bytes))
    }

    /// The open piece is done: the next one is likely to be as long, or half as long as earlier ones.
    fn note(&mut self) {
        self.last_bytes = self.open.bytes.len().max(self.last_bytes / 2);
    }

    /// A frame was appended.
    pub(super) fn count(&mut self) {
        if self.open.frames == 0 {
            self.open.since = (self.until_sample == 0).then(Instant::now);
            self.until_sample = self.until_sample.checked_sub(1).unwrap_or(SAMPLE_EVERY - 1);
        }
        self.open.frames += 1;
    }

    /// Takes the frame at `start` of the last piece back; it was not counted.
    pub(super) fn truncate(&mut self, start: usize) {
        self.open.bytes.truncate(start);
    }

    /// Takes the frame at `start` of the last piece out, with its bytes; it was not counted.
    pub(super) fn cut(&mut self, start: usize) -> Vec<u8> {
        let frame = &self.open.bytes[start..];
        let mut bytes = self.batches.take_large(frame.len());
        bytes.extend_from_slice(frame);
        self.open.bytes.truncate(start);
        // It grew for a frame that does not stay.
        self.open.bytes.shrink_to(self.write_bytes_max);
        bytes
    }

    /// The piece that grew last, which has the last frame.
    pub(super) fn last(&self) -> &[u8] {
        &self.open.bytes
    }

    /// Takes the oldest piece.
    pub(super) fn take(&mut self) -> Option<Piece> {
        let piece = self.next();
        if Bug::FramesOutliveConnection.is_planted() && piece.is_some() {
            self.taken = piece.clone();
        }
        piece
    }

    fn next(&mut self) -> Option<Piece> {
        self.train.end();
        let next = match Bug::PiecesSwapped.is_planted() {
            true => self.full.pop_back(),
            false => self.full.pop_front(),
        };
        if let Some(piece) = next {
            return Some(piece);
        }
        if self.open.bytes.is_empty() {
            return None;
        }
        self.note();
        Some(std::mem::take(&mut self.open))
    }

    /// The memory of a piece that was written at once.
    pub(super) fn give_back(&self, memory: Vec<u8>) {
        self.batches.put_short(memory);
    }

    /// Drops all.
    pub(super) fn clear(&mut self) {
        self.train.end();
        self.full.clear();
        self.open = Piece::default();
    }

    /// What was taken last waits once more: a planted bug. How many frames and bytes it has.
    pub(super) fn bring_back(&mut self) -> (u64, usize) {
        self.open = self.taken.take().unwrap_or_default();
        (self.open.frames, self.open.bytes.len())
    }

    /// Makes the ask expire that is the `nth` waiting frame, counted from 0; false if there is no such ask.
    pub(super) fn expire(&mut self, mut nth: usize) -> bool {
        for piece in self.full.iter_mut().chain([&mut self.open]) {
            let frames = usize::try_from(piece.frames).unwrap_or(usize::MAX);
            if nth < frames {
                return expire(&mut piece.bytes, nth);
            }
            nth -= frames;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use odeon_message::{ActorKey, AskId, MessageId};
    use odeon_wire::{Extensions, FrameWriter, Header};

    use super::*;

    fn append(pieces: &mut Pieces, payload_bytes: usize) {
        let to = ActorKey { slot: 1, generation: 0 };
        let header = Header::message(to, MessageId(3), AskId(1));
        let extensions = Extensions::remaining(Some(Duration::from_secs(1)));
        let out = pieces.grow();
        let mut frame = FrameWriter::begin(out, header, &extensions).unwrap();
        frame.payload().extend(std::iter::repeat_n(7, payload_bytes));
        frame.finish(1 << 20).unwrap();
        pieces.count();
    }

    #[test]
    fn all_frames_of_a_piece_begin_in_its_first_write() {
        let mut pieces = Pieces::new(4096, BatchPool::new(4096));
        for payload_bytes in [100, 200, 3000, 300, 9000, 50, 4000, 4000, 10] {
            append(&mut pieces, payload_bytes);
        }
        let mut frames = Vec::new();
        while let Some(piece) = pieces.take() {
            assert_eq!(piece.bytes.len() % 16, 0);
            frames.push(piece.frames);
        }
        assert_eq!(frames, [4, 1, 2, 1, 1]);
        assert!(pieces.is_empty());
    }

    #[test]
    fn the_first_frame_of_one_piece_in_eight_is_timed() {
        let mut pieces = Pieces::new(4096, BatchPool::new(4096));
        let mut timed = Vec::new();
        for _ in 0..17 {
            (0..3).for_each(|_| append(&mut pieces, 100));
            timed.push(pieces.take().unwrap().since.is_some());
        }
        let places = timed.iter().enumerate().filter(|(_, timed)| **timed);
        assert_eq!(places.map(|(place, _)| place).collect::<Vec<_>>(), [0, 8, 16]);
    }

    #[test]
    fn a_waiting_ask_is_found_in_any_piece() {
        let mut pieces = Pieces::new(4096, BatchPool::new(4096));
        (0..100).for_each(|_| append(&mut pieces, 500));
        assert!((0..100).all(|nth| pieces.expire(nth)));
        assert!(!pieces.expire(100));
        let taken = pieces.take().unwrap().frames as usize;
        assert!(taken > 1 && pieces.expire(99 - taken) && !pieces.expire(100 - taken));
        pieces.clear();
        assert!(pieces.is_empty() && !pieces.expire(0));
    }
}
