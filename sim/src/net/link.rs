//! One direction between two hosts: decides, datagram by datagram, what the rule does to it.
//!
//! Pure: `(now, datagram) -> copies and when they arrive`. Each decision draws from a stream of its own that depends
//! on the seed, the link, the number of the datagram and the kind of decision, and on nothing else; without that,
//! deleting one fault from a failing run would shift all others. Read `fabric.rs` next.

use std::{net::IpAddr, time::Duration};

use odeon_interpose::{Stream, mix};

use super::rule::{Latency, LinkRule};
use crate::trace::Fate;

/// What is decided for each datagram.
#[derive(Clone, Copy)]
enum Decision {
    Loss = 1,
    Duplicate,
    Latency,
    Reorder,
    Corrupt,
    Report,
}

/// One copy of a datagram, under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    /// When it arrives.
    pub(super) due: Duration,
    /// Decides among copies that arrive at the same time.
    pub(super) tie: u64,
    /// The bit that flipped.
    pub(super) flipped_bit: Option<usize>,
}

/// The state of one direction.
#[derive(Debug)]
pub(super) struct Link {
    seed: u64,
    datagrams: u64,
    /// Where it differs from the network's default.
    pub(super) rule: Option<LinkRule>,
    /// When the bandwidth is free again.
    free_at: Duration,
}

impl Link {
    pub(super) fn new(seed: u64, from: IpAddr, to: IpAddr) -> Self {
        let name = format!("link {from} > {to}");
        let seed = Stream::named(seed, &name).next_word();
        Self { seed, datagrams: 0, rule: None, free_at: Duration::ZERO }
    }

    /// Takes one datagram of `length` bytes: its one or two copies, or why there are none.
    pub(super) fn pass(
        &mut self,
        rule: &LinkRule,
        now: Duration,
        length: usize,
    ) -> Result<Vec<Copy>, Fate> {
        self.datagrams += 1;
        if length > usize::from(rule.datagram_bytes_max) {
            return Err(Fate::TooLarge);
        }
        if self.draw(Decision::Loss).chance(rule.loss) {
            return Err(Fate::Lost);
        }
        let leaves = self.queue(rule, now, length)?;
        let copies = if self.draw(Decision::Duplicate).chance(rule.duplicate) { 2 } else { 1 };
        let (latency, reorder) = (self.draw(Decision::Latency), self.draw(Decision::Reorder));
        let corrupt = self.draw(Decision::Corrupt);
        let copy = |_| {
            let held = reorder.chance(rule.reorder);
            let extra = spread(&reorder, Duration::ZERO, rule.reorder_extra);
            let flips = corrupt.chance(rule.corrupt) && length > 0;
            let bit = corrupt.below(length as u64 * 8) as usize;
            Copy {
                due: leaves + under_way(rule, &latency) + if held { extra } else { Duration::ZERO },
                tie: latency.next_word(),
                flipped_bit: flips.then_some(bit),
            }
        };
        Ok((0..copies).map(copy).collect())
    }

    /// Takes a report that nobody listens: when it arrives, or why it does not.
    pub(super) fn report(&mut self, rule: &LinkRule, now: Duration) -> Result<Copy, Fate> {
        self.datagrams += 1;
        if self.draw(Decision::Loss).chance(rule.loss) {
            return Err(Fate::Lost);
        }
        let stream = self.draw(Decision::Report);
        Ok(Copy { due: now + under_way(rule, &stream), tie: stream.next_word(), flipped_bit: None })
    }

    /// Waits for the bandwidth: when the last bit of the datagram leaves.
    fn queue(&mut self, rule: &LinkRule, now: Duration, length: usize) -> Result<Duration, Fate> {
        let Some(bandwidth) = rule.bandwidth_bps else { return Ok(now) };
        let begin = self.free_at.max(now);
        let waiting_bits = (begin - now).as_nanos() * u128::from(bandwidth) / 1_000_000_000;
        if waiting_bits / 8 + length as u128 > u128::from(rule.queue_bytes_max) {
            return Err(Fate::QueueFull);
        }
        let takes_ns = length as u128 * 8 * 1_000_000_000 / u128::from(bandwidth.max(1));
        self.free_at = begin + Duration::from_nanos(u64::try_from(takes_ns).unwrap_or(u64::MAX));
        Ok(self.free_at)
    }

    fn draw(&self, decision: Decision) -> Stream {
        Stream::new(mix(self.seed ^ mix(self.datagrams)) ^ decision as u64)
    }
}

fn under_way(rule: &LinkRule, stream: &Stream) -> Duration {
    match rule.latency {
        Latency::Constant(latency) => latency,
        Latency::Uniform(low, high) => spread(stream, low, high),
    }
}

fn spread(stream: &Stream, low: Duration, high: Duration) -> Duration {
    let range = high.saturating_sub(low).as_nanos() as u64;
    low + Duration::from_nanos(stream.below(range.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn link(seed: u64) -> Link {
        Link::new(seed, Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into())
    }

    fn pass_all(seed: u64, rule: &LinkRule) -> Vec<Result<Vec<Copy>, Fate>> {
        let mut link = link(seed);
        (0..2000).map(|_| link.pass(rule, SECOND, 100)).collect()
    }

    #[test]
    fn one_seed_one_fate() {
        let rule = LinkRule::rough();
        assert_eq!(pass_all(1, &rule), pass_all(1, &rule));
        assert_ne!(pass_all(1, &rule), pass_all(2, &rule));
    }

    #[test]
    fn faults_occur_as_often_as_the_rule_says() {
        let rule = LinkRule {
            loss: 0.1,
            duplicate: 0.2,
            corrupt: 0.3,
            bandwidth_bps: None,
            ..LinkRule::lan()
        };
        let passed = pass_all(3, &rule);
        let lost = passed.iter().filter(|result| **result == Err(Fate::Lost)).count();
        let twice = passed.iter().flatten().filter(|copies| copies.len() == 2).count();
        let corrupted =
            passed.iter().flatten().flatten().filter(|copy| copy.flipped_bit.is_some()).count();
        assert!((150..250).contains(&lost), "{lost}");
        assert!((290..430).contains(&twice), "{twice}");
        assert!((540..760).contains(&corrupted), "{corrupted}");
    }

    #[test]
    fn turning_one_fault_off_shifts_no_other() {
        let with = pass_all(4, &LinkRule { bandwidth_bps: None, ..LinkRule::rough() });
        let without =
            pass_all(4, &LinkRule { bandwidth_bps: None, loss: 0.0, ..LinkRule::rough() });
        for (with, without) in with.iter().zip(&without) {
            assert!(with == without || *with == Err(Fate::Lost));
        }
        assert_ne!(with, without);
    }

    #[test]
    fn latency_stays_in_its_range_and_reordering_adds_to_it() {
        let (low, high) = (Duration::from_millis(3), Duration::from_millis(9));
        let rule =
            LinkRule { latency: Latency::Uniform(low, high), reorder: 0.5, ..LinkRule::lan() };
        let copies = pass_all(5, &rule).into_iter().flatten().flatten();
        let latencies = copies.map(|copy| copy.due - SECOND).collect::<Vec<_>>();
        assert!(
            latencies.iter().all(|latency| (low..=high + rule.reorder_extra).contains(latency))
        );
        assert!(latencies.iter().any(|latency| *latency > high));
        assert!(latencies.windows(2).any(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn bandwidth_spaces_datagrams_and_the_queue_is_bounded() {
        let rule = LinkRule {
            latency: Latency::Constant(Duration::ZERO),
            bandwidth_bps: Some(8_000),
            queue_bytes_max: 3000,
            ..LinkRule::lan()
        };
        let mut link = link(6);
        let dues: Vec<_> =
            (0..3).map(|_| link.pass(&rule, SECOND, 1000).expect("room")[0].due).collect();
        assert_eq!(dues, [SECOND * 2, SECOND * 3, SECOND * 4]);
        assert_eq!(link.pass(&rule, SECOND, 1000), Err(Fate::QueueFull));
        assert!(link.pass(&rule, SECOND * 2, 1000).is_ok());
        assert_eq!(link.pass(&rule, SECOND * 2, 2000), Err(Fate::TooLarge));
    }
}
