//! The sender's half of credit.

use indexmap::IndexMap;
use odeon_message::ActorKey;
use thiserror::Error;

use super::bytes_needed;
use crate::{CreditTotal, InitialCredit, format::CREDIT_ENTRIES_MAX};

/// Entries looked at in one [`CreditBook::forget_idle`], so that a full book does not stop its lane.
const SWEEP_MAX: usize = 1024;

/// What one lane may still send to each receiver. It lives as long as the connection.
///
/// # Examples
/// A sender stops when the window is used, and goes on when the receiver has consumed half of it.
/// ```
/// use odeon_message::ActorKey;
/// use odeon_wire::{CreditBook, InitialCredit, WindowTable};
///
/// let window = InitialCredit { messages: 2, bytes: 1 << 20 };
/// let (mut book, mut table) = (CreditBook::new(window, 1024), WindowTable::new(window));
/// let receiver = ActorKey { slot: 7, generation: 1 };
/// for _ in 0..2 {
///     book.try_take(receiver, 64)?;
///     table.deliver(receiver, 64)?;
/// }
/// assert!(book.try_take(receiver, 64).is_err());
/// let grant = table.consume(receiver, 1, 64).expect("half the window was consumed");
/// assert!(book.grant(grant)?, "there is room again");
/// book.try_take(receiver, 64)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CreditBook {
    window: InitialCredit,
    entries_max: usize,
    entries: IndexMap<ActorKey, Entry>,
    /// Where the last receiver was found: messages go out in runs.
    last: usize,
    /// Where the next sweep begins.
    hand: usize,
}

/// Granted and used totals of one receiver.
#[derive(Debug)]
struct Entry {
    granted_messages: u64,
    granted_bytes: u64,
    used_messages: u64,
    used_bytes: u64,
    touched: bool,
}

impl Entry {
    fn new(window: InitialCredit) -> Self {
        Self {
            granted_messages: u64::from(window.messages),
            granted_bytes: u64::from(window.bytes),
            used_messages: 0,
            used_bytes: 0,
            touched: true,
        }
    }

    fn check(&self, bytes: usize, window: InitialCredit) -> Result<(), CreditRefused> {
        if self.used_messages >= self.granted_messages {
            return Err(CreditRefused::Messages);
        }
        // Below zero after a message larger than the window.
        let left = self.granted_bytes.saturating_sub(self.used_bytes);
        if left < bytes_needed(bytes, window) {
            return Err(CreditRefused::Bytes { bytes, left });
        }
        Ok(())
    }

    fn try_take(&mut self, bytes: usize, window: InitialCredit) -> Result<(), CreditRefused> {
        self.touched = true;
        self.check(bytes, window)?;
        CreditRoom { entry: self, bytes }.take();
        Ok(())
    }

    /// Whether all that was used was granted back: the receiver holds nothing and has no grant left to send.
    fn settled(&self, window: InitialCredit) -> bool {
        self.granted_messages - self.used_messages == u64::from(window.messages)
            && self.granted_bytes == self.used_bytes + u64::from(window.bytes)
    }
}

impl CreditBook {
    /// A book for a peer whose hello announced `window`.
    ///
    /// `entries_max` bounds the receivers it knows at once; it is at most [`CREDIT_ENTRIES_MAX`], the default.
    #[must_use]
    pub fn new(window: InitialCredit, entries_max: usize) -> Self {
        let entries_max = entries_max.clamp(1, CREDIT_ENTRIES_MAX);
        Self { window, entries_max, entries: IndexMap::new(), last: 0, hand: 0 }
    }

    /// Whether [`try_take`](Self::try_take) would succeed, apart from a full book.
    #[must_use]
    pub fn has_room(&mut self, receiver: ActorKey, bytes: usize) -> bool {
        let window = self.window;
        self.find(receiver).is_none_or(|entry| entry.check(bytes, window).is_ok())
    }

    #[inline]
    fn find(&mut self, receiver: ActorKey) -> Option<&mut Entry> {
        if self.entries.get_index(self.last).is_none_or(|(known, _)| *known != receiver) {
            self.last = self.look_up(receiver)?;
        }
        self.entries.get_index_mut(self.last).map(|(_, entry)| entry)
    }

    #[inline(never)]
    fn look_up(&self, receiver: ActorKey) -> Option<usize> {
        self.entries.get_index_of(&receiver)
    }

    /// Takes credit for one message whose whole frame has this many bytes.
    ///
    /// # Errors
    /// When there is none left; nothing is taken then. On [`CreditRefused::BookFull`] call
    /// [`forget_idle`](Self::forget_idle) and try again, once.
    pub fn try_take(&mut self, receiver: ActorKey, bytes: usize) -> Result<(), CreditRefused> {
        let window = self.window;
        if let Some(entry) = self.find(receiver) {
            return entry.try_take(bytes, window);
        }
        if self.entries.len() >= self.entries_max {
            return Err(CreditRefused::BookFull { entries_max: self.entries_max });
        }
        let mut entry = Entry::new(window);
        let taken = entry.try_take(bytes, window);
        self.last = self.entries.insert_full(receiver, entry).0;
        taken
    }

    /// Room for one message to a receiver that has an entry, found and not taken yet; `None` if there is none.
    #[must_use]
    #[inline]
    pub fn room(&mut self, receiver: ActorKey, bytes: usize) -> Option<CreditRoom<'_>> {
        let window = self.window;
        let entry = self.find(receiver)?;
        entry.check(bytes, window).is_ok().then_some(CreditRoom { entry, bytes })
    }

    /// Takes back a [`try_take`](Self::try_take) whose frame was not appended to the lane.
    pub fn give_back(&mut self, receiver: ActorKey, bytes: usize) {
        if let Some(entry) = self.entries.get_mut(&receiver) {
            entry.used_messages = entry.used_messages.saturating_sub(1);
            entry.used_bytes = entry.used_bytes.saturating_sub(bytes as u64);
        }
    }

    /// Takes a grant of the peer; says whether there is more room now.
    ///
    /// Totals only rise: one that is not above what is known changes nothing, nor does one for a receiver without
    /// an entry.
    ///
    /// # Errors
    /// When it grants more than the receiver can have consumed: the peer miscounts, close the connection.
    pub fn grant(&mut self, total: CreditTotal) -> Result<bool, GrantError> {
        let Some(entry) = self.entries.get_mut(&total.receiver) else { return Ok(false) };
        let messages_max = entry.used_messages + u64::from(self.window.messages);
        let bytes_max = entry.used_bytes + u64::from(self.window.bytes);
        if total.messages > messages_max || total.bytes > bytes_max {
            return Err(GrantError { total, messages_max, bytes_max });
        }
        let more = total.messages > entry.granted_messages || total.bytes > entry.granted_bytes;
        entry.granted_messages = entry.granted_messages.max(total.messages);
        entry.granted_bytes = entry.granted_bytes.max(total.bytes);
        Ok(more)
    }

    /// Forgets receivers that nothing was sent to since the last sweep and that are square with us; at most `most`.
    ///
    /// For each that is returned the caller MUST append an empty credit frame ([`Header::forget`]) to this lane
    /// before it appends anything else for that receiver. Looks at no more than 1024 entries a call.
    ///
    /// [`Header::forget`]: crate::Header::forget
    #[must_use = "the peer must be told of each"]
    pub fn forget_idle(&mut self, most: usize) -> Vec<ActorKey> {
        let mut forgotten = Vec::new();
        for _ in 0..self.entries.len().min(SWEEP_MAX) {
            if forgotten.len() >= most {
                break;
            }
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            let Some((_, entry)) = self.entries.get_index_mut(self.hand) else { break };
            if entry.touched || !entry.settled(self.window) {
                entry.touched = false;
                self.hand += 1;
                continue;
            }
            // One that was never used is not known to the peer.
            if let Some((receiver, entry)) = self.entries.swap_remove_index(self.hand)
                && entry.used_messages > 0
            {
                forgotten.push(receiver);
            }
        }
        forgotten
    }

    /// Receivers with an entry.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.len()
    }
}

/// Credit that is there for one message.
#[derive(Debug)]
pub struct CreditRoom<'a> {
    entry: &'a mut Entry,
    bytes: usize,
}

impl CreditRoom<'_> {
    /// Takes it.
    #[inline]
    pub fn take(self) {
        self.entry.touched = true;
        self.entry.used_messages += 1;
        self.entry.used_bytes += self.bytes as u64;
    }
}

/// Why no credit was taken. Room comes with a grant of the receiver.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum CreditRefused {
    /// As many messages are on their way to the receiver as it takes.
    #[error("the receiver has no room for another message")]
    Messages,
    /// As many bytes are on their way to the receiver as it takes.
    #[error("the receiver has no room for {bytes} bytes, {left} are left")]
    Bytes {
        /// Length of the frame.
        bytes: usize,
        /// What is left of the credit.
        left: u64,
    },
    /// Too many receivers have messages on their way in this lane.
    #[error("{entries_max} receivers of this lane have messages on their way, no more are tracked")]
    BookFull {
        /// The bound.
        entries_max: usize,
    },
}

/// A grant that cannot be true. The peer's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "receiver {} was granted {} messages and {} bytes, but {messages_max} and {bytes_max} are the most that it can \
     have made room for",
    total.receiver, total.messages, total.bytes
)]
pub struct GrantError {
    /// What came.
    pub total: CreditTotal,
    /// Most messages that could have been granted.
    pub messages_max: u64,
    /// Most bytes that could have been granted.
    pub bytes_max: u64,
}
