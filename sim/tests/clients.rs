//! A client that is no member: it finds names and groups, tells and asks, goes over to another member when its guide is
//! gone, and is seen by nobody.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use odeon::{
    Actor, Client, Context, Handler, LookupError, Node, NodeBuilder, RetryPolicy, StartError,
    Target, actor, message,
};
use odeon_sim::{LinkRule, World};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

#[message(id = "clients/Who", reply = String, idempotent)]
#[derive(Clone)]
struct Who;

#[derive(Clone)]
struct Worker {
    node: String,
}

#[actor(id = "clients/Worker", handles(Who))]
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
    world.all_joined(&NAMES, 20 * SECOND).await.expect("they find each other");
    let slot = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&slot);
    let setup = |builder: NodeBuilder| {
        NAMES.iter().fold(builder, |builder, name| builder.seed(format!("{name}:7400")))
    };
    world.start_client("till", setup, move |client: Client| {
        kept.replace(Some(client));
        async {}
    });
    world.run_until(|| slot.borrow().is_some(), 20 * SECOND).await.expect("it starts");
    let client = slot.take().expect("it has started");
    assert!(client.connected().await);
    client
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
