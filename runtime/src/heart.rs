//! The heart: what a node does on its endpoint's thread.
//!
//! What it is: the start of a node from its parts, the tasks that live as long as it, and its orderly end. What it is
//! NOT: the threads (`threads.rs`) or the choices (`builder.rs`). It is called inside a `LocalSet`, real or simulated;
//! what it makes is [`Node`](crate::Node). Read `heart/drain.rs` for what may come before the end.

mod drain;
mod time;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon_actor::{ActorSystem, DeclareError, SpawnOptions, StartError, Threads};
use odeon_env::{DatagramSocket, Env, buggify::any_order};
use odeon_message::{ActorKey, Incarnation, NodeId, planted::Bug};
use odeon_transport::{Identity, LocalHello, Papers, PapersStamp, Transport};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use crate::{
    builder::{NodeBuilder, NodeError},
    circles::Circles,
    client::guest::Guest,
    cluster::foreman::{self, Foreman},
    cluster_stats::ClusterCounts,
    directory::Directory,
    drain::Gate,
    expiry,
    follower::Follower,
    inbound::Inbound,
    join::{Beginning, Join, Mdns, Place},
    load::{self, Own},
    membership::MembershipHall,
    newsfeed::{News, Newsfeed},
    node::{Node, Shared},
    outbound::{Outbound, OutboundRemotes},
    phase::Phases,
    registrar::Registrar,
    roster::{Here, RosterHall, receptionist::Receptionist, telling},
    rotation::{self, Rotation},
    tasks::Tasks,
};
pub(crate) use time::Stop;
use time::{Time, told_to_stop};

/// How long a node that stops waits at most until the others have heard that its names and groups are no more.
const LEAVE_WITHIN: Duration = Duration::from_millis(500);

/// How long a node that stops waits at most until the others have sent all that they send it: some round trips to the
/// other side of the earth. One that is silent is waited for so long in vain.
const HUSH_WITHIN: Duration = Duration::from_secs(2);

/// Starts the workers of a system, where and how many is the host's choice.
pub(crate) trait Workers {
    fn start(&mut self, system: &ActorSystem);

    /// Threads for actors that block.
    fn threads(&mut self, tasks: &Tasks) -> Arc<dyn Threads>;
}

/// A started node and what must be polled for it to live.
pub(crate) struct Heart {
    pub(crate) node: Node,
    transport: Rc<Transport>,
    news: Rc<Newsfeed>,
    directory: Arc<Directory>,
    phases: Arc<Phases>,
    own: Arc<Own>,
    tasks: JoinSet<()>,
    stop: watch::Receiver<Option<Stop>>,
    gate: Arc<Gate>,
    /// The last field: dropped when all else is.
    _ended: Ended,
}

/// Says that the node has ended, however it came to it: whoever waits for that must not wait for ever.
struct Ended {
    directory: Arc<Directory>,
    phases: Arc<Phases>,
    roster: Arc<RosterHall>,
}

impl Ended {
    fn of(directory: &Arc<Directory>, phases: &Arc<Phases>, roster: Arc<RosterHall>) -> Self {
        Self { directory: Arc::clone(directory), phases: Arc::clone(phases), roster }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.directory.close();
        self.roster.close();
        self.phases.down();
    }
}

/// The actors of a node, with all that it declares.
fn make_system(
    builder: &mut NodeBuilder,
    node: NodeId,
    incarnation: Incarnation,
) -> Result<ActorSystem, NodeError> {
    let (config, env) = (builder.system.clone(), Arc::clone(&builder.env));
    let here = tokio::runtime::Handle::current();
    let system = ActorSystem::new(config, env, node, incarnation, here);
    declare_all(&system, builder)?;
    Ok(system)
}

impl Heart {
    /// Starts a node on the current `LocalSet`.
    pub(crate) async fn start(
        mut builder: NodeBuilder,
        workers: &mut dyn Workers,
    ) -> Result<Self, NodeError> {
        let env = Arc::clone(&builder.env);
        // Before they are read: what changes meanwhile is seen later.
        let papers = builder.papers.clone().map(|papers| (papers.stamp(), papers));
        let identity = builder.make_identity()?;
        let (socket, [local, addr]) = builder.socket()?;
        let incarnation = new_incarnation(&*env);
        let system = make_system(&mut builder, NodeId::of(identity.node_name()), incarnation)?;
        workers.start(&system);
        system.start_endpoint_worker();

        let (directory, phases) = (Arc::new(Directory::new()), Arc::new(Phases::new()));
        let circles = Circles::new(system.node(), identity.node_name());
        builder.propagation.take().into_iter().for_each(|one| system.set_propagation(one));
        let outbound = outbound(&system, &directory, circles);
        system.set_remotes(Arc::new(OutboundRemotes(Arc::clone(&outbound))));
        let (tasks, task_owner) = Tasks::new();
        system.set_threads(workers.threads(&tasks));
        builder.stealing.take().into_iter().for_each(|runtime| system.set_stealing(runtime));
        let own = Arc::new(Own::new(builder.profile.clone()));
        let seen = (&directory, &phases, own.subscribe());
        let here = Here::new(identity.node_name(), addr, seen, !builder.guest);
        let (gate, roster) = place_all((&system, &outbound), &tasks, here, &mut builder).await?;
        let counts = Arc::new(ClusterCounts::default());
        let news = Rc::new(Newsfeed::new(&counts));
        let events = Inbound::new(&system, &outbound, &news, &gate, &roster);
        let hello = hello(&system, incarnation, addr, builder.guest);
        #[cfg(test)]
        let hello = if builder.before_publish { without_publish(hello) } else { hello };
        let transport = carry(&builder, &env, identity.clone(), socket, hello, events)?;
        outbound.connect(transport.peers());

        let (stop_sender, stop) = watch::channel(None);
        let (rotate, orders) = mpsc::channel(1);
        let shared = Shared {
            name: identity.node_name().to_owned(),
            addr,
            env,
            system,
            directory: Arc::clone(&directory),
            outbound,
            phases: Arc::clone(&phases),
            own: Arc::clone(&own),
            tasks,
            stop: stop_sender,
            peers: transport.peers(),
            rotate,
            roster: Arc::clone(&roster),
            counts,
        };
        let node = Node::new(shared);
        let ended = Ended::of(&directory, &phases, roster);
        let mut heart = Self {
            node,
            transport,
            news,
            directory,
            phases,
            own,
            tasks: JoinSet::new(),
            stop,
            gate,
            _ended: ended,
        };
        heart.tasks.spawn_local(task_owner.run());
        heart.watch_workers();
        heart.start_rotation(orders, papers);
        heart.start_view(&builder, incarnation, local)?;
        Ok(heart)
    }

    fn watch_workers(&mut self) {
        let watched = self.node.system().clone();
        self.tasks.spawn_local(async move { watched.watch_workers().await });
        // In a simulation nobody looks at workers.
        if self.node.env().observer().is_none() {
            let system = self.node.system().clone();
            self.tasks.spawn_local(load::measure(system, Arc::clone(&self.own)));
        }
    }

    /// Lets the node take other papers: by order, and when its files have changed.
    fn start_rotation(
        &mut self,
        orders: mpsc::Receiver<Rotation>,
        papers: Option<(PapersStamp, Papers)>,
    ) {
        self.tasks.spawn_local(rotation::obey(orders, Rc::clone(&self.transport)));
        let env = Arc::clone(self.node.env());
        self.tasks.spawn_local(expiry::watch(env, self.transport.peers()));
        if let Some((taken, papers)) = papers {
            self.tasks.spawn_local(rotation::watch(papers, taken, Rc::clone(&self.transport)));
        }
    }

    /// How it knows who is there: as a member, or as a client.
    fn start_view(
        &mut self,
        builder: &NodeBuilder,
        incarnation: Incarnation,
        local: SocketAddr,
    ) -> Result<(), NodeError> {
        let config = &builder.join;
        let beginning = Rc::new(Beginning::new(config.dev, config.bootstrap_expect));
        if builder.guest {
            self.start_guest();
        } else {
            self.start_membership(builder, incarnation, &beginning)?;
        }
        self.start_join(builder, local, beginning);
        Ok(())
    }

    fn start_membership(
        &mut self,
        builder: &NodeBuilder,
        incarnation: Incarnation,
        beginning: &Rc<Beginning>,
    ) -> Result<(), NodeError> {
        let system = self.node.system().clone();
        let env = system.env();
        let name = odeon_cluster::NodeName::new(self.node.name())?;
        let me = odeon_cluster::Member::new(name, incarnation, self.node.addr());
        let mut seed = [0; 8];
        env.entropy(&mut seed);
        let machine = odeon_cluster::Membership::new(
            me,
            builder.membership.clone(),
            u64::from_le_bytes(seed),
        );
        let hall = MembershipHall {
            machine,
            beginning: Rc::clone(beginning),
            news: Rc::clone(&self.news),
            transport: Rc::clone(&self.transport),
            directory: Arc::clone(&self.directory),
            phases: Arc::clone(&self.phases),
            observer: env.observer(),
            counts: Arc::clone(self.node.counts()),
            own: self.own.subscribe(),
            began: Instant::now(),
            system: system.clone(),
            roster: Arc::clone(self.node.roster()),
        };
        self.tasks.spawn_local(any_order(Box::pin(hall.run())));
        let telling = telling::run(Arc::clone(self.node.roster()), self.node.members());
        self.tasks.spawn_local(any_order(Box::pin(telling)));
        Ok(())
    }

    /// In a client: follows the cluster without being part of it.
    fn start_guest(&mut self) {
        let guest = Guest {
            system: self.node.system().clone(),
            news: Rc::clone(&self.news),
            transport: Rc::clone(&self.transport),
            directory: Arc::clone(&self.directory),
            phases: Arc::clone(&self.phases),
            contacts: BTreeMap::new(),
            guide: None,
            failures: 0,
            missing: BTreeMap::new(),
            silent: BTreeSet::new(),
        };
        self.tasks.spawn_local(any_order(Box::pin(guest.run())));
    }

    fn start_join(&mut self, builder: &NodeBuilder, local: SocketAddr, beginning: Rc<Beginning>) {
        let mdns = builder.join.mdns.map(|config| {
            // A client is found by nobody.
            let place = || Place { node: self.node.name().to_owned(), addr: self.node.addr() };
            let own = (!builder.guest).then(place);
            let env = Arc::clone(self.node.env());
            let counts = Arc::clone(self.node.counts());
            Rc::new(Mdns::new((env, counts), config, &self.transport.cluster(), own))
        });
        let join = Join {
            config: builder.join.clone(),
            own: [local, self.node.addr()],
            env: Arc::clone(self.node.env()),
            transport: Rc::clone(&self.transport),
            directory: Arc::clone(&self.directory),
            news: Rc::clone(&self.news),
            phases: Arc::clone(&self.phases),
            beginning,
            mdns,
        };
        self.tasks.spawn_local(any_order(Box::pin(join.run())));
    }

    /// Runs the node until it is told to stop, a later life of it appears, or one of its tasks fails; then ends it in
    /// order.
    pub(crate) async fn run(mut self) {
        let at_once = Stop { within: Duration::ZERO, drains: false };
        let stop = tokio::select! {
            biased;
            stop = self.stop.wait_for(Option::is_some) => stop.ok().and_then(|it| *it).unwrap_or(at_once),
            () = self.phases.was_superseded() => at_once,
            // They run for ever: without one of them the node would live on deaf, or unseen.
            Some(task) = self.tasks.join_next() => {
                let error = task.err().map(|error| error.to_string());
                tracing::error!(node = self.node.name(), error, "a task of the node has ended: the node stops");
                at_once
            }
        };
        // From here on, so that all that follows is in the time of the order.
        let mut time = Time::of(stop);
        self.phases.leaving();
        self.own.leave();
        self.transport.say_leaving();
        // Before its actors stop, so that others send them nothing that would only be refused.
        if let Some(version) = self.node.roster().leave() {
            let roster = self.node.roster();
            time.phase(&mut self.stop, LEAVE_WITHIN, |within| roster.told(version, within)).await;
        }
        if stop.drains {
            self.drain(&mut time).await;
        }
        self.end(time).await;
    }

    /// Ends the node phase by phase; who is told to stop sooner meanwhile gives each of them less.
    async fn end(mut self, mut time: Time) {
        let (system, transport) = (self.node.system(), &self.transport);
        time.phase(&mut self.stop, Duration::MAX, |within| system.stop(within)).await;
        // What others have just asked is refused behind the closed gate, or by the lack of an actor. Without this it would
        // be lost with the connections, and nobody could say whether it ran.
        time.phase(&mut self.stop, HUSH_WITHIN, |within| transport.hush(within)).await;
        // Before the goodbye: whoever hears it takes nothing from this node any more, and would hold the ends of its
        // actors, which are on their way, for unknown.
        time.phase(&mut self.stop, Duration::MAX, |within| transport.flush(within)).await;
        self.news.push(News::Leave);
        if !self.directory.is_empty() {
            // No answer within the time: the others will notice by themselves.
            let left = |within| tokio::time::timeout(within, self.phases.has_left());
            time.phase(&mut self.stop, Duration::MAX, left).await;
        }
        time.phase(&mut self.stop, Duration::MAX, |within| transport.close(within)).await;
        self.tasks.shutdown().await;
    }
}

/// Makes the types of the node's own actors known, and then the program's.
fn declare_all(system: &ActorSystem, builder: &mut NodeBuilder) -> Result<(), DeclareError> {
    system.declare::<Registrar>()?;
    system.declare::<Follower>()?;
    system.declare::<Receptionist>()?;
    system.declare::<Foreman>()?;
    builder.declarations.drain(..).try_for_each(|declare| declare(system))
}

/// Starts what carries messages to other nodes and brings theirs.
fn carry(
    builder: &NodeBuilder,
    env: &Arc<dyn Env>,
    identity: Identity,
    socket: Arc<dyn DatagramSocket>,
    hello: LocalHello,
    events: Inbound,
) -> Result<Rc<Transport>, NodeError> {
    let (env, config) = (Arc::clone(env), builder.transport.clone());
    Ok(Transport::start(env, socket, identity, hello, config, Rc::new(events))?)
}

/// What the node says of itself in each handshake.
fn hello(
    system: &ActorSystem,
    incarnation: Incarnation,
    advertise: SocketAddr,
    guest: bool,
) -> LocalHello {
    let accepted = system.accepted().iter().map(|one| (one.message, one.fingerprint)).collect();
    LocalHello { incarnation, advertise, accepted, guest }
}

/// What a program from before clients could publish says.
#[cfg(test)]
fn without_publish(hello: LocalHello) -> LocalHello {
    use odeon_message::Message as _;

    let publish = crate::roster::carrying::Publish::CODEC.map(|codec| codec.id());
    let accepted = hello.accepted.into_iter().filter(|one| Some(one.0) != publish).collect();
    LocalHello { accepted, ..hello }
}

fn outbound(system: &ActorSystem, directory: &Arc<Directory>, circles: Circles) -> Arc<Outbound> {
    let propagation = Arc::clone(system.propagation());
    Arc::new(Outbound::new(Arc::clone(directory), circles, system.config(), propagation))
}

/// Starts the actors that every node has, each at its place.
async fn place_all(
    (system, outbound): (&ActorSystem, &Arc<Outbound>),
    tasks: &Tasks,
    here: Here,
    builder: &mut NodeBuilder,
) -> Result<(Arc<Gate>, Arc<RosterHall>), NodeError> {
    let gate = Arc::new(Gate::new());
    let config = (builder.roster.clone(), builder.transport.clock_skew_max);
    let roster = RosterHall::new(system, config, here);
    place_registrar(system, tasks, &gate).await?;
    place_receptionist(system, (&roster, outbound)).await?;
    foreman::appoint(std::mem::take(&mut builder.spawners), system, (&roster, tasks)).await?;
    Ok((gate, roster))
}

/// The registrar must be the first actor that other nodes can reach: they know it by its place, which it keeps
/// when the node joins anew under another incarnation.
async fn place_registrar(
    system: &ActorSystem,
    tasks: &Tasks,
    gate: &Arc<Gate>,
) -> Result<(), NodeError> {
    let registrar = system
        .spawn::<Registrar>((tasks.clone(), Arc::clone(gate)), SpawnOptions::default())
        .await
        .map_err(NodeError::Registrar)?;
    let address = system.pin(&registrar);
    let key = address.expect("its type is declared above, and the table is empty").key;
    debug_assert_eq!(
        key,
        ActorKey { slot: 0, generation: 0 },
        "nothing was exported before the registrar"
    );
    Ok(())
}

/// The receptionist is the second one, for the same reason.
async fn place_receptionist(
    system: &ActorSystem,
    (roster, outbound): (&Arc<RosterHall>, &Arc<Outbound>),
) -> Result<(), NodeError> {
    let args = (Arc::clone(roster), OutboundRemotes(Arc::clone(outbound)));
    let receptionist = system
        .spawn::<Receptionist>(args, SpawnOptions::default())
        .await
        .map_err(NodeError::Registrar)?;
    let address = system.pin(&receptionist);
    // The table may have room for one actor alone.
    let address = address.map_err(|error| NodeError::Registrar(StartError::new(error)))?;
    debug_assert_eq!(address.key, Receptionist::KEY, "only the registrar was exported before it");
    Ok(())
}

/// A number greater than those of all earlier lives of this node: microseconds since 1970.
///
/// A wall clock that was set back makes it smaller; then the cluster says so when the node joins, and the node takes
/// a greater one.
fn new_incarnation(env: &dyn Env) -> Incarnation {
    let since = env.wall_clock().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    if Bug::IncarnationReused.is_planted() {
        return Incarnation(since.as_secs() / 3_600);
    }
    Incarnation(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// The address to listen at and the one to tell others.
pub(crate) fn advertised(local: SocketAddr, advertise: Option<SocketAddr>) -> Option<SocketAddr> {
    match advertise {
        Some(addr) if addr.ip().is_unspecified() => None,
        Some(addr) if addr.port() == 0 => Some(SocketAddr::new(addr.ip(), local.port())),
        Some(addr) => Some(addr),
        None if local.ip().is_unspecified() => None,
        None => Some(local),
    }
}
