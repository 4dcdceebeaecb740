//! A name of the cluster stays with its holder, whoever comes and wants it at once: a node in the first moments of a
//! life, one whose clock is hours behind, one that knows a part of the members.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, UNIX_EPOCH},
};

use odeon::{
    Actor, ActorRef, Ca, Context, Handler, Node, NodeBuilder, RegisterError, RosterConfig,
    StartError, Validity, actor, message,
};
use odeon_sim::{LinkRule, World};

use crate::nodes::node;

const SECOND: Duration = Duration::from_secs(1);
const HOUR_NS: i64 = 3_600 * 1_000_000_000;

/// When the wall clock of a world begins.
const BEGIN: Duration = Duration::from_secs(1_900_000_000);
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[message(id = "registering/Who", reply = String)]
struct Who;

/// Knows its node.
#[derive(Clone)]
struct Leader(String);

#[actor(id = "registering/Leader", handles(Who))]
impl Actor for Leader {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Who> for Leader {
    async fn handle(&mut self, _: Who, _: &mut Context<Self>) -> String {
        self.0.clone()
    }
}

/// What those heard who wanted the name at the start of a life.
type Heard = Rc<RefCell<Vec<(String, Result<(), RegisterError>)>>>;

async fn lead(node: &Node) -> (ActorRef<Leader>, Result<(), RegisterError>) {
    let leader = node.spawn(Leader(node.name().to_owned())).await.expect("it starts");
    let registered = node.cluster().register("leader", &leader).await;
    (leader, registered)
}

/// Nodes of which those after `b` want the name as the first thing they do, in each life.
fn start(world: &mut World, ca: &Ca, names: &[&'static str], heard: &Heard) {
    // Older than what a clock is wrong by.
    let validity = Validity::from(UNIX_EPOCH + BEGIN - 86_400 * SECOND, 1_000 * 86_400 * SECOND);
    for name in names {
        let heard = Rc::clone(heard);
        let eager = *name > "b";
        let identity = ca.issue(name, validity).expect("the name is valid");
        let setup = move |node: NodeBuilder| node.actor::<Leader>().identity(identity.clone());
        world.start_member(name, setup, move |node: Node| {
            let heard = Rc::clone(&heard);
            async move {
                if eager {
                    let (_, registered) = lead(&node).await;
                    heard.borrow_mut().push((node.name().to_owned(), registered));
                }
            }
        });
    }
}

/// All see that the name is b's, and b answers to it.
async fn b_leads(world: &World) {
    for name in NAMES {
        let found =
            || node(world, name).cluster().lookup::<Leader>("leader").expect("of that type");
        world.run_until(|| found().is_some(), 20 * SECOND).await.expect("it is known");
        let leader = found().expect("it is known");
        let asked = leader.ask(Who).await;
        assert_eq!(asked.as_deref(), Ok("b"), "{name} sees another");
    }
}

async fn is_kept(world: &mut World, skew_hours: i64) {
    world.set_default_link(LinkRule::rough());
    let (heard, ca) = (Heard::default(), Ca::in_memory("world").expect("the name is valid"));
    start(world, &ca, &NAMES[..2], &heard);
    world.all_joined(&NAMES[..2], 20 * SECOND).await.expect("they find each other");
    let (leader, registered) = lead(&node(world, "b")).await;
    registered.expect("it is free");
    world.run_for(60 * SECOND).await;
    start(world, &ca, &NAMES[2..], &heard);
    for name in &NAMES[2..] {
        world.set_skew_ns(name, skew_hours * HOUR_NS);
    }
    world.all_joined(&NAMES, 60 * SECOND).await.expect("all find each other");
    for name in &NAMES[2..] {
        world.crash(name);
        world.restart(name);
    }
    world.all_joined(&NAMES, 120 * SECOND).await.expect("they come back");
    world.run_until(|| heard.borrow().len() >= 3, 60 * SECOND).await.expect("they are answered");
    world.run_for(10 * SECOND).await;
    for (name, registered) in &*heard.borrow() {
        // One that did not hear of all in time was not given the name either.
        assert!(registered.is_err(), "{name} was given a name that b holds");
    }
    assert_eq!(leader.ask(Who).await.as_deref(), Ok("b"), "it was not stopped");
    b_leads(world).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn who_comes_back_does_not_take_a_name_that_is_held(world: &mut World) {
    is_kept(world, 0).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn nor_does_who_has_a_clock_that_is_hours_behind(world: &mut World) {
    is_kept(world, -3).await;
}

/// A claim has an end also where nobody takes the node in.
#[odeon_sim::test(seeds = 0..3, link = frames)]
async fn a_node_that_is_in_no_cluster_yet_gives_no_name_away(world: &mut World) {
    let short = |builder: NodeBuilder| {
        let mut roster = RosterConfig::default();
        roster.confirm_within = 3 * SECOND;
        builder.actor::<Leader>().roster(roster).seed("nobody:7400")
    };
    world.start_node("lone", short, async |_| ());
    world.run_for(SECOND).await;
    let lone = node(world, "lone");
    let began = world.now();
    let (_, registered) = lead(&lone).await;
    let refused = registered.expect_err("it knows nobody who could say that the name is free");
    assert!(refused.to_string().contains("in no cluster yet"), "{refused}");
    let took = world.now() - began;
    assert!(3 * SECOND <= took && took < 4 * SECOND, "{took:?}");
    assert_eq!(lone.cluster().lookup::<Leader>("leader").map(|it| it.is_some()), Ok(false));
}

/// A node with an actor that has no name yet, of a cluster of two whose other node does not hear it until the world heals.
async fn alone_for_a_while(world: &mut World) -> (Node, ActorRef<Leader>) {
    for name in ["a", "b"] {
        world.start_member(name, NodeBuilder::actor::<Leader>, async |_| ());
    }
    world.all_joined(&["a", "b"], 20 * SECOND).await.expect("they find each other");
    world.run_for(SECOND).await;
    let a = node(world, "a");
    let leader = a.spawn(Leader("a".to_owned())).await.expect("it starts");
    world.partition(&["a"], &["b"]);
    (a, leader)
}

/// The first of two calls that was given up took the name from the second, and a member that did not answer had it said that
/// the name was not registered, though its actor had it.
#[odeon_sim::test(seeds = 0..5, link = both)]
async fn who_has_a_name_may_register_it_again(world: &mut World) {
    let (a, leader) = alone_for_a_while(world).await;
    let cluster = a.cluster();
    let mut first = Box::pin(cluster.register("leader", &leader));
    let mut second = Box::pin(cluster.register("leader", &leader));
    tokio::select! {
        biased;
        _ = &mut first => panic!("b has not heard of it"),
        _ = &mut second => panic!("b has not heard of it"),
        () = world.run_for(SECOND / 10) => {}
    }
    drop(first);
    world.heal();
    second.await.expect("it still waits for the name");
    world.partition(&["a"], &["b"]);
    let began = world.now();
    cluster.register("leader", &leader).await.expect("it has the name");
    assert!(world.now() - began < SECOND, "nobody has to be asked");
}

/// A call from before the name was given back took it, when it ended, from the call that came after.
#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_call_of_before_takes_nothing_from_one_that_came_after(world: &mut World) {
    let (a, leader) = alone_for_a_while(world).await;
    let cluster = a.cluster();
    let mut before = Box::pin(cluster.register("leader", &leader));
    tokio::select! {
        biased;
        _ = &mut before => panic!("b has not heard of it"),
        () = world.run_for(SECOND / 10) => {}
    }
    cluster.unregister("leader", &leader);
    let mut after = Box::pin(cluster.register("leader", &leader));
    tokio::select! {
        biased;
        _ = &mut after => panic!("b has not heard of it"),
        () = world.run_for(SECOND / 10) => {}
    }
    drop(before);
    world.heal();
    after.await.expect("it still waits for the name");
}
