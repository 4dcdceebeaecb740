//! Names and groups of the cluster, as JSON and as text.

#![expect(missing_docs, reason = "most fields are what their names say")]

use std::fmt;

use odeon::Node;
use serde::{Deserialize, Serialize};

use crate::harmless;

/// Names, groups, or patterns of topics, of one answer unless it is asked for fewer or more: more than anybody reads.
pub(crate) const NAMES_MAX: usize = 10_000;

/// The names of the cluster, as the node has heard of them: `/v1/names`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Names {
    /// In their order.
    pub names: Vec<Name>,
    /// Those that are left out because there are too many.
    pub left_out: usize,
}

/// A name that one actor of the cluster has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Name {
    pub name: String,
    /// Where its holder lives.
    pub node: String,
}

/// The groups of the cluster, as the node has heard of them: `/v1/groups`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Groups {
    /// In the order of their names.
    pub groups: Vec<Group>,
    /// Those that are left out because there are too many.
    pub left_out: usize,
}

/// A group of actors on any nodes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    /// How many actors are in it.
    pub members: usize,
}

impl Names {
    /// The first of them, `max` at most.
    pub(crate) fn of(node: &Node, max: usize) -> Self {
        let all = node.cluster().names();
        let left_out = all.len().saturating_sub(max);
        let names = all.into_iter().take(max).map(|(name, node)| Name { name, node }).collect();
        Self { names, left_out }
    }
}

impl Groups {
    /// The first of them, `max` at most.
    pub(crate) fn of(node: &Node, max: usize) -> Self {
        let all = node.cluster().groups();
        let left_out = all.len().saturating_sub(max);
        let group = |(name, members)| Group { name, members };
        Self { groups: all.into_iter().take(max).map(group).collect(), left_out }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |it: &Name| format!("\"{}\" on {}", harmless(&it.name), harmless(&it.node));
        list(f, self.names.iter().map(line), self.left_out)
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |it: &Group| {
            let actors = if it.members == 1 { "actor" } else { "actors" };
            format!("\"{}\": {} {actors}", harmless(&it.name), it.members)
        };
        list(f, self.groups.iter().map(line), self.left_out)
    }
}

/// A line each, and how many there are beside them.
pub(super) fn list(
    f: &mut fmt::Formatter<'_>,
    lines: impl Iterator<Item = String>,
    left_out: usize,
) -> fmt::Result {
    let mut lines = lines.collect::<Vec<_>>();
    if left_out > 0 {
        lines.push(format!("and {left_out} more"));
    }
    f.write_str(&if lines.is_empty() { "none".to_owned() } else { lines.join("\n") })
}
