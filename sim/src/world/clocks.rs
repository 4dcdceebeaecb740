//! What a scenario does to the time of a host: skew, jumps and drift of its wall clock, and its speed.
//!
//! All values are plain numbers, so that a list of faults can hold them. They belong to the host: a restarted node
//! finds them as they were. What is NOT here: the world's own time, which no scenario bends (`timeline.rs`).

use odeon_interpose::DRIFT_PPM_MAX;

use super::{SLOWNESS_MAX, World};

/// Wall clocks, and slow nodes.
///
/// A wall clock is what `SystemTime::now()`, `clock_gettime(CLOCK_REALTIME)`, `gettimeofday`, `time` and
/// [`Env::wall_clock`](odeon_env::Env::wall_clock) read on the node; all of them agree. Monotonic clocks
/// (`std::time::Instant`, `tokio::time::Instant`) and tokio's timers do not jump and do not drift: all nodes of a world
/// share one runtime, which has one clock. Timers of one node are late against another's on a
/// [slow](World::slow) node only.
impl World {
    /// Sets how far the wall clock of the host is ahead of the world's time, in nanoseconds; negative is behind. What it
    /// gained by drift and jumps before is forgotten; its drift goes on from there. While the node runs this is a jump of
    /// its clock.
    pub fn set_skew_ns(&mut self, name: &str, skew_ns: i64) {
        let host = self.host(name);
        host.clock.set_offset_ns(skew_ns, self.now());
        self.note_on(name, "clock skew", &format!("{skew_ns} ns"));
    }

    /// Lets the wall clock of the host jump so many nanoseconds ahead, or back when negative, from what it shows now.
    /// It never shows a time before 1970.
    pub fn jump_clock(&mut self, name: &str, by_ns: i64) {
        self.host(name).clock.jump_ns(by_ns, self.now());
        self.note_on(name, "clock jump", &format!("{by_ns} ns"));
    }

    /// Lets the wall clock of the host drift from now on: gain `ppm` microseconds a second, or lose them when negative.
    /// Zero ends the drift and keeps what was gained.
    ///
    /// # Panics
    /// When `ppm` is beyond [`DRIFT_PPM_MAX`] either way.
    pub fn set_drift(&mut self, name: &str, ppm: i32) {
        assert!(
            ppm.unsigned_abs() <= DRIFT_PPM_MAX.unsigned_abs(),
            "a drift of {ppm} ppm: use -{DRIFT_PPM_MAX} to {DRIFT_PPM_MAX}"
        );
        self.host(name).clock.set_drift_ppm(ppm, self.now());
        self.note_on(name, "clock drift", &format!("{ppm} ppm"));
    }

    /// The drift of the host's wall clock, in parts per million.
    pub(crate) fn drift_ppm(&self, name: &str) -> i32 {
        self.host(name).clock.drift_ppm()
    }

    /// How many times slower than others the host is.
    pub(crate) fn slowness(&self, name: &str) -> u32 {
        self.host(name).slowness.get()
    }

    /// How far the wall clock of the host is ahead of the world's time now, in nanoseconds.
    #[must_use]
    pub fn skew_ns(&self, name: &str) -> i64 {
        self.host(name).clock.offset_ns(self.now())
    }

    /// Makes the host so many times slower than the others, without stopping it; 1 is full speed again.
    ///
    /// A turn of the host's node, in which it sees what has arrived and which of its timers are due, then begins late: up
    /// to 2 × (`factor` - 1) milliseconds, evenly spread by the seed. What happens until then waits for that same turn.
    /// So its answers and its timers are late, and it gets through less: a turn is at most 61 polls of tasks, as tokio has
    /// it. Its clocks do not slow down: it sees that it is late.
    ///
    /// # Panics
    /// When `factor` is zero or above [`SLOWNESS_MAX`].
    pub fn slow(&mut self, name: &str, factor: u32) {
        assert!(
            (1..=SLOWNESS_MAX).contains(&factor),
            "a node {factor} times slower: use 1 to {SLOWNESS_MAX}"
        );
        let host = self.host(name);
        host.slowness.set(factor);
        if let Some(stage) = host.stage() {
            stage.wake();
        }
        self.note_on(name, "speed", &format!("1/{factor}"));
        self.note_fault(format!("{name} has 1/{factor} of its speed"));
    }
}
