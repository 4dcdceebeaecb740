//! What every plan keeps, whatever the seed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    fault::{FaultKind, Strain},
    scenario::Site,
};

const MINUTE: Duration = Duration::from_secs(60);

fn nodes(count: usize) -> Vec<Site> {
    let zones = ["east", "west", "north"];
    (0..count).map(|i| Site::new(format!("n{i}")).in_zone(zones[i % 3])).collect()
}

/// Everything at once, without a bound.
fn flood() -> Swarm {
    let all = FaultKind::ALL.into_iter().fold(Swarm::none(), Swarm::with);
    all.chance(1.0).budget(Budget::unbounded())
}

fn of_kind(plan: &Plan, kind: FaultKind) -> Vec<PlannedFault> {
    plan.faults().iter().filter(|fault| fault.fault.kind() == kind).cloned().collect()
}

fn word() -> impl Strategy<Value = String> {
    "[a-z\"\\\\ ]{1,4}"
}

fn any_fault() -> impl Strategy<Value = Fault> {
    let words = || prop::collection::vec(word(), 1..4);
    let strain =
        (prop::array::uniform4(0_u16..=1000), 0_u64..1_000_000).prop_map(|(rates, slower_ms)| {
            Strain {
                loss_permille: rates[0],
                duplicate_permille: rates[1],
                reorder_permille: rates[2],
                corrupt_permille: rates[3],
                slower_ms,
            }
        });
    let ends = || (word(), word()).prop_filter("a link has two ends", |(from, to)| from != to);
    prop_oneof![
        word().prop_map(|node| Fault::Crash { node }),
        word().prop_map(|node| Fault::Pause { node }),
        (word(), words()).prop_map(|(zone, nodes)| Fault::ZoneCrash { zone, nodes }),
        ends().prop_map(|(from, to)| Fault::Cut { from, to }),
        (words(), words()).prop_map(|(one, other)| Fault::Partition { one, other }),
        (ends(), strain).prop_map(|((from, to), strain)| Fault::Strain { from, to, strain }),
        ends().prop_map(|(from, to)| Fault::Clog { from, to }),
        (ends(), 1_u64.., 0_u8..=100).prop_map(|((from, to), period_ms, up_percent)| {
            Fault::Flap { from, to, period_ms, up_percent }
        }),
        (word(), 1_u32..=SLOWNESS_MAX).prop_map(|(node, factor)| Fault::Slow { node, factor }),
        (word(), any::<u64>()).prop_map(|(node, slower_ms)| Fault::SlowDisk { node, slower_ms }),
        (word(), 0_u16..=1000)
            .prop_map(|(node, error_permille)| Fault::DiskErrors { node, error_permille }),
        (word(), -500_000..=500_000).prop_map(|(node, ppm)| Fault::Drift { node, ppm }),
        (word(), any::<i64>()).prop_map(|(node, skew_ms)| Fault::Skew { node, skew_ms }),
        // Whatever seeds draw, so that no kind is left out.
        any::<u64>().prop_map(drawn),
    ]
}

/// One fault of many that a seed draws, of any kind.
fn drawn(seed: u64) -> Fault {
    let faults = flood().expand(seed, &nodes(5), MINUTE).into_faults();
    faults[(seed % faults.len() as u64) as usize].fault.clone()
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let planned = (0_u64..100_000, 0_u64..100_000, any_fault()).prop_map(|(at, lasts, fault)| {
        let ms = Duration::from_millis;
        PlannedFault { at: ms(at), lasts: ms(lasts), fault }
    });
    prop::collection::vec(planned, 0..20).prop_map(|faults| Plan::new(faults).expect("it is short"))
}

proptest! {
    #[test]
    fn a_seed_has_one_plan_and_all_of_it_is_repaired_in_time(seed: u64, count in 1_usize..8) {
        let (swarm, nodes) = (Swarm::all(), nodes(count));
        let plan = swarm.expand(seed, &nodes, MINUTE);
        prop_assert_eq!(&plan, &swarm.expand(seed, &nodes, MINUTE));
        prop_assert!(plan.ends() <= MINUTE);
        prop_assert!(plan.faults().is_sorted_by_key(|fault| fault.at));
        let known: Vec<_> = nodes.into_iter().map(|site| site.name).collect();
        prop_assert!(plan.names_only(&known).is_ok());
        let on = swarm.kinds(seed);
        prop_assert!(plan.faults().iter().all(|fault| on.contains(&fault.fault.kind())));
    }

    #[test]
    fn the_budget_is_never_exceeded(seed: u64, count in 1_usize..8, settle_ms in 0_u64..3000) {
        let settle = Duration::from_millis(settle_ms);
        let budget = Budget { settle, ..Budget::minority_of(count) };
        let swarm = Swarm::all().chance(1.0).budget(budget);
        let plan = swarm.expand(seed, &nodes(count), 5 * MINUTE);
        // At every virtual time: in steps, and at each moment at which something begins or ends.
        let steps = (0..300_000).step_by(500).map(Duration::from_millis);
        let moments = plan.faults().iter().flat_map(|fault| [fault.at, fault.ends()]);
        for at in steps.chain(moments) {
            prop_assert!(plan.impaired_at(at, settle).len() <= budget.impaired_max);
        }
    }

    #[test]
    fn a_kind_that_is_left_out_shifts_no_other(seed: u64) {
        let nodes = nodes(5);
        let all = flood().expand(seed, &nodes, MINUTE);
        for left_out in FaultKind::ALL {
            let plan = flood().without(left_out).expand(seed, &nodes, MINUTE);
            for kind in FaultKind::ALL.into_iter().filter(|kind| *kind != left_out) {
                prop_assert_eq!(of_kind(&plan, kind), of_kind(&all, kind));
            }
            prop_assert!(of_kind(&plan, left_out).is_empty());
        }
    }

    #[test]
    fn a_node_that_is_left_out_shifts_no_crash_of_another(seed: u64) {
        // The pace is for all nodes, so it grows with their number.
        let pace = |count: u32| Pace::new(Duration::from_secs(60) / count, MINUTE / 60..=MINUTE / 30);
        let crashes = |count: u32| {
            let swarm = flood().with_pace(FaultKind::Crash, pace(count));
            of_kind(&swarm.expand(seed, &nodes(count as usize), 10 * MINUTE), FaultKind::Crash)
        };
        let (four, three) = (crashes(4), crashes(3));
        let left = four.into_iter().filter(|planned| !planned.fault.nodes().any(|node| node == "n3"));
        prop_assert_eq!(left.collect::<Vec<_>>(), three);
    }

    #[test]
    fn taking_one_entry_out_leaves_the_rest(plan in any_plan(), index: prop::sample::Index) {
        prop_assume!(!plan.faults().is_empty());
        let at = index.index(plan.faults().len());
        let mut faults = plan.clone().into_faults();
        faults.remove(at);
        let less = Plan::new(faults).expect("it was a plan");
        prop_assert_eq!(&less.faults()[..at], &plan.faults()[..at]);
        prop_assert_eq!(&less.faults()[at..], &plan.faults()[at + 1..]);
    }

    #[test]
    fn the_text_goes_both_ways(plan in any_plan()) {
        let text = plan.to_string();
        prop_assert_eq!(text.lines().count(), plan.faults().len());
        prop_assert_eq!(&text.parse::<Plan>().expect("it was written by a plan"), &plan);
    }
}

#[test]
fn seeds_turn_different_kinds_on() {
    let subsets: BTreeSet<_> = (0..200).map(|seed| Swarm::all().kinds(seed)).collect();
    assert!(subsets.len() > 150, "{} subsets in 200 seeds", subsets.len());
    assert!((0..200).all(|seed| Swarm::none().kinds(seed).is_empty()));
}

#[test]
fn every_kind_comes_at_about_its_pace() {
    for kind in FaultKind::ALL {
        // One by one: all together are more than a plan holds.
        let swarm = Swarm::none().with(kind).chance(1.0).budget(Budget::unbounded());
        let plan = swarm.expand(1, &nodes(6), 60 * MINUTE);
        let count = of_kind(&plan, kind).len();
        assert!((60..800).contains(&count), "{kind}: {count} in an hour");
    }
}

#[test]
fn what_cannot_be_a_plan_is_refused_and_named() {
    let error = |text: &str| text.parse::<Plan>().expect_err("it is no plan").to_string();
    assert!(error("\n{\"at_ms\":1,\"for_ms\":1,\"fault\":\"flood\"}").contains("line 2"));
    assert!(
        error("{\"at_ms\":-1,\"for_ms\":1,\"fault\":\"crash\",\"node\":\"a\"}").contains("line 1")
    );
    let late =
        format!("{{\"at_ms\":1,\"for_ms\":{},\"fault\":\"crash\",\"node\":\"a\"}}", u64::MAX);
    assert!(error(&late).contains("a week"));
    let strain = "{\"at_ms\":1,\"for_ms\":1,\"fault\":\"strain\",\"from\":\"a\",\"to\":\"b\",\"loss_permille\":1001}";
    assert!(error(strain).contains("100.1 % are lost, which cannot be"));
    for fault in ["slow\",\"factor\":10001", "slow\",\"factor\":0", "drift\",\"ppm\":-500001"] {
        let line = format!("{{\"at_ms\":1,\"for_ms\":1,\"node\":\"a\",\"fault\":\"{fault}}}");
        assert!(error(&line).contains("which cannot be"), "{line}");
    }
    let crash = "{\"at_ms\":1,\"for_ms\":1,\"fault\":\"crash\",\"node\":\"a\"}\n";
    assert!(error(&crash.repeat(FAULTS_MAX + 1)).contains("4097"));
    let plan: Plan = crash.parse().expect("it is one");
    assert!(
        plan.names_only(&["b".to_owned()]).expect_err("a is unknown").to_string().contains("\"a\"")
    );
}

#[test]
fn at_most_a_minority_of_disks_is_damaged_for_good() {
    let kinds = [FaultKind::LyingDisk, FaultKind::MisdirectedWrites, FaultKind::BitRot];
    let swarm = kinds.into_iter().fold(Swarm::none(), Swarm::with).chance(1.0);
    for count in 1..8 {
        let most =
            (0..50).map(|seed| swarm.expand(seed, &nodes(count), 10 * MINUTE).damaged().len());
        assert_eq!(most.max(), Some((count - 1) / 2), "of {count}");
    }
    assert!(kinds.iter().all(|kind| !Swarm::all().chance(1.0).kinds(1).contains(kind)));
}

#[test]
fn a_shape_is_drawn_that_the_budget_admits() {
    let shapes = |count, budget| {
        let swarm = Swarm::none().with(FaultKind::Topology).chance(1.0).budget(budget);
        let plans = (0..40).map(|seed| swarm.expand(seed, &nodes(count), 5 * MINUTE));
        let faults: Vec<_> = plans.flat_map(Plan::into_faults).collect();
        let named = faults.iter().map(|planned| match &planned.fault {
            Fault::Topology { shape, .. } => format!("{shape:?}"),
            other => other.to_string(),
        });
        (named.collect::<BTreeSet<_>>(), faults.len())
    };
    let (some, admitted) = shapes(4, Budget::minority_of(4));
    let expected = ["Bridge(None)", "Deaf(None)", "Isolate(None)", "Mute(None)", "Partial"];
    assert_eq!(some, expected.into_iter().map(str::to_owned).collect());
    let (all, wanted) = shapes(4, Budget::unbounded());
    assert!(["Ring", "Star(None)", "MajoritiesRing"].iter().all(|it| all.contains(*it)), "{all:?}");
    assert_eq!(admitted, wanted, "none is drawn in vain");
}

#[test]
fn of_a_site_that_is_spared_only_links_break() {
    let spared = |count: usize| {
        let mut nodes = nodes(count);
        nodes[0].links_only = true;
        nodes
    };
    let plan = flood().expand(1, &spared(4), 2 * MINUTE);
    let name = spared(4)[0].name.clone();
    let hits = |planned: &&PlannedFault| planned.fault.nodes().any(|node| node == name);
    let kinds: BTreeSet<_> =
        plan.faults().iter().filter(hits).map(|planned| planned.fault.kind()).collect();
    let links = [FaultKind::Cut, FaultKind::Strain, FaultKind::Clog, FaultKind::Partition];
    assert!(links.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    let spared = [FaultKind::Crash, FaultKind::Pause, FaultKind::Skew, FaultKind::ZoneCrash];
    assert!(!spared.iter().any(|kind| kinds.contains(kind)), "{kinds:?}");
}

#[test]
fn what_a_shape_leaves_unimpaired_hears_each_other_and_is_as_large_as_can_be() {
    for seed in 0..40 {
        let swarm = Swarm::none().with(FaultKind::Topology).chance(1.0).budget(Budget::unbounded());
        for count in 2..8 {
            for planned in swarm.expand(seed, &nodes(count), 5 * MINUTE).into_faults() {
                let (cuts, impaired) = (planned.fault.cuts(), planned.fault.impairs());
                let cut =
                    |(from, to): &(&str, &str)| !impaired.contains(from) && !impaired.contains(to);
                assert!(!cuts.is_empty() && !cuts.iter().any(cut), "{planned}");
                let names: Vec<_> = planned.fault.nodes().collect();
                let clique = |set: u32| {
                    let within = |name: &str| {
                        let at = names.iter().position(|other| *other == name).expect("it is one");
                        set & 1 << at != 0
                    };
                    !cuts.iter().any(|(from, to)| within(from) && within(to))
                };
                let sets = (0..1_u32 << count).filter(|set| clique(*set));
                let largest = sets.map(u32::count_ones).max().unwrap_or_default() as usize;
                assert_eq!(count - impaired.len(), largest, "{planned}");
            }
        }
    }
}

#[test]
fn a_link_from_a_node_to_itself_is_refused() {
    let fault = Fault::Cut { from: "a".to_owned(), to: "a".to_owned() };
    let planned = PlannedFault { at: Duration::ZERO, lasts: Duration::from_secs(1), fault };
    let error = Plan::new(vec![planned]).expect_err("a hears itself");
    assert!(matches!(&error, PlanError::Itself(node) if node == "a"), "{error}");
}
