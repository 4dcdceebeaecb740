//! The actors of one node: run queue, mailbox, ask, supervision, watch, registry.
#![allow(missing_docs, unused, clippy::all)]
extern crate self as odeon_actor;
mod actor;
mod config;
mod exit;
mod remote;
mod stats;
mod skeleton;
pub use actor::{Actor, Handler};
pub use config::{SpawnOptions, SystemConfig};
pub use exit::{ExitKind, ExitReason, StartError};
pub use remote::{Flow, Inbound, Parcel, Refused, Remotes, RemoteAnswer, ReplyPath, ReplyTo, RoomWaiter, Route, TerminatedSink};
pub use stats::SystemStats;
pub use skeleton::*;
pub use odeon_macros::actor;
// What the attributes name through this crate as their root (`crate = odeon_actor`).
pub use odeon_message::{Codec, Message, Schema, SchemaWalk, data, message, rkyv};
