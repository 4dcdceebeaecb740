//! Bad networks kill nobody.

use crate::world::{World, secs};

fn nobody_dies(count: usize, seed: u64, loss: u32, span: u64) {
    let mut world = World::settled(seed, count);
    world.loss = loss;
    world.run(secs(span));
    assert_eq!(world.deaths(), [], "{count} nodes, seed {seed}, loss {loss} of 1000");
}

#[test]
fn ten_percent_loss_for_minutes_kills_nobody() {
    for seed in 0..3 {
        nobody_dies(3, seed, 100, 240);
        nobody_dies(5, seed, 100, 240);
    }
    nobody_dies(20, 1, 100, 30);
}

#[test]
fn a_few_percent_kill_nobody() {
    nobody_dies(5, 1, 50, 300);
    nobody_dies(2, 2, 50, 600);
    nobody_dies(50, 3, 30, 5);
}

#[test]
fn a_cluster_forms_under_loss() {
    for seed in 0..10 {
        let mut world = World::new(seed, odeon_cluster::MembershipConfig::lan(10));
        world.loss = 100;
        for i in 0..10 {
            world.start(&crate::world::name(i), 1);
            world.contact(&crate::world::name(i), "n0");
        }
        let took = world.run_until(secs(60), World::is_whole);
        println!("10 nodes under 10 % loss joined in {took:?}");
    }
}
