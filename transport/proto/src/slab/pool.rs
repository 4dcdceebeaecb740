//! Memory of slabs that nobody uses, kept for all streams of an endpoint.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use odeon_message::SlabMemory;

use super::SLAB_BYTES_LEAST;

/// Pieces of memory kept: with slabs of 64 KiB, 4 MiB, the batches of some busy associations at a time.
const POOL_SLABS_MAX: usize = 64;

/// The memory that slabs of one endpoint are made of and give back, on whatever thread their last payload goes.
///
/// It keeps at most 64 pieces, none longer than `slab_bytes`; further ones are freed.
pub struct SlabPool {
    free: Mutex<Vec<SlabMemory>>,
    slab_bytes: usize,
}

impl SlabPool {
    /// An empty one, which keeps memory up to this length.
    #[must_use]
    pub fn new(slab_bytes: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::default(), slab_bytes })
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

    pub(super) fn put(&self, mut memory: SlabMemory) {
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
        write!(f, "SlabPool({} free)", self.free().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_that_fits_is_taken_and_few_are_kept() {
        let pool = SlabPool::new(64 << 10);
        for kib in [64, 8, 4, 16, 2, 128] {
            pool.put(SlabMemory::with_capacity(kib << 10));
        }
        assert_eq!(pool.free().len(), 4, "neither too short nor too long");
        assert_eq!(pool.take(5000).capacity(), 8 << 10);
        assert_eq!(pool.take(5000).capacity(), 16 << 10);
        assert_eq!(pool.take(100 << 10).capacity(), 100 << 10, "it is new");
        for _ in 0..100 {
            pool.put(SlabMemory::with_capacity(4 << 10));
        }
        assert_eq!(pool.free().len(), POOL_SLABS_MAX);
    }
}
