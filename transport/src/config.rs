//! Every bound and time of the transport, with its default and its reason.
//!
//! What it is: plain values that [`TransportConfig::validate`] checks once, at start. What it is NOT: quinn's own
//! configuration; `quic_config.rs` derives that from this. Read `endpoint.rs` next.

use std::time::Duration;

use odeon_env::SOCKET_BUFFER_BYTES;
use odeon_wire::{
    BulkTerms,
    format::{
        BULK_STREAMS_DEFAULT, BULK_STREAMS_MAX, BULK_UNIT_BYTES, FRAME_BYTES_MAX_LEAST,
        FRAME_BYTES_MAX_MOST, LANES_MAX, MESSAGE_BYTES_MAX_DEFAULT,
    },
};

use crate::Crypto;

/// Longest UDP payload over IPv4, and so of one offloaded send.
pub(crate) const UDP_PAYLOAD_BYTES_MAX: usize = 65507;

/// Ten packets of 1200 bytes (RFC 9002, 7.2): less would make every connection begin slower than on the internet.
const INITIAL_WINDOW_LEAST: u32 = 12_000;

/// About what one offloaded send carries.
const STREAM_WINDOW_LEAST: u32 = 64 << 10;

/// Bounds, buffers and times of one endpoint. `Default` gives the values named at each field.
#[derive(Clone, Debug, PartialEq)]
pub struct TransportConfig {
    /// Whose code encrypts; default [`Crypto::Ring`]. With the feature `aws-lc-rs` there is another choice.
    pub crypto: Crypto,
    /// Message lanes of an association, 1 to 16; default 4. Lanes isolate receivers from each other; more of them
    /// add no throughput.
    pub lanes: u8,
    /// Bytes that may wait in one lane, for a connection or for QUIC; default 4 MiB, as `send_window`: what a fast network
    /// carries in milliseconds, so that more would only be older when it arrives. A full lane refuses messages;
    /// replies and other frames that cost no credit have as much again, errors and terminateds 1 MiB more.
    pub lane_bytes_max: usize,
    /// Most bytes that one write hands to QUIC, 4 KiB to 1 MiB; default 128 KiB. The send window divided by this
    /// is kept small, because quinn scans unacknowledged writes one by one. Frames count as handed by the write.
    pub batch_bytes_max: usize,
    /// Longest frame that is read in a lane, header and padding included, 128 KiB to 256 MiB; default 1 MiB, far
    /// above `bulk_from_bytes`, from which messages have streams of their own: items of streams and what peers with other bounds
    /// send find room. What is sent is bounded by what the peer reads.
    pub frame_bytes_max: u32,
    /// Length from which a message or a reply travels on a stream of its own, 4 KiB to `frame_bytes_max`; default 64 KiB,
    /// so that what stands before a small message in its lane is soon written. Its frame is counted, as for all bounds.
    pub bulk_from_bytes: usize,
    /// Longest message or reply that is read, a multiple of 64 KiB from `frame_bytes_max` to 256 MiB; default 64 MiB:
    /// each is one piece of memory, and what is longer is better sent as a stream of items. What
    /// is sent is bounded by what the peer reads.
    pub message_bytes_max: u32,
    /// Large messages and replies that are read from one peer at once, 1 to 128; default 32: at a round trip of 10 ms
    /// they carry 200 MiB a second, if each has 64 KiB. Together they have at most four times `message_bytes_max`.
    pub bulk_streams: u8,
    /// Bytes of large messages that wait for one peer or are being sent to it; default 128 MiB, two of the longest. Then
    /// senders wait; replies have as much again. One more is taken while less waits, however large.
    pub bulk_bytes_max: usize,
    /// How long a peer that has announced a large message may send nothing at all of lanes and large messages, and how
    /// long a stream may wait to be announced; default 30 s, longer than `idle_timeout`, after which a network that is away
    /// has ended the connection anyway. Then the connection is closed.
    pub bulk_silence: Duration,
    /// Messages a sender may have waiting at one receiver; default 65,536, which keeps twenty million small messages a
    /// second moving over some 3 ms, for which a scheduler may leave a thread on a CPU that others want: with less, sender
    /// and receiver wait for each other in turns. They wait in the receiver's room, not in its mailbox.
    pub credit_messages: u32,
    /// Bytes a sender may have waiting at one receiver; default 8 MiB, as many as `credit_messages` of 128 bytes. A
    /// larger message passes when half of it is free.
    pub credit_bytes: u32,
    /// Bytes of receive memory that messages of one peer may pin, in mailboxes and in views that handlers hold; default
    /// 16 MiB, 256 slabs of 64 KiB or the whole credit of two receivers. Past it a message that is short beside its
    /// slab is copied out, which costs an allocation and a copy, and what is pinned grows by the message alone: by what
    /// its sender has credit for.
    pub pinned_bytes_max: usize,
    /// Bytes of receive memory that all peers together may hold, in streams, mailboxes and views; default 2 GiB, 32 of the
    /// longest messages. Each may hold as much as is free, so that a busy one alone has half of it and of n such each has
    /// one part of n + 1. What comes beyond that is not taken: an ask is told `Full`, not delivered; tells are counted on
    /// both sides; a stream whose items find no room ends as `Full`; the lane goes on. At least four times
    /// `message_bytes_max`, so that the longest message finds room beside another. What a lane has at hand to read into is not
    /// counted: a slab of 64 KiB, or a frame that is not whole yet, for each lane of each peer; nor is what large messages
    /// have left and nobody uses, 16 MiB at most.
    pub inbound_bytes_max: usize,
    /// Bytes that may wait on the control stream; default 1 MiB, 32,768 frames of the shortest. Beyond it the
    /// connection is reset: the peer does not read what it must read.
    pub control_bytes_max: usize,
    /// Peers known at once; default 1024, all of a large cluster. Beyond it idle ones are forgotten, then new ones refused.
    pub peers_max: usize,
    /// Handshakes answered at once; default 64: each is a signature, and more at once would hold up heartbeats. Further ones are refused by QUIC, at no cost.
    pub handshakes_max: usize,
    /// Handshakes answered at once with peers at one IP address, at least 1; default 32, so that one
    /// machine with many bad dials leaves room for others. Further ones are refused as above.
    pub handshakes_ip_max: usize,
    /// Handshakes under way beyond which a dialler must first show that it receives at the address it sends from, by
    /// a Retry (RFC 9000, 8.1.2), which costs it a round trip and us no state; default 16, a quarter of
    /// `handshakes_max`. 0 asks every dialler, `handshakes_max` or more asks none.
    pub handshakes_unproven_max: usize,
    /// Dials under way at once for gossip to nodes without an association, 1 or more; default 8: a hundred at once, by each
    /// of a hundred nodes that hear of each other, take longer than `handshake_timeout` where they share a CPU. Fewer where
    /// they take more than a second. The others wait, and are drawn by lot; a dial that nobody answers gives its place up
    /// after a second, or after four times as long as dials took lately.
    pub dials_max: usize,
    /// Whether the connection of a dialler goes on when its address changes, as behind a NAT that forgot it or on
    /// another network; default true. QUIC proves the new address before much is sent there (RFC 9000, 9.3), and only
    /// the holder of the connection's keys can move it. Without it packets from elsewhere are dropped, and the peer
    /// dials again when its connection is lost.
    pub migration: bool,
    /// Time from the first packet to an admitted association; default 5 s: enough for a busy machine and a few lost packets,
    /// and no longer, because a place among `handshakes_max` is held meanwhile. Up to an hour.
    pub handshake_timeout: Duration,
    /// How far a peer's wall clock may be from this node's when they meet; default a day: no time-out hangs on it, but
    /// certificates do, and the number of a node's next life. A second to ten years.
    pub clock_skew_max: Duration,
    /// Silence after which a connection is lost, up to an hour; default 10 s: a network may be away for that long, and what
    /// is asked of a peer that is gone for good shall not wait much longer.
    pub idle_timeout: Duration,
    /// Pause after which a wanted connection sends something, at most half of `idle_timeout`; default 3 s. It is sent again
    /// until it is acknowledged, so that a few packets lost in a row end no connection, and an idle node has little to do.
    pub keep_alive: Duration,
    /// Time after which an association closes that nobody keeps and that carried no frame, up to an hour; default 30 s:
    /// gossip goes to another node each time, and dialling again costs less than a connection to each that stays.
    pub gossip_idle: Duration,
    /// First pause between two dials; default 50 ms: a peer that restarts is soon there, and a port that is closed is not
    /// asked a thousand times a second. Each next one doubles, and lasts by lot from half of itself to all of it, so that
    /// nodes that lost the same peer do not dial it all at once.
    pub backoff_min: Duration,
    /// Longest pause between two dials; default 2 s: who comes back is found within about as long, at the cost of one
    /// packet each time.
    pub backoff_max: Duration,
    /// How long frames wait for a connection before they are given up as not delivered, up to an hour; default 10 s, as
    /// `idle_timeout`: who is away for longer counts as gone on either way.
    pub undeliverable_after: Duration,
    /// Round trip assumed before the first measurement; default 10 ms (RFC 9002 says 333 ms, for the internet). A
    /// loopback peer is assumed at 1 ms.
    pub initial_rtt: Duration,
    /// Largest UDP payload that MTU discovery tries, 1200 to 65507; default 1472, an Ethernet frame.
    pub mtu_max: u16,
    /// The same for a peer on a loopback address; default 8972, which is tried first, and where that does not pass, half of
    /// the way from 1200 to it, then nothing: set what such a path carries. Seven such segments fit one offloaded send.
    pub loopback_mtu_max: u16,
    /// Pause between two searches for a larger MTU, as a path may have become better; default 10 min (RFC 8899, 5.1.1).
    pub mtu_search_pause: Duration,
    /// Pause before a larger MTU is searched for again after packets of that size vanished while small ones arrived, a
    /// black hole (RFC 8899, 4.3), and the MTU fell back to 1200; default 1 min.
    pub mtu_black_hole_pause: Duration,
    /// Packets that one system call hands to the kernel, which cuts them apart (GSO); 1 turns that off, for networks or
    /// drivers that do it wrong. Default `None`: as many as the kernel takes and one datagram of 65,507 bytes holds,
    /// which is 10 at most. A value times the largest MTU of the endpoint must be that at most, for a longer call is
    /// refused by the kernel as a whole.
    pub segments_max: Option<u16>,
    /// Congestion window that a connection begins with, in bytes, at least 12,000 (RFC 9002, 7.2); default 1 MiB,
    /// because a cluster's network carries that at once. Where ten packets of the largest MTU are more, it is these.
    pub initial_window: u32,
    /// Packets that call for an acknowledgement, 1 to 64; default 8, measured best between 8 and 10. One gets an
    /// acknowledgement for each packet, which a lossy path may need.
    pub ack_packets: u32,
    /// Bytes sent and not acknowledged on one connection; default 4 MiB, the socket's buffer, which is its bound: what
    /// is under way beyond it may be dropped where it is received.
    pub send_window: u32,
    /// Bytes a peer may send ahead on one stream, at least 64 KiB; default 16 MiB: four times `send_window`, which is so
    /// what holds a sender up, and never a grant of the window that is still on its way.
    pub stream_window: u32,
    /// Bytes a peer may send ahead on one connection, at least `stream_window`; default 64 MiB: the windows of four lanes,
    /// so that none of them waits for another. Of memory it is a bound only, for what arrives is read at once.
    pub connection_window: u32,
    /// Bytes of datagrams that wait on either side of one connection, at least 1000; default 64 KiB, 65 of gossip: more
    /// than come at once, and what is older than that has been said again. The oldest are dropped.
    pub datagram_buffer_bytes: usize,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            crypto: Crypto::Ring,
            lanes: 4,
            lane_bytes_max: 4 << 20,
            batch_bytes_max: 128 << 10,
            frame_bytes_max: 1 << 20,
            bulk_from_bytes: 64 << 10,
            message_bytes_max: MESSAGE_BYTES_MAX_DEFAULT as u32,
            bulk_streams: BULK_STREAMS_DEFAULT,
            bulk_bytes_max: 2 * MESSAGE_BYTES_MAX_DEFAULT,
            bulk_silence: Duration::from_secs(30),
            credit_messages: 65_536,
            credit_bytes: 8 << 20,
            pinned_bytes_max: 16 << 20,
            inbound_bytes_max: 32 * MESSAGE_BYTES_MAX_DEFAULT,
            control_bytes_max: 1 << 20,
            peers_max: 1024,
            handshakes_max: 64,
            handshakes_ip_max: 32,
            handshakes_unproven_max: 16,
            dials_max: 8,
            migration: true,
            handshake_timeout: Duration::from_secs(5),
            clock_skew_max: Duration::from_secs(24 * 3600),
            idle_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(3),
            gossip_idle: Duration::from_secs(30),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            undeliverable_after: Duration::from_secs(10),
            initial_rtt: Duration::from_millis(10),
            mtu_max: 1472,
            loopback_mtu_max: 8972,
            mtu_search_pause: Duration::from_secs(600),
            mtu_black_hole_pause: Duration::from_secs(60),
            segments_max: None,
            initial_window: 1 << 20,
            ack_packets: 8,
            send_window: 4 << 20,
            stream_window: 16 << 20,
            connection_window: 64 << 20,
            datagram_buffer_bytes: 64 << 10,
        }
    }
}

/// Longest datagram that [`Transport::datagram`](crate::Transport::datagram) takes, in bytes: what a QUIC packet
/// carries at the smallest MTU, with room for headers.
pub const DATAGRAM_BYTES_MAX: usize = 1000;

/// A value of [`TransportConfig`] is out of bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transport.{field} is {value}: {remedy}")]
pub struct ConfigError {
    /// Name of the field.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What it must be.
    pub remedy: &'static str,
}

impl TransportConfig {
    /// Checks every bound.
    ///
    /// # Errors
    /// Names the first field that is out of bounds, its value and what it must be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let frame_bytes = self.frame_bytes_max as usize;
        check((1..=LANES_MAX).contains(&self.lanes), "lanes", &self.lanes, "use 1 to 16")?;
        check(
            (4 << 10..=1 << 20).contains(&self.batch_bytes_max),
            "batch_bytes_max",
            &self.batch_bytes_max,
            "use 4 KiB to 1 MiB",
        )?;
        check(
            (FRAME_BYTES_MAX_LEAST..=FRAME_BYTES_MAX_MOST).contains(&frame_bytes),
            "frame_bytes_max",
            &self.frame_bytes_max,
            "use 128 KiB to 256 MiB",
        )?;
        check(
            self.lane_bytes_max >= frame_bytes,
            "lane_bytes_max",
            &self.lane_bytes_max,
            "must hold a whole frame: use frame_bytes_max or more",
        )?;
        self.validate_bulk()?;
        check(
            self.control_bytes_max >= 64 << 10,
            "control_bytes_max",
            &self.control_bytes_max,
            "use at least 64 KiB",
        )?;
        check(
            self.datagram_buffer_bytes >= DATAGRAM_BYTES_MAX,
            "datagram_buffer_bytes",
            &self.datagram_buffer_bytes,
            "use at least 1000",
        )?;
        for (field, count) in [
            ("credit_messages", self.credit_messages as usize),
            ("credit_bytes", self.credit_bytes as usize),
            ("peers_max", self.peers_max),
            ("handshakes_max", self.handshakes_max),
            ("handshakes_ip_max", self.handshakes_ip_max),
            ("dials_max", self.dials_max),
        ] {
            check(count > 0, field, &count, "use at least 1")?;
        }
        self.validate_path()?;
        self.validate_times()
    }

    /// What depends on each other on the way of a packet.
    fn validate_path(&self) -> Result<(), ConfigError> {
        for (field, mtu) in [("mtu_max", self.mtu_max), ("loopback_mtu_max", self.loopback_mtu_max)]
        {
            check((1200..=65507).contains(&mtu), field, &mtu, "use 1200 to 65507")?;
        }
        let mtu = usize::from(self.mtu_max.max(self.loopback_mtu_max));
        let segments_bytes = self.segments_max.map_or(mtu, |count| usize::from(count) * mtu);
        check(
            self.segments_max != Some(0) && segments_bytes <= UDP_PAYLOAD_BYTES_MAX,
            "segments_max",
            &self.segments_max,
            "segments times the larger of mtu_max and loopback_mtu_max must be 1 to 65507 bytes, which one datagram \
             holds: use 1 to 65507 divided by that MTU, a smaller MTU, or None for as many as fit",
        )?;
        let buffer = SOCKET_BUFFER_BYTES as u32;
        check(
            (1..=buffer).contains(&self.send_window),
            "send_window",
            &self.send_window,
            "use 1 B to 4 MiB, which is the socket's buffer: more may be dropped where it is received",
        )?;
        check(
            self.initial_window >= INITIAL_WINDOW_LEAST,
            "initial_window",
            &self.initial_window,
            "use at least 12000, ten packets",
        )?;
        check(
            (1..=64).contains(&self.ack_packets),
            "ack_packets",
            &self.ack_packets,
            "use 1 to 64",
        )?;
        check(
            self.stream_window >= STREAM_WINDOW_LEAST,
            "stream_window",
            &self.stream_window,
            "use at least 64 KiB: a stream with less waits for a grant after every few packets",
        )?;
        check(
            self.connection_window >= self.stream_window,
            "connection_window",
            &self.connection_window,
            "all streams of a connection share it: use stream_window or more",
        )
    }

    fn validate_bulk(&self) -> Result<(), ConfigError> {
        let (frame_bytes, message_bytes) =
            (self.frame_bytes_max as usize, self.message_bytes_max as usize);
        check(
            (4 << 10..=frame_bytes).contains(&self.bulk_from_bytes),
            "bulk_from_bytes",
            &self.bulk_from_bytes,
            "use 4 KiB to frame_bytes_max",
        )?;
        check(
            (frame_bytes..=FRAME_BYTES_MAX_MOST).contains(&message_bytes)
                && message_bytes.is_multiple_of(BULK_UNIT_BYTES),
            "message_bytes_max",
            &self.message_bytes_max,
            "use a multiple of 64 KiB, from frame_bytes_max to 256 MiB",
        )?;
        check(
            (1..=BULK_STREAMS_MAX).contains(&self.bulk_streams),
            "bulk_streams",
            &self.bulk_streams,
            "use 1 to 128",
        )?;
        check(
            self.inbound_bytes_max / 4 >= message_bytes,
            "inbound_bytes_max",
            &self.inbound_bytes_max,
            "each peer has half of it at most, which is to hold two of the longest messages: use four times \
             message_bytes_max or more",
        )?;
        check(self.bulk_bytes_max > 0, "bulk_bytes_max", &self.bulk_bytes_max, "use at least 1")
    }

    /// What this node offers to read on bulk streams.
    pub(crate) const fn bulk_terms(&self) -> BulkTerms {
        BulkTerms { streams: self.bulk_streams, frame_bytes_max: self.message_bytes_max }
    }

    fn validate_times(&self) -> Result<(), ConfigError> {
        check(
            self.idle_timeout <= Duration::from_secs(3600),
            "idle_timeout",
            &self.idle_timeout,
            "use at most an hour",
        )?;
        let years = Duration::from_secs(10 * 366 * 24 * 3600);
        check(
            (Duration::from_secs(1)..=years).contains(&self.clock_skew_max),
            "clock_skew_max",
            &self.clock_skew_max,
            "use a second to ten years",
        )?;
        check(
            !self.keep_alive.is_zero() && self.keep_alive * 2 <= self.idle_timeout,
            "keep_alive",
            &self.keep_alive,
            "use more than zero and at most half of idle_timeout",
        )?;
        check(
            !self.backoff_min.is_zero() && self.backoff_min <= self.backoff_max,
            "backoff_min",
            &self.backoff_min,
            "use more than zero and at most backoff_max",
        )?;
        for (field, time) in [
            ("handshake_timeout", self.handshake_timeout),
            ("gossip_idle", self.gossip_idle),
            ("undeliverable_after", self.undeliverable_after),
            ("bulk_silence", self.bulk_silence),
            ("initial_rtt", self.initial_rtt),
            ("mtu_search_pause", self.mtu_search_pause),
            ("mtu_black_hole_pause", self.mtu_black_hole_pause),
        ] {
            let in_bounds = !time.is_zero() && time <= Duration::from_secs(3600);
            check(in_bounds, field, &time, "use more than zero and at most an hour")?;
        }
        Ok(())
    }
}

fn check(
    ok: bool,
    field: &'static str,
    value: &dyn std::fmt::Debug,
    remedy: &'static str,
) -> Result<(), ConfigError> {
    if ok { Ok(()) } else { Err(ConfigError { field, value: format!("{value:?}"), remedy }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_a_bad_value_is_named() {
        TransportConfig::default().validate().unwrap();
        let config = TransportConfig { lanes: 0, ..Default::default() };
        assert_eq!(config.validate().unwrap_err().to_string(), "transport.lanes is 0: use 1 to 16");
        let config = TransportConfig { keep_alive: Duration::from_secs(9), ..Default::default() };
        assert_eq!(config.validate().unwrap_err().field, "keep_alive");
    }

    #[test]
    fn what_does_not_fit_together_is_named_with_a_remedy() {
        let config = TransportConfig::default;
        let wrong = [
            // Eight of 8972 bytes are longer than a datagram.
            TransportConfig { segments_max: Some(8), ..config() },
            TransportConfig { segments_max: Some(0), ..config() },
            TransportConfig { send_window: (4 << 20) + 1, ..config() },
            TransportConfig { send_window: 0, ..config() },
            TransportConfig { initial_window: 11_999, ..config() },
            TransportConfig { ack_packets: 0, ..config() },
            TransportConfig { handshakes_ip_max: 0, ..config() },
            TransportConfig { dials_max: 0, ..config() },
            TransportConfig { inbound_bytes_max: (256 << 20) - 1, ..config() },
            TransportConfig { mtu_black_hole_pause: Duration::ZERO, ..config() },
            TransportConfig { stream_window: (64 << 10) - 1, ..config() },
            TransportConfig { connection_window: (16 << 20) - 1, ..config() },
        ];
        let fields = [
            "segments_max",
            "segments_max",
            "send_window",
            "send_window",
            "initial_window",
            "ack_packets",
            "handshakes_ip_max",
            "dials_max",
            "inbound_bytes_max",
            "mtu_black_hole_pause",
            "stream_window",
            "connection_window",
        ];
        for (config, field) in wrong.iter().zip(fields) {
            let error = config.validate().expect_err(field);
            assert_eq!(error.field, field, "{error}");
            assert!(error.to_string().contains("use "), "{error}");
        }
        let text = wrong[0].validate().unwrap_err().to_string();
        assert!(text.starts_with("transport.segments_max is Some(8): segments times"), "{text}");
        let right = [
            TransportConfig { segments_max: Some(7), ..config() },
            TransportConfig { segments_max: Some(1), loopback_mtu_max: 65_507, ..config() },
            TransportConfig { segments_max: Some(44), loopback_mtu_max: 1_472, ..config() },
            TransportConfig { send_window: 64 << 10, handshakes_max: 2, ..config() },
            TransportConfig { handshakes_unproven_max: 0, migration: false, ..config() },
            TransportConfig { stream_window: 64 << 10, connection_window: 64 << 10, ..config() },
        ];
        right.iter().for_each(|config| config.validate().unwrap());
    }
}
