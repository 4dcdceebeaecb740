//! Long pieces of memory that nobody uses, kept for the next large messages.
//!
//! From an allocator a piece of a mebibyte comes with pages that nobody has touched, and those cost more than to fill them.
//! So what large messages are received into, and archived into, is kept for a while. What it is NOT: the place of slabs and
//! batches, which each stream has in its hands (`slab/pool.rs`, and the transport's batches). It has no clock: its owner
//! calls [`sweep`](Shelf::sweep) from time to time.

use std::{
    fmt,
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Bytes that one shelf keeps: two of the windows that a sender has at one receiver by default.
const BYTES_MAX: usize = 16 << 20;

/// The longest piece that it keeps, half of that; a longer message costs so much that its pages are little of it.
const PIECE_BYTES_MAX: usize = BYTES_MAX / 2;

/// Pieces of memory, each with its capacity, that come back when nobody uses them, on any thread.
///
/// It keeps 16 MiB at most, and no piece longer than 8 MiB; further ones are freed. What is not needed from one sweep to the
/// next is freed as well.
pub struct Shelf<T> {
    inner: Mutex<Inner<T>>,
    /// Shorter ones are kept elsewhere.
    above_bytes: usize,
}

struct Inner<T> {
    /// Capacity and memory, what came last at the end.
    pieces: Vec<(usize, T)>,
    bytes: usize,
    has_ended: bool,
    /// The fewest bytes that were here since the last sweep: so much was not needed.
    idle_bytes: usize,
}

impl<T> Shelf<T> {
    /// An empty one, for pieces that are longer than so many bytes.
    #[must_use]
    pub fn new(above_bytes: usize) -> Self {
        let inner = Inner { pieces: Vec::new(), bytes: 0, has_ended: false, idle_bytes: 0 };
        Self { inner: Mutex::new(inner), above_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Nothing that panics runs under the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a piece of this capacity is one that it keeps.
    #[must_use]
    pub fn keeps(&self, capacity: usize) -> bool {
        capacity > self.above_bytes && capacity <= PIECE_BYTES_MAX
    }

    /// The shortest piece with a capacity in this range, of several the one that was used last.
    pub fn take(&self, capacity: RangeInclusive<usize>) -> Option<T> {
        if *capacity.end() <= self.above_bytes {
            return None;
        }
        let mut inner = self.lock();
        let fits = inner
            .pieces
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, (found, _))| capacity.contains(found));
        let at = fits.min_by_key(|(_, (found, _))| *found)?.0;
        let (bytes, piece) = inner.pieces.remove(at);
        inner.bytes -= bytes;
        inner.idle_bytes = inner.idle_bytes.min(inner.bytes);
        Some(piece)
    }

    /// Keeps a piece of this capacity, if it is one that it keeps and there is room.
    pub fn put(&self, capacity: usize, piece: T) {
        if !self.keeps(capacity) {
            return;
        }
        let mut inner = self.lock();
        if inner.bytes + capacity <= BYTES_MAX && !inner.has_ended {
            inner.bytes += capacity;
            inner.pieces.push((capacity, piece));
        }
    }

    /// Frees what was not needed since the last call, those first that have been here longest.
    pub fn sweep(&self) {
        let mut inner = self.lock();
        let mut idle_bytes = inner.idle_bytes;
        let idle = inner.pieces.iter().take_while(|(bytes, _)| {
            let is_idle = *bytes <= idle_bytes;
            idle_bytes = idle_bytes.saturating_sub(*bytes);
            is_idle
        });
        let count = idle.count();
        let freed: Vec<_> = inner.pieces.drain(..count).collect();
        inner.bytes -= freed.iter().map(|(bytes, _)| bytes).sum::<usize>();
        inner.idle_bytes = inner.bytes;
        // Freed without the lock.
        drop(inner);
    }

    /// Frees all, and keeps nothing any more: nobody is there who would sweep.
    pub fn end(&self) {
        let mut inner = self.lock();
        inner.has_ended = true;
        let freed = std::mem::take(&mut inner.pieces);
        (inner.bytes, inner.idle_bytes) = (0, 0);
        drop(inner);
        drop(freed);
    }

    /// Bytes of memory that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }
}

impl<T> fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shelf({} bytes)", self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn the_shortest_that_fits_is_taken_and_what_is_kept_is_bounded() {
        let shelf = Shelf::new(MIB / 16);
        for (capacity, name) in
            [(4 * MIB, "long"), (MIB, "first"), (2 * MIB, "other"), (MIB, "last")]
        {
            shelf.put(capacity, name);
        }
        assert_eq!(shelf.take(MIB..=2 * MIB), Some("last"), "it is the warmest");
        assert_eq!(shelf.take(MIB + 1..=3 * MIB), Some("other"));
        assert_eq!(shelf.take(MIB + 1..=3 * MIB), None, "the rest is too short or too long");
        assert_eq!(shelf.bytes(), 5 * MIB);
        shelf.put(PIECE_BYTES_MAX + 1, "too long");
        shelf.put(MIB / 16, "too short");
        assert_eq!(shelf.bytes(), 5 * MIB);
        (0..100).for_each(|_| shelf.put(MIB, "more"));
        assert_eq!(shelf.bytes(), BYTES_MAX);
    }

    #[test]
    fn what_is_not_needed_between_two_sweeps_is_freed() {
        let shelf = Shelf::new(MIB / 16);
        (0..8).for_each(|number| shelf.put(MIB, number));
        shelf.sweep();
        assert_eq!(shelf.bytes(), 8 * MIB, "they came since the last one");
        // Three of them are used at a time.
        for _ in 0..10 {
            let used = [(); 3].map(|()| shelf.take(MIB..=MIB).expect("eight are there"));
            used.into_iter().for_each(|piece| shelf.put(MIB, piece));
        }
        shelf.sweep();
        assert_eq!(shelf.bytes(), 3 * MIB);
        shelf.sweep();
        assert_eq!(shelf.bytes(), 0, "nobody used any");
        shelf.put(MIB, 9);
        assert_eq!(shelf.take(MIB..=MIB), Some(9));
        shelf.put(MIB, 9);
        shelf.end();
        shelf.put(MIB, 10);
        assert_eq!((shelf.bytes(), shelf.take(MIB..=MIB)), (0, None), "its owner has gone");
    }
}
