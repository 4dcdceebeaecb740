//! What can be broken on purpose, as data.
//!
//! What it is: the vocabulary of faults. Each names what it hits, can be written down and read again, and says itself
//! in one sentence. What it is NOT: when a fault happens, which is the business of a [`Plan`](crate::Plan), nor how
//! it is done to a world; that is `fault/injector.rs`, a few calls of [`World`](crate::World) for each. Read `plan.rs`
//! next.

mod injector;
mod kind;
mod words;

use serde::{Deserialize, Serialize};

use crate::net::Topology;
pub(crate) use injector::Injector;
pub use kind::FaultKind;

/// One fault: what is broken, and how much.
///
/// Every fault has an end as well as a beginning, and both are part of what it means: who crashes is started again
/// on its disk, who is held goes on, what is cut is mended. How long it lasts is said by the
/// [`PlannedFault`](crate::PlannedFault) it is part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The power of the node's machine fails: what it had not synced is kept, lost or torn. In the end it is started
    /// again.
    Crash {
        /// Its name.
        node: String,
    },
    /// The node is killed as by SIGKILL, and its machine stays up: all that it wrote is there, synced or not. In the
    /// end it is started again.
    Kill {
        /// Its name.
        node: String,
    },
    /// The power of all nodes of a zone fails at once; in the end they are started again.
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
    /// The network has another shape; in the end every link that the shape cuts is mended.
    Topology {
        /// The shape.
        shape: Topology,
        /// Who stands in it, from its first place on; whom the shape names as its one host stands first.
        nodes: Vec<String>,
    },
    /// Some of these nodes are clogged one after the other, and unclogged in another order, as FoundationDB's
    /// simulator does it ([`World::swizzle_clog`](crate::World::swizzle_clog)). Which and when, the seed says.
    Swizzle {
        /// Who may be clogged.
        nodes: Vec<String>,
        /// How long it takes from the first to the last, in milliseconds.
        over_ms: u64,
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
    /// One direction of a link carries less, and what would wait for it longer than a second is dropped; in the end it
    /// carries as much as before.
    Throttle {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
        /// What it carries, in thousands of bits a second, from 1 on; no more than before.
        bandwidth_kbps: u64,
    },
    /// One direction of a link is quick for most datagrams and slow for a few: its latency is log-normal
    /// ([`Latency::LogNormal`](crate::Latency::LogNormal)). In the end it is as it was.
    Tail {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
        /// What half of all datagrams do not reach, in milliseconds, from 1 on.
        median_ms: u64,
        /// The standard deviation of the logarithm, in hundredths, up to [`Fault::SIGMA_PERCENT_MAX`]. No datagram takes
        /// more than fifty times the median.
        sigma_percent: u16,
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
    /// Syncs on the disk of the node are slow now and then; in the end it is as it was.
    SlowSync {
        /// Its name.
        node: String,
        /// How many syncs of a thousand are slow.
        slow_permille: u16,
        /// The most that these take on top, in milliseconds.
        slower_ms: u64,
    },
    /// Syncs on the disk of the node fail now and then (EIO), and what they should have synced may be lost; in the
    /// end it is as it was.
    SyncErrors {
        /// Its name.
        node: String,
        /// How many of a thousand fail.
        error_permille: u16,
    },
    /// The disk of the node has no room left: whatever would grow a file fails (ENOSPC). In the end there is room.
    FullDisk {
        /// Its name.
        node: String,
    },
    /// A crash tears more of what the node has not synced than before; in the end as much. It shows only if the node
    /// crashes meanwhile.
    TornWrites {
        /// Its name.
        node: String,
        /// How many writes of a thousand are torn.
        torn_permille: u16,
    },
    /// The disk of the node lies: it acknowledges writes, and syncs, that never reach the platter. What it lost so is
    /// lost for good.
    LyingDisk {
        /// Its name.
        node: String,
        /// How many writes of a thousand are lost.
        lost_permille: u16,
    },
    /// The disk of the node writes to another place than it should. What it overwrote so is lost for good.
    MisdirectedWrites {
        /// Its name.
        node: String,
        /// How many writes of a thousand go astray.
        misdirected_permille: u16,
    },
    /// Bits on the disk of the node flip, and stay so.
    BitRot {
        /// Its name.
        node: String,
        /// How many reads of a thousand find one.
        rot_permille: u16,
    },
    /// Names are looked up badly, by all nodes; in the end as before. Names with a rule of their own keep it.
    Lookups {
        /// Look-ups of a thousand that the name server refuses to answer.
        failure_permille: u16,
        /// Look-ups of a thousand that nobody answers.
        silence_permille: u16,
        /// Answers of a thousand that were true before.
        stale_permille: u16,
        /// What every answer takes longer, in milliseconds.
        slower_ms: u64,
    },
    /// Rare paths of the nodes' own code are taken: places that say [`buggify!`](odeon::buggify!) are on; in the end
    /// as many as before.
    Buggify {
        /// How many of a hundred places.
        percent: u8,
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

/// A link that loses this many of a thousand datagrams, or more, is as good as cut.
const AS_GOOD_AS_CUT_PERMILLE: u16 = 500;

/// A link that carries less than this is as good as cut: a handshake of a connection alone takes it a second.
const AS_GOOD_AS_CUT_KBPS: u64 = 100;

/// A node that is this many times slower, or more, is as good as held: a turn may take 0.2 s.
const AS_GOOD_AS_HELD: u32 = 100;

impl Fault {
    /// The widest tail of a latency: one datagram in six takes twenty times the median.
    pub const SIGMA_PERCENT_MAX: u16 = 300;

    /// The nodes that count as impaired while it lasts: those that are not, are up, run, and hear each other. A cut
    /// link impairs its sender, a partition its smaller side, a shape all but the largest group within which all hear
    /// each other.
    #[must_use]
    pub fn impairs(&self) -> Vec<&str> {
        match self {
            Self::Crash { node }
            | Self::Kill { node }
            | Self::Pause { node }
            | Self::DiskErrors { node, .. }
            | Self::SyncErrors { node, .. }
            | Self::FullDisk { node } => vec![node],
            Self::ZoneCrash { nodes, .. } | Self::Swizzle { nodes, .. } => texts(nodes),
            Self::Cut { from, .. } | Self::Clog { from, .. } | Self::Flap { from, .. } => {
                vec![from]
            }
            Self::Slow { node, factor } if *factor >= AS_GOOD_AS_HELD => vec![node],
            Self::Partition { one, other } => {
                texts(if one.len() <= other.len() { one } else { other })
            }
            Self::Topology { shape, nodes } => shape.impairs(&texts(nodes)),
            Self::Strain { from, strain, .. }
                if strain.loss_permille >= AS_GOOD_AS_CUT_PERMILLE =>
            {
                vec![from]
            }
            Self::Throttle { from, bandwidth_kbps, .. }
                if *bandwidth_kbps < AS_GOOD_AS_CUT_KBPS =>
            {
                vec![from]
            }
            Self::Slow { .. }
            | Self::Strain { .. }
            | Self::Throttle { .. }
            | Self::Tail { .. }
            | Self::SlowDisk { .. }
            | Self::SlowSync { .. }
            | Self::TornWrites { .. }
            | Self::LyingDisk { .. }
            | Self::MisdirectedWrites { .. }
            | Self::BitRot { .. }
            | Self::Lookups { .. }
            | Self::Buggify { .. }
            | Self::Drift { .. }
            | Self::Skew { .. } => Vec::new(),
        }
    }

    /// The node whose disk it damages: what is lost or wrong there stays so after the fault, and nobody is told.
    #[must_use]
    pub fn damages(&self) -> Option<&str> {
        match self {
            Self::LyingDisk { node, .. }
            | Self::MisdirectedWrites { node, .. }
            | Self::BitRot { node, .. } => Some(node),
            Self::Crash { .. }
            | Self::Kill { .. }
            | Self::ZoneCrash { .. }
            | Self::Pause { .. }
            | Self::Cut { .. }
            | Self::Partition { .. }
            | Self::Topology { .. }
            | Self::Swizzle { .. }
            | Self::Strain { .. }
            | Self::Throttle { .. }
            | Self::Tail { .. }
            | Self::Clog { .. }
            | Self::Flap { .. }
            | Self::Slow { .. }
            | Self::SlowDisk { .. }
            | Self::DiskErrors { .. }
            | Self::SlowSync { .. }
            | Self::SyncErrors { .. }
            | Self::FullDisk { .. }
            | Self::TornWrites { .. }
            | Self::Lookups { .. }
            | Self::Buggify { .. }
            | Self::Drift { .. }
            | Self::Skew { .. } => None,
        }
    }

    /// The nodes it names.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        let (some, more): (&[String], &[String]) = match self {
            Self::Crash { node }
            | Self::Kill { node }
            | Self::Pause { node }
            | Self::Slow { node, .. }
            | Self::SlowDisk { node, .. }
            | Self::DiskErrors { node, .. }
            | Self::SlowSync { node, .. }
            | Self::SyncErrors { node, .. }
            | Self::FullDisk { node }
            | Self::TornWrites { node, .. }
            | Self::LyingDisk { node, .. }
            | Self::MisdirectedWrites { node, .. }
            | Self::BitRot { node, .. }
            | Self::Drift { node, .. }
            | Self::Skew { node, .. } => (std::slice::from_ref(node), &[]),
            Self::ZoneCrash { nodes, .. }
            | Self::Topology { nodes, .. }
            | Self::Swizzle { nodes, .. } => (nodes, &[]),
            Self::Cut { from, to }
            | Self::Clog { from, to }
            | Self::Flap { from, to, .. }
            | Self::Throttle { from, to, .. }
            | Self::Tail { from, to, .. }
            | Self::Strain { from, to, .. } => {
                (std::slice::from_ref(from), std::slice::from_ref(to))
            }
            Self::Partition { one, other } => (one, other),
            Self::Lookups { .. } | Self::Buggify { .. } => (&[], &[]),
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
            Self::Topology { shape, nodes } => {
                shape.cuts_in_order(&texts(nodes)).into_iter().collect()
            }
            Self::Crash { .. }
            | Self::Kill { .. }
            | Self::ZoneCrash { .. }
            | Self::Pause { .. }
            | Self::Swizzle { .. }
            | Self::Strain { .. }
            | Self::Throttle { .. }
            | Self::Tail { .. }
            | Self::Clog { .. }
            | Self::Flap { .. }
            | Self::Slow { .. }
            | Self::SlowDisk { .. }
            | Self::DiskErrors { .. }
            | Self::SlowSync { .. }
            | Self::SyncErrors { .. }
            | Self::FullDisk { .. }
            | Self::TornWrites { .. }
            | Self::LyingDisk { .. }
            | Self::MisdirectedWrites { .. }
            | Self::BitRot { .. }
            | Self::Lookups { .. }
            | Self::Buggify { .. }
            | Self::Drift { .. }
            | Self::Skew { .. } => Vec::new(),
        }
    }
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

impl Strain {
    /// All rates: lost, twice, late, corrupted.
    pub(crate) const fn rates_permille(&self) -> [u16; 4] {
        let Self { loss_permille, duplicate_permille, reorder_permille, corrupt_permille, .. } =
            *self;
        [loss_permille, duplicate_permille, reorder_permille, corrupt_permille]
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
        let other = Fault::Partition { one: many, other: few };
        assert_eq!((one.impairs(), other.impairs()), (vec!["a"], vec!["a"]));
        assert_eq!(one.cuts(), [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")]);
    }

    #[test]
    fn a_fault_is_said_in_words() {
        let strain = Strain { loss_permille: 125, slower_ms: 20, ..Strain::default() };
        let fault = Fault::Strain { from: "a".to_owned(), to: "b".to_owned(), strain };
        let said = "of the datagrams from a to b 12.5 % are lost and all take 20 ms longer";
        assert_eq!(fault.to_string(), said);
        let fault = Fault::Skew { node: "a".to_owned(), skew_ms: -7 };
        assert_eq!(fault.to_string(), "the clock of a jumps back by 7 ms");
    }
}
