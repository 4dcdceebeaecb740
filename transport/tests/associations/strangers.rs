//! Peers with a good certificate and bad manners: bare quinn connections that say what they like.

use std::{sync::Arc, time::Duration};

use odeon_message::{AskId, Fingerprint, Incarnation, MessageId};
use odeon_transport::{
    Ca, FrameKind, HandshakeFailure, Header, LostReason, SendRefused, TransportConfig,
};
use odeon_wire::{
    AcceptedTable, Close, CloseCode, Credit, CreditTotal, Extensions, FrameLimits, FrameReader,
    FrameWriter, Hello, Preamble, Purpose, Refuse, RefuseReason, Revisions, TraceContext, Welcome,
    format::CONTROL_FRAME_BYTES_MAX, write_body,
};
use quinn::{ConnectionError, RecvStream};

use crate::{
    net::{Net, now},
    node::{Node, Plan, addr, config, downs, key, run, send, ups},
};
use stranger::{BareSocket, Guise, Stranger, announcement, message_frame};

mod bulk;
mod handshakes;
mod hush;
mod revisions;
#[path = "../outside/stranger.rs"]
pub(crate) mod stranger;

fn guise<'a>(ca: &'a Ca, name: &'a str) -> Guise<'a> {
    Guise { ca, name, now: now() }
}

fn hello(name: &str) -> Hello {
    guise(&Ca::in_memory("demo").unwrap(), name).hello(addr(66))
}

impl Stranger {
    async fn connect(net: &Net, ca: &Ca, name: &str, port: u16, to: &Node) -> Self {
        Self::try_connect(net, ca, name, port, to).await.unwrap()
    }

    async fn try_connect(
        net: &Net,
        ca: &Ca,
        name: &str,
        port: u16,
        to: &Node,
    ) -> Result<Self, ConnectionError> {
        Self::dial(net.bind(addr(port)), &guise(ca, name), to.addr).await
    }

    /// As a proper node would come in.
    async fn associated(net: &Net, ca: &Ca, to: &Node) -> Self {
        let mut stranger = Self::connect(net, ca, "stranger", 66, to).await;
        stranger.come_in(&hello("stranger")).await;
        stranger
    }
}

/// A node with a well-behaved peer and an ill-behaved one; the former must notice nothing of the latter.
async fn beside_a_stranger(
    misbehave: impl AsyncFnOnce(&Net, &Ca, &Node) -> (Stranger, CloseCode),
) -> Node {
    let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
    let node = Plan::new(&net, &ca, "node", 1).start();
    let friend = Plan::new(&net, &ca, "friend", 2).start();
    let to_node = friend.to(&node);
    send(&to_node, key(1), b"before").await;
    let (stranger, code) = misbehave(&net, &ca, &node).await;
    assert_eq!(stranger.closed_with().await, code);
    send(&to_node, key(1), b"after").await;
    node.until("after", |_| node.payloads().contains(&b"after".to_vec())).await;
    assert_eq!(ups(&friend.events()), 1);
    assert!(downs(&friend.events()).is_empty());
    node
}

fn protocol_loss(node: &Node, text: &str) {
    let lost = downs(&node.events());
    assert!(
        matches!(&lost[..], [LostReason::Protocol(why)] if why.contains(text)),
        "{text}: {lost:?}"
    );
    assert_eq!(node.transport.stats().bad_peers, 1);
}

#[test]
fn what_is_no_frame_ends_its_connection_only() {
    let mut unknown_kind = message_frame(key(1), b"x");
    unknown_kind[1] = 77;
    let mut unknown_version = message_frame(key(1), b"x");
    unknown_version[0] = 9;
    let mut padding = message_frame(key(1), b"x");
    *padding.last_mut().unwrap() = 1;
    let cases: [(Vec<u8>, &str); 5] = [
        (vec![0xaa; 64], "version 170"),
        (unknown_version, "version 9"),
        (unknown_kind, "kind 77"),
        (padding, "padding"),
        (message_frame(key(1), &vec![0; 2 << 20]), "2097184"),
    ];
    for (bytes, text) in cases {
        run(async move {
            let node = beside_a_stranger(async |net, ca, node| {
                let stranger = Stranger::associated(net, ca, node).await;
                // The whole of it may not be taken any more.
                let _ = stranger.lane(0, &bytes[..bytes.len().min(4096)]).await;
                (stranger, CloseCode::Malformed)
            })
            .await;
            protocol_loss(&node, text);
        });
    }
}

#[test]
fn a_lane_that_ends_inside_a_frame_is_malformed() {
    run(async {
        let node = beside_a_stranger(async |net, ca, node| {
            let stranger = Stranger::associated(net, ca, node).await;
            let frame = message_frame(key(1), &[1; 100]);
            let mut lane = stranger.lane(0, &frame[..48]).await;
            lane.finish().unwrap();
            (stranger, CloseCode::Malformed)
        })
        .await;
        protocol_loss(&node, "48 of 144");
    });
}

#[test]
fn more_than_the_credit_is_not_taken() {
    run(async {
        let node = beside_a_stranger(async |net, ca, node| {
            node.log.hold.set(true);
            let stranger = Stranger::associated(net, ca, node).await;
            let frames: Vec<u8> = (0..257).flat_map(|_| message_frame(key(7), b"x")).collect();
            let _lane = stranger.lane(0, &frames).await;
            let code = CloseCode::CreditOverrun;
            node.until("loss", |events| !downs(events).is_empty()).await;
            (stranger, code)
        })
        .await;
        protocol_loss(&node, "beyond the 256");
    });
}

/// Each receiver that is reached costs an entry, also one that is not there.
#[test]
fn more_receivers_than_are_counted_are_not_taken() {
    run(async {
        let node = beside_a_stranger(async |net, ca, node| {
            let stranger = Stranger::associated(net, ca, node).await;
            let frames = (0..65_537).flat_map(|slot| message_frame(key(1 << 20 | slot), b"x"));
            // The whole of it may not be taken any more.
            let frames: Vec<u8> = frames.collect();
            let mut lane = stranger.lane(0, &[]).await;
            let _ = lane.write_all(&frames).await;
            node.until("loss", |events| !downs(events).is_empty()).await;
            (stranger, CloseCode::CreditOverrun)
        })
        .await;
        protocol_loss(&node, "more than 65536 receivers");
    });
}

/// What a length claims costs nothing; what has come waits, and nobody waits for the rest.
#[test]
fn half_frames_hold_what_has_come_and_hold_up_nobody() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let stranger = Stranger::associated(&net, &ca, &node).await;
        let frame = message_frame(key(1), &vec![7; (1 << 20) - 32]);
        let mut lanes = Vec::new();
        for index in 0..3 {
            lanes.push(stranger.lane(index, &frame[..100]).await);
        }
        let _whole = stranger.lane(3, &message_frame(key(2), b"whole")).await;
        node.until("message", |_| node.payloads() == [b"whole"]).await;
        let friend = Plan::new(&net, &ca, "friend", 2).start();
        send(&friend.to(&node), key(1), b"of another").await;
        node.until("message", |_| node.payloads().len() == 2).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let held = node.transport.stats().inbound_bytes;
        assert!(held <= 64 << 10, "{held} bytes are held for 300 that came");
        assert!(downs(&node.events()).is_empty());
        for (index, lane) in lanes.iter_mut().enumerate() {
            lane.write_all(&frame[100..]).await.unwrap();
            node.until("rest", |_| node.payloads().len() == 3 + index).await;
        }
    });
}

#[test]
fn streams_out_of_place_are_refused() {
    for (first, second, text) in [
        (Preamble::lane(4), None, "lane 4 of 4"),
        (Preamble::lane(1), Some(Preamble::lane(1)), "lane 1 was opened twice"),
        (Preamble::CONTROL, None, "control"),
    ] {
        run(async move {
            let node = beside_a_stranger(async |net, ca, node| {
                let stranger = Stranger::associated(net, ca, node).await;
                for preamble in [Some(first), second].into_iter().flatten() {
                    let mut stream = stranger.connection.open_uni().await.unwrap();
                    stream.write_all(&preamble.encode()).await.unwrap();
                }
                node.until("loss", |events| !downs(events).is_empty()).await;
                (stranger, CloseCode::Protocol)
            })
            .await;
            protocol_loss(&node, text);
        });
    }
}

#[test]
fn a_grant_that_cannot_be_true_is_refused() {
    run(async {
        let node = beside_a_stranger(async |net, ca, node| {
            let mut stranger = Stranger::associated(net, ca, node).await;
            let peer = odeon_transport::PeerId {
                node: hello("stranger").node,
                incarnation: Incarnation(1),
            };
            let to_stranger = node.transport.peers().get(peer).unwrap();
            to_stranger
                .try_send(
                    odeon_transport::MessageHeader {
                        to: key(3),
                        message: MessageId(1),
                        fingerprint: None,
                        ask: AskId::NONE,
                        remaining: None,
                        repeat: None,
                        stream: None,
                        trace: None,
                    },
                    &mut |_| Ok(()),
                )
                .unwrap();
            let total = CreditTotal { receiver: key(3), messages: 9999, bytes: 0 };
            let mut bytes = Vec::new();
            let credit = Credit { totals: vec![total] };
            let header = Header::bare(FrameKind::Credit);
            write_body(&mut bytes, header, &credit, CONTROL_FRAME_BYTES_MAX).unwrap();
            stranger.go_on(&bytes).await;
            (stranger, CloseCode::Protocol)
        })
        .await;
        protocol_loss(&node, "9999");
    });
}

#[test]
fn a_name_that_the_certificate_does_not_carry_is_refused() {
    run(async {
        let node = beside_a_stranger(async |net, ca, node| {
            let mut stranger = Stranger::connect(net, ca, "stranger", 66, node).await;
            stranger.introduce(&hello("friend")).await;
            let refuse = stranger.next_frame().await.body::<Refuse>().unwrap();
            assert_eq!(refuse.reason, RefuseReason::Identity);
            (stranger, CloseCode::Refused)
        })
        .await;
        assert!(downs(&node.events()).is_empty());
        assert_eq!(node.transport.stats().handshakes_failed, 1);
    });
}

#[test]
fn a_life_that_changes_its_story_is_refused() {
    run(async {
        let node = beside_a_stranger(async |net, ca, node| {
            let first = Stranger::associated(net, ca, node).await;
            first.connection.close(0_u8.into(), b"");
            node.until("loss", |events| !downs(events).is_empty()).await;
            let mut again = Stranger::connect(net, ca, "stranger", 67, node).await;
            let accepted = AcceptedTable::new(vec![odeon_wire::Accepted {
                message: MessageId(1),
                fingerprint: Fingerprint(1),
            }]);
            let hello = Hello { accepted: accepted.unwrap(), dial: 2, ..hello("stranger") };
            again.introduce(&hello).await;
            (again, CloseCode::Protocol)
        })
        .await;
        assert_eq!(ups(&node.events()), 2);
    });
}

#[test]
fn something_else_than_a_handshake_is_malformed() {
    let mut early = Preamble::CONTROL.encode().to_vec();
    let close = Close { code: CloseCode::Done, text: "".into() };
    write_body(&mut early, Header::bare(FrameKind::Close), &close, CONTROL_FRAME_BYTES_MAX)
        .unwrap();
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), Preamble::lane(0).encode().to_vec(), early] {
        run(async move {
            let node = beside_a_stranger(async |net, ca, node| {
                let mut stranger = Stranger::connect(net, ca, "stranger", 66, node).await;
                stranger.say(&bytes).await;
                (stranger, CloseCode::Malformed)
            })
            .await;
            assert_eq!(node.transport.stats().handshakes_failed, 1);
        });
    }
}

#[test]
fn one_that_says_nothing_is_closed_in_time_and_only_so_many_are_listened_to() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig { handshakes_max: 2, ..config() };
        let node = Plan { config, ..Plan::new(&net, &ca, "node", 1) }.start();
        let started = tokio::time::Instant::now();
        let one = Stranger::connect(&net, &ca, "one", 66, &node).await;
        let _two = Stranger::connect(&net, &ca, "two", 67, &node).await;
        let friend = Plan::new(&net, &ca, "friend", 2).start();
        friend.transport.dial_seed(node.addr);
        friend.until("refusal", |events| !events.is_empty()).await;
        assert_eq!(node.transport.stats().handshakes_shed, 1);
        assert_eq!(one.closed_with().await, CloseCode::HandshakeTimeout);
        assert!(started.elapsed() < Duration::from_secs(6));
        // There is room again.
        friend.transport.dial_seed(node.addr);
        friend.until_up(1).await;
    });
}

/// The peer acknowledges packets and reads nothing: the control writer waits for QUIC and takes nothing from its queue,
/// so whoever finds the queue full must end the connection.
#[test]
fn a_peer_that_does_not_read_its_control_stream_is_cut_off() {
    run(async {
        let node = beside_a_stranger(async |net, ca, node| {
            let stranger = Stranger::associated(net, ca, node).await;
            let to_stranger = Arc::clone(node.log.associations.borrow().last().unwrap());
            assert_eq!(to_stranger.peer().name(), "stranger");
            let watch = || {
                to_stranger.control(Header::bare(FrameKind::Watch), &mut |out| {
                    out.extend_from_slice(&[0; 1 << 16]);
                })
            };
            // QUIC takes 1.25 MB that nobody reads, and the queue 1 MiB; a frame has 64 KiB.
            let mut taken = 0;
            let refused = loop {
                match watch() {
                    Ok(()) => taken += 1,
                    Err(refused) => break refused,
                }
                assert!(taken < 100, "frames are lost without a word");
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            assert!(taken > 32, "the bound is for what QUIC does not take: {taken}");
            assert!(matches!(refused, SendRefused::NotUp), "{refused}");
            node.until("loss", |events| !downs(events).is_empty()).await;
            (stranger, CloseCode::Overloaded)
        })
        .await;
        protocol_loss(&node, "does not read its control stream");
    });
}

#[test]
fn a_trace_context_that_is_none_is_counted_and_costs_nothing_else() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let stranger = Stranger::associated(&net, &ca, &node).await;
        let traced = |payload: &[u8]| {
            let trace = TraceContext::new([7; 16], [8; 8], 1);
            let extensions = Extensions { trace: Some(trace), ..Extensions::default() };
            let header = Header::message(key(1), MessageId(1), AskId::NONE);
            let mut out = Vec::new();
            let mut frame = FrameWriter::begin(&mut out, header, &extensions).unwrap();
            frame.payload().extend_from_slice(payload);
            frame.finish(1 << 30).unwrap();
            out
        };
        let (mut no_trace, mut long) = (traced(b"zero"), traced(b"long"));
        // Header and head of the record are before its ids; the length of the record takes in some padding.
        no_trace[36..52].fill(0);
        long[34] = 28;
        let bytes = [traced(b"good"), no_trace, long, message_frame(key(1), b"plain")].concat();
        let _lane = stranger.lane(0, &bytes).await;
        node.until("all", |_| node.payloads().len() == 4).await;
        let peer = node.transport.metrics().of("stranger").cloned().unwrap();
        assert_eq!((peer.traces_ignored, peer.bad_frames), (2, 0), "{peer}");
        assert!(downs(&node.events()).is_empty());
    });
}

#[test]
fn a_peer_whose_address_changes_keeps_its_association() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let stranger = Stranger::associated(&net, &ca, &node).await;
        let mut lane = stranger.lane(0, &message_frame(key(1), b"before")).await;
        node.until("before", |_| node.payloads().len() == 1).await;
        let seen = || node.transport.metrics().of("stranger").cloned().unwrap().remote_addr;
        assert_eq!(seen(), Some(addr(66)));
        stranger.endpoint.rebind_abstract(Arc::new(BareSocket(net.bind(addr(67))))).unwrap();
        net.unbind(addr(66));
        lane.write_all(&message_frame(key(1), b"after")).await.unwrap();
        node.until("after", |_| node.payloads().len() == 2).await;
        assert_eq!(seen(), Some(addr(67)), "what is sent goes to the new address");
        assert!(downs(&node.events()).is_empty() && ups(&node.events()) == 1);
        // And it goes both ways: credit for what was handled comes to the new address.
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(downs(&node.events()).is_empty() && stranger.connection.close_reason().is_none());
    });
}

#[test]
fn without_migration_a_peer_whose_address_changes_is_lost() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig { migration: false, ..config() };
        let node = Plan { config, ..Plan::new(&net, &ca, "node", 1) }.start();
        let stranger = Stranger::associated(&net, &ca, &node).await;
        let mut lane = stranger.lane(0, &message_frame(key(1), b"before")).await;
        node.until("before", |_| node.payloads().len() == 1).await;
        stranger.endpoint.rebind_abstract(Arc::new(BareSocket(net.bind(addr(67))))).unwrap();
        net.unbind(addr(66));
        lane.write_all(&message_frame(key(1), b"after")).await.unwrap();
        node.until("loss", |events| !downs(events).is_empty()).await;
        assert_eq!(downs(&node.events()), [LostReason::TimedOut]);
        assert_eq!(node.payloads().len(), 1, "what came from elsewhere was dropped");
    });
}

#[test]
fn under_load_diallers_show_first_that_they_receive() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig { handshakes_unproven_max: 2, ..config() };
        let node = Plan { config, ..Plan::new(&net, &ca, "node", 1) }.start();
        // They have a connection, and say nothing on it: their handshakes stay under way.
        let mut idle = Vec::new();
        for port in 60..63 {
            idle.push(Stranger::connect(&net, &ca, "stranger", port, &node).await);
        }
        let handshakes = node.transport.metrics().handshakes;
        assert_eq!((handshakes.answering, handshakes.retried, handshakes.shed), (3, 1, 0));
        let friend = Plan::new(&net, &ca, "friend", 2).start();
        send(&friend.to(&node), key(1), b"proven").await;
        node.until("message", |_| node.payloads() == [b"proven"]).await;
        let handshakes = node.transport.metrics().handshakes;
        assert_eq!((handshakes.retried, handshakes.shed), (2, 0));
        tokio::time::sleep(Duration::from_secs(6)).await;
        let handshakes = node.transport.metrics().handshakes;
        assert_eq!(handshakes.answering, 0, "the time of those who say nothing is up");
        assert_eq!(handshakes.inbound, [(HandshakeFailure::NoAnswer, 3)], "{handshakes}");
    });
}

/// One machine with many dials takes the room that one address may have, and no more; a node elsewhere comes in.
#[test]
fn one_address_does_not_take_all_handshakes() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig {
            handshakes_max: 6,
            handshakes_ip_max: 3,
            handshakes_unproven_max: 0,
            ..config()
        };
        let node = Plan { config, ..Plan::new(&net, &ca, "node", 1) }.start();
        let mut idle = Vec::new();
        for port in 60..63 {
            idle.push(Stranger::connect(&net, &ca, "stranger", port, &node).await);
        }
        let refused = Stranger::try_connect(&net, &ca, "stranger", 63, &node).await.err();
        assert!(matches!(refused, Some(ConnectionError::ConnectionClosed(_))), "{refused:?}");
        let handshakes = node.transport.metrics().handshakes;
        assert_eq!((handshakes.answering, handshakes.retried, handshakes.shed), (3, 4, 1));
        idle.pop();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let again = Stranger::connect(&net, &ca, "stranger", 64, &node).await;
        assert!(again.connection.close_reason().is_none());
    });
}
