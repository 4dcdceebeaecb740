//! Peers that change, crash, are declared dead or come in crowds.

use std::{
    io::{self, IoSliceMut},
    net::{Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use odeon_env::{
    BoxFuture, DatagramSocket, Env, RealEnv,
    udp::{RecvMeta, Transmit},
};
use odeon_message::Incarnation;
use odeon_transport::{Association, LostReason, RefusedReason, TransportConfig};
use odeon_wire::{CloseCode, Refuse, RefuseReason};
use tokio::task::LocalSet;

use crate::{
    node::{LONG, Node, bind, bind_at, ca},
    sending,
};

/// A socket in whose place another one can be put, as a NAT or another network does.
#[derive(Debug)]
struct Switch {
    socket: Mutex<Arc<dyn DatagramSocket>>,
    /// Who waits for datagrams of the one that was there.
    reader: Mutex<Option<Waker>>,
    /// Nothing goes out any more.
    is_mute: AtomicBool,
    /// The longest datagram that goes out; longer ones are lost without a word.
    carries: AtomicUsize,
    /// The lengths of those that were too long, in order.
    too_long: Mutex<Vec<usize>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Switch {
    fn new() -> Self {
        let socket = bind();
        Self {
            socket: Mutex::new(socket),
            reader: Mutex::default(),
            is_mute: AtomicBool::new(false),
            carries: AtomicUsize::new(usize::MAX),
            too_long: Mutex::default(),
        }
    }

    fn now(&self) -> Arc<dyn DatagramSocket> {
        Arc::clone(&lock(&self.socket))
    }

    /// From now on another port sends and receives.
    fn turn(&self) -> SocketAddr {
        let socket = bind();
        let addr = socket.local_addr().expect("it is bound");
        *lock(&self.socket) = socket;
        lock(&self.reader).take().into_iter().for_each(Waker::wake);
        addr
    }
}

impl DatagramSocket for Switch {
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let bytes = transmit.contents.len();
        if bytes > self.carries.load(Ordering::Relaxed) {
            lock(&self.too_long).push(bytes);
            return Ok(());
        }
        if self.is_mute.load(Ordering::Relaxed) { Ok(()) } else { self.now().try_send(transmit) }
    }

    fn writable(self: Arc<Self>) -> BoxFuture<io::Result<()>> {
        self.now().writable()
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        *lock(&self.reader) = Some(cx.waker().clone());
        self.now().poll_recv(cx, bufs, metas)
    }

    fn poll_unreachable(&self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        self.now().poll_unreachable(cx)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.now().local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        1
    }

    fn max_receive_segments(&self) -> usize {
        self.now().max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.now().may_fragment()
    }
}

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
        switch.is_mute.store(true, Ordering::Relaxed);
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

/// The search began half of the way up, and sent some eighty kilobytes of padding on each side of each connection.
#[tokio::test]
async fn the_largest_mtu_is_found_with_one_packet() {
    let test = async {
        let ca = ca();
        let [a, b] = ["a", "b"].map(|name| Node::start(&ca, name, TransportConfig::default()));
        let to_b = a.to(&b);
        to_b.keep(true);
        b.until("it is up", |log| log.ups() == 1).await;
        let found = async {
            loop {
                let path = to_b.metrics().path.filter(|path| path.mtu == 8972);
                match path {
                    Some(path) => return path,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let path = tokio::time::timeout(Duration::from_secs(20), found).await.expect("it is found");
        // One probe, and a handshake; another few if probes or their acknowledgements are late.
        assert!(path.bytes_sent < 6 * 8972, "{path}");
        for node in [a, b] {
            node.close().await;
        }
    };
    LocalSet::new().run_until(test).await;
}

/// How often QUIC sends a probe that vanishes.
const PROBES: usize = 3;

/// Where the largest does not pass, half of the way to it is tried, and then the search ends. What vanishes says that it was
/// tried: the least MTU, which is found where neither passes, is there before.
#[tokio::test]
async fn half_of_the_way_is_tried_where_the_largest_mtu_does_not_pass() {
    let test = async {
        let ca = ca();
        for (carries, vanish, found) in
            [(6_000, &[8_972][..], 5_085), (3_000, &[8_972, 5_085], 1_200)]
        {
            let switch = Arc::new(Switch::new());
            switch.carries.store(carries, Ordering::Relaxed);
            let socket = Arc::clone(&switch) as _;
            let a = Node::start_at(&ca, ("a", 1), TransportConfig::default(), socket);
            let b = Node::start(&ca, "b", TransportConfig::default());
            let to_b = a.to(&b);
            to_b.keep(true);
            for node in [&a, &b] {
                node.until("it is up", |log| log.ups() == 1).await;
            }
            let path = || to_b.metrics().path.expect("it is connected");
            let vanish: Vec<usize> = vanish.iter().flat_map(|&bytes| [bytes; PROBES]).collect();
            let too_long = || lock(&switch.too_long).clone();
            // Messages give QUIC something to acknowledge meanwhile, or it would not know what was lost.
            let mut number = 0_u32;
            let is_over = async {
                while path().mtu != found || too_long().len() < vanish.len() {
                    number += 1;
                    send(&to_b, &number.to_le_bytes()).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let is_over = tokio::time::timeout(LONG, is_over).await;
            assert!(is_over.is_ok(), "{:?} vanished: {}", too_long(), path());
            // As many round trips as the loss of another probe needs, and all that QUIC sends is as long as was found.
            for number in 0..100_u32 {
                send(&to_b, &number.to_le_bytes()).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            send(&to_b, &[3; 900_000]).await;
            send(&to_b, b"all of it").await;
            b.until_payload(b"all of it").await;
            assert_eq!(too_long(), vanish, "{}", path());
            assert_eq!(path().mtu, found, "{}", path());
            for node in [a, b] {
                node.close().await;
            }
        }
    };
    LocalSet::new().run_until(test).await;
}
