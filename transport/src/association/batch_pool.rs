//! Memory of batches that QUIC is done with, kept for all lanes of an endpoint.
//!
//! A busy lane fills a buffer as long as a write, gives it to QUIC and has it back when the peer has acknowledged all of it.
//! From an allocator such buffers come with pages that nobody has touched, which costs more than to fill them. What it is
//! NOT: the place of short batches, which any allocator has at hand; nor the slabs of what is received (`odeon_wire`). What
//! large messages are archived into stands on a [`Shelf`].

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use odeon_wire::Shelf;

/// Buffers kept: with writes of 128 KiB, 4 MiB, which is what one busy connection has under way.
const BATCHES_MAX: usize = 32;
/// Shorter buffers are the allocator's.
const KEPT_BYTES_LEAST: usize = 64 << 10;

/// The longest first capacity of a buffer for a large message, where none is kept. The system gives memory as it is written.
const LARGE_BYTES_FIRST: usize = 8 << 20;

/// A short buffer that is kept has no more: one packet on an ordinary network.
const SHORT_BYTES_MAX: usize = 2 << 10;

/// The buffers of one endpoint that nobody uses: at most 32 that are no longer than `bytes_max`, and longer ones as a [`Shelf`]
/// keeps them; further ones are freed.
pub(crate) struct BatchPool {
    free: Mutex<Vec<Vec<u8>>>,
    bytes_max: usize,
    /// What is longer.
    long: Shelf<Vec<u8>>,
    /// One short buffer, where frames are written at once: it is used for each, and stays in a processor's caches.
    short: Mutex<Vec<u8>>,
    has_short: AtomicBool,
}

/// A buffer that comes back when QUIC has let its last part go.
struct Lent {
    memory: Vec<u8>,
    pool: Arc<BatchPool>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.put(std::mem::take(&mut self.memory));
    }
}

impl BatchPool {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        let (free, short, has_short) = Default::default();
        let long = Shelf::new(bytes_max.max(KEPT_BYTES_LEAST));
        Arc::new(Self { free, bytes_max, long, short, has_short })
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // Nothing that panics runs under the lock.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeps(&self, memory: &Vec<u8>) -> bool {
        (KEPT_BYTES_LEAST..=self.bytes_max).contains(&memory.capacity())
    }

    /// Bytes of long buffers that nobody uses and that are kept.
    pub(crate) fn long_bytes(&self) -> usize {
        self.long.bytes()
    }

    /// Frees the long buffers that were not needed since the last call.
    pub(crate) fn sweep(&self) {
        self.long.sweep();
    }

    /// Keeps long buffers no more.
    pub(crate) fn end(&self) {
        self.long.end();
    }

    /// An empty buffer for a large message that is likely to be so long, and to grow where it is longer.
    pub(super) fn take_large(&self, likely: usize) -> Vec<u8> {
        if likely <= self.bytes_max {
            return self.take(likely);
        }
        // One that grew may have twice what it needed.
        let kept = self.long.take(likely..=likely.saturating_mul(2));
        kept.unwrap_or_else(|| Vec::with_capacity(likely.min(LARGE_BYTES_FIRST)))
    }

    /// An empty buffer with room for so many bytes.
    pub(super) fn take(&self, bytes: usize) -> Vec<u8> {
        let kept = if bytes >= KEPT_BYTES_LEAST {
            self.free().pop()
        } else if self.has_short.load(Ordering::Relaxed) {
            self.has_short.store(false, Ordering::Relaxed);
            Some(std::mem::take(&mut *self.short()))
        } else {
            None
        };
        match kept {
            Some(mut memory) => {
                memory.reserve(bytes);
                memory
            }
            None => Vec::with_capacity(bytes),
        }
    }

    fn short(&self) -> MutexGuard<'_, Vec<u8>> {
        self.short.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the buffer back of what was written at once, and so is copied already.
    pub(super) fn put_short(&self, mut memory: Vec<u8>) {
        if memory.capacity() <= SHORT_BYTES_MAX {
            memory.clear();
            *self.short() = memory;
            self.has_short.store(true, Ordering::Relaxed);
        }
    }

    /// Takes a buffer back that was lent, or was taken in vain.
    pub(super) fn put(&self, mut memory: Vec<u8>) {
        memory.clear();
        if !self.keeps(&memory) {
            return self.long.put(memory.capacity(), memory);
        }
        let mut free = self.free();
        if free.len() < BATCHES_MAX {
            free.push(memory);
        }
    }

    /// What is written, for QUIC; the buffer comes back.
    pub(crate) fn lend(self: &Arc<Self>, memory: Vec<u8>) -> Bytes {
        match self.keeps(&memory) || self.long.keeps(memory.capacity()) {
            true => Bytes::from_owner(Lent { memory, pool: Arc::clone(self) }),
            false => Bytes::from(memory),
        }
    }
}

impl fmt::Debug for BatchPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchPool({} free)", self.free().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_buffer_comes_back_with_its_last_part_and_few_are_kept() {
        let pool = BatchPool::new(128 << 10);
        let mut memory = pool.take(128 << 10);
        memory.resize(1000, 7);
        let place = memory.as_ptr();
        let mut bytes = pool.lend(memory);
        let rest = bytes.split_off(10);
        drop(bytes);
        assert!(pool.free().is_empty(), "a part of it is in use");
        assert_eq!(rest[..], [7; 990]);
        drop(rest);
        let again = pool.take(100 << 10);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        drop(pool.lend(pool.take(1000)));
        drop(pool.lend(Vec::with_capacity(32 << 20)));
        assert!(pool.free().is_empty(), "neither too short nor too long");
        assert_eq!(pool.long_bytes(), 0);
        let many: Vec<_> = (0..100).map(|_| pool.lend(pool.take(128 << 10))).collect();
        drop(many);
        assert_eq!(pool.free().len(), BATCHES_MAX);
    }

    #[test]
    fn a_large_message_has_the_buffer_of_one_that_was_as_long() {
        let pool = BatchPool::new(128 << 10);
        let mut memory = pool.take_large(64 << 10);
        memory.resize(1 << 20, 7);
        let (place, bytes) = (memory.as_ptr(), memory.capacity());
        drop(pool.lend(memory));
        assert_eq!((pool.long_bytes(), pool.free().len()), (bytes, 0));
        assert!(pool.take_large(400 << 10).capacity() < 1 << 20, "it would hold too much");
        let again = pool.take_large(1 << 20);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        drop(pool.lend(again));
        pool.sweep();
        pool.sweep();
        assert_eq!(pool.long_bytes(), 0);
    }

    #[test]
    fn a_short_buffer_that_was_written_at_once_is_taken_next_and_a_long_one_is_not() {
        let pool = BatchPool::new(128 << 10);
        let mut memory = pool.take(1 << 10);
        memory.extend_from_slice(&[7; 100]);
        let place = memory.as_ptr();
        pool.put_short(memory);
        let again = pool.take(1 << 10);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        let other = pool.take(1 << 10);
        assert!(other.as_ptr() != place, "one is kept, and it is in use");
        pool.put_short(Vec::with_capacity(4 << 10));
        assert!(pool.take(1 << 10).capacity() < 4 << 10);
        assert!(pool.free().is_empty());
    }
}
