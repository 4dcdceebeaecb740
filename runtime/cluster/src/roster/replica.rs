//! What this node knows of another node's entries.
//!
//! What it is: the taking of pages, in order, with what each changes. What it is NOT: what follows from it for names and
//! groups; that is `index.rs`.

use std::collections::BTreeMap;

use odeon_message::Incarnation;

use super::entry::{Entry, Page, Subject};

/// An entry came or went.
#[derive(Debug)]
pub(super) enum Change {
    Came(Entry),
    Went(Entry),
}

/// The entries of one life of another node.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) incarnation: Incarnation,
    /// Everything up to this version is here.
    pub(super) covered: u64,
    live: BTreeMap<u64, Entry>,
    versions: BTreeMap<Subject, u64>,
    digest: u64,
}

impl Replica {
    pub(super) fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            covered: 0,
            live: BTreeMap::new(),
            versions: BTreeMap::new(),
            digest: 0,
        }
    }

    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.live.into_values()
    }

    /// Takes a page, unless something before it is missing or it is more than one node may have.
    pub(super) fn take(&mut self, page: Page, entries_max: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        if page.from > self.covered || page.to < page.from {
            return changes;
        }
        let said = |version: u64| page.entries.binary_search_by_key(&version, |it| it.0).is_ok();
        let first = page.from.saturating_add(1);
        let unsaid = self.live.range(first..=page.to.max(first)).map(|(version, _)| *version);
        let within = |version: &u64| *version > page.from && *version <= page.to;
        let unsaid: Vec<u64> = unsaid.filter(|it| within(it) && !said(*it)).collect();
        for version in unsaid {
            changes.extend(self.take_out(version).map(Change::Went));
        }
        for (version, entry) in page.entries {
            if version <= page.from || version > page.to {
                continue;
            }
            let known = self.versions.get(&entry.subject).copied();
            if known == Some(version) || self.live.contains_key(&version) {
                continue;
            }
            if known.is_none() && self.live.len() >= entries_max {
                // As far as it goes: the rest is taken when there is room, because the node is not covered.
                self.covered = 0;
                return changes;
            }
            changes.extend(known.and_then(|known| self.take_out(known)).map(Change::Went));
            self.digest ^= entry.digest(version);
            self.versions.insert(entry.subject.clone(), version);
            self.live.insert(version, entry.clone());
            changes.push(Change::Came(entry));
        }
        for (removed_at, subject) in page.removals {
            let known = self.versions.get(&subject).copied().filter(|known| *known < removed_at);
            changes.extend(known.and_then(|known| self.take_out(known)).map(Change::Went));
        }
        self.covered = page.to;
        if page.digest.is_some_and(|digest| digest != self.digest) {
            self.covered = 0;
        }
        changes
    }

    fn take_out(&mut self, version: u64) -> Option<Entry> {
        let entry = self.live.remove(&version)?;
        self.versions.remove(&entry.subject);
        self.digest ^= entry.digest(version);
        Some(entry)
    }
}
