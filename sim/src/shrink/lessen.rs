//! Less of what is left: shorter phases, shorter and milder faults, rounder times.
//!
//! Each change is tried by itself, and kept if the run still fails alike. Read `shrink.rs` for the order.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Shrinker, with_faults};
use crate::{
    fault::{Fault, Strain},
    plan::{Plan, PlannedFault},
    script::{Script, ScriptError, TimedStep},
};

const MS: Duration = Duration::from_millis(1);

/// Takes out the time in which nothing begins or ends, and ends the safety phase as early as it can be.
pub(super) fn shorten(shrinker: &mut Shrinker<'_>) {
    for gap_max in [MS * 10, MS * 100, MS * 1_000, MS * 5_000] {
        let script = shrinker.best.clone();
        let closed = with_gaps_closed(&script, gap_max);
        if closed.as_ref().is_ok_and(|closed| *closed == script) || shrinker.fails(closed) {
            break;
        }
    }
    let script = shrinker.best.clone();
    let last_step = script.steps().last().map_or(Duration::ZERO, |step| step.at);
    let least = script.faults().ends().max(last_step);
    // With the last event, or some time after it, for a bug may need that.
    let mut extra = Duration::ZERO;
    while least + extra < script.safety() {
        let (faults, steps) = (script.faults().clone(), script.steps().to_vec());
        let shorter = Script::new(faults, steps, least + extra, script.liveness_max());
        if shrinker.fails(shorter) {
            return;
        }
        extra = (extra * 4).max(Duration::from_secs(1));
    }
}

/// The script with at most this time between two moments at which something begins or ends. Their order stays.
fn with_gaps_closed(script: &Script, gap_max: Duration) -> Result<Script, ScriptError> {
    let faults = script.faults().faults().iter().flat_map(|fault| [fault.at, fault.ends()]);
    let moments = faults.chain(script.steps().iter().map(|step| step.at)).chain([script.safety()]);
    let moments: BTreeSet<_> = moments.collect();
    let (mut moved, mut before, mut now) = (BTreeMap::new(), Duration::ZERO, Duration::ZERO);
    for moment in moments {
        now += (moment - before).min(gap_max);
        moved.insert(moment, now);
        before = moment;
    }
    let fault = |fault: &PlannedFault| {
        let (at, ends) = (moved[&fault.at], moved[&fault.ends()]);
        PlannedFault { at, lasts: ends - at, fault: fault.fault.clone() }
    };
    let step = |step: &TimedStep| TimedStep { at: moved[&step.at], step: step.step.clone() };
    let faults = Plan::new(script.faults().faults().iter().map(fault).collect())?;
    let steps = script.steps().iter().map(step).collect();
    Script::new(faults, steps, moved[&script.safety()], script.liveness_max())
}

/// Tries for each fault that is left to make it shorter, milder, and its time rounder.
pub(super) fn lessen(shrinker: &mut Shrinker<'_>) {
    let mut at = 0;
    while at < shrinker.best.faults().faults().len() {
        // One change makes others possible, but not for ever: each leaves less of the fault.
        while lessen_one(shrinker, at) {}
        at += 1;
    }
}

/// Makes one fault a little less, if the run still fails.
fn lessen_one(shrinker: &mut Shrinker<'_>, at: usize) -> bool {
    let script = shrinker.best.clone();
    less(&script.faults().faults()[at]).into_iter().any(|fault| {
        let mut faults = script.faults().faults().to_vec();
        faults[at] = fault;
        // One that would change its place in the order stays where it is.
        faults.is_sorted_by_key(|fault| fault.at)
            && shrinker.fails(
                Plan::new(faults).map_err(Into::into).and_then(|plan| with_faults(&script, plan)),
            )
    })
}

/// What is a little less than this fault, the boldest change first.
fn less(planned: &PlannedFault) -> Vec<PlannedFault> {
    let with = |fault| PlannedFault { fault, ..planned.clone() };
    let mut tries: Vec<_> = milder(&planned.fault).into_iter().map(with).collect();
    for lasts in [MS, planned.lasts / 4, planned.lasts * 3 / 4] {
        let lasts = Duration::from_millis(lasts.as_millis() as u64).max(MS);
        if lasts < planned.lasts {
            tries.push(PlannedFault { lasts, ..planned.clone() });
        }
    }
    for unit in [1000, 100, 10] {
        let ms = planned.at.as_millis() as u64;
        let at = Duration::from_millis(ms - ms % unit);
        if at < planned.at {
            tries.push(PlannedFault { at, ..planned.clone() });
        }
    }
    tries
}

fn milder(fault: &Fault) -> Vec<Fault> {
    match fault {
        Fault::Strain { from, to, strain } => {
            let with = |strain| Fault::Strain { from: from.clone(), to: to.clone(), strain };
            milder_strains(*strain).into_iter().map(with).collect()
        }
        Fault::Skew { node, skew_ms } => {
            let parts = [skew_ms / 10, skew_ms / 2];
            let parts = parts.into_iter().filter(|less| less != skew_ms && *less != 0);
            parts.map(|skew_ms| Fault::Skew { node: node.clone(), skew_ms }).collect()
        }
        Fault::ZoneCrash { nodes, .. } => {
            nodes.iter().map(|node| Fault::Crash { node: node.clone() }).collect()
        }
        Fault::Partition { one, other } => match (one.as_slice(), other.as_slice()) {
            ([a], [b]) => [(a, b), (b, a)]
                .map(|(from, to)| Fault::Cut { from: from.clone(), to: to.clone() })
                .to_vec(),
            _ => smaller_partitions(one, other),
        },
        Fault::Drift { node, ppm } => {
            let parts = [ppm / 10, ppm / 2].into_iter().filter(|less| *less != 0);
            parts.map(|ppm| Fault::Drift { node: node.clone(), ppm }).collect()
        }
        Fault::SlowDisk { node, slower_ms } => {
            let parts = [slower_ms / 10, slower_ms / 2].into_iter().filter(|less| *less > 0);
            parts.map(|slower_ms| Fault::SlowDisk { node: node.clone(), slower_ms }).collect()
        }
        Fault::DiskErrors { node, error_permille } => {
            let parts = [error_permille / 10, error_permille / 2];
            let less = |error_permille| Fault::DiskErrors { node: node.clone(), error_permille };
            parts.into_iter().filter(|rate| *rate > 0).map(less).collect()
        }
        Fault::Slow { node, factor } => {
            let parts = [factor / 10, factor / 2].into_iter().filter(|less| *less > 1);
            parts.map(|factor| Fault::Slow { node: node.clone(), factor }).collect()
        }
        _ => milder_by_number(fault),
    }
}

/// The same fault with smaller numbers, or fewer nodes.
fn milder_by_number(fault: &Fault) -> Vec<Fault> {
    let with = |change: fn(&mut Fault, u64), values: Vec<u64>| {
        let less = |value| {
            let mut milder = fault.clone();
            change(&mut milder, value);
            milder
        };
        values.into_iter().map(less).filter(|milder| milder != fault).collect()
    };
    let parts = |value: u64| vec![(value / 10).max(1), (value / 2).max(1)];
    match *fault {
        Fault::SyncErrors { error_permille: rate, .. }
        | Fault::TornWrites { torn_permille: rate, .. }
        | Fault::LyingDisk { lost_permille: rate, .. }
        | Fault::MisdirectedWrites { misdirected_permille: rate, .. }
        | Fault::BitRot { rot_permille: rate, .. }
        | Fault::SlowSync { slow_permille: rate, .. }
            if rate > 1 =>
        {
            with(set_rate, parts(u64::from(rate)))
        }
        Fault::Buggify { percent } if percent > 1 => with(set_rate, parts(u64::from(percent))),
        Fault::Tail { median_ms, .. } if median_ms > 1 => with(set_rate, parts(median_ms)),
        // Mild is what carries much.
        Fault::Throttle { bandwidth_kbps, .. } if bandwidth_kbps < MUCH_KBPS => {
            with(set_rate, vec![MUCH_KBPS, bandwidth_kbps.saturating_mul(4).min(MUCH_KBPS)])
        }
        Fault::Lookups { .. } => milder_lookups(fault),
        Fault::Swizzle { ref nodes, over_ms } if nodes.len() > 1 => {
            let without = |at: usize| {
                let mut nodes = nodes.clone();
                nodes.remove(at);
                Fault::Swizzle { nodes, over_ms }
            };
            (0..nodes.len()).map(without).collect()
        }
        Fault::Topology { .. } => {
            // The same, one cut after the other.
            let cuts = fault.cuts().into_iter();
            cuts.map(|(from, to)| Fault::Cut { from: from.to_owned(), to: to.to_owned() }).collect()
        }
        _ => Vec::new(),
    }
}

/// What a link carries that is hardly throttled.
const MUCH_KBPS: u64 = 100_000;

/// Sets the number of a fault that says how much.
fn set_rate(fault: &mut Fault, value: u64) {
    match fault {
        Fault::SyncErrors { error_permille: rate, .. }
        | Fault::TornWrites { torn_permille: rate, .. }
        | Fault::LyingDisk { lost_permille: rate, .. }
        | Fault::MisdirectedWrites { misdirected_permille: rate, .. }
        | Fault::BitRot { rot_permille: rate, .. }
        | Fault::SlowSync { slow_permille: rate, .. } => *rate = value as u16,
        Fault::Buggify { percent } => *percent = value as u8,
        Fault::Tail { median_ms, .. } => *median_ms = value,
        Fault::Throttle { bandwidth_kbps, .. } => *bandwidth_kbps = value,
        _ => {}
    }
}

/// One rate less in each, down to nothing or to its half.
fn milder_lookups(fault: &Fault) -> Vec<Fault> {
    let mut tries = Vec::new();
    for which in 0..4 {
        for part in [0, 2] {
            let mut milder = fault.clone();
            let Fault::Lookups { failure_permille, silence_permille, stale_permille, slower_ms } =
                &mut milder
            else {
                return tries;
            };
            match which {
                0 => *failure_permille = failure_permille.checked_div(part).unwrap_or(0),
                1 => *silence_permille = silence_permille.checked_div(part).unwrap_or(0),
                2 => *stale_permille = stale_permille.checked_div(part).unwrap_or(0),
                _ => *slower_ms = slower_ms.checked_div(u64::from(part)).unwrap_or(0),
            }
            tries.push(milder);
        }
    }
    tries.retain(|milder| milder != fault);
    tries
}

/// One rate less in each, down to nothing or to its half.
fn milder_strains(strain: Strain) -> Vec<Strain> {
    let rates: [fn(&mut Strain) -> &mut u16; 4] = [
        |strain| &mut strain.loss_permille,
        |strain| &mut strain.duplicate_permille,
        |strain| &mut strain.reorder_permille,
        |strain| &mut strain.corrupt_permille,
    ];
    let mut tries = Vec::new();
    for rate in rates {
        for part in [0, 2] {
            let mut milder = strain;
            let value = rate(&mut milder);
            *value = value.checked_div(part).unwrap_or(0);
            tries.push(milder);
        }
    }
    for slower_ms in [0, strain.slower_ms / 2] {
        tries.push(Strain { slower_ms, ..strain });
    }
    tries.retain(|milder| *milder != strain);
    tries
}

/// The same partition with one node fewer, on either side.
fn smaller_partitions(one: &[String], other: &[String]) -> Vec<Fault> {
    let without = |names: &[String], at: usize| {
        let mut names = names.to_vec();
        names.remove(at);
        names
    };
    let mut tries = Vec::new();
    if one.len() > 1 {
        let fewer = |at| Fault::Partition { one: without(one, at), other: other.to_vec() };
        tries.extend((0..one.len()).map(fewer));
    }
    if other.len() > 1 {
        let fewer = |at| Fault::Partition { one: one.to_vec(), other: without(other, at) };
        tries.extend((0..other.len()).map(fewer));
    }
    tries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Topology;

    #[test]
    fn gaps_are_closed_and_the_order_stays() {
        let plan = "{\"at_ms\":5000,\"for_ms\":400,\"fault\":\"crash\",\"node\":\"b\"}\n\
                    {\"at_ms\":5300,\"for_ms\":9000,\"fault\":\"pause\",\"node\":\"c\"}";
        let step = TimedStep { at: MS * 5_300, step: 1.into() };
        let script = Script::new(plan.parse().unwrap(), vec![step], MS * 60_000, MS).unwrap();
        let closed = with_gaps_closed(&script, MS * 100).unwrap();
        let faults = closed.faults().faults();
        assert_eq!((faults[0].at, faults[0].ends()), (MS * 100, MS * 300));
        assert_eq!((faults[1].at, faults[1].ends()), (MS * 200, MS * 400));
        assert_eq!((closed.steps()[0].at, closed.safety()), (MS * 200, MS * 500));
        assert_eq!(with_gaps_closed(&script, MS * 60_000).unwrap(), script);
    }

    /// Every change leaves less of a fault, so that trying comes to an end.
    #[test]
    fn what_is_less_comes_to_an_end() {
        let name = |name: &str| name.to_owned();
        let strain = Strain {
            loss_permille: 300,
            duplicate_permille: 2,
            reorder_permille: 77,
            corrupt_permille: 1,
            slower_ms: 99,
        };
        let faults = [
            Fault::Crash { node: name("a") },
            Fault::ZoneCrash { zone: name("z"), nodes: vec![name("a"), name("b")] },
            Fault::Strain { from: name("a"), to: name("b"), strain },
            Fault::Partition { one: vec![name("a")], other: vec![name("b"), name("c")] },
            Fault::Skew { node: name("a"), skew_ms: -10_000 },
            Fault::Drift { node: name("a"), ppm: -100_000 },
            Fault::Slow { node: name("a"), factor: 300 },
            Fault::BitRot { node: name("a"), rot_permille: 90 },
            Fault::SlowSync { node: name("a"), slow_permille: 9, slower_ms: 70 },
            Fault::Buggify { percent: 25 },
            Fault::Throttle { from: name("a"), to: name("b"), bandwidth_kbps: 32 },
            Fault::Tail { from: name("a"), to: name("b"), median_ms: 90, sigma_percent: 150 },
            Fault::Swizzle { nodes: vec![name("a"), name("b")], over_ms: 500 },
            Fault::Topology {
                shape: Topology::Bridge(None),
                nodes: vec![name("a"), name("b"), name("c")],
            },
            Fault::Lookups {
                failure_permille: 10,
                silence_permille: 7,
                stale_permille: 900,
                slower_ms: 55,
            },
        ];
        let ms = Duration::from_millis;
        // The boldest change each time, and the mildest, which is the longest way.
        let picks: [fn(Vec<PlannedFault>) -> Option<PlannedFault>; 2] =
            [|tries| tries.into_iter().next(), |tries| tries.into_iter().last()];
        for (fault, pick) in faults.iter().flat_map(|fault| picks.map(|pick| (fault, pick))) {
            let mut planned =
                PlannedFault { at: ms(12_345), lasts: ms(6_789), fault: fault.clone() };
            let mut changes = 0;
            while let Some(next) = pick(less(&planned)) {
                assert_ne!(next, planned);
                planned = next;
                changes += 1;
                assert!(changes < 200, "{planned}");
            }
            assert_eq!((planned.at, planned.lasts), (ms(12_000), MS));
        }
    }
}
