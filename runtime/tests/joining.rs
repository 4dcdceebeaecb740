//! Nodes on threads and ports of this machine that find each other by a file, a variable and seeds, begin a cluster
//! together, and know what each says of itself.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use odeon::{
    Actor, Ca, Context, Handler, JoinConfig, Member, MemberEvent, Node, NodeBuilder, NodeError,
    Phase, Profile, StartError, Validity,
    env::{Env, RealEnv},
    message,
};
use tokio::time::Instant;

const DAY: Duration = Duration::from_secs(24 * 3600);
const LONG: Duration = Duration::from_secs(20);

struct Papers(Ca);

impl Papers {
    fn new() -> Self {
        Self(Ca::in_memory("joining").expect("the name is good"))
    }

    fn node(&self, name: &str) -> NodeBuilder {
        let validity = Validity::from(RealEnv.wall_clock(), DAY);
        Node::builder(name).identity(self.0.issue(name, validity).expect("the name is good"))
    }
}

/// A file of seeds, away with the test.
struct SeedFile(PathBuf);

impl SeedFile {
    fn new(test: &str) -> Self {
        let name = format!("odeon-joining-{test}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// As a whole, so that nobody reads half of it.
    fn write(&self, nodes: &[&Node]) {
        let lines: String = nodes.iter().map(|node| format!("{}\n", node.addr())).collect();
        let new = self.0.with_extension("new");
        fs::write(&new, format!("# all that there are\n{lines}")).expect("the folder is ours");
        fs::rename(new, &self.0).expect("the folder is ours");
    }
}

impl Drop for SeedFile {
    fn drop(&mut self) {
        // A test that failed before it was written has none.
        let _ = fs::remove_file(&self.0);
    }
}

/// Waits until a node sees so many others, which satisfy this.
async fn sees(node: &Node, others: usize, good: impl Fn(&Member) -> bool) {
    let mut members = node.members();
    let all = async {
        while node.members_now().iter().filter(|it| good(it)).count() < others {
            members.next().await.expect("the node lives");
        }
    };
    let done = tokio::time::timeout(LONG, all).await;
    assert!(done.is_ok(), "{} sees {:?}", node.name(), node.members_now());
}

async fn stop(nodes: Vec<Node>) {
    for node in nodes {
        node.stop(LONG).await;
    }
}

#[tokio::test]
async fn nodes_that_start_at_once_begin_one_cluster_by_a_file() {
    let (papers, file) = (Papers::new(), SeedFile::new("file"));
    let join = JoinConfig {
        file: Some(file.0.clone()),
        bootstrap_expect: 4,
        look_max: Duration::from_millis(200),
        ..JoinConfig::default()
    };
    let start = |name| papers.node(name).join(join.clone()).start();
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(start(name).await.expect("it starts"));
    }
    file.write(&nodes.iter().collect::<Vec<_>>());
    // Three see each other, in a look each, and are not enough.
    let seen = |node: &Node| node.network_metrics().peers.len() >= 2;
    let meet = async {
        while !nodes.iter().all(seen) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, meet).await.expect("they meet");
    assert!(nodes.iter().all(|node| node.phase() == Phase::Joining), "three began with four");
    nodes.push(start("d").await.expect("it starts"));
    file.write(&nodes.iter().collect::<Vec<_>>());
    for node in &nodes {
        sees(node, 3, |_| true).await;
        assert_eq!(node.phase(), Phase::Up);
    }
    stop(nodes).await;
}

#[tokio::test]
async fn a_client_is_no_node_to_begin_a_cluster_with() {
    let (papers, file) = (Papers::new(), SeedFile::new("client"));
    let join = JoinConfig {
        file: Some(file.0.clone()),
        bootstrap_expect: 3,
        look_max: Duration::from_millis(200),
        ..JoinConfig::default()
    };
    let start = |name| papers.node(name).join(join.clone()).start();
    let mut nodes =
        vec![start("a").await.expect("it starts"), start("b").await.expect("it starts")];
    let seeds = nodes.iter().fold(papers.node("till"), |it, node| it.seed(node.addr().to_string()));
    let client = seeds.start_client().await.expect("it starts");
    file.write(&nodes.iter().collect::<Vec<_>>());
    let meet = async {
        while !nodes.iter().all(|node| node.network_metrics().peers.len() >= 2) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, meet).await.expect("each meets the other node and the client");
    assert!(nodes.iter().all(|node| node.phase() == Phase::Joining), "two began with a client");
    nodes.push(start("c").await.expect("it starts"));
    file.write(&nodes.iter().collect::<Vec<_>>());
    for node in &nodes {
        sees(node, 2, |_| true).await;
    }
    tokio::time::timeout(LONG, client.connected()).await.expect("a member answers the client");
    client.stop(LONG).await;
    stop(nodes).await;
}

#[tokio::test]
async fn a_node_is_found_at_the_address_that_it_advertises() {
    let papers = Papers::new();
    let everywhere = papers.node("a").listen(([0, 0, 0, 0], 0).into()).alone();
    let a = everywhere.advertise(([127, 0, 0, 1], 0).into()).start().await.expect("a starts");
    assert!(a.addr().ip().is_loopback() && a.addr().port() > 0);
    // Its own address among its seeds does no harm, under both names that it has.
    let seed = format!("localhost:{}", a.addr().port());
    let b = papers.node("b").seed(a.addr().to_string()).seed(seed).start().await.expect("b starts");
    sees(&b, 1, |member| member.addr == a.addr()).await;
    stop(vec![a, b]).await;
}

#[tokio::test]
async fn what_nodes_say_of_themselves_is_known_and_changes() {
    let papers = Papers::new();
    let profile = Profile {
        zone: "here".to_owned(),
        roles: vec!["web".to_owned()],
        version: "1.0".to_owned(),
        load: 0,
    };
    let a = papers.node("a").alone().profile(profile.clone()).start().await.expect("a starts");
    let b = papers.node("b").seed(a.addr().to_string()).start().await.expect("b starts");
    sees(&b, 1, |member| *member.profile == profile && member.has_role("web")).await;
    let mut members = b.members();
    a.describe(Profile { load: 900, ..profile.clone() }).expect("it can travel");
    sees(&b, 1, |member| member.profile.load == 900).await;
    a.stop(LONG).await;
    let mut said = BTreeSet::new();
    loop {
        match members.next().await.expect("b lives") {
            MemberEvent::Up(_) => said.insert("up"),
            MemberEvent::Changed(member) if member.leaving => said.insert("leaving"),
            MemberEvent::Changed(_) => said.insert("changed"),
            MemberEvent::Down { .. } => break,
            _ => false,
        };
    }
    assert!(said.contains("up") && said.contains("changed"), "{said:?}");
    b.stop(LONG).await;
}

#[tokio::test]
async fn a_profile_and_a_way_to_join_that_cannot_be_used_are_named() {
    let zone = Profile { zone: "z".repeat(64), ..Profile::default() };
    let error = Node::builder("a").alone().profile(zone).start().await.expect_err("too long");
    assert!(matches!(error, NodeError::Profile(_)), "{error}");
    let error = Node::builder("a").bootstrap_expect(3).start().await.expect_err("no sources");
    assert!(error.to_string().contains("nowhere to look"), "{error}");
    let builder = Papers::new().node("a").seed("127.0.0.1:1").alone().bootstrap_expect(3);
    let error = builder.start().await.expect_err("both");
    assert!(error.to_string().contains("bootstrap_expect 3 and dev"), "{error}");
}

/// Works for nine tenths of the time.
struct Mill;

#[message(local)]
struct Turn;

impl Actor for Mill {
    type Args = ();

    async fn start((): (), context: &mut Context<Self>) -> Result<Self, StartError> {
        // It has room: nothing was sent to it yet.
        let _ = context.self_ref().try_tell(Turn);
        Ok(Self)
    }
}

impl Handler<Turn> for Mill {
    async fn handle(&mut self, _: Turn, context: &mut Context<Self>) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(9) {
            std::hint::spin_loop();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        // It has room: one turn is under way at a time.
        let _ = context.self_ref().try_tell(Turn);
    }
}

#[tokio::test]
async fn a_node_that_has_much_to_do_says_so_by_itself() {
    let papers = Papers::new();
    let a = papers.node("a").alone().workers(1).start().await.expect("a starts");
    let b = papers.node("b").seed(a.addr().to_string()).start().await.expect("b starts");
    sees(&b, 1, |member| member.profile.load == 0).await;
    let mill = a.spawn_with::<Mill>(()).await.expect("it starts");
    sees(&b, 1, |member| member.profile.load >= 100).await;
    mill.stop();
    a.describe(Profile { load: 1, ..a.profile() }).expect("it can travel");
    sees(&b, 1, |member| member.profile.load == 1).await;
    a.stop(LONG).await;
    b.stop(LONG).await;
}
