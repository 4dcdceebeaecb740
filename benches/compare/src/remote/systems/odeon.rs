//! Odeon with its defaults: a node a peer, actors behind bounded mailboxes, credit, a deadline on every ask.
//!
//! Each node has its endpoint's thread and one worker thread. Only `ask` places its actors, on the endpoint's thread; all
//! others are where actors are by default. Asks and tells come from actors. What it is NOT: tuned, but for
//! [`membership`], where one program has many nodes.

use std::{future::Future, time::Duration};

use odeon::{
    Actor, ActorRef, Context, Handler, MembershipConfig, Node, NodeBuilder, Placement,
    SpawnOptions, StartError, actor, message,
};
use tokio::time::Instant;

use crate::{
    Outcome,
    remote::{
        papers::{SENDER, receiver},
        system::{Client, Count, Remote, Setup, Size, number},
        workload::Workload,
    },
    system::together,
};

/// What the actors of other nodes are found by.
const NAME: &str = "sink";

/// How long it may take until all nodes know each other.
const FOUND_WITHIN: Duration = Duration::from_secs(40);

/// How long a slice may take.
const SLICE_WITHIN: Duration = Duration::from_secs(60);

/// 64 bytes, asked and answered with as many.
#[message(id = "odeon-compare/Echo", reply = [u64; 8])]
pub(crate) struct Echo {
    words: [u64; 8],
}

#[message(id = "odeon-compare/Tell64")]
pub(crate) struct Tell64 {
    words: [u64; 8],
}

#[message(id = "odeon-compare/Tell100")]
pub(crate) struct Tell100 {
    words: [u32; 25],
}

#[message(id = "odeon-compare/Tell1k")]
pub(crate) struct Tell1k {
    words: [u64; 128],
}

#[message(id = "odeon-compare/Bulk")]
pub(crate) struct Bulk {
    bytes: Vec<u8>,
}

/// How many messages came, and the sum of their numbers.
#[message(id = "odeon-compare/Received", reply = (u64, u64))]
pub(crate) struct Received;

/// Takes everything.
#[derive(Clone, Default)]
pub(crate) struct Sink {
    count: Count,
}

#[actor(id = "odeon-compare/Sink", handles(Echo, Tell64, Tell100, Tell1k, Bulk, Received))]
impl Actor for Sink {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Echo> for Sink {
    async fn handle(&mut self, echo: Echo, _: &mut Context<Self>) -> [u64; 8] {
        echo.words
    }
}

impl Handler<Tell64> for Sink {
    async fn handle(&mut self, tell: Tell64, _: &mut Context<Self>) {
        self.count.add(tell.words[0]);
    }
}

impl Handler<Tell100> for Sink {
    async fn handle(&mut self, tell: Tell100, _: &mut Context<Self>) {
        self.count.add(tell.words[0].into());
    }
}

impl Handler<Tell1k> for Sink {
    async fn handle(&mut self, tell: Tell1k, _: &mut Context<Self>) {
        self.count.add(tell.words[0]);
    }
}

impl Handler<Bulk> for Sink {
    async fn handle(&mut self, bulk: Bulk, _: &mut Context<Self>) {
        self.count.add(number(&bulk.bytes));
    }
}

impl Handler<Received> for Sink {
    async fn handle(&mut self, _: Received, _: &mut Context<Self>) -> (u64, u64) {
        let count = self.count.take();
        (count.messages, count.sum)
    }
}

/// Asks and tells one peer.
#[derive(Clone)]
pub(crate) struct Source {
    to: ActorRef<Sink>,
}

impl Actor for Source {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

/// Ask so often, and say how long each ask took.
#[message(local, reply = Outcome<Vec<Duration>>)]
pub(crate) struct LetAsk(u64);

impl Handler<LetAsk> for Source {
    async fn handle(&mut self, ask: LetAsk, _: &mut Context<Self>) -> Outcome<Vec<Duration>> {
        let mut spans = Vec::with_capacity(ask.0 as usize);
        for number in 0..ask.0 {
            let (asked, words) = (Instant::now(), [number; 8]);
            if self.to.ask(Echo { words }).await? != words {
                return Err("the answer is another's".into());
            }
            spans.push(asked.elapsed());
        }
        Ok(spans)
    }
}

/// Tell so often, and wait until all has been handled.
#[message(local, reply = Outcome<()>)]
pub(crate) struct LetTell {
    size: Size,
    tells: u64,
}

impl Handler<LetTell> for Source {
    async fn handle(&mut self, tell: LetTell, _: &mut Context<Self>) -> Outcome<()> {
        let LetTell { size, tells } = tell;
        let to = &self.to;
        match size {
            Size::B64 => all(tells, |number| to.tell(Tell64 { words: [number; 8] })).await?,
            Size::B100 => {
                all(tells, |number| to.tell(Tell100 { words: [number as u32; 25] })).await?
            }
            Size::K1 => all(tells, |number| to.tell(Tell1k { words: [number; 128] })).await?,
            Size::M1 => {
                let made = vec![7; size.bytes()];
                let bulk = |number: u64| {
                    let mut bytes = made.clone();
                    bytes[..8].copy_from_slice(&number.to_le_bytes());
                    to.tell(Bulk { bytes })
                };
                all(tells, bulk).await?;
            }
        }
        // Travels behind the others.
        let (messages, sum) = to.ask(Received).within(SLICE_WITHIN).await?;
        Count { messages, sum }.check(tells)
    }
}

async fn all<F, E>(tells: u64, tell: impl Fn(u64) -> F) -> Outcome<()>
where
    F: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    for number in 0..tells {
        tell(number).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The sending node, and who sends there: one a peer, or 64 to the first.
pub(crate) struct Sources {
    sources: Vec<ActorRef<Source>>,
    _node: Node,
}

pub(crate) struct Odeon;

impl Remote for Odeon {
    type Server = Vec<Node>;
    type Client = Sources;

    async fn serve(setup: &Setup) -> Outcome<(Self::Server, String)> {
        let mut nodes = Vec::<Node>::with_capacity(setup.peers);
        for peer in 0..setup.peers {
            // The sender is who makes one cluster of them: it has all of them as seeds.
            let node = node(setup, &receiver(peer))?.actor::<Sink>().alone().start().await?;
            let options = SpawnOptions::default().named(NAME).placement(placement(setup));
            node.spawn_opts::<Sink>(Sink::default(), options).await?;
            nodes.push(node);
        }
        let addresses: Vec<String> = nodes.iter().map(|node| node.addr().to_string()).collect();
        Ok((nodes, addresses.join(",")))
    }

    async fn connect(setup: &Setup, to: &str) -> Outcome<Sources> {
        let node = to.split(',').fold(node(setup, SENDER)?, NodeBuilder::seed);
        let node = node.start().await?;
        let mut sources = Vec::new();
        for peer in 0..setup.peers {
            let mut name = node.on(&receiver(peer)).follow::<Sink>(NAME).await?;
            let held = tokio::time::timeout(FOUND_WITHIN, name.held()).await;
            let to = held.map_err(|_| format!("{} was not found", receiver(peer)))?;
            let to = to.ok_or("the node has stopped")?;
            let askers = if setup.workload == Workload::Ask64 { 64 } else { 1 };
            for _ in 0..askers {
                let options = SpawnOptions::default().placement(placement(setup));
                sources.push(node.spawn_opts::<Source>(Source { to: to.clone() }, options).await?);
            }
        }
        Ok(Sources { sources, _node: node })
    }
}

fn placement(setup: &Setup) -> Placement {
    if setup.workload == Workload::Ask { Placement::Endpoint } else { Placement::Spread }
}

fn node(setup: &Setup, name: &str) -> Outcome<NodeBuilder> {
    let identity = setup.papers.identity(name)?;
    let node = Node::builder(name).identity(identity).workers(1);
    Ok(node.membership(membership(setup.peers)))
}

/// The defaults; but many nodes on one CPU are slow to meet each other: all of them would, several thousand pairs, while
/// what is measured is the one that sends.
fn membership(peers: usize) -> MembershipConfig {
    let mut config = MembershipConfig::default();
    if peers > 1 {
        config.probe_period = Duration::from_secs(30);
        config.probe_rtt = Duration::from_secs(10);
        config.suspicion = Duration::from_secs(60);
        config.touch_period = Duration::from_secs(60);
        config.gossip_period = Duration::from_secs(30);
        config.gossip_members = 1;
    }
    config
}

impl Client for Sources {
    async fn ask(&mut self, asks: u64) -> Outcome<Vec<Duration>> {
        let source = self.sources.first().ok_or("no peer")?;
        source.ask(LetAsk(asks)).within(SLICE_WITHIN).await?
    }

    async fn ask64(&mut self, each: u64) -> Outcome<()> {
        let asks = self.sources.iter().map(async |source| {
            source.ask(LetAsk(each)).within(SLICE_WITHIN).await??;
            Ok(())
        });
        together(asks).await.map(drop)
    }

    async fn tell(&mut self, size: Size, tells: u64) -> Outcome<()> {
        let tells = self
            .sources
            .iter()
            .map(async |source| source.ask(LetTell { size, tells }).within(SLICE_WITHIN).await?);
        together(tells).await.map(drop)
    }
}
