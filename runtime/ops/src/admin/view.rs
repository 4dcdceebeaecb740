//! What the admin port says, as JSON, and how people read it.
//!
//! Fields may come, and none goes or changes its meaning within `/v1`. Times are seconds, sizes bytes.

#![expect(
    missing_docs,
    reason = "most fields are what their names say, in the units that stand above"
)]

use std::{fmt, time::SystemTime};

use odeon::{Metrics, Node, Phase, Profile, Tree};
use serde::{Deserialize, Serialize};

use crate::standing::Standing;

/// How a node is: `/v1/status`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// Which life of it.
    pub incarnation: u64,
    /// The program and its version.
    pub program: String,
    pub version: String,
    /// `joining`, `up`, `leaving` or `down`.
    pub phase: String,
    /// Whether it takes work, and what it waits for if not.
    pub ready: bool,
    pub waits_for: Option<String>,
    /// Where other nodes reach it.
    pub addr: String,
    /// When it started, in seconds since 1970.
    pub since: f64,
    /// Other members, as it sees them.
    pub members: usize,
    /// Actors that live.
    pub actors: u64,
    /// Handlers that began to run.
    pub messages_handled: u64,
    /// Asks of it that wait for other nodes.
    pub remote_asks: u64,
    /// How long it may take to leave when it is told to; seconds.
    #[serde(default)]
    pub drain_within: Option<f64>,
}

impl Status {
    pub(crate) fn of(standing: &Standing) -> Self {
        let node = &standing.node;
        let stats = node.stats();
        let ready = standing.ready();
        let since = standing.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            node: node.name().to_owned(),
            incarnation: node.incarnation().0,
            program: standing.program.to_owned(),
            version: standing.version.to_owned(),
            phase: phase(node.phase()).to_owned(),
            ready: ready.is_ok(),
            waits_for: ready.err().map(str::to_owned),
            addr: node.addr().to_string(),
            since: since.as_secs_f64(),
            members: node.members_now().len(),
            actors: stats.live_actors,
            messages_handled: stats.handled,
            remote_asks: node.network_stats().asks,
            drain_within: standing.drain_within().map(|within| within.as_secs_f64()),
        }
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Joining => "joining",
        Phase::Up => "up",
        Phase::Leaving => "leaving",
        _ => "down",
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, program, version, phase, addr, members, actors, .. } = self;
        writeln!(f, "{node} is {phase} at {addr}, a life with the number {}", self.incarnation)?;
        match &self.waits_for {
            Some(what) => writeln!(f, "not ready: {what}")?,
            None => writeln!(f, "ready")?,
        }
        writeln!(f, "program {program} {version}")?;
        writeln!(f, "{members} other members, {actors} actors")?;
        let (handled, asks) = (self.messages_handled, self.remote_asks);
        write!(f, "{handled} messages handled, {asks} asks wait for other nodes")
    }
}

/// Another member: `/v1/members` is a list of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    pub name: String,
    pub addr: String,
    pub incarnation: u64,
    pub zone: String,
    pub roles: Vec<String>,
    pub version: String,
    /// Whether it takes nothing new.
    pub leaving: bool,
}

/// The members, the node itself first.
pub(crate) fn members(node: &Node) -> Vec<Member> {
    let own = Member {
        name: node.name().to_owned(),
        addr: node.addr().to_string(),
        incarnation: node.incarnation().0,
        leaving: node.phase() >= Phase::Leaving,
        ..Member::saying(&node.profile())
    };
    let others = node.members_now().into_iter().map(|member| Member {
        name: member.name,
        addr: member.addr.to_string(),
        incarnation: member.incarnation.0,
        leaving: member.leaving,
        ..Member::saying(&member.profile)
    });
    std::iter::once(own).chain(others).collect()
}

impl Member {
    fn saying(profile: &Profile) -> Self {
        Self {
            name: String::new(),
            addr: String::new(),
            incarnation: 0,
            zone: profile.zone.clone(),
            roles: profile.roles.clone(),
            version: profile.version.clone(),
            leaving: false,
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}, life {}", self.name, self.addr, self.incarnation)?;
        if !self.zone.is_empty() {
            write!(f, ", zone {}", self.zone)?;
        }
        if !self.roles.is_empty() {
            write!(f, ", for {}", self.roles.join(" and "))?;
        }
        if !self.version.is_empty() {
            write!(f, ", version {}", self.version)?;
        }
        f.write_str(if self.leaving { ", leaving" } else { "" })
    }
}

/// The supervision tree: `/v1/actors`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Actors {
    /// Each parent before its children.
    pub actors: Vec<Actor>,
    /// Those that are left out because there are too many.
    pub left_out: usize,
    /// Workers that did not answer; their actors are missing.
    pub silent_workers: usize,
}

/// One actor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Actor {
    pub number: u64,
    pub parent: Option<u64>,
    pub depth: usize,
    pub kind: String,
    /// What its supervisor calls it.
    pub id: Option<String>,
    pub names: Vec<String>,
    pub state: String,
    pub restarts: u32,
}

impl Actors {
    pub(crate) fn of(tree: &Tree) -> Self {
        let actors = tree.actors().iter().map(|actor| Actor {
            number: actor.number,
            parent: actor.parent,
            depth: actor.depth,
            kind: actor.kind.to_owned(),
            id: actor.id.as_deref().map(str::to_owned),
            names: actor.names.iter().map(|name| name.to_string()).collect(),
            state: actor.state.to_string(),
            restarts: actor.restarts,
        });
        let (left_out, silent_workers) = (tree.left_out(), tree.silent_workers());
        Self { actors: actors.collect(), left_out, silent_workers }
    }
}

impl fmt::Display for Actors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, actor) in self.actors.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n" };
            write!(f, "{gap}{:indent$}", "", indent = 2 * actor.depth)?;
            if let Some(id) = &actor.id {
                write!(f, "{id}: ")?;
            }
            write!(f, "{} #{}", actor.kind, actor.number)?;
            for name in &actor.names {
                write!(f, " {name:?}")?;
            }
            write!(f, " {}", actor.state)?;
            if actor.restarts > 0 {
                write!(f, ", restarts: {}", actor.restarts)?;
            }
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more, with their children", self.left_out)?;
        }
        if self.silent_workers > 0 {
            write!(f, "\nand what runs on {} workers that do not answer", self.silent_workers)?;
        }
        Ok(())
    }
}

/// The way to another node: `/v1/peers` is a list of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Peer {
    pub name: String,
    pub addr: String,
    pub incarnation: u64,
    /// For how long the connection is there; none without one.
    pub up_for: Option<f64>,
    pub connections: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub round_trip: Option<f64>,
    pub packets_lost: Option<u64>,
    pub lanes: Vec<Lane>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: ", self.name, self.addr)?;
        match self.up_for {
            Some(up_for) => write!(f, "connected for {up_for:.0} s")?,
            None => f.write_str("no connection")?,
        }
        if let Some(trip) = self.round_trip {
            write!(f, ", round trip {:.3} ms", trip * 1e3)?;
        }
        write!(f, ", {} bytes sent, {} received", self.bytes_sent, self.bytes_received)?;
        let waiting = self.lanes.iter().map(|lane| lane.waiting_bytes).sum::<usize>();
        let senders = self.lanes.iter().map(|lane| lane.waiting_senders).sum::<usize>();
        write!(f, ", {waiting} bytes and {senders} senders wait in {} lanes", self.lanes.len())
    }
}

/// One lane to a peer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Lane {
    pub waiting_bytes: usize,
    pub waiting_senders: usize,
    pub stalls: u64,
    /// The time in which at least one sender waited.
    pub stalled: f64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

/// The ways to other nodes.
pub(crate) fn peers(node: &Node) -> Vec<Peer> {
    let lane = |lane: &odeon::LaneMetrics| Lane {
        waiting_bytes: lane.waiting_bytes,
        waiting_senders: lane.waiting_senders,
        stalls: lane.stalls,
        stalled: lane.stalled.as_secs_f64(),
        bytes_sent: lane.stream.bytes_sent,
        bytes_received: lane.stream.bytes_received,
    };
    let peer = |peer: &odeon::PeerMetrics| Peer {
        name: peer.name.clone(),
        addr: peer.addr.to_string(),
        incarnation: peer.id.incarnation.0,
        up_for: peer.up_for.map(|it| it.as_secs_f64()),
        connections: peer.connections,
        bytes_sent: peer.total().bytes_sent,
        bytes_received: peer.total().bytes_received,
        round_trip: peer.path.map(|path| path.rtt.as_secs_f64()),
        packets_lost: peer.path.map(|path| path.packets_lost),
        lanes: peer.lanes.iter().map(lane).collect(),
    };
    node.network_metrics().peers.iter().map(peer).collect()
}

/// The figures of one actor type: `/v1/types` is a list of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Type {
    pub kind: String,
    pub live: u64,
    pub started: u64,
    pub restarts: u64,
    pub failures: u64,
    pub handled: u64,
    pub skipped: u64,
    pub dropped: u64,
    pub undelivered: u64,
    pub depth: u64,
    pub depth_max: u32,
    pub age_max: Option<f64>,
    /// Sampled times of handlers; none without a sample.
    pub handler_p50: Option<f64>,
    pub handler_p99: Option<f64>,
}

/// The figures of all actor types.
pub(crate) fn types(metrics: &Metrics) -> Vec<Type> {
    let of = |it: &odeon::TypeMetrics| {
        let sampled = (it.handler.samples > 0).then_some(&it.handler);
        Type {
            kind: it.kind.to_owned(),
            live: it.live,
            started: it.started,
            restarts: it.restarts,
            failures: it.failures,
            handled: it.handled,
            skipped: it.skipped,
            dropped: it.dropped,
            undelivered: it.undelivered,
            depth: it.depth,
            depth_max: it.depth_max,
            age_max: it.age_max.map(|age| age.as_secs_f64()),
            handler_p50: sampled.map(|spread| spread.p50.as_secs_f64()),
            handler_p99: sampled.map(|spread| spread.p99.as_secs_f64()),
        }
    };
    metrics.types.iter().map(of).collect()
}
