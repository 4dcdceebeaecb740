//! One node of the demo: a process of its own, started by the driver (`children.rs`).
//!
//! It says on standard output, a line of JSON each, where it listens and who comes and goes; it leaves when its
//! standard input ends, so that no node outlives its driver.

use std::{io::Write, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use odeon::{MemberEvent, Members, Node};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::{
    demo::{
        job::{
            self,
            counter::{self, Counter, Desk, Usher},
        },
        journal::Journal,
        papers,
    },
    failure::Failed,
};

/// Longest time for each phase of a child's stop.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What a child is told.
#[derive(Debug, clap::Args)]
pub(crate) struct ChildArgs {
    /// Folder with the certificates and the journal.
    #[arg(long)]
    folder: PathBuf,
    /// Name of this node.
    #[arg(long)]
    name: String,
    /// The seed; the first node has none.
    #[arg(long)]
    seed: Option<SocketAddr>,
}

/// What a child says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case", tag = "event")]
pub(crate) enum Said {
    /// It is ready and listens there.
    Listening { addr: SocketAddr },
    /// A member came up, at this time (microseconds since 1970).
    Up { member: String, incarnation: u64, at_us: u64 },
    /// A member went down.
    Down { member: String, incarnation: u64, at_us: u64, reason: String },
}

/// Runs one node until standard input ends.
pub(crate) async fn run(args: ChildArgs) -> Result<(), Failed> {
    let journal = Journal::open(&papers::journal(&args.folder)).map_err(Failed::input)?;
    let mut builder = Node::builder(&args.name)
        .identity(papers::identity(&args.folder, &args.name).map_err(Failed::input)?)
        .transport(job::transport())
        .actor::<Usher>()
        .actor::<Counter>();
    builder = match args.seed {
        Some(seed) => builder.seed(seed.to_string()),
        None => builder.alone(),
    };
    let node = builder.start().await.map_err(Failed::input)?;
    let mut members = node.members();
    let ran = Arc::new(move |ask| {
        assert!(journal.ran(ask), "the journal has room for every ask of the demo");
    });
    counter::open(&node, Desk { ran, takes: Duration::ZERO }).await.map_err(Failed::run)?;
    say(&Said::Listening { addr: node.addr() });

    let mut stdin = tokio::io::stdin();
    let mut byte = [0];
    loop {
        tokio::select! {
            said = next_said(&node, &mut members) => match said {
                Some(said) => say(&said),
                None => return Ok(()),
            },
            // Nothing is ever sent: a byte, the end and an error all mean that the driver is done.
            _ = stdin.read(&mut byte) => break,
        }
    }
    node.stop(STOP_WITHIN).await;
    Ok(())
}

/// What a node says next about who comes and goes among its members; `None` once it has ended. Nothing is lost when it is
/// dropped.
pub(crate) async fn next_said(node: &Node, members: &mut Members) -> Option<Said> {
    loop {
        if let Some(said) = describe(node, members.next().await?) {
            return Some(said);
        }
    }
}

/// What a node says about a change among its members; nothing about what they say of themselves.
fn describe(node: &Node, event: MemberEvent) -> Option<Said> {
    let at_us = crate::demo::micros(node.env().wall_clock());
    match event {
        MemberEvent::Up(member) => {
            Some(Said::Up { member: member.name, incarnation: member.incarnation.0, at_us })
        }
        MemberEvent::Down { member, reason } => Some(Said::Down {
            member: member.name,
            incarnation: member.incarnation.0,
            at_us,
            reason: format!("{reason:?}"),
        }),
        _ => None,
    }
}

fn say(said: &Said) {
    let line = serde_json::to_string(said).expect("names and numbers have a JSON form");
    // A driver that has gone away ends this node through its standard input.
    let _ = writeln!(std::io::stdout(), "{line}");
}
