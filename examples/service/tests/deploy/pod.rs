//! The StatefulSet as processes: pods that start at once find each other by the records of a headless service, also when
//! one comes back at another address, dies, or more of them are asked for.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant, SystemTime},
};

use odeon::{Ca, Validity};
use odeon_ops::operator::{Member, Operator};

use crate::{
    Folder,
    kubernetes::PodTemplate,
    server::{NameServer, Target},
    skip,
};

const WITHIN: Duration = Duration::from_secs(60);
const SERVICE: &str = "greeter.default.svc.cluster.local";

/// A pod that runs; killed if the test fails.
struct Pod {
    name: String,
    child: Child,
    addr: SocketAddr,
    health: SocketAddr,
    admin: SocketAddr,
    /// Kept, so that the log is read.
    _lines: mpsc::Receiver<String>,
}

impl Pod {
    /// Starts it with the environment of the StatefulSet, but for what only a cluster has: the address of its own is one of
    /// this machine, on which ports are shared and so chosen by the system, and its papers lie in a folder.
    fn start(cluster: &Cluster, number: usize) -> Self {
        let name = format!("{}-{number}", cluster.template.set);
        let address = cluster.next_address();
        let mut variables = cluster.template.environment(&name, &address.to_string());
        let papers = cluster.template.papers(&variables);
        for value in variables.values_mut() {
            if let Some(from) = papers.get(value) {
                *value = cluster.papers.0.join(from).to_str().unwrap().to_owned();
            }
        }
        for name in ["ODEON_LISTEN", "ODEON_HEALTH_LISTEN", "ODEON_ADVERTISE"] {
            variables.insert(name.to_owned(), format!("{address}:0"));
        }
        // The loopback address of all pods is one here.
        variables.insert("ODEON_ADMIN_LISTEN".to_owned(), "127.0.0.1:0".to_owned());
        variables.insert("ODEON_NAME_SERVER".to_owned(), cluster.names.addr.to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_greeter"));
        command.env_clear().envs(&variables).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::sync_channel(10_000);
        std::thread::spawn(move || {
            // A log that nobody reads any more is read all the same, so that the node is not held up.
            log.lines().map_while(Result::ok).for_each(|line| drop(sender.try_send(line)));
        });
        let said = |what: &str| -> SocketAddr {
            loop {
                let line = lines.recv_timeout(WITHIN).unwrap_or_else(|_| panic!("{name}: {what}"));
                if let Some((_, addr)) = line.split_once("addr=").filter(|_| line.contains(what)) {
                    return addr.split_whitespace().next().unwrap().parse().unwrap();
                }
            }
        };
        let (addr, health) = (said("listening"), said("health"));
        let admin = said("operators are served");
        Self { name, child, addr, health, admin, _lines: lines }
    }

    /// What it answers; nothing where it cannot be reached.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.health).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    /// Waits until it is ready and sees so many others.
    fn sees(&self, others: usize) {
        let until = Instant::now() + WITHIN;
        loop {
            let ready = self.get("/readyz").is_some_and(|(status, _)| status == 200);
            let page = self.get("/metrics").map(|(_, page)| page).unwrap_or_default();
            if ready && page.lines().any(|line| line == format!("odeon_members {others}")) {
                return;
            }
            let seen = page.lines().find(|line| line.starts_with("odeon_members "));
            assert!(Instant::now() < until, "{}: ready {ready}, {seen:?}, not {others}", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The members that it shows an operator of the cluster.
    fn members(&self, cluster: &Cluster) -> Vec<String> {
        let [cert, key, ca] =
            ["alice.pem", "alice.key", "ca.pem"].map(|name| cluster.papers.0.join(name));
        let alice = Operator::from_pem_files(&cert, &key, &ca).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let node = self.admin.to_string();
        let members: Vec<Member> = runtime.block_on(alice.get(&node, "/v1/members")).unwrap();
        members.into_iter().map(|member| member.name).collect()
    }

    /// SIGTERM, as a pod is told to end; it must end by itself and well.
    fn leave(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "a drain ends with status 0");
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a cluster of Kubernetes has for its pods: a secret, addresses, and names.
struct Cluster {
    template: PodTemplate,
    papers: Folder,
    names: NameServer,
    addresses: std::cell::Cell<u8>,
}

impl Cluster {
    fn new(pods: usize) -> Self {
        let (template, papers) = (PodTemplate::read(), Folder::new("pods"));
        let validity = Validity::from(SystemTime::now(), Duration::from_secs(86_400));
        let ca = Ca::new("greeters", validity).unwrap();
        fs::write(papers.0.join("ca.pem"), ca.to_pem().cert).unwrap();
        for number in 0..pods {
            let name = format!("{}-{number}", template.set);
            let pair = ca.issue_pem(&name, validity).unwrap();
            fs::write(papers.0.join(format!("{name}.pem")), pair.cert).unwrap();
            fs::write(papers.0.join(format!("{name}.key")), pair.key).unwrap();
        }
        let alice = ca.issue_operator_pem("alice", validity).unwrap();
        fs::write(papers.0.join("alice.pem"), alice.cert).unwrap();
        fs::write(papers.0.join("alice.key"), alice.key).unwrap();
        Self { template, papers, names: NameServer::start(), addresses: 10.into() }
    }

    /// An address that no pod has had.
    fn next_address(&self) -> Ipv4Addr {
        let last = self.addresses.get();
        self.addresses.set(last + 1);
        Ipv4Addr::new(127, 74, 0, last)
    }

    /// The records of the headless service: of all pods, also of those that are not ready.
    fn publish(&self, pods: &BTreeMap<usize, Pod>) {
        let mut targets = Vec::new();
        for pod in pods.values() {
            let host = format!("{}.{SERVICE}", pod.name);
            self.names.set_addresses(&host, &[pod.addr.ip()]);
            targets.push(Target { priority: 0, weight: 33, port: pod.addr.port(), host });
        }
        self.names.set_targets(&format!("_odeon._udp.{SERVICE}"), &targets);
    }
}

/// Whether this machine has more addresses than one on its loopback interface.
fn has_addresses() -> bool {
    match UdpSocket::bind((IpAddr::from([127, 74, 0, 9]), 0)) {
        Ok(_) => true,
        Err(error) => {
            skip(&format!("127.74.0.9 is no address of this machine: {error}"));
            false
        }
    }
}

fn all_see_all(pods: &BTreeMap<usize, Pod>) {
    pods.values().for_each(|pod| pod.sees(pods.len() - 1));
}

#[test]
fn pods_are_one_cluster_however_they_come_and_go() {
    if !has_addresses() {
        return;
    }
    let cluster = Cluster::new(5);
    let replicas = cluster.template.replicas;
    let mut pods: BTreeMap<usize, Pod> =
        (0..replicas).map(|number| (number, Pod::start(&cluster, number))).collect();
    // Alive and not ready: nothing says yet where anybody is.
    for pod in pods.values() {
        assert_eq!(pod.get("/livez").unwrap().0, 200);
        let (status, why) = pod.get("/readyz").unwrap();
        assert!(status == 503 && why.contains("joining"), "{status} {why}");
    }
    cluster.publish(&pods);
    all_see_all(&pods);

    let mut members = pods[&0].members(&cluster);
    members.sort_unstable();
    assert_eq!(members, pods.values().map(|pod| pod.name.clone()).collect::<Vec<_>>());

    // One is moved to another machine: the same name, another address.
    let moved = pods.remove(&1).unwrap();
    let before = moved.addr;
    moved.leave();
    pods.insert(1, Pod::start(&cluster, 1));
    assert_ne!(pods[&1].addr.ip(), before.ip());
    cluster.publish(&pods);
    all_see_all(&pods);

    // One dies, and its record is there for a while.
    drop(pods.remove(&2));
    pods.values().for_each(|pod| pod.sees(1));
    pods.insert(2, Pod::start(&cluster, 2));
    cluster.publish(&pods);
    all_see_all(&pods);

    // More are asked for, and start at once.
    for number in replicas..5 {
        pods.insert(number, Pod::start(&cluster, number));
    }
    cluster.publish(&pods);
    all_see_all(&pods);
    pods.into_values().for_each(Pod::leave);
}
