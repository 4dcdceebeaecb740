//! Names, groups and topics of a cluster over QUIC on loopback, actors that are started on other nodes, and a client.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context as TaskContext, Wake, Waker},
    time::Duration,
};

use odeon::{
    Actor, Ca, ClusterGroup, Context, DynamicSpec, Handler, Node, RegisterError, Restart,
    SpawnPlace, StartError, Target, Topic, Validity, actor, data,
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
#[data]
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
    nodes_of(&Ca::in_memory("test").unwrap(), names).await
}

async fn nodes_of(ca: &Ca, names: &[&str]) -> Vec<Node> {
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3600));
    let mut nodes: Vec<Node> = Vec::new();
    for name in names {
        let builder = Node::builder(name).identity(ca.issue(name, validity).unwrap());
        let builder = match nodes.first() {
            None => builder.alone(),
            Some(first) => builder.seed(first.addr().to_string()),
        };
        nodes.push(builder.topic::<Add>().spawnable(spec()).workers(1).start().await.unwrap());
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

fn spec() -> DynamicSpec<Adder> {
    DynamicSpec::new().restart(Restart::Temporary)
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

#[tokio::test]
async fn topics_spawns_and_clients_reach_other_nodes() {
    let test = async {
        let ca = Ca::in_memory("test").unwrap();
        let nodes = nodes_of(&ca, &["a", "b"]).await;
        let [a, b] = &nodes[..] else { panic!("there are two") };

        let mut heard = b.cluster().subscribe::<Add>("sums.*").unwrap();
        while a.cluster().listening_nodes::<Add>("sums.x") == 0 {
            tokio::task::yield_now().await;
        }
        let topic = a.cluster().topic::<Add>("sums.x").unwrap();
        for number in 0..100 {
            assert_eq!(topic.publish(Add { number }).await.nodes, 1);
        }
        for number in 0..100 {
            let published = heard.next().await.unwrap();
            assert_eq!((&*published.topic, published.message.number), ("sums.x", number));
        }

        while !a.cluster().spawns_on::<Adder>().contains(&"b".to_owned()) {
            tokio::task::yield_now().await;
        }
        let adder = Adder { node: "from a".to_owned(), count: 0, sum: 40 };
        let there = a.cluster().spawn_on::<Adder>(SpawnPlace::node("b"), adder).await.unwrap();
        assert!(!there.is_local());
        there.tell(Add { number: 2 }).await.unwrap();
        assert_eq!(there.ask(Sum).await.unwrap(), ("from a".to_owned(), 1, 42));

        join(b).await;
        let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3600));
        let client = Node::builder("till").identity(ca.issue("till", validity).unwrap());
        let client = client.seed(a.addr().to_string()).workers(1).start_client().await.unwrap();
        assert!(client.connected().await);
        let adders = client.group::<Adder>("adders").await.unwrap();
        while adders.members().is_empty() {
            adders.refresh().await.unwrap();
        }
        assert_eq!(adders.ask(Sum).await.unwrap().0, "b", "not through its guide");
        assert!(client.lookup::<Adder>("nobody").await.unwrap().is_none());
        assert_eq!((a.members_now().len(), b.members_now().len()), (1, 1), "it is no member");
        let topic = client.topic::<Add>("sums.y").unwrap();
        for number in 0..100 {
            // Through a, of which b is the one other node that listens, or through b itself.
            let published = topic.publish(Add { number }).await.unwrap();
            assert_eq!(published.here + published.nodes, 1, "{published:?}");
        }
        for number in 0..100 {
            let published = heard.next().await.unwrap();
            assert_eq!((&*published.topic, published.message.number), ("sums.y", number));
        }
        client.stop(LONG).await;
        a.stop(LONG).await;
        b.stop(LONG).await;
        assert!(heard.next().await.is_none(), "its node has stopped");
    };
    tokio::time::timeout(3 * LONG, test).await.unwrap();
}

/// Publishes when it goes, as what a task of the application holds may.
struct Parting(Arc<Topic<Add>>, mpsc::SyncSender<usize>);

impl Wake for Parting {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Parting {
    fn drop(&mut self) {
        let taken = self.0.try_publish(Add { number: 1 }).here;
        self.1.send(taken).expect("the test waits");
    }
}

/// A publisher holds what it knows of subscriptions until it sees that one is gone, and lets it go outside of its lock.
#[tokio::test]
async fn what_goes_with_a_subscription_may_publish_itself() {
    let nodes = nodes(&["a"]).await;
    let topic = Arc::new(nodes[0].cluster().topic::<Add>("sums.x").unwrap());
    let mut heard = nodes[0].cluster().subscribe::<Add>("sums.*").unwrap();
    assert_eq!(topic.publish(Add { number: 0 }).await.here, 1);
    heard.next().await.unwrap();
    let (parting, parted) = mpsc::sync_channel(2);
    let waker = Waker::from(Arc::new(Parting(Arc::clone(&topic), parting)));
    let waits = pin!(heard.next()).poll(&mut TaskContext::from_waker(&waker)).is_pending();
    drop(waker);
    drop(heard);
    assert!(waits);
    let (done, is_done) = mpsc::sync_channel(2);
    // On a thread of its own, which stays behind if it waits for itself.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test is a host program, whose threads are its own"
    )]
    std::thread::spawn(move || done.send(topic.try_publish(Add { number: 2 }).here));
    assert_eq!(is_done.recv_timeout(LONG), Ok(0), "nobody listens any more");
    assert_eq!(parted.try_recv(), Ok(0));
    nodes[0].stop(LONG).await;
}
