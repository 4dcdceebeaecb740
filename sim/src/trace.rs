//! The trace: everything that happens in a run, folded into one hash, and the last of it as lines.
//!
//! Two runs are the same run if their hashes are equal: every packet with its payload, every poll of a node, every
//! event inside a node goes in, with its virtual time. The hash is NOT cryptographic; it tells accidents apart, not
//! attacks. The lines are kept in a ring of fixed size and are always kept, because a run that recorded more than
//! another would be laid out differently in memory. Read `trace/digest.rs` next.

mod digest;
mod disk;
mod event;
mod line;

use std::{cell::RefMut, fmt, sync::Arc, time::Duration};

use odeon_env::Observed;

pub use digest::{Digest, hash_bytes};
pub use disk::{DiskEvent, DiskFate};
pub use event::{Event, Fate, Payload, Turn};

use crate::{bound::Bound, recording};
use event::{frame, handler, polled};
use line::{Lines, Told};

/// How many lines a trace keeps; older ones are forgotten, the hash still covers them. What a verdict brings, and a few
/// more: a quarter of a MiB, so that writing them does not drive what is simulated out of a processor's caches.
pub const TRACE_LINES_MAX: usize = 4_096;

/// The number of a host, in order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u16);

/// An event by its number, from 1, and the hash of the trace up to it and with it, in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The number of the event.
    pub event: u64,
    /// The hash.
    pub hash: u64,
}

/// Marks that a trace keeps of all its length; when there are more, every second one goes.
const CHECKPOINTS_MAX: usize = 1024;

/// The trace of one run; clones share it, on the thread that made it: on another one each method panics.
#[derive(Clone)]
pub struct Trace(Arc<Bound<Ledger>>);

struct Ledger {
    digest: Digest,
    events: u64,
    names: Vec<String>,
    lines: Lines,
    checkpoints: Vec<Mark>,
    /// Events between two checkpoints.
    stride: u64,
    /// The last event of which a line is kept.
    last_kept: u64,
    /// Whether this is the run of which a recording is made.
    recorded: bool,
}

impl Ledger {
    /// Adds one event, which `fold` enters into the hash.
    #[inline(always)]
    fn enter<'a>(
        &mut self,
        at: Duration,
        host: Option<HostId>,
        event: &Event<'_>,
        fold: impl FnOnce(&mut Digest) -> Told<'a>,
    ) {
        // Not as 128 bits: each event comes by here.
        let at_ns = at.as_secs().wrapping_mul(1_000_000_000).wrapping_add(at.subsec_nanos().into());
        self.events += 1;
        // Two words in one: 2^48 ns are three days.
        self.digest.word(at_ns ^ host.map_or(u64::MAX, |host| u64::from(host.0)).rotate_left(48));
        let told = fold(&mut self.digest);
        let mark = Mark { event: self.events, hash: self.digest.short() };
        // The stride is a power of two; a division would be dear here.
        if mark.event & (self.stride - 1) == 0 {
            self.check(mark);
        }
        if self.recorded {
            keep_recording(mark.event, at_ns, host, event);
        }
        if mark.event <= self.last_kept {
            self.lines.keep(mark, at_ns, host, told);
        }
    }

    /// Adds one of a kind that no message brings.
    #[cold]
    fn enter_seldom(&mut self, at: Duration, host: Option<HostId>, event: &Event<'_>) {
        self.enter(at, host, event, |digest| event.fold(digest));
    }

    /// Keeps a mark whose event the stride divides.
    #[cold]
    fn check(&mut self, mark: Mark) {
        if self.checkpoints.len() == CHECKPOINTS_MAX {
            self.stride *= 2;
            let stride = self.stride;
            self.checkpoints.retain(|mark| mark.event.is_multiple_of(stride));
            if !mark.event.is_multiple_of(stride) {
                return;
            }
        }
        self.checkpoints.push(mark);
    }
}

#[cold]
fn keep_recording(event: u64, at_ns: u64, host: Option<HostId>, told: &Event<'_>) {
    recording::keep(event, at_ns, host, told);
}

impl Trace {
    /// An empty trace.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Bound::new(Ledger {
            digest: Digest::new(),
            events: 0,
            names: Vec::new(),
            lines: Lines::new(),
            checkpoints: Vec::with_capacity(CHECKPOINTS_MAX),
            stride: 1,
            last_kept: u64::MAX,
            recorded: false,
        })))
    }

    /// Keeps no line of an event with a higher number: the last lines are then those before it.
    pub(crate) fn keep_until(&self, event: u64) {
        self.ledger().last_kept = event;
    }

    /// Lets a recording be made of this run.
    pub(crate) fn record_whole(&self) {
        recording::begin();
        self.ledger().recorded = true;
    }

    /// Adds one event. `host` is `None` for what the driver of the world does.
    pub fn record(&self, at: Duration, host: Option<HostId>, event: &Event<'_>) {
        self.record_often(at, host, event);
    }

    /// The same, made anew where it is called: where most events come from, which kind they are of is known, and finding that
    /// out again took most of what an event cost.
    #[inline(always)]
    pub(crate) fn record_often(&self, at: Duration, host: Option<HostId>, event: &Event<'_>) {
        let mut guard = self.ledger();
        let ledger = &mut *guard;
        match *event {
            Event::Sent { .. } | Event::Ended { .. } => {
                ledger.enter(at, host, event, |digest| event.fold_packet(digest));
            }
            Event::Observed(Observed::Frame { inbound, kind, payload, .. }) => {
                ledger.enter(at, host, event, |digest| frame(digest, inbound, kind, payload));
            }
            Event::Observed(Observed::HandlerStarted { actor, message }) => {
                ledger.enter(at, host, event, |digest| handler(digest, actor, message));
            }
            Event::Polled => ledger.enter(at, host, event, polled),
            _ => ledger.enter_seldom(at, host, event),
        }
    }

    /// Gives the next host its name in the lines.
    pub(crate) fn name_host(&self, name: &str) {
        let mut ledger = self.ledger();
        if ledger.recorded
            && let Ok(host) = u16::try_from(ledger.names.len())
        {
            recording::name_host(HostId(host), name);
        }
        ledger.names.push(name.to_owned());
    }

    /// The host of this name.
    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        let at = self.ledger().names.iter().position(|other| other == name)?;
        u16::try_from(at).ok().map(HostId)
    }

    /// The hash of everything so far.
    #[must_use]
    pub fn hash(&self) -> u128 {
        self.ledger().digest.finish()
    }

    /// How many events there were.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.ledger().events
    }

    /// The last lines, at most `count` and at most [`TRACE_LINES_MAX`], oldest first.
    #[must_use]
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let ledger = self.ledger();
        ledger.lines.last_lines(count, &ledger.names)
    }

    /// The marks of the last lines, as many as [`last_lines`](Self::last_lines) gives, and how many were before them.
    pub(crate) fn last_marks(&self, count: usize) -> (Vec<Mark>, u64) {
        self.ledger().lines.last_marks(count)
    }

    /// Marks at equal distances over the whole length.
    pub(crate) fn checkpoints(&self) -> Vec<Mark> {
        self.ledger().checkpoints.clone()
    }

    fn ledger(&self) -> RefMut<'_, Ledger> {
        self.0.hold()
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({:032x} of {} events)", self.hash(), self.events())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(trace: &Trace, detail: &str) {
        trace.record(
            Duration::from_millis(5),
            Some(HostId(0)),
            &Event::Note { name: "said", detail },
        );
    }

    #[test]
    fn every_event_changes_the_hash_and_order_counts() {
        let (a, b, c) = (Trace::new(), Trace::new(), Trace::new());
        for (trace, words) in [(&a, ["x", "y"]), (&b, ["y", "x"]), (&c, ["x", "y"])] {
            words.iter().for_each(|word| note(trace, word));
        }
        assert_eq!(a.hash(), c.hash());
        assert_ne!(a.hash(), b.hash());
        note(&a, "");
        assert_ne!(a.hash(), c.hash());
        assert_eq!(a.events(), 3);
    }

    #[test]
    fn lines_are_bounded_and_name_their_host() {
        let trace = Trace::new();
        trace.name_host("alice");
        (0..TRACE_LINES_MAX + 10).for_each(|i| note(&trace, &i.to_string()));
        assert_eq!(trace.last_lines(usize::MAX).len(), TRACE_LINES_MAX);
        let last = trace.last_lines(1);
        assert!(last[0].contains("alice") && last[0].contains("0.005000000"), "{last:?}");
        assert!(last[0].ends_with(&format!("said {}", TRACE_LINES_MAX + 9)), "{last:?}");
    }
}
