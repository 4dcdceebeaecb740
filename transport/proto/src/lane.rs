//! The books of one outbound lane: what was written, what was handed to QUIC, how much waits.
//!
//! Frames are numbered in the order they were written. A frame is handed when the write that carries it is about to
//! be attempted: from then on it may have arrived. What was written and not handed when the connection was lost was
//! certainly not delivered. A frame that only announces another is not handed before that one's own stream begins. The
//! bytes themselves are the transport's.

use std::collections::{BTreeSet, VecDeque};

/// Stretches of dropped frames that are remembered; older ones are answered as handed, the careful answer. One loss may
/// make a stretch of each large message that had not begun.
const DROPPED_MAX: usize = 1024;

/// The number of a frame in its lane, from 1, over all connections of the association.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position(u64);

/// The books of one lane.
#[derive(Debug)]
pub struct LaneState {
    written: u64,
    handed: u64,
    waiting_bytes: usize,
    writing_bytes: usize,
    bytes_max: usize,
    /// Those that announce a frame whose own stream has not begun.
    announcing: BTreeSet<u64>,
    /// First and last of frames that were dropped, oldest first.
    dropped: VecDeque<(u64, u64)>,
    /// Up to here nothing is known about drops.
    forgotten: u64,
    /// Up to here frames went with connections that are lost.
    lost: u64,
}

impl LaneState {
    /// An empty lane with room for `bytes_max` bytes, waiting and being written.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            written: 0,
            handed: 0,
            waiting_bytes: 0,
            writing_bytes: 0,
            bytes_max,
            announcing: BTreeSet::new(),
            dropped: VecDeque::new(),
            forgotten: 0,
            lost: 0,
        }
    }

    /// Bytes in the lane: waiting, and handed to QUIC but not yet taken by it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.waiting_bytes + self.writing_bytes
    }

    /// Whether a frame of this length fits. An empty lane takes any frame, so that none waits for ever.
    #[must_use]
    pub fn fits(&self, frame_bytes: usize) -> bool {
        let bytes = self.bytes();
        bytes == 0 || bytes.saturating_add(frame_bytes) <= self.bytes_max
    }

    /// Books a frame that was appended to the batch. `fits` is not asked again: the caller did.
    pub fn write(&mut self, frame_bytes: usize) -> Position {
        self.written += 1;
        self.waiting_bytes += frame_bytes;
        Position(self.written)
    }

    /// Marks the first `frames` that wait, of this many bytes, as handed: call it BEFORE their write is attempted, and
    /// not for frames whose write is not attempted yet.
    pub fn hand(&mut self, frames: u64, bytes: usize) {
        debug_assert!(frames <= self.written - self.handed && bytes <= self.waiting_bytes);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        self.writing_bytes += bytes;
        self.handed = self.written.min(self.handed + frames);
    }

    /// The frame at this position, which was just written, announces another one: whatever is said of the position is
    /// said of that one.
    pub fn announce(&mut self, position: Position) {
        self.announcing.insert(position.0);
    }

    /// The stream of an announced frame begins: call it BEFORE its first write is attempted.
    ///
    /// False if the frame was dropped meanwhile: nothing of it must be written.
    pub fn begin(&mut self, position: Position) -> bool {
        self.announcing.remove(&position.0)
    }

    /// QUIC has taken this many of the handed bytes: there is room again.
    pub fn taken(&mut self, bytes: usize) {
        self.writing_bytes = self.writing_bytes.saturating_sub(bytes);
    }

    /// Whether QUIC has taken all that was handed.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.writing_bytes == 0
    }

    /// The connection is lost: the lane is emptied. What waited is dropped, not handed, and stays so.
    ///
    /// Returns how many frames were dropped.
    pub fn lose(&mut self) -> u64 {
        let mut dropped = self.written - self.handed;
        for number in std::mem::take(&mut self.announcing) {
            if number <= self.handed {
                dropped += 1;
                self.drop_stretch(number, number);
            }
        }
        if self.written > self.handed {
            self.drop_stretch(self.handed + 1, self.written);
        }
        self.handed = self.written;
        self.lost = self.written;
        self.waiting_bytes = 0;
        self.writing_bytes = 0;
        dropped
    }

    fn drop_stretch(&mut self, first: u64, last: u64) {
        if let Some((_, before)) = self.dropped.back_mut()
            && *before + 1 == first
        {
            *before = last;
            return;
        }
        if self.dropped.len() == DROPPED_MAX
            && let Some((_, last)) = self.dropped.pop_front()
        {
            self.forgotten = last;
        }
        self.dropped.push_back((first, last));
    }

    /// Which of the frames that wait this is, counted from 0; `None` if it does not wait.
    #[must_use]
    pub fn waiting(&self, position: Position) -> Option<usize> {
        let nth = position.0.checked_sub(self.handed + 1)?;
        if position.0 <= self.written { usize::try_from(nth).ok() } else { None }
    }

    /// Whether the connection that this frame was written for is lost: nothing more will become of it.
    #[must_use]
    pub fn is_lost(&self, position: Position) -> bool {
        position.0 <= self.lost
    }

    /// Whether a frame was written since the connection was last lost.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.written > self.lost
    }

    /// Whether this frame was, or may have been, handed to QUIC.
    ///
    /// False is a promise: the frame did not leave and will not, or still waits. True is said of a dropped frame
    /// only after 1,024 later stretches of dropped frames, when it is no longer remembered.
    #[must_use]
    pub fn handed(&self, position: Position) -> bool {
        let Position(number) = position;
        if number <= self.forgotten {
            return true;
        }
        if self.announcing.contains(&number) {
            return false;
        }
        let after = self.dropped.partition_point(|(_, last)| *last < number);
        let was_dropped = self.dropped.get(after).is_some_and(|(first, _)| *first <= number);
        !was_dropped && number <= self.handed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_handed_from_the_moment_a_write_is_attempted() {
        let mut lane = LaneState::new(100);
        let one = lane.write(40);
        assert!(!lane.handed(one));
        let two = lane.write(30);
        lane.hand(1, 40);
        assert!(lane.handed(one) && !lane.handed(two));
        assert_eq!((lane.waiting(one), lane.waiting(two)), (None, Some(0)));
        assert_eq!(lane.bytes(), 70);
        assert!(one < two);
        assert_eq!(lane.lose(), 1);
        assert!(lane.handed(one) && !lane.handed(two));
    }

    #[test]
    fn bytes_count_until_quic_has_taken_them() {
        let mut lane = LaneState::new(100);
        assert!(lane.fits(1000), "an empty lane takes any frame");
        lane.write(60);
        assert!(lane.fits(40) && !lane.fits(41));
        lane.hand(1, 60);
        assert_eq!(lane.bytes(), 60);
        assert!(!lane.fits(41));
        lane.taken(50);
        assert_eq!(lane.bytes(), 10);
        assert!(lane.fits(90) && !lane.fits(usize::MAX));
        lane.taken(50);
        assert_eq!(lane.bytes(), 0);
    }

    #[test]
    fn what_was_dropped_is_never_handed_later() {
        let mut lane = LaneState::new(100);
        let sent = lane.write(1);
        lane.hand(1, 1);
        let dropped = [lane.write(1), lane.write(1)];
        assert_eq!(lane.lose(), 2);
        assert!(lane.is_lost(sent) && lane.is_lost(dropped[1]));
        assert_eq!(lane.bytes(), 0);
        assert_eq!(lane.lose(), 0);
        let later = lane.write(1);
        lane.hand(1, 1);
        assert!(lane.handed(sent) && lane.handed(later));
        assert!(dropped.iter().all(|position| !lane.handed(*position)));
    }

    #[test]
    fn an_announced_frame_is_handed_when_its_own_stream_begins() {
        let mut lane = LaneState::new(100);
        let announced: Vec<Position> = (0..4)
            .map(|_| {
                let position = lane.write(16);
                lane.announce(position);
                position
            })
            .collect();
        lane.hand(3, 48);
        assert!(announced.iter().all(|position| !lane.handed(*position)));
        assert!(lane.begin(announced[1]));
        assert!(lane.handed(announced[1]));
        assert_eq!(lane.lose(), 3);
        assert!(!lane.begin(announced[0]), "it was dropped: nothing of it must be written");
        let handed: Vec<bool> = announced.iter().map(|position| lane.handed(*position)).collect();
        assert_eq!(handed, [false, true, false, false]);
        assert!(announced.iter().all(|position| lane.is_lost(*position)));
    }

    #[test]
    fn what_is_forgotten_may_have_been_handed() {
        let mut lane = LaneState::new(100);
        let dropped: Vec<Position> = (0..=DROPPED_MAX)
            .map(|_| {
                lane.write(1);
                lane.hand(1, 1);
                let dropped = lane.write(1);
                lane.lose();
                dropped
            })
            .collect();
        assert!(lane.handed(dropped[0]), "the oldest is no longer remembered");
        assert!(dropped[1..].iter().all(|position| !lane.handed(*position)));
    }
}
