//! Who becomes an association, and who does not.

use std::time::Duration;

use odeon_message::Fingerprint;
use odeon_transport::{
    Ca, HandshakeFailure, LostReason, RefusedReason, SendRefused, TransportConfig, Validity,
};
use odeon_wire::RefuseReason;

use crate::{
    net::{Net, now},
    node::{Event, Plan, addr, config, downs, key, run, send, try_send, ups},
};

#[test]
fn two_nodes_exchange_messages_both_ways() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        assert!(matches!(try_send(&to_b, key(1), b"early"), Err(SendRefused::Connecting)));
        send(&to_b, key(1), b"hello").await;
        b.until("message", |_| !b.payloads().is_empty()).await;
        assert_eq!(b.payloads(), [b"hello"]);
        assert_eq!(to_b.peer().name(), "b");
        assert_eq!(to_b.accepts(crate::node::DEPOSIT), Some(crate::node::LAYOUT));

        let to_a = b.to(&a);
        send(&to_a, key(9), b"and back").await;
        a.until("message", |_| !a.payloads().is_empty()).await;
        assert!(matches!(a.events()[..], [Event::Up(up), Event::Frame(from, ..)]
            if up == b.id && from == b.id));
        assert_eq!(ups(&b.events()), 1);
        assert_eq!(to_a.peer().name(), "a");
    });
}

#[test]
fn a_node_of_another_authority_is_not_heard() {
    run(async {
        let net = Net::default();
        let a = Plan::new(&net, &Ca::in_memory("demo").unwrap(), "a", 1).start();
        let b = Plan::new(&net, &Ca::in_memory("demo").unwrap(), "b", 2).start();
        a.transport.dial_seed(b.addr);
        a.until("refusal", |events| !events.is_empty()).await;
        let events = a.events();
        assert!(
            matches!(&events[..], [Event::Refused(RefusedReason::NotAuthenticated(_))]),
            "{events:?}"
        );
        assert!(b.events().is_empty());
        assert_eq!(b.transport.stats().peers, 0);
        // The other way round it is the acceptor that does not trust.
        b.transport.dial_seed(a.addr);
        b.until("refusal", |events| !events.is_empty()).await;
        assert!(matches!(b.events()[0], Event::Refused(RefusedReason::NotAuthenticated(_))));
    });
}

/// It goes on sending meanwhile what waits for those it has a connection to.
#[test]
fn who_dials_a_node_that_stops_is_told_so() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let [a, b, c] = [("a", 1), ("b", 2), ("c", 3)]
            .map(|(name, port)| Plan::new(&net, &ca, name, port).start());
        let to_b = a.to(&b);
        send(&to_b, key(1), b"first").await;
        b.until("message", |_| !b.payloads().is_empty()).await;
        // More than is under way at once, to somebody who does not hear it for a while.
        net.cut(a.addr, b.addr);
        for _ in 0..200 {
            send(&to_b, key(1), &[7; 30_000]).await;
        }
        let closing = a.transport.close(Duration::from_secs(8));
        let dialled = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            c.transport.dial_seed(a.addr);
            c.until("refusal", |events| !events.is_empty()).await;
            net.heal();
        };
        tokio::join!(closing, dialled);
        let events = c.events();
        let [Event::Refused(RefusedReason::ByPeer(refuse))] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(refuse.reason, RefuseReason::Stopping);
        assert!(refuse.text.starts_with("a takes nobody any more"), "{}", refuse.text);
        assert_eq!(c.transport.stats().handshakes_failed, 0, "it is in the order of things");
        let outbound = c.transport.metrics().handshakes.outbound;
        assert_eq!(outbound, [(HandshakeFailure::Stopping, 1)]);
        b.until("messages", |_| b.payloads().len() == 201).await;
    });
}

#[test]
fn a_node_of_another_cluster_is_refused_even_under_one_authority() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        // The same key, under a certificate that names another cluster.
        let other = Ca::in_memory("other").unwrap();
        let pair =
            other.issue_pem("b", Validity::from(now(), Duration::from_secs(86_400))).unwrap();
        let both = format!("{}{}", ca.to_pem().cert, other.to_pem().cert);
        let b_identity = odeon_transport::Identity::from_pem(&pair.cert, &pair.key, &both).unwrap();
        let a_pair = ca.issue_pem("a", Validity::from(now(), Duration::from_secs(86_400))).unwrap();
        let a_identity =
            odeon_transport::Identity::from_pem(&a_pair.cert, &a_pair.key, &both).unwrap();
        let a = Plan { identity: a_identity, ..Plan::new(&net, &ca, "a", 1) }.start();
        let b = Plan { identity: b_identity, ..Plan::new(&net, &ca, "b", 2) }.start();
        for node in [&a, &b] {
            let other = if node.addr == a.addr { b.addr } else { a.addr };
            node.transport.dial_seed(other);
            node.until("refusal", |events| !events.is_empty()).await;
            let events = node.events();
            assert!(
                matches!(events[0], Event::Refused(RefusedReason::NotAuthenticated(_))),
                "{events:?}"
            );
        }
    });
}

#[test]
fn another_node_at_the_address_is_not_taken_for_the_one_that_was_meant() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let c = Plan::new(&net, &ca, "c", 3).start();
        let wrong = a.transport.peers().associate(c.id, b.addr);
        wrong.keep(true);
        a.until("refusal", |events| !events.is_empty()).await;
        let events = a.events();
        assert!(
            matches!(&events[0], Event::Refused(RefusedReason::Identity(text)) if text.contains("(b)")),
            "{events:?}"
        );
        assert!(!wrong.is_up());
        assert_eq!(ups(&c.events()), 0);
    });
}

#[test]
fn dials_that_cross_become_one_association() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let (to_b, to_a) = (a.to(&b), b.to(&a));
        to_b.keep(true);
        to_a.keep(true);
        send(&to_b, key(1), b"from a").await;
        send(&to_a, key(1), b"from b").await;
        a.until("message", |_| !a.payloads().is_empty()).await;
        b.until("message", |_| !b.payloads().is_empty()).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        for node in [&a, &b] {
            assert_eq!(ups(&node.events()), 1, "{:?}", node.events());
            assert!(downs(&node.events()).is_empty());
        }
        assert!(to_a.is_up() && to_b.is_up());
    });
}

#[test]
fn seeds_that_dial_each_other_become_one_association() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        a.transport.dial_seed(b.addr);
        b.transport.dial_seed(a.addr);
        a.until_up(1).await;
        b.until_up(1).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        for node in [&a, &b] {
            assert_eq!(ups(&node.events()), 1, "{:?}", node.events());
            assert!(downs(&node.events()).is_empty(), "{:?}", node.events());
        }
    });
}

#[test]
fn a_seed_that_is_dialled_twice_becomes_one_association() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        // Nobody knows yet that this is the same node.
        a.transport.dial_seed(b.addr);
        let to_b = a.to(&b);
        to_b.keep(true);
        a.transport.dial_seed(b.addr);
        a.until_up(1).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        for node in [&a, &b] {
            assert_eq!(ups(&node.events()), 1, "{:?}", node.events());
            assert!(downs(&node.events()).is_empty(), "{:?}", node.events());
        }
        assert!(to_b.is_up());
    });
}

#[test]
fn a_dial_that_was_not_needed_replaces_on_both_sides() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        for (dialler, other) in [(&a, &b), (&b, &a), (&a, &b)] {
            dialler.transport.dial_seed(other.addr);
            tokio::time::sleep(Duration::from_secs(1)).await;
            // Gossip for a node of another name, at the address of one that is associated.
            let stranger = odeon_message::NodeId::of("stranger");
            dialler.transport.datagram((stranger, other.addr), "gossip".into());
            tokio::time::sleep(Duration::from_secs(1)).await;
            for node in [&a, &b] {
                let events = node.events();
                let lost = downs(&events).len();
                assert_eq!(ups(&events), lost + 1, "{events:?}");
            }
        }
        // The seeds were associated already, so only gossip dialled.
        assert_eq!(ups(&a.events()), 4, "{:?}", a.events());
        assert!(a.to(&b).is_up() && b.to(&a).is_up());
    });
}

#[test]
fn a_node_that_restarted_is_a_new_association() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let old = a.to(&b);
        old.keep(true);
        a.until_up(1).await;
        // As a crash: nobody is told.
        let (b_id, b_addr) = (b.id, b.addr);
        net.unbind(b_addr);
        drop(b);
        let again = Plan { incarnation: 2, ..Plan::new(&net, &ca, "b", 2) }.start();
        again.transport.dial_seed(a.addr);
        a.until_up(2).await;
        let restarted = LostReason::Restarted(again.id.incarnation);
        let events = a.events();
        assert!(
            matches!(&events[..], [Event::Up(_), .., Event::Down(peer, why), Event::Up(up)]
                if *peer == b_id && *why == restarted && *up == again.id),
            "{events:?}"
        );
        assert!(
            matches!(try_send(&old, key(1), b"x"), Err(SendRefused::Closed(why)) if why == restarted)
        );
        let new = a.to(&again);
        send(&new, key(1), b"to the new life").await;
        again.until("message", |_| !again.payloads().is_empty()).await;
        let late = a.transport.peers().associate(b_id, b_addr);
        assert_eq!(late.closed(), Some(restarted));
    });
}

#[test]
fn a_restart_is_noticed_by_whoever_dials_the_old_life() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let again = Plan { incarnation: 2, ..Plan::new(&net, &ca, "b", 2) }.start();
        let old_id =
            odeon_transport::PeerId { incarnation: odeon_message::Incarnation(1), ..again.id };
        let old = a.transport.peers().associate(old_id, again.addr);
        old.keep(true);
        a.until_up(1).await;
        assert_eq!(old.closed(), Some(LostReason::Restarted(again.id.incarnation)));
        assert!(a.to(&again).is_up());
    });
}

#[test]
fn a_quarantined_life_is_refused_and_told() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_a = b.to(&a);
        to_a.keep(true);
        a.until_up(1).await;
        a.transport.peers().quarantine(b.id);
        a.until("down", |events| downs(events) == [LostReason::Quarantined]).await;
        b.until("refusal", |events| {
            events.iter().any(|event| {
                matches!(event, Event::Refused(RefusedReason::ByPeer(refuse))
                    if refuse.reason == odeon_wire::RefuseReason::Quarantined)
            })
        })
        .await;
        b.transport.peers().reincarnate(odeon_message::Incarnation(7));
        a.until_up(2).await;
    });
}

#[test]
fn an_incompatible_message_is_refused_before_it_is_sent() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let theirs = Fingerprint(1);
        let accepted = vec![(crate::node::DEPOSIT, theirs)];
        let b = Plan { accepted, ..Plan::new(&net, &ca, "b", 2) }.start();
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        let refused = try_send(&to_b, key(1), b"x").unwrap_err();
        assert!(
            matches!(refused, SendRefused::Incompatible { theirs: found, .. } if found == theirs)
        );
    });
}

#[test]
fn a_silent_dialler_is_dropped_after_the_handshake_timeout() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let config = TransportConfig { handshake_timeout: Duration::from_secs(2), ..config() };
        let a = Plan { config, ..Plan::new(&net, &ca, "a", 1) }.start();
        a.transport.dial_seed(addr(99));
        a.until("refusal", |events| {
            events.iter().any(|event| matches!(event, Event::Refused(RefusedReason::NoAnswer(_))))
        })
        .await;
        assert!(matches!(a.events()[0], Event::Unreachable(at) if at == addr(99)));
    });
}
