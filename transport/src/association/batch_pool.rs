//! Memory of batches that QUIC is done with, kept for all lanes of an endpoint.
//!
//! A busy lane fills a buffer as long as a write, gives it to QUIC and has it back when the peer has acknowledged all of it.
//! From an allocator such buffers come with pages that nobody has touched, which costs more than to fill them. What it is
//! NOT: the place of short batches, which any allocator has at hand; nor the slabs of what is received (`odeon_wire`).

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;

/// Buffers kept: with writes of 128 KiB, 4 MiB, which is what one busy connection has under way.
const BATCHES_MAX: usize = 32;
/// Shorter buffers are the allocator's.
const KEPT_BYTES_LEAST: usize = 64 << 10;

/// A short buffer that is kept has no more: one packet on an ordinary network.
const SHORT_BYTES_MAX: usize = 2 << 10;

/// The buffers of one endpoint that nobody uses: at most 32, none longer than `bytes_max`; further ones are freed.
pub(crate) struct BatchPool {
    free: Mutex<Vec<Vec<u8>>>,
    bytes_max: usize,
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
        Arc::new(Self { free, bytes_max, short, has_short })
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // Nothing that panics runs under the lock.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeps(&self, memory: &Vec<u8>) -> bool {
        (KEPT_BYTES_LEAST..=self.bytes_max).contains(&memory.capacity())
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

    fn put(&self, mut memory: Vec<u8>) {
        if !self.keeps(&memory) {
            return;
        }
        memory.clear();
        let mut free = self.free();
        if free.len() < BATCHES_MAX {
            free.push(memory);
        }
    }

    /// What is written, for QUIC; the buffer comes back.
    pub(super) fn lend(self: &Arc<Self>, memory: Vec<u8>) -> Bytes {
        match self.keeps(&memory) {
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
        drop(pool.lend(Vec::with_capacity(1 << 20)));
        assert!(pool.free().is_empty(), "neither too short nor too long");
        let many: Vec<_> = (0..100).map(|_| pool.lend(pool.take(128 << 10))).collect();
        drop(many);
        assert_eq!(pool.free().len(), BATCHES_MAX);
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
