//! What a receiver asks of the messages it has taken: which comes next, and how they go on.

#![expect(unsafe_code, reason = "the queue is linked through the messages themselves")]

use std::{mem::ManuallyDrop, ptr::NonNull, sync::atomic::Ordering::Relaxed};

use super::Batch;
use crate::{envelope::Envelope, stack::Linked};

impl Batch {
    /// Whether the oldest message is a read.
    pub(crate) fn next_reads(&self) -> bool {
        // SAFETY: the batch owns its nodes; the envelope is not dropped, and gone before the node leaves the batch.
        self.first
            .get()
            .is_some_and(|node| ManuallyDrop::new(unsafe { Envelope::from_raw(node) }).reads())
    }

    /// Puts the messages of another batch behind these.
    pub(crate) fn append(&self, other: &Self) {
        let Some(mut last) = self.first.get() else { return self.refill(other) };
        // SAFETY: the batch owns its nodes.
        while let Some(next) = NonNull::new(unsafe { last.as_ref() }.link().load(Relaxed)) {
            last = next;
        }
        let rest = other.first.take().map_or(std::ptr::null_mut(), NonNull::as_ptr);
        // SAFETY: as above.
        unsafe { last.as_ref() }.link().store(rest, Relaxed);
    }
}
