//! The bounds of one system and of one spawn.

use std::time::Duration;

use crate::Shutdown;

/// Bounds and defaults of an [`ActorSystem`](crate::ActorSystem).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SystemConfig {
    /// Messages a mailbox holds before senders wait. Default 1024: a burst fits, a backlog is felt by its senders
    /// within milliseconds. At least 1.
    pub mailbox_messages_max: u32,
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
    /// Timers, piped futures and streams that one actor may have at a time; a further one is refused. Default 1,024: what
    /// has more is several actors.
    pub sources_max: u32,
    /// Tasks of [`spawn`](crate::spawn) that may run on one worker; as many more may wait to begin. Default 65,536.
    pub tasks_max: u32,
    /// How long an ask waits that sets no time of its own. Default 5 s.
    pub ask_within: Duration,
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
    /// Empty turns of a worker before it parks; waking a parked thread costs about 5 us. Default 100, a few tens of
    /// microseconds; 0 parks at once, and a simulated environment always does.
    pub spin: u32,
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self {
            mailbox_messages_max: 1024,
            waiting_max: 1 << 20,
            exported_max: 1 << 20,
            names_max: 1 << 16,
            network_watches_max: 1 << 16,
            peer_watches_max: 1 << 18,
            remote_asks_max: 1 << 16,
            sources_max: 1024,
            tasks_max: 1 << 16,
            ask_within: Duration::from_secs(5),
            tell_within: Duration::from_secs(5),
            groups_max: 4096,
            group_members_max: 4096,
            retry_percent: 20,
            retries_saved_max: 100,
            spin: 100,
        }
    }
}

/// How one actor is spawned; the default suits most.
#[derive(Clone, Debug, Default)]
pub struct SpawnOptions {
    pub(crate) name: Option<String>,
    pub(crate) mailbox: Option<u32>,
    pub(crate) shutdown: Option<Shutdown>,
}

impl SpawnOptions {
    /// Registers the actor under a name before it starts; the name is free again when the actor is gone.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Messages its mailbox holds; at least 1. Default: the system's
    /// [`mailbox_messages_max`](SystemConfig::mailbox_messages_max).
    #[must_use]
    pub fn mailbox(mut self, messages_max: u32) -> Self {
        self.mailbox = Some(messages_max);
        self
    }

    /// How its parent stops it: how long it may take before it is ended where it stands, zero for at once. Default 5 s,
    /// as in OTP; a supervisor is waited for, since its children bound the time it takes. An actor without a parent
    /// has the time that [`ActorSystem::stop`](crate::ActorSystem::stop) is given. What a supervisor starts has the
    /// time of its [`ChildSpec`](crate::ChildSpec::shutdown).
    #[must_use]
    pub fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Self {
        self.shutdown = Some(shutdown.into());
        self
    }
}
