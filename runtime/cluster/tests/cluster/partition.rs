//! Partitions end, and then everybody is back.

use crate::world::{Said, World, ms, name, secs};

fn parts(count: usize, cut: usize, seed: u64, span: u64) {
    let mut world = World::settled(seed, count);
    for i in 0..cut {
        world.sides.insert(name(i), 1);
    }
    world.run(secs(span));
    for (me, node) in &world.nodes {
        let side = world.sides.get(me);
        let there = |member: &&odeon_cluster::Member| world.sides.get(member.name.as_str()) != side;
        assert_eq!(node.membership.members().filter(there).count(), 0, "{world}");
    }
    world.sides.clear();
    let took = world.run_until(secs(30), World::is_whole);
    println!("{cut} of {count} nodes cut off for {span} s were back after {took:?}");
    assert!(took <= secs(10), "{took:?}");
    let rejoined = |(_, said): &(_, Said)| matches!(said, Said::Rejoined(_));
    assert!(world.nodes.values().any(|node| node.said.iter().any(rejoined)));
    world.run(secs(10));
    assert!(world.is_whole(), "{world}");
}

#[test]
fn two_sides_find_each_other_again() {
    for seed in 0..3 {
        parts(5, 2, seed, 20);
        parts(5, 1, seed, 60);
        parts(10, 5, seed, 20);
    }
}

#[test]
fn two_lone_nodes_find_each_other_again() {
    for seed in 0..10 {
        parts(2, 1, seed, 20);
    }
}

#[test]
fn a_short_cut_kills_nobody() {
    for seed in 0..8 {
        let mut world = World::settled(seed, 5);
        world.sides.insert(name(0), 1);
        world.run(ms(1_500));
        world.sides.clear();
        world.run(secs(10));
        assert_eq!(world.deaths(), [], "{world}");
    }
}
