//! The other process: a node with a receiver that can be stopped, the gate that stops it, and a fast receiver.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use odeon::{
    Actor, Context, Handler, Node, SpawnOptions, StartError, TransportConfig, actor, message,
};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncReadExt, sync::watch};

use crate::remote::{
    Outcome,
    messages::{Sink, Tick},
    papers::Papers,
};

/// What the peer is told.
#[derive(Debug, clap::Args)]
pub(crate) struct PeerArgs {
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    lanes: u8,
}

/// Where the peer is reached.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) node: SocketAddr,
}

/// Let the receiver go on, or stop.
#[message(id = "odeon-bench/Open")]
pub(super) struct Open {
    pub(super) is_open: bool,
}

/// How many bytes of memory the process has; `None` where its system does not say.
#[message(id = "odeon-bench/Resident", reply = Option<u64>)]
pub(super) struct Resident;

/// Stops and starts the receiver.
pub(super) struct Gate {
    open: watch::Sender<bool>,
}

#[actor(id = "odeon-bench/Gate", handles(Open, Resident))]
impl Actor for Gate {
    type Args = watch::Sender<bool>;

    async fn start(open: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { open })
    }
}

impl Handler<Open> for Gate {
    async fn handle(&mut self, Open { is_open }: Open, _: &mut Context<Self>) {
        self.open.send_replace(is_open);
    }
}

impl Handler<Resident> for Gate {
    async fn handle(&mut self, _: Resident, _: &mut Context<Self>) -> Option<u64> {
        resident_bytes()
    }
}

/// Takes nothing while the gate is closed.
pub(super) struct Stuck {
    open: watch::Receiver<bool>,
}

#[actor(id = "odeon-bench/Stuck", handles(Tick, Resident))]
impl Actor for Stuck {
    type Args = watch::Receiver<bool>;

    async fn start(open: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { open })
    }
}

impl Handler<Tick> for Stuck {
    async fn handle(&mut self, _: Tick, _: &mut Context<Self>) {
        // The gate lives as long as the node.
        let _ = self.open.wait_for(|is_open| *is_open).await;
    }
}

impl Handler<Resident> for Stuck {
    async fn handle(&mut self, _: Resident, _: &mut Context<Self>) -> Option<u64> {
        resident_bytes()
    }
}

/// Serves until its input ends.
#[expect(clippy::print_stdout, reason = "this is what the other process reads")]
pub(crate) async fn run(args: PeerArgs) -> Outcome<()> {
    let papers = Papers::open(&args.folder);
    let node = Node::builder("bench-b")
        .identity(papers.identity("bench-b")?)
        .transport(TransportConfig { lanes: args.lanes, ..TransportConfig::default() })
        .alone()
        .actor::<Sink>()
        .actor::<Stuck>()
        .actor::<Gate>()
        .start()
        .await?;
    let (open, opened) = watch::channel(true);
    let stuck = SpawnOptions::default().named("stuck");
    node.spawn_opts::<Stuck>(opened, stuck).await?;
    node.spawn_opts::<Gate>(open, SpawnOptions::default().named("gate")).await?;
    node.spawn_opts::<Sink>(Sink::default(), SpawnOptions::default().named("sink")).await?;
    println!("{}", serde_json::to_string(&Said { node: node.addr() })?);
    let mut stdin = tokio::io::stdin();
    // Its end is what is waited for.
    let _ = stdin.read(&mut [0]).await;
    node.stop(Duration::from_secs(2)).await;
    Ok(())
}

/// Bytes of memory that this process has, as proc(5) tells in `/proc/self/status`.
pub(super) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}
