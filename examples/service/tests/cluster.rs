//! The program as a cluster of real nodes: while one after the other is restarted, whoever asks in a loop sees no error,
//! a node that follows names or a client that asks a group.

#![expect(
    clippy::disallowed_methods,
    reason = "a test from outside uses the machine's own threads and clocks"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

#[path = "../src/greeter.rs"]
mod greeter;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::{Duration, SystemTime},
};

use greeter::{GREETER, Greet, Greeter};
use odeon::{
    Address, Aim, Ca, Client, ClientGroup, Failure, FailureKind, Identity, Node, Pick, RemoteName,
    RetryPolicy, Router, Target, Validity,
};
use tokio::time::{sleep, timeout};

const WITHIN: Duration = Duration::from_secs(60);
const NAMES: [&str; 3] = ["a", "b", "c"];

/// A folder with certificates; it goes with the test.
struct Papers {
    dir: PathBuf,
    asker: Identity,
}

impl Papers {
    fn new(test: &str, names: &[&str]) -> Self {
        let dir = std::env::temp_dir().join(format!("odeon-greeter-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        let validity = Validity::from(SystemTime::now(), Duration::from_secs(86_400));
        let ca = Ca::new("greeters", validity).unwrap();
        fs::write(dir.join("ca.pem"), ca.to_pem().cert).unwrap();
        for name in names {
            let pair = ca.issue_pem(name, validity).unwrap();
            fs::write(dir.join(format!("{name}.pem")), pair.cert).unwrap();
            fs::write(dir.join(format!("{name}.key")), pair.key).unwrap();
        }
        Self { asker: ca.issue("asker", validity).unwrap(), dir }
    }
}

impl Drop for Papers {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// One node; killed if the test fails.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    fn start(papers: &Papers, name: &str, listen: &str, seeds: &str) -> Self {
        Self::start_with(papers, name, listen, seeds, &[])
    }

    fn start_with(papers: &Papers, name: &str, listen: &str, seeds: &str, more: &[&str]) -> Self {
        let file = |end: &str| papers.dir.join(format!("{name}.{end}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_greeter"));
        command.args(["--name", name, "--listen", listen]);
        command.arg("--cert").arg(file("pem")).arg("--key").arg(file("key"));
        command.arg("--ca-cert").arg(papers.dir.join("ca.pem"));
        command.args(more);
        if name == NAMES[0] {
            command.arg("--dev");
        }
        if !seeds.is_empty() {
            command.args(["--join", seeds]);
        }
        let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::sync_channel(10_000);
        std::thread::spawn(move || {
            // A log that nobody reads any more is read all the same, so that the node is not held up.
            log.lines().map_while(Result::ok).for_each(|line| drop(sender.try_send(line)));
        });
        Self { child, lines }
    }

    /// What follows `addr=` in the line that says where it listens.
    fn addr(&self) -> String {
        loop {
            let line = self.lines.recv_timeout(WITHIN).expect("it says where it listens");
            if let Some((_, addr)) = line.split_once("addr=").filter(|_| line.contains("listening"))
            {
                return addr.split_whitespace().next().unwrap().to_owned();
            }
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn leave(mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success(), "a drain ends with status 0");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whoever greets on one of the nodes now, in turn.
struct Turns {
    names: Vec<RemoteName<Greeter>>,
    turn: AtomicUsize,
}

impl Router<Greeter> for Turns {
    fn pick(&self) -> Result<Pick<Greeter>, Failure> {
        let mut held = self.names.iter().filter_map(RemoteName::current).collect::<Vec<_>>();
        if held.is_empty() {
            return Err(Failure::not_delivered(FailureKind::Stopped, "nobody greets"));
        }
        let turn = self.turn.fetch_add(1, Relaxed) % held.len();
        Ok(Pick::of(held.swap_remove(turn)))
    }
}

/// The greeters of all nodes as one target.
struct Greeters(Arc<Turns>);

impl Target for Greeters {
    type Actor = Greeter;

    fn aim(&self) -> Aim<Greeter> {
        Aim::routed(self.0.clone())
    }
}

impl Greeters {
    async fn of(asker: &Node) -> Self {
        let mut names = Vec::new();
        for node in NAMES {
            names.push(asker.on(node).follow::<Greeter>(GREETER).await.unwrap());
        }
        Self(Arc::new(Turns { names, turn: AtomicUsize::new(0) }))
    }

    /// Waits until all nodes greet.
    async fn all(&self) {
        let all = async {
            while self.0.names.iter().any(|name| name.current().is_none()) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(WITHIN, all).await.expect("all nodes greet");
    }
}

/// Nodes, each with its name and address.
fn start_all<'a>(papers: &Papers, names: &[&'a str]) -> Vec<(&'a str, String, Running)> {
    let mut nodes: Vec<(&str, String, Running)> = Vec::new();
    for name in names {
        let seed = nodes.first().map(|(_, addr, _)| addr.clone()).unwrap_or_default();
        let node = Running::start(papers, name, "127.0.0.1:0", &seed);
        nodes.push((name, node.addr(), node));
    }
    nodes
}

#[tokio::test]
async fn nobody_sees_an_error_while_every_node_is_restarted() {
    let papers = Papers::new("rolling", &NAMES);
    let mut nodes = start_all(&papers, &NAMES);
    let addrs: Vec<String> = nodes.iter().map(|(_, addr, _)| addr.clone()).collect();
    let asker = Node::builder("asker").identity(papers.asker.clone());
    let asker = addrs.iter().cloned().fold(asker, odeon::NodeBuilder::seed);
    let asker = asker.start().await.unwrap();
    let greeters = Greeters::of(&asker).await;
    greeters.all().await;

    let rolling = async {
        for (at, name) in NAMES.iter().enumerate() {
            let (_, addr, node) = nodes.remove(at);
            // Waiting for a process blocks, and the loop must go on meanwhile.
            tokio::task::spawn_blocking(move || node.leave()).await.unwrap();
            let others = addrs.iter().filter(|other| **other != addr).cloned().collect::<Vec<_>>();
            nodes.insert(
                at,
                (name, addr.clone(), Running::start(&papers, name, &addr, &others.join(","))),
            );
            greeters.all().await;
        }
    };
    let mut answers = [0_u32; 3];
    let asking = async {
        loop {
            let greet = Greet { name: "you".to_owned() };
            let answer = greeters.ask(greet).retry(RetryPolicy::attempts(6)).await;
            let answer = answer.expect("somebody else can greet");
            let by = NAMES.iter().position(|name| answer.ends_with(&format!("from {name}")));
            answers[by.unwrap()] += 1;
        }
    };
    tokio::select! {
        () = rolling => {}
        () = asking => unreachable!("it asks until the rolling is over"),
    }
    assert!(answers.iter().all(|count| *count > 10), "all have greeted: {answers:?}");
    asker.stop(Duration::from_secs(5)).await;
    nodes.into_iter().for_each(|(_, _, node)| node.leave());
}

#[tokio::test]
async fn what_it_greets_with_comes_from_its_file_and_changes_on_sighup() {
    let papers = Papers::new("words", &NAMES);
    let file = papers.dir.join("greeter.toml");
    let config = file.to_str().unwrap();
    fs::write(&file, "[app]\ngreeting = \"good day\"\n").unwrap();
    let node = Running::start_with(&papers, "a", "127.0.0.1:0", "", &["--config", config]);
    let asker = Node::builder("asker").identity(papers.asker.clone()).seed(node.addr());
    let asker = asker.start().await.unwrap();
    let mut greeter = asker.on("a").follow::<Greeter>(GREETER).await.unwrap();
    let greeter = timeout(WITHIN, greeter.held()).await.unwrap().expect("a greets");
    let greet = async || greeter.ask(Greet { name: "you".to_owned() }).await.unwrap();
    assert_eq!(greet().await, "good day, you, from a");
    fs::write(&file, "[app]\ngreeting = \"good night\"\n").unwrap();
    node.signal("-HUP");
    let changes = async {
        while greet().await != "good night, you, from a" {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(WITHIN, changes).await.expect("the new value is in force");
    // What is not in the section is named, and nothing changes.
    fs::write(&file, "[app]\ngreting = \"hm\"\n").unwrap();
    node.signal("-HUP");
    let refused = |line: &str| line.contains("app.greting") && line.contains("app.greeting");
    while !refused(&node.lines.recv_timeout(WITHIN).expect("the log names it")) {}
    assert_eq!(greet().await, "good night, you, from a");
    // Where one value is none that a node can have, the others are not taken over either.
    let zone = "z".repeat(64);
    fs::write(&file, format!("[app]\ngreeting = \"hm\"\n[node]\nzone = \"{zone}\"\n")).unwrap();
    node.signal("-HUP");
    let refused = |line: &str| line.contains("stays as it was") && line.contains("node.zone");
    while !refused(&node.lines.recv_timeout(WITHIN).expect("the log says why")) {}
    assert_eq!(greet().await, "good night, you, from a");
    asker.stop(Duration::from_secs(5)).await;
    node.leave();
}

/// Where the members of a group are, as a client knows them.
fn places(group: &ClientGroup<Greeter>) -> BTreeSet<Address> {
    group.members().iter().filter_map(|member| member.address().ok()).collect()
}

/// Waits until the group has so many members, none of them among those that are gone.
async fn until_members(group: &ClientGroup<Greeter>, count: usize, gone: &BTreeSet<Address>) {
    let all = async {
        while places(group).len() != count || !places(group).is_disjoint(gone) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(WITHIN, all).await.expect("all nodes greet");
}

async fn client(papers: &Papers, addrs: &[String]) -> Client {
    let client = Node::builder("asker").identity(papers.asker.clone());
    let client = addrs.iter().cloned().fold(client, odeon::NodeBuilder::seed);
    let client = client.start_client().await.unwrap();
    assert!(client.connected().await);
    client
}

#[tokio::test]
async fn a_client_of_a_group_of_five_nodes_sees_no_error_while_each_is_restarted() {
    let names = ["a", "b", "c", "d", "e"];
    let papers = Papers::new("five", &names);
    let mut nodes = start_all(&papers, &names);
    let addrs: Vec<String> = nodes.iter().map(|(_, addr, _)| addr.clone()).collect();
    let client = client(&papers, &addrs).await;
    let group = client.group::<Greeter>(GREETER).await.unwrap();
    until_members(&group, names.len(), &BTreeSet::new()).await;

    let rolling = async {
        for (at, name) in names.iter().enumerate() {
            let (_, addr, node) = nodes.remove(at);
            let id = odeon::NodeId::of(name);
            let gone = places(&group).into_iter().filter(|it| it.node == id).collect();
            tokio::task::spawn_blocking(move || node.leave()).await.unwrap();
            let others = addrs.iter().filter(|other| **other != addr).cloned().collect::<Vec<_>>();
            let node = Running::start(&papers, name, &addr, &others.join(","));
            nodes.insert(at, (name, addr, node));
            until_members(&group, names.len(), &gone).await;
        }
    };
    let mut answers = [0_u32; 5];
    let asking = async {
        loop {
            let greet = Greet { name: "you".to_owned() };
            let answer = group.ask(greet).retry(RetryPolicy::attempts(6)).await;
            let answer = answer.expect("somebody else can greet");
            let by = names.iter().position(|name| answer.ends_with(&format!("from {name}")));
            answers[by.unwrap()] += 1;
        }
    };
    tokio::select! {
        () = rolling => {}
        () = asking => unreachable!("it asks until the rolling is over"),
    }
    assert!(answers.iter().all(|count| *count > 10), "all have greeted: {answers:?}");
    client.stop(Duration::from_secs(5)).await;
    nodes.into_iter().for_each(|(_, _, node)| node.leave());
}
