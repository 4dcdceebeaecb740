//! The same over this machine's own sockets: what the network in memory claims, real UDP must also show.

#[path = "outside/sending.rs"]
mod sending;

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use odeon_env::{Env, RealEnv};
use odeon_message::{Credit, Fingerprint, Incarnation, MessageId};
use odeon_transport::{
    Association, Ca, Frame, FrameKind, LocalHello, LostReason, PeerId, RefusedReason, Transport,
    TransportConfig, TransportError, TransportEvents, Validity,
};
use tokio::{sync::Notify, task::LocalSet};

use sending::send;

#[derive(Default)]
struct Log {
    frames: Cell<usize>,
    bytes: Cell<usize>,
    up: Cell<usize>,
    /// Slot and length of each message, in order.
    arrived: RefCell<Vec<(u32, usize)>>,
    unreachable: RefCell<Vec<SocketAddr>>,
    /// Messages handed on in the call that goes on, and most in one.
    together: Cell<(usize, usize)>,
    changed: Notify,
}

impl Log {
    async fn until(&self, done: impl Fn(&Self) -> bool) {
        let wait = async {
            while !done(self) {
                self.changed.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it happens in time");
    }
}

impl TransportEvents for Log {
    fn up(&self, _: &Arc<Association>) {
        self.up.set(self.up.get() + 1);
        self.changed.notify_one();
    }

    fn down(&self, _: &Arc<Association>, _: &LostReason) {}

    fn frame(
        &self,
        _: &Arc<Association>,
        frame: Frame,
        _: Option<Credit>,
    ) -> Result<(), odeon_wire::PayloadError> {
        if frame.header.kind == FrameKind::Message {
            self.frames.set(self.frames.get() + 1);
            let (count, most) = self.together.get();
            self.together.set((count + 1, most));
            self.bytes.set(self.bytes.get() + frame.payload.len());
            let last = frame.payload.bytes().last().copied();
            assert!(frame.payload.len() < 1000 || last == Some(3), "its last byte came");
            self.arrived.borrow_mut().push((frame.header.receiver.slot, frame.payload.len()));
            self.changed.notify_one();
        }
        Ok(())
    }

    fn together(&self, hand_on: &mut dyn FnMut()) {
        self.together.set((0, self.together.get().1));
        hand_on();
        let (count, most) = self.together.get();
        self.together.set((0, most.max(count)));
    }

    fn datagram(&self, _: PeerId, _: Bytes) {}

    fn unreachable(&self, addr: SocketAddr) {
        self.unreachable.borrow_mut().push(addr);
        self.changed.notify_one();
    }

    fn refused(&self, addr: SocketAddr, reason: &RefusedReason) {
        panic!("{addr}: {reason}");
    }
}

type Started = (Rc<Transport>, Rc<Log>, PeerId, SocketAddr);

fn start(ca: &Ca, name: &str, config: TransportConfig) -> Started {
    try_start(ca, name, config).expect("it starts")
}

fn try_start(ca: &Ca, name: &str, config: TransportConfig) -> Result<Started, TransportError> {
    let env = RealEnv;
    let socket = env.bind("127.0.0.1:0".parse().expect("an address")).expect("loopback is there");
    let addr = socket.local_addr().expect("it is bound");
    let validity = Validity::from(env.wall_clock(), Duration::from_secs(3600));
    let identity = ca.issue(name, validity).expect("a good name");
    let id = PeerId { node: identity.node_id(), incarnation: Incarnation(1) };
    let accepted = vec![(MessageId::of("m"), Fingerprint(1))];
    let hello = LocalHello { incarnation: id.incarnation, advertise: addr, accepted, guest: false };
    let log = Rc::new(Log::default());
    let transport =
        Transport::start(Arc::new(env), socket, identity, hello, config, Rc::clone(&log) as _)?;
    Ok((transport, log, id, addr))
}

#[tokio::test]
async fn messages_pass_and_a_closed_endpoint_is_noticed() {
    let test = async {
        let ca = Ca::in_memory("demo").expect("a good name");
        let (a, a_log, ..) = start(&ca, "a", TransportConfig::default());
        let (b, b_log, b_id, b_addr) = start(&ca, "b", TransportConfig::default());
        let to_b = a.peers().associate(b_id, b_addr);
        to_b.keep(true);
        for number in 0..20_000_u32 {
            send(&to_b, number % 7, &number.to_le_bytes()).await;
        }
        let large = vec![3; 900_000];
        for slot in 0..20 {
            send(&to_b, slot, &large).await;
        }
        b_log.until(|log| log.frames.get() == 20_020).await;
        assert_eq!(b_log.bytes.get(), 20_000 * 4 + 20 * 900_000);
        assert_eq!((a_log.up.get(), b_log.up.get()), (1, 1));
        let (_, most) = b_log.together.get();
        // Of trains, which are frames, all messages count.
        assert!(most >= 2, "{most} messages were handed on together");
        b.close(Duration::from_secs(2)).await;
        drop(b);
        if cfg!(target_os = "linux") {
            // quinn's tasks give the socket up when they are polled next.
            tokio::task::yield_now().await;
            a.probe(b_addr);
            a_log.until(|log| log.unreachable.borrow().contains(&b_addr)).await;
            a_log.unreachable.borrow_mut().clear();
            // The first may find what was sent before it.
            (0..2).for_each(|_| a.knock((b_id.node, b_addr), Bytes::from_static(b"knock")));
            a_log.until(|log| log.unreachable.borrow().contains(&b_addr)).await;
        }
        a.close(Duration::from_secs(2)).await;
    };
    LocalSet::new().run_until(test).await;
}

/// Whoever dials, and though a program has both, of which rustls would take neither by itself.
#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn a_node_by_aws_lc_and_one_by_ring_understand_each_other() {
    use odeon_transport::Crypto::{AwsLc, Ring};

    let test = async {
        let ca = Ca::in_memory("demo").expect("a good name");
        for (dials, answers) in [(AwsLc, Ring), (Ring, AwsLc), (AwsLc, AwsLc)] {
            let by = |crypto| TransportConfig { crypto, ..TransportConfig::default() };
            let (a, a_log, ..) = start(&ca, "a", by(dials));
            let (b, b_log, b_id, b_addr) = start(&ca, "b", by(answers));
            let to_b = a.peers().associate(b_id, b_addr);
            to_b.keep(true);
            b_log.until(|log| log.up.get() == 1).await;
            // Others' certificates are the same to both.
            let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(7200));
            for (node, name) in [(&a, "a"), (&b, "b")] {
                node.rotate(ca.issue(name, validity).expect("a good name")).expect("it is good");
            }
            for number in 0..2_000_u32 {
                send(&to_b, number % 7, &number.to_le_bytes()).await;
            }
            for slot in 0..8 {
                send(&to_b, slot, &vec![3; 900_000]).await;
            }
            b_log.until(|log| log.frames.get() == 2_008).await;
            assert_eq!(b_log.bytes.get(), 2_000 * 4 + 8 * 900_000);
            assert_eq!((a_log.up.get(), b_log.up.get()), (1, 1), "{dials:?} to {answers:?}");
            for node in [a, b] {
                node.close(Duration::from_secs(2)).await;
            }
        }
    };
    LocalSet::new().run_until(test).await;
}

/// It would draw entropy that no seed decides, and the run could not be made again.
#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn aws_lc_is_refused_in_a_simulation() {
    use odeon_env::buggify::{Mischief, Place, arm};
    use odeon_transport::Crypto;

    #[derive(Debug)]
    struct Quiet;

    impl Mischief for Quiet {
        fn fires(&self, _: Place, _: f64, _: u64) -> Option<u64> {
            None
        }

        fn defers(&self) -> bool {
            false
        }
    }

    let test = async {
        let ca = Ca::in_memory("demo").expect("a good name");
        let by = |crypto| TransportConfig { crypto, ..TransportConfig::default() };
        let armed = arm(&Quiet);
        let refused = try_start(&ca, "a", by(Crypto::AwsLc)).map(|_| ()).unwrap_err().to_string();
        let says = "transport.crypto is aws-lc-rs: in a simulation use ring";
        assert!(refused.starts_with(says), "{refused}");
        start(&ca, "b", by(Crypto::Ring));
        drop(armed);
        // This is none any more.
        start(&ca, "a", by(Crypto::AwsLc));
    };
    LocalSet::new().run_until(test).await;
}

/// The longest message there is, and others that are not behind it though there is one lane.
#[tokio::test]
async fn a_message_of_64_mib_arrives_and_small_ones_pass_it() {
    let test = async {
        let ca = Ca::in_memory("demo").expect("a good name");
        let config = TransportConfig { lanes: 1, ..TransportConfig::default() };
        let (a, ..) = start(&ca, "a", config.clone());
        let (b, b_log, b_id, b_addr) = start(&ca, "b", config);
        let to_b = a.peers().associate(b_id, b_addr);
        to_b.keep(true);
        let longest = (64 << 20) - 32;
        send(&to_b, 1, &vec![3; longest]).await;
        send(&to_b, 2, b"another's").await;
        send(&to_b, 3, &[3; 70_000]).await;
        b_log.until(|log| log.frames.get() == 2).await;
        assert_eq!(*b_log.arrived.borrow(), [(2, 9), (3, 70_000)]);
        // Credit for more comes when the long one was taken: it was larger than the window.
        send(&to_b, 1, b"behind it").await;
        b_log.until(|log| log.frames.get() == 4).await;
        assert_eq!(b_log.arrived.borrow()[2..], [(1, longest), (1, 9)]);
        let stats = (to_b.stats().connections, to_b.stats().bad_frames);
        assert_eq!(stats, (1, 0));
        a.close(Duration::from_secs(2)).await;
        b.close(Duration::from_secs(2)).await;
    };
    LocalSet::new().run_until(test).await;
}
