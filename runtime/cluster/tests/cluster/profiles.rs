//! What members say of themselves comes to all others, and only the last of it.

use odeon_cluster::{Event, MembershipConfig, Profile};

use crate::world::{World, ms, name, secs};

fn loaded(load: u16) -> Profile {
    Profile { zone: "here".to_owned(), load, ..Profile::default() }
}

fn say(world: &mut World, who: &str, load: u16, leaving: bool) {
    world.give(who, Event::Describe { profile: loaded(load), leaving });
}

fn all_know(world: &World, who: &str, load: u16, leaving: bool) -> bool {
    let node = world.me(who).node;
    world
        .living()
        .filter(|(name, _)| name.as_str() != who)
        .all(|(_, other)| other.membership.profile(node) == Some((&loaded(load), leaving)))
}

#[test]
fn all_know_all_soon_after_they_have_joined() {
    for (seed, count, loss) in [(1, 3, 0), (2, 20, 0), (3, 20, 100), (4, 60, 0)] {
        let mut world = World::new(seed, MembershipConfig::lan(count));
        world.loss = loss;
        for i in 0..count {
            world.start(&name(i), 1);
            say(&mut world, &name(i), i as u16, false);
            world.contact(&name(i), "n0");
        }
        world.run_until(secs(60), World::is_whole);
        let took = world.run_until(secs(30), |world| {
            (0..count).all(|i| all_know(world, &name(i), i as u16, false))
        });
        println!(
            "{count} nodes with loss {loss} know all of each other {took:?} after they joined"
        );
        assert!(took <= secs(5), "{took:?}");
    }
}

#[test]
fn a_change_is_known_within_a_second_or_two_and_the_last_one_counts() {
    for seed in 0..5 {
        let mut world = World::settled(seed, 10);
        for load in 1..=50 {
            say(&mut world, "n3", load, false);
            world.run(ms(20));
        }
        let took = world.run_until(secs(10), |world| all_know(world, "n3", 50, false));
        assert!(took <= secs(3), "{took:?}");
        // That it leaves is known at once, whatever was said before.
        say(&mut world, "n3", 51, false);
        say(&mut world, "n3", 51, true);
        let took = world.run_until(secs(10), |world| all_know(world, "n3", 51, true));
        assert!(took <= ms(1_500), "{took:?}");
    }
}

/// Rumours that nobody heard are mended by the lists.
#[test]
fn what_was_lost_is_known_later() {
    let mut world = World::settled(5, 10);
    world.sides.insert("n7".to_owned(), 1);
    say(&mut world, "n3", 9, false);
    world.run(ms(900));
    world.sides.clear();
    let took = world.run_until(secs(30), |world| all_know(world, "n3", 9, false));
    println!("mended after {took:?}");
    assert_eq!(world.deaths(), []);
}

#[test]
fn a_later_life_says_it_anew() {
    let mut world = World::settled(6, 5);
    say(&mut world, "n1", 8, false);
    world.run_until(secs(10), |world| all_know(world, "n1", 8, false));
    world.kill("n1");
    world.run(secs(2));
    assert!(!all_know(&world, "n1", 8, false), "it is forgotten with its life");
    world.start("n1", 2);
    say(&mut world, "n1", 3, false);
    world.contact("n1", "n0");
    world.run_until(secs(10), |world| world.is_whole() && all_know(world, "n1", 3, false));
}
