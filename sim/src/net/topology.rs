//! Shapes of broken networks: which hosts still hear which.
//!
//! Pure: a list of hosts and a stream of random words in, the directions to cut out. The shapes are those of Jepsen's
//! nemeses (`jepsen.nemesis`: `bisect`, `split-one`, `bridge`, `majorities-ring`, `complete-grudge`), and the three
//! kinds of Alquraan and others, "An Analysis of Network-Partitioning Failures in Cloud Systems" (OSDI 2018):
//! complete, partial and simplex. Read `swizzle.rs` for what changes over time.

use std::collections::BTreeSet;

use odeon_interpose::Stream;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A shape of a broken network.
///
/// Where a shape has a host of its own, `None` lets the random stream draw it; who else stands where is always drawn.
/// It is plain data: a list of faults can hold it, and write it down.
///
/// # Examples
/// ```
/// use odeon_sim::{Stream, Topology};
///
/// let cuts = Topology::Isolate(Some("b".to_owned())).cuts(&["a", "b", "c"], &Stream::new(1))?;
/// assert_eq!(cuts.len(), 4);
/// assert!(cuts.contains(&("a", "b")) && cuts.contains(&("b", "a")));
/// assert!(!cuts.contains(&("a", "c")));
/// # Ok::<(), odeon_sim::TopologyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Topology {
    /// Two halves that do not hear each other; of an odd number the first is smaller by one. From 2 hosts.
    Halves,
    /// These groups do not hear each other. A host in none of them hears all and is heard by all, so that with such
    /// a host the partition is partial. From 2 hosts.
    Groups(Vec<Vec<String>>),
    /// Thirds: two of them do not hear each other, the last one hears both and is heard by both. From 3 hosts.
    Partial,
    /// Two halves: the first is not heard by the second, and hears it (a simplex partition). From 2 hosts.
    OneWay,
    /// One host neither hears nor is heard. From 2 hosts.
    Isolate(Option<String>),
    /// One host is not heard, and hears. From 2 hosts.
    Mute(Option<String>),
    /// One host does not hear, and is heard. From 2 hosts.
    Deaf(Option<String>),
    /// All stand in a ring, and each hears exactly its two neighbours. From 4 hosts.
    Ring,
    /// All stand in a ring, and each hears exactly a majority, itself included: those nearest before and behind it.
    /// No two hear the same majority. With 5 hosts it is the ring; where a majority is an even number, one more is
    /// heard before than behind, so that some pairs hear each other one way only. From 3 hosts.
    MajoritiesRing,
    /// Two halves that do not hear each other, and one host between them that hears both and is heard by both. From
    /// 3 hosts.
    Bridge(Option<String>),
    /// One host hears all and is heard by all; the others hear it alone. From 3 hosts.
    Star(Option<String>),
}

/// Why a shape cannot be made of these hosts.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TopologyError {
    /// Too few hosts.
    #[error("{topology:?} is a shape of {min} hosts or more, and there are {hosts}")]
    TooFew {
        /// The shape.
        topology: Topology,
        /// How many hosts were given.
        hosts: usize,
        /// How many it takes.
        min: usize,
    },
    /// The shape names a host that is not among them.
    #[error("{name:?} is none of the hosts {hosts:?}")]
    Unknown {
        /// The name.
        name: String,
        /// The hosts that were given.
        hosts: Vec<String>,
    },
    /// A host is named twice.
    #[error("{name:?} is named twice; a host has one place")]
    Twice {
        /// The name.
        name: String,
    },
}

impl Topology {
    /// Every shape that names nobody: the stream decides who stands where.
    pub(crate) const DRAWN: [Self; 10] = [
        Self::Halves,
        Self::Partial,
        Self::OneWay,
        Self::Isolate(None),
        Self::Mute(None),
        Self::Deaf(None),
        Self::Ring,
        Self::MajoritiesRing,
        Self::Bridge(None),
        Self::Star(None),
    ];

    /// The directions to cut, as pairs of who is not heard and who does not hear.
    ///
    /// # Errors
    /// When there are too few hosts, a host is named twice, or the shape names one that is not there.
    pub fn cuts<'a>(
        &self,
        hosts: &[&'a str],
        random: &Stream,
    ) -> Result<BTreeSet<(&'a str, &'a str)>, TopologyError> {
        self.check(hosts)?;
        let mut order = hosts.to_vec();
        random.shuffle(&mut order);
        Ok(self.cuts_in_order(&order))
    }

    /// The directions to cut, of hosts that stand in this order and were checked.
    pub(crate) fn cuts_in_order<'a>(&self, order: &[&'a str]) -> BTreeSet<(&'a str, &'a str)> {
        let order = self.places(order);
        let places = 0..order.len();
        let pairs = places.clone().flat_map(|from| places.clone().map(move |to| (from, to)));
        let cut = pairs.filter(|(from, to)| from != to && !self.hears(&order, *from, *to));
        cut.map(|(from, to)| (order[from], order[to])).collect()
    }

    /// The hosts by their places: whom the shape names as its one stands first.
    pub(crate) fn places<'a>(&self, order: &[&'a str]) -> Vec<&'a str> {
        let mut order = order.to_vec();
        if let Some(first) = self.host() {
            order.sort_by_key(|host| *host != first);
        }
        order
    }

    /// The two thirds that do not hear each other and the one that everyone hears, of a partial partition.
    pub(crate) fn thirds<'n, 'a>(order: &'n [&'a str]) -> [&'n [&'a str]; 3] {
        let end_of = |third: usize| (third * order.len()).div_ceil(3);
        let (rest, last) = order.split_at(end_of(2));
        let (first, second) = rest.split_at(end_of(1));
        [first, second, last]
    }

    /// The two sides of a bridge, which stands first.
    pub(crate) fn sides<'n, 'a>(order: &'n [&'a str]) -> [&'n [&'a str]; 2] {
        let others = order.get(1..).unwrap_or_default();
        let (one, other) = others.split_at(others.len() / 2);
        [one, other]
    }

    /// All but a group, as large as can be, within which everyone hears everyone, of hosts that stand in this order.
    ///
    /// Groups are looked for round the places, from each of them on; in every shape that finds a largest one.
    pub(crate) fn impairs<'a>(&self, order: &[&'a str]) -> Vec<&'a str> {
        let order = self.places(order);
        let count = order.len();
        let hear = |a, b| self.hears(&order, a, b) && self.hears(&order, b, a);
        let group_from = |first: usize| {
            let mut group: Vec<usize> = Vec::new();
            for place in (first..first + count).map(|place| place % count) {
                if group.iter().all(|other| hear(*other, place)) {
                    group.push(place);
                }
            }
            group
        };
        let group = (0..count).map(group_from).max_by_key(Vec::len).unwrap_or_default();
        let rest = (0..count).filter(|place| !group.contains(place));
        rest.map(|place| order[place]).collect()
    }

    /// Whether who stands at `to` hears who stands at `from`.
    fn hears(&self, order: &[&str], from: usize, to: usize) -> bool {
        let count = order.len();
        let in_first_half = |place| place < count / 2;
        // How far the speaker stands before the hearer, going round.
        let before = (to + count - from) % count;
        match self {
            Self::Halves => in_first_half(from) == in_first_half(to),
            Self::OneWay => !in_first_half(from) || in_first_half(to),
            Self::Partial => {
                let third = |place: usize| place * 3 / count;
                let (from, to) = (third(from), third(to));
                from == to || from == 2 || to == 2
            }
            Self::Groups(groups) => {
                let group = |place: usize| {
                    groups.iter().position(|group| group.iter().any(|name| name == order[place]))
                };
                let (from, to) = (group(from), group(to));
                from == to || from.is_none() || to.is_none()
            }
            Self::Isolate(_) => from != 0 && to != 0,
            Self::Mute(_) => from != 0,
            Self::Deaf(_) => to != 0,
            Self::Ring => before == 1 || before == count - 1,
            Self::MajoritiesRing => {
                let majority = count / 2 + 1;
                let behind_max = (majority - 1) / 2;
                before <= majority - 1 - behind_max || count - before <= behind_max
            }
            Self::Bridge(_) => {
                let side = |place: usize| place <= (count - 1) / 2;
                from == 0 || to == 0 || side(from) == side(to)
            }
            Self::Star(_) => from == 0 || to == 0,
        }
    }

    /// The host that the shape names as its one.
    pub(crate) fn host(&self) -> Option<&str> {
        match self {
            Self::Isolate(host)
            | Self::Mute(host)
            | Self::Deaf(host)
            | Self::Bridge(host)
            | Self::Star(host) => host.as_deref(),
            _ => None,
        }
    }

    /// How many hosts it takes: with fewer there would be nothing to cut, or nobody in a part.
    pub(crate) const fn hosts_min(&self) -> usize {
        match self {
            Self::Halves
            | Self::Groups(_)
            | Self::OneWay
            | Self::Isolate(_)
            | Self::Mute(_)
            | Self::Deaf(_) => 2,
            Self::Partial | Self::MajoritiesRing | Self::Bridge(_) | Self::Star(_) => 3,
            Self::Ring => 4,
        }
    }

    pub(crate) fn check(&self, hosts: &[&str]) -> Result<(), TopologyError> {
        let min = self.hosts_min();
        if hosts.len() < min {
            let topology = self.clone();
            return Err(TopologyError::TooFew { topology, hosts: hosts.len(), min });
        }
        unique(hosts.iter().copied())?;
        let named = match self {
            Self::Groups(groups) => groups.iter().flatten().map(String::as_str).collect(),
            _ => self.host().into_iter().collect::<Vec<_>>(),
        };
        unique(named.iter().copied())?;
        match named.into_iter().find(|name| !hosts.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
                Err(TopologyError::Unknown { name: name.to_owned(), hosts })
            }
        }
    }
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), TopologyError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(TopologyError::Twice { name: name.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
