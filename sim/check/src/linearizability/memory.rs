//! What a search has tried: sets of placed operations with the states they led to (Lowe's configurations).
//!
//! What it is NOT: unbounded; it counts its bytes, and the search gives up when they are too many.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, DefaultHasher, Hash},
};

/// Configurations that were seen. The keys of its hash are fixed, so that two runs do alike.
pub(super) struct Memory<S> {
    seen: HashSet<(Box<[u64]>, S), BuildHasherDefault<DefaultHasher>>,
    bytes: usize,
}

impl<S: Eq + Hash> Memory<S> {
    pub(super) fn new() -> Self {
        Self { seen: HashSet::default(), bytes: 0 }
    }

    /// Whether it is new; then it is remembered.
    pub(super) fn is_new(&mut self, placed: Box<[u64]>, state: S, state_bytes: usize) -> bool {
        let bytes = size_of_val(&*placed) + size_of::<Box<[u64]>>() + state_bytes;
        let is_new = self.seen.insert((placed, state));
        if is_new {
            self.bytes += bytes;
        }
        is_new
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
