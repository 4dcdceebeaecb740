//! What the tasks of one endpoint share on its thread.
//!
//! What it is: the endpoint, the events, a driver for each association, the dials to addresses whose node is not
//! known. What it is NOT: reachable from another thread; that is `shared.rs`. Read `driver.rs` next, then
//! `exchange.rs`.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use odeon_env::{Env, Observed, buggify::any_order};
use odeon_message::{Incarnation, NodeId};
use odeon_wire::{CloseCode, Known, Link as WireLink};
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    Association, HandshakeFailure, LostReason, PeerId, RefusedReason, TransportEvents,
    carrier::Endpoint,
    dial_gate::{DialGate, hold},
    driver::{Driver, drive},
    exchange::{Dialled, Established, dial},
    flush::Flushes,
    link::{Link, LinkEvent},
    log_gate::LogGate,
    rotation::Standing,
    shared::Shared,
    stream_in::attended::Attended,
};

/// Dials to addresses whose node has no association that are under way at once, and those for gossip with those that wait;
/// further ones are refused, their datagrams dropped.
const SEED_DIALS_MAX: usize = 64;

/// A dial to an address whose node has no association.
#[derive(Default)]
struct Seed {
    /// The newest datagram that waits for its end.
    pending: Option<Bytes>,
    /// It is under way; before, it waits for a place.
    has_begun: bool,
    /// Somebody wants it at once.
    hurry: Rc<Notify>,
}

/// The endpoint's thread-bound state.
pub(crate) struct Hub {
    pub(crate) shared: Arc<Shared>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) endpoint: Endpoint,
    pub(crate) events: Rc<dyn TransportEvents>,
    pub(crate) standing: Standing,
    drivers: RefCell<BTreeMap<PeerId, Rc<Driver>>>,
    /// Dials to addresses whose node has no association.
    seeds: RefCell<BTreeMap<SocketAddr, Seed>>,
    /// The places of dials that gossip asks for.
    dials: DialGate,
    tasks: RefCell<JoinSet<()>>,
    pub(crate) flushes: Flushes,
    /// Peers are told that this node is about to leave.
    pub(crate) is_leaving: Cell<bool>,
    /// Peers are told that this node stops.
    pub(crate) is_hushing: Cell<bool>,
    /// And have what was sent to them: whoever dials now comes too late.
    pub(crate) is_flushed: Cell<bool>,
    /// The lanes of frame connections that are read.
    pub(crate) attended: Attended,
    dismissed: Notify,
    seed_ended: Notify,
    pub(crate) bad_peers: LogGate,
    pub(crate) failed_handshakes: LogGate,
    pub(crate) sheds: LogGate,
    pings: Cell<u64>,
}

impl Hub {
    pub(crate) fn new(
        shared: Arc<Shared>,
        env: Arc<dyn Env>,
        endpoint: Endpoint,
        events: Rc<dyn TransportEvents>,
        standing: Standing,
    ) -> Rc<Self> {
        let dials = DialGate::new(&shared.config, &env, &shared.counters.dials);
        Rc::new(Self {
            shared,
            env,
            endpoint,
            events,
            standing,
            drivers: RefCell::default(),
            seeds: RefCell::default(),
            dials,
            tasks: RefCell::default(),
            flushes: Flushes::default(),
            is_leaving: Cell::new(false),
            is_hushing: Cell::new(false),
            is_flushed: Cell::new(false),
            attended: Attended::default(),
            dismissed: Notify::new(),
            seed_ended: Notify::new(),
            bad_peers: LogGate::default(),
            failed_handshakes: LogGate::default(),
            sheds: LogGate::default(),
            pings: Cell::new(0),
        })
    }

    /// Starts a task that ends with the endpoint.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(any_order(Box::pin(task)));
    }

    /// Ends all tasks, wherever they are.
    pub(crate) fn abort(&self) {
        self.tasks.borrow_mut().abort_all();
        self.drivers.borrow_mut().clear();
    }

    pub(crate) fn note(&self, name: &str, detail: &dyn std::fmt::Display) {
        if let Some(observer) = &self.shared.observer {
            observer.observe(Observed::Note { name, detail: &detail.to_string() });
        }
    }

    /// The driver of an association, started if it has none.
    pub(crate) fn driver(self: &Rc<Self>, association: &Arc<Association>) -> Rc<Driver> {
        let id = association.peer().id;
        if let Some(driver) = self.drivers.borrow().get(&id)
            && Arc::ptr_eq(&driver.association, association)
        {
            return Rc::clone(driver);
        }
        let driver = Rc::new(Driver::new(Arc::clone(association)));
        self.drivers.borrow_mut().insert(id, Rc::clone(&driver));
        self.spawn(drive(Rc::clone(self), Rc::clone(&driver)));
        driver
    }

    /// A driver has ended.
    pub(crate) fn dismiss(&self, driver: &Rc<Driver>) {
        let id = driver.association.peer().id;
        let mut drivers = self.drivers.borrow_mut();
        if drivers.get(&id).is_some_and(|found| Rc::ptr_eq(found, driver)) {
            drivers.remove(&id);
            self.flushes.over(id);
        }
        drop(drivers);
        self.dismissed.notify_waiters();
    }

    /// Completes when no driver of an earlier life of the peer is left, so that its `down` comes before our `up`.
    pub(crate) async fn outlived(&self, peer: PeerId) {
        loop {
            let dismissed = self.dismissed.notified();
            let first = PeerId { incarnation: Incarnation(0), ..peer };
            if self.drivers.borrow().range(first..peer).next().is_none() {
                return;
            }
            dismissed.await;
        }
    }

    /// Completes when no driver is left.
    pub(crate) async fn all_dismissed(&self) {
        loop {
            let dismissed = self.dismissed.notified();
            if self.drivers.borrow().is_empty() {
                return;
            }
            dismissed.await;
        }
    }

    pub(crate) fn drivers(&self) -> Vec<Rc<Driver>> {
        self.drivers.borrow().values().cloned().collect()
    }

    /// What admission needs to know about a peer whose hello came from `from` and says `incarnation`.
    pub(crate) fn known(
        &self,
        node: NodeId,
        incarnation: Option<Incarnation>,
        addrs: [Option<SocketAddr>; 2],
    ) -> Known {
        let mut known = self.shared.known(node);
        known.is_stopping = self.shared.is_closing() || self.is_flushed.get();
        let newest = self.shared.of_node(node).map(|found| found.peer().id.incarnation);
        match known.link {
            // A dial to an earlier life leads nowhere, so it wins against nobody.
            WireLink::Dialling if newest < incarnation => known.link = WireLink::None,
            // Whoever is at the address of a seed is being dialled too.
            WireLink::None => {
                let seeds = self.seeds.borrow();
                let is_dialled =
                    |addr| seeds.get(&canonical(addr)).is_some_and(|seed| seed.has_begun);
                if addrs.into_iter().flatten().any(is_dialled) {
                    known.link = WireLink::Dialling;
                }
            }
            _ => {}
        }
        known
    }

    /// What matters to the end of a dial of ours with this number. The peer has let it replace an association that
    /// was told of earlier dials only, so that one counts for nothing here.
    pub(crate) fn known_to_dial(&self, node: NodeId, dial: u64) -> Known {
        let mut known = self.shared.known(node);
        let association = self.shared.of_node(node);
        let told = association.and_then(|found| {
            self.drivers.borrow().get(&found.peer().id).map(|found| found.our_dial())
        });
        if told.is_none_or(|told| told < dial) {
            known.link = WireLink::None;
        }
        known
    }

    /// Gives a connection that passed its handshake to the driver of its association.
    pub(crate) fn adopt(self: &Rc<Self>, established: Established) -> Option<Rc<Driver>> {
        let hello = &established.hello;
        let peer = PeerId { node: hello.node, incarnation: hello.incarnation };
        let association = self.shared.associate(peer, established.reachable_at());
        if let Some(why) = association.closed() {
            let code = match why {
                LostReason::Quarantined => CloseCode::Quarantined,
                LostReason::Forgotten => CloseCode::Overloaded,
                _ => CloseCode::Refused,
            };
            established.connection.close(code, &why.to_string());
            return None;
        }
        if !association.meet(hello) {
            let text = "the same incarnation said something else about itself before";
            established.connection.close(CloseCode::Protocol, text);
            return None;
        }
        association.advance(LinkEvent::Connected { dial: hello.dial });
        let driver = self.driver(&association);
        driver.deliver(established);
        Some(driver)
    }

    /// Dials an address whose node has no association; `pending` goes out to that node when it answers. Without anything
    /// pending it is dialled at once, else when there is a place.
    pub(crate) fn dial_seed(self: &Rc<Self>, addr: SocketAddr, pending: Option<(NodeId, Bytes)>) {
        let addr = canonical(addr);
        let (node, pending) = pending.unzip();
        let mut seeds = self.seeds.borrow_mut();
        if let Some(seed) = seeds.get_mut(&addr) {
            match pending {
                None => seed.hurry.notify_one(),
                Some(pending) => {
                    if seed.pending.replace(pending).is_some() {
                        self.count_dropped_datagram();
                    }
                }
            }
            return;
        }
        // Gossip that waits keeps no source of seeds from its dials.
        let in_its_way = match pending {
            Some(_) => seeds.len(),
            None => seeds.values().filter(|seed| seed.has_begun).count(),
        };
        if self.shared.is_closing() || in_its_way >= SEED_DIALS_MAX {
            drop(seeds);
            if pending.is_some() {
                self.count_dropped_datagram();
            } else {
                let why = format!("{SEED_DIALS_MAX} dials are under way");
                self.events.refused(addr, &RefusedReason::NoAnswer(why.into()));
            }
            return;
        }
        let seed = Seed { has_begun: pending.is_none(), pending, ..Seed::default() };
        let hurry = Rc::clone(&seed.hurry);
        seeds.insert(addr, seed);
        drop(seeds);
        let hub = Rc::clone(self);
        self.spawn(async move { hub.run_seed(addr, node, hurry).await });
    }

    /// The dial to a seed is over: what waited for it.
    fn end_seed(&self, addr: SocketAddr) -> Option<Bytes> {
        let seed = self.seeds.borrow_mut().remove(&addr);
        self.seed_ended.notify_waiters();
        seed.and_then(|seed| seed.pending)
    }

    async fn run_seed(self: &Rc<Self>, addr: SocketAddr, node: Option<NodeId>, hurry: Rc<Notify>) {
        let mut place = None;
        if let Some(node) = node {
            tokio::select! {
                biased;
                () = hurry.notified() => {}
                free = self.dials.enter() => place = Some(free),
            }
            if self.shared.is_closing() {
                self.end_seed(addr).into_iter().for_each(|_| self.count_dropped_datagram());
                return;
            }
            // It may have come by itself meanwhile.
            if let Some(driver) = self.driver_of_node(node) {
                let pending = self.end_seed(addr);
                pending.into_iter().for_each(|pending| driver.send_datagram(self, pending));
                return;
            }
        }
        if let Some(seed) = self.seeds.borrow_mut().get_mut(&addr) {
            seed.has_begun = true;
        }
        let result = hold(place, dial(self, addr, None)).await;
        let pending = self.end_seed(addr);
        match result {
            Ok(Dialled::Established(established)) => {
                let driver = self.adopt(*established);
                if let (Some(driver), Some(pending)) = (driver, pending) {
                    driver.send_datagram(self, pending);
                }
            }
            Ok(Dialled::Superseded(node)) => {
                if let (Some(driver), Some(pending)) = (self.driver_of_node(node), pending) {
                    driver.send_datagram(self, pending);
                }
            }
            Err(reason) => {
                if pending.is_some() {
                    self.count_dropped_datagram();
                }
                self.events.refused(addr, &reason);
            }
        }
    }

    /// Completes when no dial to a seed at this address is under way: it may find who is to be dialled there.
    pub(crate) async fn no_seed_at(&self, addr: SocketAddr) {
        loop {
            let ended = self.seed_ended.notified();
            let has_begun = |seed: &Seed| seed.has_begun;
            if !self.seeds.borrow().get(&canonical(addr)).is_some_and(has_begun) {
                return;
            }
            ended.await;
        }
    }

    pub(crate) fn driver_of_node(self: &Rc<Self>, node: NodeId) -> Option<Rc<Driver>> {
        let association = self.shared.of_node(node)?;
        association.closed().is_none().then(|| self.driver(&association))
    }

    pub(crate) fn datagram(self: &Rc<Self>, (node, addr): (NodeId, SocketAddr), bytes: Bytes) {
        match self.driver_of_node(node) {
            Some(driver) => driver.send_datagram(self, bytes),
            None => self.dial_seed(addr, Some((node, bytes))),
        }
    }

    pub(crate) fn count_dropped_datagram(&self) {
        self.shared.counters.datagrams_dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// A token for a ping; each is another, so that each packet is fresh.
    pub(crate) fn next_ping(&self) -> u64 {
        self.pings.set(self.pings.get() + 1);
        self.pings.get()
    }

    /// Counts and logs a peer that broke the protocol.
    pub(crate) fn bad_peer(&self, association: &Association, text: &str) {
        association.counters.bad_frames.fetch_add(1, Ordering::Relaxed);
        self.shared.counters.bad_peers.fetch_add(1, Ordering::Relaxed);
        if let Some(held_back) = self.bad_peers.pass(text) {
            let peer = association.peer();
            tracing::warn!(
                peer = peer.name(), incarnation = %peer.id.incarnation, held_back,
                "closing a connection whose peer broke the protocol: {text}"
            );
        }
    }

    /// Counts and logs a handshake that did not end well.
    pub(crate) fn failed_handshake(
        &self,
        addr: SocketAddr,
        inbound: bool,
        failure: HandshakeFailure,
        text: &str,
    ) {
        self.shared.counters.failures.failed(inbound, failure);
        self.shared.counters.handshakes_failed.fetch_add(1, Ordering::Relaxed);
        if let Some(held_back) = self.failed_handshakes.pass(text) {
            let page = page_of(failure);
            tracing::info!(%addr, inbound, held_back, "handshake failed: {text}{page}");
        }
    }

    /// Whether an association is being dialled at this address, or has a connection there.
    pub(crate) fn is_busy_with(&self, addr: SocketAddr) -> bool {
        self.drivers.borrow().values().any(|driver| {
            let link = driver.association.link();
            matches!(link, Link::Dialling | Link::Up { .. })
                && canonical(driver.association.dial_addr()) == canonical(addr)
        })
    }
}

/// Where the book says what to do about a handshake that failed.
const fn page_of(failure: HandshakeFailure) -> &'static str {
    match failure {
        HandshakeFailure::NotAuthenticated
        | HandshakeFailure::Revoked
        | HandshakeFailure::OtherCluster
        | HandshakeFailure::Revision
        | HandshakeFailure::Identity
        | HandshakeFailure::OwnName
        | HandshakeFailure::Clock
        | HandshakeFailure::Busy
        | HandshakeFailure::Protocol => "; see runbook: join-refused",
        HandshakeFailure::NoAnswer => "; see runbook: peer-unreachable",
        // In the order of things: it comes about again by itself.
        HandshakeFailure::Gone | HandshakeFailure::Stopping | HandshakeFailure::Duplicate => "",
    }
}

/// IPv4 addresses in one form, whatever the socket.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
