//! The ways between nodes in figures: what one node says it sent is what the other says it received, and a receiver that
//! takes nothing shows as a stall, on either link. What only QUIC knows is told where QUIC carries.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, Context, Handler, Node, NodeBuilder, PeerMetrics, StartError, actor, message,
};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);

/// Handled after so many milliseconds.
#[message(id = "figures/Work")]
struct Work {
    millis: u64,
}

#[derive(Clone)]
struct Worker;

#[actor(id = "figures/Worker", handles(Work))]
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
    }
}

async fn working(node: Node) {
    let worker = node.spawn(Worker).await.expect("it starts");
    node.register("worker", &worker).expect("the name is free");
}

/// Two nodes, and the worker of b as a sees it; 64 messages fill its credit.
async fn two(world: &mut World) -> ActorRef<Worker> {
    let setup = |builder: NodeBuilder| {
        let transport = odeon::TransportConfig { credit_messages: 64, ..Default::default() };
        builder.actor::<Worker>().transport(transport)
    };
    for name in ["a", "b"] {
        world.start_member(name, setup, working);
    }
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    a.on("b").lookup("worker").await.expect("b answers").expect("it is registered")
}

fn peer(world: &World, at: &str, of: &str) -> PeerMetrics {
    let node = world.runtime_node(at).expect("it is up");
    node.network_metrics().of(of).expect("they have met").clone()
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn what_one_node_sent_the_other_received(world: &mut World) {
    let worker = two(world).await;
    for _ in 0..500 {
        worker.tell(Work { millis: 0 }).await.expect("it is taken");
    }
    world.run_for(30 * SECOND).await;
    let (a, b) = (peer(world, "a", "b"), peer(world, "b", "a"));
    assert!(a.total().frames_sent > 500, "{a}");
    for (ours, theirs) in a.lanes.iter().zip(&b.lanes) {
        let (ours, theirs) = (ours.stream, theirs.stream);
        assert_eq!(ours.frames_sent, theirs.frames_received, "{a}{b}");
        assert_eq!(ours.bytes_sent, theirs.bytes_received, "{a}{b}");
        assert_eq!(theirs.frames_sent, ours.frames_received, "{a}{b}");
    }
    assert!(a.up_for.is_some_and(|up_for| up_for > 30 * SECOND), "{a}");
    assert_eq!((a.frames_dropped, a.bad_frames, a.reconnects()), (0, 0, 0), "{a}");
    assert!(a.datagrams_sent > 0 && b.datagrams_received > 0, "they gossip: {a}{b}");
    assert!(a.batch_bytes.samples > 0 && a.lane_wait.samples > 0, "{a}");
    // The frames of a simulation have no packets, no round trips and no windows.
    assert_eq!(a.path.is_some(), world.link() == odeon_sim::Link::Quic);
    assert!(a.path.is_none_or(|path| path.rtt > Duration::ZERO && path.mtu >= 1200), "{a}");
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_peer_that_hears_from_us_is_not_touched(world: &mut World) {
    let worker = two(world).await;
    world.run_for(2 * SECOND).await;
    let datagrams = |world: &World| peer(world, "a", "b").datagrams_sent;
    let before = datagrams(world);
    for _ in 0..60 {
        worker.tell(Work { millis: 0 }).await.expect("it is taken");
        world.run_for(SECOND / 10).await;
    }
    // Probes and their answers are about 40; a touch each 300 ms would be 20 more.
    let sent = datagrams(world) - before;
    assert!((30..50).contains(&sent), "{sent}");
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_receiver_that_takes_nothing_shows_as_a_stall(world: &mut World) {
    let worker = two(world).await;
    worker.tell(Work { millis: 10_000 }).await.expect("it is taken");
    let told = tokio::task::spawn_local(async move {
        // The mailbox and the waiting room take what credit allows, and no more.
        for _ in 0..200 {
            worker.tell(Work { millis: 0 }).within(60 * SECOND).await.expect("it is taken at last");
        }
    });
    world.run_for(5 * SECOND).await;
    let stall = |world: &World| {
        let a = peer(world, "a", "b");
        let waiting: usize = a.lanes.iter().map(|lane| lane.waiting_senders).sum();
        let stalled: Duration = a.lanes.iter().map(|lane| lane.stalled).sum();
        let refused: u64 = a.lanes.iter().map(|lane| lane.refused_credit).sum();
        (waiting, stalled, refused)
    };
    let (waiting, stalled, refused) = stall(world);
    assert_eq!(waiting, 1);
    assert!(stalled > 4 * SECOND && stalled <= 5 * SECOND && refused > 0, "{stalled:?}");
    told.await.expect("all were told");
    let (waiting, stalled, _) = stall(world);
    assert_eq!(waiting, 0);
    assert!(stalled > 9 * SECOND && stalled < 12 * SECOND, "{stalled:?}");
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_node_that_comes_back_is_another_peer(world: &mut World) {
    let _ = two(world).await;
    let before = peer(world, "a", "b");
    world.crash("b");
    world.run_for(20 * SECOND).await;
    let gone = world.runtime_node("a").expect("it is up").network_metrics();
    assert!(gone.of("b").is_none_or(|b| b.up_for.is_none() && b.path.is_none()), "{gone}");
    world.restart("b");
    world.all_joined(&["a", "b"], 20 * SECOND).await.expect("it comes back");
    let after = peer(world, "a", "b");
    assert!(after.id.incarnation > before.id.incarnation, "{before}{after}");
    assert_eq!(after.connections, 1, "{after}");
}
