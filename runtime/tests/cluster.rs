//! Names and groups of a cluster of three nodes over QUIC on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::{collections::BTreeSet, time::Duration};

use odeon::{
    Actor, Ca, ClusterGroup, Context, Handler, Node, RegisterError, StartError, Target, Validity,
    actor,
    env::{Env, RealEnv},
    message,
};

const LONG: Duration = Duration::from_secs(20);

#[message(id = "cluster/Add")]
#[derive(Clone)]
struct Add {
    number: u64,
}

#[message(id = "cluster/Sum", reply = (String, u64, u64))]
struct Sum;

/// Adds up what it is told.
#[derive(Clone)]
struct Adder {
    node: String,
    count: u64,
    sum: u64,
}

#[actor(id = "cluster/Adder", handles(Add, Sum))]
impl Actor for Adder {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Add> for Adder {
    async fn handle(&mut self, add: Add, _: &mut Context<Self>) {
        self.count += 1;
        self.sum += add.number;
    }
}

impl Handler<Sum> for Adder {
    async fn handle(&mut self, _: Sum, _: &mut Context<Self>) -> (String, u64, u64) {
        (self.node.clone(), self.count, self.sum)
    }
}

/// Nodes that see each other.
async fn nodes(names: &[&str]) -> Vec<Node> {
    let ca = Ca::in_memory("test").unwrap();
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3600));
    let mut nodes: Vec<Node> = Vec::new();
    for name in names {
        let builder = Node::builder(name).identity(ca.issue(name, validity).unwrap());
        let builder = match nodes.first() {
            None => builder.alone(),
            Some(first) => builder.seed(first.addr().to_string()),
        };
        nodes.push(builder.actor::<Adder>().workers(1).start().await.unwrap());
    }
    for node in &nodes {
        let mut members = node.members();
        let mut seen = 1;
        while seen < nodes.len() {
            members.next().await.unwrap();
            seen += 1;
        }
    }
    nodes
}

async fn join(node: &Node) -> ClusterGroup<Adder> {
    let adder = Adder { node: node.name().to_owned(), count: 0, sum: 0 };
    let adder = node.spawn(adder).await.unwrap();
    let group = node.cluster().group::<Adder>("adders").unwrap();
    group.join(&adder).unwrap();
    group
}

async fn until_members(group: &ClusterGroup<Adder>, members: usize) {
    let mut changes = group.changes().unwrap();
    while group.len() != members {
        changes.next().await.unwrap();
    }
}

#[tokio::test]
async fn names_and_groups_span_nodes() {
    let test = async {
        let nodes = nodes(&["a", "b", "c"]).await;
        let mut groups = Vec::new();
        for node in &nodes {
            // Two on each.
            join(node).await;
            groups.push(join(node).await);
        }
        for group in &groups {
            until_members(group, 6).await;
        }
        let mut sent = 0;
        for number in 1..=1_000 {
            let broadcast = groups[0].broadcast(Add { number }).await;
            assert_eq!((broadcast.told, broadcast.failed), (6, Vec::new()));
            sent += number;
        }
        let mut by_node = BTreeSet::new();
        for adder in groups[0].members() {
            loop {
                let (node, count, sum) = adder.ask(Sum).await.unwrap();
                if count == 1_000 {
                    assert_eq!(sum, sent);
                    by_node.insert(node);
                    break;
                }
            }
        }
        assert_eq!(by_node.len(), 3);
        let picked = groups[1].prefer_local().ask(Sum).await.unwrap();
        assert_eq!(picked.0, "b");

        let one = groups[0].members().into_iter().find(|it| it.is_local()).unwrap();
        nodes[0].cluster().register("first", &one).await.unwrap();
        let other = groups[2].members().into_iter().find(|it| it.is_local()).unwrap();
        let taken = nodes[2].cluster().register("first", &other).await.unwrap_err();
        assert_eq!(taken, RegisterError::Taken { name: "first".into(), node: "a".into() });
        let found = nodes[1].cluster().lookup::<Adder>("first").unwrap().unwrap();
        assert_eq!(found.ask(Sum).await.unwrap().0, "a");
        let mut name = nodes[1].cluster().follow::<Adder>("first").unwrap();
        nodes[0].stop(LONG).await;
        assert!(name.changed().await.is_none());
        until_members(&groups[1], 4).await;
        nodes[2].cluster().register("first", &other).await.unwrap();
        assert_eq!(name.held().await.unwrap().ask(Sum).await.unwrap().0, "c");
        for node in &nodes {
            node.stop(LONG).await;
        }
        assert!(name.changed().await.is_none(), "its node has stopped");
    };
    tokio::time::timeout(3 * LONG, test).await.unwrap();
}
