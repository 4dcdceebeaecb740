//! What stands between hosts at a time: cuts, clogs, links that flap, hosts that a swizzle has clogged.
//!
//! Pure: it is asked with the time. A cut loses what is sent, a clog holds it back. Each kind has a set of its own, so
//! that the end of one never ends another: a link that flaps up stays cut where it was cut. Read `topology.rs` next.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use thiserror::Error;

/// One direction between two hosts.
pub(super) type Pair = (IpAddr, IpAddr);

/// A link that goes up and down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flap {
    since: Duration,
    period: Duration,
    up: Duration,
}

/// What makes numbers no flapping.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum FlapError {
    /// A link cannot change within no time.
    #[error("the period of a flapping link is zero; give it the time from one rise to the next")]
    Period,
    /// The duty is no part of a period.
    #[error(
        "the duty of a flapping link is {duty}; it is the part of each period in which it is up, from 0 to 1"
    )]
    Duty {
        /// What was given.
        duty: f64,
    },
}

impl Flap {
    pub(super) fn new(since: Duration, period: Duration, duty: f64) -> Result<Self, FlapError> {
        if period.is_zero() {
            return Err(FlapError::Period);
        }
        if !(0.0..=1.0).contains(&duty) {
            return Err(FlapError::Duty { duty });
        }
        let up = Duration::try_from_secs_f64(period.as_secs_f64() * duty).unwrap_or(period);
        Ok(Self { since, period, up })
    }

    /// It begins up, and is up for the first part of each period.
    pub(super) fn is_up(&self, now: Duration) -> bool {
        let elapsed = now.saturating_sub(self.since).as_nanos();
        elapsed % self.period.as_nanos() < self.up.as_nanos()
    }
}

/// All obstacles of a network.
#[derive(Debug, Default)]
pub(super) struct Obstacles {
    pub(super) cuts: BTreeSet<Pair>,
    pub(super) clogs: BTreeSet<Pair>,
    pub(super) flaps: BTreeMap<Pair, Flap>,
    /// How many swizzles have clogged a host.
    swizzled: BTreeMap<IpAddr, u32>,
    /// How often the network was healed, or all swizzles ended: steps of a swizzle from before come too late.
    healed: u64,
}

impl Obstacles {
    /// Whether nothing stands anywhere, as most of the time: then nobody need ask for a pair.
    pub(super) fn are_none(&self) -> bool {
        self.cuts.is_empty()
            && self.flaps.is_empty()
            && self.clogs.is_empty()
            && self.swizzled.is_empty()
    }

    /// Whether what is sent now is lost.
    pub(super) fn is_cut(&self, now: Duration, pair: Pair) -> bool {
        if self.cuts.is_empty() && self.flaps.is_empty() {
            return false;
        }
        self.cuts.contains(&pair) || self.flaps.get(&pair).is_some_and(|flap| !flap.is_up(now))
    }

    /// Whether what is sent is held back.
    pub(super) fn is_clogged(&self, pair: Pair) -> bool {
        if self.clogs.is_empty() && self.swizzled.is_empty() {
            return false;
        }
        let (from, to) = pair;
        // A host never stands in its own way.
        let swizzled = |host| from != to && self.swizzled.contains_key(host);
        self.clogs.contains(&pair) || swizzled(&from) || swizzled(&to)
    }

    /// Which swizzles are still to go on.
    pub(super) fn healed(&self) -> u64 {
        self.healed
    }

    /// One step of a swizzle that began when the network had been healed `healed` times; whether it was taken.
    pub(super) fn swizzle(&mut self, healed: u64, host: IpAddr, clogs: bool) -> bool {
        if healed != self.healed {
            return false;
        }
        if clogs {
            *self.swizzled.entry(host).or_default() += 1;
        } else if let Some(count) = self.swizzled.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                self.swizzled.remove(&host);
            }
        }
        true
    }

    /// Ends every swizzle.
    pub(super) fn unswizzle(&mut self) {
        self.healed += 1;
        self.swizzled.clear();
    }

    /// Removes all of them.
    pub(super) fn heal(&mut self) {
        *self = Self { healed: self.healed + 1, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_end_of_one_obstacle_ends_no_other() {
        let mut obstacles = Obstacles::default();
        obstacles.cuts.insert((A, B));
        obstacles.flaps.insert((A, B), Flap::new(SECOND, SECOND, 0.5).unwrap());
        assert!(obstacles.is_cut(SECOND, (A, B)), "it flaps up and is cut");
        obstacles.cuts.remove(&(A, B));
        assert!(!obstacles.is_cut(SECOND, (A, B)));
        assert!(obstacles.is_cut(SECOND * 8 / 5, (A, B)), "it flaps down");
        obstacles.clogs.insert((A, B));
        assert!(obstacles.swizzle(0, A, true) && obstacles.swizzle(0, A, true));
        assert!(obstacles.swizzle(0, A, false));
        obstacles.clogs.remove(&(A, B));
        assert!(obstacles.is_clogged((A, B)), "the other swizzle lasts");
        assert!(!obstacles.is_clogged((A, A)), "a host hears itself");
        assert!(obstacles.swizzle(0, A, false));
        assert!(!obstacles.is_clogged((A, B)));
    }

    #[test]
    fn after_healing_steps_from_before_come_too_late() {
        let mut obstacles = Obstacles::default();
        let began = obstacles.healed();
        obstacles.swizzle(began, A, true);
        obstacles.heal();
        assert!(!obstacles.is_clogged((A, B)));
        assert!(!obstacles.swizzle(began, B, true) && !obstacles.swizzle(began, A, false));
        assert!(!obstacles.is_clogged((A, B)));
    }

    proptest! {
        #[test]
        fn a_flapping_link_is_up_for_its_duty(
            since_ms in 0_u64..5_000,
            period_ms in 1_u64..2_000,
            duty in 0.0..=1.0_f64,
        ) {
            let (since, period) = (Duration::from_millis(since_ms), Duration::from_millis(period_ms));
            let flap = Flap::new(since, period, duty).unwrap();
            let (steps, periods) = (200, 3);
            let at = |step: u32| since + period * step / steps;
            let up = (0..steps * periods).filter(|step| flap.is_up(at(*step))).count() as f64;
            prop_assert!((up / f64::from(periods) - duty * f64::from(steps)).abs() <= 1.0, "{}", up);
            // Each period has one rise, at its beginning, and one fall.
            let up = |step| flap.is_up(at(step));
            let falls = (1..steps).filter(|step| up(step - 1) && !up(*step)).count();
            let rises = (1..steps).filter(|step| !up(step - 1) && up(*step)).count();
            prop_assert!(falls <= 1 && rises == 0);
        }
    }

    #[test]
    fn what_is_no_flapping_is_refused_by_its_number() {
        assert_eq!(Flap::new(SECOND, Duration::ZERO, 0.5), Err(FlapError::Period));
        assert_eq!(Flap::new(SECOND, SECOND, 1.5), Err(FlapError::Duty { duty: 1.5 }));
        assert!(Flap::new(SECOND, SECOND, f64::NAN).is_err());
    }
}
