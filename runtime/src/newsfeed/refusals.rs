//! Addresses whose node refused this one, and why.
//!
//! What it is: the last refusal, for whoever asks why the node is alone, and how often each address has refused for a cause
//! that must be changed by hand, so that it is dialled ever less often and no other one suffers for it. What it is NOT: who
//! dials (`join.rs`).

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tokio::time::Instant;

/// Addresses that are remembered; of more, the one that refused first is forgotten, and dialled as if it were new.
const ADDRESSES_MAX: usize = 4096;

/// Refusals after which the pause of an address grows no more.
const COUNT_MAX: u32 = 16;

/// A dial that did not succeed.
#[derive(Clone)]
pub(crate) struct Refusal {
    pub(crate) addr: SocketAddr,
    pub(crate) reason: String,
    /// Whether dialling again soon is of no use.
    pub(crate) lasting: bool,
}

/// Lasting refusals of one address, one after the other.
#[derive(Clone, Copy)]
struct Refused {
    at: Instant,
    count: u32,
}

/// Who has refused.
#[derive(Default)]
pub(crate) struct Refusals {
    last: Option<Refusal>,
    lasting: BTreeMap<SocketAddr, Refused>,
}

impl Refusals {
    pub(super) fn note(&mut self, now: Instant, refusal: Refusal) {
        let addr = refusal.addr;
        if refusal.lasting {
            let before = self.lasting.get(&addr).map_or(0, |refused| refused.count);
            self.make_room(addr);
            let count = (before + 1).min(COUNT_MAX);
            self.lasting.insert(addr, Refused { at: now, count });
        } else {
            self.lasting.remove(&addr);
        }
        self.last = Some(refusal);
    }

    /// Somebody has answered there: what was refused before is no answer to why the node is alone.
    pub(super) fn answered(&mut self, addr: SocketAddr) {
        self.last = None;
        self.lasting.remove(&addr);
    }

    /// The last one.
    pub(super) fn last(&self) -> Option<Refusal> {
        self.last.clone()
    }

    /// Whether an address is left alone now: for `pause` after its first refusal, doubled with each up to `most`.
    pub(super) fn rests(
        &self,
        now: Instant,
        addr: SocketAddr,
        pause: (Duration, Duration),
    ) -> bool {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        let (first, most) = pause;
        self.lasting.get(&addr).is_some_and(|refused| {
            let doubled = first.saturating_mul(1 << (refused.count - 1));
            now < refused.at + doubled.min(most)
        })
    }

    fn make_room(&mut self, addr: SocketAddr) {
        if self.lasting.len() < ADDRESSES_MAX || self.lasting.contains_key(&addr) {
            return;
        }
        let first = self.lasting.iter().min_by_key(|(_, refused)| refused.at);
        if let Some(first) = first.map(|(addr, _)| *addr) {
            self.lasting.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PAUSE: (Duration, Duration) = (SECOND, Duration::from_secs(10));

    fn addr(number: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], number))
    }

    fn refusal(number: u16, lasting: bool) -> Refusal {
        Refusal { addr: addr(number), reason: "no".to_owned(), lasting }
    }

    #[tokio::test]
    async fn an_address_that_refuses_rests_ever_longer_and_no_other_one_does() {
        let (mut refusals, mut now) = (Refusals::default(), Instant::now());
        for pause in [1, 2, 4, 8, 10, 10] {
            refusals.note(now, refusal(1, true));
            let until = now + pause * SECOND;
            assert!(refusals.rests(until - SECOND / 10, addr(1), PAUSE), "{pause}");
            assert!(!refusals.rests(until, addr(1), PAUSE), "{pause}");
            assert!(!refusals.rests(now, addr(2), PAUSE));
            now = until;
        }
        refusals.note(now, refusal(1, true));
        let mapped = "[::ffff:10.0.0.1]:1".parse().unwrap();
        assert!(refusals.rests(now, mapped, PAUSE), "it is the same");
        refusals.note(now, refusal(1, false));
        assert!(!refusals.rests(now, addr(1), PAUSE), "something else is the matter now");
    }

    #[tokio::test]
    async fn an_answer_ends_what_was_refused() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        refusals.note(now, refusal(1, true));
        refusals.note(now, refusal(2, true));
        refusals.answered(addr(1));
        assert!(refusals.last().is_none() && !refusals.rests(now, addr(1), PAUSE));
        assert!(refusals.rests(now, addr(2), PAUSE));
    }

    #[tokio::test]
    async fn addresses_without_number_take_no_more_room_than_there_is() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        for number in 0..=ADDRESSES_MAX as u16 {
            let at = now + Duration::from_millis(number.into());
            refusals.note(at, refusal(number, true));
        }
        assert_eq!(refusals.lasting.len(), ADDRESSES_MAX);
        assert!(!refusals.lasting.contains_key(&addr(0)), "the one that refused first");
    }
}
