//! Peers with a good certificate and bad manners. Each is closed with a reason, or bears the silence; a friend beside it
//! notices nothing, and nothing of it is held.
//!
//! Nothing here hangs on how fast the machine is: whatever has a time is waited for until it has happened.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use odeon_env::{Env, RealEnv};
use odeon_message::{ActorKey, Incarnation, MessageId, NodeId};
use odeon_transport::{Association, Ca, FrameKind, Header, LostReason, PeerId, TransportConfig};
use odeon_wire::{
    CloseCode, CreditTotal, Preamble, Refuse, RefuseReason, format::CONTROL_FRAME_BYTES_MAX,
    write_body,
};
use tokio::task::LocalSet;

use crate::{
    log::Log,
    node::{LONG, Node, bind, ca},
    sending,
    stranger::{Guise, Stranger, announcement, message_frame},
};

const MIB: usize = 1 << 20;

fn key(slot: u32) -> ActorKey {
    ActorKey { slot, generation: 0 }
}

/// A node, a friend of it, and whoever else comes.
struct Scene {
    ca: Ca,
    node: Node,
    friend: Node,
    to_node: Arc<Association>,
}

impl Scene {
    async fn set(config: TransportConfig) -> Self {
        let ca = ca();
        let node = Node::start(&ca, "node", config);
        let friend = Node::start(&ca, "friend", TransportConfig::default());
        let to_node = friend.to(&node);
        to_node.keep(true);
        sending::send(&to_node, 1, b"before").await;
        node.until_payload(b"before").await;
        Self { ca, node, friend, to_node }
    }

    fn guise(&self) -> Guise<'_> {
        Guise { ca: &self.ca, name: "stranger", now: RealEnv.wall_clock() }
    }

    async fn stranger(&self) -> Stranger {
        let dialled = Stranger::dial(bind(), &self.guise(), self.node.addr).await;
        dialled.expect("its certificate is good")
    }

    async fn associated(&self) -> Stranger {
        let mut stranger = self.stranger().await;
        let addr = stranger.endpoint.local_addr().expect("it is bound");
        stranger.come_in(&self.guise().hello(addr)).await;
        stranger
    }

    /// Its connection ends with this code; the node says why in these words, and has nothing left of it.
    async fn ends(self, stranger: &Stranger, code: CloseCode, text: &str) {
        let closed = tokio::time::timeout(LONG, stranger.closed_with()).await;
        assert_eq!(closed.expect("it is closed"), code, "{text}");
        self.node.until("it is lost", |log| !log.downs.borrow().is_empty()).await;
        let lost = self.node.log.downs.borrow().clone();
        assert!(
            matches!(&lost[..], [LostReason::Protocol(why)] if why.contains(text)),
            "{text}: {lost:?}"
        );
        assert_eq!(self.node.transport.stats().bad_peers, 1);
        self.leaves_nothing().await;
    }

    /// The friend has noticed nothing, and all that was received is let go.
    async fn leaves_nothing(self) {
        sending::send(&self.to_node, 1, b"after").await;
        self.node.until_payload(b"after").await;
        assert_eq!((self.friend.log.ups(), self.friend.log.downs.borrow().len()), (1, 0));
        self.node.log.held.borrow_mut().clear();
        // What reads its streams ends when it is polled next.
        let is_let_go = async {
            while self.node.transport.stats().inbound_bytes > 64 << 10 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let held = tokio::time::timeout(LONG, is_let_go).await;
        assert!(held.is_ok(), "{:?}", self.node.transport.stats());
        for node in [self.friend, self.node] {
            node.close().await;
        }
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(LocalSet::new().run_until(test));
}

#[test]
fn what_is_no_frame_and_what_is_too_long_ends_its_connection_only() {
    let mut unknown_kind = message_frame(key(1), b"x");
    unknown_kind[1] = 77;
    let too_long = message_frame(key(1), &vec![0; 2 * MIB]);
    for (bytes, text) in [(unknown_kind, "kind 77"), (too_long, "2097184")] {
        run(async {
            let scene = Scene::set(TransportConfig::default()).await;
            let stranger = scene.associated().await;
            let _lane = stranger.lane(0, &bytes[..bytes.len().min(4096)]).await;
            scene.ends(&stranger, CloseCode::Malformed, text).await;
        });
    }
}

#[test]
fn a_lane_that_ends_inside_a_frame_is_malformed() {
    run(async {
        let scene = Scene::set(TransportConfig::default()).await;
        let stranger = scene.associated().await;
        let mut lane = stranger.lane(0, &message_frame(key(1), &[1; 100])[..48]).await;
        lane.finish().expect("it is open");
        scene.ends(&stranger, CloseCode::Malformed, "48 of 144").await;
    });
}

/// What a length claims costs nothing; what has come waits, and nobody waits for the rest.
#[test]
fn half_frames_hold_what_has_come_and_hold_up_nobody() {
    run(async {
        let scene = Scene::set(TransportConfig::default()).await;
        let stranger = scene.associated().await;
        let frame = message_frame(key(1), &vec![7; MIB - 32]);
        let mut lanes = Vec::new();
        for index in 0..3 {
            lanes.push(stranger.lane(index, &frame[..100]).await);
        }
        let mut whole = stranger.lane(3, &message_frame(key(2), b"whole")).await;
        scene.node.until_payload(b"whole").await;
        for lane in &mut lanes {
            lane.write_all(&frame[100..10_000]).await.expect("it is read");
        }
        whole.write_all(&message_frame(key(2), b"another")).await.expect("it is read");
        scene.node.until_payload(b"another").await;
        let held = scene.node.transport.stats().inbound_bytes;
        assert!(held <= 128 << 10, "{held} bytes are held for 30,000 that came");
        for lane in &mut lanes {
            lane.write_all(&frame[10_000..]).await.expect("it is read");
        }
        let is_whole = |log: &Log| {
            log.messages.borrow().iter().filter(|(_, payload)| payload.len() > MIB / 2).count()
        };
        scene.node.until("the rest of each", |log| is_whole(log) == 3).await;
        assert!(scene.node.log.downs.borrow().is_empty());
        stranger.connection.close(0_u8.into(), b"");
        scene.leaves_nothing().await;
    });
}

#[test]
fn more_than_the_credit_is_not_taken() {
    run(async {
        let config = TransportConfig { credit_messages: 256, ..TransportConfig::default() };
        let scene = Scene::set(config).await;
        scene.node.log.hold.set(true);
        let stranger = scene.associated().await;
        let frames: Vec<u8> = (0..257).flat_map(|_| message_frame(key(7), b"x")).collect();
        let _lane = stranger.lane(0, &frames).await;
        scene.ends(&stranger, CloseCode::CreditOverrun, "beyond the 256").await;
    });
}

#[test]
fn a_grant_that_cannot_be_true_is_refused() {
    run(async {
        let scene = Scene::set(TransportConfig::default()).await;
        let mut stranger = scene.associated().await;
        let peer = PeerId { node: NodeId::of("stranger"), incarnation: Incarnation(1) };
        scene.node.until("it is up", |log| log.ups() == 2).await;
        let to_stranger = scene.node.transport.peers().get(peer).expect("it is there");
        // One tell of no type that it would check, so that there is something to grant.
        let header = odeon_transport::MessageHeader {
            to: key(3),
            message: MessageId(1),
            fingerprint: None,
            ask: odeon_message::AskId::NONE,
            remaining: None,
            repeat: None,
            stream: None,
            trace: None,
        };
        to_stranger.try_send(header, &mut |_| Ok(())).expect("there is room");
        let total = CreditTotal { receiver: key(3), messages: 1 << 20, bytes: 0 };
        let credit = odeon_wire::Credit { totals: vec![total] };
        let mut bytes = Vec::new();
        write_body(&mut bytes, Header::bare(FrameKind::Credit), &credit, CONTROL_FRAME_BYTES_MAX)
            .expect("it is short");
        stranger.go_on(&bytes).await;
        scene.ends(&stranger, CloseCode::Protocol, "1048576").await;
    });
}

#[test]
fn a_hello_that_is_said_again_has_no_place() {
    run(async {
        let scene = Scene::set(TransportConfig::default()).await;
        let mut stranger = scene.associated().await;
        let mut hello = Vec::new();
        let said = scene.guise().hello(scene.node.addr);
        write_body(&mut hello, Header::bare(FrameKind::Hello), &said, CONTROL_FRAME_BYTES_MAX)
            .expect("it is short");
        stranger.go_on(&hello).await;
        scene.ends(&stranger, CloseCode::Protocol, "has no place here").await;
    });
}

/// The number of its dial says that it was said before.
#[test]
fn a_hello_of_another_connection_takes_nobodys_place() {
    run(async {
        let scene = Scene::set(TransportConfig::default()).await;
        let first = scene.associated().await;
        let mut again = scene.stranger().await;
        again.introduce(&scene.guise().hello(scene.node.addr)).await;
        let refuse = again.next_frame().await.body::<Refuse>().expect("it is refused");
        assert_eq!(refuse.reason, RefuseReason::Duplicate);
        assert_eq!(again.closed_with().await, CloseCode::Refused);
        let _lane = first.lane(0, &message_frame(key(1), b"still there")).await;
        scene.node.until_payload(b"still there").await;
        assert!(scene.node.log.downs.borrow().is_empty());
        scene.leaves_nothing().await;
    });
}

#[test]
fn one_that_says_nothing_is_closed_in_time() {
    run(async {
        // Long enough for a friend on a busy machine.
        let handshake_timeout = Duration::from_secs(3);
        let config = TransportConfig { handshake_timeout, ..TransportConfig::default() };
        let scene = Scene::set(config).await;
        let stranger = scene.stranger().await;
        let closed = tokio::time::timeout(LONG, stranger.closed_with()).await;
        assert_eq!(closed.expect("it is closed"), CloseCode::HandshakeTimeout);
        assert!(scene.node.log.downs.borrow().is_empty(), "it was never in");
        scene.leaves_nothing().await;
    });
}

#[test]
fn what_is_announced_and_stops_in_its_midst_is_waited_for_as_long_as_stated() {
    run(async {
        let bulk_silence = Duration::from_secs(1);
        let config = TransportConfig { bulk_silence, ..TransportConfig::default() };
        let scene = Scene::set(config).await;
        let stranger = scene.associated().await;
        let long = message_frame(key(1), &vec![7; MIB]);
        let _lane = stranger.lane(0, &announcement(key(1), 1, long.len())).await;
        let _bulk = stranger.bulk(1, &long[..MIB / 2]).await;
        scene.ends(&stranger, CloseCode::Protocol, "nothing came for 1s").await;
    });
}

#[test]
fn a_large_message_that_never_ends_is_cut_off_where_it_should_have_ended() {
    run(async {
        let scene = Scene::set(TransportConfig::default()).await;
        let stranger = scene.associated().await;
        let long = message_frame(key(1), &vec![7; MIB]);
        let _lane = stranger.lane(0, &announcement(key(1), 1, long.len())).await;
        let mut bulk = stranger.bulk(1, &long).await;
        while bulk.write_all(&[0; 4096]).await.is_ok() {}
        scene.ends(&stranger, CloseCode::Malformed, "longer than the").await;
    });
}

/// Streams without end: QUIC grants so many, and a lane that there is not ends the connection.
#[test]
fn streams_beyond_those_there_may_be_are_not_opened_and_one_out_of_place_ends_it() {
    run(async {
        let scene = Scene::set(TransportConfig::default()).await;
        let stranger = scene.associated().await;
        let granted = usize::from(odeon_wire::format::LANES_MAX)
            + usize::from(TransportConfig::default().bulk_streams);
        let mut opened = Vec::new();
        // Those of which nothing was sent are streams that nobody has heard of: they count, and harm nobody.
        while let Ok(stream) =
            tokio::time::timeout(Duration::from_millis(500), stranger.connection.open_uni()).await
        {
            opened.push(stream.expect("the connection is there"));
            assert!(opened.len() <= granted, "more than {granted} are granted");
        }
        assert_eq!(opened.len(), granted);
        opened[0].write_all(&Preamble::lane(4).encode()).await.expect("it is read");
        scene.ends(&stranger, CloseCode::Protocol, "lane 4 of 4").await;
    });
}

/// Gossip that is none: whoever reads datagrams gets them, as many as come, and nobody else has less.
#[test]
fn a_flood_of_datagrams_holds_up_nobody() {
    run(async {
        let scene = Scene::set(TransportConfig::default()).await;
        let stranger = scene.associated().await;
        for number in 0..20_000_u32 {
            let datagram = Bytes::from(number.to_le_bytes().repeat(1 + number as usize % 200));
            stranger.connection.send_datagram(datagram).expect("datagrams are taken");
            if number % 100 == 0 {
                sending::send(&scene.to_node, 1, &number.to_le_bytes()).await;
            }
            if number % 1000 == 0 {
                tokio::task::yield_now().await;
            }
        }
        scene.node.until_payload(&19_900_u32.to_le_bytes()).await;
        scene.node.until("some come", |log| log.datagrams.get() > 0).await;
        assert!(scene.node.log.downs.borrow().is_empty());
        scene.leaves_nothing().await;
    });
}
