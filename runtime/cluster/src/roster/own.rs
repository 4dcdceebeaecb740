//! A node's own entries, and how far another node has been told of them.
//!
//! What it is: a log of which only what lives is kept, and the last removals. What it is NOT: sending; a [`Cursor`] for
//! each other node says which page is next.

use std::collections::{BTreeMap, VecDeque};

use odeon_message::{Incarnation, NodeId};

use super::entry::{Entry, Page, Subject};

/// How far one other node has been told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cursor {
    /// It has everything up to this version.
    from: u64,
    /// Of what was removed later than this it must be told.
    told: u64,
    /// In which life of this node.
    incarnation: Option<Incarnation>,
}

impl Cursor {
    /// The other node has answered a page that ended at `to`, the last one if it `is_last`: the next begins there, or,
    /// `false`, all is told anew.
    pub fn answered(&mut self, to: u64, is_last: bool, covered: u64) -> bool {
        if covered != to {
            *self = Self::default();
            return false;
        }
        self.from = to;
        if is_last {
            self.told = to;
        }
        true
    }
}

/// A node's own entries.
#[derive(Debug)]
pub(super) struct Own {
    version: u64,
    /// By the version of the change that brought them.
    live: BTreeMap<u64, Entry>,
    versions: BTreeMap<Subject, u64>,
    /// The last removals, in order.
    removals: VecDeque<(u64, Subject)>,
    removals_max: usize,
    /// The version of the last removal that is not remembered any more.
    forgotten: u64,
    digest: u64,
}

impl Own {
    pub(super) fn new(removals_max: u32) -> Self {
        Self {
            version: 0,
            live: BTreeMap::new(),
            versions: BTreeMap::new(),
            removals: VecDeque::new(),
            removals_max: removals_max as usize,
            forgotten: 0,
            digest: 0,
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn get(&self, subject: &Subject) -> Option<&Entry> {
        self.live.get(self.versions.get(subject)?)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.live.values()
    }

    /// Adds an entry in the place of one about the same; returns that one.
    pub(super) fn put(&mut self, entry: Entry) -> Option<Entry> {
        let old = self.take_out(&entry.subject);
        self.version += 1;
        self.digest ^= entry.digest(self.version);
        self.versions.insert(entry.subject.clone(), self.version);
        self.live.insert(self.version, entry);
        old
    }

    /// Removes an entry, and remembers that for a while.
    pub(super) fn remove(&mut self, subject: &Subject) -> Option<Entry> {
        let old = self.take_out(subject)?;
        self.version += 1;
        self.removals.push_back((self.version, subject.clone()));
        if self.removals.len() > self.removals_max
            && let Some((version, _)) = self.removals.pop_front()
        {
            self.forgotten = version;
        }
        Some(old)
    }

    fn take_out(&mut self, subject: &Subject) -> Option<Entry> {
        let version = self.versions.remove(subject)?;
        let entry = self.live.remove(&version)?;
        self.digest ^= entry.digest(version);
        Some(entry)
    }

    /// The next page for somebody who was told so far; `None` if there is nothing new.
    pub(super) fn page(
        &self,
        (owner, incarnation): (NodeId, Incarnation),
        cursor: &mut Cursor,
        entries_max: usize,
    ) -> Option<Page> {
        let is_new = cursor.incarnation != Some(incarnation);
        if is_new || cursor.told < self.forgotten {
            // From the start: what is gone by now needs no word, what goes from now on does.
            *cursor = Cursor { from: 0, told: self.version, incarnation: Some(incarnation) };
        }
        if cursor.from >= self.version {
            return None;
        }
        let from = cursor.from;
        let mut entries = self.live.range(from + 1..).peekable();
        let first = self.removals.partition_point(|(version, _)| *version <= from);
        let mut removals = self.removals.iter().skip(first).peekable();
        let mut page = Page {
            owner,
            incarnation,
            from,
            to: from,
            entries: Vec::new(),
            removals: Vec::new(),
            digest: None,
        };
        for _ in 0..entries_max.max(1) {
            let entry = entries.peek().map(|(version, _)| **version);
            let removal = removals.peek().map(|(version, _)| *version);
            match (entry, removal) {
                (Some(version), removal) if removal.is_none_or(|other| version < other) => {
                    page.to = version;
                    page.entries.extend(entries.next().map(|(at, entry)| (*at, entry.clone())));
                }
                (_, Some(version)) => {
                    page.to = version;
                    page.removals.extend(removals.next().cloned());
                }
                _ => break,
            }
        }
        if entries.peek().is_none() && removals.peek().is_none() {
            page.to = self.version;
            page.digest = Some(self.digest);
        }
        Some(page)
    }

    /// A page without news, by which somebody who has everything may see that it is so.
    pub(super) fn check(&self, (owner, incarnation): (NodeId, Incarnation)) -> Page {
        Page {
            owner,
            incarnation,
            from: self.version,
            to: self.version,
            entries: Vec::new(),
            removals: Vec::new(),
            digest: Some(self.digest),
        }
    }
}
