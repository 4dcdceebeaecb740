//! A few nodes, a network that delays and loses datagrams, and one clock.
//!
//! A killed node's port is closed: what is sent there comes back as [`Event::Unreachable`]. A silent host swallows
//! everything. The transport's part is played too: who was declared dead is refused and told so.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use odeon_cluster::{
    DownReason, Effect, Event, Member, Membership, MembershipConfig, NodeName, Phase,
};
use odeon_message::{Incarnation, NodeId};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

pub(crate) const LATENCY_MAX: Duration = Duration::from_millis(2);

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What a node said about the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    Joined,
    Up(String, u64),
    Down(String, u64, DownReason),
    Rejoined(u64),
    Left,
    Superseded(u64),
}

pub(crate) struct Node {
    pub(crate) membership: Membership,
    pub(crate) said: Vec<(Duration, Said)>,
    addr: SocketAddr,
    started: Duration,
    state: State,
    alarm: Option<Duration>,
    /// Whom this node reported down: the transport refuses those lives.
    dead: BTreeSet<(NodeId, Incarnation)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Running,
    /// The program is gone, the machine is not.
    Killed,
    /// Nothing gets in or out.
    Silent,
    /// The program stands still; what arrives meanwhile is lost.
    Frozen,
}

pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) nodes: BTreeMap<String, Node>,
    /// Of a thousand datagrams, how many are lost.
    pub(crate) loss: u32,
    /// Which side of a partition a node is on; all on side 0 by default.
    pub(crate) sides: BTreeMap<String, u8>,
    pub(crate) config: MembershipConfig,
    queue: BTreeMap<(Duration, u64), (String, Event)>,
    /// When which node wants to be woken.
    alarms: BTreeSet<(Duration, String)>,
    sent: u64,
    rng: Xoshiro256PlusPlus,
}

impl World {
    pub(crate) fn new(seed: u64, config: MembershipConfig) -> Self {
        Self {
            now: Duration::ZERO,
            nodes: BTreeMap::new(),
            loss: 0,
            sides: BTreeMap::new(),
            config,
            queue: BTreeMap::new(),
            alarms: BTreeSet::new(),
            sent: 0,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// A cluster of `count` nodes, `n0` and so on, that has joined and come to rest.
    pub(crate) fn settled(seed: u64, count: usize) -> Self {
        let mut world = Self::new(seed, MembershipConfig::lan(count));
        for i in 0..count {
            world.start(&name(i), 1);
            world.contact(&name(i), "n0");
            world.run(ms(50));
        }
        world.run_until(secs(60), |world| world.is_whole());
        world.run(secs(5));
        world
    }

    /// Starts a node, or starts it anew under its old address.
    pub(crate) fn start(&mut self, name: &str, incarnation: u64) {
        let known = self.nodes.get(name).map(|node| node.addr);
        let port = 7_400 + self.nodes.len() as u16;
        let addr = known.unwrap_or_else(|| (Ipv4Addr::new(10, 0, 0, 1), port).into());
        let me = Member::new(NodeName::new(name).unwrap(), Incarnation(incarnation), addr);
        let membership = Membership::new(me, self.config.clone(), self.rng.random());
        let node = Node {
            membership,
            said: Vec::new(),
            addr,
            started: self.now,
            state: State::Running,
            alarm: None,
            dead: BTreeSet::new(),
        };
        if let Some(at) = self.nodes.get_mut(name).and_then(|old| old.alarm.take()) {
            self.alarms.remove(&(at, name.to_owned()));
        }
        self.nodes.insert(name.to_owned(), node);
    }

    /// The transport of `name` shakes hands with that of `seed`, and both learn who the other is.
    pub(crate) fn contact(&mut self, name: &str, seed: &str) {
        let (a, b) = (self.me(name), self.me(seed));
        if name != seed {
            self.give(name, Event::Contact(b));
            self.give(seed, Event::Contact(a));
        }
    }

    pub(crate) fn me(&self, name: &str) -> Member {
        self.nodes[name].membership.me().clone()
    }

    pub(crate) fn kill(&mut self, name: &str) {
        self.set(name, State::Killed);
    }

    pub(crate) fn silence(&mut self, name: &str) {
        self.set(name, State::Silent);
    }

    pub(crate) fn freeze(&mut self, name: &str) {
        self.set(name, State::Frozen);
    }

    pub(crate) fn thaw(&mut self, name: &str) {
        self.set(name, State::Running);
    }

    /// Takes a program out of the world; it runs on elsewhere.
    pub(crate) fn take(&mut self, name: &str) -> Membership {
        self.kill(name);
        self.nodes.remove(name).unwrap().membership
    }

    fn set(&mut self, name: &str, state: State) {
        self.nodes.get_mut(name).unwrap().state = state;
        self.set_alarm(name);
    }

    fn set_alarm(&mut self, name: &str) {
        let node = self.nodes.get_mut(name).unwrap();
        let next = node.wakeup();
        if next != node.alarm {
            let old = std::mem::replace(&mut node.alarm, next);
            old.map(|at| self.alarms.remove(&(at, name.to_owned())));
            next.map(|at| self.alarms.insert((at, name.to_owned())));
        }
    }

    /// Gives a node an event now.
    pub(crate) fn give(&mut self, name: &str, event: Event) {
        let now = self.now;
        let node = self.nodes.get_mut(name).unwrap();
        if matches!(node.state, State::Killed | State::Frozen) {
            return;
        }
        let effects = node.membership.handle(now - node.started, event);
        let said = node.said.len();
        for effect in effects {
            self.obey(name, effect);
        }
        if self.nodes[name].said.len() > said {
            self.nodes[name].check();
        }
        self.set_alarm(name);
    }

    fn obey(&mut self, name: &str, effect: Effect) {
        if let Effect::Send { to, bytes, .. } = effect {
            assert!(bytes.len() <= odeon_cluster::PACKET_BYTES_MAX);
            return self.send(name, &to, bytes);
        }
        let now = self.now;
        let node = self.nodes.get_mut(name).unwrap();
        let said = match effect {
            Effect::Joined => Said::Joined,
            Effect::Up(member) => Said::Up(member.name.to_string(), member.incarnation.0),
            Effect::Down { member, reason } => {
                node.dead.insert((member.node, member.incarnation));
                Said::Down(member.name.to_string(), member.incarnation.0, reason)
            }
            Effect::Rejoined { me } => Said::Rejoined(me.incarnation.0),
            // What is known of profiles is asked for at the end.
            Effect::Described { .. } => return,
            Effect::Left => Said::Left,
            Effect::Superseded { by } => Said::Superseded(by.0),
            other => panic!("unknown effect {other:?}"),
        };
        node.said.push((now, said));
    }

    fn send(&mut self, from: &str, to: &Member, bytes: bytes::Bytes) {
        let lost = self.rng.random_range(0..1_000) < self.loss;
        let latency = self.latency() + self.latency();
        let name = to.name.as_str();
        let side = |name: &str| self.sides.get(name).copied().unwrap_or(0);
        let muted = |node: &Node| matches!(node.state, State::Silent | State::Frozen);
        // A packet of garbage may name whom it likes.
        let (source, Some(target)) = (&self.nodes[from], self.nodes.get(name)) else { return };
        if lost || side(from) != side(name) || muted(source) || muted(target) {
            return;
        }
        let source_life = (source.membership.me().node, source.membership.me().incarnation);
        let target_life = (target.membership.me().node, target.membership.me().incarnation);
        if target.state == State::Killed {
            self.deliver(latency, from, Event::Unreachable { addr: to.addr });
            return;
        }
        let known = target.membership.member(source_life.0).map(|member| member.incarnation);
        let stale = known.filter(|known| *known > source_life.1);
        let refused = target.dead.contains(&source_life).then_some(source_life.1).or(stale);
        let refuses = source.dead.contains(&target_life);
        if refuses {
            self.deliver(latency, name, Event::Outdated { known: target_life.1 });
        }
        match refused {
            Some(known) => self.deliver(latency, from, Event::Outdated { known }),
            None if refuses => {}
            None => self.deliver(latency, name, Event::Datagram { from: source_life.0, bytes }),
        }
    }

    /// Half a way: the other half is drawn anew, so that most datagrams take the middle.
    fn latency(&mut self) -> Duration {
        LATENCY_MAX.mul_f64(self.rng.random_range(0.05..0.5))
    }

    fn deliver(&mut self, after: Duration, to: &str, event: Event) {
        self.sent += 1;
        self.queue.insert((self.now + after, self.sent), (to.to_owned(), event));
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.step(next);
        }
        self.now = end;
    }

    /// Lets time pass until `done`; says how much.
    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        while !done(self) {
            let next = self.next_event().expect("something happens");
            assert!(next - start <= limit, "not done after {limit:?}: {self}");
            self.step(next);
        }
        self.now - start
    }

    fn next_event(&self) -> Option<Duration> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let datagram = self.queue.keys().next().map(|(at, _)| *at);
        alarm.into_iter().chain(datagram).min().map(|next| next.max(self.now))
    }

    fn step(&mut self, next: Duration) {
        self.now = next;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= next) {
            let (to, event) = entry.remove();
            self.give(&to, event);
        }
        let due = self.alarms.iter().take_while(|(at, _)| *at <= next);
        let due: Vec<String> = due.map(|(_, name)| name.clone()).collect();
        for name in due {
            self.give(&name, Event::Tick);
        }
    }

    /// Nodes whose program runs and is part of the cluster or wants to be.
    pub(crate) fn living(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.nodes.iter().filter(|(_, node)| {
            node.state == State::Running && node.membership.phase() != Phase::Down
        })
    }

    /// Whether all living nodes see exactly each other, in their present lives.
    pub(crate) fn is_whole(&self) -> bool {
        let all: Vec<Member> =
            self.living().map(|(_, node)| node.membership.me().clone()).collect();
        self.living().all(|(_, node)| {
            let me = node.membership.me();
            let others = all.iter().filter(|other| other.node != me.node);
            node.membership.members().count() + 1 == all.len()
                && others.clone().all(|other| node.membership.member(other.node) == Some(other))
        })
    }

    /// How often a living node said that another is down.
    pub(crate) fn deaths(&self) -> Vec<(&str, Said)> {
        let all = self.living().flat_map(|(name, node)| {
            node.said.iter().map(|(_, said)| (name.as_str(), said.clone()))
        });
        all.filter(|(_, said)| matches!(said, Said::Down(..))).collect()
    }

    /// When the last living node said that this one is down, if all did.
    pub(crate) fn all_said_down(&self, name: &str, reason: DownReason) -> bool {
        self.living().filter(|(other, _)| *other != name).all(|(_, node)| {
            node.said.iter().any(
                |(_, said)| matches!(said, Said::Down(who, _, why) if who == name && *why == reason),
            )
        })
    }
}

impl Node {
    fn wakeup(&self) -> Option<Duration> {
        let runs = matches!(self.state, State::Running | State::Silent);
        self.membership.next_wakeup().filter(|_| runs).map(|at| self.started + at)
    }

    /// What was said adds up to what is known: one life of a node at a time, each up once and down once.
    fn check(&self) {
        let mut up = BTreeMap::new();
        let mut ever = BTreeSet::new();
        for (_, said) in &self.said {
            match said {
                Said::Up(name, life) => {
                    assert!(ever.insert((name, life)), "{name}/{life} is up twice");
                    assert_eq!(up.insert(name, life), None, "two lives of {name}");
                }
                Said::Down(name, life, _) => assert_eq!(up.remove(name), Some(life)),
                _ => {}
            }
        }
        let members = self.membership.members();
        let known: BTreeMap<_, _> =
            members.map(|member| (member.name.to_string(), member.incarnation.0)).collect();
        let said: BTreeMap<_, _> =
            up.into_iter().map(|(name, life)| (name.clone(), *life)).collect();
        assert_eq!(said, known);
        assert_eq!(self.membership.stats().faults, 0);
    }
}

impl std::fmt::Display for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "at {:?}", self.now)?;
        for (name, node) in &self.nodes {
            let members: Vec<_> = node.membership.members().map(ToString::to_string).collect();
            let state = (node.state, node.membership.phase(), node.membership.me().incarnation);
            writeln!(f, "  {name} {state:?}: {members:?}")?;
            for (at, said) in node.said.iter().rev().take(6).rev() {
                writeln!(f, "    {at:?} {said:?}")?;
            }
        }
        Ok(())
    }
}

pub(crate) fn name(i: usize) -> String {
    format!("n{i}")
}
