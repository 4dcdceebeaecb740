//! One row of figures: a cluster of one size on one link, simulated a few times in a program of its own.
//!
//! What a run costs is told in two ways, because the machine may be busy: real time, and the time that its thread was
//! on a processor. Both are medians over the rounds; memory is the most that the program ever had.

use std::{fs, time::Duration};

use odeon_sim::{Link, Verdict, World, WorldBuilder};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster;

/// A cluster to simulate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) link: Link,
    pub(crate) nodes: u16,
    /// Rounds that count.
    pub(crate) rounds: u64,
}

/// The rows of the report, in its order. Rounds are fewer where one takes long.
pub(crate) const ROWS: &[Row] = &[
    Row { name: "quic_5", link: Link::Quic, nodes: 5, rounds: 5 },
    Row { name: "quic_20", link: Link::Quic, nodes: 20, rounds: 1 },
    Row { name: "frames_5", link: Link::Frames, nodes: 5, rounds: 11 },
    Row { name: "frames_20", link: Link::Frames, nodes: 20, rounds: 3 },
    Row { name: "frames_100", link: Link::Frames, nodes: 100, rounds: 1 },
];

struct Round {
    events: u64,
    real: Duration,
    on_cpu: Duration,
}

impl Row {
    /// Simulates the row in this program.
    ///
    /// # Errors
    /// When a round fails its seed.
    pub(crate) fn measure(&self, time: Duration) -> Result<Value, String> {
        // The first round warms the machine up; it does not count where there are others.
        let warm = if self.rounds > 1 { 0 } else { 1 };
        let rounds = (warm..=self.rounds).map(|seed| self.round(time, seed));
        let rounds = rounds.collect::<Result<Vec<_>, _>>()?;
        let counted = &rounds[rounds.len() - self.rounds as usize..];
        let seconds = |of: fn(&Round) -> Duration| {
            let mut all: Vec<f64> = counted.iter().map(|round| of(round).as_secs_f64()).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let (real, on_cpu) = (seconds(|round| round.real), seconds(|round| round.on_cpu));
        let virtual_s = time.as_secs_f64();
        Ok(json!({
            "row": self.name, "link": self.link.name(), "nodes": self.nodes, "virtual_s": time.as_secs(),
            "rounds": self.rounds, "real_s": millis(real), "cpu_s": millis(on_cpu),
            "virtual_to_real": ratio(virtual_s / real), "virtual_to_cpu": ratio(virtual_s / on_cpu),
            "events": counted[0].events, "peak_mib": peak_mib(),
        }))
    }

    fn round(&self, time: Duration, seed: u64) -> Result<Round, String> {
        let Self { name, link, nodes, .. } = *self;
        let run = move || {
            // Outside of the world, so the real clock.
            let (began, cpu_before) = (Instant::now(), on_cpu());
            let verdict = WorldBuilder::new(seed)
                .link(link)
                .run(async move |world: &mut World| cluster::run(world, nodes, time).await);
            (verdict, began.elapsed(), on_cpu().saturating_sub(cpu_before))
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "each round has a thread of its own, as the runner's programs do"
        )]
        let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(run);
        let ended = thread.map_err(|error| error.to_string())?.join();
        let (verdict, real, on_cpu) = ended.map_err(|_| format!("a round of {name} panicked"))?;
        let events = passed(&verdict)?.events;
        Ok(Round { events, real, on_cpu })
    }
}

/// The verdict, if it is a good one.
///
/// # Errors
/// When the seed failed.
pub(crate) fn passed(verdict: &Verdict) -> Result<&Verdict, String> {
    if verdict.passed() { Ok(verdict) } else { Err(format!("a seed failed: {verdict}")) }
}

/// Whole numbers where they say enough: below 100 two decimals count.
fn ratio(value: f64) -> f64 {
    if value < 100.0 { (value * 100.0).round() / 100.0 } else { value.round() }
}

fn millis(seconds: f64) -> f64 {
    (seconds * 10_000.0).round() / 10_000.0
}

/// How long this thread was on a processor; zero where the system does not tell.
fn on_cpu() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// The most memory that this program ever had, in MiB; zero where the system does not tell.
fn peak_mib() -> u64 {
    let told = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
