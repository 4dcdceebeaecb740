//! The tree of values that a node runs by.
//!
//! What it is: one serde tree, which is what a file may hold, and what `--print-config` prints. Units, bounds, defaults and
//! reasons of its values stand in the table, `settings.rs`; the sections of bounds are in `config/bounds.rs`. What it is NOT: where a value came from; that is in
//! `layers.rs`.

mod bounds;

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::PathBuf,
};

use odeon::{JoinConfig, MdnsConfig};
use serde::{Deserialize, Serialize};

use crate::{logs::LogFormat, span::Span};
pub use bounds::{ActorsSection, MembershipSection, RosterSection, TransportSection};

/// All values of one node.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The node itself.
    pub node: NodeSection,
    /// How it finds its cluster.
    pub join: JoinSection,
    /// Its certificates.
    pub papers: PapersSection,
    /// How it leaves.
    pub drain: DrainSection,
    /// What it logs.
    pub log: LogSection,
    /// Where it says how it is.
    pub health: HealthSection,
    /// Where operators reach it.
    pub admin: AdminSection,
    /// Bounds of its actors.
    pub actors: ActorsSection,
    /// Bounds of its ways to others.
    pub transport: TransportSection,
    /// How fast nodes look after each other.
    pub membership: MembershipSection,
    /// Bounds of names, groups and topics.
    pub roster: RosterSection,
}

/// `[node]`: the node itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NodeSection {
    /// Its name; there must be one before it starts.
    pub name: Option<String>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where others reach it.
    pub advertise: Option<SocketAddr>,
    /// Threads that run actors.
    pub workers: Option<usize>,
    /// Its zone.
    pub zone: Option<String>,
    /// What it is for.
    pub roles: Vec<String>,
}

/// `[join]`: how the node finds its cluster.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JoinSection {
    /// The `host:port` of nodes that may be in the cluster.
    pub seeds: Vec<String>,
    /// The names of SRV records that lead to more of them.
    pub srv: Vec<String>,
    /// The name servers that are asked in place of the system's.
    pub name_servers: Vec<SocketAddr>,
    /// Whether multicast DNS is spoken.
    pub mdns: bool,
    /// The multicast group for it.
    pub mdns_group: SocketAddrV4,
    /// The interface for it.
    pub mdns_interface: Ipv4Addr,
    /// A file with more of them.
    pub file: Option<PathBuf>,
    /// A variable of the environment with more of them.
    pub variable: Option<String>,
    /// With how many nodes a cluster may begin.
    pub bootstrap_expect: usize,
    /// Whether it may be a cluster of its own.
    pub dev: bool,
    /// First pause between two looks of a node that is alone.
    pub look_min: Span,
    /// Longest pause of a node that is alone.
    pub look_max: Span,
    /// Pause of a node that is among others.
    pub look_joined: Span,
}

impl JoinSection {
    pub(crate) fn config(&self) -> JoinConfig {
        let mdns = MdnsConfig { group: self.mdns_group, interface: self.mdns_interface };
        JoinConfig {
            seeds: self.seeds.clone(),
            srv: self.srv.clone(),
            mdns: self.mdns.then_some(mdns),
            file: self.file.clone(),
            variable: self.variable.clone(),
            bootstrap_expect: self.bootstrap_expect,
            dev: self.dev,
            look_min: self.look_min.0,
            look_max: self.look_max.0,
            look_joined: self.look_joined.0,
            ..JoinConfig::default()
        }
    }
}

/// `[papers]`: certificates and keys, and how a fresh node gets its own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PapersSection {
    /// The node's certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The authority's certificate.
    pub ca_cert: Option<PathBuf>,
    /// The authority's list of revoked certificates.
    pub crl: Option<PathBuf>,
    /// The token of a fresh node.
    pub join_token: Option<String>,
    /// The authority's key, on the node that answers fresh ones.
    pub ca_key: Option<PathBuf>,
    /// Where it answers them.
    pub enrol_listen: Option<SocketAddr>,
}

/// `[drain]`: how the node leaves.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DrainSection {
    /// How long it may take.
    pub within: Span,
}

/// `[log]`: what the node logs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LogSection {
    /// As tracing-subscriber reads it.
    pub filter: String,
    /// How its lines look.
    pub format: LogFormat,
}

/// `[health]`: where the node says how it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HealthSection {
    /// Where it listens, if anywhere.
    pub listen: Option<SocketAddr>,
}

/// `[admin]`: where operators reach the node.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AdminSection {
    /// Where it listens, if anywhere.
    pub listen: Option<SocketAddr>,
}
