//! Order, credit, room and labels of what is sent.

use std::{sync::Arc, time::Duration};

use odeon_message::AskId;
use odeon_transport::{
    Association, Ca, FrameKind, Header, LostReason, Position, SendRefused, TransportConfig,
};
use tokio::time::Instant;

use crate::{
    net::{LATENCY, Net},
    node::{Event, Node, Plan, config, downs, key, run, send, try_send},
};

#[test]
fn messages_to_one_receiver_keep_their_order_across_many_batches() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        let count = 3000_u32;
        for number in 0..count {
            send(&to_b, key(number % 3), &number.to_le_bytes()).await;
        }
        b.until("all", |_| b.payloads().len() == count as usize).await;
        let mut last = [None; 3];
        for payload in b.payloads() {
            let number = u32::from_le_bytes(payload.try_into().unwrap());
            let last = &mut last[number as usize % 3];
            assert!(*last < Some(number));
            *last = Some(number);
        }
        let stats = to_b.stats();
        assert!(stats.credit_stalls > 0 && stats.batches < u64::from(count), "{stats:?}");
    });
}

/// Two nodes whose connection is there, and which have nothing to say.
async fn at_rest(net: &Net) -> (Node, Node, Arc<Association>) {
    let ca = Ca::in_memory("demo").unwrap();
    let a = Plan::new(net, &ca, "a", 1).start();
    let b = Plan::new(net, &ca, "b", 2).start();
    let to_b = a.to(&b);
    to_b.keep(true);
    send(&to_b, key(1), b"first").await;
    b.until("first", |_| b.payloads().len() == 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    (a, b, to_b)
}

/// No timer gathers what is sent: in an idle lane a message is as long on its way as the network takes.
#[test]
fn an_idle_lane_sends_at_once() {
    run(async {
        let net = Net::default();
        let (_a, b, to_b) = at_rest(&net).await;
        for number in 2..20 {
            let sent = Instant::now();
            try_send(&to_b, key(1), b"alone").unwrap();
            b.until("message", |_| b.payloads().len() == number).await;
            assert_eq!(sent.elapsed(), LATENCY, "message {number}");
            tokio::time::sleep(Duration::from_millis(37)).await;
        }
    });
}

#[test]
fn what_is_sent_in_one_breath_is_one_write_and_waits_for_nothing() {
    run(async {
        let net = Net::default();
        let (_a, b, to_b) = at_rest(&net).await;
        let (before, sent) = (to_b.stats().batches, Instant::now());
        for _ in 0..100 {
            try_send(&to_b, key(1), b"together").unwrap();
        }
        b.until("all", |_| b.payloads().len() == 101).await;
        assert_eq!((to_b.stats().batches - before, sent.elapsed()), (1, LATENCY));
    });
}

#[test]
fn a_receiver_that_takes_nothing_stops_its_senders_and_nobody_else() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        b.log.hold.set(true);
        let to_b = a.to(&b);
        for _ in 0..256 {
            send(&to_b, key(1), b"fills the window").await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(matches!(try_send(&to_b, key(1), b"one more"), Err(SendRefused::NoCredit)));
        // Others have credit of their own, in every lane.
        for slot in 2..10 {
            try_send(&to_b, key(slot), b"free").unwrap();
        }
        let waiting = tokio::task::spawn_local({
            let to_b = to_b.clone();
            async move { send(&to_b, key(1), b"waited").await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        b.log.hold.set(false);
        b.log.held.borrow_mut().clear();
        waiting.await.unwrap();
        b.until("it", |_| b.payloads().contains(&b"waited".to_vec())).await;
    });
}

#[test]
fn a_frame_longer_than_the_peer_reads_is_not_taken() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let config = TransportConfig {
            frame_bytes_max: 128 << 10,
            message_bytes_max: 128 << 10,
            ..config()
        };
        let b = Plan { config, ..Plan::new(&net, &ca, "b", 2) }.start();
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        let long = vec![0; 128 << 10];
        assert!(matches!(
            try_send(&to_b, key(1), &long),
            Err(SendRefused::TooLong { bytes_max: 131_072, .. })
        ));
        // The lane is as it was.
        send(&to_b, key(1), &long[..100_000]).await;
        b.until("message", |_| b.payloads().first().is_some_and(|bytes| bytes.len() == 100_000))
            .await;
    });
}

#[test]
fn replies_cost_no_credit_and_control_frames_pass_lanes() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        b.log.hold.set(true);
        let to_b = a.to(&b);
        let cancel = Header::of_ask(FrameKind::Cancel, AskId(5));
        assert!(matches!(to_b.control(cancel, &mut |_| ()), Err(SendRefused::NotUp)));
        a.until_up(1).await;
        for _ in 0..256 {
            send(&to_b, key(1), b"x").await;
        }
        let reply = Header::of_ask(FrameKind::Reply, AskId(4));
        to_b.send_prepaid(key(1), reply, &mut |out| {
            out.extend_from_slice(b"reply");
            Ok(())
        })
        .unwrap();
        to_b.control(cancel, &mut |_| ()).unwrap();
        let has = |events: &[Event], wanted: FrameKind| {
            events
                .iter()
                .any(|event| matches!(event, Event::Frame(_, header, _) if header.kind == wanted))
        };
        b.until("both", |events| has(events, FrameKind::Reply) && has(events, FrameKind::Cancel))
            .await;
    });
}

#[test]
fn replies_have_room_in_a_lane_that_is_full_of_messages() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig { lanes: 1, ..config() };
        let a = Plan { config, ..Plan::new(&net, &ca, "a", 1) }.start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        // Nothing is awaited, so nothing leaves.
        let payload = vec![1; 60_000];
        let mut slots = 0..;
        let refused = loop {
            if let Err(refused) = try_send(&to_b, key(slots.next().unwrap()), &payload) {
                break refused;
            }
        };
        assert!(matches!(refused, SendRefused::LaneFull), "{refused}");
        let reply = Header::of_ask(FrameKind::Reply, AskId(1));
        let send_reply = || {
            to_b.send_prepaid(key(1), reply, &mut |out| {
                out.extend_from_slice(&payload);
                Ok(())
            })
        };
        for _ in 0..40 {
            send_reply().unwrap();
        }
        assert!(matches!((0..40).find_map(|_| send_reply().err()), Some(SendRefused::LaneFull)));
        send(&to_b, key(1), b"after").await;
        b.until("after", |_| b.payloads().contains(&b"after".to_vec())).await;
    });
}

fn prepaid(to: &Association, kind: FrameKind, bytes: usize) -> Result<Position, SendRefused> {
    to.send_prepaid(key(1), Header::of_ask(kind, AskId(1)), &mut |out| {
        out.resize(out.len() + bytes, 7);
        Ok(())
    })
}

/// A whole lane counted as handed when the first of its bytes were written, so that asks which never left were said
/// to have run, perhaps.
#[test]
fn only_what_is_written_counts_as_handed() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig { lanes: 1, send_window: 256 << 10, ..config() };
        let batch_bytes_max = config.batch_bytes_max;
        let a = Plan { config, ..Plan::new(&net, &ca, "a", 1) }.start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        net.cut(a.addr, b.addr);
        let payload_bytes = 5000;
        let sent: Vec<_> =
            (0..700).map(|_| prepaid(&to_b, FrameKind::Reply, payload_bytes).unwrap()).collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let handed = || sent.iter().filter(|position| to_b.handed(**position)).count();
        let while_up = handed();
        let bytes_max = (256 << 10) + 2 * batch_bytes_max;
        assert!((10..bytes_max / payload_bytes).contains(&while_up), "{while_up}");
        assert!(to_b.handed(sent[while_up - 1]) && !to_b.handed(sent[while_up]));
        assert!(!to_b.withdraw(sent[while_up]), "a reply has no time to expire: it will go out");
        a.until("down", |events| !downs(events).is_empty()).await;
        assert_eq!(handed(), while_up);
        assert_eq!(to_b.stats().frames_dropped, 700 - while_up as u64);
    });
}

/// Errors and terminateds were refused in a full lane without a trace, and their peer waited for ever.
#[test]
fn notices_have_a_reserve_and_reset_the_connection_when_it_is_full() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig { lanes: 1, ..config() };
        let a = Plan { config, ..Plan::new(&net, &ca, "a", 1) }.start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        // The writer is in the midst of a write when the reserve is full.
        net.cut(a.addr, b.addr);
        for _ in 0..40 {
            while prepaid(&to_b, FrameKind::Reply, 60_000).is_ok() {}
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        while prepaid(&to_b, FrameKind::Reply, 16).is_ok() {}
        assert!(downs(&a.events()).is_empty());
        let long = 1 << 10;
        let mut notices = (0..4000).map(|_| prepaid(&to_b, FrameKind::Error, long - 100));
        let refused = notices.by_ref().position(|result| result.is_err()).unwrap();
        assert!((1000..1200).contains(&refused), "{refused}");
        let started = tokio::time::Instant::now();
        a.until("down", |events| !downs(events).is_empty()).await;
        assert!(started.elapsed() < Duration::from_secs(1), "nothing waits for a timeout");
        assert!(matches!(&downs(&a.events())[..], [LostReason::Protocol(_)]));
        net.heal();
        a.until_up(2).await;
        send(&to_b, key(1), b"after").await;
        b.until("after", |_| b.payloads().contains(&b"after".to_vec())).await;
    });
}

#[test]
fn credit_of_idle_receivers_is_forgotten_and_counted_anew() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        to_b.keep(true);
        for round in 0..4 {
            for slot in 0..50 {
                send(&to_b, key(slot), &[round]).await;
            }
            // Long enough for both sides to sweep, with silence between.
            tokio::time::sleep(Duration::from_secs(45)).await;
        }
        assert_eq!(b.payloads().len(), 200);
        assert_eq!(crate::node::ups(&b.events()), 1, "{:?}", crate::node::downs(&b.events()));
    });
}

#[test]
fn flushing_ends_when_the_peer_has_read_everything() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        a.transport.flush(Duration::ZERO).await;
        net.disturb(7, 10, Duration::from_millis(20));
        for round in 1..=5 {
            for slot in 0..200 {
                try_send(&to_b, key(slot), &[7; 500]).unwrap();
            }
            let began = tokio::time::Instant::now();
            a.transport.flush(Duration::from_secs(60)).await;
            assert_eq!(b.payloads().len(), round * 200);
            assert!(began.elapsed() < Duration::from_secs(60));
        }
        // A peer that is gone is waited for as long as it was said, and one whose connection is lost no longer.
        net.cut(a.addr, b.addr);
        try_send(&to_b, key(1), b"late").unwrap();
        let began = tokio::time::Instant::now();
        a.transport.flush(Duration::from_millis(300)).await;
        assert_eq!(began.elapsed(), Duration::from_millis(300));
        a.transport.flush(Duration::from_secs(60)).await;
        assert!(began.elapsed() < Duration::from_secs(60));
        assert_eq!(crate::node::downs(&a.events()).len(), 1);
    });
}

#[test]
fn closing_flushes_what_waits() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        for slot in 0..200 {
            try_send(&to_b, key(slot), &[7; 5000]).unwrap();
        }
        a.transport.close(Duration::from_secs(5)).await;
        assert_eq!(b.payloads().len(), 200);
        b.until("down", |events| !crate::node::downs(events).is_empty()).await;
        let why = format!("{}", crate::node::downs(&b.events())[0]);
        assert!(why.contains("the node is stopping"), "{why}");
        assert_eq!(crate::node::downs(&a.events()), [odeon_transport::LostReason::Closed]);
        assert!(matches!(try_send(&to_b, key(1), b"late"), Err(SendRefused::Closed(_))));
    });
}
