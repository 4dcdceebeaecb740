//! A peer with a good certificate whose frames are well formed and make no sense, and the actor that it sends them to.
//!
//! The tests of hostile peers over loopback and in the simulator have it in common. What breaks the layout of frames or
//! the rules of a connection is in the transport's own tests (`strangers.rs`); this is what only a whole node can judge.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use odeon::{
    Actor, Context, Handler, Identity, StartError, View, ViewHandler, actor, env::DatagramSocket,
    env::Env, message,
};
use odeon_message::{ActorKey, AskId, Credit, Failure, FailureKind, Incarnation, MessageId};
use odeon_transport::{
    Association, DATAGRAM_BYTES_MAX, Frame, FrameKind, Header, LocalHello, LostReason,
    MessageHeader, PeerId, RefusedReason, RoomWaiter, SendRefused, Transport, TransportConfig,
    TransportEvents,
};
use odeon_wire::PayloadError;
use tokio::sync::Notify;

/// Pause before a queue that is full is looked at again.
const PAUSE: Duration = Duration::from_millis(1);

/// The deepest that bytes can say.
#[message(id = "hostile/Chain", reply = u64)]
pub(crate) struct Chain {
    next: Option<Box<Self>>,
}

#[message(id = "hostile/Text", reply = u64)]
pub(crate) struct Text {
    words: Vec<String>,
}

/// As the former, read in place.
#[message(id = "hostile/Look", reply = u64)]
pub(crate) struct Look {
    words: Vec<String>,
}

/// How many messages were handled, this one among them.
#[message(id = "hostile/Handled", reply = u64)]
pub(crate) struct Handled;

#[derive(Clone, Default)]
pub(crate) struct Victim {
    handled: u64,
    nonsense: u64,
}

#[actor(id = "hostile/Victim", handles(Chain, Text, Handled), views(Look))]
impl Actor for Victim {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Chain> for Victim {
    async fn handle(&mut self, chain: Chain, _: &mut Context<Self>) -> u64 {
        self.nonsense += 1 + u64::from(chain.next.is_some());
        self.nonsense
    }
}

impl Handler<Text> for Victim {
    async fn handle(&mut self, text: Text, _: &mut Context<Self>) -> u64 {
        self.nonsense += 1 + text.words.len() as u64;
        self.nonsense
    }
}

impl Handler<Look> for Victim {
    async fn handle(&mut self, look: Look, _: &mut Context<Self>) -> u64 {
        self.nonsense += 1 + look.words.len() as u64;
        self.nonsense
    }
}

impl ViewHandler<Look> for Victim {
    async fn view(&mut self, look: View<Look>, _: &mut Context<Self>) -> u64 {
        self.nonsense += 1 + look.words.len() as u64;
        self.nonsense
    }
}

impl Handler<Handled> for Victim {
    async fn handle(&mut self, _: Handled, _: &mut Context<Self>) -> u64 {
        assert_eq!(self.nonsense, 0, "no archive of these is one");
        self.handled += 1;
        self.handled
    }
}

/// Whom it is sent to: a life of a node, where that is, and an actor there.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) node: PeerId,
    pub(crate) addr: SocketAddr,
    pub(crate) actor: ActorKey,
}

/// What the peer hears.
#[derive(Default)]
struct Heard {
    up: Cell<bool>,
    failures: RefCell<Vec<Failure>>,
    ended: Cell<u64>,
    changed: Notify,
}

impl TransportEvents for Heard {
    fn up(&self, _: &Arc<Association>) {
        self.up.set(true);
        self.changed.notify_one();
    }

    fn down(&self, _: &Arc<Association>, _: &LostReason) {}

    fn frame(
        &self,
        _: &Arc<Association>,
        frame: Frame,
        _: Option<Credit>,
    ) -> Result<(), PayloadError> {
        match frame.header.kind {
            FrameKind::Error => self.failures.borrow_mut().push(frame.body()?),
            FrameKind::Terminated => self.ended.set(self.ended.get() + 1),
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

/// The peer.
pub(crate) struct Nonsense {
    transport: Rc<Transport>,
    heard: Rc<Heard>,
    to: Arc<Association>,
    actor: ActorKey,
    asks: Cell<u64>,
}

impl Nonsense {
    /// Comes in as a proper node does.
    pub(crate) async fn start(
        env: Arc<dyn Env>,
        socket: Arc<dyn DatagramSocket>,
        identity: Identity,
        target: Target,
    ) -> Self {
        let heard = Rc::new(Heard::default());
        let advertise = socket.local_addr().expect("it is bound");
        let hello = LocalHello {
            incarnation: Incarnation(1),
            advertise,
            accepted: Vec::new(),
            guest: false,
        };
        let (config, events) = (TransportConfig::default(), Rc::clone(&heard) as _);
        let transport = Transport::start(env, socket, identity, hello, config, events);
        let transport = transport.expect("it starts");
        let to = transport.peers().associate(target.node, target.addr);
        to.keep(true);
        let it = Self { transport, heard, to, actor: target.actor, asks: Cell::new(0) };
        it.until("connection", |heard| heard.up.get()).await;
        it
    }

    async fn until(&self, what: &str, done: impl Fn(&Heard) -> bool) {
        let wait = async {
            while !done(&self.heard) {
                self.heard.changed.notified().await;
            }
        };
        let within = tokio::time::timeout(Duration::from_secs(300), wait).await;
        assert!(within.is_ok(), "no {what}: {:?}", self.heard.failures.borrow());
    }

    fn ask(&self) -> AskId {
        self.asks.set(self.asks.get() + 1);
        AskId(self.asks.get())
    }

    async fn message(&self, to: ActorKey, message: MessageId, ask: AskId, payload: &[u8]) {
        let remaining = (ask != AskId::NONE).then_some(Duration::from_secs(60));
        let header = MessageHeader {
            to,
            message,
            fingerprint: None,
            ask,
            remaining,
            repeat: None,
            stream: None,
            trace: None,
        };
        let mut waiter = RoomWaiter::default();
        loop {
            let sent = self.to.try_send(header.clone(), &mut |out| {
                out.extend_from_slice(payload);
                Ok(())
            });
            match sent {
                Ok(_) => break,
                Err(refused) if refused.is_full() => {
                    std::future::poll_fn(|cx| self.to.poll_room(to, &mut waiter, cx)).await;
                }
                Err(refused) => panic!("{refused}"),
            }
        }
        self.to.forget_room(to, &mut waiter);
    }

    /// A frame of a lane that needs no credit.
    async fn prepaid(&self, header: Header, payload: &[u8]) {
        let lane = ActorKey { slot: header.ask.0 as u32, generation: 0 };
        loop {
            let sent = self.to.send_prepaid(lane, header, &mut |out| {
                out.extend_from_slice(payload);
                Ok(())
            });
            match sent {
                Ok(_) => return,
                Err(SendRefused::LaneFull) => tokio::time::sleep(PAUSE).await,
                Err(refused) => panic!("{refused}"),
            }
        }
    }

    /// A frame of the control stream.
    async fn control(&self, header: Header, payload: &[u8]) {
        while self.to.control_spare(header, &mut |out| out.extend_from_slice(payload)).is_err() {
            assert!(self.to.is_up(), "the connection is there");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends every archive that is none, as an ask, and says how each failed.
    pub(crate) async fn bad_archives(&self) -> Vec<Failure> {
        let archives = bad_archives();
        for (message, archive) in &archives {
            self.message(self.actor, MessageId::of(message), self.ask(), archive).await;
            self.message(self.actor, MessageId::of(message), AskId::NONE, archive).await;
        }
        let count = archives.len();
        self.until("answer to each", |heard| heard.failures.borrow().len() == count).await;
        self.heard.failures.take()
    }

    /// So many ids of each kind that the node does not know, from `first` on.
    pub(crate) async fn unknown_ids(&self, first: u64, count: u64) {
        let ended = self.heard.ended.get();
        for number in first..first + count {
            // Message types, receivers, members of groups and listeners to topics. Receivers cost their sender an entry
            // each, so that they come again.
            let many = [0, 1 << 31, 3 << 30][(number % 3) as usize];
            let nobody =
                ActorKey { slot: many | ((1 << 20) + (number % 3_000) as u32), generation: 7 };
            let message = MessageId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            self.message(self.actor, message, AskId::NONE, b"what is this").await;
            self.message(nobody, message, AskId::NONE, b"who is this").await;
            // Asks that nobody made.
            let of = |kind| Header::of_ask(kind, AskId(1 << 40 | number));
            self.prepaid(of(FrameKind::Reply), b"an answer").await;
            self.prepaid(of(FrameKind::StreamItem), b"an item").await;
            self.prepaid(of(FrameKind::StreamEnd), b"").await;
            self.control(of(FrameKind::StreamCredit), &[0xff; 16]).await;
            self.control(of(FrameKind::Cancel), b"").await;
            // Actors that were never there.
            let watched = [number.to_le_bytes(), nobody_bytes(number)].concat();
            let watch = [&watched[..8], &[0; 8], &watched[8..]].concat();
            self.control(Header::bare(FrameKind::Watch), &watch).await;
            self.control(Header::bare(FrameKind::Unwatch), &watched).await;
            self.control(Header::bare(FrameKind::Pong), &number.to_le_bytes()).await;
        }
        // Each watch is answered, after all that came before it on its stream.
        self.until("end of each", |heard| heard.ended.get() - ended >= count).await;
    }

    /// So many datagrams of gossip that are none, a few at a time, so that most of them arrive.
    pub(crate) async fn gossip(&self, count: u64) {
        let to = (self.to.peer().id.node, self.to.addr());
        for number in 0..count {
            let len = (number as usize * 37) % (DATAGRAM_BYTES_MAX + 1);
            let word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
            let mut bytes: Vec<u8> = word.into_iter().cycle().take(len).collect();
            if let [version, kind, ..] = &mut bytes[..] {
                // Most of it gets past the first bytes.
                (*version, *kind) = (1, (number % 40) as u8);
            }
            self.transport.datagram(to, bytes.into());
            if number % 16 == 15 {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    pub(crate) async fn stop(self) {
        assert!(self.heard.failures.take().is_empty(), "tells are not answered");
        self.transport.close(Duration::from_secs(2)).await;
    }
}

fn nobody_bytes(number: u64) -> [u8; 8] {
    (number | 1 << 63).to_le_bytes()
}

/// The archive of a chain of so many links, written by hand because archiving recurses: a tag, three bytes of padding,
/// and how far back the link before is.
fn chain(links: usize) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    for _ in 1..links {
        bytes.extend_from_slice(&[1, 0, 0, 0]);
        bytes.extend_from_slice(&(-12_i32).to_le_bytes());
    }
    bytes
}

/// A list at a distance from its place, and so long.
fn list(distance: i32, len: u32) -> Vec<u8> {
    let mut bytes = vec![7; 64];
    bytes.extend_from_slice(&distance.to_le_bytes());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes
}

fn bad_archives() -> Vec<(&'static str, Vec<u8>)> {
    let link = |tag: u8, distance: i32| {
        let mut bytes = vec![0; 8];
        bytes.extend_from_slice(&[tag, 0, 0, 0]);
        bytes.extend_from_slice(&distance.to_le_bytes());
        bytes
    };
    let mut all = vec![
        ("hostile/Chain", chain(1_000_000)),
        ("hostile/Chain", chain(65)),
        // Out of the archive on either side, to itself, and to where no link is.
        ("hostile/Chain", link(1, i32::MAX)),
        ("hostile/Chain", link(1, i32::MIN)),
        ("hostile/Chain", link(1, 0)),
        ("hostile/Chain", link(1, -4)),
        ("hostile/Chain", link(2, -12)),
    ];
    for message in ["hostile/Text", "hostile/Look"] {
        let lists = [
            list(-64, u32::MAX),
            list(i32::MAX, 1),
            list(i32::MIN, 1),
            list(0, 1),
            list(-64, 9),
            list(-63, 1),
            Vec::new(),
            vec![1],
            vec![0xaa; 70_000],
        ];
        all.extend(lists.map(|list| (message, list)));
    }
    all
}

/// Whether all of them say that their archive could not be read, and that nothing ran.
pub(crate) fn are_unreadable(failures: &[Failure]) -> bool {
    let not_delivered = odeon_message::Certainty::NotDelivered;
    let is_unreadable = |failure: &Failure| {
        (failure.kind, failure.certainty) == (FailureKind::Decode, not_delivered)
    };
    failures.len() == bad_archives().len() && failures.iter().all(is_unreadable)
}
