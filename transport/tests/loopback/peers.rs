//! Peers that change, crash, are declared dead or come in crowds.

use std::{
    net::{Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use odeon_env::{Env, RealEnv};
use odeon_message::Incarnation;
use odeon_transport::{Association, LostReason, RefusedReason, TransportConfig};
use odeon_wire::{CloseCode, Refuse, RefuseReason};
use tokio::task::LocalSet;

use crate::{
    node::{LONG, Node, bind_at, ca},
    sending,
    switch::Switch,
};

async fn send(association: &Association, payload: &[u8]) {
    sending::send(association, 1, payload).await;
}

#[tokio::test]
async fn a_peer_whose_port_changes_keeps_its_association() {
    let test = async {
        let (ca, config) = (ca(), TransportConfig::default());
        let a = Node::start(&ca, "a", config.clone());
        let switch = Arc::new(Switch::new());
        let b = Node::start_at(&ca, ("b", 1), config, Arc::clone(&switch) as _);
        let to_a = b.to(&a);
        to_a.keep(true);
        send(&to_a, b"before").await;
        a.until_payload(b"before").await;
        let seen = || a.transport.metrics().of("b").and_then(|b| b.remote_addr);
        assert_eq!(seen(), Some(b.addr));
        let port = switch.turn();
        for number in 0..20_u8 {
            send(&to_a, &[number]).await;
        }
        a.until_payload(&[19]).await;
        send(&a.to(&b), b"and back").await;
        b.until_payload(b"and back").await;
        assert_eq!(seen(), Some(port), "what is sent goes to the new port");
        assert!(a.log.downs.borrow().is_empty() && b.log.downs.borrow().is_empty());
        assert_eq!((a.log.ups(), b.log.ups()), (1, 1));
        a.close().await;
        b.close().await;
    };
    LocalSet::new().run_until(test).await;
}

/// One side has lost all that the other believes to be there.
#[tokio::test]
async fn a_connection_that_a_crash_left_half_open_is_replaced() {
    let test = async {
        let (ca, config) = (ca(), TransportConfig::default());
        let a = Node::start(&ca, "a", config.clone());
        let switch = Arc::new(Switch::new());
        let b = Node::start_at(&ca, ("b", 1), config.clone(), Arc::clone(&switch) as _);
        let old = a.to(&b);
        old.keep(true);
        send(&old, b"to the first").await;
        b.until_payload(b"to the first").await;
        let (addr, first) = (b.addr, b.id);
        // As in a crash: no word of it goes out.
        switch.mute();
        drop((b, switch));
        // Its tasks give the socket up when they are polled next.
        let socket = loop {
            match RealEnv.bind(addr) {
                Ok(socket) => break socket,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let again = Node::start_at(&ca, ("b", 2), config, socket);
        assert!(a.log.downs.borrow().is_empty(), "nobody has told it: {:?}", a.log.downs.borrow());
        again.to(&a).keep(true);
        a.until("the second life is up", |log| log.ups.borrow().contains(&again.id)).await;
        assert_eq!(*a.log.ups.borrow(), [first, again.id]);
        let restarted = LostReason::Restarted(Incarnation(2));
        assert_eq!(*a.log.downs.borrow(), std::slice::from_ref(&restarted));
        assert_eq!(old.closed(), Some(restarted));
        send(&a.to(&again), b"to the second").await;
        again.until_payload(b"to the second").await;
        a.close().await;
        again.close().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_quarantined_life_is_refused_told_and_followed_by_another() {
    let test = async {
        let (ca, config) = (ca(), TransportConfig::default());
        let a = Node::start(&ca, "a", config.clone());
        let b = Node::start(&ca, "b", config);
        b.to(&a).keep(true);
        a.until("b is up", |log| log.ups() == 1).await;
        a.transport.peers().quarantine(b.id);
        b.until("it is refused", |log| {
            let refused = log.refused.borrow();
            refused.iter().any(|why| {
                matches!(why, RefusedReason::ByPeer(refuse)
                    if refuse.reason == RefuseReason::Quarantined)
            })
        })
        .await;
        assert_eq!(*a.log.downs.borrow(), [LostReason::Quarantined]);
        b.transport.peers().reincarnate(Incarnation(7));
        a.until("its next life is up", |log| log.ups() == 2).await;
        assert_eq!(a.log.ups.borrow()[1].incarnation, Incarnation(7));
        a.close().await;
        b.close().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn one_more_peer_than_there_is_room_for_is_told_so_and_comes_in_later() {
    let test = async {
        let (ca, config) = (ca(), TransportConfig::default());
        let a = Node::start(&ca, "a", TransportConfig { peers_max: 1, ..config.clone() });
        let [b, c] = ["b", "c"].map(|name| Node::start(&ca, name, config.clone()));
        a.to(&b).keep(true);
        a.until("b is up", |log| log.ups() == 1).await;
        c.to(&a).keep(true);
        c.until("it is refused", |log| {
            let refused = log.refused.borrow();
            refused.iter().any(|why| {
                let busy = |refuse: &Refuse| refuse.reason == RefuseReason::Busy;
                matches!(why, RefusedReason::ByPeer(refuse)
                    if busy(refuse) && refuse.text.contains("peers_max"))
            })
        })
        .await;
        assert_eq!((a.log.ups(), a.log.downs.borrow().len()), (1, 0));
        a.transport.peers().forget(b.id);
        c.until("it is up", |log| log.ups() == 1).await;
        for node in [a, b, c] {
            node.close().await;
        }
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn two_that_dial_each_other_at_once_have_one_association() {
    let test = async {
        let ca = ca();
        for _ in 0..8 {
            let [a, b] = ["a", "b"].map(|name| Node::start(&ca, name, TransportConfig::default()));
            let (to_a, to_b) = (b.to(&a), a.to(&b));
            to_a.keep(true);
            to_b.keep(true);
            send(&to_b, b"from a").await;
            send(&to_a, b"from b").await;
            b.until_payload(b"from a").await;
            a.until_payload(b"from b").await;
            for (node, to) in [(&a, &to_b), (&b, &to_a)] {
                assert!(node.log.downs.borrow().is_empty(), "{:?}", node.log.downs.borrow());
                assert_eq!((node.log.ups(), to.stats().connections), (1, 1));
            }
            a.close().await;
            b.close().await;
        }
    };
    LocalSet::new().run_until(test).await;
}

/// Nobody says anything, and the connection does so by itself, from either side.
#[tokio::test]
async fn an_idle_connection_is_kept_alive() {
    let test = async {
        let ca = ca();
        let keep_alive = Duration::from_millis(50);
        let config = TransportConfig { keep_alive, ..TransportConfig::default() };
        let [a, b] = ["a", "b"].map(|name| Node::start(&ca, name, config.clone()));
        a.to(&b).keep(true);
        for node in [&a, &b] {
            node.until("it is up", |log| log.ups() == 1).await;
        }
        let of = |node: &Node, peer: &str| {
            node.transport.metrics().of(peer).cloned().expect("it is there")
        };
        let sent = |node: &Node, peer| of(node, peer).path.map_or(0, |path| path.datagrams_sent);
        let (frames, before) = (of(&a, "b").total().frames_sent, sent(&a, "b") + sent(&b, "a"));
        let is_heard = async {
            // What finds the MTU is done after less.
            while sent(&a, "b") + sent(&b, "a") < before + 60 {
                tokio::time::sleep(keep_alive).await;
            }
        };
        assert!(tokio::time::timeout(LONG, is_heard).await.is_ok(), "{}", of(&a, "b"));
        assert_eq!(of(&a, "b").total().frames_sent, frames, "nobody has sent a frame");
        assert!(a.log.downs.borrow().is_empty() && b.log.downs.borrow().is_empty());
        a.close().await;
        b.close().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn whoever_tells_and_stops_at_once_has_told() {
    let test = async {
        let (ca, config) = (ca(), TransportConfig::default());
        let [a, b] = ["a", "b"].map(|name| Node::start(&ca, name, config.clone()));
        let to_b = a.to(&b);
        send(&to_b, b"first").await;
        for number in 0..20_000_u32 {
            send(&to_b, &number.to_le_bytes()).await;
        }
        a.transport.close(LONG).await;
        b.until("a has stopped", |log| !log.downs.borrow().is_empty()).await;
        let why = b.log.downs.borrow().first().cloned();
        let is_stop = |code| code == CloseCode::Stopping || code == CloseCode::Done;
        assert!(
            matches!(why, Some(LostReason::ClosedByPeer { code, .. }) if is_stop(code)),
            "{why:?}"
        );
        assert_eq!(b.log.messages.borrow().len(), 20_001, "all of it came before that");
        b.close().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn nodes_meet_over_ipv6_as_well() {
    let test = async {
        let ca = ca();
        let here = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        if RealEnv.bind(here).is_err() {
            // Containers often have none.
            return;
        }
        let config = TransportConfig::default();
        let [a, b] =
            ["a", "b"].map(|name| Node::start_at(&ca, (name, 1), config.clone(), bind_at(here)));
        let (to_a, to_b) = (b.to(&a), a.to(&b));
        send(&to_b, &[3; 900_000]).await;
        send(&to_b, b"over").await;
        b.until_payload(b"over").await;
        send(&to_a, b"and back").await;
        a.until_payload(b"and back").await;
        assert_eq!(b.transport.metrics().of("a").and_then(|a| a.remote_addr), Some(a.addr));
        assert!(a.addr.is_ipv6() && to_b.stats().connections == 1);
        a.close().await;
        b.close().await;
    };
    LocalSet::new().run_until(test).await;
}

/// Eight diallers at once, on a node that answers as `config` says.
async fn crowd(config: TransportConfig) -> odeon_transport::HandshakeMetrics {
    let ca = ca();
    let a = Node::start(&ca, "a", config);
    let names = ["b", "c", "d", "e", "f", "g", "h", "i"];
    let all = names.map(|name| Node::start(&ca, name, TransportConfig::default()));
    all.iter().for_each(|node| node.to(&a).keep(true));
    a.until("all are up", |log| log.ups() == names.len()).await;
    let handshakes = a.transport.metrics().handshakes;
    for node in all {
        node.close().await;
    }
    a.close().await;
    handshakes
}

#[tokio::test]
async fn under_load_diallers_prove_their_addresses_and_come_in() {
    let config = TransportConfig { handshakes_unproven_max: 1, ..TransportConfig::default() };
    let handshakes = LocalSet::new().run_until(crowd(config)).await;
    assert!(handshakes.retried > 0 && handshakes.shed == 0, "{handshakes}");
}

#[tokio::test]
async fn more_handshakes_than_are_answered_at_once_are_refused_and_come_again() {
    let config = TransportConfig {
        handshakes_max: 2,
        handshakes_ip_max: 1,
        handshakes_unproven_max: 2,
        ..TransportConfig::default()
    };
    let handshakes = LocalSet::new().run_until(crowd(config)).await;
    assert!(handshakes.shed > 0, "{handshakes}");
}
