//! A disk as one state machine: names, files, what is under way, and the gate of the life that uses it.
//!
//! It reads no clock and waits for nothing: an operation begins at one time, is told when it is due, and takes effect
//! when it ends. What is under way when the life ends is decided by the seed, and whoever comes later finds the gate
//! closed. `window.rs` is what nodes see of it. Read `perform.rs` next.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use odeon_env::{DiskError, FileName, OpenMode, Operation};

use super::{
    chance::{Chances, Decision, Kind},
    counts::DiskCounts,
    inode::{Inode, InodeId, Stray},
    names::Names,
    rule::DiskRule,
};
use crate::{
    net::Latency,
    trace::{DiskEvent, DiskFate, Event, HostId, Trace},
};

/// An open file, as an operation names it.
#[derive(Clone, Debug)]
pub(super) struct FileRef {
    pub(super) inode: InodeId,
    /// What it was called when it was opened.
    pub(super) name: FileName,
}

/// What is asked of a disk.
#[derive(Debug)]
pub(super) enum Request {
    Open { name: FileName, mode: OpenMode },
    Rename { from: FileName, to: FileName },
    Remove { name: FileName },
    List,
    SyncNames,
    Len { file: FileRef },
    Read { file: FileRef, offset: u64, bytes: usize },
    Write { file: FileRef, offset: u64, bytes: Bytes },
    SetLen { file: FileRef, bytes: u64 },
    Sync { file: FileRef },
}

impl Request {
    fn kind(&self) -> Kind {
        match self {
            Self::Open { .. } | Self::Rename { .. } | Self::Remove { .. } | Self::List => {
                Kind::Names
            }
            Self::Len { .. } | Self::Read { .. } => Kind::Read,
            Self::Write { .. } | Self::SetLen { .. } => Kind::Write,
            Self::SyncNames | Self::Sync { .. } => Kind::Sync,
        }
    }
}

/// What the disk answers.
#[derive(Debug)]
pub(super) enum Answer {
    Done,
    Opened(InodeId),
    Names(Vec<FileName>),
    Length(u64),
    Bytes(Vec<u8>),
}

/// An operation that has begun and not ended.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) request: Request,
    pub(super) number: u64,
    /// The turn of the last change that a sync covers.
    pub(super) up_to: u64,
}

/// One disk.
#[derive(Debug)]
pub(super) struct Drive {
    pub(super) rule: DiskRule,
    pub(super) counts: DiskCounts,
    pub(super) names: Names,
    pub(super) inodes: BTreeMap<InodeId, Inode>,
    pub(super) chances: Chances,
    /// How many changes took effect.
    pub(super) turns: u64,
    pub(super) inodes_made: InodeId,
    /// The life that may use the disk.
    life: u64,
    lives: u64,
    under_way: BTreeMap<u64, UnderWay>,
    begun: u64,
    /// When the disk has time again for reads, for changes and for syncs.
    free_at: [Duration; 3],
    trace: Trace,
    host: HostId,
}

/// The life of nobody: no operation is let in.
const NOBODY: u64 = 0;

impl Drive {
    pub(super) fn new(chances: Chances, trace: Trace, host: HostId) -> Self {
        Self {
            rule: DiskRule::default(),
            counts: DiskCounts::default(),
            names: Names::default(),
            inodes: BTreeMap::new(),
            chances,
            turns: 0,
            inodes_made: 0,
            life: NOBODY,
            lives: NOBODY,
            under_way: BTreeMap::new(),
            begun: 0,
            free_at: [Duration::ZERO; 3],
            trace,
            host,
        }
    }

    /// Opens the gate for a new life, whose number it returns.
    pub(super) fn begin_life(&mut self) -> u64 {
        self.lives += 1;
        self.life = self.lives;
        self.life
    }

    /// Whether this life may use the disk.
    pub(super) fn is_open(&self, life: u64) -> bool {
        self.life == life
    }

    /// Begins an operation; the result is its ticket and when it is due.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        life: u64,
        request: Request,
    ) -> Result<(u64, Duration), DiskError> {
        if !self.is_open(life) {
            return Err(DiskError::Ended);
        }
        let kind = request.kind();
        let number = self.chances.number(kind);
        let due = self.due(now, kind, number);
        self.begun += 1;
        self.under_way.insert(self.begun, UnderWay { request, number, up_to: self.turns });
        Ok((self.begun, due))
    }

    fn due(&mut self, now: Duration, kind: Kind, number: u64) -> Duration {
        let (latency, queue) = match kind {
            Kind::Read => (self.rule.read_latency, 0),
            Kind::Write | Kind::Names => (self.rule.write_latency, 1),
            Kind::Sync => (self.rule.sync_latency, 2),
        };
        let mut takes = latency.draw(&self.chances.draw(kind, number, Decision::Latency));
        let slow = self.chances.draw(kind, number, Decision::Slow);
        if kind == Kind::Sync && slow.chance(self.rule.slow_sync) {
            self.counts.slow_syncs += 1;
            let extra = Latency::Uniform(Duration::ZERO, self.rule.slow_sync_extra).draw(&slow);
            takes = takes.saturating_add(extra);
        }
        let free_at = &mut self.free_at[queue];
        *free_at = now.max(*free_at).saturating_add(takes);
        *free_at
    }

    /// Ends an operation: it takes effect now.
    pub(super) fn end(&mut self, now: Duration, ticket: u64) -> Result<Answer, DiskError> {
        let under_way = self.under_way.remove(&ticket).ok_or(DiskError::Ended)?;
        self.perform(now, under_way)
    }

    /// Nobody waits for an operation any more: it takes effect now or never.
    pub(super) fn abandon(&mut self, now: Duration, ticket: u64) {
        if let Some(under_way) = self.under_way.remove(&ticket) {
            self.abandoned(now, under_way);
        }
    }

    fn abandoned(&mut self, now: Duration, under_way: UnderWay) {
        let kind = under_way.request.kind();
        let chance = self.chances.draw(kind, under_way.number, Decision::Abandoned);
        if kind != Kind::Read
            && chance.chance(0.5)
            && let Ok(Answer::Opened(inode)) = self.perform(now, under_way)
        {
            self.close(self.life, inode);
        }
    }

    /// A handle of this life is dropped.
    pub(super) fn close(&mut self, life: u64, inode: InodeId) {
        if self.is_open(life)
            && let Some(inode) = self.inodes.get_mut(&inode)
        {
            inode.handles = inode.handles.saturating_sub(1);
            self.sweep();
        }
    }

    /// The node is gone and the machine stays: what the node wrote is in the machine's cache.
    pub(super) fn end_life(&mut self, now: Duration) {
        for under_way in std::mem::take(&mut self.under_way).into_values() {
            self.abandoned(now, under_way);
        }
        self.life = NOBODY;
        self.free_at = [Duration::ZERO; 3];
        self.inodes.values_mut().for_each(|inode| inode.handles = 0);
        self.sweep();
    }

    /// The power fails: what was not synced is kept, lost or torn.
    pub(super) fn crash(&mut self, now: Duration) {
        self.end_life(now);
        self.counts.crashes += 1;
        let mut strays = Vec::new();
        for id in self.inodes.keys().copied().collect::<Vec<_>>() {
            self.crash_inode(now, id, &mut strays);
        }
        self.strike(strays);
        let (chances, lost) = (&self.chances, self.rule.crash_names_lost);
        let (counts, trace, host) = (&mut self.counts, &self.trace, self.host);
        self.names.crash(|number, change| {
            let kept = !chances.draw(Kind::Names, number, Decision::CrashLost).chance(lost);
            *(if kept { &mut counts.names_kept } else { &mut counts.names_lost }) += 1;
            let fate = if kept { DiskFate::Kept } else { DiskFate::Lost };
            let (operation, file) = (Operation::SyncNames, change.name().as_str());
            let event = DiskEvent { operation, file, offset: 0, bytes: &[], fate };
            trace.record(now, Some(host), &Event::Disk(event));
            kept
        });
        self.sweep();
    }

    fn crash_inode(&mut self, now: Duration, id: InodeId, strays: &mut Vec<Stray>) {
        let name = self.names.name_of(id).map_or_else(String::new, ToString::to_string);
        let Some(inode) = self.inodes.get_mut(&id) else { return };
        let (chances, rule) = (&self.chances, &self.rule);
        let reaches = |number, nth| {
            let draw = |decision| chances.draw(Kind::Write, number, decision);
            if draw(Decision::CrashTorn).chance(rule.crash_torn) {
                let sector = draw(Decision::CrashSector).next_word() ^ nth as u64;
                return odeon_interpose::mix(sector) & 1 == 0;
            }
            !draw(Decision::CrashLost).chance(rule.crash_lost)
        };
        for (number, sectors) in inode.unsynced() {
            let sectors = sectors.max(1);
            let reached = (0..sectors).filter(|&nth| reaches(number, nth)).count();
            let (count, fate) = match reached {
                0 => (&mut self.counts.lost, DiskFate::Lost),
                all if all == sectors => (&mut self.counts.kept, DiskFate::Kept),
                _ => (&mut self.counts.torn, DiskFate::Torn),
            };
            *count += 1;
            let (operation, file) = (Operation::Write, name.as_str());
            let event = DiskEvent { operation, file, offset: number, bytes: &[], fate };
            self.trace.record(now, Some(self.host), &Event::Disk(event));
        }
        inode.crash(&mut { reaches }, strays);
    }

    /// Writes what went astray to where it goes.
    pub(super) fn strike(&mut self, strays: Vec<Stray>) {
        for stray in strays {
            if let Some(inode) = self.inodes.get_mut(&stray.inode) {
                inode.strike(stray.sector, &stray.bytes);
            }
        }
    }

    /// Forgets files that nobody can find any more.
    pub(super) fn sweep(&mut self) {
        let named = self.names.inodes();
        self.inodes.retain(|id, inode| inode.handles > 0 || named.contains(id));
    }

    /// An empty disk in place of this one; the gate is closed.
    pub(super) fn wipe(&mut self) {
        self.life = NOBODY;
        self.under_way.clear();
        self.inodes.clear();
        self.names = Names::default();
    }

    pub(super) fn record(&self, now: Duration, event: DiskEvent<'_>) {
        self.trace.record(now, Some(self.host), &Event::Disk(event));
    }
}
