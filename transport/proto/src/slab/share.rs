//! What one association holds of its endpoint's memory for received bytes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use odeon_message::{Payload, Slab, SlabHome, SlabMemory};

use super::{SLAB_BYTES_LEAST, SlabPool};

/// What memory that is shorter than any slab of a stream costs beside its bytes: who shares it, and where it goes.
const COPY_BYTES: usize = size_of::<Slab>() + 2 * size_of::<usize>();

/// What memory counts as.
const fn cost(capacity: usize) -> usize {
    let is_copy = capacity > 0 && capacity < SLAB_BYTES_LEAST;
    if is_copy { capacity + COPY_BYTES } else { capacity }
}

/// What was counted on the slabs of one association.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct SlabStats {
    /// Bytes of memory that it holds now: the slabs of its streams, and those that messages in mailboxes, views in the
    /// hands of handlers and unread answers keep.
    pub pinned_bytes: u64,
    /// Of these the slabs that its streams have at hand to read into, whether payloads keep them as well or not.
    pub at_hand_bytes: u64,
    /// Frames that were given memory of their own, because more than the bound was held.
    pub frames_copied_out: u64,
    /// Bytes that were copied once more after they had come: beginnings of frames whose rest came later, frames that were
    /// copied out.
    pub bytes_moved: u64,
}

/// The slabs of one association: counted, and with a bound on what its payloads pin.
///
/// Past the bound a payload that is short beside its slab is copied out of it, so that what is held from then on grows
/// with what the peer was given credit for, not with the slabs it came in.
#[derive(Debug)]
pub struct SlabShare {
    pool: Arc<SlabPool>,
    pinned_bytes_max: usize,
    /// Whether lanes read into it.
    of_lanes: bool,
    held: AtomicUsize,
    at_hand: AtomicUsize,
    copied_out: AtomicU64,
    moved: AtomicU64,
}

impl SlabShare {
    /// A share of `pool`, whose payloads pin so many bytes before they are copied out.
    #[must_use]
    pub fn new(pool: Arc<SlabPool>, pinned_bytes_max: usize) -> Arc<Self> {
        Self::make(pool, pinned_bytes_max, false)
    }

    /// The same for lanes, which keep a slab at hand while nothing comes.
    #[must_use]
    pub fn of_lanes(pool: Arc<SlabPool>, pinned_bytes_max: usize) -> Arc<Self> {
        Self::make(pool, pinned_bytes_max, true)
    }

    fn make(pool: Arc<SlabPool>, pinned_bytes_max: usize, of_lanes: bool) -> Arc<Self> {
        let (held, at_hand, copied_out, moved) = Default::default();
        Arc::new(Self { pool, pinned_bytes_max, of_lanes, held, at_hand, copied_out, moved })
    }

    /// What was counted until now.
    #[must_use]
    pub fn stats(&self) -> SlabStats {
        SlabStats {
            pinned_bytes: self.held.load(Relaxed) as u64,
            at_hand_bytes: self.at_hand.load(Relaxed) as u64,
            frames_copied_out: self.copied_out.load(Relaxed),
            bytes_moved: self.moved.load(Relaxed),
        }
    }

    /// Bytes of memory that it holds now.
    #[must_use]
    #[inline]
    pub fn held_bytes(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// The same without what lanes have at hand to read into.
    #[must_use]
    #[inline]
    pub fn kept_bytes(&self) -> usize {
        self.held_bytes().saturating_sub(if self.of_lanes { self.at_hand.load(Relaxed) } else { 0 })
    }

    /// Where its memory comes from.
    #[must_use]
    #[inline]
    pub fn pool(&self) -> &SlabPool {
        &self.pool
    }

    /// A payload in memory of its own, which is counted here.
    #[must_use]
    #[cold]
    pub fn copy(self: &Arc<Self>, bytes: &[u8]) -> Payload {
        self.copied_out.fetch_add(1, Relaxed);
        self.set_aside(bytes)
    }

    /// The same of what is copied whatever is held, for it may wait for long.
    #[must_use]
    pub fn set_aside(self: &Arc<Self>, bytes: &[u8]) -> Payload {
        let mut memory = SlabMemory::with_capacity(bytes.len());
        memory.extend_from_slice(bytes);
        self.moved(bytes.len());
        self.grown(cost(memory.capacity()));
        let home: Arc<dyn SlabHome> = self.clone();
        let (whole, slab) = (0..memory.len(), Slab::of(home, memory));
        Payload::new(Arc::new(slab), whole).expect("it is the whole of its slab")
    }

    pub(super) fn is_full(&self) -> bool {
        self.held.load(Relaxed) > self.pinned_bytes_max
    }

    /// Memory for a slab, which is counted from now on.
    pub(super) fn memory(&self, bytes: usize) -> SlabMemory {
        let memory = self.pool.take(bytes);
        self.grown(memory.capacity());
        memory
    }

    /// Memory for a frame of so many bytes, if there is some that nobody uses; it is counted from now on.
    pub(super) fn ready(&self, frame_bytes: usize) -> Option<SlabMemory> {
        let memory = self.pool.ready(frame_bytes)?;
        self.grown(memory.capacity());
        Some(memory)
    }

    pub(super) fn grown(&self, bytes: usize) {
        self.held.fetch_add(bytes, Relaxed);
        self.pool.lend(bytes);
    }

    /// A stream has a slab of so many bytes at hand, in place of another one.
    pub(super) fn at_hand(&self, before: usize, now: usize) {
        self.at_hand.fetch_add(now, Relaxed);
        self.at_hand.fetch_sub(before, Relaxed);
        if self.of_lanes {
            self.pool.at_hand(before, now);
        }
    }

    pub(super) fn moved(&self, bytes: usize) {
        if bytes > 0 {
            self.moved.fetch_add(bytes as u64, Relaxed);
        }
    }
}

impl SlabHome for SlabShare {
    fn returned(&self, memory: SlabMemory) {
        let bytes = cost(memory.capacity());
        self.held.fetch_sub(bytes, Relaxed);
        self.pool.returned(memory, bytes);
    }
}
