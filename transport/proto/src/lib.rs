//! Frames, handshake, credit and lanes as plain state machines.
//!
//! What it is: the bytes between two nodes (see [`format`](mod@format)) and the decisions about them, taken in pure
//! code. What it is NOT: it opens no socket, knows no clock, awaits nothing; bytes come in as slices, go out into
//! the caller's `Vec<u8>`, and the transport does the rest. Read `format.md` first, then `header.rs`, `write.rs`,
//! `read.rs`; `handshake.rs` and `credit.rs` after that.

mod body;
mod bulk;
mod bytes;
mod credit;
mod enrol;
mod error;
mod extension;
pub mod format;
mod handshake;
mod header;
mod hello;
mod lane;
mod preamble;
mod read;
mod shelf;
mod slab;
mod topic;
mod train;
mod write;

pub use body::{
    Announce, Body, Close, CloseCode, Credit, CreditTotal, Ping, Pong, Probe, ProbeAnswer,
    ProbeRound, ProbeWait, Refuse, RefuseReason, StreamCredit, StreamEnd, Terminated,
    TerminatedReason, Unwatch, Watch,
};
pub use bulk::{Announced, Behind, BulkError, BulkInbox};
pub use credit::{
    CreditBook, CreditRefused, CreditRoom, Grant, GrantError, ItemsBook, ItemsOverrun, ItemsWindow,
    Overrun, Window, WindowTable,
};
pub use enrol::{EnrolAnswer, EnrolRefusal, EnrolRequest};
pub use error::{EncodeFrameError, ExtensionError, Field, FrameError, PayloadError};
pub use extension::Extensions;
pub use handshake::{
    Admission, ClockTerms, Handshake, HandshakeError, Known, Link, Step, Surroundings, admit,
};
pub use header::{FrameKind, Header};
pub use hello::{
    Accepted, AcceptedTable, BulkTerms, Hello, InitialCredit, LocalHello, Revisions, Welcome,
};
pub use lane::{LaneState, Position};
pub use preamble::{Preamble, PreambleError, Purpose};
pub use read::{Frame, FrameLimits, FrameReader, MessageTrain, Received};
pub use shelf::Shelf;
pub use slab::{SlabPool, SlabShare, SlabStats};
pub use topic::{TOPIC_BYTES_MAX, TopicFieldError, put_topic, split_topic};
pub use train::OpenTrain;
pub use write::{FrameWriter, expire, write_body, write_empty, write_extended};

pub use odeon_message::{ClusterName, NameError, NodeName, TraceContext, TraceState};
