//! The driver's side of an association: what only the endpoint's thread does with it.
//!
//! Called by `driver.rs` and `connection.rs`; what any thread may do is in `association.rs`.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use odeon_env::{Observed, Observer};
use odeon_wire::{
    Body, BulkTerms, CreditTotal, EncodeFrameError, GrantError, Header, Hello, Revisions, SlabPool,
    SlabShare,
    format::{CONTROL_FRAME_BYTES_MAX, TRAINS_SINCE},
    write_body,
};
use tokio::sync::Notify;

use super::{
    Association, Counters, Met, PeerInfo, Road, Seen, SendRefused,
    batch_pool::BatchPool,
    bulk::Bulk,
    control::ControlQueue,
    flow::LaneWindows,
    lane::{Lane, LaneBounds},
    lock,
};
use crate::{
    LostReason, PeerId, TransportConfig,
    link::{Link, LinkEvent},
};

/// Memory that all associations of an endpoint share.
#[derive(Debug)]
pub(crate) struct Pools {
    pub(crate) slabs: Arc<SlabPool>,
    pub(crate) batches: Arc<BatchPool>,
}

impl Pools {
    /// Bytes that are kept for the next large messages.
    pub(crate) fn long_bytes(&self) -> usize {
        self.slabs.long_bytes() + self.batches.long_bytes()
    }
}

impl Association {
    pub(crate) fn new(
        id: PeerId,
        addr: SocketAddr,
        config: &TransportConfig,
        pools: &Pools,
        observer: Option<Arc<dyn Observer>>,
    ) -> Arc<Self> {
        let bounds = LaneBounds {
            bytes_max: config.lane_bytes_max,
            write_bytes_max: config.batch_bytes_max,
            bulk_from_bytes: config.bulk_from_bytes,
        };
        let bulk = Bulk::new(config.bulk_bytes_max);
        let lane = |index| Lane::new(index, bounds, Arc::clone(&bulk), Arc::clone(&pools.batches));
        let lanes = (0..config.lanes).map(lane).collect();
        Arc::new(Self {
            peer: PeerInfo { id, addr, name: OnceLock::new() },
            dial_addr: Mutex::new(addr),
            met: OnceLock::new(),
            lanes,
            bulk,
            link: Mutex::new(Link::Idle),
            up: AtomicBool::new(false),
            road: Mutex::new(None),
            keep: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            overflown: AtomicBool::new(false),
            down_due: AtomicBool::new(false),
            control: Mutex::new(None),
            windows: Mutex::default(),
            wake: Notify::new(),
            counters: Counters::default(),
            slabs: SlabShare::of_lanes(Arc::clone(&pools.slabs), config.pinned_bytes_max),
            // Each message has memory of its own there already.
            bulk_slabs: SlabShare::new(Arc::clone(&pools.slabs), usize::MAX),
            observer,
        })
    }

    /// The memory for what its streams receive.
    pub(crate) fn slabs(&self) -> Arc<SlabShare> {
        Arc::clone(&self.slabs)
    }

    /// The same of bulk streams.
    pub(crate) fn bulk_slabs(&self) -> Arc<SlabShare> {
        Arc::clone(&self.bulk_slabs)
    }

    /// Whether what was received from this peer holds as much memory as it may, beside what others hold.
    pub(crate) fn is_spent(&self) -> bool {
        let kept_bytes = self.slabs.kept_bytes() + self.bulk_slabs.kept_bytes();
        self.slabs.pool().is_spent(kept_bytes)
    }

    pub(crate) fn link(&self) -> Link {
        lock(&self.link).clone()
    }

    pub(crate) fn advance(&self, event: LinkEvent) -> Link {
        let mut link = lock(&self.link);
        *link = link.clone().after(event);
        link.clone()
    }

    pub(crate) fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.observer.as_ref()
    }

    /// Shows a frame to who looks on, if somebody does.
    pub(crate) fn observe(&self, inbound: bool, header: Header, payload: &[u8]) {
        if let Some(observer) = &self.observer {
            let (peer, kind, message) = (self.peer.addr, header.kind as u8, header.message.0);
            observer.observe(Observed::Frame { inbound, peer, kind, message, payload });
        }
    }

    pub(crate) fn dial_addr(&self) -> SocketAddr {
        *lock(&self.dial_addr)
    }

    pub(crate) fn set_dial_addr(&self, addr: SocketAddr) {
        *lock(&self.dial_addr) = addr;
    }

    /// What can be seen of the connection that is there.
    pub(crate) fn road(&self) -> Option<Seen> {
        let road = lock(&self.road).clone();
        road.map(|road| road.look())
    }

    pub(crate) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    pub(crate) fn bulk(&self) -> &Bulk {
        &self.bulk
    }

    /// What the peer reads on bulk streams; known once it was met.
    pub(crate) fn bulk_terms(&self) -> Option<BulkTerms> {
        self.met.get().and_then(|met| met.bulk)
    }

    /// A large frame went out: who waits for room may try again.
    pub(crate) fn bulk_room_again(&self) {
        if self.bulk.take_was_full() {
            self.lanes.iter().for_each(Lane::room_again);
        }
    }

    /// Wakes the driver when something new happened to the association.
    pub(crate) fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Completes after a nudge; only the driver waits.
    pub(crate) async fn nudged(&self) {
        self.wake.notified().await;
    }

    /// Asks for a connection.
    pub(super) fn want(&self) {
        if !self.asked.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.keep.load(Ordering::Acquire)
    }

    /// Whether a connection is wanted.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_kept()
            || self.asked.load(Ordering::Acquire)
            || self.lanes.iter().any(Lane::is_wanted)
    }

    /// What was asked for is being done.
    pub(crate) fn heard(&self) {
        self.asked.store(false, Ordering::Release);
    }

    /// Whether frames wait for a connection.
    pub(crate) fn has_frames(&self) -> bool {
        self.bulk.is_busy() || self.lanes.iter().any(Lane::has_frames)
    }

    /// Learns what the peer says about itself.
    ///
    /// False if the same life of the peer said something else before.
    pub(crate) fn meet(&self, hello: &Hello) -> bool {
        // What the handshake has agreed on, or it would have failed.
        let revision = Revisions::OURS.common(hello.revisions).unwrap_or(Revisions::OURS.min);
        let met = self.met.get_or_init(|| Met {
            accepted: hello.accepted.clone(),
            credit: hello.credit,
            frame_bytes_max: hello.frame_bytes_max,
            bulk: hello.bulk,
            guest: hello.guest,
            revision,
        });
        self.peer.name.get_or_init(|| hello.name.as_str().into());
        met.accepted == hello.accepted
            && met.credit == hello.credit
            && met.frame_bytes_max == hello.frame_bytes_max
            && met.bulk == hello.bulk
            && met.guest == hello.guest
            && met.revision == revision
    }

    /// A connection is there: takes frames, and control frames to `control`. `road` is what can be seen of it.
    pub(crate) fn open(&self, control: Arc<ControlQueue>, road: Road) {
        if let Some(met) = self.met.get() {
            for lane in &self.lanes {
                let trains = met.revision >= TRAINS_SINCE;
                lane.meet(met.credit, met.frame_bytes_max as usize, met.bulk, trains);
            }
        }
        *lock(&self.control) = Some(control);
        *lock(&self.road) = Some(road);
        self.heard();
        self.overflown.store(false, Ordering::Release);
        self.up.store(true, Ordering::Release);
        Counters::add(&self.counters.connections, 1);
    }

    /// The connection is lost: what was not handed is dropped.
    pub(crate) fn lost(&self) -> u64 {
        // First, so that whoever appends after the lanes were emptied sees it and asks for a connection.
        self.up.store(false, Ordering::Release);
        *lock(&self.control) = None;
        *lock(&self.road) = None;
        lock(&self.windows).clear();
        let dropped = self.lanes.iter().map(Lane::lose).sum();
        self.bulk.clear();
        dropped
    }

    /// The peer has opened a lane; as many as its hello says.
    pub(crate) fn opened(&self, windows: Arc<LaneWindows>) {
        lock(&self.windows).push(windows);
    }

    /// Grants the rest to lanes that were silent for a while.
    pub(crate) fn settle(&self) {
        lock(&self.windows).iter().for_each(|windows| windows.settle());
    }

    /// No connection came about: what waits is dropped, and nothing taken until [`reopen`](Self::reopen).
    pub(crate) fn give_up(&self, why: &LostReason) -> u64 {
        self.lanes.iter().map(|lane| lane.give_up(why.clone())).sum()
    }

    pub(crate) fn reopen(&self) {
        let met = self.met.get().is_some();
        self.lanes.iter().for_each(|lane| lane.reopen(met));
    }

    /// It is over for good. Frames that waited are dropped, which [`down`](crate::TransportEvents::down) tells:
    /// where there is no connection, the driver sees to it by [`take_down_due`](Self::take_down_due).
    pub(crate) fn close(&self, why: &LostReason) {
        // The lanes first: whoever sees that it is closed sees as well whether that dropped frames.
        let dropped: u64 = self.lanes.iter().map(|lane| lane.close(why.clone())).sum();
        if dropped > 0 {
            Counters::add(&self.counters.frames_dropped, dropped);
            self.down_due.store(true, Ordering::Release);
        }
        self.advance(LinkEvent::Close(why.clone()));
        self.wake.notify_one();
    }

    /// Whether closing dropped frames and nobody was told yet; now somebody is.
    pub(crate) fn take_down_due(&self) -> bool {
        self.down_due.swap(false, Ordering::AcqRel)
    }

    /// A notice found no room: the connection must end, for its peer would wait for ever.
    pub(super) fn overflow(&self) {
        self.overflown.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Appends frames to the control queue of a connection of this association. One that finds no room ends that
    /// connection: what would be lost without a trace fails with it, or is said again with the next.
    pub(crate) fn append_control(
        &self,
        queue: &ControlQueue,
        write: impl FnOnce(&mut Vec<u8>) -> Result<usize, EncodeFrameError>,
    ) -> Result<(), SendRefused> {
        let result = queue.push(write);
        if queue.is_overflown() {
            self.wake.notify_one();
        }
        result
    }

    /// Appends a control frame of the protocol; one that finds no room needs no answer, for the connection ends.
    pub(crate) fn control_body<B: Body>(&self, queue: &ControlQueue, header: Header, body: &B) {
        let write = |out: &mut Vec<u8>| write_body(out, header, body, CONTROL_FRAME_BYTES_MAX);
        if let Err(refused) = self.append_control(queue, write) {
            tracing::debug!(peer = %self.peer.id, %refused, "control frame not sent");
        }
    }

    pub(crate) fn is_overflown(&self) -> bool {
        self.overflown.load(Ordering::Acquire)
    }

    /// The peer stops: nothing more is sent to it over this connection but what waits.
    pub(crate) fn hush(&self) {
        self.lanes.iter().for_each(Lane::hush);
    }

    /// It is over, but what waits still goes out.
    pub(crate) fn drain(&self, why: &LostReason) {
        self.lanes.iter().for_each(|lane| lane.drain(why.clone()));
    }

    /// Books credit that a receiver granted.
    pub(crate) fn grant(&self, total: CreditTotal) -> Result<(), GrantError> {
        self.lanes[self.lane_of(total.receiver)].grant(total)
    }
}
