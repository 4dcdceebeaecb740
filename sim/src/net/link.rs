//! One direction between two hosts: decides, datagram by datagram, what the rule does to it.
//!
//! Pure: `(now, datagram) -> copies and when they arrive`. Each decision draws from a stream of its own that depends
//! on the seed, the link, the number of the datagram and the kind of decision, and on nothing else; without that,
//! deleting one fault from a failing run would shift all others. Read `fabric.rs` next.

use std::{net::IpAddr, time::Duration};

use odeon_interpose::{Stream, mix};

use super::{
    latency::spread,
    rule::LinkRule,
    waiting::{Held, Waiting},
};
use crate::trace::Fate;

/// What a host's way to itself does.
const OWN: LinkRule = LinkRule::instant();

/// What is decided for each datagram.
#[derive(Clone, Copy)]
enum Decision {
    Loss = 1,
    Duplicate,
    Latency,
    Reorder,
    Corrupt,
    Report,
    ReportLoss,
    Tie,
}

/// One copy of a datagram, under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passing {
    /// When it arrives.
    pub(super) due: Duration,
    /// Decides among copies that arrive at the same time.
    pub(super) tie: u64,
    /// Whether it is held back beyond its latency.
    pub(super) reordered: bool,
    /// The bit that flipped.
    pub(super) flipped_bit: Option<usize>,
}

/// What comes of one datagram that passes: itself, and perhaps once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copies {
    pub(super) first: Passing,
    pub(super) second: Option<Passing>,
}

impl IntoIterator for Copies {
    type Item = Passing;
    type IntoIter = std::iter::Chain<std::iter::Once<Passing>, std::option::IntoIter<Passing>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.second)
    }
}

/// The number of a datagram, or of a report, on its direction of a link; all that is decided about it follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(u64);

/// The state of one direction.
#[derive(Debug)]
pub(super) struct Link {
    seed: u64,
    datagrams: u64,
    reports: u64,
    /// Whether it is a host's way to itself.
    is_own: bool,
    /// Where it differs from the network's default.
    pub(super) rule: Option<LinkRule>,
    /// When the bandwidth is free again.
    free_at: Duration,
    /// When the last one arrives of those that are in order, and its tie.
    last: (Duration, u64),
    /// What waits until the link is no longer clogged.
    pub(super) waiting: Waiting,
}

impl Link {
    pub(super) fn new(seed: u64, from: IpAddr, to: IpAddr) -> Self {
        let name = format!("link {from} > {to}");
        let seed = Stream::named(seed, &name).next_word();
        Self {
            seed,
            datagrams: 0,
            reports: 0,
            is_own: from == to,
            rule: None,
            free_at: Duration::ZERO,
            last: (Duration::ZERO, 0),
            waiting: Waiting::default(),
        }
    }

    /// Its rule, in a network with this default.
    pub(super) fn rule<'a>(&'a self, default: &'a LinkRule) -> &'a LinkRule {
        if self.is_own { &OWN } else { self.rule.as_ref().unwrap_or(default) }
    }

    /// Keeps what finds it clogged, if there is room.
    pub(super) fn hold(&mut self, default: &LinkRule, held: Held) -> Result<(), Held> {
        let bytes_max = self.rule(default).queue_bytes_max;
        self.waiting.push(held, bytes_max)
    }

    /// Numbers a datagram, whatever becomes of it: that a link is cut or clogged shifts nothing for those behind it.
    pub(super) fn number(&mut self) -> Number {
        self.datagrams += 1;
        Number(self.datagrams)
    }

    /// Numbers a report that nobody listens.
    pub(super) fn number_report(&mut self) -> Number {
        self.reports += 1;
        Number(self.reports)
    }

    /// Takes one datagram of `length` bytes: its one or two copies, or why there are none.
    #[inline]
    pub(super) fn pass(
        &mut self,
        default: &LinkRule,
        now: Duration,
        number: Number,
        length: usize,
    ) -> Result<Copies, Fate> {
        let draws = self.draws(number);
        let rule = if self.is_own { &OWN } else { self.rule.as_ref().unwrap_or(default) };
        if happens(&draws.of(Decision::Loss), rule.loss) {
            return Err(Fate::Lost);
        }
        let is_twice = happens(&draws.of(Decision::Duplicate), rule.duplicate);
        let leaves = queue(&mut self.free_at, rule, now, length)?;
        let first = draws.copies().next(rule, leaves, length);
        let second = is_twice.then(|| draws.second(rule, leaves, length));
        let mut copies = Copies { first, second };
        if rule.in_order && !copies.first.reordered {
            // What would be quicker than one before it arrives in the same moment. Of one tie, the first that was sent is
            // the first to arrive.
            let (due, tie) = self.last;
            if copies.first.due <= due {
                (copies.first.due, copies.first.tie) = (due, tie);
            }
            self.last = (copies.first.due, copies.first.tie);
        }
        Ok(copies)
    }

    /// Takes a report that nobody listens: when it arrives, or why it does not.
    pub(super) fn report(
        &self,
        default: &LinkRule,
        now: Duration,
        number: Number,
    ) -> Result<Passing, Fate> {
        let (draws, rule) = (self.draws(number), self.rule(default));
        if draws.of(Decision::ReportLoss).chance(rule.loss) {
            return Err(Fate::Lost);
        }
        let stream = draws.of(Decision::Report);
        let due = now.saturating_add(rule.latency.draw(&stream));
        Ok(Passing { due, tie: stream.next_word(), reordered: false, flipped_bit: None })
    }

    /// What is decided about one datagram.
    fn draws(&self, Number(number): Number) -> Draws {
        Draws(mix(self.seed ^ mix(number)))
    }
}

/// What is decided about one datagram, by the word that its streams begin with.
#[derive(Clone, Copy)]
struct Draws(u64);

impl Draws {
    #[inline]
    fn of(self, decision: Decision) -> Stream {
        Stream::new(self.0 ^ decision as u64)
    }

    /// Its copies, from the first.
    #[inline]
    fn copies(self) -> Drawn {
        Drawn {
            latency: self.of(Decision::Latency),
            reorder: self.of(Decision::Reorder),
            corrupt: self.of(Decision::Corrupt),
            tie: self.of(Decision::Tie),
        }
    }

    /// The second copy, which few have: the first one is drawn once more before it, so that its streams need not be kept.
    #[cold]
    fn second(self, rule: &LinkRule, leaves: Duration, length: usize) -> Passing {
        let copies = self.copies();
        copies.next(rule, leaves, length);
        copies.next(rule, leaves, length)
    }
}

/// The streams that the copies of one datagram are drawn from, one after the other.
struct Drawn {
    latency: Stream,
    reorder: Stream,
    corrupt: Stream,
    tie: Stream,
}

impl Drawn {
    #[inline(always)]
    fn next(&self, rule: &LinkRule, leaves: Duration, length: usize) -> Passing {
        let reordered = happens(&self.reorder, rule.reorder);
        let extra = || spread(&self.reorder, Duration::ZERO, rule.reorder_extra);
        let held = if reordered { extra() } else { Duration::ZERO };
        let flips = happens(&self.corrupt, rule.corrupt) && length > 0;
        let bit = || self.corrupt.below(length as u64 * 8) as usize;
        let latency = rule.latency.draw(&self.latency);
        Passing {
            due: leaves.saturating_add(latency).saturating_add(held),
            tie: self.tie.next_word(),
            reordered,
            flipped_bit: flips.then(bit),
        }
    }
}

/// What never happens is not drawn: each decision has a stream of its own, so that shifts nothing.
#[inline]
fn happens(stream: &Stream, rate: f64) -> bool {
    rate > 0.0 && stream.chance(rate)
}

/// Waits for the bandwidth, which is free at `free_at`: when the last bit of the datagram leaves.
fn queue(
    free_at: &mut Duration,
    rule: &LinkRule,
    now: Duration,
    length: usize,
) -> Result<Duration, Fate> {
    let Some(bandwidth) = rule.bandwidth_bps else { return Ok(now) };
    let waiting_bytes = if *free_at <= now {
        0
    } else {
        (*free_at - now).as_nanos() * u128::from(bandwidth) / 8_000_000_000
    };
    // What finds nobody before it does not wait.
    if waiting_bytes > 0 && waiting_bytes + length as u128 > u128::from(rule.queue_bytes_max) {
        return Err(Fate::QueueFull);
    }
    let bits_ns = (length as u64).saturating_mul(8 * 1_000_000_000);
    *free_at = (*free_at).max(now).saturating_add(Duration::from_nanos(bits_ns / bandwidth.max(1)));
    Ok(*free_at)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::{super::latency::Latency, *};

    const SECOND: Duration = Duration::from_secs(1);

    impl Copies {
        fn into_vec(self) -> Vec<Passing> {
            self.into_iter().collect()
        }
    }

    fn link(seed: u64) -> Link {
        Link::new(seed, Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into())
    }

    fn pass(
        link: &mut Link,
        rule: &LinkRule,
        now: Duration,
        length: usize,
    ) -> Result<Vec<Passing>, Fate> {
        let number = link.number();
        link.pass(rule, now, number, length).map(Copies::into_vec)
    }

    fn pass_all(seed: u64, rule: &LinkRule) -> Vec<Result<Vec<Passing>, Fate>> {
        let mut link = link(seed);
        (0..2000).map(|_| pass(&mut link, rule, SECOND, 100)).collect()
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

    /// What each fault does to a datagram, apart from the others: lost, copies, latency of each, held, bit.
    fn fates(rule: &LinkRule) -> Vec<Option<Vec<Passing>>> {
        pass_all(4, rule).into_iter().map(Result::ok).collect()
    }

    #[test]
    fn turning_one_fault_off_shifts_no_other() {
        let all = LinkRule {
            loss: 0.1,
            duplicate: 0.1,
            reorder: 0.1,
            corrupt: 0.1,
            bandwidth_bps: None,
            ..LinkRule::rough()
        };
        let with = fates(&all);
        let each = |rule: &LinkRule, same: &dyn Fn(&[Passing], &[Passing]) -> bool| {
            let without = fates(rule);
            assert_ne!(with, without, "the fault was on");
            with.iter().zip(&without).all(|pair| match pair {
                (Some(with), Some(without)) => same(with, without),
                // Only what was lost may come now.
                (None, _) => rule.loss == 0.0 || pair.1.is_none(),
                (Some(_), None) => false,
            })
        };
        assert!(each(&LinkRule { loss: 0.0, ..all }, &|with, without| with == without));
        let first =
            |with: &[Passing], without: &[Passing]| with[0] == without[0] && without.len() == 1;
        assert!(each(&LinkRule { duplicate: 0.0, ..all }, &first));
        let in_time = |with: &[Passing], without: &[Passing]| {
            with.iter().zip(without).all(|(with, without)| {
                let rest = Passing { due: with.due, reordered: with.reordered, ..*without };
                rest == *with && (with.reordered || with == without) && !without.reordered
            })
        };
        assert!(each(&LinkRule { reorder: 0.0, ..all }, &in_time));
        let whole = |with: &[Passing], without: &[Passing]| {
            let cured = with.iter().map(|copy| Passing { flipped_bit: None, ..*copy });
            cured.eq(without.iter().cloned())
        };
        assert!(each(&LinkRule { corrupt: 0.0, ..all }, &whole));
        let slow = LinkRule { latency: all.latency.later_by(SECOND), ..all };
        let as_much = |with: &[Passing], without: &[Passing]| {
            let later = with.iter().map(|copy| Passing { due: copy.due + SECOND, ..*copy });
            later.eq(without.iter().cloned())
        };
        assert!(each(&slow, &as_much));
    }

    #[test]
    fn a_datagram_that_waited_meets_the_fate_it_would_have_met() {
        let rule = LinkRule { bandwidth_bps: None, ..LinkRule::rough() };
        let (mut one, mut other) = (link(9), link(9));
        let at_once: Vec<_> = (0..500).map(|_| pass(&mut one, &rule, SECOND, 100)).collect();
        let numbers: Vec<_> = (0..500).map(|_| other.number()).collect();
        // Reports and the order in which they pass make no difference either.
        other.number_report();
        let later = numbers
            .into_iter()
            .rev()
            .map(|number| other.pass(&rule, SECOND, number, 100).map(Copies::into_vec));
        let mut later: Vec<_> = later.collect();
        later.reverse();
        assert_eq!(at_once, later);
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
    fn in_order_only_those_that_are_held_back_change_places() {
        let rule = LinkRule { in_order: true, reorder: 0.1, loss: 0.1, ..LinkRule::lan() };
        let firsts: Vec<_> = pass_all(7, &rule).into_iter().flatten().map(|it| it[0]).collect();
        let in_order: Vec<_> = firsts.iter().filter(|copy| !copy.reordered).collect();
        assert!((1500..1750).contains(&in_order.len()), "{}", in_order.len());
        assert!(in_order.windows(2).all(|pair| pair[0].due <= pair[1].due));
        // Those of one moment have one tie, by which the first is the first.
        let (equal, apart): (Vec<_>, Vec<_>) =
            in_order.windows(2).partition(|pair| pair[0].due == pair[1].due);
        assert!(equal.len() > 100 && !apart.is_empty(), "{} and {}", equal.len(), apart.len());
        assert!(equal.iter().all(|pair| pair[0].tie == pair[1].tie));
        // Nobody is later than the slowest before it.
        let latest = SECOND + Duration::from_millis(2);
        assert!(in_order.iter().all(|copy| copy.due <= latest), "{:?}", in_order.last());
        assert!(firsts.windows(2).any(|pair| pair[0].due > pair[1].due));
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
            (0..3).map(|_| pass(&mut link, &rule, SECOND, 1000).expect("room")[0].due).collect();
        assert_eq!(dues, [SECOND * 2, SECOND * 3, SECOND * 4]);
        assert_eq!(pass(&mut link, &rule, SECOND, 1000), Err(Fate::QueueFull));
        assert!(pass(&mut link, &rule, SECOND * 2, 1000).is_ok());
    }
}
