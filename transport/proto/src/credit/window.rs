//! The receiver's half of credit.

use indexmap::IndexMap;
use odeon_message::ActorKey;
use thiserror::Error;

use super::bytes_needed;
use crate::{CreditTotal, InitialCredit, format::CREDIT_ENTRIES_MAX};

/// Totals granted to a sender since its credit state began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Messages.
    pub messages: u64,
    /// Bytes of whole frames.
    pub bytes: u64,
}

/// What one receiver has taken from one lane, and what it has made known of it.
#[derive(Clone, Debug)]
pub struct Window {
    window: InitialCredit,
    delivered: Grant,
    consumed: Grant,
    /// What was consumed when the last grant was made.
    announced: Grant,
    touched: bool,
}

impl Window {
    /// The state before the first message.
    #[must_use]
    pub fn new(window: InitialCredit) -> Self {
        let zero = Grant { messages: 0, bytes: 0 };
        Self { window, delivered: zero, consumed: zero, announced: zero, touched: true }
    }

    /// Counts a message that has arrived, by the length of its whole frame.
    ///
    /// # Errors
    /// When the sender had no credit for it: close the connection.
    pub fn deliver(&mut self, receiver: ActorKey, bytes: usize) -> Result<(), Overrun> {
        let granted = self.granted();
        let left = granted.bytes.saturating_sub(self.delivered.bytes);
        if self.delivered.messages >= granted.messages || left < bytes_needed(bytes, self.window) {
            return Err(Overrun::Credit { receiver, delivered: self.delivered, bytes, granted });
        }
        self.touched = true;
        self.delivered.messages += 1;
        self.delivered.bytes += bytes as u64;
        Ok(())
    }

    /// Counts messages that have arrived together, by the lengths of their frames, whose sum is `bytes`.
    ///
    /// # Errors
    /// As [`deliver`](Self::deliver), at the first that had no credit; those before it are counted.
    pub fn deliver_all(
        &mut self,
        receiver: ActorKey,
        messages: u64,
        bytes: u64,
        frames: impl Iterator<Item = usize>,
    ) -> Result<(), Overrun> {
        let granted = self.granted();
        let messages_left = granted.messages.saturating_sub(self.delivered.messages);
        let bytes_left = granted.bytes.saturating_sub(self.delivered.bytes);
        if messages <= messages_left && bytes <= bytes_left {
            // Before each of them as much is left as it has, which is all that any needs.
            self.touched = true;
            self.delivered.messages += messages;
            self.delivered.bytes += bytes;
            return Ok(());
        }
        frames.into_iter().try_for_each(|bytes| self.deliver(receiver, bytes))
    }

    /// Counts messages that left the receiver's queue, by the same lengths together; says when a grant is due.
    pub fn consume(&mut self, messages: u64, bytes: u64) -> Option<Grant> {
        self.consumed.messages += messages;
        self.consumed.bytes += bytes;
        debug_assert!(
            self.consumed.messages <= self.delivered.messages
                && self.consumed.bytes <= self.delivered.bytes,
            "a message is consumed once, after it was delivered"
        );
        let messages = self.consumed.messages - self.announced.messages;
        let bytes = self.consumed.bytes - self.announced.bytes;
        let half = |window: u32| u64::from((window / 2).max(1));
        let due = messages >= half(self.window.messages) || bytes >= half(self.window.bytes);
        due.then(|| self.announce())
    }

    /// Grants what is left to grant, if all was consumed and nothing came since the last call.
    pub fn settle(&mut self) -> Option<Grant> {
        let idle = !std::mem::replace(&mut self.touched, false);
        (idle && self.consumed == self.delivered && self.announced != self.consumed)
            .then(|| self.announce())
    }

    /// Whether nothing is held and nothing is left to grant: the sender may know so.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.consumed == self.delivered && self.announced == self.consumed
    }

    /// Messages and bytes that have arrived and were not consumed.
    #[must_use]
    pub fn held(&self) -> Grant {
        Grant {
            messages: self.delivered.messages - self.consumed.messages,
            bytes: self.delivered.bytes - self.consumed.bytes,
        }
    }

    fn announce(&mut self) -> Grant {
        self.announced = self.consumed;
        self.granted()
    }

    fn granted(&self) -> Grant {
        Grant {
            messages: self.announced.messages + u64::from(self.window.messages),
            bytes: self.announced.bytes + u64::from(self.window.bytes),
        }
    }
}

/// The windows of all receivers that one inbound lane has reached. It lives as long as the connection: what was
/// delivered over an earlier one must not be counted here.
#[derive(Debug)]
pub struct WindowTable {
    window: InitialCredit,
    entries: IndexMap<ActorKey, Window>,
    /// Where the last receiver was found: messages come in runs.
    last: usize,
}

impl WindowTable {
    /// An empty table; `window` is what this node's hello announced.
    #[must_use]
    pub fn new(window: InitialCredit) -> Self {
        Self { window, entries: IndexMap::new(), last: 0 }
    }

    /// Counts a message that has arrived, by the length of its whole frame; also one whose receiver is unknown, which
    /// is consumed at once.
    ///
    /// # Errors
    /// When the sender had no credit for it, or reaches more receivers than [`CREDIT_ENTRIES_MAX`]: close the
    /// connection.
    pub fn deliver(&mut self, receiver: ActorKey, bytes: usize) -> Result<(), Overrun> {
        self.entry(receiver)?.deliver(receiver, bytes)
    }

    /// Counts messages that have arrived together for one receiver, by the lengths of their frames, whose sum is `bytes`.
    ///
    /// # Errors
    /// As [`deliver`](Self::deliver).
    pub fn deliver_all(
        &mut self,
        receiver: ActorKey,
        messages: u64,
        bytes: u64,
        frames: impl Iterator<Item = usize>,
    ) -> Result<(), Overrun> {
        self.entry(receiver)?.deliver_all(receiver, messages, bytes, frames)
    }

    fn entry(&mut self, receiver: ActorKey) -> Result<&mut Window, Overrun> {
        if self.find(receiver).is_none() {
            if self.entries.len() >= CREDIT_ENTRIES_MAX {
                return Err(Overrun::Receivers);
            }
            self.last = self.entries.len();
            self.entries.insert(receiver, Window::new(self.window));
        }
        let found = self.entries.get_index_mut(self.last);
        Ok(found.map(|(_, window)| window).expect("it was found or put there just now"))
    }

    fn find(&mut self, receiver: ActorKey) -> Option<&mut Window> {
        if self.entries.get_index(self.last).is_none_or(|(known, _)| *known != receiver) {
            self.last = self.entries.get_index_of(&receiver)?;
        }
        self.entries.get_index_mut(self.last).map(|(_, window)| window)
    }

    /// Counts messages that left the receiver's queue, by the same lengths together; says when a grant is due.
    pub fn consume(
        &mut self,
        receiver: ActorKey,
        messages: u64,
        bytes: u64,
    ) -> Option<CreditTotal> {
        let grant = self.find(receiver)?.consume(messages, bytes)?;
        Some(total(receiver, grant))
    }

    /// The sender forgot this receiver: counting begins anew.
    ///
    /// # Errors
    /// When it could not have: something is held, or not yet granted. Close the connection.
    pub fn forget(&mut self, receiver: ActorKey) -> Result<(), Overrun> {
        match self.entries.get(&receiver) {
            Some(window) if window.is_settled() => {
                self.entries.swap_remove(&receiver);
                Ok(())
            }
            Some(window) => Err(Overrun::ForgotHeld { receiver, held: window.held() }),
            None => Err(Overrun::ForgotUnknown { receiver }),
        }
    }

    /// Grants the rest to senders that sent nothing since the last call; at most `most`. Call it every ten seconds
    /// or so: it is what lets them forget.
    #[must_use = "the grants must be sent"]
    pub fn settle(&mut self, most: usize) -> Vec<CreditTotal> {
        let due = self
            .entries
            .iter_mut()
            .filter_map(|(receiver, window)| window.settle().map(|grant| total(*receiver, grant)));
        due.take(most).collect()
    }

    /// Messages that have arrived and were not consumed, of all receivers.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.entries.values().map(|window| window.held().messages).sum()
    }

    /// Receivers with a window.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.len()
    }
}

fn total(receiver: ActorKey, grant: Grant) -> CreditTotal {
    CreditTotal { receiver, messages: grant.messages, bytes: grant.bytes }
}

/// A sender that does not keep to its credit. The peer's fault: close with
/// [`CloseCode::CreditOverrun`](crate::CloseCode::CreditOverrun).
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Overrun {
    /// A message came without credit.
    #[error(
        "receiver {receiver} got {bytes} bytes after {} messages and {} bytes, beyond the {} and {} it granted",
        delivered.messages, delivered.bytes, granted.messages, granted.bytes
    )]
    Credit {
        /// For whom it was.
        receiver: ActorKey,
        /// What had come before.
        delivered: Grant,
        /// Length of its frame.
        bytes: usize,
        /// What was granted.
        granted: Grant,
    },
    /// The lane reached too many receivers.
    #[error("more than {CREDIT_ENTRIES_MAX} receivers were reached in one lane")]
    Receivers,
    /// The sender forgot a receiver that still holds messages or owes a grant.
    #[error("the sender forgot receiver {receiver}, which holds {} messages or owes a grant", held.messages)]
    ForgotHeld {
        /// Which.
        receiver: ActorKey,
        /// What it holds.
        held: Grant,
    },
    /// The sender forgot a receiver that it never reached.
    #[error("the sender forgot receiver {receiver}, which it never reached")]
    ForgotUnknown {
        /// Which.
        receiver: ActorKey,
    },
}
