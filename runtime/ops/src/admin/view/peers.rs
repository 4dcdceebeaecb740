//! The ways to other nodes, as JSON and as text.

#![expect(missing_docs, reason = "most fields are what their names say, in the units of `view.rs`")]

use std::fmt;

use odeon::Node;
use serde::{Deserialize, Serialize};

use crate::harmless;

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
    pub frames_sent: u64,
    pub frames_received: u64,
    /// Frames dropped unsent, because a connection was lost or none came about.
    pub frames_dropped: u64,
    pub round_trip: Option<f64>,
    /// Of the present connection, as those that were lost.
    pub packets_sent: Option<u64>,
    pub packets_lost: Option<u64>,
    /// Bytes that may be under way, and the largest UDP payload, of the present connection.
    pub congestion_window: Option<u64>,
    pub mtu: Option<u16>,
    /// Bytes of a batch, sampled; none without a sample.
    pub batch_bytes_p50: Option<u64>,
    pub batch_bytes_p99: Option<u64>,
    /// How long the first of a batch waited in its lane, sampled; none without a sample.
    pub lane_wait_p50: Option<f64>,
    pub lane_wait_p99: Option<f64>,
    pub lanes: Vec<Lane>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: ", harmless(&self.name), harmless(&self.addr))?;
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
    /// How often something was refused for want of credit or room; what waits may be refused more than once.
    pub refused: u64,
    /// The time in which at least one sender waited.
    pub stalled: f64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub frames_sent: u64,
    pub frames_received: u64,
    pub batches_sent: u64,
}

/// The ways to other nodes.
pub(crate) fn peers(node: &Node) -> Vec<Peer> {
    let lane = |lane: &odeon::LaneMetrics| Lane {
        waiting_bytes: lane.waiting_bytes,
        waiting_senders: lane.waiting_senders,
        stalls: lane.stalls,
        refused: lane.refused_credit + lane.refused_room,
        stalled: lane.stalled.as_secs_f64(),
        bytes_sent: lane.stream.bytes_sent,
        bytes_received: lane.stream.bytes_received,
        frames_sent: lane.stream.frames_sent,
        frames_received: lane.stream.frames_received,
        batches_sent: lane.stream.batches_sent,
    };
    let wait = |peer: &odeon::PeerMetrics| (peer.lane_wait.samples > 0).then_some(peer.lane_wait);
    let batch =
        |peer: &odeon::PeerMetrics| (peer.batch_bytes.samples > 0).then_some(peer.batch_bytes);
    let peer = |peer: &odeon::PeerMetrics| Peer {
        name: peer.name.clone(),
        addr: peer.addr.to_string(),
        incarnation: peer.id.incarnation.0,
        up_for: peer.up_for.map(|it| it.as_secs_f64()),
        connections: peer.connections,
        bytes_sent: peer.total().bytes_sent,
        bytes_received: peer.total().bytes_received,
        frames_sent: peer.total().frames_sent,
        frames_received: peer.total().frames_received,
        frames_dropped: peer.frames_dropped,
        round_trip: peer.path.map(|path| path.rtt.as_secs_f64()),
        packets_sent: peer.path.map(|path| path.packets_sent),
        packets_lost: peer.path.map(|path| path.packets_lost),
        congestion_window: peer.path.map(|path| path.congestion_window),
        mtu: peer.path.map(|path| path.mtu),
        batch_bytes_p50: batch(peer).map(|bytes| bytes.p50),
        batch_bytes_p99: batch(peer).map(|bytes| bytes.p99),
        lane_wait_p50: wait(peer).map(|wait| wait.p50.as_secs_f64()),
        lane_wait_p99: wait(peer).map(|wait| wait.p99.as_secs_f64()),
        lanes: peer.lanes.iter().map(lane).collect(),
    };
    node.network_metrics().peers.iter().map(peer).collect()
}
