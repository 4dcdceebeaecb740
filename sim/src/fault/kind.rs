//! The kinds of faults: what a swarm turns on and off, and what is counted.
//!
//! Read `words.rs` next.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Fault;

/// The kind of a fault: what a [`Swarm`](crate::Swarm) turns on and off, and what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// [`Fault::Crash`].
    Crash,
    /// [`Fault::ZoneCrash`].
    ZoneCrash,
    /// [`Fault::Pause`].
    Pause,
    /// [`Fault::Cut`].
    Cut,
    /// [`Fault::Partition`].
    Partition,
    /// [`Fault::Strain`].
    Strain,
    /// [`Fault::Clog`].
    Clog,
    /// [`Fault::Flap`].
    Flap,
    /// [`Fault::Slow`].
    Slow,
    /// [`Fault::SlowDisk`].
    SlowDisk,
    /// [`Fault::DiskErrors`].
    DiskErrors,
    /// [`Fault::Drift`].
    Drift,
    /// [`Fault::Skew`].
    Skew,
    /// [`Fault::Kill`].
    Kill,
    /// [`Fault::Topology`].
    Topology,
    /// [`Fault::Swizzle`].
    Swizzle,
    /// [`Fault::Throttle`].
    Throttle,
    /// [`Fault::Tail`].
    Tail,
    /// [`Fault::Lookups`].
    Lookups,
    /// [`Fault::SlowSync`].
    SlowSync,
    /// [`Fault::SyncErrors`].
    SyncErrors,
    /// [`Fault::FullDisk`].
    FullDisk,
    /// [`Fault::TornWrites`].
    TornWrites,
    /// [`Fault::LyingDisk`].
    LyingDisk,
    /// [`Fault::MisdirectedWrites`].
    MisdirectedWrites,
    /// [`Fault::BitRot`].
    BitRot,
    /// [`Fault::Buggify`].
    Buggify,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 27] = [
        Self::Crash,
        Self::ZoneCrash,
        Self::Pause,
        Self::Cut,
        Self::Partition,
        Self::Strain,
        Self::Clog,
        Self::Flap,
        Self::Slow,
        Self::SlowDisk,
        Self::DiskErrors,
        Self::Drift,
        Self::Skew,
        Self::Kill,
        Self::Topology,
        Self::Swizzle,
        Self::Throttle,
        Self::Tail,
        Self::Lookups,
        Self::SlowSync,
        Self::SyncErrors,
        Self::FullDisk,
        Self::TornWrites,
        Self::LyingDisk,
        Self::MisdirectedWrites,
        Self::BitRot,
        Self::Buggify,
    ];

    /// Its name, as plans write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::ZoneCrash => "zone_crash",
            Self::Pause => "pause",
            Self::Cut => "cut",
            Self::Partition => "partition",
            Self::Strain => "strain",
            Self::Clog => "clog",
            Self::Flap => "flap",
            Self::Slow => "slow",
            Self::SlowDisk => "slow_disk",
            Self::DiskErrors => "disk_errors",
            Self::Drift => "drift",
            Self::Skew => "skew",
            Self::Kill => "kill",
            Self::Topology => "topology",
            Self::Swizzle => "swizzle",
            Self::Throttle => "throttle",
            Self::Tail => "tail",
            Self::Lookups => "lookups",
            Self::SlowSync => "slow_sync",
            Self::SyncErrors => "sync_errors",
            Self::FullDisk => "full_disk",
            Self::TornWrites => "torn_writes",
            Self::LyingDisk => "lying_disk",
            Self::MisdirectedWrites => "misdirected_writes",
            Self::BitRot => "bit_rot",
            Self::Buggify => "buggify",
        }
    }
}

impl FaultKind {
    /// Whether it is about a disk.
    pub(crate) const fn is_of_disks(self) -> bool {
        matches!(
            self,
            Self::SlowDisk
                | Self::DiskErrors
                | Self::SlowSync
                | Self::SyncErrors
                | Self::FullDisk
                | Self::TornWrites
                | Self::LyingDisk
                | Self::MisdirectedWrites
                | Self::BitRot
        )
    }
}

impl Fault {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Crash { .. } => FaultKind::Crash,
            Self::ZoneCrash { .. } => FaultKind::ZoneCrash,
            Self::Pause { .. } => FaultKind::Pause,
            Self::Cut { .. } => FaultKind::Cut,
            Self::Partition { .. } => FaultKind::Partition,
            Self::Strain { .. } => FaultKind::Strain,
            Self::Clog { .. } => FaultKind::Clog,
            Self::Flap { .. } => FaultKind::Flap,
            Self::Slow { .. } => FaultKind::Slow,
            Self::SlowDisk { .. } => FaultKind::SlowDisk,
            Self::DiskErrors { .. } => FaultKind::DiskErrors,
            Self::Drift { .. } => FaultKind::Drift,
            Self::Skew { .. } => FaultKind::Skew,
            Self::Kill { .. } => FaultKind::Kill,
            Self::Topology { .. } => FaultKind::Topology,
            Self::Swizzle { .. } => FaultKind::Swizzle,
            Self::Throttle { .. } => FaultKind::Throttle,
            Self::Tail { .. } => FaultKind::Tail,
            Self::Lookups { .. } => FaultKind::Lookups,
            Self::SlowSync { .. } => FaultKind::SlowSync,
            Self::SyncErrors { .. } => FaultKind::SyncErrors,
            Self::FullDisk { .. } => FaultKind::FullDisk,
            Self::TornWrites { .. } => FaultKind::TornWrites,
            Self::LyingDisk { .. } => FaultKind::LyingDisk,
            Self::MisdirectedWrites { .. } => FaultKind::MisdirectedWrites,
            Self::BitRot { .. } => FaultKind::BitRot,
            Self::Buggify { .. } => FaultKind::Buggify,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
