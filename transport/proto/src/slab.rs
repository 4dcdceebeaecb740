//! Receive slabs: stream bytes, copied once, aligned to 16, shared with the payloads cut from them.
//!
//! A slab is written only while nobody shares it. Once payloads of it are out, new bytes go to another slab, and the
//! partial frame at its end is copied over; the memory of a slab whose payloads are gone is used again. Slabs grow as
//! bytes arrive, never by what a peer claims; but a long frame has memory for all of it at once where there is some that
//! nobody uses. Where their memory comes from, and what keeps it, is counted in
//! `slab/share.rs`. Data goes to `read.rs`.

mod pool;
mod share;

use std::{ops::Range, sync::Arc};

use odeon_message::{Coupling, Payload, Slab, SlabHome, SlabMemory, Train};

pub use pool::SlabPool;
pub use share::{SlabShare, SlabStats};

/// Smallest slab: a page, so that a short message pins little.
const SLAB_BYTES_LEAST: usize = 4096;

#[derive(Debug)]
pub(crate) struct Slabs {
    slab: Arc<Slab>,
    /// First byte of `slab` that was not consumed.
    read: usize,
    slab_bytes: usize,
    /// What the next slab is likely to be filled with: as much as the last, or half of those before.
    likely: usize,
    /// Bytes of `slab` as the share knows them.
    at_hand: usize,
    /// Capacity of `slab` if it was given to a frame that has not arrived.
    ahead: usize,
    share: Arc<SlabShare>,
}

impl Slabs {
    pub(crate) fn new(slab_bytes: usize, share: Arc<SlabShare>) -> Self {
        let slab = Arc::new(slab(&share, SlabMemory::new()));
        Self { slab, read: 0, slab_bytes, likely: SLAB_BYTES_LEAST, at_hand: 0, ahead: 0, share }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.slab[self.read..]
    }

    pub(crate) fn consume(&mut self, bytes: usize) {
        self.read += bytes;
        debug_assert!(self.read <= self.slab.len(), "only whole frames are consumed");
    }

    /// Bytes of memory held, without slabs that only payloads hold.
    pub(crate) fn held_bytes(&self) -> usize {
        self.slab.capacity()
    }

    /// The payload at `range` of the unread bytes. It shares the slab, unless payloads hold too much already and it would
    /// pin more than twice of what it is: then it has memory of its own.
    pub(crate) fn payload(&self, range: Range<usize>) -> Payload {
        if self.share.is_full() && range.len() * 2 < self.slab.capacity() {
            return self.share.copy(&self.unread()[range]);
        }
        let range = self.read + range.start..self.read + range.end;
        Payload::new(Arc::clone(&self.slab), range)
            .expect("frames start at multiples of 16 in the slab and the whole frame is there")
    }

    /// Whether payloads hold more memory than they may.
    pub(crate) fn is_full(&self) -> bool {
        self.share.is_full()
    }

    /// So many archives, with what stands between them, at the beginning of the unread bytes, of which they are `bytes`.
    /// `None` if payloads hold too much already, so that each is to be looked at.
    pub(crate) fn train(&self, bytes: usize, count: u32, coupling: Coupling) -> Option<Train> {
        if self.share.is_full() {
            return None;
        }
        let range = self.read..self.read + bytes;
        Train::new(Arc::clone(&self.slab), range, count, coupling)
    }

    /// Copies `bytes` behind the unread ones; `frame` is the length of the frame they belong to, as far as known.
    pub(crate) fn append(&mut self, bytes: &[u8], frame: usize) {
        let unread = self.unread().len();
        let oversized = self.slab.capacity() > self.slab_bytes;
        let back_to_small = oversized && frame.max(unread + bytes.len()) <= self.slab_bytes;
        match Arc::get_mut(&mut self.slab) {
            Some(slab) if !back_to_small => {
                if unread == 0 {
                    slab.clear();
                    self.read = 0;
                }
                if self.read > 0 && slab.len() + bytes.len() > slab.capacity() {
                    slab.copy_within(self.read.., 0);
                    slab.resize(unread, 0);
                    self.share.moved(unread);
                    self.read = 0;
                }
                let room = Room {
                    more: bytes.len(),
                    frame,
                    slab_bytes: self.slab_bytes,
                    likely: self.likely,
                };
                self.ahead += grow(slab, &room, &self.share);
                slab.extend_from_slice(bytes);
            }
            _ => self.next_slab(bytes),
        }
        if self.unread().len() >= frame {
            self.arrived();
        }
        self.count();
    }

    /// Lets go of a slab without unread bytes; payloads that were cut from it keep it for as long as they need.
    pub(crate) fn rest(&mut self) {
        if self.slab.capacity() == 0 || !self.unread().is_empty() {
            return;
        }
        self.read = 0;
        self.arrived();
        match Arc::get_mut(&mut self.slab) {
            Some(slab) => self.share.returned(std::mem::take(&mut **slab)),
            None => {
                self.expect_as_much();
                self.slab = Arc::new(slab(&self.share, SlabMemory::new()));
            }
        }
        self.count();
    }

    /// The frame that memory was given to is whole, or is not read any more.
    fn arrived(&mut self) {
        if self.ahead > 0 {
            self.share.pool().arrived(std::mem::take(&mut self.ahead));
        }
    }

    /// Tells the share what is at hand now.
    fn count(&mut self) {
        let now = self.slab.capacity();
        if now != self.at_hand {
            self.share.at_hand(self.at_hand, now);
            self.at_hand = now;
        }
    }

    /// The next slab is as large as this one was filled, or half as large as was expected.
    fn expect_as_much(&mut self) {
        let filled = self.slab.len().next_power_of_two().max(self.likely / 2);
        self.likely = filled.clamp(SLAB_BYTES_LEAST, self.slab_bytes);
    }

    /// Moves the unread bytes to a slab that nobody shares and appends `bytes`.
    fn next_slab(&mut self, bytes: &[u8]) {
        self.arrived();
        self.expect_as_much();
        let unread = self.unread();
        let need = unread.len() + bytes.len();
        let mut memory = self.share.memory(need.max(self.likely));
        memory.extend_from_slice(unread);
        memory.extend_from_slice(bytes);
        self.share.moved(unread.len());
        self.slab = Arc::new(slab(&self.share, memory));
        self.read = 0;
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        self.arrived();
        self.share.at_hand(self.at_hand, 0);
    }
}

fn slab(share: &Arc<SlabShare>, memory: SlabMemory) -> Slab {
    let home: Arc<dyn SlabHome> = share.clone();
    Slab::of(home, memory)
}

/// What a slab is to have room for.
struct Room {
    more: usize,
    /// The frame that this belongs to, as long as it says it is.
    frame: usize,
    slab_bytes: usize,
    /// What the first memory of a slab has at least.
    likely: usize,
}

/// Makes room for more bytes, doubling up to the length of a slab or of the frame, so that a frame of n bytes is moved at
/// most log n times. A frame that is longer than a slab is moved once, into memory that is there and long enough: then that
/// is how much it was given before it arrived.
fn grow(slab: &mut Slab, room: &Room, share: &SlabShare) -> usize {
    let (before, filled) = (slab.capacity(), slab.len());
    let need = filled + room.more;
    if need <= before {
        return 0;
    }
    let is_long = room.frame > room.slab_bytes && room.frame >= need;
    if is_long && let Some(mut memory) = share.ready(room.frame) {
        memory.extend_from_slice(slab);
        share.moved(filled);
        share.returned(std::mem::replace(&mut **slab, memory));
        return slab.capacity();
    }
    if before == 0 {
        **slab = share.memory(need.max(room.likely));
        return 0;
    }
    let bound = room.frame.max(room.slab_bytes);
    let capacity = (before * 2).min(bound).max(need).max(SLAB_BYTES_LEAST);
    slab.reserve_exact(capacity - filled);
    share.moved(filled);
    share.grown(slab.capacity() - before);
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(pinned_bytes_max: usize) -> Arc<SlabShare> {
        SlabShare::new(SlabPool::new(64 << 10), pinned_bytes_max)
    }

    /// Appends what is whole at once, and cuts it into payloads of `bytes` each.
    fn cut(slabs: &mut Slabs, total: usize, bytes: usize) -> Vec<Payload> {
        slabs.append(&vec![7; total], 32);
        let payloads = (0..total / bytes).map(|_| {
            let payload = slabs.payload(0..bytes);
            slabs.consume(bytes);
            payload
        });
        payloads.collect()
    }

    #[test]
    fn memory_is_counted_until_its_last_payload_is_gone_and_then_used_again() {
        let share = share(1 << 20);
        let mut slabs = Slabs::new(64 << 10, share.clone());
        let first = cut(&mut slabs, 8192, 64);
        let place = first[0].bytes().as_ptr();
        let second = cut(&mut slabs, 64, 64);
        assert_eq!(share.stats().pinned_bytes, 16_384);
        assert_eq!(share.stats().at_hand_bytes, 8192, "the other one is kept by payloads alone");
        drop(first);
        assert_eq!(share.stats().pinned_bytes, 8192, "the one that is written stays");
        let third = cut(&mut slabs, 64, 64);
        assert_eq!(share.stats().pinned_bytes, 8192 + 8192);
        assert_eq!(third[0].bytes().as_ptr(), place, "the memory of the first");
        drop((slabs, second, third));
        assert_eq!((share.stats().pinned_bytes, share.stats().at_hand_bytes), (0, 0));
        assert_eq!(share.stats().frames_copied_out, 0);
    }

    #[test]
    fn a_reader_that_rests_holds_nothing_and_goes_on() {
        let share = share(1 << 20);
        let mut slabs = Slabs::new(64 << 10, share.clone());
        let kept = cut(&mut slabs, 128, 64);
        slabs.rest();
        assert_eq!((slabs.held_bytes(), share.stats().pinned_bytes), (0, 4096), "payloads hold it");
        assert_eq!(share.stats().at_hand_bytes, 0);
        drop(kept);
        assert_eq!(share.stats().pinned_bytes, 0);
        drop(cut(&mut slabs, 64, 64));
        slabs.rest();
        assert_eq!((slabs.held_bytes(), share.stats().pinned_bytes), (0, 0));
        slabs.append(&[7; 48], 64);
        slabs.rest();
        assert_eq!(slabs.unread(), [7; 48], "a partial frame stays");
    }

    #[test]
    fn past_the_bound_a_short_payload_has_memory_of_its_own() {
        let share = share(64 << 10);
        let mut slabs = Slabs::new(64 << 10, share.clone());
        // One payload of each slab stays, and pins it.
        let mut kept = Vec::new();
        for _ in 0..1000 {
            kept.extend(cut(&mut slabs, 4096, 64).pop());
        }
        let stats = share.stats();
        // 16 slabs are as much as is allowed; then each has its own 64 bytes.
        assert!(stats.frames_copied_out > 900 * 64, "{stats:?}");
        // What each costs beside its bytes counts as well.
        let of_copies = stats.pinned_bytes - stats.at_hand_bytes - (64 << 10);
        let copies = (950 * (64 + 56)..1000 * (64 + 56)).contains(&of_copies);
        assert!(copies, "{stats:?}");
        assert!(kept.iter().all(|payload| payload.bytes() == [7; 64]));
        kept.clear();
        assert_eq!(share.stats().pinned_bytes, 4096, "{stats:?}");
    }

    const LONG: usize = 1 << 20;

    /// A payload of a frame that comes in packets and is longer than any slab.
    fn long(share: &Arc<SlabShare>) -> Payload {
        let mut slabs = Slabs::new(64 << 10, Arc::clone(share));
        (0..LONG / 4096).for_each(|_| slabs.append(&[7; 4096], LONG));
        slabs.payload(0..LONG)
    }

    #[test]
    fn a_long_frame_has_the_memory_that_one_before_it_left() {
        let share = share(usize::MAX);
        let first = long(&share);
        let (place, moved) = (first.bytes().as_ptr(), share.stats().bytes_moved);
        assert!(moved > 0, "the first one grew");
        drop(first);
        assert_eq!((share.stats().pinned_bytes, share.pool().long_bytes()), (0, LONG));
        let second = long(&share);
        assert_eq!(second.bytes().as_ptr(), place);
        assert_eq!(share.stats().bytes_moved, moved, "nothing of it was moved");
        assert_eq!((share.stats().pinned_bytes, share.pool().long_bytes()), (LONG as u64, 0));
        drop(second);
        (0..2).for_each(|_| share.pool().sweep());
        assert_eq!(share.pool().long_bytes(), 0, "nobody needed it for a while");
    }

    #[test]
    fn what_a_peer_claims_takes_memory_that_is_there_and_makes_none() {
        let share = share(usize::MAX);
        drop(long(&share));
        let mut readers = [(); 100].map(|()| Slabs::new(64 << 10, share.clone()));
        readers.iter_mut().for_each(|slabs| slabs.append(&[7; 100], LONG));
        assert_eq!(share.stats().pinned_bytes, (LONG + 99 * 4096) as u64);
        readers.iter_mut().for_each(|slabs| slabs.append(&[7; 8192], LONG));
        let grown = share.stats().pinned_bytes as usize - LONG;
        assert!(grown <= 99 * 2 * 8292, "{grown}");
    }

    #[test]
    fn claims_hold_no_more_ahead_than_a_bound_however_often_others_leave_memory() {
        const AHEAD: usize = 16 << 20;
        let share = share(usize::MAX);
        let claim = |_| {
            drop(long(&share));
            let mut slabs = Slabs::new(64 << 10, share.clone());
            slabs.append(&[7; 100], LONG);
            slabs
        };
        let readers: Vec<_> = (0..100).map(claim).collect();
        let pinned = share.stats().pinned_bytes as usize;
        assert!((AHEAD..=AHEAD + 100 * 4096).contains(&pinned), "{pinned}");
        drop(readers);
        let again: Vec<_> = (0..100).map(claim).collect();
        assert_eq!(
            share.stats().pinned_bytes as usize,
            pinned,
            "what is not read any more is forgotten"
        );
        drop(again);
    }

    #[test]
    fn a_payload_that_is_most_of_its_slab_is_not_copied() {
        let share = share(0);
        let mut slabs = Slabs::new(64 << 10, share.clone());
        let kept = cut(&mut slabs, 4096, 2048);
        assert_eq!(share.stats().frames_copied_out, 0);
        drop(kept);
    }
}
