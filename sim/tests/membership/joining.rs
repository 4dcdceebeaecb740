//! Nodes that start with nothing but places to look at: they become one cluster, once somebody may begin it.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, UNIX_EPOCH},
};

use odeon::{Ca, Client, JoinConfig, NodeBuilder, Phase, Validity, env::SrvRecord};
use odeon_sim::{LinkRule, LookupRule, World};

const SECOND: Duration = Duration::from_secs(1);
const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];
const TEN: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
const NAME: &str = "odeon.example";

fn seeds(seeds: &[&str]) -> JoinConfig {
    let seeds = seeds.iter().map(|seed| format!("{seed}:7400")).collect();
    JoinConfig { seeds, ..JoinConfig::default() }
}

fn expecting(expect: usize) -> JoinConfig {
    JoinConfig { bootstrap_expect: expect, ..seeds(&[NAME]) }
}

fn start(world: &mut World, name: &str, config: &JoinConfig) {
    let config = config.clone();
    world.start_node(name, move |node| node.join(config.clone()), async |_| ());
}

fn start_all(world: &mut World, names: &[&str], config: &JoinConfig) {
    names.iter().for_each(|name| start(world, name, config));
    world.set_record(NAME, names).expect("a name");
}

fn is_up(world: &World, name: &str) -> bool {
    world.runtime_node(name).is_some_and(|node| node.phase() == Phase::Up)
}

fn sees_nobody(world: &World, name: &str) -> bool {
    world.runtime_node(name).is_some_and(|node| node.members_now().is_empty())
}

async fn together(world: &World, names: &[&str]) {
    world.all_joined(names, 60 * SECOND).await.expect("they find each other");
    assert!(names.iter().all(|name| is_up(world, name)));
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn five_that_start_at_once_are_one_cluster(world: &mut World) {
    start_all(world, &FIVE, &expecting(5));
    together(world, &FIVE).await;
}

#[odeon_sim::test(seeds = 0..10, link = frames)]
async fn ten_that_start_at_once_on_a_bad_day_are_one_cluster(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    world.set_default_lookups(LookupRule { failure: 0.3, ..LookupRule::default() });
    start_all(world, &TEN, &expecting(6));
    together(world, &TEN).await;
}

#[odeon_sim::test(seeds = 0..5)]
async fn nobody_begins_a_cluster_before_there_are_enough(world: &mut World) {
    start_all(world, &FIVE[..4], &expecting(5));
    world.run_for(30 * SECOND).await;
    for name in &FIVE[..4] {
        assert!(!is_up(world, name) && sees_nobody(world, name), "{name} began with four");
    }
    start_all(world, &FIVE[4..], &expecting(5));
    world.set_record(NAME, &FIVE).expect("a name");
    together(world, &FIVE).await;
}

/// A client is found by the same name, and knocks by itself; two nodes and a client were three once.
#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_client_is_no_node_to_begin_a_cluster_with(world: &mut World) {
    let (two, three) = (&FIVE[..2], &FIVE[..3]);
    start_all(world, two, &expecting(3));
    let seeds = |builder: NodeBuilder| builder.seed("a:7400").seed("b:7400");
    let slot = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&slot);
    world.start_client("till", seeds, move |client: Client| {
        kept.replace(Some(client));
        async {}
    });
    world.set_record(NAME, &["a", "b", "till"]).expect("a name");
    world.run_for(30 * SECOND).await;
    for name in two {
        assert!(!is_up(world, name) && sees_nobody(world, name), "{name} began with a client");
    }
    start(world, "c", &expecting(3));
    world.set_record(NAME, &["a", "b", "till", "c"]).expect("a name");
    together(world, three).await;
    // It had met nodes that knew of no cluster, and asks them again.
    let client: Client = slot.take().expect("it has started");
    world.run_until(|| client.members_now().len() == 3, 5 * SECOND).await.expect("they tell it");
}

#[odeon_sim::test(seeds = 0..5)]
async fn nodes_that_may_begin_none_wait_for_one_that_may(world: &mut World) {
    start_all(world, &["b", "c"], &seeds(&[NAME]));
    world.run_for(20 * SECOND).await;
    assert!(["b", "c"].iter().all(|name| !is_up(world, name) && sees_nobody(world, name)));
    start(world, "a", &JoinConfig { dev: true, ..JoinConfig::default() });
    world.run_until(|| is_up(world, "a"), SECOND).await.expect("it is up at once");
    world.set_record(NAME, &["a", "b", "c"]).expect("a name");
    together(world, &["a", "b", "c"]).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn joins_that_cross_become_one_cluster(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let two = |other| JoinConfig { bootstrap_expect: 2, ..seeds(&[other]) };
    start(world, "a", &two("b"));
    start(world, "b", &two("a"));
    let dev = |other| JoinConfig { dev: true, ..seeds(&[other]) };
    start(world, "c", &dev("d"));
    start(world, "d", &dev("c"));
    together(world, &["a", "b"]).await;
    together(world, &["c", "d"]).await;
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn in_a_partition_one_half_begins_and_the_other_joins_it(world: &mut World) {
    start_all(world, &FIVE, &expecting(3));
    let (few, many) = FIVE.split_at(2);
    world.partition(few, many);
    world.all_joined(many, 60 * SECOND).await.expect("three are enough");
    assert!(few.iter().all(|name| !is_up(world, name)), "two are not");
    world.heal();
    together(world, &FIVE).await;
}

#[odeon_sim::test(seeds = 0..5)]
async fn halves_that_began_apart_become_one_cluster(world: &mut World) {
    start_all(world, &FIVE, &expecting(2));
    let (few, many) = FIVE.split_at(2);
    world.partition(few, many);
    world.all_joined(few, 60 * SECOND).await.expect("two are enough");
    world.all_joined(many, 60 * SECOND).await.expect("and so are three");
    world.run_for(20 * SECOND).await;
    world.heal();
    together(world, &FIVE).await;
}

/// Each node has another source, and all of them together lead everybody to everybody.
#[odeon_sim::test(seeds = 0..5, link = both)]
async fn every_source_leads_to_others(world: &mut World) {
    let config = |change: fn(&mut JoinConfig)| {
        let mut config = JoinConfig { bootstrap_expect: 2, ..JoinConfig::default() };
        change(&mut config);
        config
    };
    let srv = "_odeon._udp.example";
    start(world, "a", &config(|it| it.srv.push("_odeon._udp.example".to_owned())));
    start(world, "b", &config(|it| it.file = Some("/etc/odeon/seeds".into())));
    start(world, "c", &config(|it| it.variable = Some("ODEON_SEEDS".to_owned())));
    start(world, "d", &config(|it| it.seeds.push("odeon.example:7400".to_owned())));
    let several = config(|it| {
        it.seeds.push("nobody.example:7400".to_owned());
        it.file = Some("/no/such/file".into());
        it.variable = Some("ODEON_SEEDS".to_owned());
        it.srv.push("_none._udp.example".to_owned());
    });
    start(world, "e", &several);
    world.run_for(5 * SECOND).await;
    assert!(FIVE.iter().all(|name| sees_nobody(world, name)), "nothing says where anybody is");
    let target = "b".to_owned();
    let record = SrvRecord { priority: 1, weight: 1, port: 7400, target };
    world.set_srv(srv, &[record]).expect("a name");
    world.set_file("b", "/etc/odeon/seeds", Some("# the third\n\nnonsense\nc:7400 # here\n"));
    world.set_variable("c", "ODEON_SEEDS", Some("d:7400, e:7400"));
    world.set_variable("e", "ODEON_SEEDS", Some("a:7400"));
    world.set_record(NAME, &["e"]).expect("a name");
    together(world, &FIVE).await;
}

#[odeon_sim::test(seeds = 0..5)]
async fn a_seed_that_comes_back_is_found_again(world: &mut World) {
    start(world, "a", &JoinConfig { dev: true, ..JoinConfig::default() });
    start(world, "b", &seeds(&["a"]));
    together(world, &["a", "b"]).await;
    world.crash("a");
    start(world, "c", &seeds(&["a"]));
    world.run_for(20 * SECOND).await;
    assert!(!is_up(world, "c") && sees_nobody(world, "c"), "its only seed is gone");
    // The seed knows nobody any more; b finds it by its own seed, and it leads c to b.
    world.restart("a");
    together(world, &["a", "b", "c"]).await;
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn all_that_crash_and_start_again_are_one_cluster_again(world: &mut World) {
    start_all(world, &FIVE, &expecting(3));
    together(world, &FIVE).await;
    FIVE.iter().for_each(|name| world.crash(name));
    world.run_for(SECOND).await;
    FIVE.iter().for_each(|name| world.restart(name));
    // Until they have started the nodes of before are the ones that are seen.
    world.run_for(SECOND).await;
    together(world, &FIVE).await;
}

/// A name server that does not answer holds up no other source, and one that answers late brings no storm.
#[odeon_sim::test(seeds = 0..5)]
async fn a_silent_source_holds_up_no_other(world: &mut World) {
    world.set_lookups("silent.example", Some(LookupRule::silent())).expect("a name");
    start(world, "a", &JoinConfig { dev: true, ..JoinConfig::default() });
    start(world, "b", &seeds(&["silent.example", "a"]));
    world.all_joined(&["a", "b"], 5 * SECOND).await.expect("the other source leads there");
    world.run_for(60 * SECOND).await;
    let counts = world.net().counts();
    assert!(counts.lookups <= 40, "{counts}");
}

/// One that refused made the looks at all other sources ten times as rare.
#[odeon_sim::test(seeds = 0..5, link = both)]
async fn one_that_refuses_slows_no_other_source(world: &mut World) {
    let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let authority = Ca::in_memory("world").expect("a name");
    let stranger = authority.issue("x", Validity::from(now, 86_400 * SECOND)).expect("a name");
    let dev = JoinConfig { dev: true, ..JoinConfig::default() };
    let config = dev.clone();
    let setup = move |node: NodeBuilder| node.identity(stranger.clone()).join(config.clone());
    world.start_node("x", setup, async |_| ());
    start(world, "b", &seeds(&["x", "a"]));
    world.run_for(60 * SECOND).await;
    let refused = world.runtime_node("b").expect("it is up").network_metrics().handshakes.outbound;
    let dials: u64 = refused.iter().map(|(_, count)| count).sum();
    assert!((5..=12).contains(&dials), "ever less often: {refused:?}");
    start(world, "a", &dev);
    world.all_joined(&["a", "b"], 4 * SECOND).await.expect("it is dialled with the next look");
}

/// They were asked one after the other, and each was waited for as long as its name server likes.
#[odeon_sim::test(seeds = 0..5)]
async fn silent_names_of_a_file_hold_up_no_other(world: &mut World) {
    let silent: Vec<String> = (0..40).map(|number| format!("silent{number}.example")).collect();
    for name in &silent {
        world.set_lookups(name, Some(LookupRule::silent())).expect("a name");
    }
    start(world, "a", &JoinConfig { dev: true, ..JoinConfig::default() });
    let file = JoinConfig { file: Some("/etc/odeon/seeds".into()), ..JoinConfig::default() };
    start(world, "b", &file);
    let lines: String = silent.iter().map(|name| format!("{name}:7400\n")).collect();
    world.set_file("b", "/etc/odeon/seeds", Some(&format!("{lines}a:7400\n")));
    world.all_joined(&["a", "b"], 25 * SECOND).await.expect("the last name leads there");
    // Each is asked for once at a time, which ends after ten seconds.
    world.run_for(60 * SECOND).await;
    let counts = world.net().counts();
    assert!(counts.lookups <= 41 * 9, "{counts}");
}

/// As many as a run bears on any machine, through one name: the real runtime, one cluster, one death that all see.
#[odeon_sim::test(seeds = 0..1, link = frames)]
async fn forty_are_one_cluster_and_miss_one_of_them(world: &mut World) {
    let names: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    start_all(world, &names, &expecting(21));
    let began = world.now();
    together(world, &names).await;
    world.note("together", &format!("after {:?}", world.now() - began));
    world.crash("n7");
    let crashed = world.now();
    let rest: Vec<&str> = names.into_iter().filter(|name| *name != "n7").collect();
    let missed =
        |name: &&str| world.runtime_node(name).is_some_and(|node| node.members_now().len() == 38);
    world.run_until(|| rest.iter().all(missed), 10 * SECOND).await.expect("all miss it");
    assert!(world.now() - crashed <= SECOND, "{:?}", world.now() - crashed);
}
