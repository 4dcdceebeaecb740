//! Names of clusters and nodes, and how certificates carry them.
//!
//! Every certificate of a cluster has two DNS names: `<cluster>.odeon`, which a dialler verifies, and
//! `<node>.<cluster>.node.odeon`, which says who the peer is. The endpoint where fresh nodes ask for theirs has
//! `<cluster>.enrol.odeon` instead, and an operator's certificate `<operator>.<cluster>.operator.odeon`. Read `identity.rs` next.

use odeon_wire::{ClusterName, NodeName};

/// A cluster or node name that no certificate can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} name {name:?} cannot be part of a certificate ({cause}): use another name")]
pub struct NameError {
    /// `cluster`, `node` or `operator`.
    pub what: &'static str,
    /// The name, cut.
    pub name: String,
    /// What is wrong with it.
    pub cause: odeon_wire::NameError,
}

fn name_error(what: &'static str, name: &str, cause: odeon_wire::NameError) -> NameError {
    NameError { what, name: name.chars().take(80).collect(), cause }
}

/// Reads the name of a cluster as a person gave it.
pub(crate) fn cluster_name(name: &str) -> Result<ClusterName, NameError> {
    ClusterName::new(name).map_err(|cause| name_error("cluster", name, cause))
}

/// Reads the name of a node as a person gave it.
pub(crate) fn node_name(name: &str) -> Result<NodeName, NameError> {
    NodeName::new(name).map_err(|cause| name_error("node", name, cause))
}

/// Reads the name of an operator as a person gave it; it is made like a node's.
pub(crate) fn operator_name(name: &str) -> Result<NodeName, NameError> {
    NodeName::new(name).map_err(|cause| name_error("operator", name, cause))
}

/// The name that only an operator's certificate carries.
pub(crate) fn operator_dns(cluster: &ClusterName, operator: &NodeName) -> String {
    format!("{operator}.{cluster}.operator.odeon")
}

/// Finds cluster and operator in the DNS names of a certificate; `None` unless there is exactly one such name.
pub(crate) fn read_operator<'a>(
    names: impl Iterator<Item = &'a str>,
) -> Option<(ClusterName, NodeName)> {
    let mut operators = names.take(16).filter_map(|name| name.strip_suffix(".operator.odeon"));
    let (operator, cluster) = operators.next()?.split_once('.')?;
    if operators.next().is_some() {
        return None;
    }
    Some((ClusterName::new(cluster).ok()?, NodeName::new(operator).ok()?))
}

/// The name that every certificate of the cluster carries.
pub(crate) fn cluster_dns(cluster: &ClusterName) -> String {
    format!("{cluster}.odeon")
}

/// The name that only the node's own certificate carries.
pub(crate) fn node_dns(cluster: &ClusterName, node: &NodeName) -> String {
    format!("{node}.{cluster}.node.odeon")
}

/// The name that the authority's endpoint for joining shows, and no node.
pub(crate) fn enrol_dns(cluster: &ClusterName) -> String {
    format!("{cluster}.enrol.odeon")
}

/// Finds cluster and node in the DNS names of a certificate; `None` unless both names are there and agree, or if
/// they are given more than once.
pub(crate) fn read_names<'a>(
    names: impl Iterator<Item = &'a str>,
) -> Option<(ClusterName, NodeName)> {
    let names: Vec<&str> = names.take(16).collect();
    let mut nodes = names.iter().filter_map(|name| name.strip_suffix(".node.odeon"));
    let (node, cluster) = nodes.next()?.split_once('.')?;
    if nodes.next().is_some() {
        return None;
    }
    let cluster = ClusterName::new(cluster).ok()?;
    let node = NodeName::new(node).ok()?;
    names.contains(&cluster_dns(&cluster).as_str()).then_some((cluster, node))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_only_when_they_agree() {
        let read = |names: &[&str]| read_names(names.iter().copied());
        let (cluster, node) = read(&["c.odeon", "n-1.c.node.odeon"]).unwrap();
        assert_eq!((cluster.as_str(), node.as_str()), ("c", "n-1"));
        assert_eq!(read(&["c.odeon"]), None);
        assert_eq!(read(&["d.odeon", "n.c.node.odeon"]), None);
        assert_eq!(read(&["c.odeon", "*.c.node.odeon"]), None);
        assert_eq!(read(&["c.odeon", "n.c.node.odeon", "m.c.node.odeon"]), None);
    }

    #[test]
    fn a_bad_name_is_said_with_its_reason() {
        let text = node_name("Köln").unwrap_err().to_string();
        assert!(text.contains("node name \"Köln\"") && text.contains("a-z, 0-9"), "{text}");
    }
}
