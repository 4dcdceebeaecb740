//! Where others have said they are, for as long as it counts.
//!
//! Anybody on the network can say anything, so there is a bound for each who says something, and one for all. What is said
//! last has room; what would be forgotten next makes it. So a host that lies draws some dials, and hides nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::time::Instant;

/// Most places that are remembered: as many as an endpoint has peers by default.
const HEARD_MAX: usize = 1024;

/// Most of them that one host has said: more nodes than one machine has.
const HEARD_OF_HOST_MAX: usize = 64;

/// The places by who said them, and until when each counts.
#[derive(Debug, Default)]
pub(super) struct Heard(BTreeMap<(IpAddr, SocketAddr), Instant>);

impl Heard {
    /// A host says that somebody is there for so long, or no more where that is nothing.
    pub(super) fn note(&mut self, now: Instant, said: (IpAddr, SocketAddr), lasts: Duration) {
        if lasts.is_zero() {
            self.0.remove(&said);
            return;
        }
        if !self.0.contains_key(&said) {
            self.make_room(HEARD_OF_HOST_MAX, |host| host == said.0);
            self.make_room(HEARD_MAX, |_| true);
        }
        self.0.insert(said, now + lasts);
    }

    /// All that count now.
    pub(super) fn places(&mut self, now: Instant) -> BTreeSet<SocketAddr> {
        self.0.retain(|_, until| *until > now);
        self.0.keys().map(|(_, addr)| *addr).collect()
    }

    /// Room for one more among those that such hosts have said.
    fn make_room(&mut self, most: usize, by: impl Fn(IpAddr) -> bool) {
        let theirs = || self.0.iter().filter(|((host, _), _)| by(*host));
        if theirs().count() < most {
            return;
        }
        let first = theirs().min_by_key(|(_, until)| **until).map(|(said, _)| *said);
        first.map(|first| self.0.remove(&first));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn by(host: u8, port: u16) -> (IpAddr, SocketAddr) {
        (IpAddr::from([10, 0, 0, host]), SocketAddr::from(([10, 0, 0, host], port)))
    }

    fn set<const N: usize>(said: [(IpAddr, SocketAddr); N]) -> BTreeSet<SocketAddr> {
        said.map(|(_, addr)| addr).into()
    }

    #[tokio::test]
    async fn places_count_for_their_time_and_until_a_goodbye() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        for (host, lasts) in [(1, SECOND), (2, 2 * SECOND), (3, 3 * SECOND), (3, Duration::ZERO)] {
            heard.note(now, by(host, 1), lasts);
        }
        assert_eq!(heard.places(now), set([by(1, 1), by(2, 1)]));
        assert_eq!(heard.places(now + SECOND), set([by(2, 1)]));
    }

    #[tokio::test]
    async fn a_host_that_says_much_hides_nobody() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        heard.note(now, by(1, 7400), SECOND);
        for port in 1..=5_000 {
            heard.note(now + Duration::from_millis(port.into()), by(2, port), 10 * SECOND);
        }
        let places = heard.places(now);
        assert_eq!(places.len(), HEARD_OF_HOST_MAX + 1);
        assert!(places.contains(&by(1, 7400).1) && places.contains(&by(2, 5_000).1));
    }

    #[tokio::test]
    async fn hosts_without_number_take_no_more_room_than_there_is() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        for host in 0..=255 {
            for port in 1..=10 {
                let at = now + Duration::from_millis(u64::from(host));
                heard.note(at, by(host, port), 10 * SECOND);
            }
        }
        let places = heard.places(now);
        assert_eq!(places.len(), HEARD_MAX);
        assert!(places.contains(&by(255, 10).1) && !places.contains(&by(0, 1).1));
    }
}
