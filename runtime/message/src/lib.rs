//! The vocabulary of both sides of the wire.
//!
//! What it is: identities and names, the [`Message`] trait, its codec on rkyv archives, layout fingerprints, received
//! payloads, and the truth about a failed send. What it is NOT: it sends nothing, knows no clock, no task and no
//! socket. Everything above imports it; it imports only the macros. Read `message.rs` next, then `codec.rs`.

// The macros write paths through the crate's name, also in this crate's own tests.
extern crate self as odeon_message;

#[cfg(feature = "serde")]
mod as_serde;
mod ceiling;
mod check;
mod codec;
mod credit;
mod failure;
mod id;
mod items;
mod many;
mod message;
mod name;
mod payload;
pub mod planted;
mod schema;
mod scratch;
mod slab;
mod trace;
mod train;
mod view;

#[cfg(feature = "serde")]
pub use as_serde::{ArchivedSerde, AsSerde, SERDE_DEPTH_MAX};
pub use ceiling::archive_within;
pub use check::ARCHIVE_DEPTH_MAX;
pub use codec::{Codec, Decode, DecodeError, Decoder, EncodeError, Encoder, Wire};
pub use credit::{Credit, Creditor};
pub use failure::{AskError, Cause, Certainty, Failure, FailureKind, Layouts, TellError};
pub use id::{ActorKey, ActorTypeId, Address, AskId, Incarnation, MessageId, NodeId};
pub use items::{Archived, Flow, Inflow, Items, Outflow, StreamError, Streamed, Travels};
pub use message::{Formers, Message, is_same_id};
pub use name::{ClusterName, NAME_BYTES_MAX, NameError, NodeName};
pub use payload::Payload;
pub use rkyv;
pub use schema::{Fingerprint, Schema, SchemaWalk, SchemaWith};
pub use slab::{Slab, SlabHome, SlabMemory};
pub use trace::{TraceContext, TraceParentError, TraceState, TraceStateError};
pub use train::{Alike, Coupling, Heads, Taken, Train};
pub use view::View;

pub use odeon_macros::{data, message};
