//! One node, several lives.

use odeon_cluster::{DownReason, Event, Phase};

use crate::world::{Said, World, ms, secs};

#[test]
fn a_restart_replaces_the_old_life_in_order() {
    let mut world = World::settled(1, 3);
    // Killed and back before anybody noticed.
    world.kill("n2");
    world.start("n2", 2);
    world.contact("n2", "n0");
    let took = world.run_until(secs(2), World::is_whole);
    assert!(took <= ms(300), "{took:?}");
    for me in ["n0", "n1"] {
        let said: Vec<_> = world.nodes[me].said.iter().map(|(_, said)| said.clone()).collect();
        let expected = [Said::Down("n2".into(), 1, DownReason::Replaced), Said::Up("n2".into(), 2)];
        assert_eq!(said[said.len() - 2..], expected);
    }
}

#[test]
fn a_restart_after_death_is_up_again() {
    let mut world = World::settled(2, 3);
    world.kill("n2");
    world.run(secs(1));
    assert!(world.all_said_down("n2", DownReason::Unreachable));
    world.start("n2", 2);
    world.contact("n2", "n0");
    let took = world.run_until(secs(2), World::is_whole);
    assert!(took <= ms(300), "{took:?}");
}

#[test]
fn a_late_report_does_not_kill_the_next_life() {
    let mut world = World::settled(3, 3);
    let addr = world.me("n2").addr;
    world.kill("n2");
    world.give("n0", Event::Unreachable { addr });
    world.start("n2", 2);
    world.contact("n2", "n0");
    world.run_until(secs(2), World::is_whole);
    world.give("n0", Event::Unreachable { addr });
    world.run(secs(5));
    assert!(world.is_whole());
    assert_eq!(world.nodes["n0"].membership.members().count(), 2);
}

#[test]
fn of_two_lives_at_once_the_earlier_gives_way() {
    let mut world = World::settled(4, 3);
    let mut old = world.take("n2");
    world.start("n2", 5);
    world.contact("n2", "n0");
    world.run_until(secs(2), World::is_whole);
    // The earlier program still runs, and hears of the later one.
    let effects = old.handle(world.now, Event::Outdated { known: odeon_message::Incarnation(5) });
    assert!(matches!(effects[..], [odeon_cluster::Effect::Superseded { by }] if by.0 == 5));
    assert_eq!((old.phase(), old.next_wakeup()), (Phase::Down, None));
    world.run(secs(10));
    assert!(world.is_whole());
    assert!(!world.nodes["n2"].said.iter().any(|(_, said)| matches!(said, Said::Rejoined(_))));
}

#[test]
fn a_restart_with_a_clock_behind_takes_a_later_number() {
    for gone_for in [secs(0), secs(3)] {
        let mut world = World::settled(5, 3);
        world.kill("n2");
        world.start("n2", 100);
        world.contact("n2", "n0");
        world.run_until(secs(2), World::is_whole);
        world.kill("n2");
        world.run(gone_for);
        world.start("n2", 7);
        world.contact("n2", "n0");
        if gone_for > secs(0) {
            // The transport remembers the life that it refuses.
            let known = odeon_message::Incarnation(100);
            world.give("n2", Event::Outdated { known });
        }
        world.run_until(secs(5), World::is_whole);
        assert_eq!(world.me("n2").incarnation.0, 101);
    }
}
