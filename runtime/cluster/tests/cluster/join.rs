//! Being taken in.

use odeon_cluster::{MembershipConfig, Phase};

use crate::world::{Said, World, ms, name, secs};

#[test]
fn two_nodes_find_each_other_through_a_seed() {
    let mut world = World::new(1, MembershipConfig::lan(2));
    world.start("n0", 1);
    world.start("n1", 1);
    assert_eq!(world.nodes["n1"].membership.phase(), Phase::Joining);
    world.contact("n1", "n0");
    let took = world.run_until(secs(1), World::is_whole);
    assert!(took <= ms(10), "{took:?}");
    for (me, other) in [("n0", "n1"), ("n1", "n0")] {
        let said: Vec<_> = world.nodes[me].said.iter().map(|(_, said)| said.clone()).collect();
        assert!(said.contains(&Said::Joined) && said.contains(&Said::Up(other.into(), 1)));
        assert_eq!(world.nodes[me].membership.phase(), Phase::Up);
    }
}

#[test]
fn a_lost_question_is_asked_again() {
    let mut world = World::new(2, MembershipConfig::lan(2));
    world.start("n0", 1);
    world.start("n1", 1);
    world.loss = 1_000;
    world.contact("n1", "n0");
    world.run(ms(400));
    world.loss = 0;
    let took = world.run_until(secs(2), World::is_whole);
    assert!(took <= ms(600), "{took:?}");
}

/// All that `count` nodes say when they start at once, and how long it takes.
fn joined_at_once(seed: u64, count: usize) -> (World, std::time::Duration) {
    let mut world = World::new(seed, MembershipConfig::lan(count));
    for i in 0..count {
        world.start(&name(i), 1);
    }
    for i in 1..count {
        world.contact(&name(i), "n0");
    }
    let took = world.run_until(secs(60), World::is_whole);
    (world, took)
}

#[test]
fn twenty_nodes_join_at_once() {
    for seed in 0..20 {
        let (world, took) = joined_at_once(seed, 20);
        println!("20 nodes joined in {took:?}");
        assert!(took <= secs(5), "{took:?}");
        assert_eq!(world.deaths(), []);
    }
}

#[test]
fn a_hundred_nodes_converge() {
    let (world, took) = joined_at_once(3, 100);
    println!("100 nodes joined in {took:?}");
    assert!(took <= secs(30), "{took:?}");
    assert_eq!(world.deaths(), []);
}

#[test]
fn one_seed_gives_one_history() {
    let history = |seed| {
        let (mut world, _) = joined_at_once(seed, 10);
        world.loss = 50;
        world.kill("n3");
        world.run(secs(10));
        let said = world.nodes.values().map(|node| format!("{:?}", node.said));
        said.collect::<Vec<_>>()
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}
