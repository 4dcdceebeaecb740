//! The messages that wait for the reader of one subscription.
//!
//! What it is: a queue with a bound on messages and on bytes, which loses the oldest and counts them. What it is NOT: aware of
//! topics or types; `../listeners.rs` finds it, and `cluster/subscription.rs` reads it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Poll, Waker},
};

use odeon_message::{Fingerprint, Payload};

/// One published message, as it waits for its reader.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) topic: Arc<str>,
    /// In which layout it came, where there are several.
    pub(crate) layout: Option<Fingerprint>,
    pub(crate) payload: Payload,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Who waits for the next message.
    waker: Option<Waker>,
    closed: bool,
}

/// The buffer of one subscription.
pub(crate) struct Buffer {
    queue: Mutex<Queue>,
    messages_max: usize,
    bytes_max: usize,
    missed: AtomicU64,
}

impl Buffer {
    pub(crate) fn new(messages_max: usize, bytes_max: usize) -> Self {
        let (queue, missed) = Default::default();
        Self { queue, missed, messages_max: messages_max.max(1), bytes_max }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a message, in the place of the oldest ones if there is no room; says whether it was taken, and how many
    /// were lost.
    pub(super) fn push(&self, message: Waiting) -> (bool, u64) {
        self.push_all(std::iter::once(message))
    }

    /// As [`push`](Self::push), of messages that came together.
    pub(super) fn push_all(&self, messages: impl Iterator<Item = Waiting>) -> (bool, u64) {
        let mut lost = Vec::new();
        let mut queue = self.queue();
        if queue.closed {
            return (false, 0);
        }
        for message in messages {
            queue.bytes += message.payload.len();
            queue.waiting.push_back(message);
            // The last one stays, however long it is.
            while queue.waiting.len() > self.messages_max
                || queue.bytes > self.bytes_max && queue.waiting.len() > 1
            {
                let Some(oldest) = queue.waiting.pop_front() else { break };
                queue.bytes -= oldest.payload.len();
                lost.push(oldest);
            }
        }
        let waker = queue.waker.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
        let missed = lost.len() as u64;
        self.missed.fetch_add(missed, Relaxed);
        (true, missed)
    }

    /// The oldest message; ready with `None` at the end of the node.
    pub(crate) fn poll_pop(&self, waker: &Waker) -> Poll<Option<Waiting>> {
        let mut queue = self.queue();
        if let Some(message) = queue.waiting.pop_front() {
            queue.bytes -= message.payload.len();
            return Poll::Ready(Some(message));
        }
        if queue.closed {
            return Poll::Ready(None);
        }
        let replaced = queue.waker.replace(waker.clone());
        drop(queue);
        drop(replaced);
        Poll::Pending
    }

    pub(super) fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        let waker = queue.waker.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
    }

    /// How many messages were lost for want of room.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.queue().waiting.len()
    }
}
