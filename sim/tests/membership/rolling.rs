//! A node that leaves, and those that ask it until the end: each of their asks is answered, or has certainly not run, so
//! that it can be sent to somebody else. None of them may be sent twice here: these messages are not idempotent.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use odeon::{
    Actor, ActorRef, Certainty, Client, Context, Handler, Node, NodeBuilder, RetryPolicy,
    StartError, Target, actor, message,
};
use odeon_sim::{Latency, LinkRule, World};

use crate::nodes::client;
use tokio::task::spawn_local;

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

/// May not be handled twice.
#[message(id = "rolling/Count", reply = String)]
#[derive(Clone)]
struct Count;

#[derive(Clone)]
struct Worker {
    node: String,
}

#[actor(id = "rolling/Worker", handles(Count))]
impl Actor for Worker {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Count> for Worker {
    async fn handle(&mut self, _: Count, _: &mut Context<Self>) -> String {
        self.node.clone()
    }
}

async fn work(node: Node) {
    let worker = node.spawn(Worker { node: node.name().to_owned() }).await.expect("it starts");
    node.register("worker", &worker).expect("the name is free");
    node.cluster().group("workers").expect("there is room").join(&worker).expect("there is room");
}

/// Three nodes and a client, all of them on this network.
async fn cluster(world: &mut World, rule: LinkRule) -> Client {
    world.set_default_link(rule);
    for name in NAMES {
        world.start_member(name, NodeBuilder::actor::<Worker>, work);
    }
    world.all_joined(&NAMES, 60 * SECOND).await.expect("they find each other");
    client(world, "till", &NAMES).await
}

/// What those who ask have seen.
#[derive(Default)]
struct Seen {
    is_over: Cell<bool>,
    answers: Cell<u64>,
    not_delivered: Cell<u64>,
    unknown: RefCell<Vec<String>>,
}

/// Asks again and again, nobody else and without a second try.
async fn ask_on(worker: ActorRef<Worker>, pause: Duration, seen: Rc<Seen>) {
    while !seen.is_over.get() {
        match worker.ask(Count).within(20 * SECOND).await {
            Ok(_) => seen.answers.set(seen.answers.get() + 1),
            Err(error) if error.certainty() == Certainty::NotDelivered => {
                seen.not_delivered.set(seen.not_delivered.get() + 1);
            }
            Err(error) => seen.unknown.borrow_mut().push(error.to_string()),
        }
        tokio::time::sleep(pause).await;
    }
}

/// Members and a client that hold on to a reference ask a node until it is gone.
async fn ask_until_it_is_gone(world: &mut World, rule: LinkRule) {
    let client = cluster(world, rule).await;
    let group = client.group::<Worker>("workers").await.expect("a member answers");
    let b = world.runtime_node("b").expect("it is up");
    while group.members().len() < NAMES.len() {
        world.run_for(SECOND / 10).await;
    }
    let of_b =
        group.members().into_iter().find(|it| it.address().is_ok_and(|it| it.node == b.id()));
    let mut workers = vec![of_b.expect("b has a worker")];
    for name in ["a", "c"] {
        let node = world.runtime_node(name).expect("it is up");
        let worker = node.on("b").lookup::<Worker>("worker").await.expect("b answers");
        workers.push(worker.expect("it is there"));
    }
    let seen = Rc::new(Seen::default());
    let mut asking = Vec::new();
    for worker in workers {
        for nth in 1..=4 {
            let (worker, pause) = (worker.clone(), Duration::from_millis(3 * nth));
            asking.push(spawn_local(ask_on(worker, pause, Rc::clone(&seen))));
        }
    }
    world.run_for(SECOND).await;
    b.drain(10 * SECOND).await;
    world.run_for(2 * SECOND).await;
    seen.is_over.set(true);
    for one in asking {
        one.await.expect("no panic");
    }
    let unknown = seen.unknown.borrow();
    assert!(
        unknown.is_empty(),
        "of {} of them nobody knows whether they ran, after {} answers: {:?}",
        unknown.len(),
        seen.answers.get(),
        unknown.first()
    );
    let counts = (seen.answers.get(), seen.not_delivered.get());
    assert!(counts.0 > 30 && counts.1 > 30, "{counts:?}");
}

#[odeon_sim::test(seeds = 0..20, link = both)]
async fn an_ask_of_a_node_that_leaves_is_answered_or_has_not_run(world: &mut World) {
    ask_until_it_is_gone(world, LinkRule::rough()).await;
}

/// What a far node hears comes later than any pause that a node could make before it goes.
#[odeon_sim::test(seeds = 0..20, link = both)]
async fn one_from_far_away_is_too(world: &mut World) {
    let far = Latency::Uniform(SECOND / 10, SECOND / 5);
    ask_until_it_is_gone(world, LinkRule { latency: far, ..LinkRule::rough() }).await;
}

/// Three clients ask a group in a loop while node after node is drained and started again.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_group_is_asked_once_each_through_a_rolling_restart(world: &mut World) {
    let client = cluster(world, LinkRule::rough()).await;
    let group = Rc::new(client.group::<Worker>("workers").await.expect("a member answers"));
    while group.members().len() < NAMES.len() {
        world.run_for(SECOND / 10).await;
    }
    let is_over = Rc::new(Cell::new(false));
    let asking: Vec<_> = (0..8_u32)
        .map(|nth| {
            let (group, is_over) = (Rc::clone(&group), Rc::clone(&is_over));
            spawn_local(async move {
                let mut answers = 0_u64;
                while !is_over.get() {
                    let ask = group.ask(Count).retry(RetryPolicy::attempts(6));
                    let answer = ask.within(20 * SECOND).await;
                    answer.unwrap_or_else(|error| {
                        panic!("after {answers} answers: {error} ({:?})", error.certainty())
                    });
                    answers += 1;
                    tokio::time::sleep(Duration::from_millis(3 + u64::from(nth))).await;
                }
                answers
            })
        })
        .collect();
    for name in NAMES {
        world.runtime_node(name).expect("it is up").drain(10 * SECOND).await;
        world.run_for(SECOND).await;
        world.restart(name);
        let is_whole = || group.members().len() == NAMES.len();
        world.run_until(is_whole, 60 * SECOND).await.expect("it is back, and works");
    }
    is_over.set(true);
    for one in asking {
        assert!(one.await.expect("it saw no error") > 100);
    }
}
