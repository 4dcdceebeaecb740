//! Leaving on purpose.

use odeon_cluster::{DownReason, Event, MembershipConfig, Phase};

use crate::world::{Said, World, ms, secs};

#[test]
fn the_others_know_that_it_left() {
    for (seed, loss) in [(1, 0), (2, 100), (3, 100)] {
        let mut world = World::settled(seed, 5);
        world.loss = loss;
        world.give("n2", Event::Leave);
        assert_eq!(world.nodes["n2"].membership.phase(), Phase::Leaving);
        let took = world.run_until(secs(2), |world| world.all_said_down("n2", DownReason::Left));
        assert!(took <= ms(300), "{took:?}");
        world.run(ms(200));
        assert_eq!(world.nodes["n2"].membership.phase(), Phase::Down);
        assert_eq!(world.nodes["n2"].membership.next_wakeup(), None);
        assert!(matches!(world.nodes["n2"].said.last(), Some((_, Said::Left))));
        world.loss = 0;
        world.run(secs(30));
        assert!(world.is_whole());
        assert_eq!(world.deaths().len(), 4);
    }
}

#[test]
fn whoever_left_comes_back_in_a_new_life() {
    let mut world = World::settled(4, 3);
    world.give("n2", Event::Leave);
    world.run(secs(1));
    world.start("n2", 2);
    world.contact("n2", "n0");
    let took = world.run_until(secs(2), World::is_whole);
    assert!(took <= ms(500), "{took:?}");
}

#[test]
fn a_lone_node_leaves_at_once() {
    let mut world = World::new(5, MembershipConfig::default());
    world.start("n0", 1);
    world.give("n0", Event::Leave);
    assert_eq!(world.nodes["n0"].membership.phase(), Phase::Down);
}
