//! What each operation of a disk does, and what may go wrong with it.
//!
//! Read `window.rs` next.

use std::{io, time::Duration};

use odeon_env::{DiskError, FILES_MAX, FileName, OpenMode, Operation, check_len, check_range};

use super::{
    chance::{Decision, Kind},
    drive::{Answer, Drive, FileRef, Request, UnderWay},
    inode::{Inode, InodeId, Place, SECTOR_BYTES, Stamp},
    names::Change,
};
use crate::trace::{DiskEvent, DiskFate};

/// Bytes of one file that wait for a sync; with more the disk writes them by itself, as a kernel does.
const UNSYNCED_BYTES_MAX: usize = 16 << 20;

/// The largest simulated disk, 1 GiB, because it is memory.
const DISK_BYTES_MAX: u64 = 1 << 30;

/// What errno(3) calls these on every Unix.
const ENOENT: i32 = 2;
const EIO: i32 = 5;
const EEXIST: i32 = 17;
const ENOSPC: i32 = 28;

/// What an operation was, for its event and its error.
#[derive(Clone, Copy)]
struct About<'a> {
    now: Duration,
    operation: Operation,
    file: &'a str,
    offset: u64,
}

impl About<'_> {
    fn event(&self, bytes: &[u8], fate: DiskFate, drive: &Drive) {
        let Self { operation, file, offset, .. } = *self;
        drive.record(self.now, DiskEvent { operation, file, offset, bytes, fate });
    }

    fn failed(&self, code: i32, drive: &mut Drive) -> DiskError {
        let fate = match code {
            EIO => DiskFate::Failed,
            ENOSPC => DiskFate::Full,
            _ => DiskFate::Refused,
        };
        drive.counts.full += u64::from(code == ENOSPC);
        self.event(&[], fate, drive);
        let (operation, file) = (self.operation, self.file.to_owned());
        DiskError::Failed { operation, file, cause: io::Error::from_raw_os_error(code) }
    }
}

impl Drive {
    /// Lets an operation take effect.
    pub(super) fn perform(
        &mut self,
        now: Duration,
        under_way: UnderWay,
    ) -> Result<Answer, DiskError> {
        let UnderWay { request, number, up_to } = under_way;
        let about = |operation, file, offset| About { now, operation, file, offset };
        match request {
            Request::Open { name, mode } => {
                self.open(about(Operation::Open, name.as_str(), 0), number, &name, mode)
            }
            Request::Rename { from, to } => {
                let about = about(Operation::Rename, from.as_str(), 0);
                let inode = self.names.find(&from).ok_or_else(|| about.failed(ENOENT, self))?;
                self.reach_names(about, number)?;
                about.event(to.as_str().as_bytes(), DiskFate::Done, self);
                self.rename(number, Change::Renamed { from, to, inode })
            }
            Request::Remove { name } => {
                let about = about(Operation::Remove, name.as_str(), 0);
                let inode = self.names.find(&name).ok_or_else(|| about.failed(ENOENT, self))?;
                self.reach_names(about, number)?;
                about.event(&[], DiskFate::Done, self);
                self.rename(number, Change::Removed { name, inode })
            }
            Request::List => {
                about(Operation::List, "", 0).event(&[], DiskFate::Done, self);
                Ok(Answer::Names(self.names.all().cloned().collect()))
            }
            Request::SyncNames => {
                self.sync_names(about(Operation::SyncNames, "", 0), number, up_to)
            }
            Request::Len { file } => Ok(Answer::Length(self.inode(&file)?.len())),
            Request::Read { file, offset, bytes } => {
                self.read(about(Operation::Read, file.name.as_str(), offset), number, &file, bytes)
            }
            Request::Write { file, offset, bytes } => {
                let about = about(Operation::Write, file.name.as_str(), offset);
                self.write(about, number, &file, &bytes)
            }
            Request::SetLen { file, bytes } => {
                self.set_len(about(Operation::SetLen, file.name.as_str(), bytes), number, &file)
            }
            Request::Sync { file } => {
                self.sync(about(Operation::Sync, file.name.as_str(), 0), number, up_to, &file)
            }
        }
    }

    /// A file that has a handle; only a wiped disk has it no more.
    fn inode(&mut self, file: &FileRef) -> Result<&mut Inode, DiskError> {
        self.inodes.get_mut(&file.inode).ok_or(DiskError::Ended)
    }

    fn stamp(&mut self, number: u64) -> Stamp {
        self.turns += 1;
        Stamp { turn: self.turns, number }
    }

    fn fails(&self, kind: Kind, number: u64, probability: f64) -> bool {
        self.chances.draw(kind, number, Decision::Failure).chance(probability)
    }

    /// Fails where the disk does.
    fn reach_names(&mut self, about: About<'_>, number: u64) -> Result<(), DiskError> {
        if self.fails(Kind::Names, number, self.rule.names_error) {
            self.counts.names_errors += 1;
            return Err(about.failed(EIO, self));
        }
        Ok(())
    }

    /// Whether `growth` bytes more are above the size of the disk.
    fn is_full(&self, growth: u64) -> bool {
        let used = self.inodes.values().map(Inode::len).sum::<u64>();
        growth > 0 && used.saturating_add(growth) > self.rule.bytes_max.min(DISK_BYTES_MAX)
    }

    fn open(
        &mut self,
        about: About<'_>,
        number: u64,
        name: &FileName,
        mode: OpenMode,
    ) -> Result<Answer, DiskError> {
        self.reach_names(about, number)?;
        let id = match (self.names.find(name), mode) {
            (Some(_), OpenMode::New) => return Err(about.failed(EEXIST, self)),
            (Some(id), _) => id,
            (None, OpenMode::Existing) => return Err(about.failed(ENOENT, self)),
            (None, _) if self.names.all().count() >= FILES_MAX => {
                return Err(about.failed(ENOSPC, self));
            }
            (None, _) => {
                self.inodes_made += 1;
                let (stamp, inode) = (self.stamp(number), self.inodes_made);
                self.inodes.insert(inode, Inode::default());
                self.names.change(stamp, Change::Made { name: name.clone(), inode });
                inode
            }
        };
        about.event(&[], DiskFate::Done, self);
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.handles += 1;
        }
        Ok(Answer::Opened(id))
    }

    fn rename(&mut self, number: u64, change: Change) -> Result<Answer, DiskError> {
        let stamp = self.stamp(number);
        self.names.change(stamp, change);
        self.sweep();
        Ok(Answer::Done)
    }

    fn sync_names(
        &mut self,
        about: About<'_>,
        number: u64,
        up_to: u64,
    ) -> Result<Answer, DiskError> {
        self.counts.syncs += 1;
        let fails = self.fails(Kind::Sync, number, self.rule.sync_error);
        let chances = &self.chances;
        let part = |number| chances.draw(Kind::Names, number, Decision::Part).chance(0.5);
        self.names.sync(up_to, |number| !fails || part(number));
        self.sweep();
        self.synced(about, fails)
    }

    fn synced(&mut self, about: About<'_>, fails: bool) -> Result<Answer, DiskError> {
        if fails {
            self.counts.sync_errors += 1;
            return Err(about.failed(EIO, self));
        }
        about.event(&[], DiskFate::Done, self);
        Ok(Answer::Done)
    }

    fn read(
        &mut self,
        about: About<'_>,
        number: u64,
        file: &FileRef,
        bytes: usize,
    ) -> Result<Answer, DiskError> {
        check_range(about.offset, bytes)?;
        self.counts.reads += 1;
        if self.fails(Kind::Read, number, self.rule.read_error) {
            self.counts.read_errors += 1;
            return Err(about.failed(EIO, self));
        }
        let rot = self.chances.draw(Kind::Read, number, Decision::Rot);
        let rots = rot.chance(self.rule.bit_rot);
        let inode = self.inode(file)?;
        let there = inode.len().saturating_sub(about.offset).min(bytes as u64);
        let bit = about.offset.saturating_mul(8) + rot.below(there * 8);
        let rotten = rots && there > 0 && inode.flip(bit);
        let read = inode.read(about.offset, bytes);
        self.counts.rotten_bits += u64::from(rotten);
        about.event(&read, if rotten { DiskFate::Rotten } else { DiskFate::Done }, self);
        Ok(Answer::Bytes(read))
    }

    fn write(
        &mut self,
        about: About<'_>,
        number: u64,
        file: &FileRef,
        bytes: &[u8],
    ) -> Result<Answer, DiskError> {
        check_range(about.offset, bytes.len())?;
        self.counts.writes += 1;
        let end = about.offset + bytes.len() as u64;
        let growth = if bytes.is_empty() { 0 } else { end.saturating_sub(self.inode(file)?.len()) };
        if self.is_full(growth) {
            return Err(about.failed(ENOSPC, self));
        }
        let fails = self.fails(Kind::Write, number, self.rule.write_error);
        let part = self.chances.draw(Kind::Write, number, Decision::Part);
        let written = if fails { part.below(bytes.len() as u64 + 1) as usize } else { bytes.len() };
        let place = self.place(number, file.inode, about.offset);
        let stamp = self.stamp(number);
        self.inode(file)?.write(stamp, about.offset, &bytes[..written], place);
        self.write_back(file)?;
        if fails {
            self.counts.write_errors += 1;
            return Err(about.failed(EIO, self));
        }
        let fate = match place {
            Place::Right => DiskFate::Done,
            Place::Nowhere => DiskFate::Lied,
            Place::Wrong(..) => DiskFate::Misdirected,
        };
        about.event(bytes, fate, self);
        Ok(Answer::Done)
    }

    /// Where a write reaches the platter.
    fn place(&mut self, number: u64, inode: InodeId, offset: u64) -> Place {
        if self.chances.draw(Kind::Write, number, Decision::Lost).chance(self.rule.lost) {
            self.counts.lied += 1;
            return Place::Nowhere;
        }
        let stream = self.chances.draw(Kind::Write, number, Decision::Misdirected);
        if !stream.chance(self.rule.misdirected) {
            return Place::Right;
        }
        let sectors = |inode: &Inode| (inode.platter().len().div_ceil(SECTOR_BYTES)) as u64;
        let mut target = stream.below(self.inodes.values().map(sectors).sum());
        for (&id, file) in &self.inodes {
            if target < sectors(file) {
                // Its own place would be no fault.
                let own = id == inode && target == offset / SECTOR_BYTES as u64;
                self.counts.misdirected += u64::from(!own);
                return if own { Place::Right } else { Place::Wrong(id, target) };
            }
            target -= sectors(file);
        }
        // There is nothing yet that it could strike.
        Place::Right
    }

    fn write_back(&mut self, file: &FileRef) -> Result<(), DiskError> {
        let inode = self.inode(file)?;
        if inode.unsynced_bytes() > UNSYNCED_BYTES_MAX {
            let mut strays = Vec::new();
            inode.sync(u64::MAX, &mut |_, _| true, false, &mut strays);
            self.strike(strays);
        }
        Ok(())
    }

    fn set_len(
        &mut self,
        about: About<'_>,
        number: u64,
        file: &FileRef,
    ) -> Result<Answer, DiskError> {
        let bytes = about.offset;
        check_len(bytes)?;
        self.counts.writes += 1;
        let growth = bytes.saturating_sub(self.inode(file)?.len());
        if self.is_full(growth) {
            return Err(about.failed(ENOSPC, self));
        }
        if self.fails(Kind::Write, number, self.rule.write_error) {
            self.counts.write_errors += 1;
            return Err(about.failed(EIO, self));
        }
        let stamp = self.stamp(number);
        self.inode(file)?.set_len(stamp, bytes);
        self.write_back(file)?;
        about.event(&[], DiskFate::Done, self);
        Ok(Answer::Done)
    }

    /// Brings a file to the platter. One that fails leaves behind what ext4 and XFS leave: pages that count as clean,
    /// whether they reached the platter or not, and that later syncs pass over (*fsyncgate*, PostgreSQL 2018).
    fn sync(
        &mut self,
        about: About<'_>,
        number: u64,
        up_to: u64,
        file: &FileRef,
    ) -> Result<Answer, DiskError> {
        self.counts.syncs += 1;
        let fails = self.fails(Kind::Sync, number, self.rule.sync_error);
        let evict = self.chances.draw(Kind::Sync, number, Decision::Evicted).chance(0.5);
        let chances = &self.chances;
        let part = |number, nth| {
            let sector = chances.draw(Kind::Write, number, Decision::Part).next_word() ^ nth as u64;
            odeon_interpose::mix(sector) & 1 == 0
        };
        let mut strays = Vec::new();
        let inode = self.inodes.get_mut(&file.inode).ok_or(DiskError::Ended)?;
        inode.sync(up_to, &mut |number, nth| !fails || part(number, nth), evict, &mut strays);
        self.strike(strays);
        self.synced(about, fails)
    }
}
