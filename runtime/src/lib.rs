//! Odeon: a distributed actor runtime.
//!
//! Typed actors with async handlers, references that mean the same on one thread and across nodes, messages as rkyv
//! archives over QUIC with mutual TLS, supervision, nodes that find each other, and a simulator that runs all of it
//! from one seed. This crate is the only one that an application must name.
//!
//! What it is: the front door, [`Node`], and the halls where the rooms below meet: `outbound.rs` (reference to lane),
//! `inbound.rs` (frame to mailbox), `membership.rs` (who is there). What it is NOT: any of those rooms. Read `node.rs`
//! next, then `heart.rs`.

// The macros write paths through the crate's name, also in this crate.
extern crate self as odeon;

mod asks;
mod builder;
mod cancels;
mod directory;
#[doc(hidden)]
pub mod entry;
mod follower;
mod frames;
mod heart;
mod inbound;
mod join;
mod membership;
mod newsfeed;
mod node;
mod outbound;
mod phase;
mod registrar;
mod remote_node;
mod tasks;
mod threads;

pub use builder::{NodeBuilder, NodeError};
pub use directory::{DownReason, Member, MemberEvent, Members};
pub use node::Node;
pub use phase::Phase;
pub use remote_node::{LookupError, RemoteName, RemoteNode};

pub use odeon_actor::{
    Accepts, Actor, ActorRef, ActorState, ActorSystem, Aim, AnyRef, Ask, AutoShutdown, Backoff,
    BreakerConfig, BreakerError, BreakerState, Broadcast, ChildCounts, ChildError, ChildInfo,
    ChildSpec, ChildState, CircuitBreaker, Context, DeclareError, DynamicSpec, DynamicSupervisor,
    ExitKind, ExitReason, ExportError, Group, GroupError, Handler, Identity as ActorIdentity,
    LinkError, MissedTicks, NameChange, NameChanges, NameState, NameTaken, Outcome, Overflow, Pick,
    Placement, Pool, PoolSpec, Probe, ReadContext, ReadHandler, Recipient, Reply, Responder,
    Restart, Retry, RetryPolicy, Routed, Router, Shutdown, SourcesFull, SpawnOptions, SpecError,
    StartError, Strategy, Stream, Supervisor, SupervisorSpec, SystemConfig, SystemStats, Tally,
    Target, TaskEnded, TaskError, TaskHandle, Tell, Terminated, Tree, TreeActor, Watchable,
    WeakRef, WhenSpent, Window, Witness, spawn, strategy,
};
pub use odeon_cluster::MembershipConfig;
pub use odeon_env as env;
pub use odeon_macros::{actor, data, main, message, test};
pub use odeon_message::{
    ActorKey, ActorTypeId, Address, AskError, Cause, Certainty, Codec, Failure, FailureKind,
    Fingerprint, Incarnation, Message, MessageId, NodeId, Schema, SchemaWalk, TellError, rkyv,
};
pub use odeon_transport::{
    Ca, CaError, Identity, IdentityError, PemPair, TransportConfig, Validity,
};
