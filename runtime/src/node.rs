//! The node: the handle that applications hold.
//!
//! What it is: [`Node`], cheap to clone, usable from any thread and any executor. What it is NOT: where things
//! happen; the heart (`heart.rs`) runs on the endpoint's thread. Read `builder.rs` for how a node starts.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use odeon_actor::{
    Accepted, Actor, ActorRef, ActorSystem, Metrics, NameChanges, NameTaken, SpawnOptions,
    StartError, SystemStats, Tree,
};
use odeon_cluster::{Profile, ProfileError};
use odeon_env::Env;
use odeon_message::{Incarnation, NodeId};
use odeon_transport::{CertificateValidity, Identity, Peers};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    builder::NodeBuilder,
    cluster::Cluster,
    cluster_stats::{ClusterCounts, ClusterStats},
    directory::{Directory, Member, Members},
    heart::Stop,
    load::Own,
    network_metrics::NetworkMetrics,
    outbound::Outbound,
    phase::{Phase, Phases},
    remote_node::RemoteNode,
    roster::RosterHall,
    rotation::{RotateError, Rotation},
    tasks::Tasks,
};

/// What all handles of one node share.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) system: ActorSystem,
    pub(crate) directory: Arc<Directory>,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) phases: Arc<Phases>,
    /// What the node says of itself, and whether it is about to leave.
    pub(crate) own: Arc<Own>,
    pub(crate) tasks: Tasks,
    pub(crate) stop: watch::Sender<Option<Stop>>,
    pub(crate) peers: Peers,
    pub(crate) rotate: mpsc::Sender<Rotation>,
    pub(crate) roster: Arc<RosterHall>,
    pub(crate) counts: Arc<ClusterCounts>,
}

/// A running node of a cluster.
///
/// It runs on threads of its own, from [`NodeBuilder::start`] until [`stop`](Self::stop); dropping the handles does
/// not end it. All methods may be called from any thread; their futures are awaited on any executor.
///
/// # Examples
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let node = odeon::Node::builder("a").alone().start().await?;
/// println!("{} listens at {}", node.name(), node.addr());
/// node.stop(std::time::Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.shared.name)
            .field("addr", &self.shared.addr)
            .finish()
    }
}

impl Node {
    /// A node to be, under this name: 1 to 63 lower-case letters, digits and `-`, unique in its cluster.
    pub fn builder(name: &str) -> NodeBuilder {
        NodeBuilder::new(name)
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Its id, the hash of its name.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.shared.system.node()
    }

    /// Which of its lives this is. It changes when the cluster held the node for dead and it came back.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.shared.system.incarnation()
    }

    /// The messages that this node takes from others, its own ones among them: each in its present layout, and in the
    /// former ones that it understands. Other nodes hear it in the handshake, and send nothing in another layout.
    ///
    /// Kept in a file and compared by a test, they show a layout that has changed by accident before nodes of two versions
    /// refuse each other's messages.
    ///
    /// # Examples
    /// ```no_run
    /// # fn example(node: odeon::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// let lines = node.accepted().into_iter().map(|one| format!("{} {}\n", one.name, one.fingerprint));
    /// assert_eq!(lines.collect::<String>(), std::fs::read_to_string("tests/fingerprints.txt")?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn accepted(&self) -> Vec<Accepted> {
        self.shared.system.accepted()
    }

    /// The address at which other nodes reach it.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.shared.addr
    }

    /// Where it stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.shared.phases.current()
    }

    /// Waits until the node is part of a cluster; `false` if it ended before.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn joined(&self) -> bool {
        self.shared.phases.reached(Phase::Up).await == Phase::Up
    }

    /// Waits until the node has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ended(&self) {
        self.shared.phases.reached(Phase::Down).await;
    }

    /// Whether it ends, or has ended, because the cluster knows a later life of this node: another program of its name was
    /// started after it.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.shared.phases.is_superseded()
    }

    /// Whether somebody has told it to [stop](Self::stop) or to [drain](Self::drain): whoever sees it end knows then that
    /// this was meant.
    #[must_use]
    pub fn is_told_to_stop(&self) -> bool {
        self.shared.stop.borrow().is_some()
    }

    /// Starts an actor from its own value: one whose `Args` are `Self`. Any other starts with
    /// [`spawn_with`](Self::spawn_with).
    ///
    /// # Errors
    /// What `start` answered, or that the node is stopping.
    ///
    /// # Cancel safety
    /// An actor that nobody waits for any more is stopped once it has started.
    pub async fn spawn<A: Actor<Args = A>>(&self, actor: A) -> Result<ActorRef<A>, StartError> {
        self.shared.system.spawn::<A>(actor, SpawnOptions::default()).await
    }

    /// Starts an actor from what it starts from.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    ///
    /// # Cancel safety
    /// As [`spawn`](Self::spawn).
    pub async fn spawn_with<A: Actor>(&self, args: A::Args) -> Result<ActorRef<A>, StartError> {
        self.shared.system.spawn::<A>(args, SpawnOptions::default()).await
    }

    /// Starts an actor with options: a name, the size of its mailbox.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), and when the name is taken.
    ///
    /// # Cancel safety
    /// As [`spawn`](Self::spawn).
    pub async fn spawn_opts<A: Actor>(
        &self,
        args: A::Args,
        options: SpawnOptions,
    ) -> Result<ActorRef<A>, StartError> {
        self.shared.system.spawn::<A>(args, options).await
    }

    /// Gives an actor of this node a name, under which this and other nodes find it.
    ///
    /// # Errors
    /// When the name is taken by a living actor, or the table of names is full.
    pub fn register<A: Actor>(&self, name: &str, actor: &ActorRef<A>) -> Result<(), NameTaken> {
        self.shared.system.register(name, actor)
    }

    /// The actor of this node that holds the name, if it is of type `A`.
    #[must_use]
    pub fn lookup<A: Actor>(&self, name: &str) -> Option<ActorRef<A>> {
        self.shared.system.lookup(name)
    }

    /// Who holds a name on this node, now and whenever it changes.
    ///
    /// # Errors
    /// When the table of names is full.
    pub fn subscribe(&self, name: &str) -> Result<NameChanges, NameTaken> {
        self.shared.system.subscribe(name)
    }

    /// The names, groups and topics of the whole cluster.
    #[must_use]
    pub fn cluster(&self) -> Cluster {
        Cluster::new(self.clone())
    }

    /// Another node, by its name, whether it is there now or not.
    #[must_use]
    pub fn on(&self, node: &str) -> RemoteNode {
        RemoteNode::new(self.clone(), node.to_owned())
    }

    /// The other members and their changes, without a gap.
    #[must_use]
    pub fn members(&self) -> Members {
        self.shared.directory.subscribe()
    }

    /// The other members now, in the order of their ids.
    #[must_use]
    pub fn members_now(&self) -> Vec<Member> {
        self.shared.directory.members()
    }

    /// What this node says of itself to all others.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.shared.own.profile()
    }

    /// Says something else of this node from now on. Others see it as [`MemberEvent::Changed`](crate::MemberEvent) within
    /// about a second, in a cluster of more than ten members within a tenth of a second for each, so that all of them
    /// together say no more in a large cluster; of what is said in between the last counts.
    ///
    /// A node measures its load itself: each five seconds it takes the share of the last 12.8 s in which its workers were at
    /// work, and says it when it has changed by a tenth. Once the program says another load than the node has said, here or
    /// in [`NodeBuilder::profile`](crate::NodeBuilder::profile), the node measures it no more.
    ///
    /// # Errors
    /// When it cannot travel; the node goes on with what it said before.
    ///
    /// # Examples
    /// ```
    /// # fn example(node: odeon::Node) -> Result<(), odeon::ProfileError> {
    /// // In thousandths of what it can do: whoever spawns on the least loaded node looks at it.
    /// node.describe(odeon::Profile { load: 350, ..node.profile() })
    /// # }
    /// ```
    pub fn describe(&self, profile: Profile) -> Result<(), ProfileError> {
        self.redescribe(|own| *own = profile)
    }

    /// As [`describe`](Self::describe), from what the node says at this moment: what `change` leaves alone, such as a load
    /// that the node measures, stays.
    ///
    /// # Errors
    /// As there.
    pub fn redescribe(&self, change: impl FnOnce(&mut Profile)) -> Result<(), ProfileError> {
        self.shared.own.change(|profile| {
            change(profile);
            profile.check()
        })
    }

    /// The actors of this node.
    #[must_use]
    pub fn system(&self) -> &ActorSystem {
        &self.shared.system
    }

    /// This node's windows to the world.
    #[must_use]
    pub fn env(&self) -> &Arc<dyn Env> {
        &self.shared.env
    }

    /// What the actors of this node counted.
    #[must_use]
    pub fn stats(&self) -> SystemStats {
        self.shared.system.stats()
    }

    /// A picture of all actors of this node: who has spawned whom, and how each is; it prints as a tree. It waits at
    /// most a second for the workers.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn tree(&self) -> Tree {
        self.shared.system.tree().await
    }

    /// What the actors of this node did, by type and by worker, and what waits at them; it prints as a table. The
    /// actors go on meanwhile; it waits at most a second for the workers.
    ///
    /// ```no_run
    /// # async fn example(node: odeon::Node) {
    /// println!("{}", node.metrics().await);
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn metrics(&self) -> Metrics {
        self.shared.system.metrics().await
    }

    /// The ways to other nodes in figures: what went over them, what waits and for how long, round trips and losses; asks
    /// that wait, answers that came too late, messages of others that wait here. It prints in a few lines a node, and looks
    /// at all connections; nobody is stopped or waited for.
    ///
    /// ```no_run
    /// # fn example(node: odeon::Node) {
    /// println!("{}", node.network_metrics());
    /// # }
    /// ```
    #[must_use]
    pub fn network_metrics(&self) -> NetworkMetrics {
        NetworkMetrics::read(&self.shared.outbound.asks, &self.shared.peers)
    }

    /// What this node counted of its cluster: gossip that it did not take, packets of multicast DNS that it did not look at,
    /// messages of topics that its subscriptions missed.
    #[must_use]
    pub fn cluster_stats(&self) -> ClusterStats {
        self.shared.counts.stats(self.shared.roster.listeners.missed())
    }

    /// Between which times the certificates are good that the node shows now: its own and its authority's. A certificate
    /// that has run out makes no new connection; the log speaks of it from two weeks before its end, and of the
    /// authority's from 60 days before. `None` if they cannot be read.
    #[must_use]
    pub fn certificate_validity(&self) -> Option<CertificateValidity> {
        self.shared.peers.certificate_validity()
    }

    /// How many asks of this node wait for other nodes, without [streams](Self::remote_streams).
    #[must_use]
    pub fn remote_asks(&self) -> usize {
        self.shared.outbound.asks.len()
    }

    /// How many streams of items are open between this node and others: those that it reads, and those that it sends. What
    /// is asked for counts as read.
    #[must_use]
    pub fn remote_streams(&self) -> (usize, usize) {
        let outbound = &self.shared.outbound;
        (outbound.asks.streams(), outbound.streams.len())
    }

    /// Takes another identity of this node without a restart: a renewed certificate, other authorities, other lists of
    /// revoked certificates. A node that was started with [`papers`](NodeBuilder::papers) does so by itself when its
    /// files change.
    ///
    /// Connections that there are stay, and no message is lost by it. Those to nodes that would not be accepted any
    /// more are closed at once, and not made again: to a node whose certificate is revoked, or whose authority is trusted
    /// no longer. A certificate that runs out ends no connection, but makes no new one.
    ///
    /// # Errors
    /// When the identity cannot be used: it is another node's, or peers would refuse it. The node goes on with the one
    /// before. When the node has ended.
    ///
    /// # Cancel safety
    /// The identity is taken, or not, all the same.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(node: odeon::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// let papers = odeon::Papers::new("a.pem", "a.key", "ca.pem").revoked("ca.crl");
    /// node.rotate(papers.read()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rotate(&self, identity: Identity) -> Result<(), RotateError> {
        let (answer, answered) = oneshot::channel();
        let order = Rotation { identity, answer };
        self.shared.rotate.send(order).await.map_err(|_| RotateError::Ended)?;
        Ok(answered.await.map_err(|_| RotateError::Ended)??)
    }

    pub(crate) fn outbound(&self) -> &Arc<Outbound> {
        &self.shared.outbound
    }

    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.shared.directory
    }

    pub(crate) fn roster(&self) -> &Arc<RosterHall> {
        &self.shared.roster
    }

    pub(crate) fn counts(&self) -> &Arc<ClusterCounts> {
        &self.shared.counts
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.shared.tasks
    }

    /// Stops the node: actors first; then the others are told to send it nothing more, which takes 2 s at most, and what
    /// they still ask is refused; then what waits in lanes is sent and read by the others, then the goodbyes, then the
    /// connections. Whoever watches one of its actors from another node is told how that ended, not that the node was lost.
    ///
    /// Each of these takes at most `within`. Calling it again waits for the same end, which takes less from then on if this
    /// `within` is shorter, and never longer.
    ///
    /// # Cancel safety
    /// The node stops all the same.
    pub async fn stop(&self, within: Duration) {
        self.order(Stop { within, drains: false });
        self.ended().await;
    }

    /// Stops the node so that others notice as little as can be: as [`stop`](Self::stop), after what other nodes began
    /// here is finished.
    ///
    /// It is [`Phase::Leaving`] at once. Other nodes lose its names, so that whoever follows one looks elsewhere; a
    /// moment later new asks of theirs are refused as `Stopped`, not delivered, which a [retried](odeon_actor::Ask::retry)
    /// ask of a routed target sends to somebody else. Asks and streams that they began before are finished, tells are
    /// taken until no mailbox holds a message, and then the node stops.
    ///
    /// All of it takes at most `within`, and a second more where a handler blocks its thread. What others began has four
    /// fifths of that time, and what is not finished then fares as under a stop. [`stop`](Self::stop) cuts a drain short.
    /// An ask that comes from another node on behalf of one that is being finished here is refused too.
    ///
    /// # Cancel safety
    /// The node drains and stops all the same.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(node: odeon::Node) {
    /// node.drain(std::time::Duration::from_secs(30)).await;
    /// assert_eq!(node.phase(), odeon::Phase::Down);
    /// # }
    /// ```
    pub async fn drain(&self, within: Duration) {
        self.order(Stop { within, drains: true });
        self.ended().await;
    }

    fn order(&self, stop: Stop) {
        self.shared.stop.send_if_modified(|told| stop.give(told));
    }

    /// Waits until the node is asked to end or has ended: from then on it takes nothing new.
    ///
    /// For what a program does beside its actors, such as accepting connections of its own.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn leaving(&self) {
        self.shared.phases.reached(Phase::Leaving).await;
    }
}
