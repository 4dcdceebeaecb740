//! Bytes as they were received: aligned, shared, never written again.
//!
//! The transport copies what it received once into a [`Slab`], whose start is aligned for any archive; a
//! [`Payload`] is one archive inside it. Read `codec.rs` for how a payload is checked and read.

use std::{fmt, ops::Range, sync::Arc};

use crate::Slab;

/// One archive inside shared memory: cloning it shares the bytes.
#[derive(Clone)]
pub struct Payload {
    slab: Arc<Slab>,
    range: Range<usize>,
}

impl Payload {
    /// The archive at `range` of `slab`, or `None` if the range is not inside the slab or does not start at a
    /// multiple of 16.
    #[must_use]
    pub fn new(slab: Arc<Slab>, range: Range<usize>) -> Option<Self> {
        let fits =
            range.start <= range.end && range.end <= slab.len() && range.start.is_multiple_of(16);
        fits.then_some(Self { slab, range })
    }

    /// A payload of its own, copied from `bytes`.
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> Self {
        let mut slab = Slab::with_capacity(bytes.len());
        slab.extend_from_slice(bytes);
        Self { range: 0..bytes.len(), slab: Arc::new(slab) }
    }

    /// Itself, or what `copy` makes of its bytes where it shares memory of which others have the greater part, so that
    /// waiting with it does not hold that. A large message, which came in memory of its own, is not copied.
    #[must_use]
    pub fn alone(self, copy: impl FnOnce(&[u8]) -> Self) -> Self {
        if self.len() >= self.slab.capacity() / 2 { self } else { copy(self.bytes()) }
    }

    /// Its first `len` bytes, as a payload of its own in the same memory; all of it if it has fewer.
    #[must_use]
    pub fn first(mut self, len: usize) -> Self {
        self.range.end = self.range.end.min(self.range.start.saturating_add(len));
        self
    }

    /// The bytes of the archive; their start is aligned to 16.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.slab[self.range.clone()]
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}
