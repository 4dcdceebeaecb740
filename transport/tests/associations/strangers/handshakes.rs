//! Handshakes that were recorded, are said again, or never end.

use super::*;

fn spoken(hello: &Hello) -> Vec<u8> {
    let mut bytes = Preamble::CONTROL.encode().to_vec();
    write_body(&mut bytes, Header::bare(FrameKind::Hello), hello, CONTROL_FRAME_BYTES_MAX).unwrap();
    bytes
}

#[test]
fn half_a_hello_is_waited_for_no_longer_than_a_whole_one() {
    run(async {
        let started = tokio::time::Instant::now();
        beside_a_stranger(async |net, ca, node| {
            let mut stranger = Stranger::connect(net, ca, "stranger", 66, node).await;
            let bytes = spoken(&hello("stranger"));
            stranger.say(&bytes[..40]).await;
            let (send, ..) = stranger.control.as_mut().unwrap();
            // Each second another byte, so that it is never silent for long.
            for byte in &bytes[40..44] {
                tokio::time::sleep(Duration::from_secs(1)).await;
                send.write_all(&[*byte]).await.unwrap();
            }
            (stranger, CloseCode::HandshakeTimeout)
        })
        .await;
        assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    });
}

#[test]
fn a_hello_on_a_connection_that_has_had_one_has_no_place() {
    run(async {
        let node = beside_a_stranger(async |net, ca, node| {
            let mut stranger = Stranger::associated(net, ca, node).await;
            let again = spoken(&hello("stranger"))[16..].to_vec();
            stranger.go_on(&again).await;
            (stranger, CloseCode::Protocol)
        })
        .await;
        protocol_loss(&node, "has no place here");
    });
}

/// The number of its dial says that it was said before: it does not take the place of the connection that is there.
#[test]
fn a_hello_that_was_said_on_another_connection_is_a_duplicate() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let first = Stranger::associated(&net, &ca, &node).await;
        let mut again = Stranger::connect(&net, &ca, "stranger", 67, &node).await;
        again.introduce(&hello("stranger")).await;
        let refuse = again.next_frame().await.body::<Refuse>().unwrap();
        assert_eq!(refuse.reason, RefuseReason::Duplicate);
        assert_eq!(again.closed_with().await, CloseCode::Refused);
        let _lane = first.lane(0, &message_frame(key(1), b"still there")).await;
        node.until("message", |_| node.payloads() == [b"still there"]).await;
        assert_eq!((ups(&node.events()), downs(&node.events()).len()), (1, 0));
    });
}

/// Whoever listens on the way has a peer's packets, and no keys.
#[test]
fn packets_of_a_handshake_that_are_sent_again_bring_nobody_in() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        net.record(addr(66));
        let stranger = Stranger::associated(&net, &ca, &node).await;
        let _lane = stranger.lane(0, &message_frame(key(1), b"once")).await;
        node.until("message", |_| node.payloads() == [b"once"]).await;
        let recorded = net.recorded();
        assert!(recorded.len() > 3, "the handshake and a message");
        // From elsewhere, and as if they were the peer's own.
        let elsewhere = net.bind(addr(67));
        for _ in 0..3 {
            recorded.iter().for_each(|(_, packet)| elsewhere.send(node.addr, packet.clone()));
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(node.payloads(), [b"once"], "a message does not come again");
        assert_eq!((ups(&node.events()), downs(&node.events()).len()), (1, 0));
        let metrics = node.transport.metrics();
        assert_eq!((metrics.peers.len(), metrics.handshakes.answering), (1, 0), "{metrics}");
        assert!(stranger.connection.close_reason().is_none());
    });
}

/// One control stream is all that a peer may open of its kind.
#[test]
fn a_second_control_stream_is_not_opened() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let stranger = Stranger::associated(&net, &ca, &node).await;
        let second = stranger.connection.open_bi();
        assert!(tokio::time::timeout(Duration::from_secs(20), second).await.is_err());
        assert!(downs(&node.events()).is_empty());
    });
}
