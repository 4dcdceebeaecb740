//! The span in which a message was sent, on its way to the span in which it is handled.
//!
//! What it is: an envelope around another one, made only while somebody listens to the spans of `watched.rs` and the
//! sender is in one, so that all other messages carry nothing. It keeps the sender's span open until then. What it is NOT:
//! for messages from other nodes, which bring a trace context in their place (`inbound.rs`), or for those from timers,
//! streams and piped futures, which have no sender. What a trace makes of it is `propagation.rs`.
#![expect(unsafe_code, reason = "a node is put around another one")]

use std::ptr::NonNull;

use odeon_message::{Failure, TraceContext};
use tracing::Span;

use crate::{
    cell::CellHead,
    envelope::{Envelope, EnvelopeCalls, Head},
    load::bytes,
    propagation::current_trace,
    turn::Turn,
    watched::is_traced,
};

/// Where a message comes from, as its handler's span is told.
pub(crate) enum Origin {
    /// From a span of this node, where this trace context held.
    Here { span: Span, around: Option<TraceContext> },
    /// From another node.
    There(TraceContext),
}

#[repr(C)]
struct CausedNode {
    head: Head,
    inner: Envelope,
    origin: Origin,
}

/// The tables of messages that may change their actor, and of reads.
struct Caused<const READS: bool>;

impl<const READS: bool> Caused<READS> {
    const CALLS: &'static EnvelopeCalls = &EnvelopeCalls {
        start,
        refuse,
        // Its room was reserved before anybody asked for its cause.
        units: 0,
        payload: Some(payload),
        reads: READS,
        // What comes from another node has no cause here.
        asked: None,
        caused: true,
        train: None,
    };
}

/// # Safety
/// The node is owned and was made by [`Envelope::with_cause`].
unsafe fn open(node: NonNull<Head>) -> (Envelope, Origin) {
    // SAFETY: the caller says that it is an owned box of this type.
    let node = unsafe { Box::from_raw(node.cast::<CausedNode>().as_ptr()) };
    let CausedNode { inner, origin, .. } = *node;
    (inner, origin)
}

unsafe fn start(node: NonNull<Head>, cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
    // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
    let (inner, origin) = unsafe { open(node) };
    *turn.origin = Some(origin);
    // SAFETY: the caller keeps the contract; what is inside was made for the same actor type.
    let done = unsafe { inner.start(cell, turn) };
    // It is still there if the message was skipped.
    *turn.origin = None;
    done
}

unsafe fn refuse(node: NonNull<Head>, failure: &Failure) {
    // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
    unsafe { open(node) }.0.refuse(failure);
}

/// # Safety
/// The node is alive and was made by [`Envelope::with_cause`].
unsafe fn payload(node: NonNull<Head>) -> usize {
    // SAFETY: the caller says so.
    bytes(unsafe { node.cast::<CausedNode>().as_ref() }.inner.units())
}

impl Envelope {
    /// With the span that this thread is in, if anybody wants to know.
    #[inline(always)]
    pub(crate) fn with_cause(self) -> Self {
        if is_traced() { self.caused_by(Span::current()) } else { self }
    }

    #[cold]
    fn caused_by(self, span: Span) -> Self {
        let around = current_trace();
        if (span.is_disabled() && around.is_none()) || self.is_caused() {
            return self;
        }
        let calls = if self.reads() { Caused::<true>::CALLS } else { Caused::<false>::CALLS };
        let origin = Origin::Here { span, around };
        let node = Box::new(CausedNode { head: Head::new(calls), inner: self, origin });
        // SAFETY: it is the start of a node whose table is its own.
        unsafe { Self::from_raw(NonNull::from(Box::leak(node)).cast()) }
    }

    /// What is inside, if it travels with its cause.
    pub(crate) fn without_cause(self) -> Self {
        if !self.is_caused() {
            return self;
        }
        // SAFETY: the flag says that it was made by `with_cause`.
        unsafe { open(self.into_raw()) }.0
    }
}
