//! A peer with a good certificate and bad manners and a whole node, over the QUIC of a simulation: the bare client of the
//! transport's own tests (`transport/tests/outside/stranger.rs`). It is closed with a reason, and others notice nothing.

#[path = "../../../transport/tests/outside/stranger.rs"]
mod stranger;

use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use odeon::{Ca, NodeBuilder, Validity};
use odeon_env::Env;
use odeon_message::ActorKey;
use odeon_sim::{NODE_PORT, World};
use odeon_transport::{FrameKind, Header};
use odeon_wire::{CloseCode, format::CONTROL_FRAME_BYTES_MAX, write_body};
use tokio::sync::oneshot;

use crate::counter::{Counter, Next, counter, counting};
use stranger::{Guise, Stranger, announcement, message_frame};

const SECOND: Duration = Duration::from_secs(1);
/// Before the wall clock of a world begins, and after.
const BEGIN: Duration = Duration::from_secs(1_900_000_000);
/// An actor that there is not.
const NOBODY: ActorKey = ActorKey { slot: 1 << 20, generation: 7 };

/// What a stranger does once it is in, by number, and with which code its connection ends.
const MANNERS: [(&str, CloseCode); 6] = [
    ("a frame of no kind", CloseCode::Malformed),
    ("half a frame", CloseCode::Malformed),
    ("a lane that there is not", CloseCode::Protocol),
    ("a second hello", CloseCode::Protocol),
    ("a large message that never comes", CloseCode::Protocol),
    ("a large message that never ends", CloseCode::Malformed),
];

async fn misbehave(which: usize, guise: &Guise<'_>, stranger: &mut Stranger) {
    let long = message_frame(NOBODY, &vec![7; 1 << 20]);
    let mut kept = Vec::new();
    match which {
        0 => {
            let mut frame = message_frame(NOBODY, b"x");
            frame[1] = 77;
            kept.push(stranger.lane(0, &frame).await);
        }
        1 => {
            let mut lane = stranger.lane(0, &message_frame(NOBODY, &[1; 100])[..48]).await;
            lane.finish().expect("it is open");
        }
        2 => kept.push(stranger.lane(4, &[]).await),
        3 => {
            let addr = stranger.endpoint.local_addr().expect("it is bound");
            let (mut hello, header) = (Vec::new(), Header::bare(FrameKind::Hello));
            write_body(&mut hello, header, &guise.hello(addr), CONTROL_FRAME_BYTES_MAX)
                .expect("it is short");
            stranger.go_on(&hello).await;
        }
        4 => kept.push(stranger.lane(0, &announcement(NOBODY, 1, long.len())).await),
        _ => {
            kept.push(stranger.lane(0, &announcement(NOBODY, 1, long.len())).await);
            let mut bulk = stranger.bulk(1, &long).await;
            while bulk.write_all(&[0; 4096]).await.is_ok() {}
        }
    }
    assert_eq!(stranger.closed_with().await, MANNERS[which].1, "{}", MANNERS[which].0);
}

/// Comes in as a proper node does, and then behaves as badly as it can.
async fn visit(env: Arc<dyn Env>, from: SocketAddr, ca: &Ca, to: SocketAddr, which: usize) {
    let guise = Guise { ca, name: "stranger", now: env.wall_clock() };
    let socket = env.bind(from).expect("the port is free");
    let dialled = Stranger::dial(socket, &guise, to).await;
    let mut stranger = dialled.expect("its certificate is good");
    stranger.come_in(&guise.hello(from)).await;
    misbehave(which, &guise, &mut stranger).await;
}

#[odeon_sim::test(seeds = 0..12)]
async fn a_stranger_with_bad_manners_is_shown_the_door_and_disturbs_nobody(world: &mut World) {
    let which = world.seed() as usize % MANNERS.len();
    let authority = Rc::new(Ca::in_memory("world").expect("a good name"));
    let validity = Validity::from(std::time::UNIX_EPOCH + BEGIN, 86_400 * SECOND);
    for name in ["node", "friend"] {
        let identity = authority.issue(name, validity).expect("a good name");
        let setup = move |node: NodeBuilder| node.actor::<Counter>().identity(identity.clone());
        world.start_member(name, setup, counting);
    }
    world.all_joined(&["node", "friend"], 10 * SECOND).await.expect("they find each other");
    let node = world.runtime_node("node").expect("it is up");
    let counter = counter(world, "friend", "node").await;
    let (done, mut is_done) = oneshot::channel();
    let (done, to) = (Rc::new(RefCell::new(Some(done))), node.addr());
    world.node("stranger", move |env| {
        let (ca, done) = (Rc::clone(&authority), Rc::clone(&done));
        async move {
            let from = SocketAddr::new(env.address(), NODE_PORT);
            visit(env, from, &ca, to, which).await;
            done.borrow_mut().take().map(|done| done.send(()));
        }
    });
    let mut count = 0;
    while is_done.try_recv().is_err() {
        assert_eq!(counter.ask(Next).within(5 * SECOND).await, Ok(count));
        count += 1;
        world.run_for(SECOND / 10).await;
        assert!(world.now() < 120 * SECOND, "it comes to an end: {}", MANNERS[which].0);
    }
    world.run_for(SECOND).await;
    let metrics = node.network_metrics();
    let of_stranger = metrics.of("stranger").expect("they have met");
    assert_eq!((of_stranger.bad_frames, of_stranger.connections), (1, 1), "{metrics}");
    let of_friend = metrics.of("friend").expect("they have met");
    assert_eq!((of_friend.bad_frames, of_friend.connections), (0, 1), "{metrics}");
    assert!(metrics.kept_bytes <= 64 << 10, "{} bytes are kept", metrics.kept_bytes);
}
