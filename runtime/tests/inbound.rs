//! The bound on what a node holds of all that others have sent, on loopback: one that floods receivers which have stopped
//! finds no more room and is told so, another one is answered as ever, and what was held comes back.

use std::{
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use odeon::{
    Actor, ActorRef, AskError, Ca, Certainty, Context, Handler, Items, Node, StartError, Stream,
    StreamError, TransportConfig, Validity, actor,
    env::{Env, RealEnv},
    message,
};
use tokio::sync::watch;

const LONG: Duration = Duration::from_secs(30);
/// What all peers of a node together may hold there; one alone has half of it.
const BOUND: u64 = 4 << 20;
const HOLDERS: u64 = 16;
const LOADS: u64 = 128;

/// Handled once the gate is open.
#[message(id = "inbound/Load")]
struct Load {
    bytes: Vec<u8>,
}

/// An ask that is large.
#[message(id = "inbound/Weigh", reply = u64)]
struct Weigh {
    bytes: Vec<u8>,
}

/// How many loads were handled.
#[message(id = "inbound/Handled", reply = u64)]
struct Handled;

/// Chunks without an end, one after the other.
#[message(id = "inbound/Pour", stream = Vec<u8>)]
struct Pour;

struct Chunks;

impl Stream for Chunks {
    type Item = Vec<u8>;

    fn poll_next(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Vec<u8>>> {
        Poll::Ready(Some(vec![7; 4000]))
    }
}

struct Holder {
    gate: watch::Receiver<bool>,
    handled: u64,
}

#[actor(id = "inbound/Holder", handles(Load, Weigh, Handled, Pour))]
impl Actor for Holder {
    type Args = watch::Receiver<bool>;

    async fn start(gate: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { gate, handled: 0 })
    }
}

impl Handler<Load> for Holder {
    async fn handle(&mut self, load: Load, _: &mut Context<Self>) {
        self.gate.wait_for(|is_open| *is_open).await.expect("the test holds it");
        assert!(load.bytes.iter().all(|byte| *byte == 7), "it is whole");
        self.handled += 1;
    }
}

impl Handler<Weigh> for Holder {
    async fn handle(&mut self, weigh: Weigh, _: &mut Context<Self>) -> u64 {
        weigh.bytes.len() as u64
    }
}

impl Handler<Handled> for Holder {
    async fn handle(&mut self, _: Handled, _: &mut Context<Self>) -> u64 {
        self.handled
    }
}

impl Handler<Pour> for Holder {
    async fn handle(&mut self, _: Pour, ctx: &mut Context<Self>) -> Items<Vec<u8>> {
        ctx.items(Chunks)
    }
}

fn load() -> Load {
    Load { bytes: vec![7; 4000] }
}

async fn start(ca: &Ca, name: &str, seed: Option<&Node>) -> Node {
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3600));
    let transport = TransportConfig {
        message_bytes_max: 1 << 20,
        inbound_bytes_max: BOUND as usize,
        ..TransportConfig::default()
    };
    let identity = ca.issue(name, validity).expect("a good name");
    let builder = Node::builder(name).identity(identity).transport(transport).actor::<Holder>();
    let builder = match seed {
        Some(seed) => builder.workers(1).seed(seed.addr().to_string()),
        None => builder.workers(1).alone(),
    };
    let node = builder.start().await.expect("it starts");
    assert!(node.joined().await);
    node
}

async fn holder(from: &Node, name: &str) -> ActorRef<Holder> {
    let mut name = from.on("b").follow::<Holder>(name).await.expect("it runs");
    let held = tokio::time::timeout(LONG, name.held()).await.expect("it is there");
    held.expect("it runs")
}

fn inbound_bytes(node: &Node) -> u64 {
    node.network_metrics().stats.inbound_bytes
}

/// Floods holders that stand still, and says how many loads were sent.
async fn flood(holders: &[ActorRef<Holder>]) -> u64 {
    for _ in 0..LOADS {
        for holder in holders {
            holder.tell(load()).within(LONG).await.expect("credit is there for it");
        }
    }
    LOADS * holders.len() as u64
}

#[tokio::test]
async fn a_node_bounds_what_all_peers_send_together() {
    let ca = Ca::in_memory("inbound").expect("a good name");
    let b = start(&ca, "b", None).await;
    let (a, c) = (start(&ca, "a", Some(&b)).await, start(&ca, "c", Some(&b)).await);
    let (gate, closed) = watch::channel(false);
    let (_open, open) = watch::channel(true);
    let mut holders = Vec::new();
    for number in 0..HOLDERS {
        let name = format!("holder-{number}");
        let local = b.spawn_with::<Holder>(closed.clone()).await.expect("it starts");
        b.register(&name, &local).expect("the name is free");
        holders.push(holder(&a, &name).await);
    }
    let local = b.spawn_with::<Holder>(open).await.expect("it starts");
    b.register("quick", &local).expect("the name is free");
    let quick = holder(&c, "quick").await;

    let sent = flood(&holders).await;
    // Behind the loads to its actor, so that all of those have come or were refused before it; and larger than what is left.
    for holder in &holders[..4] {
        let weigh = Weigh { bytes: vec![7; 600_000] };
        let error = holder.ask(weigh).within(LONG).await.expect_err("there is no room for it");
        assert!(matches!(error, AskError::Full(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        assert!(error.to_string().contains("inbound_bytes_max"), "{error}");
    }
    // What is at hand in streams comes beside the half of one peer.
    let held = inbound_bytes(&b);
    assert!(held > BOUND / 4 && held <= BOUND * 3 / 4, "{held} bytes are held");
    for handled in 1..=20 {
        quick.tell(load()).await.expect("it is taken");
        assert_eq!(quick.ask(Handled).within(LONG).await, Ok(handled), "another has room");
    }
    let shed = b.network_metrics().of("a").expect("they have met").messages_shed;
    let heard = a.network_metrics().of("b").expect("they have met").sheds_heard;
    assert!(shed > 0 && heard > 0 && heard <= shed, "{shed} were not taken, {heard} times heard");

    gate.send(true).expect("they wait");
    let mut handled = 0;
    for holder in &holders {
        // It may be refused until some of the others have made room.
        handled += loop {
            match holder.ask(Handled).within(LONG).await {
                Ok(count) => break count,
                Err(AskError::Full(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
    }
    let lost = sent - handled;
    assert!(lost > 0 && lost <= shed, "{lost} are missing, {shed} were not taken");
    assert!(inbound_bytes(&b) <= 1 << 20, "{} bytes stay", inbound_bytes(&b));
    for node in [a, b, c] {
        node.stop(Duration::from_secs(2)).await;
    }
}

/// Waits until this is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let all = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, all).await.is_ok(), "not so within {LONG:?}: {what}");
}

#[tokio::test]
async fn streams_that_nobody_reads_find_no_more_room() {
    let ca = Ca::in_memory("inbound").expect("a good name");
    let b = start(&ca, "b", None).await;
    let a = start(&ca, "a", Some(&b)).await;
    let (_open, open) = watch::channel(true);
    let local = b.spawn_with::<Holder>(open).await.expect("it starts");
    b.register("source", &local).expect("the name is free");
    let source = holder(&a, "source").await;
    let before = inbound_bytes(&a);
    let mut unread = vec![source.ask(Pour).within(LONG).await.expect("b answers")];
    until("what waits in one is seen", || inbound_bytes(&a) - before > 200 << 10).await;
    for _ in 1..16 {
        unread.extend(source.ask(Pour).within(LONG).await.ok());
    }
    let shed = || a.network_metrics().of("b").expect("they have met").messages_shed;
    until("some find no room", || shed() > 0 && b.remote_streams().1 < 16).await;
    assert!(inbound_bytes(&a) <= BOUND * 3 / 4, "{} bytes are held", inbound_bytes(&a));
    // How many end depends on how evenly they were served; what came before stays whole in all of them.
    let (mut full, mut bytes) = (0, 0);
    for items in &mut unread {
        for item in 0..80 {
            match items.next().await {
                Some(Ok(chunk)) => {
                    assert_eq!(chunk, [7; 4000]);
                    bytes += chunk.len() as u64;
                }
                Some(Err(StreamError::Full(_))) => {
                    full += 1;
                    break;
                }
                other => panic!("item {item} is {other:?}"),
            }
        }
    }
    assert!(full > 0, "none of 16 ended");
    assert!(bytes > BOUND / 4, "{bytes} bytes were read");
    drop(unread);
    until("all of it comes back", || inbound_bytes(&a) <= 1 << 20).await;
    until("b was told as well", || b.remote_streams().1 == 0).await;
    for node in [a, b] {
        node.stop(Duration::from_secs(2)).await;
    }
}
