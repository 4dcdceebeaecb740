//! Who is in a scenario and how long it takes.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    plan::{Swarm, TIME_MAX},
    script::ScriptError,
};

/// A node that faults may hit: its name, and the zone it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The name of the node.
    pub name: String,
    /// The label of its zone (a rack, a room, a region), if it has one.
    pub zone: Option<String>,
    /// Whether only its links break: itself, its clock and its disk are spared. Default: no.
    pub links_only: bool,
}

impl Site {
    /// A node without a zone.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), zone: None, links_only: false }
    }

    /// The node, of which only the links break: a client, or a driver that has to live to tell what it saw.
    #[must_use]
    pub fn links_only(mut self) -> Self {
        self.links_only = true;
        self
    }

    /// The node in this zone.
    #[must_use]
    pub fn in_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }
}

impl From<&str> for Site {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// What of a scenario is known before it runs.
///
/// ```
/// use std::time::Duration;
///
/// use odeon_sim::{Outline, Site, Swarm};
///
/// let outline = Outline::new(["a", "b", "c"])
///     .safety(Duration::from_secs(30))
///     .liveness(Duration::from_secs(60))
///     .faults(Swarm::all());
/// assert_eq!(outline.names(), ["a", "b", "c"]);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an outline does nothing by itself"]
pub struct Outline {
    pub(crate) nodes: Vec<Site>,
    pub(crate) set_up_max: Duration,
    pub(crate) safety: Duration,
    pub(crate) liveness_max: Duration,
    pub(crate) faults: Swarm,
}

impl Outline {
    /// A scenario with these nodes, which are those that faults may hit: a node that is not among them is not hit, and its
    /// links neither ([`Site::links_only`] spares all but these). Clients and outside services of the world are not among
    /// them. Of two of one name no script is made
    /// ([`ScriptError::TwiceNamed`](crate::ScriptError::TwiceNamed)). Default: 30 s of safety
    /// phase, 60 s for the liveness phase, no faults.
    pub fn new<P: Into<Site>>(nodes: impl IntoIterator<Item = P>) -> Self {
        Self {
            nodes: nodes.into_iter().map(Into::into).collect(),
            set_up_max: Duration::from_secs(60),
            safety: Duration::from_secs(30),
            liveness_max: Duration::from_secs(60),
            faults: Swarm::none(),
        }
    }

    /// How long the set-up may take, in virtual time. Default: 60 s, at most a week.
    pub fn set_up(mut self, max: Duration) -> Self {
        self.set_up_max = max.min(TIME_MAX);
        self
    }

    /// How long faults and workload take, in virtual time. Default: 30 s, at most a week.
    pub fn safety(mut self, length: Duration) -> Self {
        self.safety = length.min(TIME_MAX);
        self
    }

    /// Within which virtual time the liveness phase must have come to its end. Default: 60 s, at most a week.
    pub fn liveness(mut self, max: Duration) -> Self {
        self.liveness_max = max.min(TIME_MAX);
        self
    }

    /// What goes wrong in the safety phase. Default: nothing.
    pub fn faults(mut self, swarm: Swarm) -> Self {
        self.faults = swarm;
        self
    }

    /// Whether each node has a name of its own.
    pub(crate) fn check(&self) -> Result<(), ScriptError> {
        let mut seen = BTreeSet::new();
        match self.nodes.iter().find(|site| !seen.insert(site.name.as_str())) {
            Some(site) => Err(ScriptError::TwiceNamed(site.name.clone())),
            None => Ok(()),
        }
    }

    /// The names of the nodes.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|site| site.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_of_one_name_are_refused() {
        assert!(Outline::new(["a", "b"]).check().is_ok());
        let error = Outline::new(["a", "b", "a"]).check().expect_err("there are two");
        assert!(matches!(&error, ScriptError::TwiceNamed(name) if name == "a"), "{error}");
    }
}
