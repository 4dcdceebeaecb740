//! How many packets of multicast DNS are looked at.
//!
//! Anybody on the network can send any number of packets, and reading one costs time of the endpoint's thread, where the
//! cluster's own packets are read too. So each host has a share of packets in a second, which leaves room for the others,
//! and all together have one, beyond which nothing is read until the second is over: the system drops what comes
//! meanwhile. What it is NOT: a bound on what is remembered (`heard.rs`).

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use tokio::time::Instant;

/// Packets that are read in a second: what a thousand nodes say when one of them asks, and as much of others. Garbage of
/// this number costs a few thousandths of a core.
const READ_MAX: u32 = 2_000;

/// Packets of one host that are looked at in a second: an answer and a question of as many nodes as one host is
/// remembered for.
const OF_HOST_MAX: u32 = 128;

/// The span that both are about.
const SPAN: Duration = Duration::from_secs(1);

/// What was read in this second. It knows no more hosts than packets.
#[derive(Debug)]
pub(super) struct Allowance {
    until: Instant,
    read: u32,
    by_host: BTreeMap<IpAddr, u32>,
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Self { until: now + SPAN, read: 0, by_host: BTreeMap::new() }
    }

    /// Whether a packet of this host, which was read, is looked at.
    pub(super) fn admits(&mut self, now: Instant, host: IpAddr) -> bool {
        self.renew(now);
        self.read += 1;
        let of_host = self.by_host.entry(host).or_default();
        *of_host += 1;
        *of_host <= OF_HOST_MAX
    }

    /// Until when nothing more is read; `None` if it may be now.
    pub(super) fn rests(&mut self, now: Instant) -> Option<Instant> {
        self.renew(now);
        (self.read >= READ_MAX).then_some(self.until)
    }

    fn renew(&mut self, now: Instant) {
        if now >= self.until {
            *self = Self::new(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[tokio::test]
    async fn a_host_that_floods_leaves_room_for_others() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        let admitted = (0..READ_MAX / 2).filter(|_| allowance.admits(now, host(1))).count();
        assert_eq!(admitted as u32, OF_HOST_MAX);
        assert!(allowance.admits(now, host(2)) && allowance.rests(now).is_none());
        assert!(allowance.admits(now + SPAN, host(1)), "the next second");
    }

    #[tokio::test]
    async fn beyond_its_bound_nothing_is_read_until_the_second_is_over() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        (0..READ_MAX).for_each(|number| assert!(allowance.admits(now, host(number))));
        assert_eq!(allowance.rests(now), Some(now + SPAN));
        assert_eq!(allowance.by_host.len(), READ_MAX as usize);
        assert_eq!(allowance.rests(now + SPAN), None);
        assert!(allowance.by_host.is_empty(), "hosts are forgotten with their second");
    }
}
