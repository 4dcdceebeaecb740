//! Joining: keeps looking for others, and knocks at whoever is no member.
//!
//! What it is: one task on the endpoint's thread that asks all sources of addresses again and again, dials strangers,
//! and says why the node is still alone. What it is NOT: the membership protocol, which takes over once somebody has
//! answered (`membership.rs`). Read `join/look.rs` for the sources, `join/beginning.rs` for who may begin a cluster.

mod beginning;
mod config;
mod look;
mod lookups;
mod mdns;
mod pace;

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon_env::Env;
use odeon_transport::Transport;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    directory::Directory,
    newsfeed::{Newsfeed, Refusal},
    phase::{Phase, Phases},
};

pub(crate) use beginning::{Beginning, Waits};
pub use config::{JoinConfig, JoinConfigError};
use look::{ADDRESSES_MAX, Found, Source};
use lookups::Lookups;
pub use mdns::MdnsConfig;
pub(crate) use mdns::{Mdns, Place};
use pace::Pace;

/// Strangers of one source that are dialled in one look, the others in the next ones, from a place that is drawn at first:
/// gossip brings most of them sooner, and where many nodes start at once they would drown each other in handshakes.
const DIALS_MAX: usize = 8;

/// When a node that is alone first says why.
const SAY_AFTER: Duration = Duration::from_secs(2);

/// Longest time until it says so again; doubled up to it from [`SAY_AFTER`].
const SAY_EVERY_MAX: Duration = Duration::from_secs(300);

/// What joining needs.
pub(crate) struct Join {
    pub(crate) config: JoinConfig,
    /// Where this node listens and where others reach it: not dialled.
    pub(crate) own: [SocketAddr; 2],
    pub(crate) env: Arc<dyn Env>,
    pub(crate) transport: Rc<Transport>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) news: Rc<Newsfeed>,
    pub(crate) phases: Arc<Phases>,
    pub(crate) beginning: Rc<Beginning>,
    /// Its part in multicast DNS, if it has one.
    pub(crate) mdns: Option<Rc<Mdns>>,
}

/// One source, and how looking there went so far.
struct Lookout {
    source: Source,
    /// Its names that are being looked up; at hand between two looks.
    lookups: RefCell<Lookups>,
    /// The look under way has not ended: no other begins.
    is_busy: Cell<bool>,
    /// Looks that brought trouble.
    troubles: Cell<u64>,
    /// Where the next look begins to dial, so that each stranger has its turn.
    place: Cell<usize>,
}

/// When a node that is alone says why.
struct Says {
    every: Duration,
    at: Instant,
}

impl Says {
    fn new() -> Self {
        Self { every: SAY_AFTER, at: Instant::now() + SAY_AFTER }
    }

    fn is_due(&mut self) -> bool {
        let is_due = Instant::now() >= self.at;
        if is_due {
            self.every = (self.every * 2).min(SAY_EVERY_MAX);
            self.at = Instant::now() + self.every;
        }
        is_due
    }
}

impl Join {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        match self.mdns.clone() {
            // Neither of them ends. The look comes first, so that packets without number do not keep it from its turn.
            Some(mdns) => tokio::select! {
                biased;
                () = self.look_again_and_again() => {}
                () = mdns.serve(&self.phases) => {}
            },
            None => self.look_again_and_again().await,
        }
    }

    async fn look_again_and_again(&self) {
        if self.beginning.is_open() {
            tracing::info!(addr = %self.own[1], "up as a cluster of its own, which others may join");
            self.phases.up();
        }
        let lookout = |source| Lookout::new(source, self.random());
        let lookouts: Vec<Rc<Lookout>> =
            Source::all(&self.config).into_iter().map(lookout).collect();
        let mut looks = JoinSet::new();
        let mut pace = Pace::new(&self.config);
        let mut says = Says::new();
        loop {
            if pace.note(!self.directory.is_empty()) {
                // Alone again: the way back is asked for as at first, and said no sooner.
                says = Says::new();
                self.mdns.iter().for_each(|mdns| mdns.hurry());
            } else if self.directory.is_empty() && says.is_due() {
                self.say_why_alone();
            }
            if self.phases.current() >= Phase::Leaving {
                return std::future::pending().await;
            }
            self.begin_looks(&lookouts, &mut looks);
            let next_look = Instant::now() + pace.pause(self.random());
            self.take_until(next_look, &mut looks).await;
        }
    }

    /// Begins a look at each source where none is under way: a slow name server holds up no other source.
    fn begin_looks(&self, lookouts: &[Rc<Lookout>], looks: &mut JoinSet<(Rc<Lookout>, Found)>) {
        for lookout in lookouts.iter().filter(|lookout| !lookout.is_busy.replace(true)) {
            let (lookout, env) = (Rc::clone(lookout), Arc::clone(&self.env));
            let mdns = self.mdns.clone();
            looks.spawn_local(async move {
                let mut lookups = lookout.lookups.take();
                let found = lookout.source.look(&env, &mut lookups, mdns.as_deref()).await;
                lookout.lookups.replace(lookups);
                (lookout, found)
            });
        }
    }

    /// Takes what is found, until it is time to look again, or the node is alone no more, or alone again.
    async fn take_until(&self, next_look: Instant, looks: &mut JoinSet<(Rc<Lookout>, Found)>) {
        let was_alone = self.directory.is_empty();
        let next_look = tokio::time::sleep_until(next_look);
        tokio::pin!(next_look);
        while self.directory.is_empty() == was_alone {
            tokio::select! {
                biased;
                () = self.directory.changed() => {}
                Some(looked) = looks.join_next() => {
                    // A look does not panic; one that did would leave its source busy, and say so.
                    match looked {
                        Ok((lookout, found)) => self.take(&lookout, found),
                        Err(error) => tracing::error!(%error, "a look for others failed"),
                    }
                }
                () = &mut next_look => return,
            }
        }
    }

    fn take(&self, lookout: &Lookout, found: Found) {
        lookout.is_busy.set(false);
        if let Some(trouble) = found.trouble {
            lookout.say_trouble(&trouble);
        }
        let strangers: Vec<_> = found
            .addresses
            .into_iter()
            .filter(|addr| !self.own.contains(addr) && !self.directory.has_addr(*addr))
            .filter(|addr| {
                !self.news.rests(*addr, (self.config.look_max, self.config.look_refused))
            })
            .collect();
        if strangers.is_empty() {
            return;
        }
        let begin = lookout.place.get() % strangers.len();
        let (later, first) = strangers.split_at(begin);
        lookout.place.set(begin + DIALS_MAX);
        let dialled = first.iter().chain(later).take(DIALS_MAX);
        dialled.for_each(|addr| self.transport.dial_seed(*addr));
    }

    /// A number from 0 up to 1.
    fn random(&self) -> f64 {
        let mut random = [0; 4];
        self.env.entropy(&mut random);
        f64::from(u32::from_le_bytes(random)) / (f64::from(u32::MAX) + 1.0)
    }

    fn say_why_alone(&self) {
        let places: Vec<_> =
            Source::all(&self.config).iter().map(ToString::to_string).take(8).collect();
        let places = places.join(", ");
        let last = match self.news.refusal() {
            Some(Refusal { addr, reason, .. }) => {
                format!("; the last answer, from {addr}: {reason}; see runbook: join-refused")
            }
            None => "; see runbook: no-cluster-forms".to_owned(),
        };
        if self.phases.current() >= Phase::Up && !self.config.dev {
            tracing::warn!("all others are gone: asking {places} for the way back{last}");
            return;
        }
        let own = self.own[1];
        match self.beginning.waits() {
            Waits::No if places.is_empty() => {}
            Waits::No => tracing::info!(
                "nobody has answered: this node runs as a cluster of its own and keeps asking {places}{last}"
            ),
            Waits::ForMore(more, known) => tracing::warn!(
                ?known,
                "waiting for {more} more nodes to begin a cluster with (bootstrap_expect {}), asking {places}{last}",
                self.config.bootstrap_expect
            ),
            Waits::ForCluster(known) if !known.is_empty() => tracing::warn!(
                ?known,
                "waiting for a cluster: none of the nodes that answered is in one, and this node may begin none (give \
                 all of them bootstrap_expect, or one of them dev){last}"
            ),
            Waits::ForCluster(_) if places.is_empty() => tracing::warn!(
                "waiting at {own} for another node to join: this node has no seed and may not be a cluster of its own \
                 (give it a seed, or start it as a lone node){last}"
            ),
            Waits::ForCluster(_) => {
                tracing::warn!("waiting for a seed to answer: {places}{last}");
            }
        }
    }
}

impl Lookout {
    /// `random` is from 0 up to 1.
    fn new(source: Source, random: f64) -> Rc<Self> {
        let place = Cell::new((random * ADDRESSES_MAX as f64) as usize);
        let (lookups, is_busy, troubles) = Default::default();
        Rc::new(Self { source, lookups, is_busy, troubles, place })
    }

    /// Says so the first, second, fourth, eighth time and so on.
    fn say_trouble(&self, trouble: &str) {
        let count = self.troubles.get() + 1;
        self.troubles.set(count);
        if count.is_power_of_two() {
            tracing::warn!(source = %self.source, trouble, count, "a source of seeds cannot be used");
        }
    }
}
