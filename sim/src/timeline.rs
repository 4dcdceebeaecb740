//! Virtual time: how long the world has existed, on tokio's paused clock.
//!
//! It moves only when nothing is ready to run, in whole milliseconds, to the next timer; so everything that happens
//! between two such moments happens at one time. Read `world.rs` next.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    time::Duration,
};

use tokio::time::Instant;

/// Further than any run goes, and a time that every clock can show.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

thread_local! {
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
    static NOW: Cell<Option<Duration>> = const { Cell::new(None) };
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
        NOW.get().unwrap_or_else(|| self.read())
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
        NOW.set(None);
    }
}

/// Reads the clock of the world on this thread: time moves while all wait and is asked for some ten times for each message,
/// so it is read when somebody is to have a turn again.
pub(crate) fn note_time() {
    if let Some(start) = START.get() {
        NOW.set(Some(Instant::now().saturating_duration_since(start)));
    }
}

/// Polls the scenario of a world, and reads the clock before.
pub(crate) async fn keep_time<T>(scenario: impl Future<Output = T>) -> T {
    let mut scenario = pin!(scenario);
    poll_fn(|cx| {
        note_time();
        scenario.as_mut().poll(cx)
    })
    .await
}

/// What the interposed clocks of this thread follow: zero before a world has started.
pub(crate) fn elapsed() -> Duration {
    NOW.get().unwrap_or_else(|| {
        START.get().map_or(Duration::ZERO, |start| Instant::now().saturating_duration_since(start))
    })
}
