//! Where a message comes from in a trace, as W3C Trace Context says it.
//!
//! What it is: [`TraceContext`], 25 bytes in a frame, and its text form, the header `traceparent`. What it is NOT: a span,
//! or a way to make ids; who holds spans makes them. Read `trace/state.rs` next, for what tracing systems want to tell
//! themselves along the way.

mod state;

use std::{fmt, str::FromStr};

pub use state::{TraceState, TraceStateError};

/// A place in a trace: W3C Trace Context, level 1 (<https://www.w3.org/TR/trace-context-1/>), `traceparent` of version 00.
///
/// # Examples
/// ```
/// # use odeon_message::TraceContext;
/// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context: TraceContext = header.parse().expect("it is well formed");
/// assert!(context.is_sampled());
/// assert_eq!(context.to_string(), header);
/// ```
// Aligned, because frames are moved by the word: at an odd offset every move of one stalls.
#[derive(Clone, PartialEq, Eq, Hash)]
#[repr(align(8))]
pub struct TraceContext {
    /// The whole trace; not all zero.
    pub trace_id: [u8; 16],
    /// The span that sent the message; not all zero.
    pub parent_id: [u8; 8],
    /// Trace flags; bit 0 says sampled.
    pub flags: u8,
    /// What tracing systems tell themselves, the header `tracestate`; it goes wherever the trace goes. No part of the text
    /// form.
    pub state: TraceState,
}

/// A text is no `traceparent`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no traceparent: use 00-<32 hex digits, not all 0>-<16 hex digits, not all 0>-<2 hex digits>"
)]
pub struct TraceParentError(String);

impl TraceContext {
    /// The context of these ids and flags, without a [state](Self::state).
    #[must_use]
    pub const fn new(trace_id: [u8; 16], parent_id: [u8; 8], flags: u8) -> Self {
        Self { trace_id, parent_id, flags, state: TraceState::NONE }
    }

    /// The same with this state.
    #[must_use]
    pub fn with_state(self, state: TraceState) -> Self {
        Self { state, ..self }
    }

    /// Whether both ids are valid: all zero stands for none (3.2.2.3 and 3.2.2.4 of the specification).
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        u128::from_ne_bytes(self.trace_id) != 0 && u64::from_ne_bytes(self.parent_id) != 0
    }

    /// Whether whoever sent it may have recorded its span.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The trace id as 32 lower-case hex digits, for logs.
    #[must_use]
    pub fn trace_id_hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.trace_id))
    }

    /// The parent id as 16 lower-case hex digits, for logs.
    #[must_use]
    pub fn parent_id_hex(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.parent_id))
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id_hex(), self.parent_id_hex(), self.flags)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({self})")
    }
}

/// Hex digits in lower case, as the specification wants them.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_lower = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    (text.len() == digits && text.bytes().all(is_lower))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

fn parse(text: &str) -> Option<TraceContext> {
    let mut parts = text.split('-');
    let version = hex(parts.next()?, 2)?;
    let trace_id = hex(parts.next()?, 32)?.to_be_bytes();
    let parent_id = u64::try_from(hex(parts.next()?, 16)?).ok()?.to_be_bytes();
    let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
    // Later versions may add parts behind; ff is none (3.2.2.1).
    let is_known = version != 0xff && (version > 0 || parts.next().is_none());
    let context = TraceContext::new(trace_id, parent_id, flags);
    (is_known && context.is_valid()).then_some(context)
}

impl FromStr for TraceContext {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        // What a peer of HTTP sends is cut, so that an error cannot be as long as it likes.
        parse(text).ok_or_else(|| TraceParentError(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written() {
        let context: TraceContext = GOOD.parse().unwrap();
        assert_eq!(context.trace_id[..2], [0x4b, 0xf9]);
        assert_eq!((context.parent_id[1], context.flags), (0xf0, 1));
        assert_eq!(context.to_string(), GOOD);
        let later = GOOD.replacen("00-", "01-", 1) + "-more";
        assert_eq!(later.parse::<TraceContext>(), Ok(context));
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let zero_parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
        let more = format!("{GOOD}-more");
        let upper = GOOD.to_uppercase();
        let version = GOOD.replacen("00-", "ff-", 1);
        let signed = GOOD.replacen("-01", "-+1", 1);
        let long = "x".repeat(1_000);
        for text in
            ["", "00", &GOOD[..54], &zero_trace, &zero_parent, &more, &upper, &version, &signed]
        {
            assert!(text.parse::<TraceContext>().is_err(), "{text}");
        }
        assert!(long.parse::<TraceContext>().unwrap_err().to_string().len() < 300);
    }
}
