//! The kinds of faults: what a swarm turns on and off, and what is counted.
//!
//! Read `words.rs` next.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Fault;

macro_rules! kinds {
    ($($kind:ident: $name:literal;)+) => {
        /// The kind of a fault: what a [`Swarm`](crate::Swarm) turns on and off, and what is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum FaultKind {
            $(
                #[doc = concat!("[`Fault::", stringify!($kind), "`].")]
                #[serde(rename = $name)]
                $kind,
            )+
        }

        impl FaultKind {
            /// Every kind.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$kind),+];

            /// Its name, as plans write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }

        impl Fault {
            /// Its kind.
            #[must_use]
            pub const fn kind(&self) -> FaultKind {
                match self {
                    $(Self::$kind { .. } => FaultKind::$kind,)+
                }
            }
        }
    };
}

kinds! {
    Crash: "crash";
    ZoneCrash: "zone_crash";
    Pause: "pause";
    Cut: "cut";
    Partition: "partition";
    Strain: "strain";
    Clog: "clog";
    Flap: "flap";
    Slow: "slow";
    SlowDisk: "slow_disk";
    DiskErrors: "disk_errors";
    Drift: "drift";
    Skew: "skew";
    Kill: "kill";
    Topology: "topology";
    Swizzle: "swizzle";
    Throttle: "throttle";
    Tail: "tail";
    Lookups: "lookups";
    SlowSync: "slow_sync";
    SyncErrors: "sync_errors";
    FullDisk: "full_disk";
    TornWrites: "torn_writes";
    LyingDisk: "lying_disk";
    MisdirectedWrites: "misdirected_writes";
    BitRot: "bit_rot";
    Buggify: "buggify";
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

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
