//! Memory of slabs that nobody uses, kept for all streams of an endpoint.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use odeon_message::SlabMemory;

use super::SLAB_BYTES_LEAST;
use crate::Shelf;

/// Pieces of memory kept: with slabs of 64 KiB, 4 MiB, the batches of some busy associations at a time.
const POOL_SLABS_MAX: usize = 64;

/// Memory for frames that have not arrived: further ones have memory as they arrive. So a peer that announces long frames and
/// sends little of them holds no more than that, however often others fill the shelf again.
const AHEAD_BYTES_MAX: usize = 16 << 20;

/// The memory that slabs of one endpoint are made of and give back, on whatever thread their last payload goes.
///
/// It keeps at most 64 pieces that are no longer than `slab_bytes`, and longer ones as a [`Shelf`] does; further ones are
/// freed. It counts what all that share it hold, and says who has enough of it; see [`is_spent`](Self::is_spent).
pub struct SlabPool {
    free: Mutex<Vec<SlabMemory>>,
    slab_bytes: usize,
    /// What is longer.
    long: Shelf<SlabMemory>,
    /// Bytes of it that were given to frames that have not arrived: a peer's word is all there is for them.
    ahead: AtomicUsize,
    /// Bytes that shares hold now, those of them that lanes have at hand to read into, and the most that all others may be.
    lent: AtomicUsize,
    at_hand: AtomicUsize,
    lent_bytes_max: usize,
}

impl SlabPool {
    /// An empty one, which keeps memory up to this length, and never has too little.
    #[must_use]
    pub fn new(slab_bytes: usize) -> Arc<Self> {
        Self::bounded(slab_bytes, usize::MAX)
    }

    /// An empty one, which keeps memory up to the length of a slab, and of which all together may hold `lent_bytes_max`.
    #[must_use]
    pub fn bounded(slab_bytes: usize, lent_bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::default(),
            slab_bytes,
            long: Shelf::new(slab_bytes),
            ahead: AtomicUsize::new(0),
            lent: AtomicUsize::new(0),
            at_hand: AtomicUsize::new(0),
            lent_bytes_max,
        })
    }

    /// Bytes of memory that all together hold now.
    #[must_use]
    pub fn lent_bytes(&self) -> usize {
        self.lent.load(Relaxed)
    }

    /// Whether one that holds so many bytes shall have no more: each may hold as much as is free. What lanes have at hand to
    /// read into counts on neither side: it is there while nothing waits, and letting messages go does not bring it back.
    ///
    /// So one alone has half of it at most, of n that want all they can get each has one part of n + 1, and one part stays
    /// free for whoever comes next, without anybody knowing how many there are (Choudhury and Hahne, "Dynamic queue length
    /// thresholds for shared-memory packet switches", IEEE/ACM Transactions on Networking 6, 1998, with a factor of 1).
    #[must_use]
    #[inline]
    pub fn is_spent(&self, held_bytes: usize) -> bool {
        let kept = self.lent_bytes().saturating_sub(self.at_hand.load(Relaxed));
        held_bytes > self.lent_bytes_max.saturating_sub(kept)
    }

    pub(super) fn lend(&self, bytes: usize) {
        self.lent.fetch_add(bytes, Relaxed);
    }

    /// A lane has so many bytes at hand, in place of others.
    pub(super) fn at_hand(&self, before: usize, now: usize) {
        self.at_hand.fetch_add(now, Relaxed);
        self.at_hand.fetch_sub(before, Relaxed);
    }

    /// Memory that counted as so many bytes is not needed any more.
    pub(super) fn returned(&self, memory: SlabMemory, bytes: usize) {
        self.lent.fetch_sub(bytes, Relaxed);
        self.put(memory);
    }

    /// Bytes of long memory that nobody uses and that are kept.
    #[must_use]
    pub fn long_bytes(&self) -> usize {
        self.long.bytes()
    }

    /// Keeps long memory no more.
    pub fn end(&self) {
        self.long.end();
    }

    /// Frees the long memory that was not needed since the last call.
    pub fn sweep(&self) {
        self.long.sweep();
    }

    fn free(&self) -> MutexGuard<'_, Vec<SlabMemory>> {
        // Nothing that panics runs under the lock.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empty memory of at least so many bytes: the shortest that is kept, or new.
    pub(super) fn take(&self, bytes: usize) -> SlabMemory {
        let mut free = self.free();
        let fits = free.iter().enumerate().filter(|(_, memory)| memory.capacity() >= bytes);
        let best = fits.min_by_key(|(_, memory)| memory.capacity()).map(|(at, _)| at);
        match best {
            Some(at) => free.swap_remove(at),
            None => {
                drop(free);
                SlabMemory::with_capacity(bytes)
            }
        }
    }

    /// Empty memory for a frame of so many bytes that is not whole yet, if there is some that nobody uses, and frames that have
    /// not arrived have less than 16 MiB of it. It counts as such until [`arrived`](Self::arrived) is told its capacity.
    pub(super) fn ready(&self, frame_bytes: usize) -> Option<SlabMemory> {
        if self.ahead.load(Relaxed).saturating_add(frame_bytes) > AHEAD_BYTES_MAX {
            return None;
        }
        let most = frame_bytes.saturating_add(frame_bytes / 2);
        let memory = self.long.take(frame_bytes..=most)?;
        self.ahead.fetch_add(memory.capacity(), Relaxed);
        Some(memory)
    }

    /// A frame has arrived, or will not, that was given so much memory before.
    pub(super) fn arrived(&self, capacity: usize) {
        self.ahead.fetch_sub(capacity, Relaxed);
    }

    fn put(&self, mut memory: SlabMemory) {
        if self.long.keeps(memory.capacity()) {
            memory.clear();
            return self.long.put(memory.capacity(), memory);
        }
        if !(SLAB_BYTES_LEAST..=self.slab_bytes).contains(&memory.capacity()) {
            return;
        }
        memory.clear();
        let mut free = self.free();
        if free.len() < POOL_SLABS_MAX {
            free.push(memory);
        }
    }
}

impl fmt::Debug for SlabPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlabPool({} free, {} B lent)", self.free().len(), self.lent_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::SlabShare, *};

    #[test]
    fn the_shortest_that_fits_is_taken_and_few_are_kept() {
        let pool = SlabPool::new(64 << 10);
        for kib in [64, 8, 4, 16, 2] {
            pool.put(SlabMemory::with_capacity(kib << 10));
        }
        assert_eq!(pool.free().len(), 4, "none that is too short");
        assert_eq!(pool.take(5000).capacity(), 8 << 10);
        assert_eq!(pool.take(5000).capacity(), 16 << 10);
        assert_eq!(pool.take(100 << 10).capacity(), 100 << 10, "it is new");
        for _ in 0..100 {
            pool.put(SlabMemory::with_capacity(4 << 10));
        }
        assert_eq!(pool.free().len(), POOL_SLABS_MAX);
    }

    /// Holders that take a page each in turns, until none may have more.
    fn fill(pool: &SlabPool, holders: usize) -> Vec<usize> {
        let mut held = vec![0; holders];
        while held.iter().any(|held| !pool.is_spent(*held)) {
            for held in held.iter_mut().filter(|held| !pool.is_spent(**held)) {
                *held += 4096;
                pool.lend(4096);
            }
        }
        held
    }

    #[test]
    fn what_lanes_have_at_hand_leaves_no_less_for_others() {
        let pool = SlabPool::bounded(64 << 10, 1 << 20);
        let shares = [(); 32].map(|()| SlabShare::of_lanes(Arc::clone(&pool), usize::MAX));
        // A slab each, to read into.
        let slabs = shares.each_ref().map(|share| share.memory(64 << 10));
        shares.iter().for_each(|share| share.at_hand(0, 64 << 10));
        assert_eq!((pool.lent_bytes(), shares[0].kept_bytes()), (2 << 20, 0));
        assert!(!pool.is_spent(shares[0].kept_bytes()) && !pool.is_spent(1 << 20));
        // Read, and kept by messages.
        shares.iter().for_each(|share| share.at_hand(64 << 10, 0));
        assert!(pool.is_spent(shares[0].kept_bytes()));
        for (share, slab) in shares.iter().zip(slabs) {
            odeon_message::SlabHome::returned(&**share, slab);
        }
        assert_eq!(pool.lent_bytes(), 0);
    }

    #[test]
    fn each_has_as_much_as_stays_free() {
        for holders in [1, 2, 7, 63] {
            let pool = SlabPool::bounded(64 << 10, 64 << 20);
            let fair = (64 << 20) / (holders + 1);
            for held in fill(&pool, holders) {
                // As many take one more before the last sees it.
                assert!(held.abs_diff(fair) <= 4096 * holders, "{held} of {fair}");
            }
            assert!(pool.lent_bytes() <= 64 << 20);
            assert!(!pool.is_spent(fair / 2), "who comes next finds room");
        }
        assert!(!SlabPool::new(64 << 10).is_spent(usize::MAX));
    }
}
