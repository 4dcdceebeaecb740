//! Clusters: messages to many, and what a cluster of processes costs.
//!
//! Broadcasts to a group and publishing to a topic stand beside plain tells to one actor. Two processes, the sender in one and the receivers in the other, over loopback, encrypted. Rounds are interleaved in
//! one run, so that the machine's mood touches all alike; medians of the rounds are printed. Counted are messages that
//! reached an actor. The cluster of processes is measured first, while nothing else runs (`cluster/processes.rs`).

mod fleet;
pub(crate) mod member;
pub(crate) mod peer;
pub(crate) mod processes;
mod sending;

use std::{ffi::OsStr, time::Duration};

use odeon::Node;

use crate::{
    child,
    median::median,
    remote::{Outcome, papers::Papers, sink},
};
use processes::{Figures, NAMES};
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
    /// Leave out the cluster of processes, which takes some two minutes.
    #[arg(long)]
    messages_only: bool,
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
    let figures = if args.messages_only { None } else { Some(processes::measure(&papers).await?) };
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
    print(&args, &rounds, figures.as_ref());
    Ok(())
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}

#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
fn print(args: &ClusterArgs, rounds: &[Round], figures: Option<&Figures>) {
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
            "nodes": NAMES.len(),
            "killed_missed_ms_median": figures.map(|it| millis(it.missed[0])),
            "killed_missed_ms_p99": figures.map(|it| millis(it.missed[1])),
            "idle_node_percent_of_core": figures.map(|it| (it.idle * 1e4).round() / 1e2),
            "ready_ms": figures.map(|it| millis(it.ready)),
        });
        println!("{line}");
        return;
    }
    println!("64-byte tells, one node to another     {:>10.2} million/s", tells / 1e6);
    println!("broadcast to a group of one            {one:>10.2} of that");
    println!("broadcast to a group of {:<3}            {members:>10.2} of that", args.members);
    println!("published, one subscriber              {topic:>10.2} of that");
    let Some(Figures { missed: [half, most], idle, ready }) = figures else { return };
    println!(
        "killed of {} nodes, missed by all      {half:>10.0?}, 99 of 100 in {most:.0?}",
        NAMES.len()
    );
    println!("an idle node of them                   {:>10.2} % of a core", idle * 100.0);
    println!("odeon node from its start to ready     {ready:>10.0?}");
}
