//! Who can be part of a cluster: a named node in one of its lives.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use odeon_message::{Incarnation, NodeId};

/// Longest name of a node, in bytes: so that a packet of membership holds at least seven members.
pub const NAME_BYTES_MAX: usize = 64;

/// The name of a node: 1 to [`NAME_BYTES_MAX`] ASCII letters, digits, `-`, `_` or `.`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

/// Why a string is no name of a node.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    #[error(
        "a node's name is empty: give it 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' or '.'"
    )]
    Empty,
    /// It is too long.
    #[error("a node's name has {0} bytes: shorten it to at most {NAME_BYTES_MAX}")]
    TooLong(usize),
    /// It has a character that names must not have.
    #[error("a node's name contains {0:?}: use ASCII letters, digits, '-', '_' and '.' only")]
    Character(char),
}

impl NodeName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// When it is empty, too long or has a character other than ASCII letters, digits, `-`, `_` and `.`.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong(name.len()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match name.chars().find(|c| !allowed(*c)) {
            Some(c) => Err(NameError::Character(c)),
            None => Ok(Self(name.into())),
        }
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One node in one of its lives. Cheap to clone.
///
/// Two of the same node and incarnation are the same member, whatever else they say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member {
    /// The hash of `name`.
    pub node: NodeId,
    /// Which life of the node; the greater one is the later one.
    pub incarnation: Incarnation,
    /// What people call it.
    pub name: NodeName,
    /// Where the other nodes reach it: IPv4 where it is IPv4, without scope and flow label, which mean nothing on
    /// another machine.
    pub addr: SocketAddr,
}

impl Member {
    /// The node of this name in one of its lives, reached at `addr`.
    #[must_use]
    pub fn new(name: NodeName, incarnation: Incarnation, addr: SocketAddr) -> Self {
        Self { node: NodeId::of(name.as_str()), incarnation, name, addr: canonical(addr) }
    }

    /// The same node in another life.
    #[must_use]
    pub fn with_incarnation(&self, incarnation: Incarnation) -> Self {
        Self { incarnation, ..self.clone() }
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        (self.node, self.incarnation) == (other.node, other.incarnation)
    }
}

impl Eq for Member {}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} at {}", self.name, self.incarnation, self.addr)
    }
}

/// The one form of an address under which it is compared.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(_) => addr,
        SocketAddr::V6(v6) => match v6.ip().to_canonical() {
            IpAddr::V4(v4) => (v4, v6.port()).into(),
            IpAddr::V6(ip) => (ip, v6.port()).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(NodeName::new(""), Err(NameError::Empty));
        assert_eq!(NodeName::new(&"a".repeat(65)), Err(NameError::TooLong(65)));
        assert_eq!(NodeName::new("a b"), Err(NameError::Character(' ')));
        assert_eq!(NodeName::new("rack-1_a.b").unwrap().as_str(), "rack-1_a.b");
    }

    #[test]
    fn addresses_have_one_form() {
        let name = NodeName::new("a").unwrap();
        let mapped = "[::ffff:10.0.0.1]:7400".parse().unwrap();
        let member = Member::new(name, Incarnation(1), mapped);
        assert_eq!(member.addr.to_string(), "10.0.0.1:7400");
        assert_eq!(member.node, NodeId::of("a"));
    }
}
