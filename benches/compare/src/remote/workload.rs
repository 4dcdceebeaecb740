//! The workloads between two programs: what is measured, in which unit, and how a sample is taken from a system.
//!
//! A sample warms up first: it doubles the size of a slice until one takes long enough, by when packets, windows and caches
//! have grown. Slices of that size follow, and the median of their figures is the sample. What it is NOT: the messages,
//! which each system sends in its own way (`system.rs`).

use std::{fmt, time::Duration};

use clap::ValueEnum;
use tokio::time::Instant;

use crate::{
    Outcome, cpu_time,
    memory::resident_bytes,
    remote::system::{Client, Size},
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Workload {
    /// Asks of 64 bytes, one after the other, between actors on the threads of their nodes' endpoints: the median.
    Ask,
    /// The same between actors where they are by default, on another thread than the endpoint.
    AskOtherArbiter,
    /// Asks of 64 bytes, 64 of them under way.
    Ask64,
    /// Tells of 64 bytes to one actor.
    Tell64,
    /// Tells of 100 bytes.
    Tell100,
    /// Tells of 1 KiB.
    Tell1k,
    /// Tells of 1 MiB.
    Bulk1m,
    /// Tells of 64 bytes to one peer: CPU time of the sending program for each.
    Peers1,
    /// The same to 10 peers, all of them backlogged.
    Peers10,
    /// The same to 100 peers.
    Peers100,
    /// Resident memory for each idle association, of a program with 64 of them.
    IdleBytes,
}

/// Associations of `idle_bytes`, beyond the first.
const IDLE: usize = 64;

/// How long a slice takes at least.
const SLICE: Duration = Duration::from_millis(150);

/// The same where CPU time is measured, whose clock is coarse.
const CPU_SLICE: Duration = Duration::from_millis(600);

/// Most operations of a slice; a bound, and not reached by what takes time.
const OPERATIONS_MAX: u64 = 1 << 26;

/// Slices of a sample.
const SLICES: usize = 5;

/// How long a program may need until nothing of its start goes on any more, before its memory is read.
const SETTLED: Duration = Duration::from_secs(2);

impl Workload {
    /// What its figure counts.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Ask | Self::AskOtherArbiter => "us",
            Self::Ask64 | Self::Tell64 | Self::Tell100 | Self::Tell1k => "per_s",
            Self::Bulk1m => "MB/s",
            Self::Peers1 | Self::Peers10 | Self::Peers100 => "ns",
            Self::IdleBytes => "bytes",
        }
    }

    /// Whether more of it is better.
    pub(crate) fn is_rate(self) -> bool {
        matches!(self.unit(), "per_s" | "MB/s")
    }

    /// How many peers the sending program has, in one second program. A sample is taken with each of them: of two, the
    /// sample is the growth from the first to the second, for each peer more.
    pub(crate) fn peers(self) -> &'static [usize] {
        match self {
            Self::Peers10 => &[10],
            Self::Peers100 => &[100],
            Self::IdleBytes => &[1, 1 + IDLE],
            _ => &[1],
        }
    }

    /// Whether it is about many peers, and measured for the two systems whose growth has a target.
    pub(crate) fn is_of_many(self) -> bool {
        matches!(self, Self::Peers1 | Self::Peers10 | Self::Peers100 | Self::IdleBytes)
    }

    /// What one message has.
    fn size(self) -> Size {
        match self {
            Self::Tell100 => Size::B100,
            Self::Tell1k => Size::K1,
            Self::Bulk1m => Size::M1,
            _ => Size::B64,
        }
    }

    /// Takes the figure of a sample from a connected client.
    ///
    /// # Errors
    /// What the system says, and that messages were lost.
    pub(crate) async fn measure<C: Client>(self, client: &mut C) -> Outcome<f64> {
        match self {
            Self::Ask | Self::AskOtherArbiter => latency(client).await,
            Self::Ask64 => {
                rate(client, 64, async |client, asks| client.ask64(asks / 64).await).await
            }
            Self::Tell64 | Self::Tell100 | Self::Tell1k => self.told(client).await,
            Self::Bulk1m => Ok(self.told(client).await? * Size::M1.bytes() as f64 / 1e6),
            Self::Peers1 | Self::Peers10 | Self::Peers100 => self.cost(client).await,
            Self::IdleBytes => {
                tokio::time::sleep(sized(SETTLED)).await;
                Ok(resident_bytes()? as f64)
            }
        }
    }

    async fn told<C: Client>(self, client: &mut C) -> Outcome<f64> {
        let size = self.size();
        rate(client, 16, async |client, tells| client.tell(size, tells).await).await
    }

    /// CPU time of this process for each message, in nanoseconds.
    async fn cost<C: Client>(self, client: &mut C) -> Outcome<f64> {
        let peers = *self.peers().last().ok_or("a workload has peers")? as u64;
        let tell = async |client: &mut C, tells: u64| client.tell(Size::B64, tells / peers).await;
        let tells = grown(client, 64 * peers, CPU_SLICE, tell).await?;
        let before = cpu_time::of_process()?;
        tell(client, tells).await?;
        let used = cpu_time::of_process()? - before;
        Ok(used.as_nanos() as f64 / tells as f64)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// The median of asks one after the other, in microseconds.
async fn latency<C: Client>(client: &mut C) -> Outcome<f64> {
    let ask = async |client: &mut C, asks: u64| client.ask(asks).await.map(drop);
    let asks = grown(client, 16, SLICE, ask).await?;
    let mut spans = Vec::new();
    for _ in 0..SLICES {
        spans.extend(client.ask(asks).await?);
    }
    spans.sort_unstable();
    let median = spans.get(spans.len() / 2).ok_or("no ask was measured")?;
    Ok(median.as_nanos() as f64 / 1000.0)
}

/// The median of the rates of the slices, in operations a second.
async fn rate<C: Client>(
    client: &mut C,
    least: u64,
    run: impl AsyncFn(&mut C, u64) -> Outcome<()>,
) -> Outcome<f64> {
    let operations = grown(client, least, SLICE, &run).await?;
    let mut rates = Vec::with_capacity(SLICES);
    for _ in 0..SLICES {
        let began = Instant::now();
        run(client, operations).await?;
        rates.push(operations as f64 / began.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    Ok(rates[SLICES / 2])
}

/// Doubles the operations of a slice, from the least on, until it takes so long.
async fn grown<C: Client>(
    client: &mut C,
    least: u64,
    slice: Duration,
    run: impl AsyncFn(&mut C, u64) -> Outcome<()>,
) -> Outcome<u64> {
    let mut operations = least;
    loop {
        let began = Instant::now();
        run(client, operations).await?;
        if began.elapsed() >= sized(slice) || operations >= OPERATIONS_MAX {
            return Ok(operations);
        }
        operations *= 2;
    }
}

/// A span: all of it, or a tenth in a build without optimisation, which shows only that it works.
fn sized(span: Duration) -> Duration {
    if cfg!(debug_assertions) { span / 10 } else { span }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::Workload;
    use crate::{
        Outcome,
        remote::system::{Client, Size},
    };

    /// Takes a millisecond for an ask and a microsecond for a tell, on a clock that is paused.
    #[derive(Default)]
    struct Clockwork {
        told: u64,
    }

    impl Client for Clockwork {
        async fn ask(&mut self, asks: u64) -> Outcome<Vec<Duration>> {
            sleep(Duration::from_millis(asks)).await;
            Ok((0..asks).map(|_| Duration::from_millis(1)).collect())
        }

        async fn ask64(&mut self, each: u64) -> Outcome<()> {
            sleep(Duration::from_millis(each)).await;
            Ok(())
        }

        async fn tell(&mut self, _: Size, tells: u64) -> Outcome<()> {
            self.told += tells;
            sleep(Duration::from_micros(tells)).await;
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn figures_are_in_their_units() {
        let mut client = Clockwork::default();
        assert_eq!(Workload::Ask.measure(&mut client).await.unwrap(), 1000.0);
        let asks = Workload::Ask64.measure(&mut client).await.unwrap();
        assert!((asks - 64_000.0).abs() < 640.0, "{asks}");
        let tells = Workload::Tell64.measure(&mut client).await.unwrap();
        // The clock of tokio's timers ticks in milliseconds.
        assert!((tells - 1e6).abs() < 1e5, "{tells}");
        assert!(client.told > 60_000, "{}", client.told);
        let bulk = Workload::Bulk1m.measure(&mut client).await.unwrap();
        assert!((bulk / (tells * 1.048_576) - 1.0).abs() < 0.1, "{bulk}");
    }
}
