//! A node of the tests: a transport whose events are written down.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use odeon_message::{
    ActorKey, AskId, Credit, EncodeError, Fingerprint, Incarnation, MessageId, NodeId, Payload,
};
use odeon_transport::{
    Association, Ca, Frame, FrameKind, Header, Identity, LocalHello, LostReason, MessageHeader,
    PeerId, Position, RefusedReason, SendRefused, Transport, TransportConfig, TransportEvents,
    Validity,
};
use tokio::{sync::Notify, task::LocalSet};

use crate::net::{Net, TestEnv, now};

pub(crate) const DEPOSIT: MessageId = MessageId::of("bank/Deposit");
pub(crate) const LAYOUT: Fingerprint = Fingerprint(0xfeed);

pub(crate) fn key(slot: u32) -> ActorKey {
    ActorKey { slot, generation: 0 }
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    Up(PeerId),
    Down(PeerId, LostReason),
    Frame(PeerId, Header, Vec<u8>),
    Datagram(PeerId, Bytes),
    Unreachable(SocketAddr),
    Refused(RefusedReason),
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) events: RefCell<Vec<Event>>,
    changed: Notify,
    /// Credit is given back at once, unless the test holds it.
    pub(crate) hold: Cell<bool>,
    pub(crate) held: RefCell<Vec<Credit>>,
    /// What came while it does, in the memory it came in.
    pub(crate) held_payloads: RefCell<Vec<Payload>>,
    /// What was not taken for want of memory.
    pub(crate) shed: RefCell<Vec<Header>>,
    /// An ask came whose time was up.
    pub(crate) expired: Cell<bool>,
    pub(crate) associations: RefCell<Vec<Arc<Association>>>,
}

impl Log {
    fn add(&self, event: Event) {
        self.events.borrow_mut().push(event);
        self.changed.notify_one();
    }
}

impl TransportEvents for Log {
    fn up(&self, peer: &Arc<Association>) {
        self.associations.borrow_mut().push(Arc::clone(peer));
        self.add(Event::Up(peer.peer().id));
    }

    fn down(&self, peer: &Arc<Association>, why: &LostReason) {
        self.add(Event::Down(peer.peer().id, why.clone()));
    }

    fn frame(
        &self,
        peer: &Arc<Association>,
        frame: Frame,
        flow: Option<Credit>,
    ) -> Result<(), odeon_wire::PayloadError> {
        if frame.extensions.remaining.is_some_and(|remaining| remaining.is_zero()) {
            self.expired.set(true);
        }
        if self.hold.get() {
            self.held.borrow_mut().extend(flow);
            self.held_payloads.borrow_mut().push(frame.payload.clone());
        }
        self.add(Event::Frame(peer.peer().id, frame.header, frame.payload.bytes().to_vec()));
        Ok(())
    }

    fn shed(&self, _: &Arc<Association>, header: Header) {
        self.shed.borrow_mut().push(header);
        self.changed.notify_one();
    }

    fn datagram(&self, from: PeerId, bytes: Bytes) {
        self.add(Event::Datagram(from, bytes));
    }

    fn unreachable(&self, addr: SocketAddr) {
        self.add(Event::Unreachable(addr));
    }

    fn refused(&self, _: SocketAddr, reason: &RefusedReason) {
        self.add(Event::Refused(reason.clone()));
    }
}

pub(crate) struct Node {
    pub(crate) transport: Rc<Transport>,
    pub(crate) log: Rc<Log>,
    pub(crate) id: PeerId,
    pub(crate) addr: SocketAddr,
}

/// How a node of the tests starts.
pub(crate) struct Plan<'a> {
    pub(crate) net: &'a Net,
    pub(crate) name: &'a str,
    pub(crate) incarnation: u64,
    pub(crate) port: u16,
    pub(crate) identity: Identity,
    pub(crate) accepted: Vec<(MessageId, Fingerprint)>,
    pub(crate) config: TransportConfig,
}

/// A window small enough to be filled.
pub(crate) fn config() -> TransportConfig {
    TransportConfig { credit_messages: 256, ..Default::default() }
}

impl<'a> Plan<'a> {
    pub(crate) fn new(net: &'a Net, ca: &Ca, name: &'a str, port: u16) -> Self {
        let validity = Validity::from(now(), Duration::from_secs(86_400));
        Self {
            net,
            name,
            incarnation: 1,
            port,
            identity: ca.issue(name, validity).unwrap(),
            accepted: vec![(DEPOSIT, LAYOUT)],
            config: config(),
        }
    }

    pub(crate) fn start(self) -> Node {
        let addr = addr(self.port);
        let log = Rc::new(Log::default());
        let seed = u64::from(self.port) << 32 | self.incarnation;
        let incarnation = Incarnation(self.incarnation);
        let hello =
            LocalHello { incarnation, advertise: addr, accepted: self.accepted, guest: false };
        let transport = Transport::start(
            TestEnv::new(seed),
            self.net.bind(addr),
            self.identity,
            hello,
            self.config,
            Rc::clone(&log) as _,
        )
        .unwrap();
        let id = PeerId { node: NodeId::of(self.name), incarnation };
        Node { transport, log, id, addr }
    }
}

pub(crate) fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

impl Node {
    /// The association with another node.
    pub(crate) fn to(&self, other: &Node) -> Arc<Association> {
        self.transport.peers().associate(other.id, other.addr)
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.log.events.borrow().clone()
    }

    /// Waits until the events say so; a minute of the paused clock at most.
    pub(crate) async fn until(&self, what: &str, done: impl Fn(&[Event]) -> bool) {
        let wait = async {
            while !done(&self.log.events.borrow()) {
                self.log.changed.notified().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), wait).await.is_err() {
            panic!("no {what} in: {:#?}", self.events());
        }
    }

    pub(crate) async fn until_up(&self, count: usize) {
        self.until("up", |events| ups(events) >= count).await;
    }

    pub(crate) fn payloads(&self) -> Vec<Vec<u8>> {
        payloads(&self.events())
    }
}

pub(crate) fn ups(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Up(_))).count()
}

pub(crate) fn downs(events: &[Event]) -> Vec<LostReason> {
    let why = |event: &Event| match event {
        Event::Down(_, why) => Some(why.clone()),
        _ => None,
    };
    events.iter().filter_map(why).collect()
}

pub(crate) fn payloads(events: &[Event]) -> Vec<Vec<u8>> {
    let payload = |event: &Event| match event {
        Event::Frame(_, header, payload) if header.kind == FrameKind::Message => {
            Some(payload.clone())
        }
        _ => None,
    };
    events.iter().filter_map(payload).collect()
}

pub(crate) fn message(to: ActorKey) -> MessageHeader {
    MessageHeader {
        to,
        message: DEPOSIT,
        fingerprint: Some(LAYOUT),
        ask: AskId::NONE,
        remaining: None,
        repeat: None,
        stream: None,
        trace: None,
    }
}

pub(crate) fn try_send(
    association: &Association,
    to: ActorKey,
    payload: &[u8],
) -> Result<Position, SendRefused> {
    association.try_send(message(to), &mut |out| -> Result<(), EncodeError> {
        out.extend_from_slice(payload);
        Ok(())
    })
}

/// Sends as a waiting tell does.
pub(crate) async fn send(association: &Association, to: ActorKey, payload: &[u8]) -> Position {
    let mut waiter = odeon_transport::RoomWaiter::default();
    let position = loop {
        match try_send(association, to, payload) {
            Ok(position) => break position,
            Err(refused) if refused.is_full() => {
                std::future::poll_fn(|cx| association.poll_room(to, &mut waiter, cx)).await;
            }
            Err(refused) => panic!("{refused}"),
        }
    };
    association.forget_room(to, &mut waiter);
    position
}

/// Runs a test on a paused clock, on one thread.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = LocalSet::new();
    runtime.unwrap().block_on(local.run_until(test));
}
