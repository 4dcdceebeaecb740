//! From a seed to a plan.
//!
//! What it is: a pure function. Each kind of fault has a pace; each seed turns a random subset of the kinds on (swarm
//! testing: Groce, Zhang, Eide, Chen and Regehr, ISSTA 2012), because faults that are always there hide each other;
//! each node, link and zone draws from a stream of its own for each kind, so that one kind fewer never shifts the others
//! (one node fewer does: the pace is for all of them together, and the others have its share); and a budget lets in only what keeps enough nodes working. What it is NOT: aware of a world. Read
//! `swarm/draw.rs` next.

mod draw;

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use odeon_interpose::Stream;

use super::{Budget, FAULTS_MAX, Plan, PlannedFault, TIME_MAX};
use crate::{fault::FaultKind, scenario::Site};

/// How often faults of one kind come, and how long they last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The mean time between two of them, over all nodes, links or zones.
    pub every: Duration,
    /// How long one lasts, evenly spread.
    pub lasts: RangeInclusive<Duration>,
}

impl Pace {
    /// One of them every so often, each lasting so long.
    #[must_use]
    pub const fn new(every: Duration, lasts: RangeInclusive<Duration>) -> Self {
        Self { every, lasts }
    }

    const fn of_ms(every: u64, least: u64, most: u64) -> Self {
        let ms = Duration::from_millis;
        Self { every: ms(every), lasts: RangeInclusive::new(ms(least), ms(most)) }
    }

    /// The pace a kind has by default: often enough for a minute to have several, rarely enough to recover between.
    fn of(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Crash | FaultKind::Kill => Self::of_ms(10_000, 200, 6_000),
            FaultKind::ZoneCrash => Self::of_ms(30_000, 500, 6_000),
            FaultKind::Pause => Self::of_ms(10_000, 20, 4_000),
            FaultKind::Cut => Self::of_ms(10_000, 100, 6_000),
            FaultKind::Partition | FaultKind::Topology => Self::of_ms(15_000, 500, 8_000),
            FaultKind::Swizzle => Self::of_ms(20_000, 1_000, 8_000),
            FaultKind::Strain => Self::of_ms(5_000, 200, 8_000),
            FaultKind::Throttle | FaultKind::Tail => Self::of_ms(10_000, 500, 8_000),
            FaultKind::Clog => Self::of_ms(10_000, 100, 4_000),
            FaultKind::Flap => Self::of_ms(15_000, 500, 8_000),
            FaultKind::Slow => Self::of_ms(10_000, 500, 8_000),
            FaultKind::SlowDisk | FaultKind::SlowSync => Self::of_ms(10_000, 500, 8_000),
            FaultKind::DiskErrors | FaultKind::SyncErrors => Self::of_ms(15_000, 200, 4_000),
            FaultKind::FullDisk => Self::of_ms(15_000, 200, 6_000),
            FaultKind::TornWrites => Self::of_ms(10_000, 1_000, 10_000),
            FaultKind::LyingDisk | FaultKind::MisdirectedWrites | FaultKind::BitRot => {
                Self::of_ms(20_000, 500, 6_000)
            }
            FaultKind::Lookups => Self::of_ms(10_000, 500, 8_000),
            FaultKind::Buggify => Self::of_ms(15_000, 1_000, 15_000),
            FaultKind::Drift => Self::of_ms(10_000, 1_000, 15_000),
            FaultKind::Skew => Self::of_ms(10_000, 500, 10_000),
        }
    }
}

/// Which faults a scenario bears, how often they come, and how much may be broken at once.
///
/// ```
/// use std::time::Duration;
///
/// use odeon_sim::{FaultKind, Site, Swarm};
///
/// let nodes = ["a", "b", "c"].map(Site::new);
/// let swarm = Swarm::all().without(FaultKind::Skew);
/// let plan = swarm.expand(7, &nodes, Duration::from_secs(60));
/// assert_eq!(plan, swarm.expand(7, &nodes, Duration::from_secs(60)));
/// // One of three at most is down, held or cut off.
/// let moments = plan.faults().iter().map(|fault| fault.at);
/// assert!(moments.into_iter().all(|at| plan.impaired_at(at, Duration::ZERO).len() <= 1));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a swarm does nothing until it is expanded"]
pub struct Swarm {
    paces: BTreeMap<FaultKind, Pace>,
    chance: f64,
    budget: Option<Budget>,
}

impl Swarm {
    /// No faults.
    pub const fn none() -> Self {
        Self { paces: BTreeMap::new(), chance: 0.5, budget: None }
    }

    /// Every kind at its default pace that a node bears which stops when its disk fails, and comes back. Zones crash only
    /// where nodes have zones. [`with`](Self::with) turns the others on:
    /// * errors of disks ([`DiskErrors`](FaultKind::DiskErrors), [`SyncErrors`](FaultKind::SyncErrors)) and full ones
    ///   ([`FullDisk`](FaultKind::FullDisk)), of which the node is told: not every scenario goes on then;
    /// * damage of which nobody is told ([`LyingDisk`](FaultKind::LyingDisk),
    ///   [`MisdirectedWrites`](FaultKind::MisdirectedWrites), [`BitRot`](FaultKind::BitRot)): no node survives it by
    ///   itself, it takes copies on others;
    /// * [`Buggify`](FaultKind::Buggify), which a run has for its whole length otherwise (`--buggify`).
    pub fn all() -> Self {
        let asked_for = [
            FaultKind::DiskErrors,
            FaultKind::SyncErrors,
            FaultKind::FullDisk,
            FaultKind::LyingDisk,
            FaultKind::MisdirectedWrites,
            FaultKind::BitRot,
            FaultKind::Buggify,
        ];
        let kinds = FaultKind::ALL.into_iter().filter(|kind| !asked_for.contains(kind));
        Self { paces: kinds.map(|kind| (kind, Pace::of(kind))).collect(), ..Self::none() }
    }

    /// This kind at its default pace, beside the others.
    pub fn with(self, kind: FaultKind) -> Self {
        self.with_pace(kind, Pace::of(kind))
    }

    /// This kind at this pace, beside the others.
    pub fn with_pace(mut self, kind: FaultKind, pace: Pace) -> Self {
        self.paces.insert(kind, pace);
        self
    }

    /// Without this kind.
    pub fn without(mut self, kind: FaultKind) -> Self {
        self.paces.remove(&kind);
        self
    }

    /// The probability with which a seed turns a kind on. Default: 0.5; 1 turns all of them on in every seed.
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    /// How much may be broken at once. Default: fewer than half of the nodes.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// The kinds that this seed turns on.
    #[must_use]
    pub fn kinds(&self, seed: u64) -> Vec<FaultKind> {
        let on =
            |kind: &FaultKind| Stream::named(seed, &format!("swarm {kind}")).chance(self.chance);
        self.paces.keys().copied().filter(on).collect()
    }

    /// The plan of this seed for these nodes. Everything in it is repaired within `length`, which counts at most as
    /// [`TIME_MAX`]; after [`FAULTS_MAX`] faults there are no more.
    #[must_use]
    pub fn expand(&self, seed: u64, nodes: &[Site], length: Duration) -> Plan {
        let length = length.min(TIME_MAX);
        let budget = self.budget.unwrap_or(Budget::minority_of(nodes.len()));
        let mut wanted = Vec::new();
        for kind in self.kinds(seed) {
            let subjects = subjects(kind, nodes);
            for subject in &subjects {
                let stream = Stream::named(seed, &format!("fault {kind} {}", subject.name()));
                let (pace, shares) = (&self.paces[&kind], subjects.len());
                let draws = Draws { stream, pace, shares, impaired_max: budget.impaired_max };
                draws.fill(kind, subject, nodes, length, &mut wanted);
            }
        }
        wanted.sort_by_key(|fault: &PlannedFault| fault.at);
        let mut accepted: Vec<PlannedFault> = Vec::new();
        for fault in wanted {
            if accepted.len() < FAULTS_MAX && budget.admits(&accepted, &fault) {
                accepted.push(fault);
            }
        }
        Plan(accepted)
    }
}

/// What one stream of faults hits.
enum Subject<'a> {
    Node(&'a str),
    Link(&'a str, &'a str),
    Zone(&'a str),
    World,
}

impl Subject<'_> {
    /// The names it has: that of a node or a zone, or both ends of a link.
    fn names(&self) -> (String, String) {
        let (one, other) = match *self {
            Self::Node(name) | Self::Zone(name) => (name, ""),
            Self::Link(from, to) => (from, to),
            Self::World => ("", ""),
        };
        (one.to_owned(), other.to_owned())
    }

    /// What its stream is named after.
    fn name(&self) -> String {
        match self {
            Self::Node(node) => format!("node {node}"),
            Self::Link(from, to) => format!("link {from} {to}"),
            Self::Zone(zone) => format!("zone {zone}"),
            Self::World => "world".to_owned(),
        }
    }
}

fn subjects(kind: FaultKind, nodes: &[Site]) -> Vec<Subject<'_>> {
    let names = || nodes.iter().map(|site| site.name.as_str());
    let hit = || nodes.iter().filter(|site| !site.links_only);
    match kind {
        FaultKind::Cut
        | FaultKind::Strain
        | FaultKind::Throttle
        | FaultKind::Tail
        | FaultKind::Clog
        | FaultKind::Flap => {
            let links = names().flat_map(|from| names().map(move |to| (from, to)));
            links
                .filter(|(from, to)| from != to)
                .map(|(from, to)| Subject::Link(from, to))
                .collect()
        }
        FaultKind::ZoneCrash => {
            let mut zones: Vec<&str> = hit().filter_map(|site| site.zone.as_deref()).collect();
            zones.sort_unstable();
            zones.dedup();
            zones.into_iter().map(Subject::Zone).collect()
        }
        FaultKind::Partition | FaultKind::Topology | FaultKind::Swizzle if nodes.len() < 2 => {
            Vec::new()
        }
        FaultKind::Partition
        | FaultKind::Topology
        | FaultKind::Swizzle
        | FaultKind::Lookups
        | FaultKind::Buggify => vec![Subject::World],
        FaultKind::Crash
        | FaultKind::Kill
        | FaultKind::Pause
        | FaultKind::Slow
        | FaultKind::SlowDisk
        | FaultKind::DiskErrors
        | FaultKind::SlowSync
        | FaultKind::SyncErrors
        | FaultKind::FullDisk
        | FaultKind::TornWrites
        | FaultKind::LyingDisk
        | FaultKind::MisdirectedWrites
        | FaultKind::BitRot
        | FaultKind::Drift
        | FaultKind::Skew => hit().map(|site| Subject::Node(&site.name)).collect(),
    }
}

/// The draws of one stream.
struct Draws<'a> {
    stream: Stream,
    pace: &'a Pace,
    /// How many streams share the pace.
    shares: usize,
    /// Nodes that one fault may impair.
    impaired_max: usize,
}

impl Draws<'_> {
    /// Adds the faults of one subject: a pause, a fault, a pause, a fault, so that no two of them overlap.
    fn fill(
        &self,
        kind: FaultKind,
        subject: &Subject<'_>,
        nodes: &[Site],
        length: Duration,
        wanted: &mut Vec<PlannedFault>,
    ) {
        let gap_ms = ms(self.pace.every).saturating_mul(self.shares as u64).max(1);
        let mut now_ms = 0_u64;
        for _ in 0..FAULTS_MAX {
            // Evenly spread up to twice the mean: no logarithm, which platforms round differently.
            let at_ms = now_ms.saturating_add(1 + self.stream.below(gap_ms.saturating_mul(2)));
            let lasts_ms = self.spread(ms(*self.pace.lasts.start()), ms(*self.pace.lasts.end()));
            let fault = self.fault(kind, subject, nodes, lasts_ms);
            now_ms = at_ms.saturating_add(lasts_ms);
            if Duration::from_millis(now_ms) > length {
                return;
            }
            let (at, lasts) = (Duration::from_millis(at_ms), Duration::from_millis(lasts_ms));
            wanted.push(PlannedFault { at, lasts, fault });
        }
    }

    fn spread(&self, least_ms: u64, most_ms: u64) -> u64 {
        least_ms + self.stream.below(most_ms.saturating_sub(least_ms) + 1)
    }
}

fn ms(time: Duration) -> u64 {
    time.min(TIME_MAX).as_millis() as u64
}
