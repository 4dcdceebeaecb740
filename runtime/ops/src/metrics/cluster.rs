//! The node's part in its cluster, in figures: gossip, multicast, topics, certificates.

use std::time::SystemTime;

use odeon::{CertificateValidity, ClusterStats};

use super::page::{Kind, Page};

/// Each counter with what it counts.
type Row = (&'static str, &'static str, fn(&ClusterStats) -> u64);

const ROWS: [Row; 7] = [
    (
        "odeon_gossip_refused_datagrams_total",
        "Datagrams of gossip that were garbage, too long, or not from whom they said.",
        |stats| stats.gossip_refused,
    ),
    (
        "odeon_gossip_unremembered_datagrams_total",
        "Datagrams of gossip with more members than a node remembers.",
        |stats| stats.gossip_over_bound,
    ),
    (
        "odeon_gossip_dropped_datagrams_total",
        "Datagrams of gossip that came faster than they were read.",
        |stats| stats.gossip_dropped,
    ),
    (
        "odeon_membership_rejoins_total",
        "Times that others held this node for dead and it came back.",
        |stats| stats.rejoins,
    ),
    (
        "odeon_membership_faults_total",
        "Errors inside the membership protocol, each of them a bug.",
        |stats| stats.faults,
    ),
    (
        "odeon_multicast_ignored_packets_total",
        "Packets of multicast DNS that were not looked at, because too many came.",
        |stats| stats.multicast_ignored,
    ),
    (
        "odeon_topic_messages_missed_total",
        "Messages of topics for which a subscription of this node had no room.",
        |stats| stats.topic_messages_missed,
    ),
];

pub(super) fn write(page: &mut Page, stats: &ClusterStats, validity: Option<CertificateValidity>) {
    for (name, help, value) in ROWS {
        page.family(name, Kind::Counter, help);
        page.sample(&[], value(stats) as f64);
    }
    let Some(validity) = validity else { return };
    page.family(
        "odeon_certificate_expiry_timestamp_seconds",
        Kind::Gauge,
        "When the certificates run out of the node and of the authority that issued it, in seconds since 1970.",
    );
    for (certificate, validity) in [("node", validity.node), ("authority", validity.authority)] {
        let until = validity.not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        page.sample(&[("certificate", certificate)], until.as_secs_f64());
    }
}
