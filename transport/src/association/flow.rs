//! Credit given back: from the receiver's mailbox to the sender's book.
//!
//! The reader of an inbound lane counts each message as delivered and wraps it with a [`Credit`]. Where the message
//! leaves its mailbox, on whatever thread, the credit counts it as consumed; when a grant is due it goes to the control
//! queue. All of it belongs to one connection: a credit of an earlier one counts in its own books and nobody hears it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use odeon_message::{ActorKey, Credit, Creditor, Train};
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
    ) -> Result<Credit, Overrun> {
        self.lock().deliver(receiver, frame_bytes)?;
        let creditor: Arc<dyn Creditor> = self.clone();
        Ok(Credit::new(creditor, receiver, frame_bytes as u64))
    }

    /// Counts messages that came together.
    pub(crate) fn deliver_train(
        self: &Arc<Self>,
        receiver: ActorKey,
        train: &Train,
    ) -> Result<Credit, Overrun> {
        let (messages, bytes) = (u64::from(train.len()), train.whole_bytes() as u64);
        let frames = train.iter().map(|taken| taken.whole_bytes);
        self.lock().deliver_all(receiver, messages, bytes, frames)?;
        let creditor: Arc<dyn Creditor> = self.clone();
        Ok(Credit::of_many(creditor, receiver, messages, bytes))
    }

    /// The sender forgot a receiver.
    pub(crate) fn forget(&self, receiver: ActorKey) -> Result<(), Overrun> {
        self.lock().forget(receiver)
    }

    /// Messages that came and were not consumed.
    pub(crate) fn held(&self) -> u64 {
        self.lock().held()
    }

    /// Grants the rest to senders that were silent for a while.
    pub(crate) fn settle(&self) {
        let totals = self.lock().settle(SETTLE_MAX);
        totals.into_iter().for_each(|total| self.control.grant(total));
    }
}

impl Creditor for LaneWindows {
    fn consumed(&self, receiver: ActorKey, messages: u64, bytes: u64) {
        let grant = self.lock().consume(receiver, messages, bytes);
        if let Some(total) = grant {
            self.control.grant(total);
        }
    }
}
