//! One node's actors: the handle that everything else hangs on.
//!
//! What it is: workers, registry, slot table, declared messages and counters, shared by whoever holds a clone. What it
//! is NOT: a node; it knows other nodes only through [`Remotes`], and what they send comes in through
//! [`ActorSystem::deliver`]. Read `spawn.rs` and `worker.rs` next.

mod failures;
mod measured;
mod network;

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use odeon_env::Env;
use odeon_message::{Address, Fingerprint, Incarnation, Message, MessageId, NodeId};
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, timeout_at},
};

use failures::Failures;

use crate::{
    Accepted, Actor, ActorRef, AnyRef, DeclareError, ExportError, Group, GroupError, NameChanges,
    NameState, NameTaken, Placement, Remotes, SpawnOptions, StartError, SystemConfig, SystemStats,
    Threads, TraceIds, TracePropagation,
    accepts::Declared,
    census::Census,
    group::Groups,
    hot::Findings,
    lobby::Lobbies,
    metrics::Kept,
    panics,
    registry::Registry,
    rest::Rest,
    retry::RetryBudget,
    slots::SlotTable,
    spawn::{self, SetOut},
    stats::Counters,
    stealing::Stealing,
    watch::RemoteWatches,
    watchers::PeerWatches,
    worker::{Order, Worker},
    workers::Workers,
};

/// How long [`ActorSystem::stop`] waits for the workers themselves, after their actors have ended.
const WORKERS_WITHIN: Duration = Duration::from_secs(1);

/// One node's actors. Cheap to clone.
#[derive(Clone)]
pub struct ActorSystem {
    inner: Arc<Inner>,
}

struct Inner {
    config: SystemConfig,
    env: Arc<dyn Env>,
    node: NodeId,
    runtime: Handle,
    remotes: OnceLock<Arc<dyn Remotes>>,
    propagation: OnceLock<Arc<dyn TracePropagation>>,
    workers: Workers,
    threads: OnceLock<Arc<dyn Threads>>,
    stealing: Stealing,
    tokens: AtomicU64,
    registry: Registry,
    slots: SlotTable,
    declared: Declared,
    remote_watches: RemoteWatches,
    peer_watches: Arc<PeerWatches>,
    counters: Counters,
    census: Census,
    /// What workers that have left had sampled.
    kept_sampled: Kept,
    findings: Findings,
    made_at: Instant,
    /// The last tick, for ages; 0 if nobody keeps the time.
    tick: AtomicU32,
    /// Beside the tick: whoever reads one reads the other.
    rest: Rest,
    failures: Failures,
    retry_budget: RetryBudget,
    groups: Groups,
    lobbies: Lobbies,
    stopping: AtomicBool,
    crashed: AtomicBool,
    /// The last worker has left.
    gone: AtomicBool,
    /// Told when the last actor or a worker is gone.
    fewer: Notify,
}

impl fmt::Debug for ActorSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorSystem({})", self.inner.node)
    }
}

impl ActorSystem {
    /// The actors of `node` in this life of it. `runtime` is where deadlines of sends wait; it needs tokio's timers.
    #[must_use]
    pub fn new(
        config: SystemConfig,
        env: Arc<dyn Env>,
        node: NodeId,
        incarnation: Incarnation,
        runtime: Handle,
    ) -> Self {
        panics::note_places();
        let made_at = Instant::now();
        let inner = Inner {
            registry: Registry::new(config.names_max),
            groups: Groups::new(config.groups_max, config.group_members_max),
            retry_budget: RetryBudget::new(config.retry_percent, config.retries_saved_max),
            slots: SlotTable::new(incarnation, config.exported_max),
            config,
            env,
            node,
            runtime,
            remotes: OnceLock::new(),
            propagation: OnceLock::new(),
            workers: Workers::default(),
            threads: OnceLock::new(),
            stealing: Stealing::default(),
            tokens: AtomicU64::new(0),
            declared: Declared::default(),
            remote_watches: RemoteWatches::default(),
            peer_watches: Arc::default(),
            counters: Counters::default(),
            census: Census::default(),
            kept_sampled: Kept::default(),
            findings: Findings::default(),
            made_at,
            lobbies: Lobbies::new(made_at),
            tick: AtomicU32::new(0),
            rest: Rest::default(),
            failures: Failures::default(),
            stopping: AtomicBool::new(false),
            crashed: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            fewer: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The node these actors live on.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.inner.node
    }

    /// The present life of the node.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.inner.slots.incarnation()
    }

    /// The bounds in force.
    #[must_use]
    pub fn config(&self) -> &SystemConfig {
        &self.inner.config
    }

    /// The runtime whose timers serve deadlines.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }

    /// The windows of the node.
    #[must_use]
    pub fn env(&self) -> &Arc<dyn Env> {
        &self.inner.env
    }

    /// Begins another life of the node, after it was declared dead and joins anew: all addresses given out die, the
    /// actors live on and get new ones when needed. Those that are [pinned](Self::pin) keep their places.
    #[doc(hidden)]
    pub fn set_incarnation(&self, incarnation: Incarnation) {
        self.inner.slots.renew(incarnation);
    }

    /// Gives an actor of this node its address and keeps its slot and generation the same through all lives of the
    /// node, until the actor is gone: for what other nodes find by its place. Again is no error.
    ///
    /// # Errors
    /// As [`ActorRef::address`]; [`ExportError::Ended`] also for an actor of another node.
    #[doc(hidden)]
    pub fn pin<A: Actor>(&self, actor: &ActorRef<A>) -> Result<Address, ExportError> {
        actor.cell().ok_or(ExportError::Ended)?.pin()
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.inner.workers
    }

    /// A worker was started.
    pub(crate) fn has_workers(&self) {
        self.inner.gone.store(false, Ordering::Release);
    }

    /// Gives the system threads for actors with [`Placement::Blocking`], once; a second call changes nothing.
    pub fn set_threads(&self, threads: Arc<dyn Threads>) {
        // The first stay: actors run on them.
        let _ = self.inner.threads.set(threads);
    }

    pub(crate) fn threads(&self) -> Option<&Arc<dyn Threads>> {
        self.inner.threads.get()
    }

    pub(crate) fn stealing(&self) -> &Stealing {
        &self.inner.stealing
    }

    /// Makes an actor type known, so that its actors can be exported and receive what they list. A type without an id
    /// is local and changes nothing; a type that is declared already neither. Declare before the node joins: the
    /// handshake offers what was declared.
    ///
    /// # Errors
    /// When a listed message is local, or when two names or layouts share an id: the error names both.
    pub fn declare<A: Actor>(&self) -> Result<(), DeclareError> {
        self.inner.declared.add::<A>()
    }

    /// Makes a message known that other nodes may send though no actor lists it, as to a topic. Declare before the node
    /// joins.
    ///
    /// # Errors
    /// As [`declare`](Self::declare).
    pub fn declare_message<M: Message>(&self) -> Result<(), DeclareError> {
        self.inner.declared.add_message::<M>()
    }

    /// Whether other nodes may send messages of this type.
    #[must_use]
    pub fn accepts(&self, message: MessageId) -> bool {
        self.inner.declared.has(message)
    }

    /// Whether other nodes may send messages of this type in this layout, the present one or a former one.
    #[must_use]
    pub fn accepts_layout(&self, message: MessageId, layout: Fingerprint) -> bool {
        self.inner.declared.has_layout(message, layout)
    }

    /// What this node takes from others, sorted by id.
    #[must_use]
    pub fn accepted(&self) -> Vec<Accepted> {
        self.inner.declared.messages()
    }

    /// Connects the system to a network, once; a second call changes nothing.
    #[doc(hidden)]
    pub fn set_remotes(&self, remotes: Arc<dyn Remotes>) {
        // The first network stays: routes of it are in use.
        let _ = self.inner.remotes.set(remotes);
    }

    /// How spans become part of traces, once, before the first message; a second call changes nothing. Default:
    /// [`TraceIds`].
    #[doc(hidden)]
    pub fn set_propagation(&self, propagation: Arc<dyn TracePropagation>) {
        // The first one stays: spans are part of its traces.
        let _ = self.inner.propagation.set(propagation);
    }

    /// How spans become part of traces.
    #[doc(hidden)]
    #[must_use]
    pub fn propagation(&self) -> &Arc<dyn TracePropagation> {
        let make = || Arc::new(TraceIds::new(Arc::clone(&self.inner.env))) as _;
        self.inner.propagation.get_or_init(make)
    }

    pub(crate) fn remotes(&self) -> Option<&Arc<dyn Remotes>> {
        self.inner.remotes.get()
    }

    /// Starts an actor, on the next worker unless it is [placed](SpawnOptions::placement) elsewhere, from any thread; the
    /// future is done when it has started.
    ///
    /// # Errors
    /// When the actor does not start; see [`StartError`].
    ///
    /// # Cancel safety
    /// An actor whose start nobody waits for any more is stopped.
    pub fn spawn<A: Actor>(
        &self,
        args: A::Args,
        options: SpawnOptions,
    ) -> impl Future<Output = Result<ActorRef<A>, StartError>> + Send + use<A> {
        let destination = self.destination(options.placement.unwrap_or(Placement::Spread));
        async move {
            let worker = destination.worker()?;
            if worker.is_tired() {
                worker.rest().await;
            }
            // As `spawn::spawn`, without a layer of its own. Whoever polls the future may have moved it.
            match spawn::set_out::<A>(worker, args, &options, None)? {
                SetOut::Arrived(actor) => Ok(ActorRef::local(actor)),
                waits => waits.arrive().await,
            }
        }
    }

    /// Gives a name to an actor of this node, until it is gone; again is no error.
    ///
    /// # Errors
    /// When another actor has the name, the actor is gone or elsewhere, or there are too many names.
    pub fn register<A: Actor>(&self, name: &str, actor: &ActorRef<A>) -> Result<(), NameTaken> {
        match actor.cell() {
            Some(cell) => self.inner.registry.register(name, &cell),
            None => Err(NameTaken::NotHere { name: name.into() }),
        }
    }

    /// The actor with this name on this node, if it is of this type.
    #[must_use]
    pub fn lookup<A: Actor>(&self, name: &str) -> Option<ActorRef<A>> {
        self.lookup_any(name)?.downcast()
    }

    /// The actor with this name on this node.
    #[must_use]
    pub fn lookup_any(&self, name: &str) -> Option<AnyRef> {
        self.inner.registry.lookup(name).map(AnyRef)
    }

    /// The group with this name on this node; it is made on first use, and lives while somebody holds it or it has a
    /// member.
    ///
    /// # Errors
    /// When the group of this name has members of another type, or there are too many groups.
    pub fn group<A: Actor>(&self, name: &str) -> Result<Group<A>, GroupError> {
        self.inner.groups.named(name)
    }

    /// Who has this name on this node, and as of which change of names: for whoever hears of it on more than one way.
    #[must_use]
    pub fn name_state(&self, name: &str) -> NameState {
        self.inner.registry.state(name)
    }

    /// Follows a name on this node: who has it now, then each change.
    ///
    /// # Errors
    /// When there are too many names.
    pub fn subscribe(&self, name: &str) -> Result<NameChanges, NameTaken> {
        self.inner.registry.subscribe(name)
    }

    /// Stops all actors, then the workers. Actors that have no parent stop at once and each stops its children; what
    /// is not done within `within` is ended where it stands. A handler that blocks its thread is waited for one second
    /// more, then left behind.
    ///
    /// # Cancel safety
    /// What was begun goes on; call it again to wait for the rest.
    pub async fn stop(&self, within: Duration) {
        self.inner.stopping.store(true, Ordering::Release);
        let order = |orders| self.workers().all().iter().for_each(|worker| worker.order(orders));
        order(Order::STOP);
        self.wait_until(within, || self.stats().live_actors == 0).await;
        order(Order::END | Order::QUIT);
        self.wait_until(WORKERS_WITHIN, || self.workers().is_empty()).await;
        self.stealing().tidy();
    }

    async fn wait_until(&self, within: Duration, done: impl Fn() -> bool) {
        let end = Instant::now().checked_add(within);
        loop {
            let fewer = self.inner.fewer.notified();
            tokio::pin!(fewer);
            fewer.as_mut().enable();
            if done() {
                return;
            }
            match end {
                Some(end) => {
                    let timer = {
                        let _entered = self.inner.runtime.enter();
                        timeout_at(end, fewer)
                    };
                    if timer.await.is_err() {
                        return;
                    }
                }
                None => fewer.await,
            }
        }
    }

    /// Closes the gates before a simulated crash: from now on no handler runs, not even while the `LocalSet` is
    /// dropped.
    #[doc(hidden)]
    pub fn crash(&self) {
        self.inner.stopping.store(true, Ordering::Release);
        self.inner.crashed.store(true, Ordering::Release);
    }

    /// The figures of this moment.
    #[must_use]
    pub fn stats(&self) -> SystemStats {
        let mut stats = self.inner.counters.read(self.inner.slots.len(), self.census().started());
        for worker in self.workers().all() {
            stats.handled = stats.handled.wrapping_add(worker.tallies().handled());
            stats.started = stats.started.wrapping_add(worker.tallies().started());
        }
        stats
    }

    /// Whether it is the same.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.inner.crashed.load(Ordering::Acquire)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::Acquire)
    }

    /// Whether the last worker has left: then the runtime may be gone too.
    pub(crate) fn is_gone(&self) -> bool {
        self.inner.gone.load(Ordering::Acquire)
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// Who waits without a timer on threads that are no workers'.
    pub(crate) fn lobbies(&self) -> &Lobbies {
        &self.inner.lobbies
    }

    pub(crate) fn retry_budget(&self) -> &RetryBudget {
        &self.inner.retry_budget
    }

    pub(crate) fn remote_watches_table(&self) -> &RemoteWatches {
        &self.inner.remote_watches
    }

    pub(crate) fn peer_watches(&self) -> &Arc<PeerWatches> {
        &self.inner.peer_watches
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    pub(crate) fn slots(&self) -> &SlotTable {
        &self.inner.slots
    }

    pub(crate) fn declared(&self) -> &Declared {
        &self.inner.declared
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.inner.counters.make()
    }

    pub(crate) fn next_token(&self) -> u64 {
        self.inner.tokens.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// An actor is gone.
    pub(crate) fn one_less(&self) {
        if self.inner.counters.end() {
            self.inner.fewer.notify_waiters();
        }
    }

    /// A worker has left its thread.
    pub(crate) fn forget_worker(&self, gone: &Worker) {
        if self.inner.workers.remove(gone) {
            self.inner.gone.store(true, Ordering::Release);
        }
        self.inner.fewer.notify_waiters();
    }
}
