//! Messages to many: broadcasts to a group and publishing to a topic, beside plain tells to one actor.
//!
//! Two processes, the sender in one and the receivers in the other, over loopback, encrypted. Rounds are interleaved in
//! one run, so that the machine's mood touches all alike; medians of the rounds are printed. Counted are messages that
//! reached an actor.

pub(crate) mod peer;
mod sending;

use std::{ffi::OsStr, time::Duration};

use odeon::Node;

use crate::{
    child,
    median::median,
    remote::{Outcome, papers::Papers, sink},
};
use sending::{How, Source};

/// Measures messages to many.
#[derive(Debug, clap::Args)]
pub(crate) struct ClusterArgs {
    /// Rounds of each measurement; the median is printed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=101))]
    rounds: u16,
    /// Messages in one round.
    #[arg(long, default_value_t = 300_000)]
    messages: u64,
    /// Members of the larger group, all on the other node.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    members: u16,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Messages a second that reached actors, in one round.
#[derive(Clone, Copy, Debug)]
struct Round {
    tells: f64,
    one_member: f64,
    members: f64,
    topic: f64,
}

/// Runs all rounds and prints the medians.
pub(crate) async fn run(args: ClusterArgs) -> Outcome<()> {
    let papers = Papers::make()?;
    let members = args.members.to_string();
    let peer = ["cluster-peer", "--members", &members, "--folder"].map(OsStr::new);
    let peer = peer.into_iter().chain([papers.folder().as_os_str()]);
    let (mut child, said) = child::start::<peer::Said>(peer).await?;
    let node = Node::builder("bench-a")
        .identity(papers.identity("bench-a")?)
        .seed(said.node.to_string())
        .start()
        .await?;
    let sink = sink(&node).await?;
    let source = node.spawn_with::<Source>((node.clone(), sink, u64::from(args.members))).await?;
    let mut rounds = Vec::new();
    // The first round warms caches, congestion windows and packet sizes up, and does not count.
    for round in 0..=args.rounds {
        let measured = Round {
            tells: sending::measure(&source, How::Tells, args.messages).await?,
            one_member: sending::measure(&source, How::OneMember, args.messages).await?,
            members: sending::measure(&source, How::Members, args.messages).await?,
            topic: sending::measure(&source, How::Topic, args.messages).await?,
        };
        if round > 0 {
            rounds.push(measured);
        }
    }
    node.stop(Duration::from_secs(2)).await;
    // The end of its input tells the peer to leave.
    drop(child.stdin.take());
    child.wait().await?;
    print(&args, &rounds);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
fn print(args: &ClusterArgs, rounds: &[Round]) {
    let tells = median(rounds, |round| round.tells);
    let ratio = |of: fn(&Round) -> f64| {
        let ratio = median(rounds, |round| of(round) / round.tells);
        (ratio * 100.0).round() / 100.0
    };
    let one = ratio(|round| round.one_member);
    let members = ratio(|round| round.members);
    let topic = ratio(|round| round.topic);
    if args.json {
        let line = serde_json::json!({
            "rounds": args.rounds, "message_bytes": 64, "members": args.members,
            "tells_per_s": tells.round(),
            "group_of_one_to_tells": one, "group_to_tells": members, "topic_to_tells": topic,
        });
        println!("{line}");
        return;
    }
    println!("64-byte tells, one node to another     {:>10.2} million/s", tells / 1e6);
    println!("broadcast to a group of one            {one:>10.2} of that");
    println!("broadcast to a group of {:<3}            {members:>10.2} of that", args.members);
    println!("published, one subscriber              {topic:>10.2} of that");
}
