//! Credit that received messages hold, and that goes back to their sender.
//!
//! The transport wraps what each inbound message was charged in a [`Credit`]; whoever takes the message out of its
//! mailbox drops it. Credits of one origin can be put together first, so that a burst is settled at once. Who counts
//! and who is told is the [`Creditor`]'s, which is the transport's.

use std::{fmt, sync::Arc};

use crate::ActorKey;

/// Who is told that received messages no longer take up room.
pub trait Creditor: Send + Sync {
    /// So many messages to `receiver`, of so many bytes together, were taken or dropped. Called from any thread; must
    /// not wait and must not panic.
    fn consumed(&self, receiver: ActorKey, messages: u64, bytes: u64);
}

/// What one or more received messages hold. Dropping it gives it back.
#[must_use = "dropping it says that the message was consumed"]
pub struct Credit {
    creditor: Arc<dyn Creditor>,
    receiver: ActorKey,
    messages: u64,
    bytes: u64,
}

impl Credit {
    /// What one message to `receiver` holds: `bytes` of its sender's credit.
    pub fn new(creditor: Arc<dyn Creditor>, receiver: ActorKey, bytes: u64) -> Self {
        Self::of_many(creditor, receiver, 1, bytes)
    }

    /// What so many messages to `receiver` hold, of so many bytes together.
    pub fn of_many(
        creditor: Arc<dyn Creditor>,
        receiver: ActorKey,
        messages: u64,
        bytes: u64,
    ) -> Self {
        Self { creditor, receiver, messages, bytes }
    }

    /// Takes out of it what so many of its messages hold.
    pub fn part(&mut self, messages: u64, bytes: u64) -> Self {
        let mut part = Self::of_many(Arc::clone(&self.creditor), self.receiver, 0, 0);
        part.take_part(self, messages, bytes);
        part
    }

    /// Adds a part of another of the same origin and receiver; `false`, and nothing changed, if it is of another.
    pub fn absorb_part(&mut self, other: &mut Self, messages: u64, bytes: u64) -> bool {
        let same = self.is_like(other);
        if same {
            self.take_part(other, messages, bytes);
        }
        same
    }

    /// Whether both are of the same origin and receiver.
    fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.creditor, &other.creditor) && self.receiver == other.receiver
    }

    fn take_part(&mut self, other: &mut Self, messages: u64, bytes: u64) {
        let (messages, bytes) = (messages.min(other.messages), bytes.min(other.bytes));
        other.messages -= messages;
        other.bytes -= bytes;
        self.messages += messages;
        self.bytes += bytes;
    }

    /// Adds another of the same origin and receiver; one of another origin comes back.
    pub fn absorb(&mut self, mut other: Self) -> Option<Self> {
        if !self.is_like(&other) {
            return Some(other);
        }
        self.take_part(&mut other, u64::MAX, u64::MAX);
        None
    }

    /// What is held, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        if self.messages > 0 {
            self.creditor.consumed(self.receiver, self.messages, self.bytes);
        }
    }
}

impl fmt::Debug for Credit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credit({}, {} messages, {} bytes)", self.receiver, self.messages, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    #[derive(Default)]
    struct Book(Mutex<Vec<(u32, u64, u64)>>);

    impl Creditor for Book {
        fn consumed(&self, receiver: ActorKey, messages: u64, bytes: u64) {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push((receiver.slot, messages, bytes));
        }
    }

    #[test]
    fn credits_of_one_origin_are_given_back_together_and_once() {
        let book = Arc::new(Book::default());
        let credit = |slot| Credit::new(book.clone(), ActorKey { slot, generation: 0 }, 10);
        let mut held = credit(1);
        assert!(held.absorb(credit(1)).is_none());
        assert!(held.absorb(credit(2)).is_some_and(|other| other.bytes() == 10));
        assert_eq!(*book.0.lock().unwrap(), [(2, 1, 10)]);
        drop(held);
        assert_eq!(*book.0.lock().unwrap(), [(2, 1, 10), (1, 2, 20)]);
    }

    #[test]
    fn parts_are_given_back_one_by_one_or_with_others() {
        let book = Arc::new(Book::default());
        let credit = |slot, messages, bytes| {
            Credit::of_many(book.clone(), ActorKey { slot, generation: 0 }, messages, bytes)
        };
        let mut held = credit(1, 3, 60);
        drop(held.part(1, 10));
        let (mut mine, mut other) = (credit(1, 1, 5), credit(2, 1, 5));
        assert!(mine.absorb_part(&mut held, 1, 20) && !other.absorb_part(&mut held, 1, 20));
        drop((mine, held, other));
        let lines = book.0.lock().unwrap();
        assert_eq!(*lines, [(1, 1, 10), (1, 2, 25), (1, 1, 30), (2, 1, 5)]);
    }
}
