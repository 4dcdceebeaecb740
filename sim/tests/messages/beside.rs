//! A receiver that stands still for a minute under a flood, in the one lane that it shares with another: its senders wait
//! within what it has granted, or have their messages back; who asks the other one notices nothing, and memory stays what it
//! was. `odeon-benches -- beside` measures the same between two programs.

use std::{cell::Cell, rc::Rc, time::Duration};

use odeon::{
    Actor, ActorRef, Certainty, Context, FailureKind, Handler, Node, NodeBuilder, StartError,
    TransportConfig, actor, message,
};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);
/// Messages that one sender may have waiting at one receiver.
const CREDIT: u64 = 64;
const SENDERS: usize = 16;

/// Handled after so many milliseconds.
#[message(id = "beside/Work")]
#[derive(Debug, PartialEq)]
struct Work {
    millis: u64,
    ballast: Vec<u8>,
}

/// How much work was done.
#[message(id = "beside/Count", reply = u64)]
struct Count;

#[derive(Clone, Default)]
struct Worker {
    done: u64,
}

#[actor(id = "beside/Worker", handles(Work, Count))]
impl Actor for Worker {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Work> for Worker {
    async fn handle(&mut self, work: Work, _: &mut Context<Self>) {
        if work.millis > 0 {
            tokio::time::sleep(Duration::from_millis(work.millis)).await;
        }
        self.done += 1;
    }
}

impl Handler<Count> for Worker {
    async fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u64 {
        self.done
    }
}

fn work(millis: u64) -> Work {
    Work { millis, ballast: vec![7; 1000] }
}

async fn working(node: Node) {
    for name in ["stuck", "quick"] {
        let worker = node.spawn(Worker::default()).await.expect("it starts");
        node.register(name, &worker).expect("the name is free");
    }
}

/// Two nodes with one lane each way, and two workers of b as a sees them.
async fn two(world: &mut World) -> [ActorRef<Worker>; 2] {
    let setup = |builder: NodeBuilder| {
        let credit_messages = CREDIT as u32;
        let transport = TransportConfig { lanes: 1, credit_messages, ..Default::default() };
        builder.actor::<Worker>().transport(transport)
    };
    for name in ["a", "b"] {
        world.start_member(name, setup, working);
    }
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let mut workers = Vec::new();
    for name in ["stuck", "quick"] {
        workers.push(a.on("b").lookup(name).await.expect("b answers").expect("it is there"));
    }
    workers.try_into().map_err(|_| "two").expect("there are two")
}

/// The 99th of a hundred asks, in virtual time.
async fn p99(world: &World, quick: &ActorRef<Worker>) -> Duration {
    let mut times = Vec::new();
    for _ in 0..100 {
        let began = world.now();
        quick.ask(Count).await.expect("it answers");
        times.push(world.now() - began);
    }
    times.sort();
    times[98]
}

/// Bytes that wait at the sender, and that the receiver's node holds.
fn memory(world: &World) -> [u64; 2] {
    let metrics = |name| world.runtime_node(name).expect("it is up").network_metrics();
    let (a, b) = (metrics("a"), metrics("b"));
    let lanes = &a.of("b").expect("they have met").lanes;
    [lanes.iter().map(|lane| lane.waiting_bytes as u64).sum(), b.stats.inbound_bytes]
}

#[odeon_sim::test(seeds = 0..4, link = both)]
async fn a_receiver_that_stands_still_for_a_minute_costs_nobody_else_anything(world: &mut World) {
    // Rare paths make single asks late.
    world.set_buggify(0);
    let [stuck, quick] = two(world).await;
    let alone = p99(world, &quick).await;
    stuck.tell(work(60_000)).await.expect("it is taken");
    let taken = Rc::new(Cell::new(1));
    let flood = || {
        let (stuck, taken) = (stuck.clone(), Rc::clone(&taken));
        tokio::task::spawn_local(async move {
            while stuck.tell(work(0)).within(600 * SECOND).await.is_ok() {
                taken.set(taken.get() + 1);
            }
        })
    };
    let senders: Vec<_> = (0..SENDERS).map(|_| flood()).collect();
    world.run_for(5 * SECOND).await;
    // One is handled, and gave its credit back.
    assert!((CREDIT..=CREDIT + 1).contains(&taken.get()), "{} were taken", taken.get());
    let beside = p99(world, &quick).await;
    assert!(beside <= alone * 2, "{beside:?} beside one that has stopped, {alone:?} alone");

    let first = memory(world);
    let before = taken.get();
    for _ in 0..50 {
        world.run_for(SECOND).await;
        let back = stuck.try_tell(work(9)).expect_err("it has no credit");
        assert_eq!(
            (back.failure.kind, back.certainty()),
            (FailureKind::Full, Certainty::NotDelivered)
        );
        assert_eq!(back.message, Some(work(9)), "it comes back");
        let now = memory(world);
        let grown = now.iter().zip(first).all(|(now, first)| *now <= first + (16 << 10));
        assert!(grown, "{first:?} bytes became {now:?}");
    }
    assert_eq!(taken.get(), before);
    assert!(first[1] < 512 << 10, "{first:?}");
    senders.iter().for_each(tokio::task::JoinHandle::abort);
    world.run_for(10 * SECOND).await;
    assert_eq!(stuck.ask(Count).await, Ok(taken.get()), "what was taken is done");
}
