//! The patterns by which somebody listens to topics, as JSON and as text.

#![expect(missing_docs, reason = "most fields are what their names say")]

use std::{collections::BTreeMap, fmt};

use odeon::Node;
use serde::{Deserialize, Serialize};

use super::names::list;
use crate::harmless;

/// Nodes that are named of one pattern; of a whole cluster that listens the number says as much.
const NODES_MAX: usize = 256;

/// The topics to which somebody in the cluster listens, as the node has heard of them: `/v1/topics`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Topics {
    /// In the order of their patterns.
    pub topics: Vec<Topic>,
    /// Messages that subscriptions of this node have lost because their readers were too slow, also of those that are gone,
    /// and of actors.
    pub missed: u64,
    /// Those that are left out because there are too many.
    pub left_out: usize,
}

/// Topics that somebody listens to, by one pattern, for messages of one type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Topic {
    pub pattern: String,
    /// The type of the messages: what it is called where this node knows it, else its number in hexadecimal digits.
    pub message: String,
    /// Where somebody listens, in the order of their names: 256 at most.
    pub nodes: Vec<String>,
    /// How many further nodes there are; 0 from one of a release from before these were counted, which names all.
    #[serde(default)]
    pub more_nodes: usize,
    /// Subscriptions of this node, actors among them.
    pub subscriptions: usize,
    /// Messages that those of them which are no actors have lost because their readers were too slow.
    pub missed: u64,
}

impl Topics {
    /// The first of them, `max` at most.
    pub(crate) fn of(node: &Node, max: usize) -> Self {
        let known = node.accepted().into_iter().map(|one| (one.message, one.name));
        let known: BTreeMap<_, _> = known.collect();
        let all = node.cluster().patterns();
        let left_out = all.len().saturating_sub(max);
        let topics = all.into_iter().take(max).map(|it| {
            let name = known.get(&it.message);
            let (nodes, more_nodes) = first_of(it.nodes);
            Topic {
                pattern: it.pattern,
                message: name.map_or_else(|| it.message.to_string(), |name| (*name).to_owned()),
                nodes,
                more_nodes,
                subscriptions: it.subscriptions,
                missed: it.missed,
            }
        });
        Self { topics: topics.collect(), missed: node.cluster().missed(), left_out }
    }
}

/// As many nodes as are named, and how many more there are.
fn first_of(mut nodes: Vec<String>) -> (Vec<String>, usize) {
    let more = nodes.len().saturating_sub(NODES_MAX);
    nodes.truncate(NODES_MAX);
    (nodes, more)
}

impl fmt::Display for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.topics.iter().map(Topic::to_string), self.left_out)?;
        match self.missed {
            0 => Ok(()),
            missed => write!(f, "\n{missed} missed on this node, of all that ever listened"),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pattern, message, nodes, more_nodes, subscriptions, missed } = self;
        let nodes: Vec<String> = nodes.iter().map(|node| harmless(node).to_string()).collect();
        write!(f, "\"{}\" of {} on {}", harmless(pattern), harmless(message), nodes.join(", "))?;
        if *more_nodes > 0 {
            write!(f, " and {more_nodes} more")?;
        }
        if *subscriptions > 0 {
            let noun = if *subscriptions == 1 { "subscription" } else { "subscriptions" };
            write!(f, ": {subscriptions} {noun} here")?;
        }
        if *missed > 0 { write!(f, ", {missed} missed") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_nodes_some_are_named_and_the_others_are_counted() {
        let names = |count: usize| (0..count).map(|at| format!("n{at:03}")).collect::<Vec<_>>();
        assert_eq!(first_of(names(NODES_MAX)), (names(NODES_MAX), 0));
        let (nodes, more_nodes) = first_of(names(NODES_MAX + 44));
        assert_eq!((&nodes, more_nodes), (&names(NODES_MAX), 44));
        let (pattern, message) = ("prices.>".to_owned(), "shop/Price".to_owned());
        let topic = Topic { pattern, message, nodes, more_nodes, subscriptions: 1, missed: 0 };
        let line = topic.to_string();
        assert!(line.starts_with("\"prices.>\" of shop/Price on n000, n001, "), "{line}");
        assert!(line.ends_with(", n255 and 44 more: 1 subscription here"), "{line}");
        // As a node of the release before says it.
        let before = r#"{"pattern":"a","message":"b","nodes":["c"],"subscriptions":0,"missed":0}"#;
        assert_eq!(serde_json::from_str::<Topic>(before).unwrap().more_nodes, 0);
    }
}
