//! How a node comes to be: its choices, checked, and its start.
//!
//! What it is: [`NodeBuilder`] and the errors of a start, [`NodeError`]. What it is NOT: the start itself, which is
//! the heart's (`heart.rs`), on threads of its own (`threads.rs`) or inside the caller's `LocalSet`.

use std::{io, net::SocketAddr, pin::Pin, sync::Arc};

use odeon_actor::{
    Actor, ActorSystem, DeclareError, DynamicSpec, StartError, SystemConfig, ThreadJob, Threads,
    TracePropagation,
};
use odeon_cluster::{BoundsError, MembershipConfig, Profile, ProfileError, RosterConfig};
use odeon_env::{DatagramSocket, Env, RealEnv};
use odeon_message::{Message, Schema, Wire};
use odeon_transport::{
    Ca, CaError, Identity, IdentityError, Papers, TransportConfig, TransportError, Validity,
};
use tokio::runtime::Handle;

use crate::{
    cluster::foreman::Spawner,
    heart::{Heart, Workers, advertised},
    join::{JoinConfig, JoinConfigError},
    node::Node,
    tasks::Tasks,
    threads,
};

/// Most worker threads of a node.
const WORKERS_MAX: usize = 1024;

/// How long the certificate of a node that was given none is valid; it lives in memory only.
const EPHEMERAL: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);

/// Why a node did not start. Variants in order of blame: the caller's values, then the machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The node's name cannot be used.
    #[error(transparent)]
    Name(#[from] odeon_cluster::NameError),
    /// The certificate belongs to a node of another name.
    #[error(
        "the certificate is for node {certificate} and the node is called {name}: use one issued for {name}"
    )]
    Identity {
        /// The node's name.
        name: String,
        /// The name in the certificate.
        certificate: String,
    },
    /// A value of joining is out of its bounds.
    #[error(transparent)]
    Join(#[from] JoinConfigError),
    /// A value of membership or of the roster is out of its bounds.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// What the node says of itself cannot travel.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// There are seeds and no certificate: no node would let this one in.
    #[error(
        "a node that joins others, here {seed}, needs a certificate that their authority has issued: give it with \
         NodeBuilder::identity, or leave the seed out and start the node alone"
    )]
    NoIdentity {
        /// The first seed, or where else it looks for others.
        seed: String,
    },
    /// The files of its identity cannot be used.
    #[error(transparent)]
    Papers(#[from] IdentityError),
    /// A certificate for this program alone could not be made.
    #[error(transparent)]
    Certificate(#[from] CaError),
    /// Two declared types share an id.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// A value is out of its bounds.
    #[error("{value} worker threads: use 1 to {WORKERS_MAX}")]
    Workers {
        /// The value.
        value: usize,
    },
    /// The address to listen at cannot be used.
    #[error(
        "cannot listen at {listen}: {source}; use a free port of an address of this machine, or port 0"
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The node listens everywhere, and cannot know under which address others reach it.
    #[error(
        "listening at {listen}, which is no address others can dial: say with advertise where they reach it"
    )]
    Advertise {
        /// Where it listens.
        listen: SocketAddr,
    },
    /// The node would tell its whole network an address at which only its own machine reaches it.
    #[error(
        "multicast DNS would tell others to dial {addr}, which is this machine alone: listen at an address of the network, \
         or say with advertise where others reach this node; nodes of one machine keep to themselves with the mDNS \
         interface 127.0.0.1"
    )]
    MdnsLoopback {
        /// Where it would say that it is.
        addr: SocketAddr,
    },
    /// The endpoint did not start.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The node's own registrar, or its receptionist, did not start.
    #[error("the node's registrar or receptionist did not start: {0}")]
    Registrar(#[source] StartError),
    /// What starts actors for other nodes did not start.
    #[error("the supervisor of actors that other nodes start did not start: {0}")]
    Spawnable(#[source] StartError),
    /// A thread could not be started.
    #[error("cannot start a thread of the node: {0}; raise the limit on threads")]
    Thread(#[source] io::Error),
}

/// Makes the supervisor of a type whose actors other nodes start here.
pub(crate) type MakingSpawner = Pin<Box<dyn Future<Output = Result<Spawner, StartError>> + Send>>;

pub(crate) type MakeSpawner = Box<dyn FnOnce(ActorSystem) -> MakingSpawner + Send>;

type Declaration = Box<dyn FnOnce(&ActorSystem) -> Result<(), DeclareError> + Send>;

/// A node to be.
///
/// # Examples
/// A node of a program of its own, whose certificate `odeon ca issue` has made:
/// ```no_run
/// use odeon::{Node, Papers};
/// # use odeon::{Actor, Context, StartError, actor};
/// # struct Account;
/// # #[actor(id = "bank/Account", handles())]
/// # impl Actor for Account {
/// #     type Args = ();
/// #     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> { Ok(Self) }
/// # }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("b")
///     .papers(Papers::new("b.pem", "b.key", "ca.pem").revoked("ca.crl"))
///     .listen("10.0.0.2:7400".parse()?)
///     .seed("10.0.0.1:7400") // of the first node, which starts with `.alone()`
///     .actor::<Account>() // what other nodes may send to
///     .start()
///     .await?;
/// assert!(node.joined().await);
/// # Ok(())
/// # }
/// ```
#[must_use = "a node to be is nothing until it is started"]
pub struct NodeBuilder {
    pub(crate) name: String,
    cluster: String,
    listen: SocketAddr,
    advertise: Option<SocketAddr>,
    given: Option<Identity>,
    pub(crate) papers: Option<Papers>,
    pub(crate) join: JoinConfig,
    pub(crate) profile: Profile,
    /// It is a client, and no member.
    pub(crate) guest: bool,
    /// The node says in its handshakes what a program from before clients could publish says.
    #[cfg(test)]
    pub(crate) before_publish: bool,
    pub(crate) workers: Option<usize>,
    pub(crate) stealing: Option<Handle>,
    pub(crate) propagation: Option<Arc<dyn TracePropagation>>,
    pub(crate) system: SystemConfig,
    pub(crate) transport: TransportConfig,
    pub(crate) membership: MembershipConfig,
    pub(crate) roster: RosterConfig,
    pub(crate) declarations: Vec<Declaration>,
    pub(crate) spawners: Vec<MakeSpawner>,
    pub(crate) env: Arc<dyn Env>,
}

impl NodeBuilder {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            cluster: "odeon".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: None,
            given: None,
            papers: None,
            join: JoinConfig::default(),
            profile: Profile::default(),
            guest: false,
            #[cfg(test)]
            before_publish: false,
            workers: None,
            stealing: None,
            propagation: None,
            system: SystemConfig::default(),
            transport: TransportConfig::default(),
            membership: MembershipConfig::default(),
            roster: RosterConfig::default(),
            declarations: Vec::new(),
            spawners: Vec::new(),
            env: Arc::new(RealEnv),
        }
    }

    /// Who the node is: certificate, key and the authority whose nodes it trusts. Its cluster is the certificate's.
    ///
    /// Without one the node makes an authority of its own in memory, and no other node can join it.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.given = Some(identity);
        self
    }

    /// Who the node is, in files: as [`identity`](Self::identity), and what changes in the files later is taken within
    /// seconds, without a restart. What cannot be used is logged as an error, and the node goes on with what it had.
    ///
    /// The files are looked at each second and read when they rest, so they may be replaced one after the other. An
    /// identity that is given as well counts for nothing.
    pub fn papers(mut self, papers: Papers) -> Self {
        self.papers = Some(papers);
        self
    }

    /// Where to listen. Default `127.0.0.1:0`: loopback, on a port that the system chooses.
    pub fn listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// Where other nodes reach this one, where that is not the address it listens at; port 0 is the port it listens
    /// at.
    pub fn advertise(mut self, advertise: SocketAddr) -> Self {
        self.advertise = Some(advertise);
        self
    }

    /// The `host:port` of a node that may be in the cluster already; may be called several times. The node keeps
    /// asking its seeds until one answers, and its own address among them does no harm. It needs an
    /// [identity](Self::identity) that their authority has issued.
    pub fn seed(mut self, seed: impl Into<String>) -> Self {
        self.join.seeds.push(seed.into());
        self
    }

    /// The node may be a cluster of its own: it is up at once, and others join it. See [`JoinConfig::dev`].
    pub fn alone(mut self) -> Self {
        self.join.dev = true;
        self
    }

    /// With so many nodes that know each other, itself counted, the node may begin a cluster. See
    /// [`JoinConfig::bootstrap_expect`].
    pub fn bootstrap_expect(mut self, nodes: usize) -> Self {
        self.join.bootstrap_expect = nodes;
        self
    }

    /// Where the node looks for others, how often, and whether it may begin a cluster, in place of all that was said of
    /// it before. Each source needs an [identity](Self::identity).
    pub fn join(mut self, config: JoinConfig) -> Self {
        self.join = config;
        self
    }

    /// What the node says of itself to all others: zone, roles, version, load. Default: nothing but its load, which it
    /// measures unless one is given here. It may say something else later, [`Node::describe`].
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// An actor type that other nodes may send to; its id and messages are checked against all others when the node
    /// starts.
    pub fn actor<A: Actor>(mut self) -> Self {
        self.declarations.push(Box::new(ActorSystem::declare::<A>));
        self
    }

    /// Lets other nodes start actors of this type here, with [`Cluster::spawn_on`](crate::Cluster::spawn_on), each as a
    /// child of one supervisor, which `spec` describes; a type that has an id. When the supervisor gives up it is started
    /// anew with the next start. Declares the type as [`actor`](Self::actor) does.
    pub fn spawnable<A>(mut self, spec: DynamicSpec<A>) -> Self
    where
        A: Actor,
        A::Args: Wire + Schema,
    {
        self = self.actor::<A>();
        if let Some(id) = A::ID {
            let make = move |system: ActorSystem| -> MakingSpawner {
                Box::pin(Spawner::of(system, id, spec))
            };
            self.spawners.push(Box::new(make));
        }
        self
    }

    /// Messages of this type may be listened to on this node; see [`Cluster::subscribe`](crate::Cluster::subscribe). What
    /// an actor type [declared](Self::actor) here handles needs no word.
    pub fn topic<M: Message>(mut self) -> Self {
        self.declarations.push(Box::new(ActorSystem::declare_message::<M>));
        self
    }

    /// Threads that run actors, 1 to 1024. Default: one less than the machine has, for the endpoint has one of its
    /// own; at least one.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// The program's own multi-thread runtime, for actors with
    /// [`Placement::Stealing`](odeon_actor::Placement::Stealing). It needs timers if such actors use any, and must live
    /// until the node was stopped: when it ends, they are killed. Default: none, and no such actor starts.
    ///
    /// # Examples
    /// ```
    /// use odeon::{Node, Placement, SpawnOptions};
    /// # use odeon::{Actor, Context, StartError};
    /// # struct Desk;
    /// # impl Actor for Desk {
    /// #     type Args = ();
    /// #     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> { Ok(Self) }
    /// # }
    ///
    /// #[tokio::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let runtime = tokio::runtime::Handle::current();
    ///     let node = Node::builder("web").alone().stealing(runtime).start().await?;
    ///     let here = SpawnOptions::default().placement(Placement::Stealing);
    ///     let desk = node.spawn_opts::<Desk>((), here).await?;
    ///     assert!(desk.is_local());
    ///     node.stop(std::time::Duration::from_secs(5)).await;
    ///     Ok(())
    /// }
    /// ```
    pub fn stealing(mut self, runtime: Handle) -> Self {
        self.stealing = Some(runtime);
        self
    }

    /// How spans of this node become part of traces that span nodes, as with OpenTelemetry; see [`TracePropagation`].
    /// Default: [`TraceIds`](odeon_actor::TraceIds), which make ids of their own, in the same form (W3C Trace Context),
    /// so that nodes of both sorts pass a trace on. Nothing of it is called, and no message is longer, unless somebody
    /// listens to spans of `odeon::actor` at `TRACE`.
    pub fn trace_propagation(mut self, propagation: impl TracePropagation) -> Self {
        self.propagation = Some(Arc::new(propagation));
        self
    }

    /// Bounds of the actor system.
    pub fn system(mut self, config: SystemConfig) -> Self {
        self.system = config;
        self
    }

    /// Bounds and times of the transport.
    pub fn transport(mut self, config: TransportConfig) -> Self {
        self.transport = config;
        self
    }

    /// Times of the membership protocol.
    pub fn membership(mut self, config: MembershipConfig) -> Self {
        self.membership = config;
        self
    }

    /// Bounds and times of names and groups of the cluster.
    pub fn roster(mut self, config: RosterConfig) -> Self {
        self.roster = config;
        self
    }

    /// The node's windows to the world. Default: the real world, without a disk; `RealEnv::builder().data_folder(…)` has
    /// one.
    pub fn env(mut self, env: Arc<dyn Env>) -> Self {
        self.env = env;
        self
    }

    /// Starts the node on threads of its own: one for the endpoint, one for each worker.
    ///
    /// # Errors
    /// See [`NodeError`]; nothing is left behind.
    ///
    /// # Cancel safety
    /// Dropping the future ends the node that was about to start.
    pub async fn start(self) -> Result<Node, NodeError> {
        self.check()?;
        threads::start(self).await
    }

    /// Starts the node inside the current `LocalSet`, workers included, with `workers` run queues on this one thread.
    /// This is how a simulation runs many nodes in one thread.
    ///
    /// The node lives as long as the `LocalSet`; [`Node::stop`] ends it in order.
    ///
    /// # Errors
    /// See [`NodeError`].
    ///
    /// # Panics
    /// Outside of a `LocalSet`.
    ///
    /// # Cancel safety
    /// Workers without work stay in the `LocalSet` until it is dropped.
    pub async fn start_here(self) -> Result<Node, NodeError> {
        self.check()?;
        let count = self.workers.unwrap_or(1);
        let heart = Heart::start(self, &mut Here { count }).await?;
        let node = heart.node.clone();
        tokio::task::spawn_local(heart.run());
        Ok(node)
    }

    fn check(&self) -> Result<(), NodeError> {
        if let Some(value) = self.workers.filter(|value| !(1..=WORKERS_MAX).contains(value)) {
            return Err(NodeError::Workers { value });
        }
        self.join.check()?;
        self.profile.check()?;
        self.membership.check()?;
        self.roster.check()?;
        self.check_mdns()?;
        match self.join.first_source() {
            Some(seed) if self.given.is_none() && self.papers.is_none() => {
                Err(NodeError::NoIdentity { seed })
            }
            _ => Ok(()),
        }
    }

    /// A node that says where it is says something that others can dial.
    fn check_mdns(&self) -> Result<(), NodeError> {
        let addr = self.advertise.unwrap_or(self.listen);
        match self.join.mdns {
            // A client says nothing.
            Some(mdns)
                if !self.guest && addr.ip().is_loopback() && !mdns.interface.is_loopback() =>
            {
                Err(NodeError::MdnsLoopback { addr })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn make_identity(&self) -> Result<Identity, NodeError> {
        let read = self.papers.as_ref().map(Papers::read).transpose()?;
        let Some(given) = read.as_ref().or(self.given.as_ref()) else {
            let validity = Validity::from(self.env.wall_clock(), EPHEMERAL);
            return Ok(Ca::new(&self.cluster, validity)?.issue(&self.name, validity)?);
        };
        if given.node_name() == self.name {
            return Ok(given.clone());
        }
        Err(NodeError::Identity {
            name: self.name.clone(),
            certificate: given.node_name().to_owned(),
        })
    }

    /// Opens the socket, bound to the first address; the second is the one to tell others.
    pub(crate) fn socket(&self) -> Result<(Arc<dyn DatagramSocket>, [SocketAddr; 2]), NodeError> {
        let listen = self.listen;
        let failed = |source| NodeError::Listen { listen, source };
        let socket = self.env.bind(listen).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        let addr =
            advertised(local, self.advertise).ok_or(NodeError::Advertise { listen: local })?;
        Ok((socket, [local, addr]))
    }
}

/// Workers on the thread that starts them.
struct Here {
    count: usize,
}

impl Workers for Here {
    fn start(&mut self, system: &ActorSystem) {
        (0..self.count).for_each(|_| system.start_worker());
    }

    fn threads(&mut self, tasks: &Tasks) -> Arc<dyn Threads> {
        Arc::new(NoThreads { tasks: tasks.clone() })
    }
}

/// Workers for blocking actors on the one thread there is.
struct NoThreads {
    tasks: Tasks,
}

impl Threads for NoThreads {
    fn start(&self, job: ThreadJob) -> io::Result<()> {
        let busy = || io::Error::from(io::ErrorKind::ResourceBusy);
        self.tasks.run(job.run()).then_some(()).ok_or_else(busy)
    }
}
