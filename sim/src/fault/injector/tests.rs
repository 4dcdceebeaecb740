//! Faults that overlap, and what is left of each when another ends.

mod every_kind;

use std::{net::SocketAddr, time::Duration};

use odeon_env::{Env as _, udp::Transmit};

use super::*;
use crate::{Latency, Role, Strain, WorldBuilder};

const MS: Duration = Duration::from_millis(1);

fn name(name: &str) -> String {
    name.to_owned()
}

/// Runs in a world of three nodes that do nothing.
fn in_a_world(body: impl AsyncFnOnce(&mut World, &mut Injector)) {
    let verdict = WorldBuilder::new(1).run(async |world: &mut World| {
        for name in ["a", "b", "c"] {
            world.node(name, |_| std::future::pending::<()>());
        }
        world.run_for(MS).await;
        body(world, &mut Injector::default()).await;
    });
    assert!(verdict.passed(), "{verdict}");
}

/// The directions that are cut: a datagram is sent over each.
fn cuts(world: &World) -> Vec<(&str, &str)> {
    let is_cut = |from: &str, to: &str| {
        let env = world.env(from).expect("it is up");
        let socket = env.bind(SocketAddr::new(env.address(), 0)).expect("a port is free");
        let before = world.net().counts().cut;
        let transmit = Transmit {
            destination: SocketAddr::new(world.address(to), 1),
            ecn: None,
            contents: b"hello",
            segment_size: None,
            src_ip: None,
        };
        socket.try_send(&transmit).expect("sending never fails");
        world.net().counts().cut > before
    };
    let names = world.names(Role::Node);
    let pairs = names.iter().flat_map(|from| names.iter().map(move |to| (*from, *to)));
    pairs.filter(|(from, to)| is_cut(from, to)).collect()
}

#[test]
fn a_node_that_two_faults_hold_down_comes_back_after_both() {
    in_a_world(async |world, injector| {
        let zone = Fault::ZoneCrash { zone: name("z"), nodes: vec![name("a"), name("b")] };
        injector.begin(world, 0, &Fault::Crash { node: name("a") });
        injector.begin(world, 1, &zone);
        assert!(!world.is_up("a") && !world.is_up("b") && world.is_up("c"));
        injector.end(world, 0);
        assert!(!world.is_up("a"));
        injector.end(world, 1);
        assert!(world.is_up("a") && world.is_up("b"));
        // It has ended already.
        injector.end(world, 1);
    });
}

#[test]
fn the_end_of_a_cut_leaves_what_a_partition_cuts() {
    in_a_world(async |world, injector| {
        let cut = Fault::Cut { from: name("a"), to: name("b") };
        let partition = Fault::Partition { one: vec![name("a")], other: vec![name("b")] };
        injector.begin(world, 0, &cut);
        injector.begin(world, 1, &partition);
        injector.end(world, 0);
        assert_eq!(cuts(world), [("a", "b"), ("b", "a")]);
        injector.begin(world, 2, &cut);
        injector.end(world, 1);
        assert_eq!(cuts(world), [("a", "b")]);
        injector.end(world, 2);
        assert_eq!(cuts(world), []);
    });
}

#[test]
fn links_and_clocks_are_as_before_when_all_has_ended() {
    in_a_world(async |world, injector| {
        let own = LinkRule { loss: 0.2, ..LinkRule::lan() };
        world.set_link_one_way("a", "b", own);
        let rule = |world: &World| world.net().rule(world.address("a"), world.address("b"));
        let strain = |loss_permille, slower_ms| Fault::Strain {
            from: name("a"),
            to: name("b"),
            strain: Strain { loss_permille, slower_ms, ..Strain::default() },
        };
        injector.begin(world, 0, &strain(500, 10));
        injector.begin(world, 1, &strain(100, 0));
        // The rate that the link has already is the higher one; nothing is added twice.
        assert_eq!(rule(world), own);
        injector.end(world, 1);
        let slower = own.latency.later_by(MS * 10);
        assert_eq!((rule(world).loss, rule(world).latency), (0.5, slower));
        injector.begin(world, 2, &Fault::Skew { node: name("a"), skew_ms: -5 });
        injector.begin(world, 3, &Fault::Skew { node: name("a"), skew_ms: 7 });
        injector.end(world, 2);
        let clock = |node: &str| world.env(node).expect("it is up").wall_clock();
        assert_eq!(clock("a"), clock("b") + MS * 7);
        injector.end_all(world);
        let clock = |node: &str| world.env(node).expect("it is up").wall_clock();
        assert_eq!(clock("a"), clock("b"));
        assert_eq!(rule(world), own);
    });
}

#[test]
fn a_link_without_a_rule_of_its_own_has_none_after_a_fault() {
    in_a_world(async |world, injector| {
        let rule = |world: &World| world.net().rule(world.address("a"), world.address("b"));
        let strain = Strain { loss_permille: 100, ..Strain::default() };
        let strained = Fault::Strain { from: name("a"), to: name("b"), strain };
        injector.begin(world, 0, &strained);
        injector.end(world, 0);
        world.set_default_link(LinkRule::rough());
        assert_eq!(rule(world), LinkRule::rough());
        injector.begin(world, 1, &strained);
        injector.begin(world, 2, &strained);
        world.set_default_link(LinkRule::instant());
        injector.end(world, 1);
        assert_eq!(rule(world), LinkRule { loss: 0.1, ..LinkRule::instant() });
        injector.end(world, 2);
        assert_eq!(rule(world), LinkRule::instant());
    });
}

#[test]
fn numbers_as_large_as_can_be_written_make_nothing_panic() {
    in_a_world(async |world, injector| {
        let (from, to, node) = (name("a"), name("b"), name("a"));
        let strain = Strain { slower_ms: u64::MAX, ..Strain::default() };
        let faults = [
            Fault::Strain { from: from.clone(), to: to.clone(), strain },
            Fault::SlowDisk { node: node.clone(), slower_ms: u64::MAX },
            Fault::SlowSync { node: node.clone(), slow_permille: 1000, slower_ms: u64::MAX },
            Fault::Swizzle { nodes: vec![to.clone()], over_ms: u64::MAX },
            Fault::Flap { from: from.clone(), to, period_ms: u64::MAX, up_percent: 100 },
            Fault::Skew { node, skew_ms: i64::MAX },
        ];
        for (index, fault) in faults.iter().enumerate() {
            injector.begin(world, index, fault);
        }
        let env = world.env("a").expect("it is up");
        let disk = env.disk().expect("it has one");
        for _ in 0..3_000 {
            drop(tokio::time::timeout(MS, disk.list()).await);
            drop(tokio::time::timeout(MS, disk.sync()).await);
        }
        drop(cuts(world));
        world.run_until(|| true, Duration::MAX).await.expect("it holds");
        injector.end_all(world);
        world.run_for(MS * 1000).await;
        assert!(cuts(world).is_empty());
    });
}

#[test]
fn a_node_that_two_faults_hold_goes_on_after_both() {
    in_a_world(async |world, injector| {
        let pause = Fault::Pause { node: name("a") };
        injector.begin(world, 0, &pause);
        injector.begin(world, 1, &pause);
        let begun = world.start_on("a", async { 1 });
        injector.end(world, 0);
        world.run_for(MS * 10).await;
        let mut begun = std::pin::pin!(begun);
        let waited = tokio::time::timeout(MS, begun.as_mut()).await;
        assert!(waited.is_err(), "it is still held");
        injector.end_all(world);
        assert_eq!(begun.await, Ok(1));
    });
}

#[test]
fn slow_drifting_clogged_and_flapping_end_as_they_were() {
    in_a_world(async |world, injector| {
        let (from, to) = (name("a"), name("b"));
        let drift = |ppm| Fault::Drift { node: name("a"), ppm };
        injector.begin(world, 0, &Fault::Skew { node: name("a"), skew_ms: 5 });
        injector.begin(world, 1, &drift(100_000));
        world.run_for(MS * 1000).await;
        assert_eq!(world.skew_ns("a"), 105_000_000);
        injector.end(world, 1);
        assert_eq!(world.skew_ns("a"), 5_000_000);
        injector.begin(world, 2, &Fault::Slow { node: name("a"), factor: 10 });
        injector.begin(world, 3, &Fault::Clog { from: from.clone(), to: to.clone() });
        injector.begin(world, 4, &Fault::Clog { from: from.clone(), to: to.clone() });
        injector.end(world, 3);
        injector.begin(world, 5, &Fault::Flap { from, to, period_ms: 50, up_percent: 0 });
        assert_eq!(cuts(world), [("a", "b")]);
        injector.end_all(world);
        assert_eq!((cuts(world), world.skew_ns("a")), (Vec::new(), 0));
    });
}

#[test]
fn a_disk_is_as_before_when_all_has_ended() {
    in_a_world(async |world, injector| {
        let before = world.disk("a").rule();
        let slow = Fault::SlowDisk { node: name("a"), slower_ms: 7 };
        injector.begin(world, 0, &slow);
        injector.begin(world, 1, &Fault::DiskErrors { node: name("a"), error_permille: 250 });
        injector.begin(world, 2, &slow);
        injector.end(world, 0);
        let rule = world.disk("a").rule();
        assert_eq!(
            (rule.sync_latency, rule.write_error),
            (before.sync_latency.later_by(MS * 7), 0.25)
        );
        injector.end_all(world);
        assert_eq!(world.disk("a").rule(), before);
    });
}

#[test]
fn throttles_tails_and_strains_of_one_link_are_on_top_of_each_other() {
    in_a_world(async |world, injector| {
        let rule = |world: &World| world.net().rule(world.address("a"), world.address("b"));
        let before = rule(world);
        let (from, to) = (name("a"), name("b"));
        let strain = Strain { loss_permille: 100, ..Strain::default() };
        let throttle =
            Fault::Throttle { from: from.clone(), to: to.clone(), bandwidth_kbps: 1_000 };
        injector.begin(world, 0, &Fault::Strain { from: from.clone(), to: to.clone(), strain });
        injector.begin(world, 1, &throttle);
        injector.begin(world, 2, &Fault::Tail { from, to, median_ms: 8, sigma_percent: 150 });
        assert_eq!((rule(world).loss, rule(world).bandwidth_bps), (0.1, Some(1_000_000)));
        let tail = Latency::LogNormal { least: MS * 2, median: MS * 8, sigma: 1.5, max: MS * 400 };
        assert_eq!(rule(world).latency, tail);
        injector.end(world, 0);
        injector.end(world, 2);
        let (bandwidth_bps, queue_bytes_max) = (Some(1_000_000), 125_000);
        assert_eq!(rule(world), LinkRule { bandwidth_bps, queue_bytes_max, ..before });
        injector.end(world, 1);
        assert_eq!(rule(world), before);
    });
}

#[test]
fn a_node_that_was_killed_and_crashed_comes_back_after_both() {
    in_a_world(async |world, injector| {
        injector.begin(world, 0, &Fault::Kill { node: name("a") });
        injector.begin(world, 1, &Fault::Crash { node: name("a") });
        assert_eq!(world.disk("a").counts().crashes, 0);
        injector.end(world, 0);
        assert!(!world.is_up("a"));
        injector.end(world, 1);
        assert!(world.is_up("a"));
    });
}

/// What a scenario sets before its faults is no fault, and is there after them.
#[test]
fn what_the_scenario_had_set_comes_back_after_the_last_fault() {
    in_a_world(async |world, injector| {
        world.slow("a", 3);
        world.set_drift("a", 40);
        world.set_skew_ns("a", -7_000_000);
        world.cut("a", "b");
        let cut = Fault::Cut { from: name("a"), to: name("b") };
        let split = Fault::Partition { one: vec![name("a")], other: vec![name("b"), name("c")] };
        let faults = [
            Fault::Slow { node: name("a"), factor: 20 },
            Fault::Slow { node: name("a"), factor: 30 },
            Fault::Skew { node: name("a"), skew_ms: 900 },
            Fault::Drift { node: name("a"), ppm: 500 },
            cut.clone(),
            split,
        ];
        for (index, fault) in faults.iter().enumerate() {
            injector.begin(world, index, fault);
        }
        assert_eq!((world.slowness("a"), world.drift_ppm("a")), (30, 500));
        for index in [1, 3, 5] {
            injector.end(world, index);
        }
        assert_eq!((world.slowness("a"), world.drift_ppm("a")), (20, 40), "some still last");
        assert_eq!(world.skew_ns("a"), 900_000_000);
        assert_eq!(cuts(world), [("a", "b")]);
        injector.end_all(world);
        assert_eq!((world.slowness("a"), world.drift_ppm("a")), (3, 40));
        assert_eq!(world.skew_ns("a"), -7_000_000);
        assert_eq!(cuts(world), [("a", "b")], "it was cut before");
        // What is set in between is not what was there at first.
        world.slow("a", 1);
        world.mend("a", "b");
        for (index, fault) in [cut, Fault::Slow { node: name("a"), factor: 9 }].iter().enumerate() {
            injector.begin(world, index, fault);
        }
        injector.end_all(world);
        assert_eq!((world.slowness("a"), cuts(world)), (1, vec![]));
    });
}
