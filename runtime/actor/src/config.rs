//! The bounds of one system. Those of one actor are in `spawn_options.rs`.

use std::time::Duration;

/// Bounds and defaults of an [`ActorSystem`](crate::ActorSystem).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SystemConfig {
    /// Messages a mailbox holds before senders wait. Default 1024: a burst fits, a backlog is felt by its senders
    /// within milliseconds. At least 1. While the thread of an actor's worker sends to it, or its turn goes on, a few of
    /// them may be kept from other threads; and the one that it begins next, sent from that thread, is not counted if the
    /// bound is 128 or more.
    pub mailbox_messages_max: u32,
    /// Bytes of the messages that a mailbox holds before senders wait. Counted are each message's own size with its
    /// envelope, and the archive of one that came from another node; heap memory behind a local message is not seen.
    /// Rounded up to multiples of 16, at most 16 GiB. A message that is larger than the bound counts as the whole bound:
    /// it enters an empty mailbox. Default 64 MiB: as many messages of the largest size as a node takes from a peer, or
    /// all the credit of thirty-two senders, so that it stops floods of large messages and is not felt by others.
    pub mailbox_bytes_max: usize,
    /// Senders and inbound messages that may wait for room at one mailbox; further ones are refused as `Full`. Default
    /// 1,048,576: the credit of more than sixty peers, each with all that it may send.
    pub waiting_max: u32,
    /// Actors that other nodes can reach at one time. Default 1,048,576.
    pub exported_max: u32,
    /// Names in the local registry, and names with subscribers. Default 65,536.
    pub names_max: u32,
    /// Watches by other nodes on one actor; a further watcher is told `WatchRefused`. Default 65,536.
    pub network_watches_max: u32,
    /// Watches of one other node, in one life of it, on all actors of this one; a further watcher is told
    /// `WatchRefused`. Default 262,144: at about 200 bytes each a peer takes 50 MB at most.
    pub peer_watches_max: u32,
    /// Asks of this node that may wait for answers from other nodes at one time; further ones wait in line, in order,
    /// until their deadline. Default 65,536: at about 100 bytes each the table stays below 10 MB. At least 1.
    pub remote_asks_max: u32,
    /// Streams from other nodes that this node may have open at one time; further asks for one wait in line, until their
    /// deadline. Twice as many may be open to other nodes, which hold a few items each; what a handler opens beyond that is
    /// answered as `Full`, ran.
    /// Default 4,096: with [`stream_bytes`](Self::stream_bytes) each, all full and none read, they would hold 1 GiB, which
    /// counts in the transport's `inbound_bytes_max`. At least 1.
    pub streams_max: u32,
    /// Items of one stream by which its sender may be ahead of its reader. Default 64: enough to read on while more are
    /// granted. Between two nodes they are on their way or have arrived, and the sender has two more in hand. At least 1.
    pub stream_items: u32,
    /// Bytes of the items of one stream from another node, on their way or arrived and not read; one item may go beyond.
    /// Default 256 KiB: a reader 1 ms away is kept busy up to 2 Gbit/s. At least 1.
    pub stream_bytes: u32,
    /// Timers, piped futures and streams that one actor may have at a time; a further one is refused. Default 1,024: what
    /// has more is several actors.
    pub sources_max: u32,
    /// Reads of one actor that run at a time; further ones wait in its mailbox. Default 64: enough to hide what they wait
    /// for, and each holds a future. At least 1.
    pub reads_max: u32,
    /// Messages that one actor may have in its stash; a further one is refused as `Full`. Default 1,024, as many as wait in
    /// its mailbox.
    pub stash_max: u32,
    /// Tasks of [`spawn`](crate::spawn) that may run on one worker; as many more may wait to begin. Default 65,536.
    pub tasks_max: u32,
    /// How long an ask waits that sets no time of its own. Default 5 s.
    pub ask_within: Duration,
    /// How long an ask to an actor of another node has waited in a handler before it is asked whether actors wait for each
    /// other in a circle; then again after twice the time, and so on. Default 100 ms: longer than most answers take, so
    /// that few asks cost a question, and short beside a deadline. At least 1 ms; asks with less time than this are left
    /// to their deadline, and so [`Duration::MAX`] turns it off.
    pub probe_after: Duration,
    /// How long a tell waits for room that sets no time of its own. Default 5 s.
    pub tell_within: Duration,
    /// Named groups of a node; those that nobody holds and that have no member make room. Default 4,096.
    pub groups_max: u32,
    /// Members of a named group. Default 4,096: some strategies look at every member.
    pub group_members_max: u32,
    /// How many retries of [asks](crate::Ask::retry) a hundred first attempts with a policy pay for. Default 20: an
    /// overload grows by a fifth at most.
    pub retry_percent: u32,
    /// Retries that can be saved up, and that a new system has. Default 100: a node that asks little may still bridge
    /// the restart of another.
    pub retries_saved_max: u32,
    /// Threads for actors with [`Placement::Blocking`](crate::Placement::Blocking) at a time. Default 256: each has a stack, and a program that needs
    /// more blocks too much.
    pub blocking_threads_max: u32,
    /// How long one poll of a worker may last before it is called blocked, logged and counted. Default 100 ms: a hundred
    /// times what a worker's poll is meant to take, and less than what a heartbeat tolerates. Zero: never.
    pub blocked_after: Duration,
    /// One message of so many that a worker handles is measured, for [`Metrics`](crate::Metrics): how long its handler
    /// takes, and how long one of the next has waited. Default 127: two clock reads, which cost more than a message,
    /// are spread so thin that they are not felt, and messages that come in rounds are all met, since it is a prime. A
    /// worker that handled 128 or more in its last poll measures one in four times as many, and one more: 509. 1 measures
    /// every message, 0 none.
    pub sample_every: u32,
    /// Empty turns of a worker before it parks; waking a parked thread costs about 5 us. Default 100, a few tens of
    /// microseconds; 0 parks at once, and a simulated environment always does, as does a node whose program may use one
    /// CPU alone.
    pub spin: u32,
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self {
            mailbox_messages_max: 1024,
            mailbox_bytes_max: 64 << 20,
            waiting_max: 1 << 20,
            exported_max: 1 << 20,
            names_max: 1 << 16,
            network_watches_max: 1 << 16,
            peer_watches_max: 1 << 18,
            remote_asks_max: 1 << 16,
            streams_max: 4096,
            stream_items: 64,
            stream_bytes: 256 << 10,
            sources_max: 1024,
            reads_max: 64,
            stash_max: 1024,
            tasks_max: 1 << 16,
            ask_within: Duration::from_secs(5),
            probe_after: Duration::from_millis(100),
            tell_within: Duration::from_secs(5),
            groups_max: 4096,
            group_members_max: 4096,
            retry_percent: 20,
            retries_saved_max: 100,
            blocking_threads_max: 256,
            blocked_after: Duration::from_millis(100),
            sample_every: 127,
            spin: 100,
        }
    }
}
