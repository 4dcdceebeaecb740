//! Nodes that all want each other on a network that breaks: in the end each pair has one association that lasts.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use odeon_transport::{Ca, PeerId, TransportConfig};

use crate::{
    net::{Net, split_mix},
    node::{Event, Node, Plan, config, key, run, send, try_send},
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// An association goes up, then down, then up, and so on; a down without an up gives waiting frames up.
fn check_turns(node: &Node) {
    let mut up: BTreeMap<PeerId, bool> = BTreeMap::new();
    for event in node.events() {
        match event {
            Event::Up(peer) => assert_ne!(up.insert(peer, true), Some(true)),
            Event::Down(peer, _) => {
                up.insert(peer, false);
            }
            Event::Frame(peer, ..) => assert_eq!(up.get(&peer), Some(&true)),
            _ => {}
        }
    }
}

struct Storm<'a> {
    net: &'a Net,
    ca: &'a Ca,
    random: u64,
}

impl Storm<'_> {
    fn start(&self, at: usize, incarnation: u64) -> Node {
        let config = TransportConfig {
            idle_timeout: Duration::from_secs(3),
            keep_alive: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(2),
            ..config()
        };
        let plan = Plan::new(self.net, self.ca, NAMES[at], u16::try_from(at).unwrap() + 1);
        Plan { config, incarnation, ..plan }.start()
    }

    fn pick(&mut self, below: usize) -> usize {
        (split_mix(&mut self.random) % below as u64) as usize
    }

    fn want(&mut self, nodes: &[Node], at: usize) {
        for other in nodes.iter().filter(|other| other.id != nodes[at].id) {
            nodes[at].to(other).keep(true);
            if self.pick(2) == 0 {
                nodes[at].transport.dial_seed(other.addr);
            }
        }
    }

    async fn rage(&mut self, nodes: &mut [Node]) {
        self.net.disturb(self.random, 10, Duration::from_millis(40));
        for at in 0..nodes.len() {
            self.want(nodes, at);
        }
        for _ in 0..60 {
            let (one, other) = (self.pick(nodes.len()), self.pick(nodes.len()));
            let (from, to) = (&nodes[one], &nodes[other]);
            match self.pick(20) {
                0 => {
                    // A crash: nothing is said, and the next life starts at once.
                    self.net.unbind(from.addr);
                    nodes[one] = self.start(one, from.id.incarnation.0 + 1);
                    self.want(nodes, one);
                }
                _ if one == other => {}
                1..=6 => self.net.cut(from.addr, to.addr),
                7 | 8 => self.net.heal(),
                9..=11 => from.transport.dial_seed(to.addr),
                12..=14 => from.transport.datagram((to.id.node, to.addr), Bytes::from("gossip")),
                15..=17 => from.transport.probe(to.addr),
                _ => {
                    let _ = try_send(&from.to(to), key(1), b"into the storm");
                }
            }
            tokio::time::sleep(Duration::from_millis(self.pick(1000) as u64)).await;
        }
        self.net.heal();
        self.net.disturb(self.random, 0, Duration::ZERO);
    }
}

#[test]
fn after_any_storm_each_pair_has_one_association() {
    for seed in 0..24 {
        run(async move {
            let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
            let mut storm = Storm { net: &net, ca: &ca, random: seed };
            let mut nodes: Vec<Node> = (0..NAMES.len()).map(|at| storm.start(at, 1)).collect();
            storm.rage(&mut nodes).await;
            tokio::time::sleep(Duration::from_secs(20)).await;

            let before: Vec<usize> = nodes.iter().map(|node| node.events().len()).collect();
            for node in &nodes {
                check_turns(node);
                for other in nodes.iter().filter(|other| other.id != node.id) {
                    assert!(node.to(other).is_up(), "seed {seed}: {:?}", node.events());
                    send(&node.to(other), key(2), b"calm").await;
                }
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
            for (node, before) in nodes.iter().zip(before) {
                let calm = &node.events()[before..];
                let messages = crate::node::payloads(calm).len();
                assert_eq!((messages, calm.len()), (3, 3), "seed {seed}: {calm:?}");
            }
        });
    }
}
