//! Bulk streams and announcements out of place.

use super::*;

const MIB: usize = 1 << 20;

fn announced(stream: u64, frame_bytes: usize) -> Vec<u8> {
    announcement(key(1), stream, frame_bytes)
}

/// What a stranger does with its bulk streams, and with which code and words its connection ends.
fn ends(code: CloseCode, text: &'static str, misbehave: impl AsyncFn(&Stranger)) {
    run(async {
        let node = beside_a_stranger(async |net, ca, node| {
            let stranger = Stranger::associated(net, ca, node).await;
            misbehave(&stranger).await;
            (stranger, code)
        })
        .await;
        protocol_loss(&node, text);
        let strange = |payload: &Vec<u8>| payload != b"before" && payload != b"after";
        assert!(!node.payloads().iter().any(strange), "nothing of it was handed on");
    });
}

fn long() -> Vec<u8> {
    message_frame(key(1), &vec![7; MIB])
}

#[test]
fn what_is_announced_and_never_comes() {
    ends(CloseCode::Protocol, "nothing came for 30s", async |stranger| {
        let frames = [announced(1, MIB), message_frame(key(1), b"behind it")].concat();
        std::mem::forget(stranger.lane(0, &frames).await);
    });
}

#[test]
fn what_stops_in_its_midst() {
    ends(CloseCode::Protocol, "nothing came for 30s", async |stranger| {
        std::mem::forget(stranger.lane(0, &announced(1, long().len())).await);
        std::mem::forget(stranger.bulk(1, &long()[..MIB / 2]).await);
    });
}

#[test]
fn what_comes_and_is_never_announced() {
    ends(CloseCode::Protocol, "bulk stream 9 was not announced within 30s", async |stranger| {
        std::mem::forget(stranger.bulk(9, &long()).await);
    });
}

#[test]
fn what_ends_early() {
    ends(CloseCode::Malformed, "48 of", async |stranger| {
        std::mem::forget(stranger.lane(0, &announced(1, long().len())).await);
        stranger.bulk(1, &long()[..48]).await.finish().unwrap();
    });
}

#[test]
fn what_has_no_frame_at_all() {
    ends(CloseCode::Malformed, "it ended after 0 of", async |stranger| {
        std::mem::forget(stranger.lane(0, &announced(1, long().len())).await);
        stranger.bulk(1, &[]).await.finish().unwrap();
    });
}

#[test]
fn what_is_shorter_than_announced() {
    ends(CloseCode::Malformed, "it ended after", async |stranger| {
        std::mem::forget(stranger.lane(0, &announced(1, long().len() + 16)).await);
        stranger.bulk(1, &long()).await.finish().unwrap();
    });
}

#[test]
fn what_is_longer_than_announced() {
    ends(CloseCode::Malformed, "claims", async |stranger| {
        std::mem::forget(stranger.lane(0, &announced(1, long().len() - 16)).await);
        stranger.bulk(1, &long()).await.finish().unwrap();
    });
}

#[test]
fn what_never_ends() {
    ends(CloseCode::Malformed, "longer than the", async |stranger| {
        std::mem::forget(stranger.lane(0, &announced(1, long().len())).await);
        let mut stream = stranger.bulk(1, &long()).await;
        while stream.write_all(&[0; 4096]).await.is_ok() {}
    });
}

#[test]
fn another_message_than_was_announced() {
    ends(CloseCode::Protocol, "another frame than was announced", async |stranger| {
        std::mem::forget(stranger.lane(0, &announced(1, long().len())).await);
        let other = message_frame(key(2), &vec![7; MIB]);
        stranger.bulk(1, &other).await.finish().unwrap();
    });
}

#[test]
fn a_number_that_is_announced_twice() {
    ends(CloseCode::Protocol, "none comes twice", async |stranger| {
        let frames = [announced(3, MIB), announced(3, MIB)].concat();
        std::mem::forget(stranger.lane(0, &frames).await);
    });
}

#[test]
fn a_stream_that_is_opened_twice() {
    ends(CloseCode::Protocol, "opened twice", async |stranger| {
        std::mem::forget(stranger.bulk(3, &[]).await);
        std::mem::forget(stranger.bulk(3, &[]).await);
    });
}

#[test]
fn lengths_that_cannot_be() {
    for bytes in [0, 40, (64 << 20) + 16] {
        ends(CloseCode::Protocol, "has a place here", async |stranger| {
            std::mem::forget(stranger.lane(0, &announced(1, bytes)).await);
        });
    }
}

#[test]
fn more_than_is_credited_is_not_announced_either() {
    ends(CloseCode::CreditOverrun, "beyond the 256", async |stranger| {
        let frames: Vec<u8> = (1..=3).flat_map(|number| announced(number, 8 * MIB)).collect();
        std::mem::forget(stranger.lane(0, &frames).await);
    });
}

#[test]
fn what_is_no_message_on_a_bulk_stream() {
    ends(CloseCode::Malformed, "Ping", async |stranger| {
        std::mem::forget(stranger.lane(0, &announced(1, 48)).await);
        let mut ping = Vec::new();
        let body = odeon_wire::Ping { token: 1 };
        write_body(&mut ping, Header::bare(FrameKind::Ping), &body, 1 << 20).unwrap();
        stranger.bulk(1, &ping).await.finish().unwrap();
    });
}

/// QUIC lets a peer open no more than a few; those count that are no lanes.
#[test]
fn more_streams_than_were_offered() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig { bulk_streams: 1, ..config() };
        let node = Plan { config, ..Plan::new(&net, &ca, "node", 1) }.start();
        let stranger = Stranger::associated(&net, &ca, &node).await;
        for number in 1..=5 {
            std::mem::forget(stranger.bulk(number, &[]).await);
        }
        assert_eq!(stranger.closed_with().await, CloseCode::Protocol);
        node.until("loss", |events| !downs(events).is_empty()).await;
        protocol_loss(&node, "more than 4 bulk streams");
    });
}

/// Memory follows what has arrived, and the frames of others are not held up by what does not come.
#[test]
fn a_peer_that_owes_a_message_is_heard_in_all_else() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let stranger = Stranger::associated(&net, &ca, &node).await;
        let frames = [
            announced(1, long().len()),
            message_frame(key(1), b"behind it"),
            message_frame(key(2), b"beside it"),
        ];
        let _lane = stranger.lane(0, &frames.concat()).await;
        node.until("message", |_| !node.payloads().is_empty()).await;
        assert_eq!(node.payloads(), [b"beside it".to_vec()]);
        tokio::time::sleep(Duration::from_secs(20)).await;
        stranger.bulk(1, &long()).await.finish().unwrap();
        node.until("all", |_| node.payloads().len() == 3).await;
        assert_eq!(node.payloads()[1].len(), MIB);
        assert_eq!(node.payloads()[2], b"behind it");
    });
}

/// A peer without bulk streams gets in its lanes what it reads there, and no more.
#[test]
fn a_peer_that_offers_no_bulk_streams_is_spared_them() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let stranger = Stranger::associated(&net, &ca, &node).await;
        let to_stranger = Arc::clone(node.log.associations.borrow().last().unwrap());
        let header = odeon_transport::MessageHeader {
            message: MessageId(1),
            fingerprint: None,
            ..crate::node::message(key(3))
        };
        let send = |bytes: usize| {
            to_stranger.try_send(header.clone(), &mut |out| {
                out.resize(out.len() + bytes, 1);
                Ok(())
            })
        };
        assert!(matches!(send(MIB), Err(SendRefused::TooLong { bytes_max: MIB, .. })));
        send(MIB / 2).unwrap();
        let mut stream = stranger.connection.accept_uni().await.unwrap();
        let mut preamble = [0; 16];
        stream.read_exact(&mut preamble).await.unwrap();
        assert_eq!(Preamble::decode(preamble).unwrap().purpose, Purpose::Lane);
        let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
        let frame = loop {
            if let Some(frame) = reader.next().unwrap() {
                break frame;
            }
            reader.push(&stream.read_chunk(1 << 16, true).await.unwrap().unwrap().bytes);
        };
        assert_eq!((frame.header.kind, frame.payload.len()), (FrameKind::Message, MIB / 2));
    });
}
