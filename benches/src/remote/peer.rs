//! The other process: a node with a sink, and a bare quinn echo.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use odeon::{Node, SpawnOptions};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::remote::{Outcome, echo, messages::Sink, papers::Papers};

/// What the peer is told.
#[derive(Debug, clap::Args)]
pub(crate) struct PeerArgs {
    #[arg(long)]
    folder: PathBuf,
}

/// Where the peer is reached.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) node: SocketAddr,
    pub(crate) echo: SocketAddr,
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
    let options = SpawnOptions::default().named("sink").mailbox(1 << 14);
    node.spawn_opts::<Sink>(Sink::default(), options).await?;
    let (echo, serve) = echo::serve(&papers)?;
    println!("{}", serde_json::to_string(&Said { node: node.addr(), echo })?);
    let mut stdin = tokio::io::stdin();
    let mut byte = [0];
    tokio::select! {
        _ = stdin.read(&mut byte) => {}
        () = serve => {}
    }
    node.stop(Duration::from_secs(2)).await;
    Ok(())
}
