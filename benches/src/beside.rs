//! A receiver that has stopped, and what others notice of it: the latency of asks to a fast receiver on the same node while
//! senders wait for one that takes nothing, beside that without them; and the memory of both processes over the time for
//! which it stands still under a flood.
//!
//! Once with one lane, which all of them have in common, and once with as many as there are by default. Rounds with and
//! without the stopped receiver are interleaved, and medians are printed. What it is NOT: a measure of how many messages
//! pass, which is `remote.rs`.

mod flood;
pub(crate) mod peer;

use std::{ffi::OsStr, time::Duration};

use odeon::{ActorRef, Node, TransportConfig};

use crate::{
    child,
    median::median,
    remote::{Outcome, asks, messages::Sink, micros, papers::Papers, sink},
};
use flood::Flood;
use peer::{Gate, Open, Resident, Stuck, resident_bytes};

/// Measures what others notice of a receiver that has stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct BesideArgs {
    /// Rounds of each measurement; the median is printed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=101))]
    rounds: u16,
    /// Asks in one round, one at a time.
    #[arg(long, default_value_t = 5_000)]
    asks: u64,
    /// Senders that wait for the receiver that has stopped.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    senders: u16,
    /// Seconds for which it stands still while memory is looked at; 0 leaves that out.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(0..=3600))]
    stopped: u16,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Where the kernel does not tell.
const UNSEEN: &str = "this system does not say how much memory a process has: use --stopped 0";

/// Microseconds of asks, without and with a stopped receiver.
#[derive(Clone, Copy, Debug)]
struct Round {
    alone_p50: f64,
    alone_p99: f64,
    beside_p50: f64,
    beside_p99: f64,
}

/// Resident memory of one process over the time of a flood, in bytes.
#[derive(Clone, Copy, Debug)]
struct Spell {
    first: u64,
    last: u64,
    most: u64,
}

impl Spell {
    fn new(bytes: u64) -> Self {
        Self { first: bytes, last: bytes, most: bytes }
    }

    fn note(&mut self, bytes: u64) {
        self.last = bytes;
        self.most = self.most.max(bytes);
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({ "first": self.first, "last": self.last, "most": self.most })
    }
}

/// What was found with so many lanes.
#[derive(Debug)]
struct Found {
    lanes: u8,
    rounds: Vec<Round>,
    sender: Option<Spell>,
    receiver: Option<Spell>,
}

/// Runs all rounds and prints the medians.
pub(crate) async fn run(args: BesideArgs) -> Outcome<()> {
    let default = TransportConfig::default().lanes;
    let found = [with_lanes(&args, 1).await?, with_lanes(&args, default).await?];
    print(&args, &found);
    Ok(())
}

async fn with_lanes(args: &BesideArgs, lanes: u8) -> Outcome<Found> {
    let papers = Papers::make()?;
    let of_peer = lanes.to_string();
    let peer = ["beside-peer", "--lanes", &of_peer, "--folder"].map(OsStr::new);
    let peer = peer.into_iter().chain([papers.folder().as_os_str()]);
    let (mut child, said) = child::start::<peer::Said>(peer).await?;
    let node = Node::builder("bench-a")
        .identity(papers.identity("bench-a")?)
        .transport(TransportConfig { lanes, ..TransportConfig::default() })
        .seed(said.node.to_string())
        .start()
        .await?;
    let there = There::find(&node).await?;
    let mut rounds = Vec::new();
    // The first round warms caches, congestion windows and packet sizes up, and does not count.
    for round in 0..=args.rounds {
        let alone = asks(&there.quick, args.asks).await?;
        let flood = there.stop(&node, args.senders).await?;
        let beside = asks(&there.quick, args.asks).await?;
        there.go_on(flood).await?;
        if round > 0 {
            rounds.push(Round {
                alone_p50: micros(&alone, 0.5),
                alone_p99: micros(&alone, 0.99),
                beside_p50: micros(&beside, 0.5),
                beside_p99: micros(&beside, 0.99),
            });
        }
    }
    let (sender, receiver) = match args.stopped {
        0 => (None, None),
        seconds => there.stand_still(&node, args.senders, seconds).await?,
    };
    node.stop(Duration::from_secs(2)).await;
    // The end of its input tells the peer to leave.
    drop(child.stdin.take());
    child.wait().await?;
    Ok(Found { lanes, rounds, sender, receiver })
}

/// The actors of the other process.
struct There {
    quick: ActorRef<Sink>,
    stuck: ActorRef<Stuck>,
    gate: ActorRef<Gate>,
}

impl There {
    async fn find(node: &Node) -> Outcome<Self> {
        let quick = sink(node).await?;
        // They were registered before it.
        let stuck = node.on("bench-b").lookup::<Stuck>("stuck").await?.ok_or("nobody is stuck")?;
        let gate = node.on("bench-b").lookup::<Gate>("gate").await?.ok_or("there is no gate")?;
        Ok(Self { quick, stuck, gate })
    }

    async fn open(&self, is_open: bool) -> Outcome<()> {
        Ok(self.gate.ask(Open { is_open }).await.map_err(|error| error.to_string())?)
    }

    /// Stops the receiver, and floods it until its senders wait.
    async fn stop(&self, node: &Node, senders: u16) -> Outcome<Flood> {
        self.open(false).await?;
        let flood = Flood::begin(&self.stuck, senders);
        flood.full(node).await?;
        Ok(flood)
    }

    /// Ends a flood, and lets the receiver take what has come.
    async fn go_on(&self, flood: Flood) -> Outcome<()> {
        flood.end().await;
        self.open(true).await?;
        // Behind all that has come.
        let drained = self.stuck.ask(Resident).within(Duration::from_secs(30)).await;
        drained.map_err(|error| error.to_string())?.ok_or("it has no memory")?;
        Ok(())
    }

    /// Memory of the other process.
    async fn resident(&self) -> Outcome<u64> {
        let bytes = self.gate.ask(Resident).await.map_err(|error| error.to_string())?;
        Ok(bytes.ok_or(UNSEEN)?)
    }

    /// Memory of this process and of the other, looked at each second for so many.
    async fn stand_still(
        &self,
        node: &Node,
        senders: u16,
        seconds: u16,
    ) -> Outcome<(Option<Spell>, Option<Spell>)> {
        let flood = self.stop(node, senders).await?;
        let (ours, theirs) = (resident_bytes().ok_or(UNSEEN)?, self.resident().await?);
        let (mut sender, mut receiver) = (Spell::new(ours), Spell::new(theirs));
        for _ in 0..seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sender.note(resident_bytes().ok_or(UNSEEN)?);
            receiver.note(self.resident().await?);
        }
        self.go_on(flood).await?;
        Ok((Some(sender), Some(receiver)))
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
fn print(args: &BesideArgs, found: &[Found]) {
    if args.json {
        let of_all: Vec<_> = found.iter().map(Found::json).collect();
        let line = serde_json::json!({
            "rounds": args.rounds, "asks": args.asks, "senders": args.senders, "message_bytes": 64,
            "stopped_s": args.stopped, "by_lanes": of_all,
        });
        println!("{line}");
        return;
    }
    for found in found {
        let Figures { alone_p50, alone_p99, beside_p50, beside_p99, p99_ratio } = found.figures();
        println!("{} lanes", found.lanes);
        println!(
            "  ask alone                            {alone_p50:>10.1} us median, {alone_p99:.1} us 99 %"
        );
        println!(
            "  beside a receiver that has stopped   {beside_p50:>10.1} us median, {beside_p99:.1} us 99 %"
        );
        println!("  beside / alone, 99 %                 {p99_ratio:>10.2}");
        for (who, spell) in [("sender", &found.sender), ("receiver", &found.receiver)] {
            if let Some(Spell { first, last, most }) = spell {
                let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
                let (first, last, most) = (mib(*first), mib(*last), mib(*most));
                println!(
                    "  memory of the {who:<8} over {} s      {first:>10.1} MiB, then {last:.1}, {most:.1} at most",
                    args.stopped
                );
            }
        }
    }
}

/// Medians of the rounds.
#[derive(Debug)]
struct Figures {
    alone_p50: f64,
    alone_p99: f64,
    beside_p50: f64,
    beside_p99: f64,
    p99_ratio: f64,
}

impl Found {
    fn figures(&self) -> Figures {
        let of = |of: fn(&Round) -> f64| median(&self.rounds, of);
        Figures {
            alone_p50: of(|round| round.alone_p50),
            alone_p99: of(|round| round.alone_p99),
            beside_p50: of(|round| round.beside_p50),
            beside_p99: of(|round| round.beside_p99),
            p99_ratio: (of(|round| round.beside_p99 / round.alone_p99) * 100.0).round() / 100.0,
        }
    }

    fn json(&self) -> serde_json::Value {
        let Figures { alone_p50, alone_p99, beside_p50, beside_p99, p99_ratio } = self.figures();
        serde_json::json!({
            "lanes": self.lanes,
            "alone_p50_us": alone_p50, "alone_p99_us": alone_p99,
            "beside_p50_us": beside_p50, "beside_p99_us": beside_p99, "p99_ratio": p99_ratio,
            "sender_bytes": self.sender.as_ref().map(Spell::json),
            "receiver_bytes": self.receiver.as_ref().map(Spell::json),
        })
    }
}
