//! The workload: a meshed cluster in which every node asks every other ten times a second.
//!
//! The network has latency, loss, duplication and reordering. All asks of one round go out together, each round ends
//! with its last answer or failure, and the next begins at the next tenth of a second.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use odeon::{Actor, ActorRef, Context, Handler, Node, NodeBuilder, StartError, actor, message};
use odeon_sim::{LinkRule, World};

/// How often every node asks every other.
const PAUSE: Duration = Duration::from_millis(100);

/// Replies of the present run, so that a cluster that never forms is no splendid figure.
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

/// Starts that many nodes and lets them greet each other until `time` has passed.
///
/// # Errors
/// When there were fewer replies than a cluster brings that works.
pub(crate) async fn run(world: &mut World, nodes: u16, time: Duration) -> Result<(), String> {
    world.set_default_link(LinkRule::rough());
    let names: Vec<String> = (1..=nodes).map(|n| format!("n{n}")).collect();
    for name in &names {
        let others: Vec<String> = names.iter().filter(|other| *other != name).cloned().collect();
        let main = move |node| greet_all(node, others.clone());
        world.start_member(name, NodeBuilder::actor::<Greeter>, main);
    }
    REPLIES.store(0, Ordering::Relaxed);
    world.run_for(time).await;
    let replies = REPLIES.load(Ordering::Relaxed);
    // Ten a second and pair, less what joining and the network cost.
    let pairs = u64::from(nodes) * u64::from(nodes - 1);
    let fewest = time.as_secs().saturating_sub(10) * pairs * 8;
    if replies < fewest {
        return Err(format!("{replies} replies, fewer than {fewest}: the cluster did not work"));
    }
    Ok(())
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
    let mut ticks = tokio::time::interval(PAUSE);
    for number in 0.. {
        ticks.tick().await;
        let asks = greeters.iter().map(|greeter| greet(greeter, number));
        let mut asks: FuturesUnordered<_> = asks.collect();
        while asks.next().await.is_some() {}
    }
}

async fn greet(greeter: &ActorRef<Greeter>, number: u64) {
    // A failure is part of life on this network.
    if greeter.ask(Greet { number }).await.is_ok() {
        REPLIES.fetch_add(1, Ordering::Relaxed);
    }
}
