//! What the admin port says, as JSON, and how people read it.
//!
//! Fields may come, and none goes or changes its meaning within `/v1`. Times are seconds, sizes bytes.

#![expect(
    missing_docs,
    reason = "most fields are what their names say, in the units that stand above"
)]

mod actors;
mod names;
mod overview;
mod peers;
mod topics;
mod types;

use std::{fmt, time::SystemTime};

use odeon::{Node, Phase, Profile, Validity};
use serde::{Deserialize, Serialize};

pub use actors::{Actor, Actors};
pub use names::{Group, Groups, Name, Names};
pub use overview::{Counts, Hot, Overview, Worker};
pub use peers::{Lane, Peer};
pub use topics::{Topic, Topics};
pub use types::Type;

pub(crate) use names::NAMES_MAX;
pub(crate) use peers::peers;
pub(crate) use types::types;

use crate::{harmless, standing::Standing};

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
    /// For how much longer its certificate is good, and its authority's, by its clock; seconds, below 0 if it has run out.
    #[serde(default)]
    pub certificate_left: Option<f64>,
    #[serde(default)]
    pub authority_left: Option<f64>,
}

impl Status {
    pub(crate) fn of(standing: &Standing) -> Self {
        let node = &standing.node;
        let stats = node.stats();
        let ready = standing.ready();
        let since = standing.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let validity = node.certificate_validity();
        let now = node.env().wall_clock();
        Self {
            node: node.name().to_owned(),
            incarnation: node.incarnation().0,
            program: standing.program.to_owned(),
            version: standing.version.to_owned(),
            phase: phase(node.phase()).to_owned(),
            ready: ready.is_ok(),
            waits_for: ready.err(),
            addr: node.addr().to_string(),
            since: since.as_secs_f64(),
            members: node.members_now().len(),
            actors: stats.live_actors,
            messages_handled: stats.handled,
            remote_asks: node.remote_asks() as u64,
            drain_within: standing.drain_within().map(|within| within.as_secs_f64()),
            certificate_left: validity.map(|validity| left(now, validity.node)),
            authority_left: validity.map(|validity| left(now, validity.authority)),
        }
    }
}

/// Seconds from now to the end.
fn left(now: SystemTime, validity: Validity) -> f64 {
    match validity.not_after.duration_since(now) {
        Ok(left) => left.as_secs_f64(),
        Err(past) => -past.duration().as_secs_f64(),
    }
}

/// A time that is not short, for people.
fn spelt(seconds: f64) -> String {
    let hours = seconds / 3_600.0;
    if hours < 48.0 { format!("{hours:.0} hours") } else { format!("{:.0} days", hours / 24.0) }
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
        let [node, program, version, phase, addr] =
            [&self.node, &self.program, &self.version, &self.phase, &self.addr]
                .map(|text| harmless(text));
        let Self { members, actors, .. } = self;
        writeln!(f, "{node} is {phase} at {addr}, a life with the number {}", self.incarnation)?;
        match &self.waits_for {
            Some(what) => writeln!(f, "not ready: {}", harmless(what))?,
            None => writeln!(f, "ready")?,
        }
        writeln!(f, "program {program} {version}")?;
        writeln!(f, "{members} other members, {actors} actors")?;
        let certificates =
            [("its", self.certificate_left), ("its authority's", self.authority_left)];
        for (whose, left) in certificates {
            match left {
                Some(left) if left <= 0.0 => writeln!(f, "{whose} certificate has run out")?,
                Some(left) => writeln!(f, "{whose} certificate is good for {} more", spelt(left))?,
                None => {}
            }
        }
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
    /// How busy it says it is, in thousandths of what it can do.
    pub load: u16,
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
            load: profile.load,
            leaving: false,
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, addr, zone, version] =
            [&self.name, &self.addr, &self.zone, &self.version].map(|text| harmless(text));
        write!(f, "{name} at {addr}, life {}", self.incarnation)?;
        if !self.zone.is_empty() {
            write!(f, ", zone {zone}")?;
        }
        if !self.roles.is_empty() {
            write!(f, ", for {}", harmless(&self.roles.join(" and ")))?;
        }
        if !self.version.is_empty() {
            write!(f, ", version {version}")?;
        }
        if self.load > 0 {
            write!(f, ", {} % busy", self.load.div_ceil(10))?;
        }
        f.write_str(if self.leaving { ", leaving" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that is not as it should be says what it likes, to an operator's terminal.
    #[test]
    fn what_a_node_says_of_itself_steers_no_terminal() {
        let evil = || "\u{1b}[2J\u{9b}31m\nb is up".to_owned();
        let status = Status {
            node: evil(),
            incarnation: 1,
            program: evil(),
            version: evil(),
            phase: evil(),
            ready: false,
            waits_for: Some(evil()),
            addr: evil(),
            since: 0.0,
            members: 1,
            actors: 1,
            messages_handled: 1,
            remote_asks: 1,
            drain_within: None,
            certificate_left: Some(-1.0),
            authority_left: Some(1e6),
        };
        let member = Member {
            name: evil(),
            addr: evil(),
            incarnation: 1,
            zone: evil(),
            roles: vec![evil(), evil()],
            version: evil(),
            leaving: false,
            load: 1,
        };
        let actor = Actor {
            number: 1,
            parent: None,
            depth: 0,
            kind: evil(),
            id: Some(evil()),
            names: vec![evil()],
            state: evil(),
            restarts: 1,
            waiting: 1,
        };
        let actors = Actors { actors: vec![actor], left_out: 0, silent_workers: 0 };
        let mut peer: Peer = serde_json::from_str(
            r#"{"name":"","addr":"","incarnation":1,"connections":1,"bytes_sent":1,"bytes_received":1,
                "frames_sent":1,"frames_received":1,"frames_dropped":1,"lanes":[]}"#,
        )
        .unwrap();
        (peer.name, peer.addr) = (evil(), evil());
        let name = Name { name: evil(), node: evil() };
        let names = Names { names: vec![name.clone(), name], left_out: 1 };
        let groups = Groups { groups: vec![Group { name: evil(), members: 2 }], left_out: 0 };
        let (pattern, message, nodes) = (evil(), evil(), vec![evil(), evil()]);
        let topic = Topic { pattern, message, nodes, more_nodes: 1, subscriptions: 2, missed: 1 };
        let topics = Topics { topics: vec![topic.clone(), topic], missed: 3, left_out: 1 };
        let lines = |text: String, lines: usize| {
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
            assert_eq!(text.lines().count(), lines, "{text:?}");
        };
        lines(status.to_string(), 7);
        lines(member.to_string(), 1);
        lines(actors.to_string(), 1);
        lines(peer.to_string(), 1);
        lines(names.to_string(), 3);
        lines(groups.to_string(), 1);
        lines(topics.to_string(), 4);
    }
}
