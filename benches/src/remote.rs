//! Messages between two processes: 64-byte tells a second, the latency of an ask, and a bare quinn echo.
//!
//! Rounds of the three are interleaved in one run, so that the machine's mood touches all alike; medians of the
//! rounds are printed. Both ends use the same certificates, ciphers and packet sizes.

mod echo;
pub(crate) mod messages;
pub(crate) mod papers;
pub(crate) mod peer;
mod tells;

use std::{error::Error, ffi::OsStr, time::Duration};

use hdrhistogram::Histogram;
use odeon::{ActorRef, Node};
use tokio::time::Instant;

use crate::{child, median::median};
use messages::{Echo, Sink};
use papers::Papers;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measures messages between two processes.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoteArgs {
    /// Rounds of each measurement; the median is printed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=101))]
    rounds: u16,
    /// Tells in one round.
    #[arg(long, default_value_t = 1_000_000)]
    tells: u64,
    /// Asks, and echoes, in one round.
    #[arg(long, default_value_t = 5_000)]
    asks: u64,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Figures of one round.
#[derive(Clone, Copy, Debug)]
struct Round {
    tells_per_s: f64,
    ask_p50_us: f64,
    ask_p99_us: f64,
    echo_p50_us: f64,
    echo_p99_us: f64,
}

/// Runs all rounds and prints the medians.
pub(crate) async fn run(args: RemoteArgs) -> Outcome<()> {
    let papers = Papers::make()?;
    let peer = [OsStr::new("remote-peer"), OsStr::new("--folder"), papers.folder().as_os_str()];
    let (mut child, said) = child::start::<peer::Said>(peer).await?;
    let node = Node::builder("bench-a")
        .identity(papers.identity("bench-a")?)
        .seed(said.node.to_string())
        .start()
        .await?;
    let peer = sink(&node).await?;
    let echo = echo::Client::connect(&papers, said.echo).await?;
    let mut rounds = Vec::new();
    // The first round warms caches, congestion windows and packet sizes up, and does not count.
    for round in 0..=args.rounds {
        let tells_per_s = tells::run(&node, &peer, args.tells).await?;
        let asks = asks(&peer, args.asks).await?;
        let echoes = echo.run(args.asks).await?;
        if round > 0 {
            rounds.push(Round {
                tells_per_s,
                ask_p50_us: micros(&asks, 0.5),
                ask_p99_us: micros(&asks, 0.99),
                echo_p50_us: micros(&echoes, 0.5),
                echo_p99_us: micros(&echoes, 0.99),
            });
        }
    }
    node.stop(Duration::from_secs(2)).await;
    // The end of its input tells the peer to leave.
    drop(child.stdin.take());
    child.wait().await?;
    print(&args, &rounds);
    Ok(())
}

/// The sink of the peer.
///
/// # Errors
/// When it is not found in time.
pub(crate) async fn sink(node: &Node) -> Outcome<ActorRef<Sink>> {
    let mut name = node.on("bench-b").follow::<Sink>("sink").await?;
    let held = tokio::time::timeout(Duration::from_secs(10), name.held()).await?;
    Ok(held.ok_or("the node has stopped")?)
}

/// Asks one after the other.
///
/// # Errors
/// When one has no answer.
pub(crate) async fn asks(peer: &ActorRef<Sink>, asks: u64) -> Outcome<Histogram<u32>> {
    let mut latency = Histogram::new_with_max(1_000_000_000, 3)?;
    for _ in 0..asks {
        let asked = Instant::now();
        peer.ask(Echo { words: [7; 8] }).await.map_err(|error| error.to_string())?;
        latency.saturating_record(asked.elapsed().as_nanos() as u64);
    }
    Ok(latency)
}

pub(crate) fn micros(latency: &Histogram<u32>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1000.0
}

#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
fn print(args: &RemoteArgs, rounds: &[Round]) {
    let tells = median(rounds, |round| round.tells_per_s);
    let ask = median(rounds, |round| round.ask_p50_us);
    let echo = median(rounds, |round| round.echo_p50_us);
    let ratio = median(rounds, |round| round.ask_p50_us / round.echo_p50_us);
    let ask99 = median(rounds, |round| round.ask_p99_us);
    let echo99 = median(rounds, |round| round.echo_p99_us);
    if args.json {
        let line = serde_json::json!({
            "rounds": args.rounds, "message_bytes": 64,
            "tells_per_s": tells.round(), "ask_p50_us": ask, "ask_p99_us": ask99,
            "quinn_echo_p50_us": echo, "quinn_echo_p99_us": echo99, "ask_to_echo": (ratio * 100.0).round() / 100.0,
        });
        println!("{line}");
        return;
    }
    println!("64-byte tells, one node to another     {:>10.2} million/s", tells / 1e6);
    println!("ask, one at a time                     {ask:>10.1} us median, {ask99:.1} us 99 %");
    println!("bare quinn echo, one at a time         {echo:>10.1} us median, {echo99:.1} us 99 %");
    println!("ask / echo                             {ratio:>10.2}");
}
