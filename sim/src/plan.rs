//! A list of times and faults: all that goes wrong in a run, decided before it begins.
//!
//! What it is: plain data, written one fault a line, so that it can be read, cut down and played again. What it is
//! NOT: made by chance at run time; a [`Swarm`] expands a seed to a plan, and from then on the plan is what counts.
//! Taking one entry out of it changes nothing about the others. Read `plan/swarm.rs` next.

mod budget;
mod swarm;

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use budget::Budget;
pub use swarm::{Pace, Swarm};

use crate::{fault::Fault, net::TopologyError, world::SLOWNESS_MAX};

/// Faults of one plan, at most.
pub const FAULTS_MAX: usize = 4_096;

/// The latest moment of a plan or a workload, and the longest that a phase may take: a week of virtual time.
pub const TIME_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// One fault, when it begins, and how long it lasts. Times are whole milliseconds, as the clock of a world ticks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// When it begins, from the beginning of the safety phase on.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// How long it lasts; then it is repaired.
    #[serde(rename = "for_ms", with = "millis")]
    pub lasts: Duration,
    /// What is broken.
    #[serde(flatten)]
    pub fault: Fault,
}

impl PlannedFault {
    /// When it is repaired.
    #[must_use]
    pub fn ends(&self) -> Duration {
        self.at.saturating_add(self.lasts)
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasts, fault } = self;
        write!(f, "at {} {fault}, for {}", in_words(*at), in_words(*lasts))
    }
}

/// A span of time as a story says it.
pub(crate) fn in_words(time: Duration) -> String {
    let ms = time.as_millis();
    let (seconds, rest) = (ms / 1000, ms % 1000);
    if seconds == 0 && rest > 0 {
        return format!("{rest} ms");
    }
    let fraction = format!("{rest:03}");
    match fraction.trim_end_matches('0') {
        "" => format!("{seconds} s"),
        fraction => format!("{seconds}.{fraction} s"),
    }
}

/// All faults of a run, in the order of their times.
///
/// Its text form has one fault a line, each a JSON object:
///
/// ```
/// use odeon_sim::Plan;
///
/// let text = r#"{"at_ms":3200,"for_ms":1500,"fault":"crash","node":"b"}"#;
/// let plan: Plan = text.parse()?;
/// assert_eq!(plan.faults()[0].to_string(), "at 3.2 s b crashes, for 1.5 s");
/// assert_eq!(plan.to_string().trim(), text);
/// # Ok::<(), odeon_sim::PlanError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Plan(Vec<PlannedFault>);

/// A plan that cannot be. Nothing has been run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There are more faults than a plan holds.
    #[error(
        "the plan has {0} faults and may have {FAULTS_MAX}; let them come less often, or take some out"
    )]
    TooMany(usize),
    /// A fault is later, or lasts longer, than a run can.
    #[error("{0:?} of the plan is beyond a week of virtual time; take an earlier moment")]
    TooLate(Duration),
    /// A fault names a node that the scenario does not have.
    #[error("the plan names the node {node:?}, which is none of {known:?}; correct the name")]
    UnknownNode {
        /// The name in the plan.
        node: String,
        /// The names of the scenario.
        known: Vec<String>,
    },
    /// A number of a fault is out of its bounds.
    #[error(
        "the plan says that {0}, which cannot be: at most 1000 of a thousand, 100 % of a period of 1 ms or \
         more, {SLOWNESS_MAX} times slower, {max} ppm of drift, 1 kbit/s or more, a median of 1 ms or more, a sigma of \
         {sigma}, 100 % of the places",
        max = odeon_interpose::DRIFT_PPM_MAX,
        sigma = Fault::SIGMA_PERCENT_MAX / 100
    )]
    Impossible(String),
    /// A fault of a link has one node for both of its ends, and a node hears itself whatever happens to links.
    #[error("a link needs two nodes, and a fault is on one from {0:?} to itself; name another end")]
    Itself(String),
    /// The nodes of a fault cannot stand in its shape.
    #[error(
        "a shape of the plan cannot be made of its nodes: {0}; correct the nodes of that fault"
    )]
    Shape(#[from] TopologyError),
    /// A line cannot be read.
    #[error(
        "line {line} of the plan is no fault: {source}; write {{\"at_ms\":…,\"for_ms\":…,\"fault\":…,…}}"
    )]
    Line {
        /// Which one, from 1 on.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Plan {
    /// A plan of these faults; they are sorted by their times, and keep their order where these are equal.
    ///
    /// # Errors
    /// With more than [`FAULTS_MAX`] faults, or one that begins or ends after [`TIME_MAX`], or that nobody could do.
    pub fn new(mut faults: Vec<PlannedFault>) -> Result<Self, PlanError> {
        if faults.len() > FAULTS_MAX {
            return Err(PlanError::TooMany(faults.len()));
        }
        if let Some(late) = faults.iter().find(|fault| fault.ends() > TIME_MAX) {
            return Err(PlanError::TooLate(late.ends()));
        }
        faults.iter().try_for_each(|planned| possible(&planned.fault))?;
        faults.sort_by_key(|fault| fault.at);
        Ok(Self(faults))
    }

    /// The faults in the order of their times.
    #[must_use]
    pub fn faults(&self) -> &[PlannedFault] {
        &self.0
    }

    /// The faults, to be changed and made a plan again.
    #[must_use]
    pub fn into_faults(self) -> Vec<PlannedFault> {
        self.0
    }

    /// When the last fault is repaired; zero without faults.
    #[must_use]
    pub fn ends(&self) -> Duration {
        self.0.iter().map(PlannedFault::ends).max().unwrap_or_default()
    }

    /// The nodes that are impaired at this moment ([`Fault::impairs`]), those included that were until `settle` ago.
    #[must_use]
    pub fn impaired_at(&self, at: Duration, settle: Duration) -> BTreeSet<&str> {
        budget::impaired(&self.0, at, settle)
    }

    /// The nodes whose disks it damages ([`Fault::damages`]).
    #[must_use]
    pub fn damaged(&self) -> BTreeSet<&str> {
        budget::damaged(&self.0)
    }

    /// Whether every fault names nodes of this list only.
    ///
    /// # Errors
    /// With the first name that is not in it.
    pub fn names_only(&self, known: &[String]) -> Result<(), PlanError> {
        let mut named = self.0.iter().flat_map(|planned| planned.fault.nodes());
        match named.find(|node| !known.iter().any(|name| name == node)) {
            Some(node) => {
                Err(PlanError::UnknownNode { node: node.to_owned(), known: known.to_vec() })
            }
            None => Ok(()),
        }
    }
}

/// Whether a world can do this fault, to nodes that it has.
fn possible(fault: &Fault) -> Result<(), PlanError> {
    let within = |right: bool| {
        if right { Ok(()) } else { Err(PlanError::Impossible(fault.to_string())) }
    };
    match fault {
        Fault::Cut { from, to }
        | Fault::Strain { from, to, .. }
        | Fault::Throttle { from, to, .. }
        | Fault::Tail { from, to, .. }
        | Fault::Clog { from, to }
        | Fault::Flap { from, to, .. }
            if from == to =>
        {
            Err(PlanError::Itself(from.clone()))
        }
        Fault::Strain { strain, .. } => {
            within(strain.rates_permille().iter().all(|rate| *rate <= 1000))
        }
        Fault::Flap { period_ms, up_percent, .. } => within(*period_ms > 0 && *up_percent <= 100),
        Fault::Slow { factor, .. } => within((1..=SLOWNESS_MAX).contains(factor)),
        Fault::DiskErrors { error_permille: rate, .. }
        | Fault::SyncErrors { error_permille: rate, .. }
        | Fault::SlowSync { slow_permille: rate, .. }
        | Fault::TornWrites { torn_permille: rate, .. }
        | Fault::LyingDisk { lost_permille: rate, .. }
        | Fault::MisdirectedWrites { misdirected_permille: rate, .. }
        | Fault::BitRot { rot_permille: rate, .. } => within(*rate <= 1000),
        Fault::Lookups { failure_permille, silence_permille, stale_permille, .. } => {
            let rates = [failure_permille, silence_permille, stale_permille];
            within(rates.into_iter().all(|rate| *rate <= 1000))
        }
        Fault::Throttle { bandwidth_kbps, .. } => within(*bandwidth_kbps > 0),
        Fault::Tail { median_ms, sigma_percent, .. } => {
            within(*median_ms > 0 && *sigma_percent <= Fault::SIGMA_PERCENT_MAX)
        }
        Fault::Buggify { percent } => within(*percent <= 100),
        Fault::Topology { shape, nodes } => {
            let nodes: Vec<_> = nodes.iter().map(String::as_str).collect();
            Ok(shape.check(&nodes)?)
        }
        Fault::Drift { ppm, .. } => {
            within(ppm.unsigned_abs() <= odeon_interpose::DRIFT_PPM_MAX.unsigned_abs())
        }
        Fault::Crash { .. }
        | Fault::Kill { .. }
        | Fault::ZoneCrash { .. }
        | Fault::Pause { .. }
        | Fault::Cut { .. }
        | Fault::Partition { .. }
        | Fault::Swizzle { .. }
        | Fault::Clog { .. }
        | Fault::SlowDisk { .. }
        | Fault::FullDisk { .. }
        | Fault::Skew { .. } => Ok(()),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| {
            writeln!(f, "{}", serde_json::to_string(fault).map_err(|_| fmt::Error)?)
        })
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    /// Reads one fault a line; empty lines are passed over.
    fn from_str(text: &str) -> Result<Self, PlanError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let faults = lines.map(|(at, line)| {
            serde_json::from_str(line).map_err(|source| PlanError::Line { line: at + 1, source })
        });
        Self::new(faults.collect::<Result<_, _>>()?)
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(input)?).map_err(serde::de::Error::custom)
    }
}

/// Spans of time as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, ser::Error as _};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
        let ms = u64::try_from(time.as_millis()).map_err(S::Error::custom)?;
        out.serialize_u64(ms)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        u64::deserialize(input).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests;
