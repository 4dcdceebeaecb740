//! What all peers send together, and the memory that a node gives them for it.

use odeon_message::{AskId, EncodeError, Failure, FailureKind};
use odeon_transport::{Ca, FrameKind, Header, TransportConfig};

use crate::{
    net::Net,
    node::{Event, Node, Plan, config, downs, key, run, send},
};

const BOUND: usize = 4 << 20;
const LARGE: usize = 600_000;

fn bounded() -> TransportConfig {
    TransportConfig { message_bytes_max: 1 << 20, inbound_bytes_max: BOUND, ..config() }
}

fn pair(net: &Net, ca: &Ca) -> (Node, Node) {
    let a = Plan { config: bounded(), ..Plan::new(net, ca, "a", 1) }.start();
    let b = Plan { config: bounded(), ..Plan::new(net, ca, "b", 2) }.start();
    (a, b)
}

fn inbound_bytes(node: &Node) -> usize {
    node.transport.stats().inbound_bytes as usize
}

fn let_go(node: &Node) {
    node.log.hold.set(false);
    drop((node.log.held.take(), node.log.held_payloads.take()));
}

#[test]
fn large_messages_that_find_no_room_are_read_and_let_go() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let (a, b) = pair(&net, &ca);
        b.log.hold.set(true);
        let to_b = a.to(&b);
        for slot in 0..12 {
            send(&to_b, key(slot), &vec![7; LARGE]).await;
            // In its lane behind the large one, to the same receiver.
            send(&to_b, key(slot), b"behind it").await;
        }
        let done = || b.payloads().len() + b.log.shed.borrow().len() == 24;
        b.until("all of them", |_| done()).await;
        let large = b.payloads().iter().filter(|payload| payload.len() == LARGE).count();
        assert!((1..=4).contains(&large), "{large} were taken, which is half of the bound");
        assert!(inbound_bytes(&b) <= BOUND, "{}", inbound_bytes(&b));
        let shed = b.transport.metrics().of("a").cloned().unwrap().messages_shed;
        assert_eq!(shed as usize, b.log.shed.borrow().len());
        let_go(&b);
        assert!(inbound_bytes(&b) <= 256 << 10, "{} stay", inbound_bytes(&b));
        // It goes on over the same connection.
        send(&to_b, key(1), &vec![8; LARGE]).await;
        b.until("another", |_| b.payloads().iter().any(|payload| payload.first() == Some(&8)))
            .await;
        assert!(downs(&b.events()).is_empty());
    });
}

#[test]
fn small_messages_that_find_no_room_are_not_taken_and_credit_goes_back() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let (a, b) = pair(&net, &ca);
        let c = Plan { config: bounded(), ..Plan::new(&net, &ca, "c", 3) }.start();
        b.log.hold.set(true);
        let to_b = a.to(&b);
        // 200 of each receiver's 256 messages: no credit is missing.
        for round in 0..200 {
            for slot in 0..8 {
                send(&to_b, key(slot), &vec![round as u8; 4000]).await;
            }
        }
        b.until("some", |_| !b.log.shed.borrow().is_empty()).await;
        assert!(inbound_bytes(&b) <= BOUND * 3 / 4, "{}", inbound_bytes(&b));
        // Another peer finds room.
        send(&c.to(&b), key(9), b"of another").await;
        b.until("message", |_| b.payloads().contains(&b"of another".to_vec())).await;
        let_go(&b);
        for _ in 0..300 {
            send(&to_b, key(1), b"again").await;
        }
        b.until("again", |_| b.payloads().iter().filter(|it| *it == b"again").count() == 300).await;
        assert!(downs(&b.events()).is_empty());
    });
}

#[test]
fn a_large_reply_that_finds_no_room_ends_its_ask() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let (a, b) = pair(&net, &ca);
        a.to(&b).keep(true);
        b.until_up(1).await;
        a.log.hold.set(true);
        let to_a = b.to(&a);
        for ask in 1..=12 {
            let header = Header::of_ask(FrameKind::Reply, AskId(ask));
            let encode = &mut |out: &mut Vec<u8>| -> Result<(), EncodeError> {
                out.resize(out.len() + LARGE, 7);
                Ok(())
            };
            to_a.send_prepaid(key(1), header, encode).unwrap();
        }
        let answers = |events: &[Event]| {
            let answer = |event: &Event| match event {
                Event::Frame(_, header, payload) => Some((*header, payload.clone())),
                _ => None,
            };
            events.iter().filter_map(answer).collect::<Vec<_>>()
        };
        a.until("answers", |events| answers(events).len() == 12).await;
        let mut asks: Vec<u64> = answers(&a.events()).iter().map(|(it, _)| it.ask.0).collect();
        asks.sort_unstable();
        assert!(asks.into_iter().eq(1..=12), "each has one answer");
        let failures: Vec<Failure> = answers(&a.events())
            .iter()
            .filter(|(header, _)| header.kind == FrameKind::Error)
            .map(|(_, payload)| odeon_wire::Body::decode(payload).unwrap())
            .collect();
        assert!((8..12).contains(&failures.len()), "{} failed", failures.len());
        let is_full = |failure: &Failure| {
            failure.kind == FailureKind::Full
                && failure.certainty == odeon_message::Certainty::Ran
                && failure.detail.contains("inbound_bytes_max is 4194304")
        };
        assert!(failures.iter().all(is_full), "{failures:?}");
        assert!(inbound_bytes(&a) <= BOUND);
    });
}
