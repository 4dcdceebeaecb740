//! The actors of one node: run queue, mailbox, ask, supervision, watch, registry.
//!
//! What it is: [`Actor`]s with async [`Handler`]s that live on workers, each worker one actix actor that runs many of
//! ours; bounded mailboxes; asks that say whether the message ran; supervisors that restart what fails and keep its
//! mailbox; [`Target`]s, groups and pools that pick who takes a message. What it is NOT: a network. Other nodes are
//! reached through the traits of `remote.rs`, which the runtime implements, and what they send comes in through
//! [`ActorSystem::deliver`]. Read `actor.rs` next, then `cell.rs`.

#![cfg_attr(
    all(test, feature = "loom"),
    expect(clippy::duplicate_mod, reason = "loom_models.rs compiles files with loom's atomics")
)]

#[cfg(panic = "abort")]
compile_error!("odeon answers for actors that panic: build with panic = \"unwind\"");

// The macros write paths through the crate's name, also in this crate's own tests.
extern crate self as odeon_actor;

mod accepts;
mod actor;
mod actor_ref;
mod answer;
mod archive;
mod ask;
mod ask_slot;
mod bonds;
mod breaker;
#[cfg(test)]
mod by_hand;
mod cause;
mod cell;
mod census;
mod channel;
mod child_spec;
mod clock;
mod coarse;
mod config;
mod context;
mod deadline;
mod edges;
mod envelope;
mod exit;
mod extras;
mod forward;
mod future_slot;
mod gathered;
mod gauge;
mod group;
mod growth;
mod hold;
mod host;
mod hot;
mod inbound;
mod items;
mod lanes;
#[cfg(test)]
mod letters;
mod life;
mod links;
mod load;
mod lobby;
#[cfg(all(test, feature = "loom"))]
mod loom_models;
mod mailbox;
#[cfg(test)]
mod mailbox_model;
mod meters;
mod metrics;
mod nodes;
mod outlet;
mod overflow;
mod panics;
mod pipe;
mod placement;
mod pool;
mod probe;
mod propagation;
mod reads;
mod recipient;
mod registry;
mod remote;
mod reply;
mod responder;
mod rest;
mod retry;
mod room;
mod run_queue;
mod scratch;
mod shutdown;
mod slots;
mod sources;
mod spawn;
mod spawn_options;
mod stack;
mod stash;
mod stats;
mod stealing;
#[cfg(test)]
mod stop_path;
pub mod strategy;
mod supervisor;
mod sync;
mod system;
mod system_lane;
mod target;
mod tasks;
mod tell;
mod timers;
mod tree;
mod turn;
mod untimed;
mod views;
mod wakes;
mod watch;
mod watchable;
mod watchdog;
mod watched;
mod watchers;
mod weak_ref;
mod worker;
mod workers;

#[doc(hidden)]
pub use accepts::listed;
pub use accepts::{Accepted, Accepts, DeclareError};
pub use actor::{Actor, Handler, ViewHandler};
pub use actor_ref::ActorRef;
pub use ask::{Ask, AskFuture};
pub use breaker::{BreakerConfig, BreakerError, BreakerState, CircuitBreaker, Tally, Window};
pub use child_spec::{ChildSpec, Restart, WhenSpent};
pub use config::SystemConfig;
pub use context::Context;
pub use exit::{ExitKind, ExitReason, StartError};
#[doc(hidden)]
pub use gathered::GatheredWakes;
pub use group::{Broadcast, Group, GroupError, Routed};
pub use hot::HotActor;
pub use links::LinkError;
pub use metrics::{Metrics, Spread, TypeMetrics, WorkerMetrics};
pub use outlet::{Outlet, OutletError};
pub use overflow::Overflow;
pub use placement::Placement;
pub use pool::{Pool, PoolSpec};
pub use probe::{Probe, ProbeActor};
#[doc(hidden)]
pub use propagation::outgoing_trace;
pub use propagation::{TraceIds, TracePropagation, current_trace, in_trace};
pub use reads::{ReadContext, ReadHandler};
pub use recipient::{Recipient, RecipientAsk, RecipientTell};
pub use registry::{AnyRef, NameChange, NameChanges, NameState, NameTaken};
pub use remote::{
    Along, AskThere, Found, Inbound, InboundTrain, Parcel, Refused, RemoteAnswer, Remotes,
    ReplyPath, ReplyTo, RoomWaiter, Route, TerminatedSink, Wait, Way,
};
pub use reply::Reply;
pub use responder::Responder;
pub use retry::{Retry, RetryPolicy};
pub use shutdown::Shutdown;
pub use slots::ExportError;
pub use sources::SourcesFull;
pub use spawn_options::SpawnOptions;
pub use stats::SystemStats;
pub use supervisor::{
    AutoShutdown, Backoff, ChildCounts, ChildError, ChildInfo, ChildState, DynamicSpec,
    DynamicSupervisor, SpecError, Strategy, Supervisor, SupervisorSpec,
};
pub use system::ActorSystem;
pub use target::{Aim, Outcome, Pick, Router, Target, Witness};
pub use tasks::{TaskEnded, TaskError, TaskHandle, spawn};
pub use tell::Tell;
pub use timers::MissedTicks;
pub use tree::{ActorState, Tree, TreeActor};
#[doc(hidden)]
pub use views::{NoView, Views};
pub(crate) use watch::ActorIdentity as Identity;
pub use watch::{ActorIdentity, Terminated, WatchId};
pub use watchable::Watchable;
#[doc(hidden)]
pub use watchers::EndHook;
pub use watchers::NetworkWatcher;
pub use weak_ref::WeakRef;
pub use workers::{ThreadJob, Threads};

pub use futures_core::Stream;
pub use odeon_macros::actor;
#[doc(hidden)]
pub use odeon_message::Message as ReadMessage;
pub use odeon_message::{TraceContext, TraceParentError, TraceState, TraceStateError};
