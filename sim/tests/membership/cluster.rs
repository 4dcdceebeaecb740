//! Clusters of the real runtime in a world: they form, talk, lose nodes and take them back, and repeat themselves.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, Certainty, Context, Handler, MemberEvent, Node, NodeBuilder, StartError,
    actor, message,
};
use odeon_sim::{LinkRule, Verdict, World, runner::Case, scenario};

const SECOND: Duration = Duration::from_secs(1);

#[message(id = "sim/Add", reply = u64)]
struct Add {
    number: u64,
}

/// Counts, and refuses to count out of order.
#[derive(Clone, Default)]
struct Counter {
    last: u64,
    count: u64,
}

#[actor(id = "sim/Counter", handles(Add))]
impl Actor for Counter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _: &mut Context<Self>) -> u64 {
        assert!(add.number > self.last, "{} after {}", add.number, self.last);
        self.last = add.number;
        self.count += 1;
        self.count
    }
}

async fn counting(node: Node) {
    let counter = node.spawn(Counter::default()).await.expect("a counter starts");
    node.register("counter", &counter).expect("the name is free");
}

async fn cluster(world: &mut World, names: &[&'static str]) {
    for name in names {
        world.start_member(name, NodeBuilder::actor::<Counter>, counting);
    }
    world.all_joined(names, 10 * SECOND).await.expect("they find each other");
}

async fn counter(world: &World, from: &str, on: &str) -> ActorRef<Counter> {
    let node = world.runtime_node(from).expect("it is up");
    node.on(on).lookup("counter").await.expect("it answers").expect("it is registered")
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn three_nodes_find_each_other(world: &mut World) {
    cluster(world, &["a", "b", "c"]).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn they_find_each_other_on_a_bad_day(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    cluster(world, &["a", "b", "c"]).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn tells_arrive_once_and_in_order(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    cluster(world, &["a", "b"]).await;
    let counter = counter(world, "a", "b").await;
    for number in 1..=500 {
        counter.tell(Add { number }).await.expect("there is room in time");
    }
    assert_eq!(counter.ask(Add { number: 501 }).await.expect("it answers"), 501);
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_crash_is_seen_within_half_a_second_and_asks_tell_the_truth(world: &mut World) {
    cluster(world, &["a", "b", "c"]).await;
    let counter = counter(world, "a", "b").await;
    let mut members = world.runtime_node("a").expect("it is up").members();
    let ask = counter.ask(Add { number: 1 }).await;
    assert_eq!(ask.expect("b is up"), 1);
    world.crash("b");
    let crashed = world.now();
    let down = async {
        loop {
            match members.next().await {
                Some(MemberEvent::Down { member, .. }) => return member.name,
                Some(_) => {}
                None => panic!("a has ended"),
            }
        }
    };
    assert_eq!(down.await, "b");
    assert!(world.now() - crashed <= SECOND / 2, "{:?}", world.now() - crashed);
    let error = counter.ask(Add { number: 2 }).await.expect_err("b is gone");
    assert_eq!(error.certainty(), Certainty::NotDelivered, "{error}");
    world.restart("b");
    world.all_joined(&["a", "b", "c"], 10 * SECOND).await.expect("b comes back");
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_partition_heals(world: &mut World) {
    cluster(world, &["a", "b", "c"]).await;
    world.partition(&["c"], &["a", "b"]);
    let alone =
        |world: &World| world.runtime_node("c").is_some_and(|node| node.members_now().is_empty());
    world.run_until(|| alone(world), 60 * SECOND).await.expect("c sees nobody");
    world.heal();
    world.all_joined(&["a", "b", "c"], 120 * SECOND).await.expect("they find each other again");
    // They may still hold earlier lives of each other for present.
    world.run_for(5 * SECOND).await;
    // Whoever was held for dead has another incarnation now, and its registrar must be where it was.
    for (from, on) in [("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")] {
        let number = world.now().as_nanos() as u64;
        let asked = counter(world, from, on).await.ask(Add { number }).await;
        asked.unwrap_or_else(|error| panic!("{from} asks {on}: {error}"));
    }
}

/// Five nodes that ask each other for a minute, with a crash and a partition in it.
async fn a_minute_of_five(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let names = ["a", "b", "c", "d", "e"];
    cluster(world, &names).await;
    let random = world.random("asks");
    for round in 1..=60 {
        world.run_for(SECOND / 2).await;
        let [from, on] = [names[random.below(5) as usize], names[random.below(5) as usize]];
        if let Some(node) = world.runtime_node(from)
            && let Ok(Some(counter)) = node.on(on).lookup::<Counter>("counter").await
        {
            let asked = counter.ask(Add { number: round }).within(SECOND).await;
            world.note("asked", &format!("{from} {on} {}", asked.is_ok()));
        }
        match round {
            20 => world.crash("e"),
            25 => world.restart("e"),
            40 => world.partition(&["d"], &["a", "b", "c"]),
            45 => world.heal(),
            _ => {}
        }
    }
    world.all_joined(&names, 60 * SECOND).await.expect("they end as one cluster");
}

#[odeon_sim::test(seeds = 7, link = both, repeat = 10)]
async fn one_seed_in_ten_programs_is_one_run(world: &mut World) {
    a_minute_of_five(world).await;
}

#[test]
fn ten_seeds_are_ten_runs() {
    let scenario = scenario!(ten_seeds_are_ten_runs, a_minute_of_five);
    let run = |seed| scenario.run(Case::new(seed), 1, 60 * SECOND);
    let verdicts = (0..10).flat_map(run).collect::<Vec<_>>();
    assert!(verdicts.iter().all(Verdict::passed), "{verdicts:?}");
    let mut hashes = verdicts.iter().map(|verdict| verdict.hash).collect::<Vec<_>>();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), verdicts.len());
}
