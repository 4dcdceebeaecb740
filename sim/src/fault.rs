//! What can be broken on purpose, as data.
//!
//! What it is: the vocabulary of faults. Each names what it hits, can be written down and read again, and says itself
//! in one sentence. What it is NOT: when a fault happens, which is the business of a [`Plan`](crate::Plan), nor how
//! it is done to a world; that is `fault/injector.rs`, a few calls of [`World`](crate::World) for each. Read `plan.rs`
//! next.

mod injector;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use injector::Injector;

/// One fault: what is broken, and how much.
///
/// Every fault has an end as well as a beginning, and both are part of what it means: who crashes is started again
/// on its disk, who is held goes on, what is cut is mended. How long it lasts is said by the
/// [`PlannedFault`](crate::PlannedFault) it is part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The node is killed as by SIGKILL; in the end it is started again.
    Crash {
        /// Its name.
        node: String,
    },
    /// All nodes of a zone are killed at once; in the end they are started again.
    ZoneCrash {
        /// The label of the zone.
        zone: String,
        /// The nodes in it, so that a plan can be read by itself.
        nodes: Vec<String>,
    },
    /// The node is held as by SIGSTOP; in the end it goes on.
    Pause {
        /// Its name.
        node: String,
    },
    /// One direction of a link is cut; in the end it is mended.
    Cut {
        /// Who is not heard.
        from: String,
        /// Who does not hear.
        to: String,
    },
    /// Every link between the two groups is cut, both ways; in the end they are mended.
    Partition {
        /// The smaller group.
        one: Vec<String>,
        /// The larger group.
        other: Vec<String>,
    },
    /// One direction of a link gets worse; in the end it is as it was.
    Strain {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
        /// How much worse.
        #[serde(flatten)]
        strain: Strain,
    },
    /// One direction of a link holds what is sent; in the end it lets it go.
    Clog {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
    },
    /// One direction of a link goes up and down; in the end it is up.
    Flap {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
        /// How long up and down take together, in milliseconds, from 1 on.
        period_ms: u64,
        /// How many of a hundred parts of it the link is up.
        up_percent: u8,
    },
    /// The node is slower than the others; in the end it is as fast.
    Slow {
        /// Its name.
        node: String,
        /// How many times slower, from 1 to [`SLOWNESS_MAX`](crate::SLOWNESS_MAX).
        factor: u32,
    },
    /// The disk of the node gets slower; in the end it is as it was.
    SlowDisk {
        /// Its name.
        node: String,
        /// What reads, writes and syncs take longer, in milliseconds.
        slower_ms: u64,
    },
    /// Reads, writes and syncs on the disk of the node fail now and then (EIO); in the end it is as it was.
    DiskErrors {
        /// Its name.
        node: String,
        /// How many of a thousand fail.
        error_permille: u16,
    },
    /// The wall clock of the node drifts; in the end it is put right.
    Drift {
        /// Its name.
        node: String,
        /// How many microseconds it gains in a second, up to [`DRIFT_PPM_MAX`](crate::DRIFT_PPM_MAX); below zero it loses
        /// them.
        ppm: i32,
    },
    /// The wall clock of the node jumps; in the end it jumps back.
    Skew {
        /// Its name.
        node: String,
        /// How far it is ahead meanwhile, in milliseconds; below zero it is behind.
        skew_ms: i64,
    },
}

/// How much worse than usual a link is. A rate that the link has already and that is higher stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Strain {
    /// Datagrams of a thousand that are lost.
    pub loss_permille: u16,
    /// Datagrams of a thousand that come twice.
    pub duplicate_permille: u16,
    /// Datagrams of a thousand that are held back.
    pub reorder_permille: u16,
    /// Datagrams of a thousand in which a bit flips.
    pub corrupt_permille: u16,
    /// What comes on top of the latency, in milliseconds.
    pub slower_ms: u64,
}

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
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
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
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A link that loses this many of a thousand datagrams, or more, is as good as cut.
const AS_GOOD_AS_CUT_PERMILLE: u16 = 500;

/// A node that is this many times slower, or more, is as good as held: a turn may take 0.2 s.
const AS_GOOD_AS_HELD: u32 = 100;

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
        }
    }

    /// The nodes that count as impaired while it lasts: those that are not, are up, run, and hear each other. A cut
    /// link impairs its sender, a partition its smaller side.
    #[must_use]
    pub fn impairs(&self) -> &[String] {
        match self {
            Self::Crash { node } | Self::Pause { node } => std::slice::from_ref(node),
            Self::ZoneCrash { nodes, .. } => nodes,
            Self::Cut { from, .. } | Self::Clog { from, .. } | Self::Flap { from, .. } => {
                std::slice::from_ref(from)
            }
            Self::Slow { node, factor } if *factor >= AS_GOOD_AS_HELD => std::slice::from_ref(node),
            Self::DiskErrors { node, .. } => std::slice::from_ref(node),
            Self::Partition { one, other } => {
                if one.len() <= other.len() {
                    one
                } else {
                    other
                }
            }
            Self::Strain { from, strain, .. }
                if strain.loss_permille >= AS_GOOD_AS_CUT_PERMILLE =>
            {
                std::slice::from_ref(from)
            }
            Self::Strain { .. }
            | Self::Slow { .. }
            | Self::SlowDisk { .. }
            | Self::Drift { .. }
            | Self::Skew { .. } => &[],
        }
    }

    /// The nodes it names.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        let (some, more): (&[String], &[String]) = match self {
            Self::Crash { node }
            | Self::Pause { node }
            | Self::Slow { node, .. }
            | Self::SlowDisk { node, .. }
            | Self::DiskErrors { node, .. }
            | Self::Drift { node, .. }
            | Self::Skew { node, .. } => (std::slice::from_ref(node), &[]),
            Self::ZoneCrash { nodes, .. } => (nodes, &[]),
            Self::Cut { from, to }
            | Self::Clog { from, to }
            | Self::Flap { from, to, .. }
            | Self::Strain { from, to, .. } => {
                (std::slice::from_ref(from), std::slice::from_ref(to))
            }
            Self::Partition { one, other } => (one, other),
        };
        some.iter().chain(more).map(String::as_str)
    }

    /// The directions it cuts while it lasts.
    pub(crate) fn cuts(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Cut { from, to } => vec![(from, to)],
            Self::Partition { one, other } => {
                let both = |a, b| [(a, b), (b, a)];
                let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
                pairs.flat_map(|(a, b)| both(a.as_str(), b.as_str())).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash { node } => write!(f, "{node} crashes"),
            Self::ZoneCrash { zone, nodes } => {
                write!(f, "zone {zone} crashes, with {}", nodes.join(", "))
            }
            Self::Pause { node } => write!(f, "{node} is held"),
            Self::Cut { from, to } => write!(f, "{to} no longer hears {from}"),
            Self::Partition { one, other } => {
                write!(f, "{} is parted from {}", one.join(", "), other.join(", "))
            }
            Self::Strain { from, to, strain } => write!(f, "from {from} to {to} {strain}"),
            Self::Clog { from, to } => write!(f, "what {from} sends to {to} has to wait"),
            Self::Flap { from, to, period_ms, up_percent } => {
                write!(f, "{to} hears {from} for {up_percent} % of every {period_ms} ms only")
            }
            Self::Slow { node, factor } => write!(f, "{node} is {factor} times slower"),
            Self::SlowDisk { node, slower_ms } => {
                write!(f, "the disk of {node} takes {slower_ms} ms longer")
            }
            Self::DiskErrors { node, error_permille: rate } => {
                write!(f, "the disk of {node} fails in {}.{} %", rate / 10, rate % 10)
            }
            Self::Drift { node, ppm } => write!(f, "the clock of {node} drifts by {ppm} ppm"),
            Self::Skew { node, skew_ms } => {
                let (by, way) =
                    (skew_ms.unsigned_abs(), if *skew_ms < 0 { "back" } else { "ahead" });
                write!(f, "the clock of {node} jumps {way} by {by} ms")
            }
        }
    }
}

impl Strain {
    /// All rates: lost, twice, late, corrupted.
    pub(crate) const fn rates_permille(&self) -> [u16; 4] {
        let Self { loss_permille, duplicate_permille, reorder_permille, corrupt_permille, .. } =
            *self;
        [loss_permille, duplicate_permille, reorder_permille, corrupt_permille]
    }
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = ["are lost", "come twice", "come late", "are corrupted"];
        let rates = self.rates_permille().into_iter().zip(words).filter(|(rate, _)| *rate > 0);
        let mut parts: Vec<_> =
            rates.map(|(rate, what)| format!("{}.{} % {what}", rate / 10, rate % 10)).collect();
        if self.slower_ms > 0 {
            parts.push(format!("all take {} ms longer", self.slower_ms));
        }
        if parts.is_empty() {
            return f.write_str("nothing changes");
        }
        write!(f, "{}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_side_of_a_partition_is_the_impaired_one() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (few, many) = (names(&["a"]), names(&["b", "c"]));
        let one = Fault::Partition { one: few.clone(), other: many.clone() };
        let other = Fault::Partition { one: many, other: few.clone() };
        assert_eq!((one.impairs(), other.impairs()), (&*few, &*few));
        assert_eq!(one.cuts(), [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")]);
    }

    #[test]
    fn a_fault_is_said_in_words() {
        let strain = Strain { loss_permille: 125, slower_ms: 20, ..Strain::default() };
        let fault = Fault::Strain { from: "a".to_owned(), to: "b".to_owned(), strain };
        assert_eq!(fault.to_string(), "from a to b 12.5 % are lost, all take 20 ms longer");
        let fault = Fault::Skew { node: "a".to_owned(), skew_ms: -7 };
        assert_eq!(fault.to_string(), "the clock of a jumps back by 7 ms");
    }
}
