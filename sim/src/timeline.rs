//! Virtual time: how long the world has existed, on tokio's paused clock.
//!
//! It moves only when nothing is ready to run, in whole milliseconds, to the next timer; so everything that happens
//! between two such moments happens at one time. Read `world.rs` next.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// Further than any run goes, and a time that every clock can show.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

thread_local! {
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
    static HELD: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// The clock of one world.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    start: Instant,
}

impl Timeline {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        HELD.get().unwrap_or_else(|| self.read())
    }

    /// Reads the clock once for all looks at it on this thread until the result is dropped; time does not move while
    /// anything is polled.
    pub(crate) fn hold(&self) -> TimeHeld {
        TimeHeld { before: HELD.replace(Some(self.read())) }
    }

    fn read(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }

    /// The moment that is this far from the start; what is later than any run lasts is a century from it.
    #[must_use]
    pub fn at(&self, elapsed: Duration) -> Instant {
        self.start + elapsed.min(CENTURY)
    }

    /// Makes this the clock that [`elapsed`] reads on this thread.
    pub(crate) fn install(self) {
        START.set(Some(self.start));
    }

    /// Takes it away again.
    pub(crate) fn remove() {
        START.set(None);
    }
}

/// The time stands until this is dropped.
#[must_use = "the clock is read again when this is dropped"]
pub(crate) struct TimeHeld {
    before: Option<Duration>,
}

impl Drop for TimeHeld {
    fn drop(&mut self) {
        HELD.set(self.before);
    }
}

/// What the interposed clocks of this thread follow: zero before a world has started.
pub(crate) fn elapsed() -> Duration {
    START.get().map_or(Duration::ZERO, |start| Instant::now().saturating_duration_since(start))
}
