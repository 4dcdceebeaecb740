//! Speed of the simulator: virtual time over real time, for a cluster of five nodes under real QUIC.
//!
//! `cargo run --release -p odeon-bench-sim -- --json` simulates a minute a round, each on a fresh thread, and prints
//! the median. Every node asks every other ten times a second, over a network with latency, loss, duplication and
//! reordering. What it is NOT: part of `odeon-benches`, whose clock reads the simulator's symbols would slow down.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use clap::Parser;
use odeon::{Actor, Context, Handler, Node, NodeBuilder, StartError, actor, message};
use odeon_sim::{LinkRule, Verdict, World, WorldBuilder};

/// Speed of the simulator.
#[derive(Debug, Parser)]
struct Args {
    /// Nodes of the cluster, 2 to 50.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(2..=50))]
    nodes: u8,
    /// Virtual seconds a round.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Rounds; the median is printed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=101))]
    rounds: u8,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Replies of the present round, so that a cluster that never forms is no splendid figure.
static REPLIES: AtomicU64 = AtomicU64::new(0);

#[message(id = "bench/Greet", reply = u64)]
struct Greet {
    number: u64,
}

#[derive(Clone)]
struct Greeter;

#[actor(id = "bench/Greeter", handles(Greet))]
impl Actor for Greeter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Greet> for Greeter {
    async fn handle(&mut self, greet: Greet, _: &mut Context<Self>) -> u64 {
        greet.number
    }
}

/// Asks every other node's greeter ten times a second, for ever.
async fn greet_all(node: Node, others: Vec<String>) {
    let greeter = node.spawn(Greeter).await.expect("a greeter starts");
    node.register("greeter", &greeter).expect("the name is free");
    let mut greeters = Vec::new();
    for other in others {
        if let Ok(mut name) = node.on(&other).follow::<Greeter>("greeter").await {
            greeters.extend(name.held().await);
        }
    }
    for number in 0.. {
        for greeter in &greeters {
            // A failure is part of life on this network.
            if greeter.ask(Greet { number }).await.is_ok() {
                REPLIES.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn scenario(world: &mut World, nodes: u8, time: Duration) {
    world.set_default_link(LinkRule::rough());
    let names: Vec<String> = (1..=nodes).map(|n| format!("n{n}")).collect();
    for name in &names {
        let others: Vec<String> = names.iter().filter(|other| *other != name).cloned().collect();
        let main = move |node| greet_all(node, others.clone());
        world.start_member(name, NodeBuilder::actor::<Greeter>, main);
    }
    world.run_for(time).await;
}

/// One round: how it ended, and the real time it took.
fn round(nodes: u8, time: Duration, seed: u64) -> Result<(Verdict, Duration), String> {
    let run = move || {
        // Outside of the world, so the real clock.
        let began = tokio::time::Instant::now();
        let verdict = WorldBuilder::new(seed)
            .run(async move |world: &mut World| scenario(world, nodes, time).await);
        (verdict, began.elapsed())
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "each round has a thread of its own, as the runner's programs do"
    )]
    let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(run);
    let ended = thread.map_err(|error| error.to_string())?.join();
    let (verdict, took) = ended.map_err(|_| "a round panicked".to_owned())?;
    let replies = REPLIES.swap(0, Ordering::Relaxed);
    // Ten a second and pair, less what joining and the network cost.
    let fewest = time.as_secs().saturating_sub(10) * u64::from(nodes) * u64::from(nodes - 1) * 2;
    if !verdict.passed() {
        return Err(format!("a round failed: {verdict:?}"));
    }
    if replies < fewest {
        return Err(format!(
            "{replies} replies in a round, fewer than {fewest}: the cluster did not work"
        ));
    }
    Ok((verdict, took))
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the figures are what was asked for")]
fn main() -> ExitCode {
    let args = Args::parse();
    let time = Duration::from_secs(args.seconds);
    let mut real = Vec::new();
    let mut events = 0;
    // The first round warms the machine up and does not count.
    for seed in 0..=u64::from(args.rounds) {
        match round(args.nodes, time, seed) {
            Ok((verdict, took)) if seed > 0 => {
                events = verdict.events;
                real.push(took.as_secs_f64());
            }
            Ok(_) => {}
            Err(error) => {
                eprintln!("odeon-bench-sim: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    real.sort_by(f64::total_cmp);
    let median = real[real.len() / 2];
    let ratio = time.as_secs_f64() / median;
    if args.json {
        let line = serde_json::json!({
            "nodes": args.nodes, "virtual_s": args.seconds, "rounds": args.rounds,
            "real_s": (median * 1000.0).round() / 1000.0, "virtual_to_real": ratio.round(), "events": events,
        });
        println!("{line}");
    } else {
        println!(
            "{} nodes, {} virtual seconds in {median:.3} s: {ratio:.0} times real time ({events} events)",
            args.nodes, args.seconds
        );
    }
    ExitCode::SUCCESS
}
