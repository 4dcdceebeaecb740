//! The ways to other nodes in figures: by peer, by lane, and of the endpoint.

use odeon::{HandshakeMetrics, LaneMetrics, NetworkMetrics, PeerMetrics, Quantiles};

use super::page::{Kind, Page};

/// What a peer is called before its first handshake.
const UNNAMED: &str = "unknown";

type OfPeer = (&'static str, Kind, &'static str, fn(&PeerMetrics) -> f64);

const PEERS: &[OfPeer] = &[
    ("odeon_peer_connected", Kind::Gauge, "Whether there is a connection with the peer.", |it| {
        f64::from(u8::from(it.up_for.is_some()))
    }),
    (
        "odeon_peer_connections_total",
        Kind::Counter,
        "Connections with the peer that came up.",
        |it| it.connections as f64,
    ),
    ("odeon_peer_sent_bytes_total", Kind::Counter, "Bytes of streams sent to the peer.", |it| {
        it.total().bytes_sent as f64
    }),
    (
        "odeon_peer_received_bytes_total",
        Kind::Counter,
        "Bytes of streams received from the peer.",
        |it| it.total().bytes_received as f64,
    ),
    ("odeon_peer_sent_frames_total", Kind::Counter, "Frames sent to the peer.", |it| {
        it.total().frames_sent as f64
    }),
    ("odeon_peer_received_frames_total", Kind::Counter, "Frames received from the peer.", |it| {
        it.total().frames_received as f64
    }),
    (
        "odeon_peer_dropped_frames_total",
        Kind::Counter,
        "Frames dropped unsent, because a connection was lost or none came about.",
        |it| it.frames_dropped as f64,
    ),
    (
        "odeon_peer_bad_frames_total",
        Kind::Counter,
        "Connections closed because the peer broke the protocol.",
        |it| it.bad_frames as f64,
    ),
    ("odeon_peer_round_trip_seconds", Kind::Gauge, "The smoothed round trip to the peer.", |it| {
        it.path.map_or(f64::NAN, |path| path.rtt.as_secs_f64())
    }),
    (
        "odeon_peer_sent_packets_total",
        Kind::Counter,
        "Packets sent on the present connection with the peer.",
        |it| it.path.map_or(0.0, |path| path.packets_sent as f64),
    ),
    (
        "odeon_peer_lost_packets_total",
        Kind::Counter,
        "Packets found lost on the present connection with the peer.",
        |it| it.path.map_or(0.0, |path| path.packets_lost as f64),
    ),
    (
        "odeon_peer_congestion_window_bytes",
        Kind::Gauge,
        "Bytes that may be under way to the peer on the present connection.",
        |it| it.path.map_or(f64::NAN, |path| path.congestion_window as f64),
    ),
    (
        "odeon_peer_shed_messages_total",
        Kind::Counter,
        "Messages of the peer that were not taken, because what was received holds too much memory.",
        |it| it.messages_shed as f64,
    ),
    (
        "odeon_peer_congestion_events_total",
        Kind::Counter,
        "How often that became less on the present connection.",
        |it| it.path.map_or(0.0, |path| path.congestion_events as f64),
    ),
    (
        "odeon_peer_mtu_bytes",
        Kind::Gauge,
        "The largest UDP payload that is sent to the peer on the present connection.",
        |it| it.path.map_or(f64::NAN, |path| path.mtu.into()),
    ),
    (
        "odeon_peer_black_holes_total",
        Kind::Counter,
        "How often larger packets vanished on the present connection, while small ones arrived.",
        |it| it.path.map_or(0.0, |path| path.black_holes as f64),
    ),
    (
        "odeon_peer_ignored_traces_total",
        Kind::Counter,
        "Frames of the peer whose trace context was none.",
        |it| it.traces_ignored as f64,
    ),
    (
        "odeon_peer_heard_sheds_total",
        Kind::Counter,
        "How often the peer said that it had no memory for tells.",
        |it| it.sheds_heard as f64,
    ),
];

type OfLane = (&'static str, Kind, &'static str, fn(&LaneMetrics) -> f64);

const LANES: &[OfLane] = &[
    ("odeon_lane_sent_bytes_total", Kind::Counter, "Bytes sent in the lane.", |it| {
        it.stream.bytes_sent as f64
    }),
    ("odeon_lane_received_bytes_total", Kind::Counter, "Bytes received in the lane.", |it| {
        it.stream.bytes_received as f64
    }),
    ("odeon_lane_sent_frames_total", Kind::Counter, "Frames sent in the lane.", |it| {
        it.stream.frames_sent as f64
    }),
    ("odeon_lane_received_frames_total", Kind::Counter, "Frames received in the lane.", |it| {
        it.stream.frames_received as f64
    }),
    ("odeon_lane_batches_total", Kind::Counter, "Batches written in the lane.", |it| {
        it.stream.batches_sent as f64
    }),
    ("odeon_lane_waiting_bytes", Kind::Gauge, "Bytes that wait in the lane.", |it| {
        it.waiting_bytes as f64
    }),
    (
        "odeon_lane_waiting_senders",
        Kind::Gauge,
        "Senders that wait for credit or room in the lane.",
        |it| it.waiting_senders as f64,
    ),
    (
        "odeon_lane_stalls_total",
        Kind::Counter,
        "How often senders came to wait at the lane.",
        |it| it.stalls as f64,
    ),
    (
        "odeon_lane_stalled_seconds_total",
        Kind::Counter,
        "The time in which senders waited at the lane.",
        |it| it.stalled.as_secs_f64(),
    ),
];

/// Writes what went over the network.
pub(super) fn write(page: &mut Page, metrics: &NetworkMetrics) {
    let peers = newest(metrics);
    for (name, kind, help, figure) in PEERS {
        page.family(name, *kind, help);
        for (peer, of_peer) in &peers {
            page.sample(&[("peer", peer)], figure(of_peer));
        }
    }
    lanes(page, &peers);
    batches(page, &peers);
    handshakes(page, &metrics.handshakes);
    of_the_endpoint(page, metrics);
}

/// Each lane, by its number.
fn lanes(page: &mut Page, peers: &[(&str, &PeerMetrics)]) {
    let all = || {
        peers.iter().flat_map(|(peer, of_peer)| {
            of_peer.lanes.iter().enumerate().map(move |(at, lane)| (*peer, at.to_string(), lane))
        })
    };
    for (name, kind, help, figure) in LANES {
        page.family(name, *kind, help);
        for (peer, at, lane) in all() {
            page.sample(&[("peer", peer), ("lane", &at)], figure(lane));
        }
    }
    page.family(
        "odeon_lane_refused_total",
        Kind::Counter,
        "Frames that were refused for want of credit or room in the lane.",
    );
    for (peer, at, lane) in all() {
        for (reason, count) in [("credit", lane.refused_credit), ("room", lane.refused_room)] {
            page.sample(&[("peer", peer), ("lane", &at), ("reason", reason)], count as f64);
        }
    }
}

/// What is sampled of all lanes to a peer together.
fn batches(page: &mut Page, peers: &[(&str, &PeerMetrics)]) {
    let mut family = |name, help, of: fn(&PeerMetrics) -> (u64, [f64; 4])| {
        page.family(name, Kind::Summary, help);
        for (peer, of_peer) in peers {
            let (samples, values) = of(of_peer);
            for (quantile, value) in ["0.5", "0.9", "0.99", "1"].into_iter().zip(values) {
                let value = if samples == 0 { f64::NAN } else { value };
                page.sample(&[("peer", peer), ("quantile", quantile)], value);
            }
            page.suffixed("_count", &[("peer", peer)], samples as f64);
        }
    };
    family("odeon_lane_batch_bytes", "Sampled bytes of batches in lanes to the peer.", |it| {
        let Quantiles { samples, p50, p90, p99, max, .. } = it.batch_bytes;
        (samples, [p50, p90, p99, max].map(|bytes| bytes as f64))
    });
    family("odeon_lane_wait_seconds", "Sampled waits of batches in lanes to the peer.", |it| {
        let Quantiles { samples, p50, p90, p99, max, .. } = it.lane_wait;
        (samples, [p50, p90, p99, max].map(|wait| wait.as_secs_f64()))
    });
}

/// The peers by their names, each by its newest life: two lives of one would be one sample twice.
fn newest(metrics: &NetworkMetrics) -> Vec<(&str, &PeerMetrics)> {
    let mut peers = metrics.peers.iter().collect::<Vec<_>>();
    peers.sort_by(|one, other| {
        one.name.cmp(&other.name).then(other.id.incarnation.cmp(&one.id.incarnation))
    });
    let mut named = peers
        .into_iter()
        .map(|peer| (if peer.name.is_empty() { UNNAMED } else { peer.name.as_str() }, peer))
        .collect::<Vec<_>>();
    named.dedup_by(|later, earlier| later.0 == earlier.0);
    named
}

fn handshakes(page: &mut Page, handshakes: &HandshakeMetrics) {
    page.family("odeon_handshakes", Kind::Gauge, "Handshakes under way that peers have begun.");
    page.sample(&[], handshakes.answering as f64);
    page.family("odeon_dials", Kind::Gauge, "Dials under way to nodes that others told of.");
    page.sample(&[], handshakes.dialling as f64);
    page.family(
        "odeon_dials_waited_total",
        Kind::Counter,
        "Dials that waited until others had ended.",
    );
    page.sample(&[], handshakes.dials_waited as f64);
    page.family("odeon_handshakes_total", Kind::Counter, "Handshakes that ended, however.");
    page.sample(&[], handshakes.ended as f64);
    page.family("odeon_handshakes_failed_total", Kind::Counter, "Handshakes that failed.");
    for (direction, failures) in
        [("inbound", &handshakes.inbound), ("outbound", &handshakes.outbound)]
    {
        for (reason, count) in failures {
            let reason = reason.to_string();
            page.sample(&[("direction", direction), ("reason", reason.as_str())], *count as f64);
        }
    }
    page.family(
        "odeon_handshakes_shed_total",
        Kind::Counter,
        "Handshakes that were not looked at, because too many were under way.",
    );
    page.sample(&[], handshakes.shed as f64);
    page.family(
        "odeon_handshakes_retried_total",
        Kind::Counter,
        "Diallers that were asked to show first that they receive at their address.",
    );
    page.sample(&[], handshakes.retried as f64);
}

fn of_the_endpoint(page: &mut Page, metrics: &NetworkMetrics) {
    page.family(
        "odeon_inbound_bytes",
        Kind::Gauge,
        "Bytes of memory that what was received from all peers holds.",
    );
    page.sample(&[], metrics.stats.inbound_bytes as f64);
    page.family(
        "odeon_shelved_bytes",
        Kind::Gauge,
        "Memory that large messages have left, and that is kept for the next ones.",
    );
    page.sample(&[], metrics.stats.shelved_bytes as f64);
    page.family("odeon_peers", Kind::Gauge, "Peers that the endpoint knows.");
    page.sample(&[], metrics.peers.len() as f64);
    page.family(
        "odeon_datagrams_dropped_total",
        Kind::Counter,
        "Datagrams of gossip that were dropped unsent.",
    );
    page.sample(&[], metrics.stats.datagrams_dropped as f64);
    page.family("odeon_remote_asks", Kind::Gauge, "Asks of this node that wait for other nodes.");
    page.sample(&[], metrics.asks as f64);
    page.family(
        "odeon_remote_asks_unanswered_total",
        Kind::Counter,
        "Asks of this node to others that ended without an answer.",
    );
    page.sample(&[], metrics.asks_unanswered as f64);
    page.family(
        "odeon_remote_answers_late_total",
        Kind::Counter,
        "Answers of other nodes for which nobody waited any more.",
    );
    page.sample(&[], metrics.answers_late as f64);
    page.family(
        "odeon_remote_messages_held",
        Kind::Gauge,
        "Messages of other nodes that wait in mailboxes here.",
    );
    page.sample(&[], metrics.messages_held as f64);
}
