//! Noticing that a node is gone: at once where its port is closed, in a few seconds where all is silent.

use std::time::Duration;

use odeon_cluster::{DownReason, Event};

use crate::world::{Said, World, ms, name, secs};

/// The longest time until all others knew, over some seeds.
fn worst(
    count: usize,
    seeds: u64,
    limit: Duration,
    reason: DownReason,
    end: impl Fn(&mut World, &str),
) -> Duration {
    let mut spans: Vec<_> = (0..seeds)
        .map(|seed| {
            let mut world = World::settled(seed, count);
            world.run(ms(seed * 17));
            let victim = name(seed as usize % count);
            end(&mut world, &victim);
            let took = world.run_until(limit, |world| world.all_said_down(&victim, reason));
            assert_eq!(world.deaths().len(), count - 1, "{world}");
            took
        })
        .collect();
    spans.sort();
    let (median, worst) = (spans[spans.len() / 2], spans[spans.len() - 1]);
    println!("{count} nodes, {reason:?}: median {median:?}, worst {worst:?} of {seeds}");
    worst
}

#[test]
fn a_killed_program_is_noticed_in_half_a_second_in_an_idle_cluster() {
    for (count, seeds) in [(2, 30), (3, 40), (5, 40), (20, 5), (40, 1)] {
        let worst = worst(count, seeds, secs(2), DownReason::Unreachable, World::kill);
        assert!(worst <= ms(300), "{worst:?}");
    }
}

#[test]
fn neighbours_killed_together_are_noticed_too() {
    for seed in 0..8 {
        let mut world = World::settled(seed, 7);
        for victim in ["n1", "n2", "n3"] {
            world.kill(victim);
        }
        let took = world.run_until(secs(2), |world| {
            ["n1", "n2", "n3"].iter().all(|it| world.all_said_down(it, DownReason::Unreachable))
        });
        assert!(took <= ms(500), "{took:?}");
    }
}

#[test]
fn a_silent_host_is_noticed_in_a_few_seconds() {
    for (count, seeds, limit) in [(2, 10, 4), (3, 20, 4), (5, 20, 4), (10, 10, 4), (40, 1, 5)] {
        worst(count, seeds, secs(limit), DownReason::Suspected, World::silence);
    }
}

#[test]
fn reports_do_no_harm_while_the_member_answers() {
    let mut world = World::settled(1, 3);
    let addr = world.me("n1").addr;
    for _ in 0..50 {
        // Late answers to what was sent to an earlier life of the node: a burst, then silence.
        for _ in 0..5 {
            world.give("n0", Event::Unreachable { addr });
        }
        world.run(ms(20));
    }
    world.run(secs(5));
    assert_eq!(world.deaths(), []);
}

#[test]
fn a_lost_connection_makes_it_faster() {
    let mut world = World::settled(1, 3);
    world.kill("n1");
    let lost = world.me("n1");
    let event = Event::ConnectionLost { node: lost.node, incarnation: lost.incarnation };
    world.give("n0", event);
    let took = world.run_until(secs(1), |world| world.all_said_down("n1", DownReason::Unreachable));
    assert!(took <= ms(20), "{took:?}");
}

#[test]
fn a_node_that_stood_still_blames_nobody_else() {
    for seed in 0..4 {
        let mut world = World::settled(seed, 5);
        world.freeze("n2");
        world.run(secs(20));
        assert!(world.all_said_down("n2", DownReason::Suspected));
        world.thaw("n2");
        world.run_until(secs(10), World::is_whole);
        let blamed =
            |(_, said): &(_, Said)| matches!(said, Said::Down(_, _, DownReason::Suspected));
        assert!(!world.nodes["n2"].said.iter().any(blamed), "{world}");
        assert!(world.nodes["n2"].said.iter().any(|(_, said)| *said == Said::Rejoined(2)));
    }
}
