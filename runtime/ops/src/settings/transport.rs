//! The settings of the ways to other nodes: those of [`TransportConfig`](odeon::TransportConfig), which has more to say of
//! each.

use super::{Kind, Setting};

/// `[transport]`.
pub(super) const TRANSPORT: &[Setting] = &[
    Setting::new(
        "transport.crypto",
        "crypto",
        Kind::Crypto,
        "Whose code encrypts the connections. By default ring: aws-lc-rs, up to twice as fast on large packets, is in \
         programs that are built with that feature of odeon-ops. Nodes of both kinds understand each other",
    ),
    Setting::new(
        "transport.lanes",
        "lanes",
        Kind::Number { min: 1, max: 16 },
        "Message lanes to each peer. By default 4: they isolate receivers from each other, and more of them \
         add no throughput",
    ),
    Setting::new(
        "transport.lane_bytes_max",
        "lane-bytes-max",
        Kind::Number { min: 128 << 10, max: 1 << 30 },
        "Bytes that wait in one lane before senders wait, frame_bytes_max or more. By default 4 MiB: what a \
         fast network carries in milliseconds",
    ),
    Setting::new(
        "transport.batch_bytes_max",
        "batch-bytes-max",
        Kind::Number { min: 4 << 10, max: 1 << 20 },
        "Most bytes of one write to QUIC. By default 128 KiB: what is written counts as handed over, and QUIC \
         looks at unacknowledged writes one by one",
    ),
    Setting::new(
        "transport.frame_bytes_max",
        "frame-bytes-max",
        Kind::Number { min: 128 << 10, max: 256 << 20 },
        "Longest frame that is read in a lane, in bytes. By default 1 MiB: longer messages have streams of \
         their own",
    ),
    Setting::new(
        "transport.bulk_from_bytes",
        "bulk-from-bytes",
        Kind::Number { min: 4 << 10, max: 256 << 20 },
        "Length from which a message has a stream of its own, frame_bytes_max at most. By default 64 KiB: what \
         stands before a small message in its lane is soon written",
    ),
    Setting::new(
        "transport.message_bytes_max",
        "message-bytes-max",
        Kind::Number { min: 1 << 20, max: 256 << 20 },
        "Longest message or reply that is read, in bytes, a multiple of 65536. By default 64 MiB: what is \
         longer is better sent as a stream of items",
    ),
    Setting::new(
        "transport.bulk_streams",
        "bulk-streams",
        Kind::Number { min: 1, max: 128 },
        "Large messages that are read from one peer at once. By default 32: at a round trip of 10 ms they \
         carry 200 MiB a second",
    ),
    Setting::new(
        "transport.bulk_bytes_max",
        "bulk-bytes-max",
        Kind::Number { min: 1 << 20, max: 16 << 30 },
        "Bytes of large messages that wait for one peer or are being sent to it, before senders wait. By \
         default 128 MiB, two of the longest",
    ),
    Setting::new(
        "transport.bulk_silence",
        "bulk-silence",
        Kind::Span { min_millis: 1_000, max_millis: 3_600_000 },
        "How long a peer that has announced a large message may send nothing. By default 30s, then the \
         connection ends: longer than a network is away",
    ),
    Setting::new(
        "transport.credit_messages",
        "credit-messages",
        Kind::Number { min: 1, max: 1 << 30 },
        "Messages of one sender that wait at one receiver. By default 65536: twenty million a second keep \
         moving over some 3 ms of scheduling",
    ),
    Setting::new(
        "transport.credit_bytes",
        "credit-bytes",
        Kind::Number { min: 1, max: 1 << 30 },
        "Bytes of one sender that wait at one receiver. By default 8 MiB, as many as credit_messages of 128 \
         bytes",
    ),
    Setting::new(
        "transport.pinned_bytes_max",
        "pinned-bytes-max",
        Kind::Number { min: 0, max: 16 << 30 },
        "Bytes of receive memory that messages of one peer pin; past it short ones are copied out. By default \
         16 MiB: the whole credit of two receivers",
    ),
    Setting::new(
        "transport.inbound_bytes_max",
        "inbound-bytes-max",
        Kind::Number { min: 4 << 20, max: 1 << 40 },
        "Bytes of receive memory that messages of all peers hold together, four times message_bytes_max or more; \
         what comes beyond is refused. By default 2048 MiB: 32 of the longest messages",
    ),
    Setting::new(
        "transport.control_bytes_max",
        "control-bytes-max",
        Kind::Number { min: 64 << 10, max: 1 << 30 },
        "Bytes that wait on the control stream; beyond it the connection is reset. By default 1 MiB: who lets \
         more wait does not read what it must",
    ),
    Setting::new(
        "transport.peers_max",
        "peers-max",
        Kind::Number { min: 1, max: 1 << 16 },
        "Other nodes known at once; beyond it idle ones are forgotten, then new ones refused. By default 1024: all \
         of a large cluster",
    ),
    Setting::new(
        "transport.handshakes_max",
        "handshakes-max",
        Kind::Number { min: 1, max: 1 << 16 },
        "Handshakes that are answered at once; further ones are refused. By default 64: each is a signature, \
         and more would hold up heartbeats",
    ),
    Setting::new(
        "transport.handshakes_ip_max",
        "handshakes-ip-max",
        Kind::Number { min: 1, max: 1 << 16 },
        "Handshakes with peers at one IP address that are answered at once. By default 32, so that one machine \
         leaves room for others",
    ),
    Setting::new(
        "transport.handshakes_unproven_max",
        "handshakes-unproven-max",
        Kind::Number { min: 0, max: 1 << 16 },
        "Handshakes under way beyond which a dialler must show first that it receives at its address; 0: each \
         must. By default 16, a quarter of handshakes_max",
    ),
    Setting::new(
        "transport.dials_max",
        "dials-max",
        Kind::Number { min: 1, max: 1 << 16 },
        "Dials for gossip under way at once; the others wait, and are drawn by lot. By default 8: many nodes on \
         one CPU that dial each other all at once are done with none in time",
    ),
    Setting::new(
        "transport.handshake_timeout",
        "handshake-timeout",
        Kind::Span { min_millis: 10, max_millis: 3_600_000 },
        "Time from the first packet of a peer until it is admitted. By default 5s: a busy machine is slow, and \
         a place is held for it",
    ),
    Setting::new(
        "transport.migration",
        "migration",
        Kind::Switch,
        "Whether the connection of a dialler goes on when its address changes. By default true: QUIC proves \
         the new address, and only who holds the keys can move it",
    ),
    Setting::new(
        "transport.clock_skew_max",
        "clock-skew-max",
        Kind::Span { min_millis: 1_000, max_millis: 315_360_000_000 },
        "How far a peer's wall clock may be from this node's when they meet. By default 1d: certificates hang \
         on it, and no time-out does",
    ),
    Setting::new(
        "transport.idle_timeout",
        "idle-timeout",
        Kind::Span { min_millis: 100, max_millis: 3_600_000 },
        "Silence after which a connection is lost. By default 10s: a network may be away for that long",
    ),
    Setting::new(
        "transport.keep_alive",
        "keep-alive",
        Kind::Span { min_millis: 10, max_millis: 1_800_000 },
        "Pause after which a connection sends something, half of idle_timeout at most. By default 3s, or a third of a \
         shorter idle_timeout: what is lost is sent again, and an idle node has little to do",
    ),
    Setting::new(
        "transport.gossip_idle",
        "gossip-idle",
        Kind::Span { min_millis: 10, max_millis: 3_600_000 },
        "Time after which a connection closes that carried no message. By default 30s: gossip alone needs none \
         that stays",
    ),
    Setting::new(
        "transport.backoff_min",
        "backoff-min",
        Kind::Span { min_millis: 1, max_millis: 3_600_000 },
        "First pause between two dials, then doubled, backoff_max at most. By default 50ms: a peer that \
         restarts is soon there",
    ),
    Setting::new(
        "transport.backoff_max",
        "backoff-max",
        Kind::Span { min_millis: 1, max_millis: 3_600_000 },
        "Longest pause between two dials. By default 2s: who comes back is found within about as long",
    ),
    Setting::new(
        "transport.undeliverable_after",
        "undeliverable-after",
        Kind::Span { min_millis: 10, max_millis: 3_600_000 },
        "How long messages wait for a connection before they are given up as not delivered. By default 10s, as \
         idle_timeout",
    ),
    Setting::new(
        "transport.initial_rtt",
        "initial-rtt",
        Kind::Span { min_millis: 1, max_millis: 3_600_000 },
        "Round trip that is assumed before one is measured. By default 10ms: a cluster is nearer than the \
         internet",
    ),
    Setting::new(
        "transport.mtu_max",
        "mtu-max",
        Kind::Number { min: 1_200, max: 65_507 },
        "Largest UDP payload that is tried on a network. By default 1472, an Ethernet frame; 8972 is one with \
         jumbo frames",
    ),
    Setting::new(
        "transport.loopback_mtu_max",
        "loopback-mtu-max",
        Kind::Number { min: 1_200, max: 65_507 },
        "The same for a peer on this machine, tried first, then half of the way to it. By default 8972: seven of them \
         fit one system call",
    ),
    Setting::new(
        "transport.mtu_search_pause",
        "mtu-search-pause",
        Kind::Span { min_millis: 1_000, max_millis: 3_600_000 },
        "Pause between two searches for a larger UDP payload. By default 10m, as RFC 8899 has it",
    ),
    Setting::new(
        "transport.mtu_black_hole_pause",
        "mtu-black-hole-pause",
        Kind::Span { min_millis: 1_000, max_millis: 3_600_000 },
        "Pause before one is searched for again after such packets vanished. By default 1m: the path may be \
         another by then",
    ),
    Setting::new(
        "transport.segments_max",
        "segments-max",
        Kind::Number { min: 1, max: 64 },
        "Packets that one system call sends; together 65507 bytes at most. By default as many as fit; 1 for \
         networks or drivers that cut them wrong",
    ),
    Setting::new(
        "transport.initial_window",
        "initial-window",
        Kind::Number { min: 12_000, max: 1 << 30 },
        "Bytes under way with which a connection begins. By default 1 MiB: a cluster's network carries that at \
         once",
    ),
    Setting::new(
        "transport.ack_packets",
        "ack-packets",
        Kind::Number { min: 1, max: 64 },
        "Packets that call for an acknowledgement. By default 8, measured best; 1 for lossy paths",
    ),
    Setting::new(
        "transport.send_window",
        "send-window",
        Kind::Number { min: 1, max: 4 << 20 },
        "Bytes under way on one connection. By default 4 MiB, the socket's buffer: more may be dropped where \
         it is received",
    ),
    Setting::new(
        "transport.stream_window",
        "stream-window",
        Kind::Number { min: 64 << 10, max: 1 << 30 },
        "Bytes that a peer may send ahead on one stream. By default 16 MiB: a stream is not held up by a \
         reader that is late",
    ),
    Setting::new(
        "transport.connection_window",
        "connection-window",
        Kind::Number { min: 64 << 10, max: 4_294_967_295 },
        "Bytes that a peer may send ahead on one connection, stream_window or more. By default 64 MiB, four streams' \
         worth",
    ),
    Setting::new(
        "transport.datagram_buffer_bytes",
        "datagram-buffer-bytes",
        Kind::Number { min: 1_000, max: 1 << 30 },
        "Bytes of gossip that wait on one connection; the oldest are dropped. By default 64 KiB: what is older \
         says less than what is newer",
    ),
];
