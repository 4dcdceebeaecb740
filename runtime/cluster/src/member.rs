//! Who can be part of a cluster: a named node in one of its lives.
//!
//! What is NOT here: the rule for names, which is `odeon_message`'s and everybody's.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use odeon_message::{Incarnation, NodeId, NodeName};

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
    fn addresses_have_one_form() {
        let name = NodeName::new("a").unwrap();
        let mapped = "[::ffff:10.0.0.1]:7400".parse().unwrap();
        let member = Member::new(name, Incarnation(1), mapped);
        assert_eq!(member.addr.to_string(), "10.0.0.1:7400");
        assert_eq!(member.node, NodeId::of("a"));
    }
}
