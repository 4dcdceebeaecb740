//! What is lost with a connection, what comes back, and what gossip does.

use std::time::Duration;

use bytes::Bytes;
use odeon_message::NodeId;
use odeon_transport::{Ca, LostReason, SendRefused, TransportConfig};

use crate::{
    net::Net,
    node::{Event, Plan, addr, config, downs, key, run, send, try_send, ups},
};

#[test]
fn a_lost_connection_is_made_again_and_labels_stay_true() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig {
            idle_timeout: Duration::from_secs(3),
            keep_alive: Duration::from_secs(1),
            undeliverable_after: Duration::from_secs(60),
            ..config()
        };
        let a = Plan { config: config.clone(), ..Plan::new(&net, &ca, "a", 1) }.start();
        let b = Plan { config, ..Plan::new(&net, &ca, "b", 2) }.start();
        let to_b = a.to(&b);
        to_b.keep(true);
        let arrived = send(&to_b, key(1), b"arrived").await;
        b.until("message", |_| !b.payloads().is_empty()).await;
        assert!(to_b.handed(arrived));

        net.cut(a.addr, b.addr);
        let swallowed = send(&to_b, key(1), b"swallowed").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(to_b.handed(swallowed), "it was given to QUIC, which may have sent it");
        a.until("down", |events| downs(events) == [LostReason::TimedOut]).await;

        let waiting = send(&to_b, key(1), b"waited").await;
        assert!(!to_b.handed(waiting), "there is no connection to hand it to");
        net.heal();
        b.until("message", |_| b.payloads().len() == 2).await;
        assert_eq!(b.payloads(), [b"arrived".to_vec(), b"waited".to_vec()]);
        assert!(to_b.handed(arrived) && to_b.handed(swallowed) && to_b.handed(waiting));
        assert_eq!((ups(&a.events()), ups(&b.events())), (2, 2));
    });
}

#[test]
fn frames_that_find_no_connection_are_given_up_as_not_delivered() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig {
            idle_timeout: Duration::from_secs(3),
            keep_alive: Duration::from_secs(1),
            undeliverable_after: Duration::from_secs(10),
            ..config()
        };
        let a = Plan { config, ..Plan::new(&net, &ca, "a", 1) }.start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        send(&to_b, key(1), b"arrived").await;
        net.cut(a.addr, b.addr);
        try_send(&to_b, key(1), b"swallowed").unwrap();
        a.until("down", |events| downs(events).len() == 1).await;
        let waiting = try_send(&to_b, key(1), b"waits").unwrap();
        a.until("second down", |events| downs(events).len() == 2).await;
        assert!(matches!(downs(&a.events())[1], LostReason::Undeliverable(_)));
        assert!(!to_b.handed(waiting));
        assert!(matches!(try_send(&to_b, key(1), b"x"), Err(SendRefused::Unreachable(_))));
        // Nobody keeps it, so a later send tries again.
        net.heal();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let later = send(&to_b, key(1), b"later").await;
        b.until("message", |_| b.payloads().contains(&b"later".to_vec())).await;
        assert!(to_b.handed(later) && !to_b.handed(waiting));
    });
}

/// A close between connections emptied the lanes and nobody was told, so the asks among their frames never failed.
#[test]
fn frames_that_wait_between_connections_are_told_down_when_the_peer_is_closed() {
    for is_forgotten in [false, true] {
        run(async {
            let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
            let config = TransportConfig {
                idle_timeout: Duration::from_secs(3),
                keep_alive: Duration::from_secs(1),
                ..config()
            };
            let a = Plan { config, ..Plan::new(&net, &ca, "a", 1) }.start();
            let b = Plan::new(&net, &ca, "b", 2).start();
            let to_b = a.to(&b);
            to_b.keep(true);
            a.until_up(1).await;
            net.cut(a.addr, b.addr);
            a.until("down", |events| downs(events) == [LostReason::TimedOut]).await;
            let waiting = try_send(&to_b, key(1), b"waits").unwrap();
            let why = if is_forgotten {
                a.transport.peers().forget(b.id);
                LostReason::Forgotten
            } else {
                a.transport.peers().quarantine(b.id);
                LostReason::Quarantined
            };
            a.until("second down", |events| downs(events).len() == 2).await;
            assert_eq!(downs(&a.events()), [LostReason::TimedOut, why]);
            assert!(to_b.is_lost(waiting) && !to_b.handed(waiting));
            assert_eq!(to_b.stats().frames_dropped, 1);
            tokio::time::sleep(Duration::from_secs(30)).await;
            assert_eq!(downs(&a.events()).len(), 2, "it is told once");
        });
    }
}

#[test]
fn callers_that_wait_for_a_peer_that_never_comes_are_told() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        net.unbind(b.addr);
        let to_b = a.to(&b);
        let mut waiter = odeon_transport::RoomWaiter::default();
        let refused = loop {
            match try_send(&to_b, key(1), b"x") {
                Ok(_) => panic!("nobody is there"),
                Err(refused) if refused.is_full() => {
                    std::future::poll_fn(|cx| to_b.poll_room(key(1), &mut waiter, cx)).await;
                }
                Err(refused) => break refused,
            }
        };
        to_b.forget_room(key(1), &mut waiter);
        assert!(matches!(refused, SendRefused::Unreachable(LostReason::Undeliverable(_))));
        assert!(a.events().iter().any(|event| matches!(event, Event::Unreachable(_))));
    });
}

#[test]
fn a_closed_port_is_reported_in_answer_to_a_probe() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        a.to(&b).keep(true);
        a.until_up(1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        net.unbind(b.addr);
        let before = tokio::time::Instant::now();
        a.transport.probe(b.addr);
        a.until("report", |events| {
            events.iter().any(|event| matches!(event, Event::Unreachable(at) if *at == b.addr))
        })
        .await;
        assert!(before.elapsed() < Duration::from_millis(50), "{:?}", before.elapsed());
        assert!(net.packets() > 0);
    });
}

#[test]
fn gossip_dials_and_only_the_newest_waits() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        for text in ["old", "older than new", "new"] {
            a.transport.datagram((b.id.node, b.addr), Bytes::from(text));
        }
        a.until_up(1).await;
        a.transport.datagram((b.id.node, b.addr), Bytes::from("at once"));
        a.transport.datagram((b.id.node, b.addr), Bytes::from(vec![0; 1001]));
        let datagrams = |events: &[Event]| -> Vec<Bytes> {
            let bytes = |event: &Event| match event {
                Event::Datagram(from, bytes) if *from == a.id => Some(bytes.clone()),
                _ => None,
            };
            events.iter().filter_map(bytes).collect()
        };
        b.until("both", |events| datagrams(events).len() == 2).await;
        assert_eq!(datagrams(&b.events()), ["new", "at once"]);
        assert_eq!(a.transport.stats().datagrams_dropped, 3);
        // Nobody keeps it, so it closes when it was idle.
        a.until("down", |events| downs(events) == [LostReason::Idle]).await;
        b.until("down", |events| downs(events).len() == 1).await;
        // The association is known now; the next datagram waits in it.
        a.transport.datagram((b.id.node, b.addr), Bytes::from("again"));
        b.until("third", |events| datagrams(events).len() == 3).await;
    });
}

#[test]
fn a_peer_is_knocked_at_only_where_nothing_else_went() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        let datagrams = || to_b.stats().datagrams_sent;
        // How many bytes each of the packets has.
        let knock = || {
            net.record(a.addr);
            a.transport.knock((b.id.node, b.addr), Bytes::from("knock"));
            net.recorded().iter().map(|(_, packet)| packet.len()).collect::<Vec<_>>()
        };
        // The first may find what was sent before it.
        knock();
        let before = datagrams();
        assert_eq!([knock(), knock()], [[1], [1]], "its own kind does not count");
        send(&to_b, key(1), b"something else").await;
        b.until("the message", |_| b.payloads().len() == 1).await;
        assert_eq!(knock(), [0_usize; 0], "the message went there");
        assert_eq!(knock(), [1]);
        assert_eq!(datagrams(), before, "none of them is QUIC's");
        // And the peer does not mind them.
        send(&to_b, key(1), b"the next").await;
        b.until("the next", |_| b.payloads().len() == 2).await;
        assert_eq!(downs(&b.events()), []);
    });
}

#[test]
fn a_knock_at_a_closed_port_is_heard_of_and_dials_nobody() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        a.transport.knock((NodeId(9), addr(99)), Bytes::from("knock"));
        a.until("news", |events| !events.is_empty()).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(matches!(a.events()[..], [Event::Unreachable(at)] if at == addr(99)));
        assert_eq!(net.packets(), 1);
    });
}

#[test]
fn whoever_only_sends_is_not_idle() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig { gossip_idle: Duration::from_secs(2), ..config() };
        let a = Plan { config: config.clone(), ..Plan::new(&net, &ca, "a", 1) }.start();
        let b = Plan { config, ..Plan::new(&net, &ca, "b", 2) }.start();
        let to_b = a.to(&b);
        // So few that no credit need come back for them.
        for number in 0..200_u8 {
            send(&to_b, key(1), &[number]).await;
            // At no time at which somebody looks whether it is idle.
            tokio::time::sleep(Duration::from_micros(53_700)).await;
        }
        assert_eq!(downs(&a.events()), []);
        assert_eq!(b.payloads().len(), 200);
        // Nobody keeps it, so that it ends once nothing is sent.
        a.until("down", |events| downs(events) == [LostReason::Idle]).await;
    });
}

#[test]
fn a_dropped_transport_is_a_crash() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        a.to(&b).keep(true);
        a.until_up(1).await;
        net.unbind(b.addr);
        drop(b);
        a.until("down", |events| !downs(events).is_empty()).await;
        assert_eq!(downs(&a.events()), [LostReason::TimedOut]);
    });
}
