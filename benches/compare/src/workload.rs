//! The workloads: what is measured, in which modes, and with how many messages.
//!
//! Each runs in slices of the same size: the first warms caches, allocator and branch predictors up and does not count,
//! the median of the others is the sample. The clock of one thread (`st`) is its own CPU time, which is what it would
//! take with the CPU to itself: it never waits for another. Where two threads work together it is the time of day, and a
//! moment in which another program has the CPU costs one slice. The bodies are in `workload/`.

mod asks;
#[cfg(feature = "peers")]
mod axum;
mod ring;
mod spawns;
mod tells;

use std::{fmt, future::Future, time::Duration};

use clap::ValueEnum;
use tokio::time::Instant;

use crate::{
    Outcome, cpu_time,
    system::{Mode, System, World},
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Workload {
    /// Tells to one actor: in bursts that it drains from its own thread, sustained from another.
    Tell,
    /// A million tells to one actor before the driver yields for the first time.
    Backlog,
    /// Tells of two producers to one actor.
    TwoProducers,
    /// Asks, one after the other, from outside.
    Ask,
    /// Asks, one after the other, of an actor that asks another.
    AskFromActor,
    /// Asks of 64 tasks at once.
    Ask64,
    /// A token in a ring of a thousand actors: the time of a hop.
    Ring,
    /// Spawning actors.
    Spawn,
    /// Resident memory for each of many idle actors.
    BytesPerActor,
    /// Tells to ten thousand actors in turn.
    Fanout,
    /// Requests to an axum handler that asks: CPU time beyond a handler that does not.
    #[cfg(feature = "peers")]
    Axum,
}

impl Workload {
    /// The modes it has.
    pub(crate) fn modes(self) -> &'static [Mode] {
        match self {
            Self::Tell | Self::Ask | Self::Ask64 => &[Mode::St, Mode::Xt, Mode::Mt],
            Self::TwoProducers => &[Mode::Xt, Mode::Mt],
            Self::AskFromActor | Self::Ring | Self::Spawn => &[Mode::St, Mode::Mt],
            Self::Fanout => &[Mode::St, Mode::Xt],
            Self::Backlog | Self::BytesPerActor => &[Mode::St],
            #[cfg(feature = "peers")]
            Self::Axum => &[Mode::Mt],
        }
    }

    /// What its figure counts.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::BytesPerActor => "bytes",
            _ => "ns",
        }
    }

    /// Runs it: nanoseconds an operation, or bytes an actor.
    pub(crate) async fn run<S: System>(self, world: World<S>) -> Outcome<f64> {
        match self {
            Self::Tell => tells::tell(world).await,
            Self::Backlog => tells::backlog(world).await,
            Self::TwoProducers => tells::two_producers(world).await,
            Self::Ask => asks::ask(world).await,
            Self::AskFromActor => asks::ask_from_actor(world).await,
            Self::Ask64 => asks::ask64(world).await,
            Self::Ring => ring::ring(world).await,
            Self::Spawn => spawns::spawn(world).await,
            Self::BytesPerActor => spawns::bytes_per_actor(world).await,
            Self::Fanout => tells::fanout(world).await,
            #[cfg(feature = "peers")]
            Self::Axum => axum::axum(world).await,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// How often a slice is run, and how many operations it has.
#[derive(Clone, Copy, Debug)]
struct Slices {
    count: usize,
    operations: u64,
}

impl Slices {
    /// So many slices of so many operations each.
    fn new(count: usize, operations: u64) -> Self {
        Self { count, operations: sized(operations) }
    }

    /// The median of the slices, in nanoseconds an operation.
    async fn measure<F: Future<Output = Outcome<()>>>(
        self,
        mode: Mode,
        mut slice: impl FnMut() -> F,
    ) -> Outcome<f64> {
        slice().await?;
        let mut spans = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            let clock = Clock::start(mode)?;
            slice().await?;
            spans.push(clock.elapsed()?);
        }
        Ok(median(&mut spans).as_nanos() as f64 / self.operations as f64)
    }
}

/// What the time of a slice is read from.
enum Clock {
    Day(Instant),
    Thread(Duration),
}

impl Clock {
    fn start(mode: Mode) -> Outcome<Self> {
        Ok(match mode {
            Mode::St => Self::Thread(cpu_time::of_thread()?),
            Mode::Xt | Mode::Mt => Self::Day(Instant::now()),
        })
    }

    fn elapsed(self) -> Outcome<Duration> {
        Ok(match self {
            Self::Day(began) => began.elapsed(),
            Self::Thread(before) => cpu_time::of_thread()? - before,
        })
    }
}

/// Operations of a workload: all of them, or a fiftieth in a build without optimisation, which shows only that it works.
fn sized(operations: u64) -> u64 {
    if cfg!(debug_assertions) { operations / 50 } else { operations }
}

fn median(spans: &mut [Duration]) -> Duration {
    spans.sort_unstable();
    spans.get(spans.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::{Slices, Workload};
    use crate::{system::Mode, systems::Name};

    #[tokio::test(start_paused = true)]
    async fn a_sample_is_the_median_of_the_slices_after_the_first() {
        let mut waits = [9000, 100, 300, 7, 200, 100].into_iter();
        let slices = Slices { count: 5, operations: 10 };
        let slice = || {
            let wait = waits.next().unwrap();
            async move {
                tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
                Ok(())
            }
        };
        assert_eq!(slices.measure(Mode::Xt, slice).await.unwrap(), 1e7);
    }

    #[test]
    fn odeon_and_bare_tokio_have_every_workload() {
        // The axum workload starts this program again, which a test is not.
        let on_one_thread = |it: &&Workload| it.modes().contains(&Mode::St);
        for workload in Workload::value_variants().iter().filter(on_one_thread) {
            for system in [Name::Odeon, Name::OdeonBare, Name::Tokio] {
                // Memory that an earlier sample gave back may serve a later one.
                let least = if *workload == Workload::BytesPerActor { 0.0 } else { 1.0 };
                let sample = system.sample(*workload, Mode::St).unwrap();
                assert!(sample >= least, "{workload}, {system}: {sample}");
            }
        }
    }
}
