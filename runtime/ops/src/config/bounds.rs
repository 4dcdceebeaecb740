//! The sections of bounds and times: whatever a part of the runtime lets be set, as the part itself names it.
//!
//! What is not set is as the program says, else the part's default; two times of membership follow a third that is set, and
//! the keep-alive a shorter idle time. What each of them means stands there and, for people, in `settings.rs`; a test holds
//! the defaults that these tell alike.

use std::time::Duration;

use odeon::{MembershipConfig, RosterConfig, SystemConfig, TransportConfig};
use serde::{Deserialize, Serialize};

use crate::{crypto_name::CryptoName, span::Span};

/// Writes a section of optional values, and puts those that are set into the part's configuration.
macro_rules! section {
    ($(#[doc = $doc:literal])+ $name:ident of $config:ident: $($field:ident: $kind:ty,)+) => {
        $(#[doc = $doc])+
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name {
            $(
                #[doc = concat!("See [`", stringify!($config), "::", stringify!($field), "`].")]
                pub $field: Option<$kind>,
            )+
        }

        impl $name {
            /// Puts what is set in the place of what is there.
            pub(crate) fn apply(&self, config: &mut $config) {
                $(
                    if let Some(value) = self.$field {
                        config.$field = value.into();
                    }
                )+
            }

            /// Each field with its value in this configuration, as the debugger shows it.
            #[cfg(test)]
            pub(crate) fn shown(config: &$config) -> Vec<(&'static str, String)> {
                vec![$((stringify!($field), format!("{:?}", config.$field)),)+]
            }
        }
    };
}

section! {
    /// `[actors]`: bounds and times of the node's actors.
    ActorsSection of SystemConfig:
    mailbox_messages_max: u32,
    mailbox_bytes_max: usize,
    waiting_max: u32,
    ask_within: Span,
    tell_within: Span,
    probe_after: Span,
    exported_max: u32,
    names_max: u32,
    network_watches_max: u32,
    peer_watches_max: u32,
    remote_asks_max: u32,
    streams_max: u32,
    stream_items: u32,
    stream_bytes: u32,
    sources_max: u32,
    reads_max: u32,
    stash_max: u32,
    tasks_max: u32,
    groups_max: u32,
    group_members_max: u32,
    retry_percent: u32,
    retries_saved_max: u32,
    blocking_threads_max: u32,
    blocked_after: Span,
    sample_every: u32,
    spin: u32,
}

section! {
    /// `[transport]`: bounds and times of the node's ways to others.
    TransportSection of TransportConfig:
    crypto: CryptoName,
    lanes: u8,
    lane_bytes_max: usize,
    batch_bytes_max: usize,
    frame_bytes_max: u32,
    bulk_from_bytes: usize,
    message_bytes_max: u32,
    bulk_streams: u8,
    bulk_bytes_max: usize,
    bulk_silence: Span,
    credit_messages: u32,
    credit_bytes: u32,
    pinned_bytes_max: usize,
    inbound_bytes_max: usize,
    control_bytes_max: usize,
    peers_max: usize,
    handshakes_max: usize,
    handshakes_ip_max: usize,
    handshakes_unproven_max: usize,
    dials_max: usize,
    handshake_timeout: Span,
    migration: bool,
    clock_skew_max: Span,
    idle_timeout: Span,
    keep_alive: Span,
    gossip_idle: Span,
    backoff_min: Span,
    backoff_max: Span,
    undeliverable_after: Span,
    initial_rtt: Span,
    mtu_max: u16,
    loopback_mtu_max: u16,
    mtu_search_pause: Span,
    mtu_black_hole_pause: Span,
    segments_max: u16,
    initial_window: u32,
    ack_packets: u32,
    send_window: u32,
    stream_window: u32,
    connection_window: u32,
    datagram_buffer_bytes: usize,
}

section! {
    /// `[membership]`: how fast the nodes look after each other.
    MembershipSection of MembershipConfig:
    probe_period: Span,
    probe_rtt: Span,
    indirect_probes: usize,
    suspicion: Span,
    gossip_period: Span,
    touch_period: Span,
    heal_period_max: Span,
    forget_down: Span,
}

impl TransportSection {
    /// Lets the keep-alive that nobody has set be a third of an idle time that somebody has, if that is shorter.
    pub(crate) fn follow_idle(&self, config: &mut TransportConfig) {
        if let (Some(idle), None) = (self.idle_timeout, self.keep_alive) {
            config.keep_alive = config.keep_alive.min(Duration::from(idle) / 3);
        }
    }
}

/// The longest suspicion there may be, as the table of settings says.
const SUSPICION_MAX: Duration = Duration::from_secs(3_600);

impl MembershipSection {
    /// Lets the times that nobody has set go with the probe period that somebody has: an answer has a third of it, as it
    /// has by default, and a suspect four of them at least, in which memberlist lets one of ten members refute.
    pub(crate) fn follow_probes(&self, config: &mut MembershipConfig) {
        let Some(period) = self.probe_period.map(Duration::from) else { return };
        if self.probe_rtt.is_none() {
            config.probe_rtt = period / 3;
        }
        if self.suspicion.is_none() {
            config.suspicion = config.suspicion.max(4 * period).min(SUSPICION_MAX);
        }
    }
}

section! {
    /// `[roster]`: bounds and times of names, groups and topics of the cluster.
    RosterSection of RosterConfig:
    entries_max: u32,
    removals_max: u32,
    page_entries_max: u32,
    subscriptions_max: u32,
    check_every: Span,
    retry_after: Span,
    confirm_within: Span,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keep_alive_that_nobody_has_set_goes_with_a_short_idle_time() {
        for (text, keep_alive) in [
            ("idle_timeout = \"3s\"", 1_000),
            ("idle_timeout = \"1m\"", 3_000),
            ("idle_timeout = \"3s\"\nkeep_alive = \"1500ms\"", 1_500),
            ("keep_alive = \"2s\"", 2_000),
        ] {
            let section: TransportSection = toml::from_str(text).unwrap();
            let mut config = TransportConfig::default();
            section.apply(&mut config);
            section.follow_idle(&mut config);
            assert_eq!(config.validate(), Ok(()), "{text}");
            assert_eq!(config.keep_alive, Duration::from_millis(keep_alive), "{text}");
        }
    }

    /// A node whose probe period alone was set did not start with one above two seconds, or below a fifth of one.
    #[test]
    fn times_that_nobody_has_set_go_with_the_probe_period() {
        let with = |period: &str, suspicion: &str| {
            let text = format!("probe_period = \"{period}\"\n{suspicion}");
            let section: MembershipSection = toml::from_str(&text).unwrap();
            let mut config = MembershipConfig::default();
            section.apply(&mut config);
            section.follow_probes(&mut config);
            config
        };
        let ms = Duration::from_millis;
        for (period, probe_rtt, suspicion) in [
            ("10ms", ms(10) / 3, ms(2_000)),
            ("300ms", ms(100), ms(2_000)),
            ("6s", ms(2_000), ms(24_000)),
            ("1h", ms(1_200_000), ms(3_600_000)),
        ] {
            let config = with(period, "");
            assert_eq!(config.check(), Ok(()), "{period}");
            assert_eq!((config.probe_rtt, config.suspicion), (probe_rtt, suspicion), "{period}");
        }
        // What somebody has set is not touched: it is refused if it cannot be.
        assert_eq!(with("6s", "suspicion = \"7s\"").suspicion, ms(7_000));
        assert!(with("6s", "suspicion = \"2s\"").check().is_err());
    }
}
