//! Nodes on threads and ports of this machine that find each other by real multicast on the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::{
    future::poll_fn,
    io::{ErrorKind, IoSliceMut, Write as _, stderr},
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use odeon::{
    Ca, JoinConfig, MdnsConfig, Node, NodeBuilder, Validity,
    env::{
        Env, MulticastGroup, RealEnv,
        udp::{RecvMeta, Transmit},
    },
};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

/// A group of those that organisations may use as they like (RFC 2365, section 6.2), at a port that nobody has just now:
/// what else speaks multicast DNS on this machine is left alone. `None`, and a line that says why, where the loopback
/// interface carries no multicast.
async fn group(number: u8) -> Option<MdnsConfig> {
    let port = RealEnv.bind("127.0.0.1:0".parse().unwrap()).unwrap().local_addr().unwrap().port();
    let group = SocketAddrV4::new(Ipv4Addr::new(239, 192, 75, number), port);
    let config = MdnsConfig { group, interface: Ipv4Addr::LOCALHOST };
    match heard(&config).await {
        Ok(()) => Some(config),
        Err(reason) => {
            let line =
                format!("skipped: no multicast on this machine's loopback interface: {reason}\n");
            // Past the harness, which keeps what a passing test prints to itself.
            stderr().write_all(line.as_bytes()).unwrap();
            None
        }
    }
}

/// Whether a member of the group hears what it sends.
async fn heard(config: &MdnsConfig) -> Result<(), String> {
    let group = MulticastGroup::v4(*config.group.ip(), config.group.port(), config.interface);
    let socket = RealEnv.join_multicast(&group.unwrap()).map_err(|error| error.to_string())?;
    let (destination, contents) = (config.group.into(), b"probe".as_slice());
    let transmit = Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
    let sent = async {
        while let Err(error) = socket.try_send(&transmit) {
            if error.kind() != ErrorKind::WouldBlock {
                return Err(error.to_string());
            }
            socket.clone().writable().await.map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    sent.await?;
    let (mut buffer, mut metas) = ([0; 64], [RecvMeta::default()]);
    let received =
        poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut metas));
    match timeout(Duration::from_secs(1), received).await {
        Ok(received) => received.map(drop).map_err(|error| error.to_string()),
        Err(_) => Err("what is sent to a group arrives nowhere".to_owned()),
    }
}

struct Papers(Ca);

impl Papers {
    fn new(cluster: &str) -> Self {
        Self(Ca::in_memory(cluster).unwrap())
    }

    fn node(&self, name: &str, mdns: MdnsConfig, expect: usize) -> NodeBuilder {
        let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(86_400));
        let join =
            JoinConfig { mdns: Some(mdns), bootstrap_expect: expect, ..JoinConfig::default() };
        Node::builder(name).identity(self.0.issue(name, validity).unwrap()).join(join)
    }
}

async fn sees(node: &Node, others: usize) {
    let mut members = node.members();
    let all = async {
        while node.members_now().len() < others {
            members.next().await.unwrap();
        }
    };
    let done = timeout(LONG, all).await;
    assert!(done.is_ok(), "{} sees {:?}", node.name(), node.members_now());
}

#[tokio::test]
async fn nodes_that_know_nothing_of_each_other_become_one_cluster() {
    let Some(mdns) = group(1).await else { return };
    let (papers, others) = (Papers::new("mdns"), Papers::new("other"));
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(papers.node(name, mdns, 3).start().await.unwrap());
    }
    // One of another cluster hears them, and they hear it.
    let other = others.node("x", mdns, 2).start().await.unwrap();
    for node in &nodes {
        sees(node, 2).await;
    }
    let late = papers.node("d", mdns, 3).start().await.unwrap();
    sees(&late, 3).await;
    assert!(other.members_now().is_empty());
    nodes.extend([late, other]);
    for node in nodes {
        node.stop(LONG).await;
    }
}
