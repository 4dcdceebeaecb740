//! Aligned memory for received bytes, which goes back to where it came from once nobody reads it any more.
//!
//! What it is: a [`Slab`], written by one reader of a stream while nobody shares it, then shared by the payloads that are
//! cut from it, on any thread; and its [`SlabHome`], which counts it and uses its memory again. What it is NOT: the pool
//! itself, which is the reader's (`slab.rs` of `odeon-wire`). Read `payload.rs` next.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use rkyv::util::AlignedVec;

/// The memory of a slab, aligned to 16, as any archive needs it.
pub type SlabMemory = AlignedVec<16>;

/// Where the memory of slabs comes from, and goes to when the last who reads it has gone.
pub trait SlabHome: Send + Sync {
    /// A slab is not needed any more. Called from any thread, once for each; must not wait and must not panic.
    fn returned(&self, memory: SlabMemory);
}

/// A block of received bytes, aligned to 16.
#[derive(Default)]
pub struct Slab {
    memory: SlabMemory,
    home: Option<Arc<dyn SlabHome>>,
}

impl Slab {
    /// One without memory, which nobody counts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One with room for `bytes`, which nobody counts: its memory is freed with it.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { memory: SlabMemory::with_capacity(bytes), home: None }
    }

    /// One whose memory is given to `home` in the end.
    #[must_use]
    pub fn of(home: Arc<dyn SlabHome>, memory: SlabMemory) -> Self {
        Self { memory, home: Some(home) }
    }
}

impl Deref for Slab {
    type Target = SlabMemory;

    #[inline]
    fn deref(&self) -> &SlabMemory {
        &self.memory
    }
}

impl DerefMut for Slab {
    #[inline]
    fn deref_mut(&mut self) -> &mut SlabMemory {
        &mut self.memory
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.returned(std::mem::take(&mut self.memory));
        }
    }
}

impl fmt::Debug for Slab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slab({} of {} bytes)", self.memory.len(), self.memory.capacity())
    }
}
