//! Clusters of the real runtime on broken networks: they live through each shape, and find each other afterwards.

use std::time::Duration;

use odeon_sim::{LinkRule, Topology, World};

const SECOND: Duration = Duration::from_secs(1);
const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

async fn cluster(world: &mut World) {
    for name in FIVE {
        world.start_member(name, |node| node, async |_| ());
    }
    world.all_joined(&FIVE, 10 * SECOND).await.expect("they find each other");
}

/// How many others a node sees.
fn sees(world: &World, name: &str) -> usize {
    world.runtime_node(name).expect("it is up").members_now().len()
}

/// Breaks a cluster of five for a while, and mends it. Returns whom each node saw last before it was mended.
async fn live_through(world: &mut World, topology: Topology) -> Vec<usize> {
    cluster(world).await;
    world.apply_topology(&topology, &FIVE).expect("five are enough");
    world.run_for(25 * SECOND).await;
    assert!(world.net().counts().cut > 0);
    assert!(FIVE.iter().all(|name| world.is_up(name)), "a broken network ends no node");
    let seen = FIVE.iter().map(|name| sees(world, name)).collect();
    world.heal();
    find_each_other_again(world).await;
    seen
}

async fn find_each_other_again(world: &World) {
    world.all_joined(&FIVE, 120 * SECOND).await.expect("they find each other again");
    // Not by chance: it lasts.
    world.run_for(15 * SECOND).await;
    world.all_joined(&FIVE, SECOND).await.expect("they stay together");
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_halves(world: &mut World) {
    let mut seen = live_through(world, Topology::Halves).await;
    seen.sort_unstable();
    assert_eq!(seen, [1, 1, 2, 2, 2], "each saw its own half");
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_three_groups(world: &mut World) {
    let groups = [&["a", "b"][..], &["c"], &["d", "e"]];
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let groups = Topology::Groups(groups.into_iter().map(owned).collect());
    assert_eq!(live_through(world, groups).await, [1, 1, 0, 1, 1]);
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_a_partial_partition(world: &mut World) {
    live_through(world, Topology::Partial).await;
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_a_one_way_partition(world: &mut World) {
    live_through(world, Topology::OneWay).await;
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_one_that_is_isolated(world: &mut World) {
    let mut seen = live_through(world, Topology::Isolate(None)).await;
    seen.sort_unstable();
    assert_eq!(seen, [0, 3, 3, 3, 3], "one was alone");
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_one_that_is_not_heard(world: &mut World) {
    live_through(world, Topology::Mute(None)).await;
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_one_that_does_not_hear(world: &mut World) {
    live_through(world, Topology::Deaf(None)).await;
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_a_ring(world: &mut World) {
    live_through(world, Topology::Ring).await;
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_a_ring_of_majorities(world: &mut World) {
    live_through(world, Topology::MajoritiesRing).await;
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_a_bridge(world: &mut World) {
    live_through(world, Topology::Bridge(None)).await;
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_a_star(world: &mut World) {
    live_through(world, Topology::Star(Some("b".to_owned()))).await;
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn they_live_through_swizzles(world: &mut World) {
    cluster(world).await;
    for _ in 0..5 {
        world.swizzle_clog(&FIVE, 6 * SECOND);
        world.run_for(7 * SECOND).await;
    }
    let counts = world.net().counts();
    assert!(counts.clogged > 0 && counts.held == 0, "{counts}");
    find_each_other_again(world).await;
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_links_that_flap(world: &mut World) {
    cluster(world).await;
    for (from, to) in [("a", "b"), ("b", "a"), ("c", "d"), ("e", "a")] {
        world.flap(from, to, 3 * SECOND, 0.4).expect("it flaps");
    }
    world.run_for(30 * SECOND).await;
    assert!(world.net().counts().cut > 0);
    world.heal();
    find_each_other_again(world).await;
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn a_clog_that_is_short_is_no_death(world: &mut World) {
    cluster(world).await;
    for other in &FIVE[1..] {
        world.clog("a", other);
        world.clog(other, "a");
    }
    world.run_for(SECOND / 2).await;
    world.heal();
    world.run_for(10 * SECOND).await;
    let counts = world.net().counts();
    assert!(counts.clogged > 0, "{counts}");
    FIVE.iter().for_each(|name| assert_eq!(sees(world, name), 4, "{name} sees all"));
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn they_live_through_a_bad_day_with_a_long_tail(world: &mut World) {
    let latency = odeon_sim::Latency::LogNormal {
        least: Duration::from_micros(200),
        median: Duration::from_millis(3),
        sigma: 1.2,
        max: SECOND,
    };
    world.set_default_link(LinkRule { latency, ..LinkRule::rough() });
    cluster(world).await;
    world.run_for(30 * SECOND).await;
    world.all_joined(&FIVE, 60 * SECOND).await.expect("they see each other");
    let counts = world.net().counts();
    assert!(counts.reordered > 0 && counts.lost > 0, "{counts}");
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn what_a_shape_draws_follows_from_the_seed_and_nothing_else(world: &mut World) {
    cluster(world).await;
    let star = Topology::Star(None);
    let drawn = world.apply_topology(&star, &FIVE).expect("five are enough");
    world.heal();
    world.swizzle_clog(&FIVE, SECOND);
    assert_eq!(world.apply_topology(&star, &FIVE).expect("five are enough"), drawn);
    assert!(world.apply_topology(&star, &["a"]).is_err());
}
