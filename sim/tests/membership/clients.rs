//! A client that is no member: it finds names and groups, tells and asks, goes over to another member when its guide is
//! gone, and is seen by nobody.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
    time::Duration,
};

use odeon::{
    Actor, Client, Context, Handler, LookupError, MemberEvent, Node, NodeBuilder, Profile,
    RetryPolicy, StartError, Target, actor, message,
};
use odeon_sim::{LinkRule, Role, World};

use crate::nodes::client;

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

#[message(id = "clients/Who", reply = String, idempotent)]
#[derive(Clone)]
struct Who;

/// Takes five seconds.
#[message(id = "clients/Nap")]
struct Nap;

#[derive(Clone)]
struct Worker {
    node: String,
}

#[actor(id = "clients/Worker", handles(Who, Nap))]
impl Actor for Worker {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Who> for Worker {
    async fn handle(&mut self, _: Who, _: &mut Context<Self>) -> String {
        self.node.clone()
    }
}

impl Handler<Nap> for Worker {
    async fn handle(&mut self, _: Nap, _: &mut Context<Self>) {
        tokio::time::sleep(5 * SECOND).await;
    }
}

#[derive(Clone)]
struct Other;

#[actor(id = "clients/Other", handles())]
impl Actor for Other {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

/// A worker on each node, in a group, and that of b with a name too.
async fn work(node: Node) {
    let worker = node.spawn(Worker { node: node.name().to_owned() }).await.expect("it starts");
    node.cluster().group("workers").expect("there is room").join(&worker).expect("there is room");
    if node.name() == "b" {
        // In a later life, others may not have heard yet that the earlier one is over.
        while node.cluster().register("leader", &worker).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Three nodes and a client.
async fn cluster(world: &mut World) -> Client {
    for name in NAMES {
        world.start_member(name, NodeBuilder::actor::<Worker>, work);
    }
    client_of(world, "till").await
}

async fn client_of(world: &mut World, name: &str) -> Client {
    world.all_joined(&NAMES, 20 * SECOND).await.expect("they find each other");
    client(world, name, &NAMES).await
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_client_finds_names_and_groups_and_is_no_member(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let client = cluster(world).await;
    let leader = loop {
        if let Ok(Some(leader)) = client.lookup::<Worker>("leader").await {
            break leader;
        }
        world.run_for(SECOND / 10).await;
    };
    assert_eq!(leader.ask(Who).retry(RetryPolicy::default()).await.expect("it answers"), "b");
    let other = client.lookup::<Other>("leader").await.expect_err("it is of another type");
    assert_eq!(other, LookupError::OtherType { name: "leader".into(), node: "b".into() });
    let workers = client.group::<Worker>("workers").await.expect("a member answers");
    while workers.members().len() < 3 {
        world.run_for(SECOND).await;
    }
    let mut answers = BTreeSet::new();
    for _ in 0..6 {
        let answer = workers.ask(Who).retry(RetryPolicy::default()).await;
        answers.insert(answer.expect("one of them answers"));
    }
    assert_eq!(answers.len(), 3, "one after the other");
    world.run_for(30 * SECOND).await;
    for name in NAMES {
        let members = world.runtime_node(name).expect("it is up").members_now();
        assert_eq!(members.len(), 2, "the client is no member: {members:?}");
    }
    assert_eq!(client.members_now().len(), 3);
    assert_eq!(
        (world.names(Role::Node), world.names(Role::Client)),
        (NAMES.to_vec(), vec!["till"])
    );
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_client_goes_over_to_another_member(world: &mut World) {
    let client = cluster(world).await;
    let workers = client.group::<Worker>("workers").await.expect("a member answers");
    while workers.members().len() < 3 {
        world.run_for(SECOND).await;
    }
    // The attempt that is under way when a node dies is given up after a second.
    let policy = RetryPolicy::attempts(6).attempt_within(SECOND);
    for gone in NAMES {
        world.crash(gone);
        for _ in 0..20 {
            let answer = workers.ask(Who).retry(policy).within(5 * SECOND).await;
            let answer = answer.expect("one of the others answers");
            assert_ne!(answer, gone);
            world.run_for(SECOND / 10).await;
        }
        let found = client.group::<Worker>("workers").await.expect("another member answers");
        assert_eq!(found.members().len(), 2);
        world.restart(gone);
        world.all_joined(&NAMES, 60 * SECOND).await.expect("it comes back");
        let all_know = || workers.members().len() == 3;
        world.run_until(all_know, 20 * SECOND).await.expect("the client hears that it is back");
    }
    let leader = client.lookup::<Worker>("leader").await.expect("a member answers");
    assert_eq!(leader.expect("b has the name again").ask(Who).await.expect("it answers"), "b");
}

/// Who is gone of the members, as the client sees it.
fn follow(client: &Client) -> Rc<RefCell<BTreeSet<String>>> {
    let (gone, mut members) = (Rc::<RefCell<BTreeSet<String>>>::default(), client.members());
    let kept = Rc::clone(&gone);
    tokio::task::spawn_local(async move {
        while let Some(event) = members.next().await {
            if let MemberEvent::Down { member, .. } = event {
                kept.borrow_mut().insert(member.name);
            }
        }
    });
    gone
}

/// A guide that was cut off from the others said that they were gone, and asks of them that were under way failed.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn what_one_guide_does_not_see_is_not_gone(world: &mut World) {
    let client = cluster(world).await;
    let cut = NAMES[world.random("cut").below(3) as usize];
    let gone = follow(&client);
    let others: Vec<&str> = NAMES.into_iter().filter(|name| *name != cut).collect();
    world.partition(&[cut], &others);
    world.run_for(30 * SECOND).await;
    for other in &others {
        assert!(!gone.borrow().contains(*other), "{cut} was cut off, and {gone:?} were gone");
    }
    world.heal();
    world.all_joined(&NAMES, 120 * SECOND).await.expect("they find each other again");
    let sees_all = || client.members_now().len() == NAMES.len();
    world.run_until(sees_all, 20 * SECOND).await.expect("the client sees all again");
}

/// A connection that was lost before made one guide's word enough, though its member lived and could be reached.
#[odeon_sim::test(seeds = 0..3, link = both)]
async fn a_connection_that_was_lost_before_makes_no_guide_right(world: &mut World) {
    let client = cluster(world).await;
    let guide = NAMES[world.random("cut").below(3) as usize];
    let gone = follow(&client);
    let others: Vec<&str> = NAMES.into_iter().filter(|name| *name != guide).collect();
    // Two cuts of the client, from all but its guide to be.
    for other in &others {
        world.partition(&["till"], &[other]);
    }
    world.run_for(40 * SECOND).await;
    assert_eq!(client.members_now().len(), 3, "its guide sees all: {gone:?}");
    world.heal();
    // The third, of the guide from the others.
    world.partition(&[guide], &others);
    world.run_for(15 * SECOND).await;
    for other in &others {
        assert!(!gone.borrow().contains(*other), "{guide} was cut off, and {gone:?} were gone");
    }
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_client_sees_what_members_say_of_themselves(world: &mut World) {
    let client = cluster(world).await;
    let b = world.runtime_node("b").expect("it is up");
    let profile = Profile { zone: "west".into(), load: 7, ..Profile::default() };
    b.describe(profile.clone()).expect("it can travel");
    let is_seen = |leaving| {
        let members = client.members_now();
        let b = members.iter().find(|it| it.name == "b");
        b.is_some_and(|it| *it.profile == profile && it.leaving == leaving)
    };
    world.run_until(|| is_seen(false), 20 * SECOND).await.expect("what it says is seen");
    let slow = client.group::<Worker>("workers").await.expect("a member answers").members();
    let slow = slow.into_iter().find(|it| it.address().is_ok_and(|it| it.node == b.id()));
    let slow = slow.expect("b has a worker");
    let asked = tokio::task::spawn_local(async move { slow.ask(Nap).within(20 * SECOND).await });
    world.run_for(SECOND).await;
    let draining = tokio::task::spawn_local(async move { b.drain(60 * SECOND).await });
    world.run_until(|| is_seen(true), 8 * SECOND).await.expect("that it leaves is seen");
    asked.await.expect("no panic").expect("what was begun is finished");
    draining.await.expect("no panic");
}

/// All of them asked the member with the smallest id.
#[odeon_sim::test(seeds = 0..5, link = frames)]
async fn clients_ask_different_members(world: &mut World) {
    cluster(world).await;
    for number in 0..11 {
        client_of(world, &format!("till-{number}")).await;
    }
    let frames = |name: &str| {
        let metrics = world.runtime_node(name).expect("it is up").network_metrics();
        let tills = metrics.peers.iter().filter(|peer| peer.name.starts_with("till"));
        tills.flat_map(|peer| &peer.lanes).map(|lane| lane.stream.frames_received).sum::<u64>()
    };
    let before = NAMES.map(frames);
    world.run_for(20 * SECOND).await;
    let asked = NAMES.map(frames).into_iter().zip(before).filter(|(now, before)| now > before);
    assert!(
        asked.count() > 1,
        "one is asked by twelve clients: {before:?} {:?}",
        NAMES.map(frames)
    );
}

/// Five nodes that are drained and started again one after the other, on a network that loses packets.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_group_answers_through_a_rolling_restart(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let names = ["a", "b", "c", "d", "e"];
    for name in &names[3..] {
        // Known to the client by way of the others.
        world.start_node(
            name,
            |builder| builder.actor::<Worker>().seed("a:7400").seed("b:7400"),
            work,
        );
    }
    let client = cluster(world).await;
    world.all_joined(&names, 20 * SECOND).await.expect("they find each other");
    let workers = client.group::<Worker>("workers").await.expect("a member answers");
    while workers.members().len() < names.len() {
        world.run_for(SECOND / 10).await;
    }
    let (is_over, asked) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0_u64)));
    let looping = tokio::task::spawn_local({
        let (is_over, asked) = (Rc::clone(&is_over), Rc::clone(&asked));
        async move {
            let policy = RetryPolicy::attempts(6).attempt_within(2 * SECOND);
            let mut by = BTreeSet::new();
            while !is_over.get() {
                let answer = workers.ask(Who).retry(policy).within(20 * SECOND).await;
                by.insert(answer.unwrap_or_else(|error| {
                    panic!("after {} answers: {error} ({:?})", asked.get(), error.certainty())
                }));
                asked.set(asked.get() + 1);
                tokio::time::sleep(SECOND / 50).await;
            }
            by
        }
    });
    let settle = |world: &World| {
        let of = |name: &&str| {
            world.runtime_node(name).is_some_and(|node| {
                node.cluster().group::<Worker>("workers").is_ok_and(|it| it.len() == names.len())
            })
        };
        names.iter().all(of)
    };
    for name in names {
        world.runtime_node(name).expect("it is up").drain(10 * SECOND).await;
        world.run_for(SECOND).await;
        world.restart(name);
        world.run_until(|| settle(world), 60 * SECOND).await.expect("it is back, and works");
        assert!(!looping.is_finished(), "the loop goes on");
    }
    is_over.set(true);
    let by = looping.await.expect("it saw no error");
    assert_eq!(by.len(), names.len());
    assert!(asked.get() > 200, "{}", asked.get());
}
