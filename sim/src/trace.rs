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

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use digest::{Digest, hash_bytes};
pub use disk::{DiskEvent, DiskFate};
pub use event::{Event, Fate, Turn};

use line::Line;

/// How many lines a trace keeps; older ones are forgotten, the hash still covers them. About 3 MiB.
pub const TRACE_LINES_MAX: usize = 32_768;

/// The number of a host, in order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u16);

/// The trace of one run; clones share it.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Ledger>>);

struct Ledger {
    digest: Digest,
    events: u64,
    names: Vec<String>,
    lines: VecDeque<Line>,
}

impl Trace {
    /// An empty trace.
    #[must_use]
    pub fn new() -> Self {
        let lines = VecDeque::with_capacity(TRACE_LINES_MAX);
        Self(Arc::new(Mutex::new(Ledger {
            digest: Digest::new(),
            events: 0,
            names: Vec::new(),
            lines,
        })))
    }

    /// Adds one event. `host` is `None` for what the driver of the world does.
    pub fn record(&self, at: Duration, host: Option<HostId>, event: &Event<'_>) {
        let mut ledger = self.lock();
        let at_ns = at.as_nanos() as u64;
        ledger.events += 1;
        ledger.digest.word(at_ns);
        ledger.digest.word(host.map_or(u64::MAX, |host| u64::from(host.0)));
        let line = event.fold(&mut ledger.digest);
        if let Some(content) = line {
            if ledger.lines.len() == TRACE_LINES_MAX {
                ledger.lines.pop_front();
            }
            ledger.lines.push_back(Line { at_ns, host, content });
        }
    }

    /// Gives the next host its name in the lines.
    pub(crate) fn name_host(&self, name: &str) {
        self.lock().names.push(name.to_owned());
    }

    /// The host of this name.
    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        let at = self.lock().names.iter().position(|other| other == name)?;
        u16::try_from(at).ok().map(HostId)
    }

    /// The hash of everything so far.
    #[must_use]
    pub fn hash(&self) -> u128 {
        self.lock().digest.finish()
    }

    /// How many events there were.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.lock().events
    }

    /// The last lines, at most `count` and at most [`TRACE_LINES_MAX`], oldest first.
    #[must_use]
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let ledger = self.lock();
        let skip = ledger.lines.len().saturating_sub(count);
        ledger.lines.iter().skip(skip).map(|line| line.text(&ledger.names)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
