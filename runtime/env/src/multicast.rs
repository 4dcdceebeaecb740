//! A multicast group, as a place to send to and to listen at.
//!
//! What it is: the checked name of a group, with its port and the network it is meant on, for
//! [`Env::join_multicast`](crate::Env::join_multicast). What it is NOT: a protocol; who speaks mDNS or anything else
//! on a group is not known here. Read `real/multicast.rs` for how this machine joins one.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
};

use thiserror::Error;

/// A multicast group with its port, and the interface on which it is joined.
///
/// # Examples
/// ```
/// use std::net::Ipv4Addr;
///
/// use odeon_env::MulticastGroup;
///
/// // The group of multicast DNS (RFC 6762), on the interface that the system chooses.
/// let group = MulticastGroup::v4(Ipv4Addr::new(224, 0, 0, 251), 5353, Ipv4Addr::UNSPECIFIED)?;
/// assert_eq!(group.address().to_string(), "224.0.0.251:5353");
/// # Ok::<(), odeon_env::MulticastGroupError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MulticastGroup {
    address: SocketAddr,
    interface: Interface,
}

/// The interface of this machine on which a group is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// The one with this address; `0.0.0.0` lets the system choose.
    Address(Ipv4Addr),
    /// The one with this index; 0 lets the system choose.
    Index(u32),
}

/// Why an address and a port are no group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MulticastGroupError {
    /// The address is one machine's.
    #[error("{address} is no multicast address; those are 224.0.0.0/4 and ff00::/8")]
    NotMulticast {
        /// What was given.
        address: IpAddr,
    },
    /// The port was left to the system.
    #[error("port 0 for the group {address}; all members agree on a port, so name it")]
    NoPort {
        /// The group.
        address: IpAddr,
    },
}

impl MulticastGroup {
    /// A group of IPv4.
    ///
    /// # Errors
    /// When the address is no multicast address, or the port is 0.
    pub fn v4(
        group: Ipv4Addr,
        port: u16,
        interface: Ipv4Addr,
    ) -> Result<Self, MulticastGroupError> {
        let address = SocketAddr::new(group.into(), port);
        Self::checked(address, Interface::Address(interface))
    }

    /// A group of IPv6; `interface` is an index.
    ///
    /// # Errors
    /// When the address is no multicast address, or the port is 0.
    pub fn v6(group: Ipv6Addr, port: u16, interface: u32) -> Result<Self, MulticastGroupError> {
        let address = SocketAddr::V6(SocketAddrV6::new(group, port, 0, interface));
        Self::checked(address, Interface::Index(interface))
    }

    fn checked(address: SocketAddr, interface: Interface) -> Result<Self, MulticastGroupError> {
        let ip = address.ip();
        if !ip.is_multicast() {
            return Err(MulticastGroupError::NotMulticast { address: ip });
        }
        if address.port() == 0 {
            return Err(MulticastGroupError::NoPort { address: ip });
        }
        Ok(Self { address, interface })
    }

    /// Where to send, so that every member hears it.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The interface on which it is joined.
    #[must_use]
    pub const fn interface(&self) -> Interface {
        self.interface
    }

    /// Whether no router forwards what is sent to it, whatever its time to live: 224.0.0.0/24 (RFC 5771, section 4) and
    /// ff02::/16 (RFC 4291, section 2.7).
    #[must_use]
    pub const fn is_link_local(&self) -> bool {
        match self.address {
            SocketAddr::V4(address) => matches!(address.ip().octets(), [224, 0, 0, _]),
            SocketAddr::V6(address) => address.ip().segments()[0] & 0xff0f == 0xff02,
        }
    }
}

impl From<MulticastGroupError> for io::Error {
    fn from(error: MulticastGroupError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

    #[test]
    fn what_is_no_group_is_refused_by_its_address() {
        let error = MulticastGroup::v4(Ipv4Addr::LOCALHOST, 5353, ANY).unwrap_err();
        assert_eq!(
            error.to_string(),
            "127.0.0.1 is no multicast address; those are 224.0.0.0/4 and ff00::/8"
        );
        let address = Ipv4Addr::new(224, 0, 0, 251);
        let error = MulticastGroup::v4(address, 0, ANY).unwrap_err();
        assert_eq!(error, MulticastGroupError::NoPort { address: address.into() });
        assert!(MulticastGroup::v6(Ipv6Addr::LOCALHOST, 5353, 0).is_err());
    }

    #[test]
    fn link_local_groups_are_known() {
        let v4 = |a, d| MulticastGroup::v4(Ipv4Addr::new(a, 0, 0, d), 1, ANY).unwrap();
        assert!(v4(224, 251).is_link_local() && !v4(239, 251).is_link_local());
        let v6 = |first| {
            let group = Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0xfb);
            MulticastGroup::v6(group, 1, 0).unwrap()
        };
        assert!(v6(0xff02).is_link_local() && v6(0xff12).is_link_local());
        assert!(!v6(0xff05).is_link_local());
    }
}
