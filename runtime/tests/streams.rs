//! Streams over real QUIC on loopback: between two nodes, and from a peer that does not keep to the protocol.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use bytes::Bytes;
use odeon::{
    Actor, ActorKey, ActorRef, ActorTypeId, Address, AskError, Ca, Certainty, Codec, Context,
    Handler, Identity, Incarnation, Items, Message, Node, NodeId, StartError, Stream, StreamError,
    SystemConfig, TransportConfig, Validity, actor,
    env::{Env, RealEnv},
    message,
};
use odeon_message::{AskId, Credit};
use odeon_transport::{
    Association, Frame, FrameKind, Header, LocalHello, LostReason, PeerId, RefusedReason,
    Transport, TransportEvents,
};
use odeon_wire::{Body, CloseCode, PayloadError, StreamEnd};
use tokio::sync::{Notify, oneshot};

const LONG: Duration = Duration::from_secs(20);
const STREAM_ITEMS: u32 = 16;

#[message(id = "streams/Count", stream = u64)]
struct Count {
    to: u64,
}

#[derive(Clone, Default)]
struct Tap {
    given: Arc<AtomicU64>,
    open: Arc<AtomicU64>,
}

#[actor(id = "streams/Tap", handles(Count))]
impl Actor for Tap {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

struct Numbers {
    to: u64,
    next: u64,
    tap: Tap,
}

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<u64>> {
        let number = self.next;
        if number == self.to {
            return Poll::Ready(None);
        }
        self.next += 1;
        self.tap.given.fetch_add(1, SeqCst);
        Poll::Ready(Some(number))
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        self.tap.open.fetch_sub(1, SeqCst);
    }
}

impl Handler<Count> for Tap {
    async fn handle(&mut self, Count { to }: Count, ctx: &mut Context<Self>) -> Items<u64> {
        self.open.fetch_add(1, SeqCst);
        ctx.items(Numbers { to, next: 0, tap: self.clone() })
    }
}

/// Which life of its node it is part of.
#[message(local, reply = Incarnation)]
struct Life;

/// Asks the tap at this address, and reads once it is told to; answers with what came, and how it ended.
#[message(local, reply = (Vec<u64>, Option<StreamError>))]
struct Read {
    at: Address,
    go: oneshot::Receiver<()>,
}

#[derive(Clone, Default)]
struct Reader;

impl Actor for Reader {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Life> for Reader {
    async fn handle(&mut self, _: Life, ctx: &mut Context<Self>) -> Incarnation {
        ctx.system().incarnation()
    }
}

impl Handler<Read> for Reader {
    async fn handle(
        &mut self,
        read: Read,
        ctx: &mut Context<Self>,
    ) -> (Vec<u64>, Option<StreamError>) {
        let tap = ActorRef::<Tap>::from_address(ctx.system(), read.at);
        let mut numbers = Vec::new();
        let mut items = match tap.ask(Count { to: 0 }).within(LONG).await {
            Ok(items) => items,
            Err(AskError::Unreachable(cause)) => {
                return (numbers, Some(AskError::Unreachable(cause)));
            }
            Err(error) => panic!("{error}"),
        };
        read.go.await.expect("the test goes on");
        loop {
            match items.next().await {
                Some(Ok(number)) => numbers.push(number),
                Some(Err(error)) => return (numbers, Some(error)),
                None => return (numbers, None),
            }
        }
    }
}

fn papers(ca: &Ca, name: &str) -> Identity {
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(24 * 3600));
    ca.issue(name, validity).expect("the name is good")
}

fn bounds() -> SystemConfig {
    let mut config = SystemConfig::default();
    config.stream_items = STREAM_ITEMS;
    config
}

async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect("it comes about");
}

#[odeon::main]
async fn two_nodes() {
    let ca = Ca::in_memory("streams").expect("the name is good");
    let builder = |name: &str| {
        Node::builder(name).identity(papers(&ca, name)).system(bounds()).actor::<Tap>()
    };
    let a = builder("a").alone().start().await.expect("a starts");
    let b = builder("b").seed(a.addr().to_string()).start().await.expect("b starts");
    assert!(b.joined().await);
    let seen = Tap::default();
    a.register("tap", &a.spawn(seen.clone()).await.expect("it starts")).expect("it is free");
    let tap = b.on("a").lookup::<Tap>("tap").await.expect("a answers").expect("it is there");

    let mut items = tap.ask(Count { to: 50_000 }).await.expect("it begins");
    for number in 0..50_000 {
        assert_eq!(items.next().await, Some(Ok(number)));
    }
    assert_eq!(items.next().await, None);

    let before = seen.given.load(SeqCst);
    let mut items = tap.ask(Count { to: u64::MAX }).await.expect("it begins");
    let ahead = u64::from(STREAM_ITEMS) + 2;
    until(|| seen.given.load(SeqCst) - before == ahead).await;
    assert_eq!(items.next().await, Some(Ok(0)));
    assert_eq!((b.remote_streams(), a.remote_streams()), ((1, 0), (0, 1)));
    assert!(seen.given.load(SeqCst) - before <= ahead + u64::from(STREAM_ITEMS));
    drop(items);
    until(|| seen.open.load(SeqCst) == 0).await;
    until(|| (b.remote_streams(), a.remote_streams()) == ((0, 0), (0, 0))).await;

    let mut items = tap.ask(Count { to: u64::MAX }).await.expect("it begins");
    a.stop(LONG).await;
    let error = loop {
        match items.next().await.expect("it does not end well") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AskError::Stopped(_)), "{error}");
    assert_eq!(error.certainty(), Certainty::Ran);
    b.stop(LONG).await;
}

#[test]
fn streams_cross_loopback() {
    two_nodes();
}

/// What a peer does that was asked for a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mischief {
    /// Begins it, and sends more than it was granted.
    Beyond,
    /// Sends an item before it has begun it.
    Before,
    /// Sends items and ends of asks that nobody made, then what it should, then more after the end.
    Strays,
}

/// A peer that is no node.
struct Peer {
    mischief: Mischief,
    up: Cell<bool>,
    cancels: RefCell<Vec<AskId>>,
    lost: RefCell<Option<LostReason>>,
    changed: Notify,
}

impl Peer {
    fn send(peer: &Association, kind: FrameKind, ask: AskId, payload: &[u8]) {
        // One lane for all: the key says which.
        let lane = ActorKey { slot: 1, generation: 0 };
        let sent = peer.send_prepaid(lane, Header::of_ask(kind, ask), &mut |out| {
            out.extend_from_slice(payload);
            Ok(())
        });
        sent.expect("the lane is open, and has room");
    }

    fn answer(&self, peer: &Association, ask: AskId) {
        let item = |ask, number: u64| {
            Self::send(peer, FrameKind::StreamItem, ask, &number.to_le_bytes());
        };
        let end = |ask| {
            let mut end = Vec::new();
            StreamEnd { failure: None }.encode(&mut end);
            Self::send(peer, FrameKind::StreamEnd, ask, &end);
        };
        let begin = || Self::send(peer, FrameKind::Reply, ask, &[]);
        match self.mischief {
            Mischief::Beyond => {
                begin();
                // The reader takes none of them yet.
                (0..=u64::from(STREAM_ITEMS)).for_each(|number| item(ask, number));
            }
            Mischief::Before => item(ask, 0),
            Mischief::Strays => {
                let stray = AskId(ask.0 + 1_000);
                item(stray, 7);
                end(stray);
                begin();
                (0..3).for_each(|number| item(ask, number));
                end(ask);
                item(ask, 3);
                end(ask);
            }
        }
    }
}

impl TransportEvents for Peer {
    fn up(&self, _: &Arc<Association>) {
        self.up.set(true);
        self.changed.notify_one();
    }

    fn down(&self, _: &Arc<Association>, why: &LostReason) {
        self.lost.borrow_mut().get_or_insert(why.clone());
        self.changed.notify_one();
    }

    fn frame(
        &self,
        peer: &Arc<Association>,
        frame: Frame,
        _: Option<Credit>,
    ) -> Result<(), PayloadError> {
        match frame.header.kind {
            FrameKind::Message => {
                let granted = frame.extensions.stream.expect("it asks for a stream");
                assert_eq!(granted.items, u64::from(STREAM_ITEMS));
                self.answer(peer, frame.header.ask);
            }
            FrameKind::Cancel => self.cancels.borrow_mut().push(frame.header.ask),
            _ => {}
        }
        self.changed.notify_one();
        Ok(())
    }

    fn datagram(&self, _: PeerId, _: Bytes) {}

    fn unreachable(&self, _: SocketAddr) {}

    fn refused(&self, _: SocketAddr, reason: &RefusedReason) {
        panic!("refused: {reason}");
    }
}

impl Peer {
    async fn until(&self, done: impl Fn(&Self) -> bool) {
        let wait = async {
            while !done(self) {
                self.changed.notified().await;
            }
        };
        tokio::time::timeout(LONG, wait).await.expect("it comes about");
    }
}

/// A node asks the peer for a stream: what its reader got, and the peer afterwards.
async fn asked(mischief: Mischief) -> (Vec<u64>, Option<StreamError>, Rc<Peer>) {
    let ca = Ca::in_memory("streams").expect("the name is good");
    let node = Node::builder("a").identity(papers(&ca, "a")).alone().system(bounds());
    let node = node.start().await.expect("it starts");
    let reader = node.spawn(Reader).await.expect("it starts");
    let life = reader.ask(Life).await.expect("it answers");

    let peer = Rc::new(Peer {
        mischief,
        up: Cell::new(false),
        cancels: RefCell::default(),
        lost: RefCell::default(),
        changed: Notify::new(),
    });
    let socket = RealEnv.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("there is a port");
    let advertise = socket.local_addr().expect("it is bound");
    let codec: Codec<Count> = Count::CODEC.expect("it has an id");
    let accepted = vec![(codec.id(), codec.fingerprint())];
    let hello = LocalHello { incarnation: Incarnation(1), advertise, accepted, guest: false };
    let events: Rc<dyn TransportEvents> = peer.clone();
    let config = TransportConfig::default();
    let transport =
        Transport::start(Arc::new(RealEnv), socket, papers(&ca, "peer"), hello, config, events)
            .expect("it starts");
    let id = PeerId { node: NodeId::of("a"), incarnation: life };
    transport.peers().associate(id, node.addr()).keep(true);
    peer.until(|peer| peer.up.get()).await;

    let at = Address {
        node: NodeId::of("peer"),
        incarnation: Incarnation(1),
        key: ActorKey { slot: 1, generation: 0 },
        actor_type: ActorTypeId::of("streams/Tap"),
    };
    let (sender, go) = oneshot::channel();
    let read = reader.ask(Read { at, go }).within(LONG);
    let read = tokio::task::spawn_local(async move { read.await });
    if mischief == Mischief::Strays {
        peer.until(|peer| peer.cancels.borrow().len() >= 2).await;
    } else {
        peer.until(|peer| peer.lost.borrow().is_some()).await;
    }
    // The reader that the peer did not let begin has answered already.
    let _ = sender.send(());
    let (numbers, error) = read.await.expect("it does not panic").expect("it answers");
    assert_eq!((node.remote_streams(), node.remote_asks()), ((0, 0), 0));
    node.stop(LONG).await;
    transport.close(LONG).await;
    (numbers, error, peer)
}

fn run(mischief: Mischief) -> (Vec<u64>, Option<StreamError>, Rc<Peer>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local = tokio::task::LocalSet::new();
    runtime.expect("a runtime starts").block_on(local.run_until(asked(mischief)))
}

fn assert_closed_for_overrun(peer: &Peer) {
    let lost = peer.lost.borrow();
    let code = CloseCode::CreditOverrun;
    assert!(
        matches!(&*lost, Some(LostReason::ClosedByPeer { code: it, .. }) if *it == code),
        "{lost:?}"
    );
}

#[test]
fn items_beyond_the_credit_end_the_connection() {
    let (numbers, error, peer) = run(Mischief::Beyond);
    assert!(numbers.into_iter().eq(0..u64::from(STREAM_ITEMS)));
    assert!(matches!(error, Some(AskError::Unreachable(_))), "{error:?}");
    assert_closed_for_overrun(&peer);
}

#[test]
fn items_of_unknown_asks_are_ignored_and_cancelled() {
    let (numbers, error, peer) = run(Mischief::Strays);
    assert_eq!((numbers, error), (vec![0, 1, 2], None));
    assert_eq!(peer.cancels.borrow().len(), 2, "one for each stray item");
}

#[test]
fn an_item_before_its_stream_ends_the_connection() {
    let (numbers, error, peer) = run(Mischief::Before);
    assert!(numbers.is_empty());
    let error = error.expect("the stream did not begin");
    assert!(matches!(error, AskError::Unreachable(_)), "{error}");
    assert_eq!(error.certainty(), Certainty::MayHaveRun);
    assert_closed_for_overrun(&peer);
}
