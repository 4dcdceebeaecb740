//! Many state machines on a network that loses nothing, and what they cost.
//!
//! What it is: one queue of events in virtual time, ordered and drawn by a seed, and counters. It is plain, so that
//! thousands of nodes fit: `tests/cluster/world.rs` has the faults. What it is NOT: a transport; a datagram costs what
//! it is long.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use odeon_cluster::{Effect, Event, Member, Membership, MembershipConfig, NodeName};
use odeon_message::{Incarnation, NodeId};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

#[path = "packets.rs"]
mod packets;

/// Nodes that the others know at first.
const SEEDS: usize = 4;

/// Over what time all nodes start.
const START: Duration = Duration::from_secs(1);

/// What happens to one node.
enum Happening {
    Wakes,
    Hears {
        from: NodeId,
        bytes: Bytes,
    },
    Meets(usize),
    FindsNobody(usize),
    /// It is told of all others at once.
    Learns,
}

struct Node {
    membership: Membership,
    is_gone: bool,
    alarm: Option<Duration>,
    sent: u64,
    bytes: u64,
    /// Whom it has said is up and not yet down.
    up: BTreeSet<NodeId>,
    /// When it said that somebody is down, of the last one.
    missed_at: Option<Duration>,
    /// How many it said are down.
    deaths: usize,
}

/// A cluster and its time.
pub(crate) struct Cluster {
    now: Duration,
    nodes: Vec<Node>,
    by_id: BTreeMap<NodeId, usize>,
    queue: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    happenings: BTreeMap<u64, Happening>,
    count: u64,
    rng: Xoshiro256PlusPlus,
    closed_ports: bool,
    /// How many know all others: counted as they learn, for to look at all of them each time would be most of the work.
    complete: usize,
    /// Who has ended last, and how many still hold it for up.
    ended: Option<NodeId>,
    unaware: usize,
    /// All members, as many together as one packet tells.
    records: Rc<[Vec<Member>]>,
    /// Whether what members say of others is lost on the way, and how many packets of it were.
    mute: Option<u64>,
}

/// How a node ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// The program is killed: its port is closed, and the machine says so.
    Killed,
    /// The machine is gone: nothing answers.
    Silent,
}

/// What was measured of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) nodes: usize,
    /// From the first start until all know all.
    pub(crate) joined: Duration,
    /// Bytes a second of one node at rest: of all on average, and of the one that sent most.
    pub(crate) bytes: f64,
    pub(crate) bytes_most: f64,
    /// Datagrams a second of one node at rest.
    pub(crate) datagrams: f64,
    /// From the kill until all others know, the longest of a few.
    pub(crate) killed: Duration,
    /// From the silence until half, and until all of the others know, the longest of a few.
    pub(crate) silent_half: Duration,
    pub(crate) silent: Duration,
    /// Members held for dead that were not.
    pub(crate) false_deaths: usize,
}

impl Cluster {
    /// Nodes of which each knows one of a few at first.
    pub(crate) fn new(seed: u64, count: usize) -> Self {
        Self::of(seed, count, |cluster, number, after| {
            // The seeds know the first of them, so that all are one cluster.
            let seed = cluster.rng.random_range(0..SEEDS.min(count));
            let seed = if number < SEEDS { 0 } else { seed };
            cluster.happen(after, number, Happening::Meets(seed));
            cluster.happen(after, seed, Happening::Meets(number));
        })
    }

    /// Nodes that know each other as soon as they start.
    ///
    /// When all come to know all by gossip, each passes each member on a few dozen times, so that it is work for the square
    /// of the nodes; here each is told once, by the packets with which members tell each other of members. What they would
    /// say of each other then, which is news to none, is lost until they have said it often enough.
    pub(crate) fn acquainted(seed: u64, count: usize) -> Self {
        let mut cluster = Self::of(seed, count, |cluster, number, after| {
            cluster.happen(after, number, Happening::Learns);
        });
        cluster.mute = Some(0);
        cluster
    }

    /// Lets members that know each other from the start say what nobody hears.
    fn settle(&mut self) {
        let began = self.now;
        while self.mute.replace(0).is_some_and(|lost| lost > 0) {
            assert!(self.now - began < Duration::from_secs(600), "they do not come to an end");
            self.run(Duration::from_secs(1));
        }
        self.mute = None;
    }

    fn of(seed: u64, count: usize, mut begin: impl FnMut(&mut Self, usize, Duration)) -> Self {
        let mut cluster = Self {
            now: Duration::ZERO,
            nodes: Vec::new(),
            by_id: BTreeMap::new(),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            count: 0,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            closed_ports: true,
            complete: 0,
            ended: None,
            unaware: 0,
            records: Rc::default(),
            mute: None,
        };
        for number in 0..count {
            let name = NodeName::new(&format!("n{number}")).expect("it is a name");
            let [.., high, low] = number.to_be_bytes();
            let me = Member::new(name, Incarnation(1), ([10, 0, high, low], 7400).into());
            cluster.by_id.insert(me.node, number);
            let config = MembershipConfig::default();
            cluster.nodes.push(Node {
                membership: Membership::new(me, config, cluster.rng.random()),
                is_gone: false,
                alarm: None,
                sent: 0,
                bytes: 0,
                up: BTreeSet::new(),
                missed_at: None,
                deaths: 0,
            });
            let after = START.mul_f64(cluster.rng.random_range(0.0..1.0));
            begin(&mut cluster, number, after);
        }
        let all: Vec<Member> = cluster.nodes.iter().map(|it| it.membership.me().clone()).collect();
        cluster.records = all.chunks(packets::RECORDS).map(<[Member]>::to_vec).collect();
        cluster
    }

    fn happen(&mut self, after: Duration, node: usize, happening: Happening) {
        self.count += 1;
        self.queue.push(Reverse((self.now + after, self.count, node)));
        self.happenings.insert(self.count, happening);
    }

    fn latency(&mut self) -> Duration {
        Duration::from_micros(self.rng.random_range(100..1_000))
    }

    /// Does the next thing; says when it was.
    fn step(&mut self) -> Duration {
        let Reverse((at, number, node)) = self.queue.pop().expect("members always do something");
        self.now = at;
        let happening = self.happenings.remove(&number).expect("it is in the queue once");
        if self.nodes[node].is_gone {
            return at;
        }
        let event = match happening {
            Happening::Wakes if self.nodes[node].alarm != Some(at) => return at,
            Happening::Wakes => {
                self.nodes[node].alarm = None;
                Event::Tick
            }
            Happening::Hears { from, bytes } => Event::Datagram { from, bytes },
            Happening::Meets(other) if other == node => return at,
            Happening::Meets(other) => Event::Contact(self.nodes[other].membership.me().clone()),
            Happening::FindsNobody(other) => {
                Event::Unreachable { addr: self.nodes[other].membership.me().addr }
            }
            Happening::Learns => {
                self.introduce(node);
                return at;
            }
        };
        self.handle(node, event);
        at
    }

    fn handle(&mut self, node: usize, event: Event) {
        let at = self.now;
        for effect in self.nodes[node].membership.handle(at, event) {
            self.obey(node, effect);
        }
        let wakeup = self.nodes[node].membership.next_wakeup();
        if wakeup != self.nodes[node].alarm {
            self.nodes[node].alarm = wakeup;
            if let Some(wakeup) = wakeup {
                self.happen(wakeup.saturating_sub(at), node, Happening::Wakes);
                // Never before now, and never another time than the alarm's.
                self.nodes[node].alarm = Some(wakeup.max(at));
            }
        }
    }

    /// Lets the node before it in the list tell it of all.
    fn introduce(&mut self, node: usize) {
        let teller = (node + self.nodes.len() - 1) % self.nodes.len();
        let [me, teller] = [node, teller].map(|it| self.nodes[it].membership.me().clone());
        let records = self.records.clone();
        let packets = std::iter::once(packets::hello(&teller, &me));
        let packets = packets.chain(records.iter().map(|told| packets::told(&teller, &me, told)));
        for bytes in packets {
            self.handle(node, Event::Datagram { from: teller.node, bytes: bytes.into() });
        }
        assert_eq!(self.nodes[node].membership.stats().datagrams_refused, 0);
    }

    fn obey(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Send { to, mut bytes, .. } => {
                if let Some(lost) = &mut self.mute {
                    let rest = packets::without_news(&bytes);
                    // A packet without news says that there are none.
                    *lost += u64::from(bytes[rest..].iter().any(|byte| *byte != 0));
                    bytes.truncate(rest);
                }
                let sender = &mut self.nodes[node];
                sender.sent += 1;
                sender.bytes += bytes.len() as u64;
                let from = sender.membership.me().node;
                let target = self.by_id[&to.node];
                let latency = self.latency();
                if !self.nodes[target].is_gone {
                    self.happen(latency, target, Happening::Hears { from, bytes });
                } else if self.closed_ports {
                    self.happen(latency, node, Happening::FindsNobody(target));
                }
            }
            Effect::Up(member) => {
                let all = self.nodes.len();
                let up = &mut self.nodes[node].up;
                let is_new = up.insert(member.node);
                self.complete += usize::from(is_new && up.len() + 1 == all);
                self.unaware += usize::from(is_new && self.ended == Some(member.node));
            }
            Effect::Down { member, .. } => {
                let all = self.nodes.len();
                let it = &mut self.nodes[node];
                (it.missed_at, it.deaths) = (Some(self.now), it.deaths + 1);
                let was_up = it.up.remove(&member.node);
                self.complete -= usize::from(was_up && it.up.len() + 2 == all);
                self.unaware -= usize::from(was_up && self.ended == Some(member.node));
            }
            _ => {}
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.queue.peek().is_some_and(|Reverse((at, ..))| *at <= end) {
            self.step();
        }
        self.now = end;
    }

    fn living(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| !node.is_gone)
    }

    /// Lets time pass until all know all; says how long it took.
    fn join(&mut self) -> Duration {
        let began = self.now;
        while self.complete < self.nodes.len() {
            assert!(self.now - began < Duration::from_secs(600), "they do not join");
            self.run(Duration::from_millis(10));
        }
        for node in &self.nodes {
            assert!(node.up.iter().eq(node.membership.members().map(|member| &member.node)));
        }
        self.now - began
    }

    /// Ends a node; when each of the others knew, in order.
    fn end(&mut self, node: usize, end: End) -> Vec<Duration> {
        let began = self.now;
        self.closed_ports = matches!(end, End::Killed);
        self.nodes[node].is_gone = true;
        let id = self.nodes[node].membership.me().node;
        self.nodes.iter_mut().for_each(|node| node.missed_at = None);
        self.ended = Some(id);
        self.unaware = self.living().filter(|node| node.up.contains(&id)).count();
        while self.unaware > 0 {
            assert!(self.now - began < Duration::from_secs(120), "it is not missed");
            self.step();
        }
        assert!(self.living().all(|node| node.membership.member(id).is_none()));
        let mut missed: Vec<Duration> =
            self.living().filter_map(|node| node.missed_at).map(|at| at - began).collect();
        missed.sort_unstable();
        missed
    }

    /// Measures a cluster from its start over `rest` at rest and `ends` deaths of each sort.
    pub(crate) fn measure(mut self, rest: Duration, ends: usize) -> Figures {
        let joined = self.join();
        if self.mute.is_some() {
            self.settle();
        }
        let nodes = self.nodes.len();
        // What joining left behind: news that are still passed on, profiles that are still asked for.
        self.run(Duration::from_secs(10));
        self.nodes.iter_mut().for_each(|node| (node.sent, node.bytes) = (0, 0));
        self.run(rest);
        let seconds = rest.as_secs_f64();
        let sum = |count: fn(&Node) -> u64| self.nodes.iter().map(count).sum::<u64>() as f64;
        let bytes = sum(|node| node.bytes) / nodes as f64 / seconds;
        let datagrams = sum(|node| node.sent) / nodes as f64 / seconds;
        let most = self.nodes.iter().map(|node| node.bytes).max().unwrap_or(0);
        let false_deaths = self.nodes.iter().map(|node| node.deaths).sum();

        let (mut killed, mut silent, mut silent_half) = Default::default();
        for number in 0..ends {
            let missed = self.end(number, End::Killed);
            killed = missed.last().copied().max(Some(killed)).unwrap_or_default();
            self.run(Duration::from_secs(5));
            let missed = self.end(nodes - 1 - number, End::Silent);
            silent = missed.last().copied().max(Some(silent)).unwrap_or_default();
            silent_half =
                missed.get(missed.len() / 2).copied().max(Some(silent_half)).unwrap_or_default();
            self.run(Duration::from_secs(5));
        }
        Figures {
            nodes,
            joined,
            bytes,
            bytes_most: most as f64 / seconds,
            datagrams,
            killed,
            silent_half,
            silent,
            false_deaths,
        }
    }
}
