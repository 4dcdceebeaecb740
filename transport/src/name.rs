//! Names of clusters and nodes, and how certificates carry them.
//!
//! Every certificate of a cluster has two DNS names: `<cluster>.odeon`, which a dialler verifies, and
//! `<node>.<cluster>.node.odeon`, which says who the peer is. Read `identity.rs` next.

/// Longest name of a cluster or node, in bytes: one DNS label.
pub const NAME_BYTES_MAX: usize = 63;

/// A cluster or node name that no certificate can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {what} name {name:?} cannot be part of a certificate: use 1 to 63 lowercase letters, digits and inner hyphens"
)]
pub struct NameError {
    /// `cluster` or `node`.
    pub what: &'static str,
    /// The name.
    pub name: String,
}

/// Checks that `name` is one lowercase DNS label (RFC 1123, 2.1).
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), NameError> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ok = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if ok { Ok(()) } else { Err(NameError { what, name: name.chars().take(80).collect() }) }
}

/// The name that every certificate of the cluster carries.
pub(crate) fn cluster_dns(cluster: &str) -> String {
    format!("{cluster}.odeon")
}

/// The name that only the node's own certificate carries.
pub(crate) fn node_dns(cluster: &str, node: &str) -> String {
    format!("{node}.{cluster}.node.odeon")
}

/// Finds cluster and node in the DNS names of a certificate; `None` unless both names are there and agree, or if
/// they are given more than once.
pub(crate) fn read_names<'a>(names: impl Iterator<Item = &'a str>) -> Option<(String, String)> {
    let names: Vec<&str> = names.take(16).collect();
    let mut nodes = names.iter().filter_map(|name| name.strip_suffix(".node.odeon"));
    let (node, cluster) = nodes.next()?.split_once('.')?;
    if nodes.next().is_some() || !names.contains(&cluster_dns(cluster).as_str()) {
        return None;
    }
    check_name("cluster", cluster).ok()?;
    check_name("node", node).ok()?;
    Some((cluster.to_owned(), node.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_only_when_they_agree() {
        let read = |names: &[&str]| read_names(names.iter().copied());
        assert_eq!(
            read(&["c.odeon", "n-1.c.node.odeon"]),
            Some(("c".to_owned(), "n-1".to_owned()))
        );
        assert_eq!(read(&["c.odeon"]), None);
        assert_eq!(read(&["d.odeon", "n.c.node.odeon"]), None);
        assert_eq!(read(&["c.odeon", "*.c.node.odeon"]), None);
        assert_eq!(read(&["c.odeon", "n.c.node.odeon", "m.c.node.odeon"]), None);
    }

    #[test]
    fn names_are_dns_labels() {
        check_name("node", "a-1").unwrap();
        for bad in ["", "A", "a.b", "-a", "a-", "a_b", "é", &"a".repeat(64)] {
            assert!(check_name("node", bad).is_err(), "{bad}");
        }
    }
}
