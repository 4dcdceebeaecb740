//! The ways to other nodes in figures: by peer, and of the endpoint.

use std::time::Duration;

use odeon::{HandshakeMetrics, LaneMetrics, NetworkMetrics, PeerMetrics};

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
    ("odeon_lane_batches_total", Kind::Counter, "Batches written in lanes to the peer.", |it| {
        lanes(it, |lane| lane.stream.batches_sent as f64)
    }),
    ("odeon_lane_waiting_bytes", Kind::Gauge, "Bytes that wait in lanes to the peer.", |it| {
        lanes(it, |lane| lane.waiting_bytes as f64)
    }),
    (
        "odeon_lane_waiting_senders",
        Kind::Gauge,
        "Senders that wait for credit or room in lanes to the peer.",
        |it| lanes(it, |lane| lane.waiting_senders as f64),
    ),
    ("odeon_lane_stalls_total", Kind::Counter, "How often senders came to wait at a lane.", |it| {
        lanes(it, |lane| lane.stalls as f64)
    }),
    (
        "odeon_lane_stalled_seconds_total",
        Kind::Counter,
        "The time in which senders waited, of all lanes to the peer.",
        |it| lanes(it, |lane| lane.stalled.as_secs_f64()),
    ),
];

fn lanes(peer: &PeerMetrics, figure: fn(&LaneMetrics) -> f64) -> f64 {
    peer.lanes.iter().map(figure).sum()
}

/// Writes what went over the network.
pub(super) fn write(page: &mut Page, metrics: &NetworkMetrics) {
    let peers = newest(metrics);
    for (name, kind, help, figure) in PEERS {
        page.family(name, *kind, help);
        for (peer, of_peer) in &peers {
            page.sample(&[("peer", peer)], figure(of_peer));
        }
    }
    page.family(
        "odeon_lane_refused_total",
        Kind::Counter,
        "Frames that were refused for want of credit or room in a lane to the peer.",
    );
    for (peer, of_peer) in &peers {
        let credit = lanes(of_peer, |lane| lane.refused_credit as f64);
        page.sample(&[("peer", peer), ("reason", "credit")], credit);
        let room = lanes(of_peer, |lane| lane.refused_room as f64);
        page.sample(&[("peer", peer), ("reason", "room")], room);
    }
    page.family(
        "odeon_lane_wait_seconds",
        Kind::Summary,
        "Sampled waits of batches in lanes to the peer.",
    );
    for (peer, of_peer) in &peers {
        let wait = &of_peer.lane_wait;
        let time = |time: Duration| if wait.samples == 0 { f64::NAN } else { time.as_secs_f64() };
        for (quantile, value) in
            [("0.5", wait.p50), ("0.9", wait.p90), ("0.99", wait.p99), ("1", wait.max)]
        {
            page.sample(&[("peer", peer), ("quantile", quantile)], time(value));
        }
        page.suffixed("_count", &[("peer", peer)], wait.samples as f64);
    }
    handshakes(page, &metrics.handshakes);
    of_the_endpoint(page, metrics);
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
