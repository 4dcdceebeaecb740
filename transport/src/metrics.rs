//! The way to each peer in figures, for whoever looks from outside.
//!
//! What it is: [`PeerMetrics`], plain values that print in a few lines, and how they are read: from counters and, where
//! QUIC carries, from what quinn keeps of the path, without stopping anybody. What it is NOT: an exporter for some
//! monitoring system, or a picture of one moment: what goes on while it is read may be in one figure and not in another.
//! What is counted, and where: `association/counters.rs`.

mod handshakes;
mod lines;

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use hdrhistogram::Histogram;
use odeon_wire::format::LANES_MAX;

use crate::{
    Association, PeerId, TransportStats,
    association::{Counters, StreamCounters},
};

pub(crate) use handshakes::HandshakeCounters;
pub use handshakes::{HandshakeFailure, HandshakeMetrics};

/// Values of one sort in a few figures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Quantiles<T> {
    /// How many values there were; without any, the others are zero.
    pub samples: u64,
    /// Half of them are at most this; as the others, it is at most 1 % too much.
    pub p50: T,
    /// 90 of 100 are at most this.
    pub p90: T,
    /// 99 of 100 are at most this.
    pub p99: T,
    /// The greatest.
    pub max: T,
}

impl<T: Default> Quantiles<T> {
    fn of(histogram: Option<&Histogram<u32>>, value: impl Fn(u64) -> T) -> Self {
        let Some(histogram) = histogram else { return Self::default() };
        let at = |quantile| value(histogram.value_at_quantile(quantile));
        let (samples, max) = (histogram.len(), value(histogram.max()));
        Self { samples, p50: at(0.5), p90: at(0.9), p99: at(0.99), max }
    }
}

/// What went over one sort of streams, over all connections with the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct StreamMetrics {
    /// Frames that were handed to QUIC; those that wait are not in it. On the control stream without handshakes.
    pub frames_sent: u64,
    /// Bytes that QUIC took.
    pub bytes_sent: u64,
    /// Batches: what was gathered while the last write was under way, and written together.
    pub batches_sent: u64,
    /// Frames that the peer's were read into.
    pub frames_received: u64,
    /// Bytes that were read.
    pub bytes_received: u64,
}

impl StreamMetrics {
    fn of(counters: &StreamCounters) -> Self {
        let StreamCounters { frames_sent, bytes_sent, batches_sent, .. } = counters;
        let StreamCounters { frames_received, bytes_received, .. } = counters;
        Self {
            frames_sent: frames_sent.load(Ordering::Relaxed),
            bytes_sent: bytes_sent.load(Ordering::Relaxed),
            batches_sent: batches_sent.load(Ordering::Relaxed),
            frames_received: frames_received.load(Ordering::Relaxed),
            bytes_received: bytes_received.load(Ordering::Relaxed),
        }
    }
}

/// One lane: what this node sends in its lane of that number, and receives in the peer's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct LaneMetrics {
    /// What went over it.
    pub stream: StreamMetrics,
    /// Bytes that wait in it now, for a connection or for QUIC.
    pub waiting_bytes: usize,
    /// Senders that wait for credit or room now.
    pub waiting_senders: usize,
    /// How often a message was refused because its receiver had granted no more credit; one that waits may be refused
    /// more than once.
    pub refused_credit: u64,
    /// How often a frame was refused because the lane was full.
    pub refused_room: u64,
    /// How often senders came to wait where nobody had waited.
    pub stalls: u64,
    /// The time in which at least one sender waited, that of now included. One receiver that takes nothing is enough:
    /// others of the same lane go on meanwhile.
    pub stalled: Duration,
}

/// What QUIC knows of the path to a peer, since the connection that is there now came up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct PathMetrics {
    /// The round trip, smoothed (RFC 9002, 5.3).
    pub rtt: Duration,
    /// The shortest round trip that was seen.
    pub rtt_min: Duration,
    /// The congestion window, in bytes: how much may be under way.
    pub congestion_window: u64,
    /// How often it was made smaller.
    pub congestion_events: u64,
    /// Packets sent, those of MTU discovery included.
    pub packets_sent: u64,
    /// Packets found lost, without those of MTU discovery.
    pub packets_lost: u64,
    /// Their bytes.
    pub bytes_lost: u64,
    /// The largest UDP payload that is sent, in bytes.
    pub mtu: u16,
    /// How often larger packets vanished while small ones arrived, so that the MTU fell back to 1200 (RFC 8899, 4.3).
    pub black_holes: u64,
    /// UDP datagrams sent.
    pub datagrams_sent: u64,
    /// System calls that sent them: fewer where the kernel cuts segments (GSO).
    pub sends: u64,
    /// UDP payload sent, in bytes: headers of QUIC and what was sent again included.
    pub bytes_sent: u64,
    /// UDP datagrams received.
    pub datagrams_received: u64,
    /// UDP payload received, in bytes.
    pub bytes_received: u64,
}

impl PathMetrics {
    pub(crate) fn of(stats: &quinn::ConnectionStats) -> Self {
        let (path, sent, received) = (&stats.path, &stats.udp_tx, &stats.udp_rx);
        Self {
            rtt: path.rtt,
            rtt_min: path.min_rtt,
            congestion_window: path.cwnd,
            congestion_events: path.congestion_events,
            packets_sent: path.sent_packets,
            packets_lost: path.lost_packets,
            bytes_lost: path.lost_bytes,
            mtu: path.current_mtu,
            black_holes: path.black_holes_detected,
            datagrams_sent: sent.datagrams,
            sends: sent.ios,
            bytes_sent: sent.bytes,
            datagrams_received: received.datagrams,
            bytes_received: received.bytes,
        }
    }
}

/// The association with one life of one peer, in figures; prints in a few lines. All of it is counted since the
/// association is known, over all its connections, unless a field says otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PeerMetrics {
    /// Node and incarnation.
    pub id: PeerId,
    /// The node's name, empty before the first handshake.
    pub name: String,
    /// Where the next dial would go.
    pub addr: SocketAddr,
    /// Where its packets come from now; `None` without a connection.
    pub remote_addr: Option<SocketAddr>,
    /// For how long the connection is there; `None` without one.
    pub up_for: Option<Duration>,
    /// Connections that came up.
    pub connections: u64,
    /// The control stream.
    pub control: StreamMetrics,
    /// The lanes, by their numbers: as many as either side has used or may use.
    pub lanes: Vec<LaneMetrics>,
    /// Bytes of a batch of a lane: how much one write to QUIC carried; of one batch in eight.
    pub batch_bytes: Quantiles<u64>,
    /// How long the first frame of a batch waited in its lane, which waits longest of those in it; of one batch in eight,
    /// and a minute stands for whatever is longer.
    pub lane_wait: Quantiles<Duration>,
    /// Frames dropped unsent, because the connection was lost or none came about.
    pub frames_dropped: u64,
    /// Datagrams of gossip sent.
    pub datagrams_sent: u64,
    /// Datagrams of gossip received.
    pub datagrams_received: u64,
    /// Connections closed because the peer broke the protocol.
    pub bad_frames: u64,
    /// Frames whose trace context was none, and was ignored.
    pub traces_ignored: u64,
    /// Its messages that were not taken, because this node held as much of what it received as it may
    /// ([`inbound_bytes_max`](crate::TransportConfig::inbound_bytes_max)); and its large replies.
    pub messages_shed: u64,
    /// How often it said that it did not take tells for that reason, each time one or more.
    pub sheds_heard: u64,
    /// What QUIC knows of the path; `None` without a connection, and where frames of a simulation carry.
    pub path: Option<PathMetrics>,
}

impl PeerMetrics {
    /// How often a connection came up after the first.
    #[must_use]
    pub const fn reconnects(&self) -> u64 {
        self.connections.saturating_sub(1)
    }

    /// What went over all streams.
    #[must_use]
    pub fn total(&self) -> StreamMetrics {
        let lanes = self.lanes.iter().map(|lane| lane.stream);
        lanes.fold(self.control, |sum, one| StreamMetrics {
            frames_sent: sum.frames_sent + one.frames_sent,
            bytes_sent: sum.bytes_sent + one.bytes_sent,
            batches_sent: sum.batches_sent + one.batches_sent,
            frames_received: sum.frames_received + one.frames_received,
            bytes_received: sum.bytes_received + one.bytes_received,
        })
    }

    pub(crate) fn of(association: &Association) -> Self {
        let counters = &association.counters;
        let stats = association.stats();
        let road = association.road();
        let (batch_bytes, lane_wait) = counters.sampled(|sampled| {
            let bytes = Quantiles::of(sampled.batch_bytes.as_deref(), |bytes| bytes);
            (bytes, Quantiles::of(sampled.wait.as_deref(), Duration::from_nanos))
        });
        let peer = association.peer();
        Self {
            id: peer.id,
            name: peer.name().to_owned(),
            addr: association.addr(),
            remote_addr: road.as_ref().map(|road| road.remote_addr),
            up_for: road.as_ref().map(|road| road.since.elapsed()),
            connections: stats.connections,
            control: StreamMetrics::of(&counters.control),
            lanes: lanes(association, counters),
            batch_bytes,
            lane_wait,
            frames_dropped: stats.frames_dropped,
            datagrams_sent: stats.datagrams_sent,
            datagrams_received: stats.datagrams_received,
            bad_frames: stats.bad_frames,
            traces_ignored: stats.traces_ignored,
            messages_shed: stats.messages_shed,
            sheds_heard: stats.sheds_heard,
            path: road.and_then(|road| road.path),
        }
    }
}

/// An endpoint in figures; prints in a few lines for each peer.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TransportMetrics {
    /// The peers that are known, in the order of their nodes' ids; at most
    /// [`peers_max`](crate::TransportConfig::peers_max).
    pub peers: Vec<PeerMetrics>,
    /// What became of handshakes.
    pub handshakes: HandshakeMetrics,
    /// What else was counted at the endpoint.
    pub stats: TransportStats,
}

impl TransportMetrics {
    /// The peer of this name, by its newest life.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&PeerMetrics> {
        self.peers.iter().find(|peer| peer.name == name)
    }
}

fn lanes(association: &Association, counters: &Counters) -> Vec<LaneMetrics> {
    let ours = association.lanes();
    let mut lanes: Vec<LaneMetrics> = (0..LANES_MAX)
        .map(|index| {
            let counted = counters.lane(index);
            let mut lane = LaneMetrics {
                stream: StreamMetrics::of(&counted.stream),
                refused_credit: counted.refused_credit.load(Ordering::Relaxed),
                refused_room: counted.refused_room.load(Ordering::Relaxed),
                ..LaneMetrics::default()
            };
            if let Some(waiting) = ours.get(usize::from(index)).map(|lane| lane.waiting()) {
                lane.waiting_bytes = waiting.bytes;
                lane.waiting_senders = waiting.senders;
                (lane.stalls, lane.stalled) = waiting.stalls;
            }
            lane
        })
        .collect();
    let used = lanes.iter().rposition(|lane| *lane != LaneMetrics::default());
    lanes.truncate(ours.len().max(used.map_or(0, |last| last + 1)));
    lanes
}
