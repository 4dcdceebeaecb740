//! Odeon: typed actors that run on many machines as one program.
//!
//! An actor is a value that handles one message at a time, in `async` methods. Whoever holds an [`ActorRef`] sends to
//! it with `tell` and asks it with `ask`, and does not see whether it lives on the same thread or on another machine.
//! Between machines a message is an [rkyv](https://rkyv.org) archive, sent over QUIC, always encrypted, both sides
//! authenticated. Nodes find each other, and tell when one is gone. A failed call says whether the message was not
//! delivered, may have run, or ran.
//!
//! # A first actor
//!
//! ```
//! use std::time::Duration;
//!
//! use odeon::{Actor, Context, Handler, Node, StartError, actor, message};
//!
//! #[message(id = "bank/Deposit", reply = u64)]
//! struct Deposit {
//!     cents: u64,
//! }
//!
//! #[derive(Clone, Default)]
//! struct Account {
//!     cents: u64,
//! }
//!
//! #[actor(id = "bank/Account", handles(Deposit))]
//! impl Actor for Account {
//!     type Args = Self; // what a supervisor starts it from again
//!
//!     async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
//!         Ok(args)
//!     }
//! }
//!
//! impl Handler<Deposit> for Account {
//!     async fn handle(&mut self, deposit: Deposit, _: &mut Context<Self>) -> u64 {
//!         self.cents += deposit.cents;
//!         self.cents
//!     }
//! }
//!
//! #[odeon::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let node = Node::builder("a").alone().actor::<Account>().start().await?;
//!     let account = node.spawn(Account::default()).await?;
//!     account.tell(Deposit { cents: 5 }).await?;
//!     assert_eq!(account.ask(Deposit { cents: 1 }).await?, 6);
//!     node.stop(Duration::from_secs(5)).await;
//!     Ok(())
//! }
//! ```
//!
//! # Two nodes
//!
//! Each node has a certificate of one authority, here one in memory; nodes in programs of their own read theirs with
//! [`Identity::from_pem_files`]. One node is the first, [alone](NodeBuilder::alone), the others have
//! [seeds](NodeBuilder::seed). What is to be reached from other nodes has an id, lists its messages in `handles(…)`, and
//! is declared with [`NodeBuilder::actor`] on each node that runs it.
//!
//! ```
//! # use odeon::{Actor, Context, Handler, StartError, actor, message};
//! # #[message(id = "bank/Deposit", reply = u64)]
//! # struct Deposit { cents: u64 }
//! # #[derive(Clone, Default)]
//! # struct Account { cents: u64 }
//! # #[actor(id = "bank/Account", handles(Deposit))]
//! # impl Actor for Account {
//! #     type Args = Self;
//! #     async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> { Ok(args) }
//! # }
//! # impl Handler<Deposit> for Account {
//! #     async fn handle(&mut self, deposit: Deposit, _: &mut Context<Self>) -> u64 {
//! #         self.cents += deposit.cents;
//! #         self.cents
//! #     }
//! # }
//! use std::time::{Duration, SystemTime};
//!
//! use odeon::{Ca, Node, Validity};
//!
//! #[odeon::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let ca = Ca::in_memory("shop")?;
//!     let validity = Validity::from(SystemTime::now(), Duration::from_secs(24 * 3600));
//!     let node = |name| ca.issue(name, validity).map(|it| Node::builder(name).identity(it));
//!
//!     let bank = node("bank")?.alone().actor::<Account>().start().await?;
//!     let till = node("till")?.seed(bank.addr().to_string()).start().await?;
//!     assert!(till.joined().await);
//!
//!     let account = bank.spawn(Account::default()).await?;
//!     bank.register("account", &account)?;
//!     let found = till.on("bank").lookup::<Account>("account").await?.expect("the bank has it");
//!     assert_eq!(found.ask(Deposit { cents: 5 }).await?, 5);
//!
//!     bank.stop(Duration::from_secs(5)).await;
//!     till.stop(Duration::from_secs(5)).await;
//!     Ok(())
//! }
//! ```
//!
//! # In your own program
//!
//! There is no release yet: depend on the repository, by path or by git. Your own futures run wherever you like; for
//! `#[tokio::main]` you need tokio yourself, `#[odeon::main]` needs nothing more.
//!
//! ```toml
//! [dependencies]
//! odeon = { path = "../odeon/runtime" }   # or { git = "…", rev = "…" }
//! tokio = { version = "1", features = ["rt", "macros"] }
//! ```
//!
//! # Where to read on
//!
//! * [`guide`]: the book, with a tutorial from the first actor to a deployed cluster, one concept a page, a runbook.
//! * [`Node`] and [`NodeBuilder`]: how a node starts, joins and stops; [`RemoteNode`]: names on other nodes.
//! * [`Actor`], [`Handler`], [`Context`]: what an actor does; [`macro@actor`] writes the rest from its methods.
//! * [`ViewHandler`] and [`View`]: messages of other nodes, read where they lie.
//! * [`ActorRef`], [`Ask`], [`Tell`], [`AskError`]: sending, deadlines, and what a failure says.
//! * [`Items`] and [`Outlet`]: asks that are answered with a stream.
//! * [`SpawnOptions`]: a name, bounds of the mailbox, [what a full one does](Overflow), priorities, [where](Placement)
//!   the actor runs.
//! * [`Supervisor`], [`SupervisorSpec`], [`ChildSpec`], [`DynamicSupervisor`]: starting again what fails.
//! * [`Group`], [`Pool`], [`CircuitBreaker`], [`RetryPolicy`], [`Target`]: many actors as one, and calls that are guarded.
//! * [`Recipient`], [`WeakRef`], [`AnyRef`]: references by what they take, without memory, without a type.
//! * [`Node::tree`], [`Node::metrics`], [`Node::stats`], [`Node::network_metrics`], [`Node::cluster_stats`]: what there
//!   is, what it did, what waits, and how the ways to other nodes are.
//! * [`Ca`], [`Identity`], [`Papers`], [`Node::rotate`]: certificates; [`JoinToken`], [`enrol`], [`Enrolment`]: how a
//!   fresh node gets its own.
//! * [`JoinConfig`]: where a node looks for others, and when it may begin a cluster.
//! * [`Cluster`]: names, groups and topics of all nodes; [`ClusterGroup`], [`ClusterName`], [`Topic`],
//!   [`Subscription`].
//! * [`Client`]: a program that is no member; [`ClientGroup`], [`ClientTopic`].
//! * [`TransportConfig`], [`MembershipConfig`], [`SystemConfig`], [`RosterConfig`]: bounds and times.
//! * [`macro@test`] and [`Probe`]: testing.
//! * The folder `examples` of the repository: whole programs, one idea each.
//!
//! Who comes from Erlang or Akka looks for these:
//!
//! | there | here |
//! |---|---|
//! | `cast`, `!`, tell | [`ActorRef::tell`] waits for room, [`try_tell`](ActorRef::try_tell) never waits |
//! | `call`, ask, `ask` with a timeout | [`ActorRef::ask`], [`Ask::within`] |
//! | `noreply` and `reply` later, `replyTo` | [`Context::defer`] and the [`Responder`] |
//! | forward | [`Context::forward`] |
//! | `pipeToSelf`, a task's message to its caller | [`Context::pipe`]; a task of the node: [`spawn`] |
//! | stash, a selective `receive` | [`Context::stash`], [`Context::unstash_all`] |
//! | timers, `send_after`, `ReceiveTimeout` | [`Context::after`], [`every`](Context::every), [`receive_timeout`](Context::receive_timeout) |
//! | a reply of many parts, `StreamRefs` | `#[message(stream = …)]`, [`Context::items`], [`Context::outlet`] |
//! | a stream's sink that is an actor | [`Context::attach`] |
//! | monitor, watch; link | [`Context::watch`], [`Context::link`] |
//! | `register`, `whereis`, receptionist | [`SpawnOptions::named`], [`Node::register`], [`lookup`](Node::lookup), [`subscribe`](Node::subscribe) |
//! | `global`, `pg`, a cluster's receptionist | [`Cluster::register`], [`Cluster::lookup`], [`Cluster::group`] |
//! | pub/sub, `DistributedPubSub` | [`Cluster::topic`], [`Cluster::subscribe`] |
//! | `spawn(Node, …)`, remote deployment | [`NodeBuilder::spawnable`], [`Cluster::spawn_on`] |
//! | routers | [`Group`], [`Pool`], [`ClusterGroup`] |
//! | a dispatcher for what blocks | [`Placement::Blocking`] |
//! | `exit(Pid, kill)`, `PoisonPill` | [`ActorRef::kill`], [`ActorRef::drain`] |
//! | `TestProbe` | [`Probe`], [`macro@test`] |
//! | `observer` | [`Node::tree`], [`Node::metrics`] |
//!
//! For maintainers: this crate is the front door and the halls where the rooms below meet, and none of those rooms. Read
//! `node.rs` next, then `heart.rs`.

// The macros write paths through the crate's name, also in this crate.
extern crate self as odeon;

mod asks;
mod builder;
mod cancels;
mod circles;
mod client;
mod cluster;
mod cluster_stats;
mod directory;
mod drain;
#[doc(hidden)]
pub mod entry;
mod expiry;
mod follower;
mod frames;
#[cfg(doc)]
pub mod guide;
mod heart;
mod inbound;
mod join;
mod load;
mod membership;
mod network_metrics;
mod newsfeed;
mod node;
mod outbound;
mod phase;
mod registrar;
mod remote_node;
mod repeats;
mod roster;
mod rotation;
mod streams;
mod tasks;
mod threads;

pub use builder::{NodeBuilder, NodeError};
pub use client::{
    Client,
    group::ClientGroup,
    topic::{ClientTopic, PublishError},
};
pub use cluster::{
    Cluster, ListenedPattern, RegisterError,
    group::{ClusterGroup, ClusterRouted, GroupChange, GroupChanges},
    name::ClusterName,
    routing::ClusterStrategy,
    spawning::{SpawnError, SpawnPlace},
    subscription::{Published, SubscribeError, SubscribeOptions, Subscription},
    topic::{Publication, Topic},
};
pub use cluster_stats::ClusterStats;
pub use directory::{DownReason, Member, MemberEvent, Members};
pub use join::{JoinConfig, JoinConfigError, MdnsConfig};
pub use network_metrics::NetworkMetrics;
pub use node::Node;
pub use phase::Phase;
pub use remote_node::{LookupError, RemoteName, RemoteNode};
pub use roster::WhenLost;
pub use rotation::RotateError;

pub use odeon_actor::{
    Accepted, Accepts, Actor, ActorIdentity, ActorRef, ActorState, ActorSystem, Aim, AnyRef, Ask,
    AskFuture, AutoShutdown, Backoff, BreakerConfig, BreakerError, BreakerState, Broadcast,
    ChildCounts, ChildError, ChildInfo, ChildSpec, ChildState, CircuitBreaker, Context,
    DeclareError, DynamicSpec, DynamicSupervisor, ExitKind, ExitReason, ExportError, Group,
    GroupError, Handler, HotActor, LinkError, Metrics, MissedTicks, NameChange, NameChanges,
    NameState, NameTaken, Outcome, Outlet, OutletError, Overflow, Pick, Placement, Pool, PoolSpec,
    Probe, ProbeActor, ReadContext, ReadHandler, Recipient, RecipientAsk, RecipientTell, Reply,
    Responder, Restart, Retry, RetryPolicy, Routed, Router, Shutdown, SourcesFull, SpawnOptions,
    SpecError, Spread, StartError, Strategy, Stream, Supervisor, SupervisorSpec, SystemConfig,
    SystemStats, Tally, Target, TaskEnded, TaskError, TaskHandle, Tell, Terminated, TraceContext,
    TraceIds, TraceParentError, TracePropagation, TraceState, TraceStateError, Tree, TreeActor,
    TypeMetrics, ViewHandler, Watchable, WeakRef, WhenSpent, Window, Witness, WorkerMetrics,
    current_trace, in_trace, reads, spawn, strategy,
};
#[doc(hidden)]
pub use odeon_actor::{NoView, Views};
pub use odeon_cluster::{
    BoundsError, MembershipConfig, Profile, ProfileError, RosterConfig, TopicError,
};
pub use odeon_env::{self as env, buggify, buggify_number};
pub use odeon_macros::{actor, data, main, message, test};
pub use odeon_message::{
    ActorKey, ActorTypeId, Address, AskError, Cause, Certainty, Codec, DecodeError, EncodeError,
    Failure, FailureKind, Fingerprint, Incarnation, Items, Layouts, Message, MessageId, NameError,
    NodeId, Payload, Schema, SchemaWalk, SchemaWith, StreamError, TellError, View, Wire, rkyv,
};
#[cfg(feature = "serde")]
pub use odeon_message::{ArchivedSerde, AsSerde, SERDE_DEPTH_MAX};
#[doc(hidden)]
pub use odeon_message::{Formers, is_same_id};
#[doc(hidden)]
pub use odeon_transport::{AdminTls, NotAnOperator, OperatorTls};
pub use odeon_transport::{
    AssociationStats, Ca, CaError, CertificateValidity, ConfigError, Crypto, CryptoNameError,
    EnrolDesk, EnrolError, EnrolRefusal, EnrolRefused, EnrolRequest, Enrolled, Enrolment,
    EnrolmentError, HandshakeFailure, HandshakeMetrics, Holder, Identity, IdentityError, JoinToken,
    JoinTokenError, LaneMetrics, NameError as CertificateNameError, Papers, PapersStamp,
    PathMetrics, PeerId, PeerMetrics, PemPair, Quantiles, Revoked, Serial, SerialError,
    StreamMetrics, TransportConfig, TransportError, TransportStats, Validity, enrol,
};
