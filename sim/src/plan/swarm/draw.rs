//! What one fault is: the draws behind its numbers and names.
//!
//! Everything comes from the stream of the subject, in one order, so that what is drawn for one fault never depends on
//! what became of another.

use super::{Draws, Subject};
use crate::{
    fault::{Fault, FaultKind, Strain},
    net::Topology,
    scenario::Site,
};

/// How far clocks jump, in milliseconds: from what nobody sees to what any lease must bear.
const SKEWS_MS: [i64; 5] = [5, 50, 500, 2_000, 10_000];

/// How much clocks drift: from what quartz does to what no lease should bear.
const DRIFTS_PPM: [i32; 4] = [20, 200, 5_000, 100_000];

/// How many times slower nodes are: from a busy neighbour to one that is as good as held.
const FACTORS: [u32; 4] = [2, 10, 50, 300];

/// What throttled links carry: from less than a modem to a slow wire.
const BANDWIDTHS_KBPS: [u64; 5] = [32, 128, 1_000, 10_000, 50_000];

/// What half of all datagrams do not reach on a link with a tail.
const MEDIANS_MS: [u64; 4] = [1, 5, 30, 150];

/// How wide the tail is: from a quiet network to a bad one.
const SIGMAS_PERCENT: [u16; 3] = [50, 100, 150];

/// How many of a hundred places that say `buggify!` are on; FoundationDB takes 25.
const BUGGIFY_PERCENTS: [u8; 3] = [10, 25, 100];

impl Draws<'_> {
    /// A fault of this kind. A kind has one sort of subject, whose names are `node`, or `from` and `to`.
    pub(super) fn fault(
        &self,
        kind: FaultKind,
        subject: &Subject<'_>,
        nodes: &[Site],
        lasts_ms: u64,
    ) -> Fault {
        let (node, to) = subject.names();
        let from = node.clone();
        let rate = |most: u64| 1 + self.stream.below(most) as u16;
        match kind {
            FaultKind::Crash => Fault::Crash { node },
            FaultKind::Kill => Fault::Kill { node },
            FaultKind::Pause => Fault::Pause { node },
            FaultKind::Slow => Fault::Slow { node, factor: self.one_of(&FACTORS) },
            FaultKind::Drift => Fault::Drift { node, ppm: self.either_way(&DRIFTS_PPM) },
            FaultKind::Skew => Fault::Skew { node, skew_ms: self.either_way(&SKEWS_MS) },
            FaultKind::SlowDisk => Fault::SlowDisk { node, slower_ms: rate(100).into() },
            FaultKind::DiskErrors => Fault::DiskErrors { node, error_permille: rate(200) },
            FaultKind::SlowSync => {
                let slow_permille = rate(500);
                Fault::SlowSync { node, slow_permille, slower_ms: rate(2_000).into() }
            }
            FaultKind::SyncErrors => Fault::SyncErrors { node, error_permille: rate(500) },
            FaultKind::FullDisk => Fault::FullDisk { node },
            FaultKind::TornWrites => Fault::TornWrites { node, torn_permille: 500 + rate(500) },
            FaultKind::LyingDisk => Fault::LyingDisk { node, lost_permille: rate(100) },
            FaultKind::MisdirectedWrites => {
                Fault::MisdirectedWrites { node, misdirected_permille: rate(100) }
            }
            FaultKind::BitRot => Fault::BitRot { node, rot_permille: rate(100) },
            FaultKind::Cut => Fault::Cut { from, to },
            FaultKind::Clog => Fault::Clog { from, to },
            FaultKind::Strain => Fault::Strain { from, to, strain: self.strain() },
            FaultKind::Throttle => {
                Fault::Throttle { from, to, bandwidth_kbps: self.one_of(&BANDWIDTHS_KBPS) }
            }
            FaultKind::Tail => {
                let median_ms = self.one_of(&MEDIANS_MS);
                Fault::Tail { from, to, median_ms, sigma_percent: self.one_of(&SIGMAS_PERCENT) }
            }
            FaultKind::Flap => {
                let period_ms = 20 + self.stream.below(1_000);
                Fault::Flap { from, to, period_ms, up_percent: 9 + rate(81) as u8 }
            }
            FaultKind::ZoneCrash => zone_crash(node, nodes),
            FaultKind::Partition => {
                let (one, other) = self.groups(nodes);
                Fault::Partition { one, other }
            }
            FaultKind::Topology => self.topology(nodes),
            FaultKind::Swizzle => Fault::Swizzle { nodes: self.groups(nodes).0, over_ms: lasts_ms },
            FaultKind::Lookups => self.lookups(),
            FaultKind::Buggify => Fault::Buggify { percent: self.one_of(&BUGGIFY_PERCENTS) },
        }
    }

    fn lookups(&self) -> Fault {
        let strain = [self.rate(1_000), self.rate(500), self.rate(1_000)];
        let [failure_permille, silence_permille, stale_permille] = strain;
        let slower_ms = u64::from(self.rate(500));
        Fault::Lookups { failure_permille, silence_permille, stale_permille, slower_ms }
    }

    /// One of these values, forwards or backwards.
    fn either_way<T: Copy + std::ops::Neg<Output = T>>(&self, values: &[T]) -> T {
        let value = self.one_of(values);
        if self.stream.chance(0.5) { value } else { -value }
    }

    /// A rate of a thousand, or none, with a probability of a half: a swarm within the fault.
    fn rate(&self, most: u64) -> u16 {
        let rate = 1 + self.stream.below(most) as u16;
        if self.stream.chance(0.5) { rate } else { 0 }
    }

    fn strain(&self) -> Strain {
        Strain {
            loss_permille: self.rate(300),
            duplicate_permille: self.rate(100),
            reorder_permille: self.rate(300),
            corrupt_permille: self.rate(20),
            slower_ms: u64::from(self.rate(200)),
        }
    }

    /// Any shape that so many nodes make and that the budget admits, or that none does; who stands where is drawn too.
    fn topology(&self, nodes: &[Site]) -> Fault {
        let mut nodes: Vec<String> = nodes.iter().map(|site| site.name.clone()).collect();
        let names: Vec<_> = nodes.iter().map(String::as_str).collect();
        let shapes = Topology::DRAWN.into_iter().filter(|shape| shape.hosts_min() <= names.len());
        let mut shapes: Vec<_> = shapes.collect();
        // Otherwise most of what is drawn would be in vain: in a ring no majority hears each other.
        let fits = |shape: &Topology| shape.impairs(&names).len() <= self.impaired_max;
        if shapes.iter().any(fits) {
            shapes.retain(fits);
        }
        let shape = shapes.swap_remove(self.stream.below(shapes.len() as u64) as usize);
        self.stream.shuffle(&mut nodes);
        Fault::Topology { shape, nodes }
    }

    /// A random group of at most half of the nodes, and the rest.
    fn groups(&self, nodes: &[Site]) -> (Vec<String>, Vec<String>) {
        let mut names: Vec<String> = nodes.iter().map(|site| site.name.clone()).collect();
        // The first sites of a shuffle (Fisher and Yates).
        let size = 1 + self.stream.below((names.len() / 2) as u64) as usize;
        for at in 0..size {
            let from = at + self.stream.below((names.len() - at) as u64) as usize;
            names.swap(at, from);
        }
        let mut other = names.split_off(size);
        names.sort_unstable();
        other.sort_unstable();
        (names, other)
    }

    fn one_of<T: Copy>(&self, values: &[T]) -> T {
        values[self.stream.below(values.len() as u64) as usize]
    }
}

fn zone_crash(zone: String, nodes: &[Site]) -> Fault {
    let is_hit = |site: &&Site| site.zone.as_deref() == Some(zone.as_str()) && !site.links_only;
    let nodes = nodes.iter().filter(is_hit).map(|site| site.name.clone()).collect();
    Fault::ZoneCrash { zone, nodes }
}
