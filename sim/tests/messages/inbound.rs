//! The bound on what a node holds of all that others have sent: one that sends more than is handled finds no more room and
//! is told so, others do, and all of it comes back.

use std::{
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use odeon::{
    Actor, ActorRef, AskError, Certainty, Context, Handler, Items, Node, NodeBuilder, StartError,
    Stream, StreamError, TransportConfig, actor, message,
};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);
/// What all peers of a node together may hold there; one alone has half of it.
const BOUND: u64 = 4 << 20;
const HOLDERS: u64 = 16;
const LOADS: u64 = 128;

/// Handled after so long.
#[message(id = "inbound/Load")]
struct Load {
    millis: u64,
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

#[derive(Clone, Default)]
struct Holder {
    handled: u64,
}

#[actor(id = "inbound/Holder", handles(Load, Weigh, Handled, Pour))]
impl Actor for Holder {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Load> for Holder {
    async fn handle(&mut self, load: Load, _: &mut Context<Self>) {
        if load.millis > 0 {
            tokio::time::sleep(Duration::from_millis(load.millis)).await;
        }
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

fn load(millis: u64) -> Load {
    Load { millis, bytes: vec![7; 4000] }
}

fn setup(builder: NodeBuilder) -> NodeBuilder {
    let transport = TransportConfig {
        message_bytes_max: 1 << 20,
        inbound_bytes_max: BOUND as usize,
        ..TransportConfig::default()
    };
    builder.actor::<Holder>().transport(transport)
}

async fn serve(node: Node) {
    for number in 0..=HOLDERS {
        let holder = node.spawn(Holder::default()).await.expect("it starts");
        node.register(&format!("holder-{number}"), &holder).expect("the name is free");
    }
}

async fn holder(from: &Node, number: u64) -> ActorRef<Holder> {
    let found = from.on("b").lookup(&format!("holder-{number}")).await.expect("b answers");
    found.expect("it is registered")
}

#[odeon_sim::test(seeds = 0..4, link = both)]
async fn a_node_bounds_what_all_peers_send_together(world: &mut World) {
    for name in ["a", "b", "c"] {
        world.start_member(name, setup, serve);
    }
    world.all_joined(&["a", "b", "c"], 10 * SECOND).await.expect("they find each other");
    let [a, b, c] = ["a", "b", "c"].map(|name| world.runtime_node(name).expect("it is up"));
    let mut holders = Vec::new();
    for number in 0..HOLDERS {
        holders.push(holder(&a, number).await);
        holders[number as usize].tell(load(60_000)).await.expect("it is taken");
    }
    let quick = holder(&c, HOLDERS).await;
    let all = holders.clone();
    let told = tokio::task::spawn_local(async move {
        for _ in 0..LOADS {
            for holder in &all {
                holder.tell(load(0)).within(600 * SECOND).await.expect("credit is there for it");
            }
        }
    });
    let (mut most, mut refused) = (0, 0);
    for round in 0..40 {
        world.run_for(SECOND / 2).await;
        most = most.max(b.network_metrics().stats.inbound_bytes);
        // One that has room left is neither refused nor held up.
        quick.tell(load(0)).await.expect("it is taken");
        let handled = quick.ask(Handled).within(5 * SECOND).await;
        assert_eq!(handled, Ok(round + 1));
        // Larger than what is left to it, if anything is.
        let weigh = Weigh { bytes: vec![7; 600_000] };
        if round % 10 == 9
            && let Err(error) = holders[0].ask(weigh).within(5 * SECOND).await
            && matches!(error, AskError::Full(_))
        {
            assert_eq!(error.certainty(), Certainty::NotDelivered);
            assert!(error.to_string().contains("inbound_bytes_max"), "{error}");
            refused += 1;
        }
    }
    told.await.expect("all were told");
    // What is at hand in streams comes beside the half of one peer.
    assert!(most > BOUND / 4 && most <= BOUND * 3 / 4, "{most} bytes were held");
    assert!(refused > 0, "an ask of the one that has no room is told");
    let shed = b.network_metrics().of("a").expect("they have met").messages_shed;
    let heard = a.network_metrics().of("b").expect("they have met").sheds_heard;
    assert!(shed > 0 && heard > 0 && heard <= shed, "{shed} were not taken, {heard} times heard");
    assert_eq!(b.network_metrics().of("c").expect("they have met").messages_shed, 0);

    world.run_for(80 * SECOND).await;
    let mut handled = 0;
    for holder in &holders {
        handled += holder.ask(Handled).await.expect("there is room again");
    }
    let lost = HOLDERS * (LOADS + 1) - handled;
    assert!(lost > 0 && lost <= shed, "{lost} are missing, {shed} were not taken");
    let held = b.network_metrics().stats.inbound_bytes;
    assert!(held <= 512 << 10, "{held} bytes are held of what was handled");
}

/// Items that nobody reads count as well: of more streams than there is room for some end, with what had come, and the
/// others go on.
#[odeon_sim::test(seeds = 0..4, link = both)]
async fn streams_that_nobody_reads_find_no_more_room(world: &mut World) {
    for name in ["a", "b"] {
        world.start_member(name, setup, serve);
    }
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let [a, b] = ["a", "b"].map(|name| world.runtime_node(name).expect("it is up"));
    let holder = holder(&a, 0).await;
    let before = a.network_metrics().stats.inbound_bytes;
    let mut unread = vec![holder.ask(Pour).await.expect("b answers")];
    world.run_for(SECOND).await;
    let of_one = a.network_metrics().stats.inbound_bytes - before;
    assert!(of_one > 200 << 10, "what waits in one stream is seen: {of_one}");
    for _ in 1..16 {
        // One that finds no room is not begun, or ends at once.
        unread.extend(holder.ask(Pour).await.ok());
    }
    world.run_for(SECOND).await;
    let held = a.network_metrics().stats.inbound_bytes;
    assert!(held > BOUND / 4 && held <= BOUND * 3 / 4, "{held} bytes are held");
    let (mut full, mut open) = (0, Vec::new());
    for mut items in unread {
        // What waits for its reader of a stream that is open is less than this.
        for item in 0..80 {
            match items.next().await {
                Some(Ok(chunk)) => assert_eq!(chunk, [7; 4000]),
                Some(Err(StreamError::Full(failure))) => {
                    assert!(failure.detail.contains("inbound_bytes_max"), "{failure:?}");
                    full += 1;
                    break;
                }
                other => panic!("item {item} is {other:?}"),
            }
        }
        open.push(items);
    }
    assert!(full > 0 && full < 14, "{full} of 16 ended");
    assert!(a.network_metrics().of("b").expect("they have met").messages_shed > 0);
    drop(open);
    world.run_for(SECOND).await;
    let held = a.network_metrics().stats.inbound_bytes;
    assert!(held <= 512 << 10, "{held} bytes are held of what was let go");
    assert_eq!((a.remote_streams(), b.remote_streams()), ((0, 0), (0, 0)), "b was told as well");
}
