//! The table of asks that wait for other nodes, when it is full and when writing an ask goes wrong.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, AskError, Certainty, Context, Handler, NetworkMetrics, Node, NodeBuilder,
    Schema, SchemaWalk, StartError, SystemConfig, actor, message,
    rkyv::{Archive, Deserialize, Place, Serialize, rancor::Fallible},
};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);

/// A part of a message that panics when it is archived, if it is lit.
struct Fuse {
    is_lit: bool,
}

impl Schema for Fuse {
    fn describe(walk: &mut SchemaWalk) {
        walk.leaf("fuse");
    }
}

impl Archive for Fuse {
    type Archived = ();
    type Resolver = ();

    fn resolve(&self, (): (), _: Place<()>) {}
}

impl<S: Fallible + ?Sized> Serialize<S> for Fuse {
    fn serialize(&self, _: &mut S) -> Result<(), S::Error> {
        assert!(!self.is_lit, "as it was told");
        Ok(())
    }
}

impl<D: Fallible + ?Sized> Deserialize<Fuse, D> for () {
    fn deserialize(&self, _: &mut D) -> Result<Fuse, D::Error> {
        Ok(Fuse { is_lit: false })
    }
}

/// Answers with its number, after a while.
#[message(id = "ask-table/Count", reply = u64)]
struct Count {
    number: u64,
    millis: u64,
    fuse: Fuse,
}

fn count(number: u64, millis: u64) -> Count {
    Count { number, millis, fuse: Fuse { is_lit: false } }
}

#[derive(Clone)]
struct Counter;

#[actor(id = "ask-table/Counter", handles(Count))]
impl Actor for Counter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Count> for Counter {
    async fn handle(&mut self, count: Count, _: &mut Context<Self>) -> u64 {
        tokio::time::sleep(Duration::from_millis(count.millis)).await;
        count.number
    }
}

/// Node a, which has places for so many asks, and its references to two counters on b.
async fn two(world: &mut World, asks_max: u32) -> (Node, [ActorRef<Counter>; 2]) {
    let setup = move |builder: NodeBuilder| {
        let mut config = SystemConfig::default();
        config.remote_asks_max = asks_max;
        builder.system(config)
    };
    world.start_member("a", setup, |_| async {});
    world.start_member("b", NodeBuilder::actor::<Counter>, |node: Node| async move {
        for name in ["slow", "fast"] {
            let counter = node.spawn(Counter).await.expect("it starts");
            node.register(name, &counter).expect("the name is free");
        }
    });
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let on_b = a.on("b");
    let lookup = async |name| {
        on_b.lookup::<Counter>(name).await.expect("b answers").expect("it is registered")
    };
    let counters = [lookup("slow").await, lookup("fast").await];
    (a, counters)
}

/// An asker that found the table full waited for room in its lane, which nothing made, until its deadline.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_place_in_the_table_of_asks_that_comes_free_goes_to_the_next_in_line(world: &mut World) {
    let (a, [slow, fast]) = two(world, 2).await;
    let ask = |counter: &ActorRef<Counter>, number, millis| {
        let counter = counter.clone();
        tokio::task::spawn_local(async move {
            let answer = counter.ask(count(number, millis)).within(4 * SECOND).await;
            (answer.expect("its turn comes"), tokio::time::Instant::now())
        })
    };
    let began = tokio::time::Instant::now();
    let holders = [ask(&slow, 0, 1000), ask(&slow, 1, 1000)];
    world.run_for(SECOND / 10).await;
    assert_eq!(a.remote_asks(), 2);
    let waiting = (2..12).map(|number| ask(&fast, number, 10)).collect::<Vec<_>>();
    world.run_for(SECOND / 10).await;
    assert_eq!(a.remote_asks(), 2);
    let mut last = began;
    for (number, waiting) in (2..).zip(waiting) {
        let (answer, at) = waiting.await.expect("it does not panic");
        assert_eq!(answer, number);
        assert!(at >= last && at - began >= SECOND, "in order, once a place is free");
        last = at;
    }
    assert!(last - began < 2 * SECOND, "one holder's place served them all: {:?}", last - began);
    for holder in holders {
        holder.await.expect("it does not panic");
    }
    assert_eq!(a.remote_asks(), 0);
}

/// Its entry stayed in the table for ever.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_ask_whose_archiving_panics_leaves_nothing_behind(world: &mut World) {
    world.expect_panics("ask_table.rs", "as it was told");
    let (a, [_, fast]) = two(world, 1).await;
    for _ in 0..3 {
        let fast = fast.clone();
        let lit =
            async move { fast.ask(Count { fuse: Fuse { is_lit: true }, ..count(0, 0) }).await };
        let lit = world.run_on("a", async { tokio::task::spawn_local(lit).await });
        assert!(lit.await.expect("a is up").expect_err("it panics").is_panic());
        assert_eq!(a.remote_asks(), 0);
    }
    let before = fast.tell(count(1, 0)).await;
    before.expect("the lane is whole");
    assert_eq!(fast.ask(count(7, 0)).await.expect("there is a place"), 7);
}

/// Its turn in line was lost with it, and who stood behind it waited until the deadline.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_ask_that_panics_when_its_turn_has_come_passes_the_turn_on(world: &mut World) {
    world.expect_panics("ask_table.rs", "as it was told");
    let (a, [slow, fast]) = two(world, 1).await;
    let held = tokio::task::spawn_local(async move { slow.ask(count(0, 1000)).await });
    world.run_for(SECOND / 10).await;
    let lit = {
        let fast = fast.clone();
        async move { fast.ask(Count { fuse: Fuse { is_lit: true }, ..count(1, 0) }).await }
    };
    let lit = world.run_on("a", async { tokio::task::spawn_local(lit).await });
    let behind = async {
        tokio::time::sleep(SECOND / 10).await;
        fast.ask(count(2, 0)).within(3 * SECOND).await
    };
    let began = world.now();
    let (lit, behind) = tokio::join!(lit, behind);
    assert!(lit.expect("a is up").expect_err("it panics").is_panic());
    assert_eq!(behind.expect("it is next"), 2);
    assert!(world.now() - began < 2 * SECOND, "{:?}", world.now() - began);
    held.await.expect("it does not panic").expect("it was first");
    assert_eq!(a.remote_asks(), 0);
}

/// While it waits for a place it has not left, and says so at its deadline.
#[odeon_sim::test(seeds = 0..3, link = both)]
async fn an_ask_that_finds_no_place_in_time_was_not_delivered(world: &mut World) {
    let (a, [slow, fast]) = two(world, 1).await;
    let held = tokio::task::spawn_local(async move { slow.ask(count(0, 2000)).await });
    world.run_for(SECOND / 10).await;
    let late = fast.ask(count(1, 0)).within(SECOND).await.expect_err("the place is taken");
    assert!(matches!(late, AskError::Deadline(_)), "{late}");
    assert_eq!(late.certainty(), Certainty::NotDelivered);
    assert_eq!(a.remote_asks(), 1);
    held.await.expect("it does not panic").expect("it was first");
    assert_eq!(fast.ask(count(2, 0)).await.expect("there is a place"), 2);
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn a_node_counts_what_it_has_going_on_with_others(world: &mut World) {
    let (a, [slow, fast]) = two(world, 8).await;
    let of_asks = |it: NetworkMetrics| (it.asks, it.asks_unanswered, it.answers_late);
    let before = a.network_metrics();
    let wait = |number| {
        let slow = slow.clone();
        tokio::task::spawn_local(
            async move { slow.ask(count(number, 1000)).within(4 * SECOND).await },
        )
    };
    let waiting = [wait(0), wait(1), wait(2)];
    world.run_for(SECOND / 2).await;
    let there = world.runtime_node("b").expect("it is up");
    assert_eq!(there.network_metrics().messages_held, 2, "all but the one that is handled");
    assert_eq!(a.network_metrics().asks, 3);
    for waiting in waiting {
        waiting.await.expect("it does not panic").expect("there is time for all");
    }
    assert_eq!(of_asks(a.network_metrics()), of_asks(before.clone()));
    assert_eq!(there.network_metrics().messages_held, 0);
    fast.ask(count(3, 1000)).within(SECOND / 2).await.expect_err("it takes longer");
    world.run_for(SECOND).await;
    let after = a.network_metrics();
    assert_eq!((after.asks, after.asks_unanswered - before.asks_unanswered), (0, 1));
    assert_eq!(after.answers_late - before.answers_late, 1, "it ran, and was answered");
}
