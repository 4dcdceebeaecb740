//! A node that drains: what others began there is finished, whoever asks in a loop sees no error where another node can
//! answer, and it is out in time whatever its actors do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use odeon::{
    Actor, Aim, Context, DownReason, Failure, FailureKind, Handler, MemberEvent, Node, NodeBuilder,
    Phase, Pick, RemoteName, RetryPolicy, Router, StartError, Target, actor, message,
};
use odeon_sim::World;
use tokio::{task::spawn_local, time::Instant};

const SECOND: Duration = Duration::from_secs(1);

/// The drain of these tests.
const WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone)]
#[message(id = "drain/Work", reply = String)]
struct Work {
    millis: u64,
}

#[message(id = "drain/Note")]
struct Note;

#[message(id = "drain/Notes", reply = u64)]
struct Notes;

/// Works for a while, and says where.
#[derive(Clone)]
struct Clerk {
    node: String,
    notes: u64,
}

#[actor(id = "drain/Clerk", handles(Work, Note, Notes))]
impl Actor for Clerk {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Work> for Clerk {
    async fn handle(&mut self, work: Work, _: &mut Context<Self>) -> String {
        tokio::time::sleep(Duration::from_millis(work.millis)).await;
        self.node.clone()
    }
}

impl Handler<Note> for Clerk {
    async fn handle(&mut self, _: Note, _: &mut Context<Self>) {
        self.notes += 1;
    }
}

impl Handler<Notes> for Clerk {
    async fn handle(&mut self, _: Notes, _: &mut Context<Self>) -> u64 {
        self.notes
    }
}

/// Whoever holds the name on one of the nodes, in turn.
struct Turns {
    names: Vec<RemoteName<Clerk>>,
    turn: AtomicUsize,
}

impl Router<Clerk> for Turns {
    fn pick(&self) -> Result<Pick<Clerk>, Failure> {
        let turn = self.turn.fetch_add(1, Relaxed);
        let mut held = self.names.iter().filter_map(RemoteName::current).collect::<Vec<_>>();
        if held.is_empty() {
            return Err(Failure::not_delivered(FailureKind::Stopped, "nobody holds the name"));
        }
        Ok(Pick::of(held.swap_remove(turn % held.len())))
    }
}

#[derive(Clone)]
struct Clerks(Arc<Turns>);

impl Target for Clerks {
    type Actor = Clerk;

    fn aim(&self) -> Aim<Clerk> {
        Aim::routed(self.0.clone())
    }
}

/// Three nodes with two clerks each, and one that asks them.
async fn cluster(world: &mut World) -> Node {
    for name in ["a", "b", "c"] {
        let main = move |node: Node| async move {
            for of in ["clerk", "slow"] {
                let clerk = Clerk { node: node.name().to_owned(), notes: 0 };
                let clerk = node.spawn(clerk).await.expect("it starts");
                node.register(of, &clerk).expect("the name is free");
            }
        };
        world.start_member(name, NodeBuilder::actor::<Clerk>, main);
    }
    world.start_member("asker", |builder| builder, |_| async {});
    world.all_joined(&["a", "b", "c", "asker"], 20 * SECOND).await.expect("they find each other");
    world.runtime_node("asker").expect("it is up")
}

async fn clerks(asker: &Node) -> Clerks {
    let mut names = Vec::new();
    for node in ["a", "b", "c"] {
        let mut name = asker.on(node).follow::<Clerk>("clerk").await.expect("it can be followed");
        name.held().await.expect("the node lives");
        names.push(name);
    }
    Clerks(Arc::new(Turns { names, turn: AtomicUsize::new(0) }))
}

async fn slow(asker: &Node) -> odeon::ActorRef<Clerk> {
    asker.on("b").lookup::<Clerk>("slow").await.expect("it answers").expect("it is there")
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn asks_in_a_loop_see_no_error_while_a_node_of_three_drains(world: &mut World) {
    let asker = cluster(world).await;
    let clerks = clerks(&asker).await;
    let mut members = asker.members();
    // Begun before the drain, and longer than it would last without.
    let (long, slow) = (Work { millis: 4_000 }, slow(&asker).await);
    let long = spawn_local(async move { slow.ask(long).within(20 * SECOND).await });
    let looping = spawn_local(async move {
        let end = Instant::now() + 10 * SECOND;
        let mut answers = Vec::new();
        while Instant::now() < end {
            let ask = clerks.ask(Work { millis: 20 }).retry(RetryPolicy::attempts(5));
            answers.push((Instant::now(), ask.await));
        }
        answers
    });
    world.run_for(2 * SECOND).await;
    let (b, began) = (world.runtime_node("b").expect("it is up"), Instant::now());
    b.drain(WITHIN).await;
    let took = began.elapsed();
    assert_eq!(b.phase(), Phase::Down);
    assert!(SECOND < took && took < 5 * SECOND, "it waits for the long ask alone: {took:?}");
    assert_eq!(long.await.expect("no panic").as_deref(), Ok("b"), "it was begun before");
    let answers = looping.await.expect("no panic");
    for (at, answer) in &answers {
        assert!(answer.is_ok(), "{:?} after the drain began: {answer:?}", *at - began);
    }
    let late = answers.iter().filter(|(at, _)| *at > began + SECOND);
    let by_b = late.filter(|(_, answer)| answer.as_deref() == Ok("b")).count();
    assert_eq!(by_b, 0, "a second later everybody looks elsewhere");
    let by_b = answers.iter().filter(|(_, answer)| answer.as_deref() == Ok("b")).count();
    assert!(by_b > 0 && answers.len() > 100, "{by_b} of {}", answers.len());
    loop {
        if let MemberEvent::Down { member, reason } = members.next().await.expect("it lives") {
            assert_eq!((member.name.as_str(), reason), ("b", DownReason::Left));
            return;
        }
    }
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_drain_ends_in_time_whatever_is_under_way(world: &mut World) {
    let asker = cluster(world).await;
    let slow = slow(&asker).await;
    let endless =
        spawn_local(async move { slow.ask(Work { millis: 600_000 }).within(60 * SECOND).await });
    world.run_for(SECOND).await;
    let (b, began) = (world.runtime_node("b").expect("it is up"), Instant::now());
    b.drain(5 * SECOND).await;
    let took = began.elapsed();
    assert!(4 * SECOND <= took && took <= 6 * SECOND, "{took:?}");
    let refused = endless.await.expect("no panic").expect_err("its handler was ended");
    assert_ne!(refused.certainty(), odeon::Certainty::NotDelivered, "it ran: {refused}");
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_stop_cuts_a_drain_short(world: &mut World) {
    let asker = cluster(world).await;
    let slow = slow(&asker).await;
    let endless =
        spawn_local(async move { slow.ask(Work { millis: 600_000 }).within(60 * SECOND).await });
    world.run_for(SECOND).await;
    let (b, began) = (world.runtime_node("b").expect("it is up"), Instant::now());
    let draining = spawn_local({
        let b = b.clone();
        async move { b.drain(WITHIN).await }
    });
    world.run_for(2 * SECOND).await;
    assert_eq!(b.phase(), Phase::Leaving);
    b.stop(SECOND / 2).await;
    draining.await.expect("no panic");
    assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
    assert!(endless.await.expect("no panic").is_err());
}

/// The order came while actors were being stopped, and was heard when a minute was over.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_second_stop_cuts_the_first_short(world: &mut World) {
    let asker = cluster(world).await;
    let slow = slow(&asker).await;
    let endless =
        spawn_local(async move { slow.ask(Work { millis: 600_000 }).within(600 * SECOND).await });
    world.run_for(SECOND).await;
    let (b, began) = (world.runtime_node("b").expect("it is up"), Instant::now());
    let first = b.clone();
    let first = spawn_local(async move { first.stop(60 * SECOND).await });
    world.run_for(2 * SECOND).await;
    assert_eq!(b.phase(), Phase::Leaving);
    b.stop(SECOND / 5).await;
    first.await.expect("no panic");
    assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
    assert!(endless.await.expect("no panic").is_err());
}

/// The others cannot be told that its names are gone, and what it has for them cannot be read.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_drain_of_a_node_that_nobody_hears_ends_in_time(world: &mut World) {
    let asker = cluster(world).await;
    let slow = slow(&asker).await;
    let endless =
        spawn_local(async move { slow.ask(Work { millis: 600_000 }).within(60 * SECOND).await });
    world.run_for(SECOND).await;
    world.partition(&["b"], &["a", "c", "asker"]);
    let (b, began) = (world.runtime_node("b").expect("it is up"), Instant::now());
    b.drain(SECOND).await;
    let took = began.elapsed();
    assert!(took <= SECOND + SECOND / 20, "{took:?}");
    assert!(endless.await.expect("no panic").is_err());
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_second_order_to_drain_does_not_cut_the_first_short(world: &mut World) {
    let asker = cluster(world).await;
    let slow = slow(&asker).await;
    let long =
        spawn_local(async move { slow.ask(Work { millis: 5_000 }).within(60 * SECOND).await });
    world.run_for(SECOND).await;
    let b = world.runtime_node("b").expect("it is up");
    let order = |within| {
        let b = b.clone();
        spawn_local(async move { b.drain(within).await })
    };
    let first = order(WITHIN);
    // The node has taken that one.
    world.run_for(SECOND).await;
    let orders = [first, order(SECOND / 10)];
    assert_eq!(long.await.expect("no panic").expect("it is finished"), "b");
    for order in orders {
        order.await.expect("no panic");
    }
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_draining_node_hides_its_names_and_refuses_new_asks(world: &mut World) {
    let asker = cluster(world).await;
    let slow = slow(&asker).await;
    let long = slow.clone();
    let long =
        spawn_local(async move { long.ask(Work { millis: 5_000 }).within(20 * SECOND).await });
    world.run_for(SECOND).await;
    let b = world.runtime_node("b").expect("it is up");
    let other = b.lookup::<Clerk>("clerk").expect("it is there");
    let other =
        asker.on("b").lookup::<Clerk>("clerk").await.expect("b answers").map(|it| (it, other));
    let (there, here) = other.expect("it is there");
    let draining = spawn_local({
        let b = b.clone();
        async move { b.drain(WITHIN).await }
    });
    world.run_for(SECOND).await;
    assert!(asker.on("b").lookup::<Clerk>("clerk").await.expect("b answers").is_none());
    let refused = there.ask(Work { millis: 1 }).await.expect_err("it is refused");
    assert_eq!(refused.certainty(), odeon::Certainty::NotDelivered, "{refused}");
    assert!(refused.to_string().contains("drains"), "{refused}");
    // What the node itself asks for is answered, and what is told is taken.
    assert_eq!(here.ask(Work { millis: 1 }).await.as_deref(), Ok("b"));
    there.tell(Note).await.expect("there is room");
    world.run_for(SECOND).await;
    assert_eq!(here.ask(Notes).await, Ok(1));
    assert_eq!(long.await.expect("no panic").as_deref(), Ok("b"));
    draining.await.expect("no panic");
}

/// While a node of theirs drained every registration of the others waited for it, and ended unconfirmed.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn while_a_node_drains_the_others_give_names_away(world: &mut World) {
    let asker = cluster(world).await;
    let slow = slow(&asker).await;
    let long =
        spawn_local(async move { slow.ask(Work { millis: 20_000 }).within(60 * SECOND).await });
    world.run_for(SECOND).await;
    let b = world.runtime_node("b").expect("it is up");
    let draining = spawn_local({
        let b = b.clone();
        async move { b.drain(WITHIN).await }
    });
    // Behind the closed gate.
    world.run_for(2 * SECOND).await;
    let (a, began) = (world.runtime_node("a").expect("it is up"), Instant::now());
    for name in ["one", "two"] {
        let clerk = a.spawn(Clerk { node: "a".to_owned(), notes: 0 }).await.expect("it starts");
        a.cluster().register(name, &clerk).await.expect("b answers as long as it is a member");
    }
    assert!(began.elapsed() < 2 * SECOND, "{:?}", began.elapsed());
    assert_eq!(b.phase(), Phase::Leaving);
    assert_eq!(long.await.expect("no panic").as_deref(), Ok("b"));
    draining.await.expect("no panic");
}
