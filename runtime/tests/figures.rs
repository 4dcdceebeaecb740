//! The ways between two nodes on loopback in figures: they add up on both sides, QUIC tells of its path, and a receiver
//! that takes nothing shows; its senders wait or have their messages back, and another one in the same lane answers.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, Ca, Certainty, Context, FailureKind, Handler, Node, PeerMetrics, StartError,
    TransportConfig, Validity, actor,
    env::{Env, RealEnv},
    message,
};
use tokio::{sync::watch, task::JoinSet};

const LONG: Duration = Duration::from_secs(20);

/// Handled once the gate is open.
#[message(id = "figures/Work", reply = ())]
struct Work {
    payload: Vec<u8>,
}

struct Worker {
    gate: watch::Receiver<bool>,
}

#[actor(id = "figures/Worker", handles(Work))]
impl Actor for Worker {
    type Args = watch::Receiver<bool>;

    async fn start(gate: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { gate })
    }
}

impl Handler<Work> for Worker {
    async fn handle(&mut self, work: Work, _: &mut Context<Self>) {
        assert!(work.payload.len() <= 64);
        self.gate.wait_for(|is_open| *is_open).await.expect("the test holds it");
    }
}

fn work() -> Work {
    Work { payload: vec![7; 64] }
}

/// Waits until the figures are so, for they are read while things go on.
async fn until(node: &Node, of: &str, done: impl Fn(&PeerMetrics) -> bool) -> PeerMetrics {
    let wait = async {
        loop {
            let metrics = node.network_metrics();
            if let Some(peer) = metrics.of(of).filter(|peer| done(peer)) {
                return peer.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(LONG, wait).await {
        Ok(peer) => peer,
        Err(_) => panic!("not so within {LONG:?}:\n{}", node.network_metrics()),
    }
}

fn in_lanes(peer: &PeerMetrics, of: impl Fn(&odeon::LaneMetrics) -> u64) -> u64 {
    peer.lanes.iter().map(of).sum()
}

/// The worker of b with this name, as soon as a has heard of it.
async fn far(a: &Node, name: &str) -> ActorRef<Worker> {
    let mut name = a.on("b").follow::<Worker>(name).await.expect("it runs");
    let found = tokio::time::timeout(LONG, name.held()).await.expect("it is there");
    found.expect("it runs")
}

#[tokio::test]
async fn figures_of_two_nodes_add_up_and_a_stopped_receiver_shows() {
    let ca = Ca::in_memory("figures").expect("a good name");
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3600));
    let node = |name| {
        let transport = TransportConfig { lanes: 1, credit_messages: 64, ..Default::default() };
        let identity = ca.issue(name, validity).expect("a good name");
        Node::builder(name).identity(identity).transport(transport).actor::<Worker>().workers(1)
    };
    let a = node("a").alone().start().await.expect("a starts");
    let b = node("b").seed(a.addr().to_string()).start().await.expect("b starts");
    assert!(b.joined().await);
    let (gate, closed) = watch::channel(false);
    let worker = b.spawn_with::<Worker>(closed).await.expect("it starts");
    b.register("worker", &worker).expect("the name is free");
    let (_open, open) = watch::channel(true);
    let quick = b.spawn_with::<Worker>(open).await.expect("it starts");
    b.register("quick", &quick).expect("the name is free");
    let [far, quick] = [far(&a, "worker").await, far(&a, "quick").await];
    let stuck = far.clone();

    let mut told = JoinSet::new();
    told.spawn(async move {
        for _ in 0..200 {
            far.tell(work()).within(LONG).await.expect("it is taken at last");
        }
        far.ask(work()).await.expect("it answers");
    });
    let stalled = until(&a, "b", |b| b.lanes.iter().any(|lane| lane.waiting_senders == 1)).await;
    assert!(in_lanes(&stalled, |lane| lane.stalls) >= 1, "{stalled}");
    let back = stuck.try_tell(work()).expect_err("others wait already");
    assert_eq!((back.failure.kind, back.certainty()), (FailureKind::Full, Certainty::NotDelivered));
    assert_eq!(back.message.map(|work| work.payload), Some(work().payload), "it comes back");
    for _ in 0..20 {
        quick.ask(work()).within(LONG).await.expect("another one in the lane is not held up");
    }
    let longer = until(&a, "b", |b| {
        in_lanes(b, |lane| lane.stalled.as_micros() as u64)
            > in_lanes(&stalled, |lane| lane.stalled.as_micros() as u64)
    })
    .await;
    assert!(longer.up_for > stalled.up_for && longer.path.is_some(), "{longer}");
    gate.send(true).expect("the worker waits");
    told.join_next().await.expect("it runs").expect("all were told");

    let sent = until(&a, "b", |b| in_lanes(b, |lane| lane.waiting_senders as u64) == 0).await;
    let frames = |peer: &PeerMetrics| in_lanes(peer, |lane| lane.stream.frames_sent);
    assert!(frames(&sent) >= 201, "{sent}");
    let received = until(&b, "a", |a| {
        in_lanes(a, |lane| lane.stream.frames_received) == frames(&sent)
            && in_lanes(a, |lane| lane.stream.bytes_received)
                == in_lanes(&sent, |lane| lane.stream.bytes_sent)
    })
    .await;
    assert!(received.control.frames_sent > 0, "credit was granted: {received}");
    let path = sent.path.expect("QUIC carries");
    assert!(path.rtt > Duration::ZERO && path.rtt < LONG && path.mtu >= 1200, "{path}");
    assert!(path.datagrams_sent >= path.sends && path.sends > 0, "{path}");
    assert_eq!((sent.reconnects(), sent.frames_dropped, sent.bad_frames), (0, 0, 0), "{sent}");
    a.stop(Duration::from_secs(2)).await;
    b.stop(Duration::from_secs(2)).await;
}
