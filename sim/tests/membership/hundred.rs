//! A hundred whole nodes: they become one cluster, learn of deaths, keep whom they hear at times, take back whom they lost,
//! and agree in the end.
//!
//! `members.rs` does more of it with three and with ten; the state machines alone are run with more
//! (`runtime/cluster/benches/scale.rs`). One seed takes more than a minute of a processor, unoptimised.

use std::{collections::BTreeMap, time::Duration};

use odeon::{Incarnation, MemberEvent, Members, NodeBuilder};
use odeon_check::{Convergence, NoLeaks, Text, What};
use odeon_sim::{LinkRule, World};

const SECOND: Duration = Duration::from_secs(1);
const COUNT: usize = 100;

/// Any three that begin wait for no others, and whoever starts again has three to ask.
fn setup(builder: NodeBuilder) -> NodeBuilder {
    let seeds = ["n00:7400", "n01:7400", "n02:7400"];
    seeds.into_iter().fold(builder.bootstrap_expect(3), NodeBuilder::seed)
}

fn lives(world: &World, at: &str) -> BTreeMap<String, Incarnation> {
    let members = world.runtime_node(at).expect("it is up").members_now();
    members.into_iter().map(|member| (member.name, member.incarnation)).collect()
}

/// Waits until each of these sees exactly the others of them. It looks ten times a second: at ten thousand pairs.
async fn all_see(world: &World, names: &[&str], max: Duration) {
    let sees = |at: &&str| {
        world.runtime_node(at).is_some_and(|node| node.members_now().len() + 1 == names.len())
    };
    let give_up = world.now() + max;
    while !names.iter().all(sees) {
        let wrong = || names.iter().filter(|at| !sees(at)).collect::<Vec<_>>();
        assert!(
            world.now() < give_up,
            "these do not see {} others: {:?}",
            names.len() - 1,
            wrong()
        );
        world.run_for(SECOND / 10).await;
    }
    world.all_joined(names, Duration::ZERO).await.expect("those they see are the right ones");
}

/// Records whom each node sees now. Not at each change, as `World::record_views` does: here that is a million names.
fn record_views(world: &World, names: &[&str]) {
    for name in names {
        let members = lives(world, name).into_keys().map(Text::from).collect();
        world.history().record(What::View { node: (*name).into(), members });
    }
}

/// None of the events until now may say that somebody is down.
async fn assert_nobody_down(events: &mut Members) {
    while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, events.next()).await {
        assert!(!matches!(event, MemberEvent::Down { .. }), "{event:?}");
    }
}

#[odeon_sim::test(seeds = 0, link = frames, limit_s = 1_500)]
async fn a_hundred_agree_after_deaths_flapping_and_a_partition(world: &mut World) {
    world.check_leaks();
    world.set_default_link(LinkRule::rough());
    let names = (0..COUNT).map(|number| format!("n{number:02}")).collect::<Vec<_>>();
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    for name in &names {
        world.start_node(name, setup, async |_| ());
    }
    all_see(world, &names, 30 * SECOND).await;
    world.run_for(SECOND).await;
    world.count();

    // Two of those whom others ask to join are among the dead.
    let dead = ["n01", "n02", "n50"];
    let living = names.iter().copied().filter(|name| !dead.contains(name)).collect::<Vec<_>>();
    let before = lives(world, living[0]);
    dead.iter().for_each(|name| world.crash(name));
    all_see(world, &living, 10 * SECOND).await;
    dead.iter().for_each(|name| world.restart(name));
    all_see(world, &names, 30 * SECOND).await;
    for name in &living {
        let after = lives(world, name);
        assert!(dead.iter().all(|name| after[*name] > before[*name]), "{name} sees an old life");
    }

    // Links of one node come and go faster than a suspicion lasts.
    let mut events = world.runtime_node("n00").expect("it is up").members();
    let (flapping, others) = names.split_last().expect("there are some");
    for other in others {
        world.flap(flapping, other, SECOND / 2, 0.5).expect("a link can flap so");
        world.flap(other, flapping, SECOND / 2, 0.5).expect("a link can flap so");
    }
    world.run_for(6 * SECOND).await;
    assert_nobody_down(&mut events).await;
    drop(events);

    let (minority, majority) = names.split_at(30);
    world.heal();
    world.partition(minority, majority);
    all_see(world, minority, 20 * SECOND).await;
    all_see(world, majority, 20 * SECOND).await;
    world.heal();
    let healed = world.now();
    all_see(world, &names, 10 * SECOND).await;
    record_views(world, &names);
    let convergence = Convergence::within(world.now() - healed);
    world.run_for(5 * SECOND).await;
    record_views(world, &names);
    world.count();
    world.check(&convergence);
    world.check(&NoLeaks::new());
}
