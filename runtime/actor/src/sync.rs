//! The atomics and cells of the lock-free parts: std's here.
//!
//! `stack.rs`, `load.rs`, `answer.rs` and `hold.rs` name them through `super::sync` and nothing else of the crate, so that
//! `loom_models.rs` can compile those files a second time with loom's in their place. The crate itself never sees
//! loom's types, whatever its features. Read `stack.rs` next.

pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64};

/// A cell with loom's interface: its content is reached for the length of a closure.
#[derive(Default)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// For reading; the pointer is good as long as nobody writes.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// For writing; the pointer is good as long as nobody else reads or writes.
    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
