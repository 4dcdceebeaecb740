//! Credit of one streamed reply: how far its sender may be ahead of whoever takes the items.
//!
//! What it is: the sender's half, an [`ItemsBook`], and the asker's half, an [`ItemsWindow`], for items and for bytes of
//! their whole frames, in totals since the stream was asked for. What it is NOT: the credit of a receiver of messages,
//! which many senders' messages share and which is forgotten by agreement; this one ends with its stream.
//!
//! The rule, on both sides: an item may be sent while at least one item and one byte are left. So an item of any size
//! passes, at the end of what was granted, and takes the bytes below zero: the asker holds at most its window and one
//! frame. It grants again when half a window was consumed since its last grant, so that more than half is open once all
//! was consumed, and no sender waits for ever.

use crate::StreamCredit;

/// An item came for which nothing was left. The peer's fault; it ends the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a streamed reply went beyond its credit: item {item} came, {} items and {} bytes were granted",
    granted.items,
    granted.bytes
)]
pub struct ItemsOverrun {
    /// Which item of the stream it was, from 1.
    pub item: u64,
    /// What was granted in all.
    pub granted: StreamCredit,
}

/// What the sender of a streamed reply may still send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ItemsBook {
    granted: StreamCredit,
    sent: StreamCredit,
}

impl ItemsBook {
    /// The book of a stream that was asked for with this credit.
    #[must_use]
    pub fn new(granted: StreamCredit) -> Self {
        Self { granted, sent: StreamCredit::default() }
    }

    /// A later total; an older one changes nothing. Whether there is more than before.
    pub fn grant(&mut self, total: StreamCredit) -> bool {
        let before = self.granted;
        self.granted.items = before.items.max(total.items);
        self.granted.bytes = before.bytes.max(total.bytes);
        self.granted != before
    }

    /// Whether an item may be sent.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.granted.items > self.sent.items && self.granted.bytes > self.sent.bytes
    }

    /// An item was sent, in a frame of so many bytes.
    pub fn take(&mut self, frame_bytes: usize) {
        self.sent.items += 1;
        self.sent.bytes = self.sent.bytes.saturating_add(frame_bytes as u64);
    }
}

/// What the asker of a streamed reply has granted, and what came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ItemsWindow {
    window: StreamCredit,
    granted: StreamCredit,
    arrived: StreamCredit,
    consumed: StreamCredit,
    /// How much of what was consumed the last grant counted.
    settled: StreamCredit,
}

impl ItemsWindow {
    /// The window of a new stream; each side of it is at least 1.
    #[must_use]
    pub fn new(window: StreamCredit) -> Self {
        let window = StreamCredit { items: window.items.max(1), bytes: window.bytes.max(1) };
        let none = StreamCredit::default();
        Self { window, granted: window, arrived: none, consumed: none, settled: none }
    }

    /// What was granted in all; at first, what to ask with.
    #[must_use]
    pub fn granted(&self) -> StreamCredit {
        self.granted
    }

    /// An item came, in a frame of so many bytes.
    ///
    /// # Errors
    /// When nothing was left for it.
    pub fn arrive(&mut self, frame_bytes: usize) -> Result<(), ItemsOverrun> {
        let Self { granted, arrived, .. } = self;
        if arrived.items >= granted.items || arrived.bytes >= granted.bytes {
            return Err(ItemsOverrun { item: arrived.items + 1, granted: *granted });
        }
        arrived.items += 1;
        arrived.bytes = arrived.bytes.saturating_add(frame_bytes as u64);
        Ok(())
    }

    /// An item that came was taken; what to grant now, if it is time.
    pub fn consume(&mut self, frame_bytes: usize) -> Option<StreamCredit> {
        let Self { window, consumed, settled, .. } = self;
        consumed.items += 1;
        consumed.bytes = consumed.bytes.saturating_add(frame_bytes as u64);
        let due = consumed.items - settled.items >= (window.items / 2).max(1)
            || consumed.bytes - settled.bytes >= (window.bytes / 2).max(1);
        if !due {
            return None;
        }
        *settled = *consumed;
        self.granted = StreamCredit {
            items: consumed.items.saturating_add(window.items),
            bytes: consumed.bytes.saturating_add(window.bytes),
        };
        Some(self.granted)
    }
}
