//! Large messages and replies: streams of their own, places in their lanes, and what is known when one is lost.

use std::time::Duration;

use odeon_message::{AskId, EncodeError};
use odeon_transport::{
    Association, Ca, FrameKind, Header, MessageHeader, RoomWaiter, SendRefused, TransportConfig,
};

use crate::{
    net::Net,
    node::{Event, Node, Plan, config, downs, key, message, run, send, try_send, ups},
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Bytes that say which message they are.
fn large(number: u8, bytes: usize) -> Vec<u8> {
    let mut payload = vec![number; bytes];
    payload[bytes / 2] ^= 0xff;
    payload
}

/// Receiver, first byte and length of each message, in the order of arrival.
fn arrived(node: &Node) -> Vec<(u32, u8, usize)> {
    let arrived = |event: &Event| match event {
        Event::Frame(_, header, payload) if header.kind == FrameKind::Message => {
            assert!(payload.len() < KIB || *payload == large(payload[0], payload.len()));
            Some((header.receiver.slot, payload[0], payload.len()))
        }
        _ => None,
    };
    node.events().iter().filter_map(arrived).collect()
}

/// Two nodes with one lane, so that nothing passes by another way.
fn pair(net: &Net, ca: &Ca, theirs: TransportConfig) -> (Node, Node) {
    let ours = TransportConfig { lanes: 1, ..config() };
    let a = Plan { config: ours, ..Plan::new(net, ca, "a", 1) }.start();
    let b = Plan { config: theirs, ..Plan::new(net, ca, "b", 2) }.start();
    (a, b)
}

fn ask(number: u64) -> MessageHeader {
    let remaining = Some(Duration::from_secs(60));
    MessageHeader { ask: AskId(number), remaining, ..message(key(1)) }
}

fn reply(to: &Association, number: u64, bytes: usize) -> Result<(), SendRefused> {
    let header = Header::of_ask(FrameKind::Reply, AskId(number));
    let mut encode = |out: &mut Vec<u8>| -> Result<(), EncodeError> {
        out.resize(out.len() + bytes, 7);
        Ok(())
    };
    to.send_prepaid(key(1), header, &mut encode).map(drop)
}

#[test]
fn order_is_kept_for_each_receiver_and_others_pass() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        // Credit for all of it, so that no sender waits.
        let theirs = TransportConfig { credit_bytes: 16 << 20, ..config() };
        let (a, b) = pair(&net, &ca, theirs);
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        let sent: [(u32, usize); 8] = [
            (1, 10),
            (1, 3 * MIB),
            (1, 20),
            (2, 64 * KIB),
            (2, 30),
            (3, 40),
            (1, 100 * KIB),
            (1, 50),
        ];
        for (number, (to, bytes)) in (0_u8..).zip(sent) {
            send(&to_b, key(to), &large(number, bytes)).await;
        }
        b.until("all", |_| arrived(&b).len() == sent.len()).await;
        let arrived = arrived(&b);
        for to in 1..=3 {
            let of = |(number, (at, bytes)): (u8, (u32, usize))| {
                (at == to).then_some((at, number, bytes))
            };
            let expected: Vec<_> = (0_u8..).zip(sent).filter_map(of).collect();
            let found: Vec<_> = arrived.iter().filter(|(at, ..)| *at == to).copied().collect();
            assert_eq!(found, expected);
        }
        let place = |number: u8| arrived.iter().position(|(_, at, _)| *at == number).unwrap();
        assert!(place(5) < place(1), "who gets small messages alone waits for no large one");
        assert!(place(4) < place(1), "and one that is less large is not behind it");
    });
}

#[test]
fn a_message_that_its_own_encoding_measures_arrives_as_well() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let (a, b) = pair(&net, &ca, config());
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        // An archive, unlike the bytes of the other tests, is given up in the lane and written elsewhere.
        let archive = |slot: u32, bytes: usize| {
            let (value, mut runs) = (vec![5_u8; bytes], 0);
            to_b.try_send(message(key(slot)), &mut |out| {
                runs += 1;
                odeon_message::Wire::archive(&value, out)
            })
            .unwrap();
            runs
        };
        let long = MIB / 4;
        // Which the next one of its type to this receiver is expected to be as well, until one is not.
        let lengths = [long, long, long + 16, 100, 100, long, long];
        let runs = lengths.map(|bytes| archive(1, bytes));
        assert_eq!(runs, [2, 1, 1, 2, 1, 2, 1], "archived so often");
        assert_eq!([long, long].map(|bytes| archive(2, bytes)), [2, 1], "another receiver");
        send(&to_b, key(1), b"after").await;
        b.until("all", |_| b.payloads().len() == 10).await;
        let of = |slot: u32| {
            let events = b.events();
            let is_of = |event: &Event| match event {
                Event::Frame(_, header, payload) if header.receiver == key(slot) => {
                    Some(payload.len())
                }
                _ => None,
            };
            events.iter().filter_map(is_of).collect::<Vec<_>>()
        };
        // An archive ends with where its list is and how long: eight bytes, at a multiple of four.
        let mut expected = lengths.map(|bytes| bytes + 8).to_vec();
        expected.push(5);
        assert_eq!(of(1), expected, "in order");
        assert_eq!(of(2), [long + 8; 2]);
    });
}

#[test]
fn a_large_reply_holds_up_nobody_and_a_flush_waits_for_it() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let (a, b) = pair(&net, &ca, config());
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        reply(&to_b, 1, 4 * MIB).unwrap();
        reply(&to_b, 2, 100).unwrap();
        send(&to_b, key(1), b"small").await;
        a.transport.flush(Duration::from_secs(60)).await;
        let replies: Vec<(u64, usize)> = b
            .events()
            .iter()
            .filter_map(|event| match event {
                Event::Frame(_, header, payload) if header.kind == FrameKind::Reply => {
                    Some((header.ask.0, payload.len()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(replies, [(2, 100), (1, 4 * MIB)]);
        assert!(matches!(reply(&to_b, 3, 65 * MIB), Err(SendRefused::TooLong { .. })));
    });
}

/// What is not begun is certainly not delivered, though its announcement left.
#[test]
fn a_large_message_is_handed_when_its_stream_begins() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let theirs = TransportConfig { bulk_streams: 1, credit_bytes: 64 << 20, ..config() };
        let (a, b) = pair(&net, &ca, theirs);
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        net.cut(a.addr, b.addr);
        let mut encode = |out: &mut Vec<u8>| -> Result<(), EncodeError> {
            out.extend_from_slice(&large(1, MIB));
            Ok(())
        };
        let asks: Vec<_> =
            (1..=3).map(|number| to_b.try_send(ask(number), &mut encode).unwrap()).collect();
        let small = try_send(&to_b, key(2), b"small").unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let handed = |position| to_b.handed(position);
        assert!(handed(small), "the announcements before it have left");
        assert_eq!(asks.iter().map(|ask| handed(*ask)).collect::<Vec<_>>(), [true, false, false]);
        assert!(!to_b.withdraw(asks[0]), "it may have run");
        assert!(to_b.withdraw(asks[1]), "it will not run");
        a.until("down", |events| !downs(events).is_empty()).await;
        assert_eq!(asks.iter().map(|ask| handed(*ask)).collect::<Vec<_>>(), [true, false, false]);
        assert!(asks.iter().all(|ask| to_b.is_lost(*ask)));
        assert_eq!(to_b.stats().frames_dropped, 2);
        net.heal();
        a.until_up(2).await;
        send(&to_b, key(1), &large(9, MIB)).await;
        b.until("it", |_| arrived(&b).contains(&(1, 9, MIB))).await;
        assert_eq!(arrived(&b).len(), 1, "nothing of the lost connection came");
    });
}

/// A withdrawn ask still comes, because it was announced, but it does not run.
#[test]
fn a_large_ask_that_is_withdrawn_comes_expired() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let (a, b) = pair(&net, &ca, TransportConfig { bulk_streams: 1, ..config() });
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        send(&to_b, key(1), &large(1, 4 * MIB)).await;
        let mut encode = |out: &mut Vec<u8>| -> Result<(), EncodeError> {
            out.extend_from_slice(&large(2, MIB));
            Ok(())
        };
        let header = MessageHeader { to: key(2), ..ask(7) };
        let position = to_b.try_send(header, &mut encode).unwrap();
        assert!(to_b.withdraw(position));
        b.until("both", |_| arrived(&b).len() == 2).await;
        assert!(to_b.handed(position));
        assert!(b.log.expired.get(), "its time is up when it comes");
    });
}

#[test]
fn senders_wait_while_much_waits() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let ours = TransportConfig { bulk_bytes_max: MIB, lanes: 1, ..config() };
        let a = Plan { config: ours, ..Plan::new(&net, &ca, "a", 1) }.start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        let payload = large(1, MIB);
        for to in 0..5 {
            match try_send(&to_b, key(to), &payload) {
                Ok(_) => assert_eq!(to, 0),
                Err(refused) => assert!(matches!(refused, SendRefused::LaneFull), "{refused}"),
            }
        }
        try_send(&to_b, key(9), b"small").unwrap();
        reply(&to_b, 1, MIB).unwrap();
        assert!(matches!(reply(&to_b, 2, MIB), Err(SendRefused::LaneFull)));
        for to in 1..5 {
            send(&to_b, key(to), &payload).await;
        }
        b.until("all", |_| arrived(&b).len() == 6).await;
        let mut waiter = RoomWaiter::default();
        to_b.forget_room(key(1), &mut waiter);
    });
}

#[test]
fn memory_that_large_messages_leave_is_kept_for_the_next_and_freed_when_none_comes() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let (a, b) = pair(&net, &ca, config());
        let to_b = a.to(&b);
        to_b.keep(true);
        let shelved = || [&a, &b].map(|node| node.transport.stats().shelved_bytes as usize);
        for number in 1..=10 {
            send(&to_b, key(1), &large(number, MIB)).await;
            b.until("message", |_| arrived(&b).len() == usize::from(number)).await;
            // Until all of it is acknowledged.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        // One is used each time; the sender's first one grew, and may have twice what it needs.
        assert!(shelved().iter().all(|bytes| (MIB..3 * MIB).contains(bytes)), "{:?}", shelved());
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(shelved(), [0, 0]);
        send(&to_b, key(1), &large(11, MIB)).await;
        b.until("message", |_| arrived(&b).len() == 11).await;
    });
}

#[test]
fn closing_sends_what_was_announced() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let (a, b) = pair(&net, &ca, TransportConfig { bulk_streams: 2, ..config() });
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        for to in 0..6 {
            try_send(&to_b, key(to), &large(to as u8, MIB)).unwrap();
            try_send(&to_b, key(to), b"behind").unwrap();
        }
        a.transport.close(Duration::from_secs(30)).await;
        assert_eq!(arrived(&b).len(), 12);
    });
}

/// Nothing is lost, doubled or mixed up where packets are, and no stream is left over for the next round.
#[test]
fn a_bad_network_changes_nothing() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let (a, b) = pair(&net, &ca, TransportConfig { bulk_streams: 3, ..config() });
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        net.disturb(5, 5, Duration::from_millis(5));
        for round in 0..3_u8 {
            for step in 0..12_u8 {
                let bytes = [20, 70 * KIB, 200 * KIB][usize::from(step) % 3];
                send(&to_b, key(u32::from(step) % 4), &large(round * 12 + step, bytes)).await;
            }
        }
        b.until("all", |_| arrived(&b).len() == 36).await;
        for to in 0..4 {
            let all = arrived(&b);
            let numbers: Vec<u8> =
                all.iter().filter(|(at, ..)| *at == to).map(|(_, number, _)| *number).collect();
            assert!(numbers.is_sorted() && numbers.len() == 9, "{numbers:?}");
        }
        assert_eq!((ups(&a.events()), downs(&a.events()).len()), (1, 0));
    });
}
