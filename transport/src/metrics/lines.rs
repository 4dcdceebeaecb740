//! The figures of a peer for people: a line for the peer, one for the path, one for each lane that was used.

use std::{fmt, time::Duration};

use super::{
    HandshakeMetrics, LaneMetrics, PathMetrics, PeerMetrics, Quantiles, StreamMetrics,
    TransportMetrics,
};

impl<T: fmt::Debug> fmt::Display for Quantiles<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.samples == 0 {
            return f.write_str("-");
        }
        let Self { p50, p90, p99, max, .. } = self;
        write!(f, "{p50:?}/{p90:?}/{p99:?}/{max:?}")
    }
}

impl fmt::Display for StreamMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames_sent, bytes_sent, batches_sent, frames_received, bytes_received } = self;
        write!(
            f,
            "out {frames_sent} frames, {bytes_sent} B, {batches_sent} batches; in {frames_received} frames, \
             {bytes_received} B"
        )
    }
}

impl fmt::Display for LaneMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, waiting_bytes, waiting_senders, stalls, stalled, .. } = self;
        write!(f, "{stream}; waiting {waiting_bytes} B, {waiting_senders} senders")?;
        if *stalls > 0 {
            write!(f, "; stalled {stalls} times, {stalled:.1?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PathMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rtt, congestion_window, packets_sent, packets_lost, mtu, black_holes, .. } =
            self;
        write!(
            f,
            "rtt {rtt:.1?}, window {congestion_window} B, lost {packets_lost} of {packets_sent} packets, mtu {mtu}, \
             black holes {black_holes}"
        )
    }
}

impl fmt::Display for PeerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "not met yet" } else { &self.name };
        write!(f, "{name} ({}, life {}) ", self.addr, self.id.incarnation)?;
        match self.up_for {
            Some(up_for) => {
                write!(f, "up for {:?}", Duration::from_millis(up_for.as_millis() as u64))?
            }
            None => f.write_str("not connected")?,
        }
        let Self { connections, frames_dropped, bad_frames, messages_shed, sheds_heard, .. } = self;
        write!(f, ", connections {connections}, dropped {frames_dropped}, broken {bad_frames}")?;
        if (*messages_shed, *sheds_heard) != (0, 0) {
            write!(f, ", not taken {messages_shed} here, {sheds_heard} times there")?;
        }
        writeln!(f)?;
        if let Some(path) = &self.path {
            writeln!(f, "  path: {path}")?;
        }
        writeln!(
            f,
            "  batches in B: {}; waits p50/p90/p99/max: {}; gossip out {}, in {}",
            self.batch_bytes, self.lane_wait, self.datagrams_sent, self.datagrams_received
        )?;
        writeln!(f, "  control: {}", self.control)?;
        for (index, lane) in self.lanes.iter().enumerate() {
            if *lane != LaneMetrics::default() {
                writeln!(f, "  lane {index}: {lane}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for HandshakeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answering, dialling, ended, shed, retried, inbound, outbound, .. } = self;
        write!(
            f,
            "handshakes: {ended} ended, {answering} of peers and {dialling} of ours under way, {retried} retried, \
             {shed} shed"
        )?;
        for (side, failures) in [("of peers", inbound), ("of ours", outbound)] {
            for (failure, count) in failures {
                write!(f, "; {side}, {failure}: {count}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for TransportMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.handshakes)?;
        self.peers.iter().try_for_each(|peer| write!(f, "{peer}"))
    }
}

#[cfg(test)]
mod tests {
    use odeon_message::{Incarnation, NodeId};

    use super::*;
    use crate::{HandshakeFailure, PeerId, TransportStats};

    #[test]
    fn a_peer_prints_in_a_few_lines() {
        let rtt = Duration::from_micros(420);
        let stalled = LaneMetrics {
            stalls: 2,
            stalled: Duration::from_millis(1500),
            waiting_senders: 1,
            ..LaneMetrics::default()
        };
        let peer = PeerMetrics {
            id: PeerId { node: NodeId::of("b"), incarnation: Incarnation(7) },
            name: "b".to_owned(),
            addr: "10.0.0.2:7400".parse().unwrap(),
            remote_addr: None,
            up_for: Some(Duration::from_millis(2_500)),
            connections: 3,
            control: StreamMetrics { frames_sent: 4, ..StreamMetrics::default() },
            lanes: vec![LaneMetrics::default(), stalled],
            batch_bytes: Quantiles { samples: 1, p50: 96, p90: 96, p99: 96, max: 96 },
            lane_wait: Quantiles::default(),
            frames_dropped: 0,
            datagrams_sent: 0,
            datagrams_received: 0,
            bad_frames: 0,
            traces_ignored: 0,
            messages_shed: 3,
            sheds_heard: 0,
            path: Some(PathMetrics { rtt, mtu: 1472, ..PathMetrics::default() }),
        };
        assert_eq!(peer.reconnects(), 2);
        assert_eq!(peer.total().frames_sent, 4);
        let inbound = vec![(HandshakeFailure::NotAuthenticated, 5)];
        let handshakes = HandshakeMetrics { inbound, shed: 1, ..HandshakeMetrics::default() };
        let stats = TransportStats::default();
        let text = TransportMetrics { peers: vec![peer], handshakes, stats }.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("1 shed; of peers, not authenticated: 5"), "{text}");
        assert!(
            lines[1].starts_with("b (10.0.0.2:7400, life ") && lines[1].contains("2.5s"),
            "{text}"
        );
        assert!(lines[1].ends_with("broken 0, not taken 3 here, 0 times there"), "{text}");
        assert!(lines[2].contains("rtt 420.0") && lines[2].contains("mtu 1472"), "{text}");
        assert!(lines[3].contains("batches in B: 96/96/96/96; waits p50/p90/p99/max: -"), "{text}");
        assert!(
            lines[5].starts_with("  lane 1:") && lines[5].ends_with("stalled 2 times, 1.5s"),
            "{text}"
        );
        assert_eq!(lines.len(), 6, "{text}");
    }
}
