//! One node of a cluster of processes: it says who comes and goes.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use odeon::{MemberEvent, Node};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::remote::{Outcome, papers::Papers};

/// What a node of the cluster is told.
#[derive(Debug, clap::Args)]
pub(crate) struct MemberArgs {
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    name: String,
    /// None: it begins the cluster.
    #[arg(long)]
    seed: Vec<String>,
}

/// What a node of the cluster says, a line each.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// Where it is reached.
    Node(SocketAddr),
    Up(String),
    Down(String),
}

#[expect(clippy::print_stdout, reason = "this is what the other process reads")]
fn say(said: &Said) -> Outcome<()> {
    println!("{}", serde_json::to_string(said)?);
    Ok(())
}

/// Lives until its input ends.
pub(crate) async fn run(args: MemberArgs) -> Outcome<()> {
    let papers = Papers::open(&args.folder);
    let builder = Node::builder(&args.name).identity(papers.identity(&args.name)?);
    let builder = if args.seed.is_empty() { builder.alone() } else { builder };
    let builder = args.seed.into_iter().fold(builder, odeon::NodeBuilder::seed);
    let node = builder.start().await?;
    say(&Said::Node(node.addr()))?;
    let (mut members, mut byte, mut input) = (node.members(), [0], tokio::io::stdin());
    loop {
        tokio::select! {
            _ = input.read(&mut byte) => break,
            event = members.next() => match event {
                Some(MemberEvent::Up(member)) => say(&Said::Up(member.name))?,
                Some(MemberEvent::Down { member, .. }) => say(&Said::Down(member.name))?,
                Some(_) => {}
                None => break,
            },
        }
    }
    node.stop(Duration::from_secs(2)).await;
    Ok(())
}
