//! What a receiver asks of messages that stay where they are: which comes next, and whether one is among them.

#![expect(unsafe_code, reason = "the queue is linked through the messages themselves")]

use std::{iter, mem::ManuallyDrop, ptr::NonNull};

use super::{Batch, Mailbox};
use crate::{
    envelope::{Envelope, Head},
    stack::next,
};

/// Looks, from one message on, for one that fits: whether that is a read. The links end, or lead back to the first.
///
/// # Safety
/// The messages are linked, alive, and stay so as long as this looks.
unsafe fn find_from(
    first: Option<NonNull<Head>>,
    fits: &impl Fn(&Envelope) -> bool,
) -> Option<bool> {
    // SAFETY: the caller says so.
    let behind = |node: &NonNull<Head>| unsafe { next(*node) }.filter(|next| Some(*next) != first);
    iter::successors(first, behind).find_map(|node| {
        // SAFETY: the caller says that it is alive; the envelope is not dropped.
        let envelope = ManuallyDrop::new(unsafe { Envelope::from_raw(node) });
        fits(&envelope).then(|| envelope.reads())
    })
}

impl Mailbox {
    /// Whether the first message that fits, in no order, is a read; nothing is taken. Only the receiver calls it.
    pub(crate) fn find(&self, fits: &impl Fn(&Envelope) -> bool) -> Option<bool> {
        match self.lanes() {
            // SAFETY: only the receiver takes from the stack, and it is looking.
            None => unsafe { find_from(self.stack.newest(), fits) },
            Some(lanes) => lanes.find(fits),
        }
    }
}

impl Batch {
    /// Whether the first message that fits is a read.
    pub(crate) fn find(&self, fits: &impl Fn(&Envelope) -> bool) -> Option<bool> {
        // SAFETY: the batch owns its nodes, and lets none go meanwhile.
        unsafe { find_from(self.first(), fits) }
    }

    /// Whether the oldest message is a read.
    pub(crate) fn next_reads(&self) -> bool {
        // SAFETY: the batch owns its nodes; the envelope is not dropped, and gone before the node leaves the batch.
        self.first()
            .is_some_and(|node| ManuallyDrop::new(unsafe { Envelope::from_raw(node) }).reads())
    }
}
