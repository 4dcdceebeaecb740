//! What a receiver asks of the messages it has taken: which comes next, and how they go on.

#![expect(unsafe_code, reason = "the queue is linked through the messages themselves")]

use std::mem::ManuallyDrop;

use super::Batch;
use crate::envelope::Envelope;

impl Batch {
    /// Whether the oldest message is a read.
    pub(crate) fn next_reads(&self) -> bool {
        // SAFETY: the batch owns its nodes; the envelope is not dropped, and gone before the node leaves the batch.
        self.first()
            .is_some_and(|node| ManuallyDrop::new(unsafe { Envelope::from_raw(node) }).reads())
    }
}
