//! Where multicast DNS is spoken: [`MdnsConfig`], plain values.

use std::net::{Ipv4Addr, SocketAddrV4};

use odeon_env::{MulticastGroup, MulticastGroupError};

/// Where multicast DNS is spoken.
///
/// All nodes of a cluster need the same group. The default is that of every network (RFC 6762); another one keeps nodes
/// apart that shall not even hear of each other. Nodes of several clusters may share one: each takes up its own alone.
///
/// # Examples
/// ```
/// use odeon::{JoinConfig, MdnsConfig};
///
/// // Three nodes on one network that are told nothing but this.
/// let join = JoinConfig {
///     mdns: Some(MdnsConfig::default()),
///     bootstrap_expect: 3,
///     ..JoinConfig::default()
/// };
/// assert!(join.looks_anywhere());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MdnsConfig {
    /// The group and its port. Default 224.0.0.251:5353, which no router forwards.
    pub group: SocketAddrV4,
    /// The address of this machine's interface. Default 0.0.0.0: the system chooses. With 127.0.0.1 only nodes of this
    /// machine hear each other, and may be at loopback addresses; with any other interface a node must listen at, or
    /// [advertise](crate::NodeBuilder::advertise), an address that others can dial.
    pub interface: Ipv4Addr,
}

impl Default for MdnsConfig {
    fn default() -> Self {
        Self {
            group: SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5353),
            interface: Ipv4Addr::UNSPECIFIED,
        }
    }
}

impl MdnsConfig {
    pub(crate) fn multicast_group(&self) -> Result<MulticastGroup, MulticastGroupError> {
        MulticastGroup::v4(*self.group.ip(), self.group.port(), self.interface)
    }
}
