//! Joining: keeps knocking at the seeds until this node is among others.
//!
//! What it is: one task on the endpoint's thread that resolves the seeds, dials those that are not members, and says
//! why the node is still alone. What it is NOT: the membership protocol, which takes over once a seed has answered
//! (`membership.rs`).

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use odeon_env::{Env, buggify};
use odeon_transport::Transport;
use tokio::time::Instant;

use crate::{
    directory::Directory,
    newsfeed::{Newsfeed, Refusal},
    phase::{Phase, Phases},
};

/// First pause between two rounds of knocking; doubled up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Longest pause while the node is alone: a cluster that starts later is found within about a second.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Pause once the node is among others: seeds that come back after a partition are found, at the cost of one look at
/// the directory.
const PAUSE_JOINED: Duration = Duration::from_secs(5);

/// Longest pause while those who answer refuse this node for what must be changed by hand, such as its certificate.
const PAUSE_REFUSED_MAX: Duration = Duration::from_secs(10);

/// When a node that is alone first says why.
const SAY_AFTER: Duration = Duration::from_secs(2);

/// Longest time until it says so again; doubled up to it from [`SAY_AFTER`].
const SAY_EVERY_MAX: Duration = Duration::from_secs(300);

/// What knocking needs.
pub(crate) struct Join {
    pub(crate) seeds: Vec<String>,
    pub(crate) own: SocketAddr,
    /// Whether the node may be a cluster of its own.
    pub(crate) alone: bool,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) transport: Rc<Transport>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) news: Rc<Newsfeed>,
    pub(crate) phases: Arc<Phases>,
    /// How often a seed's name could not be resolved.
    pub(crate) unresolved: Cell<u64>,
}

impl Join {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        let mut pause = PAUSE_MIN;
        let mut say_every = SAY_AFTER;
        let mut say_at = Instant::now() + say_every;
        if self.alone {
            self.phases.up();
        }
        let mut with_others = false;
        loop {
            if self.others() {
                pause = PAUSE_JOINED;
                with_others = true;
            } else if std::mem::take(&mut with_others) {
                // Alone again: the way back is asked for as at first, and said no sooner.
                pause = PAUSE_MIN;
                say_every = SAY_AFTER;
                say_at = Instant::now() + say_every;
            } else if Instant::now() >= say_at {
                say_every = (say_every * 2).min(SAY_EVERY_MAX);
                say_at = Instant::now() + say_every;
                self.say_why_alone();
            }
            if self.phases.current() >= Phase::Leaving {
                return std::future::pending().await;
            }
            self.knock().await;
            let round = tokio::time::sleep(pause);
            tokio::select! {
                biased;
                () = self.directory.changed() => {}
                () = round => pause = (pause * 2).min(self.pause_max().max(pause)),
            }
        }
    }

    fn pause_max(&self) -> Duration {
        let lasting = self.news.refusal().is_some_and(|refusal| refusal.lasting);
        if lasting { PAUSE_REFUSED_MAX } else { PAUSE_MAX }
    }

    fn others(&self) -> bool {
        !self.directory.is_empty()
    }

    async fn knock(&self) {
        for seed in &self.seeds {
            match self.env.resolve(seed).await {
                // As if the dial were lost: the next round knocks again.
                Ok(_) if buggify!() => {}
                Ok(addrs) => {
                    let strangers = addrs
                        .into_iter()
                        .filter(|addr| *addr != self.own && !self.directory.has_addr(*addr));
                    strangers.for_each(|addr| self.transport.dial_seed(addr));
                }
                Err(error) => self.unresolved(seed, &error),
            }
        }
    }

    /// Says so the first, second, fourth, eighth time and so on.
    fn unresolved(&self, seed: &str, error: &std::io::Error) {
        let count = self.unresolved.get() + 1;
        self.unresolved.set(count);
        if count.is_power_of_two() {
            tracing::warn!(seed, %error, count, "the seed's name cannot be resolved");
        }
    }

    fn say_why_alone(&self) {
        let seeds = self.seeds.join(", ");
        let last = match self.news.refusal() {
            Some(Refusal { addr, reason, .. }) => {
                format!("; the last answer, from {addr}: {reason}")
            }
            None => String::new(),
        };
        match (self.alone, self.seeds.is_empty()) {
            (true, true) => {}
            (true, false) => tracing::info!(
                "no seed has answered: this node runs as a cluster of its own and keeps asking {seeds}{last}"
            ),
            (false, true) => tracing::warn!(
                "waiting at {} for another node to join: this node has no seed and may not be a cluster of its own \
                 (give it a seed, or start it as a lone node)",
                self.own
            ),
            (false, false) if self.was_up() => {
                tracing::warn!("all others are gone: asking {seeds} for the way back{last}");
            }
            (false, false) => tracing::warn!("waiting for a seed to answer: {seeds}{last}"),
        }
    }

    fn was_up(&self) -> bool {
        self.phases.current() >= Phase::Up
    }
}
