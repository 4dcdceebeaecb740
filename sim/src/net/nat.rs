//! A NAT before a host: the ports that others see, which may change under connections.
//!
//! What it is: two maps, from what a host has bound to what others see and back. What it is NOT: a firewall: what is sent
//! to the port that the host has bound comes to it as before, as where a NAT forwards that port.

use std::{collections::BTreeMap, net::SocketAddr};

/// The first port that it gives; each next one is the next.
const FIRST_PORT: u16 = 20_000;
/// How many it gives; then it begins with the first again, whose user has had another one since.
const PORTS: u16 = 20_000;

#[derive(Debug, Default)]
pub(super) struct Nat {
    seen: BTreeMap<SocketAddr, SocketAddr>,
    bound: BTreeMap<SocketAddr, SocketAddr>,
    given: u16,
}

impl Nat {
    /// Forgets what it knew of an address, whose packets come from another port from now on.
    pub(super) fn forget(&mut self, bound: SocketAddr) -> SocketAddr {
        let seen = SocketAddr::new(bound.ip(), FIRST_PORT + self.given);
        self.given = (self.given + 1) % PORTS;
        if let Some(before) = self.seen.insert(bound, seen) {
            self.bound.remove(&before);
        }
        self.bound.insert(seen, bound);
        seen
    }

    /// What others see of an address.
    pub(super) fn seen(&self, bound: SocketAddr) -> SocketAddr {
        self.seen.get(&bound).copied().unwrap_or(bound)
    }

    /// Whom something is for that is sent there.
    pub(super) fn bound(&self, seen: SocketAddr) -> SocketAddr {
        self.bound.get(&seen).copied().unwrap_or(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_changes_and_leads_back() {
        let (mut nat, bound) = (Nat::default(), SocketAddr::from(([10, 0, 0, 1], 7400)));
        assert_eq!((nat.seen(bound), nat.bound(bound)), (bound, bound));
        let first = nat.forget(bound);
        let second = nat.forget(bound);
        assert!(first != second && second != bound);
        assert_eq!((nat.seen(bound), nat.bound(second)), (second, bound));
        assert_eq!(nat.bound(first), first, "it leads nowhere any more");
        assert_eq!(nat.bound(bound), bound, "it is forwarded");
    }
}
