//! The task behind one association: dials while a connection is wanted, runs the connection while there is one.
//!
//! It lives on the endpoint's thread from the association's first use until that is closed for good. A connection
//! comes from its own dial or, by [`Driver::deliver`], from one that was accepted; running it is `connection.rs`.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use odeon_env::{buggify, buggify_number};
use odeon_wire::{FrameKind, Header, Ping};
use tokio::time::Instant;

use crate::{
    Association, LostReason, RefusedReason,
    association::{Counters, control::ControlQueue},
    carrier::Connection,
    connection::run,
    exchange::{Dialled, Established, dial},
    hub::Hub,
    hush,
    link::{Link, LinkEvent},
};

/// How long a dial that lost against the peer's waits for that one, before it is tried again.
const SUPERSEDED_PAUSE: Duration = Duration::from_millis(100);

/// What the endpoint's thread holds of one association.
pub(crate) struct Driver {
    pub(crate) association: Arc<Association>,
    /// A connection that waits to be run.
    inbox: RefCell<Option<Established>>,
    /// The connection that runs, with its control queue.
    live: RefCell<Option<(Connection, Arc<ControlQueue>)>>,
    /// `our_dial` of the newest connection.
    our_dial: Cell<u64>,
    /// What was sent when that was asked for last: bytes of streams, and datagrams.
    seen_sent: Cell<(u64, u64)>,
    /// The newest datagram that waits for a connection.
    pending: RefCell<Option<Bytes>>,
    /// The endpoint closes: what is in the lanes goes out first.
    draining: Cell<bool>,
    /// Dial now, whatever the backoff says.
    hurry: Cell<bool>,
}

/// What a driver has to do next.
enum Next {
    Run(Box<Established>),
    End,
}

impl Driver {
    pub(crate) fn new(association: Arc<Association>) -> Self {
        Self {
            association,
            inbox: RefCell::default(),
            live: RefCell::default(),
            our_dial: Cell::new(0),
            seen_sent: Cell::default(),
            pending: RefCell::default(),
            draining: Cell::new(false),
            hurry: Cell::new(false),
        }
    }

    /// Hands a connection over; it replaces one that runs or waits.
    pub(crate) fn deliver(&self, established: Established) {
        self.our_dial.set(established.our_dial);
        // One that was delivered before and not taken is closed by being dropped.
        drop(self.inbox.replace(Some(established)));
        self.association.nudge();
    }

    pub(crate) fn our_dial(&self) -> u64 {
        self.our_dial.get()
    }

    pub(crate) fn has_delivery(&self) -> bool {
        self.inbox.borrow().is_some()
    }

    pub(crate) fn set_live(&self, live: Option<(Connection, Arc<ControlQueue>)>) {
        *self.live.borrow_mut() = live;
    }

    pub(crate) fn take_pending(&self) -> Option<Bytes> {
        self.pending.borrow_mut().take()
    }

    /// Sends a datagram now, or keeps it for the connection that is being made.
    pub(crate) fn send_datagram(&self, hub: &Hub, bytes: Bytes) {
        if let Some((connection, _)) = &*self.live.borrow() {
            // A network may lose any of them.
            if buggify!(0.05) {
                return hub.count_dropped_datagram();
            }
            if connection.send_datagram(bytes) {
                Counters::add(&self.association.counters.datagrams_sent, 1);
            } else {
                hub.count_dropped_datagram();
            }
            return;
        }
        if self.pending.borrow_mut().replace(bytes).is_some() {
            hub.count_dropped_datagram();
        }
        self.association.nudge();
    }

    /// Whether anything was sent on a connection since this was asked or [`mark_sent`](Self::mark_sent) was called last.
    pub(crate) fn has_sent(&self) -> bool {
        let before = self.seen_sent.get();
        self.mark_sent();
        self.seen_sent.get() != before && self.live.borrow().is_some()
    }

    /// What was sent until now does not count.
    pub(crate) fn mark_sent(&self) {
        let counters = &self.association.counters;
        let sent = [&counters.bytes_sent, &counters.datagrams_sent];
        let [bytes, datagrams] = sent.map(|count| count.load(Ordering::Relaxed));
        self.seen_sent.set((bytes, datagrams));
    }

    /// Makes QUIC send a fresh packet: a ping to a live peer, else a dial.
    pub(crate) fn probe(&self, token: u64) {
        if let Some((_, control)) = &*self.live.borrow() {
            let header = Header::bare(FrameKind::Ping);
            self.association.control_body(control, header, &Ping { token });
            return;
        }
        self.hurry.set(true);
        self.association.nudge();
    }

    pub(crate) fn remote_addr(&self) -> Option<std::net::SocketAddr> {
        self.live.borrow().as_ref().map(|(connection, _)| connection.remote_address())
    }

    /// Tells the peer that this node is about to leave, if there is a connection.
    pub(crate) fn say_leaving(&self) {
        if let Some((_, control)) = &*self.live.borrow() {
            hush::say_leaving(&self.association, control);
        }
    }

    /// Asks the peer to send nothing more, if there is a connection.
    pub(crate) fn hush(&self, hub: &Hub) {
        if let Some((_, control)) = &*self.live.borrow() {
            hush::ask(hub, &self.association, control);
        }
    }

    /// Lets what is in the lanes go out, then ends.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        if self.live.borrow().is_some() {
            self.association.drain(&LostReason::Closed);
        } else {
            self.association.close(&LostReason::Closed);
        }
        self.association.nudge();
    }

    fn is_wanted(&self) -> bool {
        self.association.is_wanted() || self.pending.borrow().is_some() || self.hurry.get()
    }

    /// Completes when a connection was delivered or the association is over.
    async fn interrupted(&self) {
        while !self.has_delivery() && self.association.closed().is_none() {
            self.association.nudged().await;
        }
    }

    /// Waits until `deadline`, less if there is something to do at once.
    async fn pause(&self, deadline: Instant) {
        let hurried = async {
            while !self.hurry.get() && !self.has_delivery() && self.association.closed().is_none() {
                self.association.nudged().await;
            }
        };
        tokio::select! {
            biased;
            () = hurried => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

/// Runs an association until it is over.
pub(crate) async fn drive(hub: Rc<Hub>, driver: Rc<Driver>) {
    let mut dials = Dials::default();
    while let Next::Run(established) = next(&hub, &driver, &mut dials).await {
        let started = Instant::now();
        run(&hub, &driver, *established).await;
        if driver.draining.get() {
            driver.association.close(&LostReason::Closed);
        }
        if started.elapsed() >= hub.shared.config.backoff_max {
            dials = Dials::default();
        } else {
            // One that does not last is dialled again as if it had failed.
            dials.waiting_since = None;
            driver.pause(Instant::now() + dials.backoff(&hub)).await;
        }
    }
    let association = &driver.association;
    if let Some(why) = association.closed()
        && association.take_down_due()
    {
        hub.events.down(association, &why);
    }
    hub.dismiss(&driver);
}

/// Waits for a connection, dialling while one is wanted.
async fn next(hub: &Rc<Hub>, driver: &Rc<Driver>, dials: &mut Dials) -> Next {
    let association = &driver.association;
    loop {
        if association.closed().is_some() {
            drop(driver.inbox.take());
            return Next::End;
        }
        if let Some(established) = driver.inbox.take() {
            return Next::Run(Box::new(established));
        }
        if !driver.is_wanted() {
            association.advance(LinkEvent::Rest);
            *dials = Dials::default();
            association.nudged().await;
            continue;
        }
        tokio::select! {
            biased;
            () = driver.interrupted() => continue,
            () = hub.no_seed_at(association.dial_addr()) => {}
        }
        if driver.has_delivery() {
            continue;
        }
        association.advance(LinkEvent::Dial);
        association.heard();
        driver.hurry.set(false);
        let started = Instant::now();
        let result = tokio::select! {
            biased;
            () = driver.interrupted() => continue,
            result = dial(hub, association.dial_addr(), Some(association.peer().id)) => result,
        };
        if !driver.has_delivery() {
            association.advance(LinkEvent::Lost);
        }
        let refused = match result {
            Ok(Dialled::Established(established)) => {
                let adopted = hub.adopt(*established);
                let is_ours = adopted.is_some_and(|adopted| Rc::ptr_eq(&adopted, driver));
                if is_ours || association.closed().is_some() {
                    continue;
                }
                // An earlier life of the peer answered, or one that contradicts itself.
                Some(RefusedReason::Identity("another life of the node answered".into()))
            }
            Ok(Dialled::Superseded(_)) => None,
            Err(reason) => Some(reason),
        };
        if let Some(reason) = &refused {
            hub.events.refused(association.dial_addr(), reason);
        }
        dials.failed(hub, driver, refused, started).await;
    }
}

/// The dials since there was a connection, or since one was wanted.
#[derive(Default)]
struct Dials {
    count: u32,
    /// Since when frames or callers wait.
    waiting_since: Option<Instant>,
}

impl Dials {
    /// Waits before the next dial; gives up what waits if it did so for too long.
    async fn failed(
        &mut self,
        hub: &Rc<Hub>,
        driver: &Driver,
        refused: Option<RefusedReason>,
        started: Instant,
    ) {
        let config = &hub.shared.config;
        let association = &driver.association;
        if driver.pending.take().is_some() {
            // Gossip is about now; what waited for a failed dial is old.
            hub.count_dropped_datagram();
        }
        let Some(refused) = refused else {
            driver.pause(Instant::now() + SUPERSEDED_PAUSE).await;
            return;
        };
        let since = *self.waiting_since.get_or_insert(started);
        let give_up_at = since + config.undeliverable_after;
        let next_dial = Instant::now() + self.backoff(hub);
        if next_dial < give_up_at {
            driver.pause(next_dial).await;
            return;
        }
        driver.pause(give_up_at).await;
        if driver.has_delivery() || association.closed().is_some() || driver.hurry.get() {
            return;
        }
        let why = LostReason::Undeliverable(refused.to_string().into());
        let had_frames = association.has_frames();
        let dropped = association.give_up(&why);
        hub.flushes.over(association.peer().id);
        association.heard();
        Counters::add(&association.counters.frames_dropped, dropped);
        if had_frames {
            hub.events.down(association, &why);
        }
        // Whoever sends meanwhile is told at once.
        driver.pause(Instant::now() + config.backoff_max).await;
        self.waiting_since = None;
        if !association.is_kept() {
            association.reopen();
        }
    }

    /// The pause before the next dial: doubled each time, one half of it random, so that nodes which lost each other
    /// at once do not dial at once.
    fn backoff(&mut self, hub: &Hub) -> Duration {
        let config = &hub.shared.config;
        let doubled = config.backoff_min.saturating_mul(1 << self.count.min(16));
        self.count += 1;
        let whole = doubled.min(config.backoff_max);
        let mut random = [0; 4];
        hub.env.entropy(&mut random);
        let fraction = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        // A thread that is busy comes to it later.
        let late = Duration::from_millis(buggify_number!(1..500).unwrap_or(0));
        whole / 2 + (whole / 2).mul_f64(fraction) + late
    }
}

impl Driver {
    /// Where the association stands, once a connection has ended.
    pub(crate) fn rest(&self) {
        if !self.has_delivery() && matches!(self.association.link(), Link::Up { .. }) {
            self.association.advance(LinkEvent::Lost);
        }
    }
}
