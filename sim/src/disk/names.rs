//! The names on a disk: which the node sees, which are durable, and what is between.
//!
//! Read `drive.rs` next.

use std::collections::{BTreeMap, BTreeSet};

use odeon_env::FileName;

use super::inode::{InodeId, Stamp};

/// Changes of names that wait for a sync; the oldest then become durable by themselves, as in a journal that is full.
const UNSYNCED_NAMES_MAX: usize = 4_096;

/// One change of names.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Made { name: FileName, inode: InodeId },
    Renamed { from: FileName, to: FileName, inode: InodeId },
    Removed { name: FileName, inode: InodeId },
}

impl Change {
    /// The name that the change is about.
    pub(super) fn name(&self) -> &FileName {
        match self {
            Self::Made { name, .. } | Self::Removed { name, .. } => name,
            Self::Renamed { to, .. } => to,
        }
    }

    fn inode(&self) -> InodeId {
        match *self {
            Self::Made { inode, .. }
            | Self::Renamed { inode, .. }
            | Self::Removed { inode, .. } => inode,
        }
    }

    fn apply(self, names: &mut BTreeMap<FileName, InodeId>) {
        let forget = |names: &mut BTreeMap<FileName, InodeId>, name, inode| {
            // Another file may have the name by now, because an earlier change was lost.
            if names.get(name) == Some(&inode) {
                names.remove(name);
            }
        };
        match self {
            Self::Made { name, inode } => drop(names.insert(name, inode)),
            Self::Renamed { from, to, inode } => {
                forget(names, &from, inode);
                names.insert(to, inode);
            }
            Self::Removed { name, inode } => forget(names, &name, inode),
        }
    }
}

/// All names of one disk.
#[derive(Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<FileName, InodeId>,
    durable: BTreeMap<FileName, InodeId>,
    unsynced: Vec<(Stamp, Change)>,
}

impl Names {
    pub(super) fn find(&self, name: &FileName) -> Option<InodeId> {
        self.seen.get(name).copied()
    }

    /// What the file is called, if it still has a name.
    pub(super) fn name_of(&self, inode: InodeId) -> Option<&FileName> {
        self.seen.iter().find_map(|(name, &named)| (named == inode).then_some(name))
    }

    /// The names that the node sees, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &FileName> {
        self.seen.keys()
    }

    /// The file that has this name for good.
    pub(super) fn find_durable(&self, name: &FileName) -> Option<InodeId> {
        self.durable.get(name).copied()
    }

    pub(super) fn change(&mut self, stamp: Stamp, change: Change) {
        change.clone().apply(&mut self.seen);
        self.unsynced.push((stamp, change));
        if self.unsynced.len() > UNSYNCED_NAMES_MAX {
            self.unsynced.remove(0).1.apply(&mut self.durable);
        }
    }

    /// Makes changes up to this turn durable, as far as they reach the platter, and forgets them.
    pub(super) fn sync(&mut self, up_to: u64, mut reaches: impl FnMut(u64) -> bool) {
        let clean = self.unsynced.partition_point(|(stamp, _)| stamp.turn <= up_to);
        for (stamp, change) in self.unsynced.drain(..clean) {
            if reaches(stamp.number) {
                change.apply(&mut self.durable);
            }
        }
    }

    /// The power fails: some changes that were not synced are kept, in order; then what is durable is all there is.
    pub(super) fn crash(&mut self, mut reaches: impl FnMut(u64, &Change) -> bool) {
        for (stamp, change) in std::mem::take(&mut self.unsynced) {
            if reaches(stamp.number, &change) {
                change.apply(&mut self.durable);
            }
        }
        self.seen = self.durable.clone();
    }

    /// Every file that has a name, had one that is durable, or might get one back in a crash.
    pub(super) fn inodes(&self) -> BTreeSet<InodeId> {
        let named = self.seen.values().chain(self.durable.values()).copied();
        named.chain(self.unsynced.iter().map(|(_, change)| change.inode())).collect()
    }
}
