//! What an actor lets run beside its messages: timers, piped futures and streams that bring it messages.
//!
//! What it is: a bounded set of [`Source`]s, polled in the actor's turn, each with a waker of its own, also while a
//! handler waits. An item is handled as soon as the present handler is done, before any message of the mailbox; the
//! next item of a source is taken only when that one was handled and one message, if there is any, had its turn: a
//! source that always has something does not starve the mailbox. A source that only sends the
//! items of an answer brings no messages. What it is NOT: a task; a source has no thread of its own and dies with the life
//! of its actor. Made in `timers.rs`, `pipe.rs` and `outlet.rs`, served in `life/aside.rs`.

use std::{
    collections::{BTreeMap, VecDeque},
    task::{Context, Poll},
};

use crate::{
    ExitReason,
    envelope::Envelope,
    wakes::{Key, OwnWaker},
};

/// What a source gives.
pub(crate) enum Given {
    /// A message; more may follow.
    Item(Envelope),
    /// The last message.
    Last(Envelope),
    /// Nothing, and nothing will follow.
    End,
}

/// Brings messages to the actor that owns it.
pub(crate) trait Source: Send {
    /// The next message; never called again after [`Given::Last`] or [`Given::End`].
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Given>;

    /// The life of the actor ends for this reason; it is dropped next.
    fn end(&mut self, reason: &ExitReason) {
        let _ = reason;
    }
}

/// An actor has as many sources as it may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the actor has {sources_max} timers, piped futures and streams already: cancel some, name them so that they replace \
     each other, or raise sources_max"
)]
#[non_exhaustive]
pub struct SourcesFull {
    /// The bound that was reached, [`SystemConfig::sources_max`](crate::SystemConfig::sources_max).
    pub sources_max: u32,
}

struct Entry {
    source: Box<dyn Source>,
    name: Option<Box<str>>,
    waker: OwnWaker,
    /// Taken from the source; it waits for the present handler.
    item: Option<Envelope>,
    /// The source is done, and only its last item is left.
    done: bool,
}

/// A source that was taken out: dropping it runs foreign code.
#[must_use = "it is dropped outside the borrow of the set"]
pub(crate) struct Removed(#[expect(dead_code, reason = "it is kept for its destructor")] Entry);

/// The sources of one actor.
#[derive(Default)]
pub(crate) struct Sources {
    entries: BTreeMap<Key, Entry>,
    names: BTreeMap<Box<str>, Key>,
    /// Those that have an item, in order; some may be gone.
    ready: VecDeque<Key>,
    /// Those whose item was handed out: polled again after the next message.
    owed: Vec<Key>,
}

impl Sources {
    /// Takes a source in, in the place of one with the same name.
    pub(crate) fn add(
        &mut self,
        (key, waker): (Key, OwnWaker),
        name: Option<&str>,
        source: Box<dyn Source>,
        sources_max: u32,
    ) -> Result<Option<Removed>, SourcesFull> {
        let replaced = name.and_then(|name| self.cancel(name));
        if self.entries.len() >= sources_max as usize {
            return Err(SourcesFull { sources_max });
        }
        waker.wake();
        let name = name.map(Box::<str>::from);
        if let Some(name) = &name {
            self.names.insert(name.clone(), key);
        }
        self.entries.insert(key, Entry { source, name, waker, item: None, done: false });
        Ok(replaced)
    }

    fn remove(&mut self, key: Key) -> Option<Removed> {
        let entry = self.entries.remove(&key)?;
        if let Some(name) = &entry.name {
            self.names.remove(name);
        }
        Some(Removed(entry))
    }

    /// Takes the source with this name out, and its item with it.
    pub(crate) fn cancel(&mut self, name: &str) -> Option<Removed> {
        let key = *self.names.get(name)?;
        self.remove(key)
    }

    /// Tells all sources why the life of the actor ends.
    pub(crate) fn tell_end(&mut self, reason: &ExitReason) {
        self.entries.values_mut().for_each(|entry| entry.source.end(reason));
    }

    /// Takes any source out.
    pub(crate) fn pop(&mut self) -> Option<Removed> {
        let key = *self.entries.keys().next()?;
        self.remove(key)
    }

    /// Polls a source that was woken, unless its last item is still on its way.
    pub(crate) fn poll(&mut self, key: Key) -> Option<Removed> {
        let entry = self.entries.get_mut(&key)?;
        let waker = entry.waker.begin();
        if entry.item.is_some() || self.owed.contains(&key) {
            return None;
        }
        match entry.source.poll(&mut Context::from_waker(waker)) {
            Poll::Pending => return None,
            Poll::Ready(Given::End) => return self.remove(key),
            Poll::Ready(Given::Item(item)) => entry.item = Some(item),
            Poll::Ready(Given::Last(item)) => {
                entry.item = Some(item);
                entry.done = true;
            }
        }
        self.ready.push_back(key);
        None
    }

    /// The next item; with it comes its source, if that was its last.
    pub(crate) fn next(&mut self) -> Option<(Envelope, Option<Removed>)> {
        while let Some(key) = self.ready.pop_front() {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let Some(item) = entry.item.take() else { continue };
            if entry.done {
                return Some((item, self.remove(key)));
            }
            self.owed.push(key);
            return Some((item, None));
        }
        None
    }

    /// Whether an item waits.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether a source waits for its item to be handled.
    pub(crate) fn is_owed(&self) -> bool {
        !self.owed.is_empty()
    }

    /// The items that were handed out were handled: their sources are polled again.
    pub(crate) fn settle(&mut self) {
        for key in std::mem::take(&mut self.owed) {
            if let Some(entry) = self.entries.get(&key) {
                entry.waker.wake();
            }
        }
    }
}
