//! One file: what is on the platter, what the node sees, and what is between.
//!
//! A write goes to the cache and is remembered, sector by sector, as it left each sector. A sync brings those sectors to
//! the platter; a crash brings some of them there and forgets the rest. So a sector on the platter is always as it was
//! at some moment, never a mix of two. What it is NOT: random; what reaches the platter is decided by its caller. Read
//! `drive.rs` next.

use std::collections::{BTreeMap, BTreeSet};

/// What a disk writes whole or not at all, in bytes.
pub(super) const SECTOR_BYTES: usize = 512;

const SECTOR: u64 = SECTOR_BYTES as u64;

type Sector = [u8; SECTOR_BYTES];

/// The number of a file, whatever it is called.
pub(super) type InodeId = u64;

/// Where a write reaches the platter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Right,
    Nowhere,
    Wrong(InodeId, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Write(Place),
    SetLen,
}

/// Which change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Its place among all changes of the disk, as they took effect.
    pub(super) turn: u64,
    /// The number of the operation, from which its chances follow.
    pub(super) number: u64,
}

/// A change that is not on the platter.
#[derive(Debug)]
struct Unsynced {
    stamp: Stamp,
    change: Change,
    first: u64,
    /// The touched sectors as the change left them.
    after: Vec<u8>,
    /// The length of the file as the change left it.
    len: u64,
}

impl Unsynced {
    /// What it takes of the room for changes: a change of length alone has no sectors, and is not free.
    fn cost(&self) -> usize {
        self.after.len().max(SECTOR_BYTES)
    }
}

/// Sectors that strike another place than they should.
#[derive(Debug)]
pub(super) struct Stray {
    pub(super) inode: InodeId,
    pub(super) sector: u64,
    pub(super) bytes: Vec<u8>,
}

/// What a crash, or a sync that failed, lets through: the number of the change, the number of the sector within it.
pub(super) type Reaches<'a> = &'a mut dyn FnMut(u64, usize) -> bool;

/// One file.
#[derive(Debug, Default)]
pub(super) struct Inode {
    platter: Vec<u8>,
    /// How much of the platter shows through where the cache has nothing.
    shown: u64,
    len: u64,
    /// Sectors that the node sees otherwise than they are on the platter.
    cache: BTreeMap<u64, Sector>,
    unsynced: Vec<Unsynced>,
    unsynced_bytes: usize,
    /// Handles of the current life.
    pub(super) handles: usize,
}

impl Inode {
    /// The length that the node sees.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// What would be left if the power failed now and the crash kept nothing.
    pub(super) fn platter(&self) -> &[u8] {
        &self.platter
    }

    /// How many bytes wait for a sync, in whole sectors; each change is one at least.
    pub(super) fn unsynced_bytes(&self) -> usize {
        self.unsynced_bytes
    }

    /// What the node sees from `offset` on; less than `bytes` where the file ends.
    pub(super) fn read(&self, offset: u64, bytes: usize) -> Vec<u8> {
        let end = offset.saturating_add(bytes as u64).min(self.len);
        let mut out = Vec::with_capacity(end.saturating_sub(offset) as usize);
        let mut at = offset;
        while at < end {
            let (index, begin) = (at / SECTOR, (at % SECTOR) as usize);
            let take = (SECTOR_BYTES - begin).min((end - at) as usize);
            out.extend_from_slice(&self.sector(index)[begin..begin + take]);
            at += take as u64;
        }
        out
    }

    /// Writes into the cache.
    pub(super) fn write(&mut self, stamp: Stamp, offset: u64, bytes: &[u8], place: Place) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len() as u64;
        let (first, last) = (offset / SECTOR, (end - 1) / SECTOR);
        let mut after = Vec::with_capacity((last - first + 1) as usize * SECTOR_BYTES);
        (first..=last).for_each(|index| after.extend_from_slice(&self.sector(index)));
        let begin = (offset % SECTOR) as usize;
        after[begin..begin + bytes.len()].copy_from_slice(bytes);
        let (sectors, _) = after.as_chunks::<SECTOR_BYTES>();
        self.cache.extend((first..).zip(sectors.iter().copied()));
        self.len = self.len.max(end);
        self.remember(stamp, Change::Write(place), first, after);
    }

    /// Changes the length in the cache.
    pub(super) fn set_len(&mut self, stamp: Stamp, bytes: u64) {
        let boundary = bytes / SECTOR;
        let mut after = Vec::new();
        if bytes < self.len {
            let inside = (bytes % SECTOR) as usize;
            let mut sector = self.sector(boundary);
            sector[inside..].fill(0);
            drop(self.cache.split_off(&boundary));
            if inside > 0 {
                self.cache.insert(boundary, sector);
                after = sector.to_vec();
            }
            self.shown = self.shown.min(bytes);
        }
        self.len = bytes;
        self.remember(stamp, Change::SetLen, boundary, after);
    }

    /// Brings changes up to this turn to the platter, as far as they reach it, and counts them as clean. `evict` lets
    /// the node see what is there; otherwise it goes on seeing what it wrote.
    pub(super) fn sync(
        &mut self,
        up_to: u64,
        reaches: Reaches<'_>,
        evict: bool,
        strays: &mut Vec<Stray>,
    ) {
        let clean = self.unsynced.partition_point(|unsynced| unsynced.stamp.turn <= up_to);
        let changes = self.unsynced.drain(..clean).collect::<Vec<_>>();
        for change in &changes {
            self.unsynced_bytes -= change.cost();
            self.apply(change, reaches, strays);
        }
        let cut = |unsynced: &Unsynced| (unsynced.change == Change::SetLen).then_some(unsynced.len);
        let shortest = self.unsynced.iter().filter_map(cut).min().unwrap_or(self.len);
        self.shown = (self.platter.len() as u64).min(self.len).min(shortest);
        let touched = |unsynced: &Unsynced| {
            unsynced.first..unsynced.first + (unsynced.after.len() / SECTOR_BYTES) as u64
        };
        let dirty = self.unsynced.iter().flat_map(touched).collect::<BTreeSet<_>>();
        let (platter, shown) = (&self.platter, self.shown);
        self.cache.retain(|index, sector| {
            dirty.contains(index) || (!evict && *sector != sector_of(platter, shown, *index))
        });
    }

    /// The power fails: of what was not synced some reaches the platter, and the platter is all there is.
    pub(super) fn crash(&mut self, reaches: Reaches<'_>, strays: &mut Vec<Stray>) {
        for change in std::mem::take(&mut self.unsynced) {
            self.apply(&change, reaches, strays);
        }
        self.cache.clear();
        (self.unsynced_bytes, self.handles) = (0, 0);
        self.len = self.platter.len() as u64;
        self.shown = self.len;
    }

    /// A change's numbers and how many sectors each has, oldest first.
    pub(super) fn unsynced(&self) -> impl Iterator<Item = (u64, usize)> {
        self.unsynced.iter().map(|change| (change.stamp.number, change.after.len() / SECTOR_BYTES))
    }

    /// Overwrites what is on the platter, as far as the platter goes.
    pub(super) fn strike(&mut self, sector: u64, bytes: &[u8]) {
        let begin = sector.saturating_mul(SECTOR).min(self.platter.len() as u64) as usize;
        let end = (begin + bytes.len()).min(self.platter.len());
        self.platter[begin..end].copy_from_slice(&bytes[..end - begin]);
    }

    /// Flips a bit on the platter; `false` if the platter does not reach there.
    pub(super) fn flip(&mut self, bit: u64) -> bool {
        let byte = usize::try_from(bit / 8).ok().and_then(|byte| self.platter.get_mut(byte));
        byte.map(|byte| *byte ^= 1 << (bit % 8)).is_some()
    }

    fn sector(&self, index: u64) -> Sector {
        let cached = self.cache.get(&index).copied();
        cached.unwrap_or_else(|| sector_of(&self.platter, self.shown, index))
    }

    fn remember(&mut self, stamp: Stamp, change: Change, first: u64, after: Vec<u8>) {
        let change = Unsynced { stamp, change, first, after, len: self.len };
        self.unsynced_bytes += change.cost();
        self.unsynced.push(change);
    }

    fn apply(&mut self, unsynced: &Unsynced, reaches: Reaches<'_>, strays: &mut Vec<Stray>) {
        let Unsynced { stamp: Stamp { number, .. }, change, first, ref after, len } = *unsynced;
        let (sectors, _) = after.as_chunks::<SECTOR_BYTES>();
        if change == Change::SetLen {
            if reaches(number, 0) {
                self.platter.resize(len as usize, 0);
                sectors.iter().for_each(|sector| self.put(first, sector, len));
            }
            return;
        }
        for ((index, sector), nth) in (first..).zip(sectors).zip(0..) {
            if !reaches(number, nth) {
                continue;
            }
            match change {
                Change::Write(Place::Wrong(inode, target)) => {
                    let (sector, bytes) = (target + nth as u64, sector.to_vec());
                    strays.push(Stray { inode, sector, bytes });
                    self.grow(index, len);
                }
                Change::Write(Place::Nowhere) => self.grow(index, len),
                _ => self.put(index, sector, len),
            }
        }
    }

    /// Puts one sector on the platter, which ends where the file does.
    fn put(&mut self, index: u64, sector: &Sector, len: u64) {
        self.grow(index, len);
        let begin = (index * SECTOR) as usize;
        let end = (begin + SECTOR_BYTES).min(len as usize);
        if begin < end {
            self.platter[begin..end].copy_from_slice(&sector[..end - begin]);
        }
    }

    /// Lets the platter reach to the end of this sector, or of the file; the length is kept where the data may not be.
    fn grow(&mut self, index: u64, len: u64) {
        let end = ((index + 1) * SECTOR).min(len) as usize;
        if self.platter.len() < end {
            self.platter.resize(end, 0);
        }
    }
}

fn sector_of(platter: &[u8], shown: u64, index: u64) -> Sector {
    let mut sector = [0; SECTOR_BYTES];
    let shown = platter.len().min(shown as usize);
    let begin = (index.saturating_mul(SECTOR) as usize).min(shown);
    let end = (begin + SECTOR_BYTES).min(shown);
    sector[..end - begin].copy_from_slice(&platter[begin..end]);
    sector
}
