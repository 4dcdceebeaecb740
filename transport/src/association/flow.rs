//! Credit given back: from the receiver's mailbox to the sender's book.
//!
//! The reader of an inbound lane counts each message as delivered and wraps it with a [`Flow`]. Where the message
//! leaves its mailbox, on whatever thread, the flow counts it as consumed; when a grant is due it goes to the control
//! queue. All of it belongs to one connection: a flow of an earlier one counts in its own books and nobody hears it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use odeon_message::ActorKey;
use odeon_wire::{InitialCredit, Overrun, WindowTable};

use super::control::ControlQueue;

/// Grants sent in one settling, so that a table of many receivers does not fill the control queue at once.
const SETTLE_MAX: usize = 1024;

/// The windows of one inbound lane.
pub(crate) struct LaneWindows {
    table: Mutex<WindowTable>,
    control: Arc<ControlQueue>,
}

impl LaneWindows {
    pub(crate) fn new(window: InitialCredit, control: Arc<ControlQueue>) -> Arc<Self> {
        Arc::new(Self { table: Mutex::new(WindowTable::new(window)), control })
    }

    fn lock(&self) -> MutexGuard<'_, WindowTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a message that came.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        receiver: ActorKey,
        frame_bytes: usize,
    ) -> Result<Flow, Overrun> {
        self.lock().deliver(receiver, frame_bytes)?;
        Ok(Flow { windows: Arc::clone(self), receiver, frame_bytes })
    }

    /// The sender forgot a receiver.
    pub(crate) fn forget(&self, receiver: ActorKey) -> Result<(), Overrun> {
        self.lock().forget(receiver)
    }

    /// Grants the rest to senders that were silent for a while.
    pub(crate) fn settle(&self) {
        let totals = self.lock().settle(SETTLE_MAX);
        totals.into_iter().for_each(|total| self.control.grant(total));
    }

    fn consume(&self, receiver: ActorKey, frame_bytes: usize) {
        let grant = self.lock().consume(receiver, frame_bytes);
        if let Some(total) = grant {
            self.control.grant(total);
        }
    }
}

/// The credit that one inbound message holds. Dropping it gives the credit back, from any thread.
#[must_use = "dropping it says that the message was consumed"]
pub struct Flow {
    windows: Arc<LaneWindows>,
    receiver: ActorKey,
    frame_bytes: usize,
}

impl Flow {
    /// The message left its mailbox, or was dropped: says so and gives the credit back.
    pub fn consumed(self) {}

    /// Length of the whole frame, which is what was charged.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.windows.consume(self.receiver, self.frame_bytes);
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flow({}, {} bytes)", self.receiver, self.frame_bytes)
    }
}
