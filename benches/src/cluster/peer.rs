//! The other process: a node with the members of the groups, and one that listens to the topic.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use odeon::{Node, SpawnOptions};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::remote::{
    Outcome,
    messages::{Sink, Tick},
    papers::Papers,
};

/// The group with one member.
pub(super) const ONE: &str = "one";
/// The group with more.
pub(super) const MEMBERS: &str = "members";
/// The topic, and the group of who listens to it.
pub(super) const TOPIC: &str = "ticks";

/// What the peer is told.
#[derive(Debug, clap::Args)]
pub(crate) struct PeerArgs {
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    members: u16,
}

/// Where the peer is reached.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) node: SocketAddr,
}

/// Serves until its input ends.
#[expect(clippy::print_stdout, reason = "this is what the other process reads")]
pub(crate) async fn run(args: PeerArgs) -> Outcome<()> {
    let papers = Papers::open(&args.folder);
    let node = Node::builder("bench-b")
        .identity(papers.identity("bench-b")?)
        .alone()
        .actor::<Sink>()
        .start()
        .await?;
    // As large as the credit of one sender, so that a burst finds room in it.
    let options = || SpawnOptions::default().mailbox(1 << 14);
    let group = |name: &str| node.cluster().group::<Sink>(name);
    let sink = node.spawn_opts::<Sink>(Sink::default(), options().named("sink")).await?;
    group(ONE)?.join(&sink)?;
    for _ in 0..args.members {
        let member = node.spawn_opts::<Sink>(Sink::default(), options()).await?;
        group(MEMBERS)?.join(&member)?;
    }
    // So large that nothing is missed: what is counted is what arrives.
    let large = SpawnOptions::default().mailbox(1 << 22).mailbox_bytes(1 << 30);
    let listener = node.spawn_opts::<Sink>(Sink::default(), large).await?;
    node.cluster().subscribe_actor::<Sink, Tick>(TOPIC, &listener)?;
    group(TOPIC)?.join(&listener)?;
    println!("{}", serde_json::to_string(&Said { node: node.addr() })?);
    let mut byte = [0];
    let _ = tokio::io::stdin().read(&mut byte).await;
    node.stop(Duration::from_secs(2)).await;
    Ok(())
}
