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
        Self { creditor, receiver, messages: 1, bytes }
    }

    /// Adds another of the same origin and receiver; one of another origin comes back.
    pub fn absorb(&mut self, mut other: Self) -> Option<Self> {
        let same = Arc::ptr_eq(&self.creditor, &other.creditor) && self.receiver == other.receiver;
        if !same {
            return Some(other);
        }
        self.messages += std::mem::take(&mut other.messages);
        self.bytes += std::mem::take(&mut other.bytes);
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
}
