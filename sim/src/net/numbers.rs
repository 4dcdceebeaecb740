//! The addresses of hosts, which follow from their numbers: 250 in each /24 of 10.0.0.0/16, from .1 on.
//!
//! Each packet asks several times which host an address is of; a map of all hosts would be asked longer the more there
//! are. Read `links.rs` next.

use std::net::{IpAddr, Ipv4Addr};

use crate::trace::HostId;

const HOSTS_PER_NET: u16 = 250;

/// The address of a host.
pub(super) fn address_of(id: HostId) -> IpAddr {
    let (net, host) = (id.0 / HOSTS_PER_NET, id.0 % HOSTS_PER_NET + 1);
    IpAddr::V4(Ipv4Addr::new(10, 0, net as u8, host as u8))
}

/// The number that a host of this address has, if hosts have such addresses.
pub(crate) fn host_at(address: IpAddr) -> Option<HostId> {
    let IpAddr::V4(address) = address else { return None };
    let [10, 0, net, host] = address.octets() else { return None };
    let host = u16::from(host).checked_sub(1).filter(|host| *host < HOSTS_PER_NET)?;
    u16::from(net).checked_mul(HOSTS_PER_NET)?.checked_add(host).map(HostId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::HOSTS_MAX;

    #[test]
    fn every_number_has_one_address_and_comes_back_from_it() {
        for id in (0..HOSTS_MAX as u16).map(HostId) {
            assert_eq!(host_at(address_of(id)), Some(id));
        }
        for text in ["10.0.0.0", "10.0.0.251", "10.1.0.1", "224.0.0.1", "::1"] {
            assert_eq!(host_at(text.parse().unwrap()), None, "{text}");
        }
    }
}
