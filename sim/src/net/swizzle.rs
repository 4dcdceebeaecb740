//! Swizzle-clogging: hosts are clogged one after the other, and unclogged in another order.
//!
//! As FoundationDB does it (its page "Simulation and Testing"): a random subset of nodes is picked, the connections
//! of each are clogged one by one, and then unclogged in a random order, again one by one, until all are up. Pure: a
//! list of hosts and a stream of random words in, steps out. Read `fabric.rs` for how they are taken.

use std::time::Duration;

use odeon_interpose::Stream;

use super::latency::spread;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step<H> {
    /// How long after the beginning.
    pub(super) at: Duration,
    pub(super) host: H,
    /// Clogged by this step, or unclogged.
    pub(super) clogs: bool,
}

/// Picks each host with an even chance, one at least, and clogs them within the first half of `over`, unclogs them
/// within the second.
pub(super) fn plan<H: Copy>(hosts: &[H], over: Duration, random: &Stream) -> Vec<Step<H>> {
    let mut order = hosts.to_vec();
    random.shuffle(&mut order);
    let chosen = order.iter().filter(|_| random.chance(0.5)).count();
    order.truncate(chosen.max(1));
    let half = over / 2;
    let mut steps = at_times(&order, true, (Duration::ZERO, half), random);
    random.shuffle(&mut order);
    steps.extend(at_times(&order, false, (half, over), random));
    steps
}

fn at_times<H: Copy>(
    order: &[H],
    clogs: bool,
    (low, high): (Duration, Duration),
    random: &Stream,
) -> Vec<Step<H>> {
    let mut times: Vec<_> = order.iter().map(|_| spread(random, low, high)).collect();
    times.sort_unstable();
    times.into_iter().zip(order).map(|(at, host)| Step { at, host: *host, clogs }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_that_is_clogged_is_unclogged_later_and_in_time(
            seed: u64,
            hosts in 1_usize..20,
            over_ms in 0_u64..60_000,
        ) {
            let over = Duration::from_millis(over_ms);
            let names: Vec<_> = (0..hosts).collect();
            let steps = plan(&names, over, &Stream::new(seed));
            prop_assert!(steps.is_sorted_by_key(|step| step.at));
            prop_assert!(steps.iter().all(|step| step.at <= over));
            let (clogs, unclogs): (Vec<Step<usize>>, Vec<_>) = steps.iter().partition(|step| step.clogs);
            prop_assert!(clogs.iter().all(|step| step.at <= over / 2));
            prop_assert!(unclogs.iter().all(|step| step.at >= over / 2));
            let set = |steps: &[Step<usize>]| steps.iter().map(|step| step.host).collect::<BTreeSet<_>>();
            prop_assert_eq!(set(&clogs), set(&unclogs));
            prop_assert_eq!(clogs.len(), set(&clogs).len());
            prop_assert_eq!(unclogs.len(), clogs.len());
            prop_assert!(!clogs.is_empty());
        }
    }

    #[test]
    fn subsets_and_orders_differ_by_seed() {
        let plans =
            (0..50).map(|seed| plan(&[0, 1, 2, 3, 4], Duration::from_secs(4), &Stream::new(seed)));
        let orders = |clogs| {
            let hosts = move |step: Step<u8>| (step.clogs == clogs).then_some(step.host);
            let order =
                move |steps: Vec<_>| steps.into_iter().filter_map(hosts).collect::<Vec<_>>();
            plans.clone().map(order).collect::<BTreeSet<_>>()
        };
        let (clogs, unclogs) = (orders(true), orders(false));
        assert!(clogs.len() > 20 && unclogs.len() > 20);
        assert!(clogs.iter().map(Vec::len).collect::<BTreeSet<_>>().len() >= 4);
    }
}
