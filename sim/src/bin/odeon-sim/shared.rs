//! What the bodies of nodes write and the scenario reads.
//!
//! Actors must be `Send`, so that a cell would not do; in a world there is one thread, and nobody waits. What it is NOT: a
//! history; what a checker is to judge goes to a `Recorder`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A value of several owners. Clones are of the same value.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Arc<Mutex<T>>);

impl<T> Shared<T> {
    /// The value, until the guard is dropped. That somebody panicked with it in hand is not kept from others: the panic
    /// has failed the seed.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
