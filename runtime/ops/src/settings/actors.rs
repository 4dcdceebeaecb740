//! The settings of actors: bounds and times of [`SystemConfig`](odeon::SystemConfig), which has more to say of each.

use super::{DAY_MILLIS, Kind, Setting};

/// `[actors]`.
pub(super) const ACTORS: &[Setting] = &[
    Setting::new(
        "actors.mailbox_messages_max",
        "mailbox-messages-max",
        Kind::Number { min: 1, max: 1 << 30 },
        "Messages that a mailbox holds before senders wait. By default 1024: a burst fits, a backlog is felt \
         within milliseconds",
    ),
    Setting::new(
        "actors.mailbox_bytes_max",
        "mailbox-bytes-max",
        Kind::Number { min: 1 << 10, max: 16 << 30 },
        "Bytes of the messages that a mailbox holds before senders wait; a larger message enters an empty one. \
         By default 64 MiB: as many of the largest messages as are taken from a peer",
    ),
    Setting::new(
        "actors.waiting_max",
        "waiting-max",
        Kind::Number { min: 1, max: 1 << 30 },
        "Senders and messages of other nodes that wait for room at one mailbox; further ones are refused. By \
         default 1048576: the credit of more than sixty peers",
    ),
    Setting::new(
        "actors.ask_within",
        "ask-within",
        Kind::Span { min_millis: 1, max_millis: DAY_MILLIS },
        "How long an ask waits that sets no time of its own. By default 5s: a person would have gone by then",
    ),
    Setting::new(
        "actors.tell_within",
        "tell-within",
        Kind::Span { min_millis: 1, max_millis: DAY_MILLIS },
        "How long a tell waits for room that sets no time of its own. By default 5s, as an ask",
    ),
    Setting::new(
        "actors.probe_after",
        "probe-after",
        Kind::Span { min_millis: 1, max_millis: DAY_MILLIS },
        "How long an ask to another node has waited in a handler before it is asked whether actors wait for \
         each other in a circle. By default 100ms: longer than most answers take, so that few asks cost a \
         question",
    ),
    Setting::new(
        "actors.exported_max",
        "exported-max",
        Kind::Number { min: 16, max: 1 << 30 },
        "Actors that other nodes can reach at one time. By default 1048576: far more than a node has \
         references out",
    ),
    Setting::new(
        "actors.names_max",
        "names-max",
        Kind::Number { min: 1, max: 1 << 24 },
        "Names in the node's own registry, and names with subscribers. By default 65536: names are for few \
         actors",
    ),
    Setting::new(
        "actors.network_watches_max",
        "network-watches-max",
        Kind::Number { min: 1, max: 1 << 30 },
        "Watches by other nodes on one actor; a further one is refused. By default 65536: who is watched by \
         more should publish instead",
    ),
    Setting::new(
        "actors.peer_watches_max",
        "peer-watches-max",
        Kind::Number { min: 1, max: 1 << 30 },
        "Watches of one other node on all actors of this one; a further one is refused. By default 262144, \
         which take 50 MB at most",
    ),
    Setting::new(
        "actors.remote_asks_max",
        "remote-asks-max",
        Kind::Number { min: 1, max: 1 << 24 },
        "Asks of this node that wait for other nodes at one time; further ones wait in line. By default 65536: \
         the table stays below 10 MB",
    ),
    Setting::new(
        "actors.streams_max",
        "streams-max",
        Kind::Number { min: 1, max: 1 << 20 },
        "Streams of items from other nodes that are open at one time; further asks for one wait in line. By \
         default 4096, which hold 1 GiB at most",
    ),
    Setting::new(
        "actors.stream_items",
        "stream-items",
        Kind::Number { min: 1, max: 1 << 20 },
        "Items of one stream by which its sender may be ahead of its reader. By default 64: enough to read on \
         while more are granted",
    ),
    Setting::new(
        "actors.stream_bytes",
        "stream-bytes",
        Kind::Number { min: 1, max: 1 << 30 },
        "Bytes of the items of one stream from another node that are not read; one item may go beyond. By \
         default 256 KiB: a reader 1 ms away is kept busy up to 2 Gbit/s",
    ),
    Setting::new(
        "actors.sources_max",
        "sources-max",
        Kind::Number { min: 1, max: 1 << 20 },
        "Timers, piped futures and streams that one actor has at a time; a further one is refused. By default \
         1024: what has more is several actors",
    ),
    Setting::new(
        "actors.reads_max",
        "reads-max",
        Kind::Number { min: 1, max: 1 << 16 },
        "Reads of one actor that run at a time; further ones wait in its mailbox. By default 64: enough to \
         hide what they wait for",
    ),
    Setting::new(
        "actors.stash_max",
        "stash-max",
        Kind::Number { min: 1, max: 1 << 24 },
        "Messages that one actor has in its stash; a further one is refused. By default 1024, as many as wait \
         in its mailbox",
    ),
    Setting::new(
        "actors.tasks_max",
        "worker-tasks-max",
        Kind::Number { min: 1, max: 1 << 24 },
        "Tasks that run on one worker; as many more wait to begin. By default 65536: more are a mistake sooner \
         than a load",
    ),
    Setting::new(
        "actors.groups_max",
        "groups-max",
        Kind::Number { min: 1, max: 1 << 20 },
        "Named groups of this node; those without members make room. By default 4096: groups are few",
    ),
    Setting::new(
        "actors.group_members_max",
        "group-members-max",
        Kind::Number { min: 1, max: 1 << 20 },
        "Members of a named group of this node. By default 4096: some strategies look at every member",
    ),
    Setting::new(
        "actors.retry_percent",
        "retry-percent",
        Kind::Number { min: 0, max: 100 },
        "How many retries a hundred first attempts pay for. By default 20: an overload grows by a fifth at \
         most",
    ),
    Setting::new(
        "actors.retries_saved_max",
        "retries-saved-max",
        Kind::Number { min: 0, max: 1 << 20 },
        "Retries that can be saved up. By default 100: a node that asks little may still bridge the restart of \
         another",
    ),
    Setting::new(
        "actors.blocking_threads_max",
        "blocking-threads-max",
        Kind::Number { min: 1, max: 1 << 14 },
        "Threads for actors that block, at one time; a further one does not start. By default 256: each has a \
         stack",
    ),
    Setting::new(
        "actors.blocked_after",
        "blocked-after",
        Kind::Span { min_millis: 0, max_millis: 3_600_000 },
        "How long a handler may hold up its worker's thread before the log says so; 0s: it never does. By \
         default 100ms: a hundred times what is meant, and less than others tolerate",
    ),
    Setting::new(
        "actors.sample_every",
        "sample-every",
        Kind::Number { min: 0, max: 1 << 30 },
        "One message of so many is measured for the metrics; 0: none is. By default 127: two clock reads cost \
         more than a message, and a prime meets all of those that come in rounds",
    ),
    Setting::new(
        "actors.spin",
        "spin",
        Kind::Number { min: 0, max: 1 << 20 },
        "Empty turns of a worker before its thread sleeps; waking it costs about 5 us. By default 100, a few \
         tens of microseconds; none where the program may use one CPU alone",
    ),
];
