//! How much may be broken at once.
//!
//! What it is: a count of impaired nodes and the moments at which they are, and of disks that are damaged for good. A
//! budget keeps a majority working, so that a scenario may ask for progress while faults last, and a majority of disks
//! whole, so that it may ask at least for a repair that loses nothing. Read `swarm.rs` next.

use std::{collections::BTreeSet, time::Duration};

use super::PlannedFault;

/// A bound on the nodes that are impaired at one moment ([`Fault::impairs`](crate::Fault::impairs)), and on those whose
/// disks are damaged ([`Fault::damages`](crate::Fault::damages)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Nodes that are impaired at once, at most.
    pub impaired_max: usize,
    /// How long a node counts as impaired after its repair: the time it may need to be of use again. Default: zero.
    pub settle: Duration,
    /// Nodes whose disks are damaged in the course of a plan, at most: damage does not end with the fault.
    pub damaged_max: usize,
}

impl Budget {
    /// Fewer than half of so many nodes: a majority is up, runs, and hears each other. So there are no rings
    /// ([`Topology::Ring`](crate::Topology::Ring), [`MajoritiesRing`](crate::Topology::MajoritiesRing)), and no stars of
    /// four nodes or more: in these no three hear each other.
    #[must_use]
    pub const fn minority_of(nodes: usize) -> Self {
        let minority = nodes.saturating_sub(1) / 2;
        Self { impaired_max: minority, settle: Duration::ZERO, damaged_max: minority }
    }

    /// No bound: for scenarios that ask for nothing until everything is healed.
    #[must_use]
    pub const fn unbounded() -> Self {
        Self { impaired_max: usize::MAX, settle: Duration::ZERO, damaged_max: usize::MAX }
    }

    /// Whether one fault more fits in beside those that begin before it or with it.
    pub(super) fn admits(&self, accepted: &[PlannedFault], fault: &PlannedFault) -> bool {
        if let Some(node) = fault.fault.damages() {
            let mut damaged = damaged(accepted);
            damaged.insert(node);
            return damaged.len() <= self.damaged_max;
        }
        let impairs = fault.fault.impairs();
        if impairs.is_empty() {
            return true;
        }
        // The number of impaired nodes grows only where a fault begins, and those that begin later ask for themselves.
        let mut impaired = impaired(accepted, fault.at, self.settle);
        impaired.extend(impairs);
        impaired.len() <= self.impaired_max
    }
}

/// The nodes that are impaired at this moment.
pub(super) fn impaired(faults: &[PlannedFault], at: Duration, settle: Duration) -> BTreeSet<&str> {
    let lasts = |fault: &&PlannedFault| fault.at <= at && at < fault.ends().saturating_add(settle);
    let lasting = faults.iter().filter(lasts);
    lasting.flat_map(|fault| fault.fault.impairs()).collect()
}

/// The nodes whose disks these faults damage.
pub(super) fn damaged(faults: &[PlannedFault]) -> BTreeSet<&str> {
    faults.iter().filter_map(|fault| fault.fault.damages()).collect()
}
