//! Peers of other revisions of the protocol: one that speaks the first and is sent nothing that came since, with bytes that
//! no code of today wrote, one that speaks the second, and one that speaks later ones.

use odeon_message::{EncodeError, NodeId};

use super::*;

/// A frame as `format.md` says: kind, receiver, message and ask, and a payload that is padded.
fn frame(kind: u8, receiver: u32, message: u64, ask: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, kind, 0, 0];
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&receiver.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&message.to_le_bytes());
    bytes.extend_from_slice(&ask.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    bytes
}

/// The hello of a node that speaks these revisions: without a clock, without bulk streams, with one message that it takes.
fn old_hello(revisions: [u8; 2]) -> Vec<u8> {
    let mut hello = vec![revisions[0], 0, revisions[1], 0, 2, 0, 0, 0];
    hello.extend_from_slice(&[0, 0, 16, 0, 0, 1, 0, 0, 0, 0, 16, 0]);
    hello.extend_from_slice(&NodeId::of("stranger").0.to_le_bytes());
    hello.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // 10.0.0.1:66
    hello.extend_from_slice(&[4, 0, 66, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    hello.extend_from_slice(b"\x04demo\x08stranger\x01\x00");
    hello.extend_from_slice(&[9, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
    hello
}

const CONTROL: &[u8; 16] = b"ODEON\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00";
const LANE_1: &[u8; 16] = b"ODEON\x01\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00";

async fn read_exactly(stream: &mut RecvStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// What a node of the first revision says and hears, byte by byte, with a node of today.
#[test]
fn a_peer_of_the_first_revision_is_understood() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let mut stranger = Stranger::connect(&net, &ca, "stranger", 66, &node).await;
        let hello = frame(1, 0, 0, 0, &old_hello([1, 1]));
        stranger.say(&[&CONTROL[..], &hello].concat()).await;
        let welcome = stranger.next_frame().await.body::<Welcome>().unwrap();
        assert_eq!(welcome.revision, 1);
        node.until_up(1).await;

        // A tell and an ask, without any extension.
        let mut lane = stranger.connection.open_uni().await.unwrap();
        let tell = frame(4, 7, 9, 0, b"a tell");
        let ask = frame(4, 7, 9, 0x55, b"an ask");
        lane.write_all(&[&LANE_1[..], &tell, &ask].concat()).await.unwrap();
        node.until("messages", |_| node.payloads() == [b"a tell".to_vec(), b"an ask".to_vec()])
            .await;

        // Its answer, a message in the layout that it takes, and nothing that it does not know.
        let to_stranger = Arc::clone(node.log.associations.borrow().last().unwrap());
        let reply = Header::of_ask(FrameKind::Reply, AskId(0x55));
        let write = |bytes: &'static [u8]| {
            move |out: &mut Vec<u8>| {
                out.extend_from_slice(bytes);
                Ok::<(), EncodeError>(())
            }
        };
        to_stranger.send_prepaid(key(3), reply, &mut write(b"an answer")).unwrap();
        let header = odeon_transport::MessageHeader {
            message: MessageId(9),
            fingerprint: Some(Fingerprint(8)),
            ..crate::node::message(key(3))
        };
        to_stranger.try_send(header.clone(), &mut write(b"a tell back")).unwrap();
        let mut stream = stranger.connection.accept_uni().await.unwrap();
        let preamble = read_exactly(&mut stream, 16).await;
        assert_eq!(preamble[..8], *b"ODEON\x01\x02\x00");
        let expected = [frame(5, 0, 0, 0x55, b"an answer"), frame(4, 3, 9, 0, b"a tell back")];
        assert_eq!(read_exactly(&mut stream, expected.concat().len()).await, expected.concat());
        // What it does not take is refused here.
        let newer = odeon_transport::MessageHeader { fingerprint: Some(Fingerprint(7)), ..header };
        let refused = to_stranger.try_send(newer, &mut write(b"in another layout"));
        assert!(matches!(refused, Err(SendRefused::Incompatible { .. })), "{refused:?}");
        // It closes as the first revision does.
        stranger.connection.close(0_u8.into(), b"");
        node.until("loss", |events| !downs(events).is_empty()).await;
        assert_eq!(node.transport.stats().bad_peers, 0);
    });
}

/// What a node of today writes when four tells of one length, and one more, go to a peer that speaks these revisions.
async fn five_tells(revisions: [u8; 2]) -> (u16, Vec<u8>) {
    let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
    let node = Plan::new(&net, &ca, "node", 1).start();
    let mut stranger = Stranger::connect(&net, &ca, "stranger", 66, &node).await;
    stranger.say(&[&CONTROL[..], &frame(1, 0, 0, 0, &old_hello(revisions))].concat()).await;
    let welcome = stranger.next_frame().await.body::<Welcome>().unwrap();
    node.until_up(1).await;
    let to_stranger = Arc::clone(node.log.associations.borrow().last().unwrap());
    for text in [b"one.", b"two.", b"tre.", b"four", b"five"] {
        let encode = &mut |out: &mut Vec<u8>| {
            out.extend_from_slice(text);
            Ok::<(), EncodeError>(())
        };
        to_stranger.try_tell(key(3), MessageId(9), encode).unwrap();
    }
    let mut stream = stranger.connection.accept_uni().await.unwrap();
    assert_eq!(read_exactly(&mut stream, 16).await[..8], *b"ODEON\x01\x02\x00");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let written = stream.read_chunk(1 << 16, true).await.unwrap().unwrap().bytes;
    (welcome.revision, written.to_vec())
}

/// Trains came with the second revision: a peer of the first gets each tell as a frame of its own.
#[test]
fn a_peer_of_the_first_revision_gets_no_trains_and_one_of_the_second_does() {
    run(async {
        let alone = |text: &[u8]| frame(4, 3, 9, 0, text);
        let (revision, written) = five_tells([1, 1]).await;
        let texts: [&[u8]; 5] = [b"one.", b"two.", b"tre.", b"four", b"five"];
        assert_eq!((revision, written), (1, texts.map(alone).concat()));

        let (revision, written) = five_tells([1, 2]).await;
        // Three that are alike are a reason to expect more of them; the last of these becomes a train.
        let padded = |text: &[u8]| [text, &[0; 12]].concat();
        let archives = [b"tre.", b"four", b"five"].map(|text| padded(text)).concat();
        let train = frame(21, 3, 9, 4 | 3 << 32, &archives);
        let expected = [alone(b"one."), alone(b"two."), train].concat();
        assert_eq!((revision, written), (2, expected));
    });
}

/// Of a later one the newest that both have is spoken, and what its hello says beyond that is skipped.
#[test]
fn a_peer_of_a_later_revision_speaks_ours() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let mut stranger = Stranger::connect(&net, &ca, "stranger", 66, &node).await;
        let mut hello = frame(1, 0, 0, 0, &old_hello([1, 9]));
        // One unit of extensions: record 99, four bytes, and its padding.
        hello[2] = 1;
        let record = [99, 0, 4, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0];
        hello.splice(32..32, record);
        stranger.say(&[&CONTROL[..], &hello].concat()).await;
        let welcome = stranger.next_frame().await.body::<Welcome>().unwrap();
        assert_eq!(welcome.revision, Revisions::OURS.max);
        node.until_up(1).await;
    });
}

#[test]
fn a_peer_without_a_revision_in_common_is_told_so() {
    run(async {
        let node = beside_a_stranger(async |net, ca, node| {
            let mut stranger = Stranger::connect(net, ca, "stranger", 66, node).await;
            let hello = frame(1, 0, 0, 0, &old_hello([200, 201]));
            stranger.say(&[&CONTROL[..], &hello].concat()).await;
            let refuse = stranger.next_frame().await.body::<Refuse>().unwrap();
            assert_eq!(refuse.reason, RefuseReason::Revision);
            (stranger, CloseCode::Refused)
        })
        .await;
        assert_eq!(node.transport.stats().handshakes_failed, 1);
    });
}
