//! One life of one peer, as seen from here: the way to it, whether or not there is a connection now.
//!
//! What it is: the part that any thread uses, to send and to ask how things stand. What it is NOT: it dials nothing
//! and reads nothing; that is its driver's (`driver.rs`), on the endpoint's thread. Frames go to a
//! [lane](lane::Lane) or to the control queue, and from there to QUIC. Read `association/lane.rs` next.

mod batch_pool;
pub(crate) mod bulk;
pub(crate) mod control;
mod counters;
mod driven;
pub(crate) mod flow;
pub(crate) mod lane;
mod notice;
mod pieces;
mod refused;
mod road;
mod room;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use odeon_env::Observer;
use odeon_message::{ActorKey, AskId, EncodeError, Fingerprint, MessageId, Payload, TraceContext};
use odeon_wire::{
    AcceptedTable, BulkTerms, Extensions, FrameWriter, Header, SlabShare, StreamCredit,
    format::CONTROL_FRAME_BYTES_MAX,
};
use tokio::sync::Notify;

use crate::{LostReason, PeerId, PeerMetrics, link::Link};
use bulk::Bulk;
use control::ControlQueue;
use flow::LaneWindows;
use lane::{Lane, Parcel, Wrote};
use notice::is_notice;

pub(crate) use batch_pool::BatchPool;
pub use counters::AssociationStats;
pub(crate) use counters::{Counters, StreamCounters};
pub(crate) use driven::Pools;
pub(crate) use lane::AtOnce;
pub use refused::SendRefused;
pub(crate) use road::{Road, Seen};
pub use room::RoomWaiter;

/// Who an association leads to.
#[derive(Debug)]
pub struct PeerInfo {
    /// Node and incarnation.
    pub id: PeerId,
    /// Where it was first found; later addresses replace it for dialling.
    pub addr: SocketAddr,
    name: OnceLock<Box<str>>,
}

impl PeerInfo {
    /// The node's name, empty before the first handshake.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.get().map_or("", |name| name)
    }
}

/// The place of one frame among all that were sent to a peer; unique for the association, across reconnects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    lane: u8,
    number: odeon_wire::Position,
}

/// What a message frame says besides its archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageHeader {
    /// The receiver.
    pub to: ActorKey,
    /// The message's type.
    pub message: MessageId,
    /// Its layout on this node; `None` leaves the check to the receiver, which must accept it in one layout alone.
    pub fingerprint: Option<Fingerprint>,
    /// The ask, or [`AskId::NONE`].
    pub ask: AskId,
    /// Time the receiver has left, for asks.
    pub remaining: Option<Duration>,
    /// For an ask that may be sent again: what all its attempts have in common.
    pub repeat: Option<u64>,
    /// For an ask that is answered with a stream: how much of it is taken before more is granted.
    pub stream: Option<StreamCredit>,
    /// The trace that it is part of.
    pub trace: Option<TraceContext>,
}

/// What the peer said about itself; the same in every handshake of one incarnation.
#[derive(Debug)]
struct Met {
    accepted: AcceptedTable,
    credit: odeon_wire::InitialCredit,
    frame_bytes_max: u32,
    bulk: Option<BulkTerms>,
    guest: bool,
    /// The revision that both speak.
    revision: u16,
}

/// The way to one life of one node. `Send + Sync`; sending works from any thread.
pub struct Association {
    peer: PeerInfo,
    /// Where the next dial goes.
    dial_addr: Mutex<SocketAddr>,
    met: OnceLock<Met>,
    lanes: Box<[Lane]>,
    bulk: Arc<Bulk>,
    link: Mutex<Link>,
    up: AtomicBool,
    /// The connection that is there, for whoever looks from outside.
    road: Mutex<Option<Road>>,
    keep: AtomicBool,
    /// Something was refused, or waits, for want of a connection.
    asked: AtomicBool,
    /// A notice found no room in a lane of this connection.
    overflown: AtomicBool,
    /// Closing dropped frames, and `down` was not called since.
    down_due: AtomicBool,
    control: Mutex<Option<Arc<ControlQueue>>>,
    /// Of the lanes that the peer has opened on this connection.
    windows: Mutex<Vec<Arc<LaneWindows>>>,
    wake: Notify,
    pub(crate) counters: Counters,
    /// Memory of what was received over any of its connections: over lanes, and over bulk streams.
    slabs: Arc<SlabShare>,
    bulk_slabs: Arc<SlabShare>,
    observer: Option<Arc<dyn Observer>>,
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Association({} {:?})", self.peer.id, self.link())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that panics runs under these locks; if it did, what they guard would still be sound.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Association {
    /// Who it leads to.
    #[must_use]
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }

    /// In which layout the peer accepts this message; `None` if not at all, or before the first handshake. Where it
    /// accepts several, the first.
    #[must_use]
    pub fn accepts(&self, message: MessageId) -> Option<Fingerprint> {
        let layouts = self.met.get()?.accepted.layouts(message);
        layouts.first().map(|accepted| accepted.fingerprint)
    }

    /// Whether the peer accepts this message in one layout, so that a frame need not say which it has.
    #[must_use]
    pub fn has_one_layout(&self, message: MessageId) -> bool {
        self.met.get().is_none_or(|met| met.accepted.layouts(message).len() <= 1)
    }

    /// Of what came from this peer, itself or a copy, so that waiting with it does not hold memory that others have the greater
    /// part of. The copy counts as received until it is let go.
    #[must_use]
    pub fn set_aside(&self, payload: Payload) -> Payload {
        payload.alone(|bytes| self.slabs.set_aside(bytes))
    }

    /// Whether the peer is a guest: it talks to the cluster and is no member of it. False before the first handshake.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.met.get().is_some_and(|met| met.guest)
    }

    /// Whether there is a connection now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Why it is over for good; `None` while it is not.
    #[must_use]
    pub fn closed(&self) -> Option<LostReason> {
        match self.link() {
            Link::Closed(why) => Some(why),
            _ => None,
        }
    }

    /// Keeps a connection, dialling again after each loss, as long as it is set; members of the cluster are kept.
    /// Without it a connection is dialled when something waits, and closed when it was idle for long.
    pub fn keep(&self, keep: bool) {
        self.keep.store(keep, Ordering::Release);
        self.wake.notify_one();
    }

    /// Sends a message frame, if the receiver has credit and the lane has room. Never waits.
    ///
    /// `encode` appends the archive to what it is given, and nothing else; it runs under a lock and must not send. It runs
    /// twice where the guess misses whether the message is large: that it is what the last one of its type to this
    /// receiver was.
    ///
    /// # Errors
    /// See [`SendRefused`]; the frame was not taken and certainly not delivered.
    pub fn try_send(
        &self,
        header: MessageHeader,
        encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Position, SendRefused> {
        let MessageHeader { to, message, fingerprint, ask, remaining, repeat, stream, trace } =
            header;
        let Some(met) = self.met.get() else {
            // Asked before the lane, which may be opened in between: no layout goes out unchecked.
            self.want();
            return Err(self.lanes[self.lane_of(to)].unmet());
        };
        if let Some(ours) = fingerprint
            && !met.accepted.accepts(message, ours)
        {
            return Err(match self.accepts(message) {
                Some(theirs) => SendRefused::Incompatible { ours, theirs },
                None => SendRefused::NotAccepted,
            });
        }
        let header = Header::message(to, message, ask);
        let several = || met.accepted.layouts(message).len() > 1;
        let layout = fingerprint.filter(|_| several());
        let is_bare = remaining.is_none()
            && repeat.is_none()
            && layout.is_none()
            && stream.is_none()
            && trace.is_none();
        if is_bare {
            // As most tells are: nothing is made that is looked at in vain.
            return self.push(to, Parcel { header, extensions: Extensions::none(), encode }, true);
        }
        let extensions =
            &Extensions { remaining, repeat, layout, stream, trace, ..Extensions::default() };
        self.push(to, Parcel { header, extensions, encode }, true)
    }

    /// As [`try_send`](Self::try_send), of a tell that says nothing beside its archive, to a peer that was met and takes it in
    /// [one layout](Self::has_one_layout). It is the shortest way: one that is as long as the one before it, and to the same
    /// actor, has no header of its own. `encode` may run up to three times.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    #[inline]
    pub fn try_tell(
        &self,
        to: ActorKey,
        message: MessageId,
        encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Position, SendRefused> {
        let lane = self.lane_of(to);
        let header = Header::message(to, message, AskId::NONE);
        let seen = |appended: lane::Appended<'_>| self.observe(false, header, appended.payload);
        let Some(number) = self.lanes[lane].join(to, message, encode, seen) else {
            return self.push(to, Parcel { header, extensions: Extensions::none(), encode }, true);
        };
        if !self.is_up() {
            self.want();
        }
        let lane = u8::try_from(lane).expect("there are at most 64 lanes");
        Ok(Position { lane, number })
    }

    /// Sends a frame that costs no credit of a receiver (reply, error, terminated, item of a stream), in the lane that messages to `lane_of` take,
    /// behind them. Errors and terminateds of up to 1 KiB have a reserve of 1 MiB beyond the room of other prepaid
    /// frames; one that is refused as `LaneFull` resets the connection, so that asks fail and watches are said again.
    ///
    /// An item of a stream has only the room that messages have: wait with [`poll_room`](Self::poll_room).
    ///
    /// # Errors
    /// See [`SendRefused`]; never `NoCredit`.
    pub fn send_prepaid(
        &self,
        lane_of: ActorKey,
        header: Header,
        encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Position, SendRefused> {
        let parcel = Parcel { header, extensions: Extensions::none(), encode };
        self.push(lane_of, parcel, false)
    }

    fn push(
        &self,
        lane_of: ActorKey,
        parcel: Parcel<'_>,
        paid: bool,
    ) -> Result<Position, SendRefused> {
        let lane = self.lane_of(lane_of);
        let header = parcel.header;
        let frame_kind = header.kind;
        let result = self.lanes[lane].push(parcel, paid, |appended| {
            self.observe(false, header, appended.payload);
            appended.position
        });
        if !self.is_up() {
            self.want();
        }
        match result {
            Ok((number, wrote)) => {
                let lane = u8::try_from(lane).expect("there are at most 64 lanes");
                if let Some(Wrote { bytes, frames, waited }) = wrote {
                    self.counters.batch(lane, frames, bytes, waited);
                    self.counters.wrote(lane, bytes);
                }
                Ok(Position { lane, number })
            }
            Err(refused) => {
                self.count_refused(lane, &refused);
                // Without a connection nobody waits for a notice: asks have failed, watches are said again.
                if matches!(refused, SendRefused::LaneFull) && is_notice(frame_kind) && self.is_up()
                {
                    self.overflow();
                }
                Err(refused)
            }
        }
    }

    fn count_refused(&self, lane: usize, refused: &SendRefused) {
        let counters = self.counters.lane(u8::try_from(lane).unwrap_or(0));
        let counter = match refused {
            SendRefused::NoCredit => &counters.refused_credit,
            SendRefused::LaneFull => &counters.refused_room,
            _ => return,
        };
        Counters::add(counter, 1);
        Counters::add(&self.counters.credit_stalls, 1);
    }

    /// Sends a frame on the control stream: cancel, watch, unwatch, probe. Only while the association is up; `encode`
    /// appends the payload. A peer that does not read what waits there has its connection reset.
    ///
    /// # Errors
    /// `NotUp` while there is no connection, or none any more because the peer does not read: say it again after
    /// [`up`](crate::TransportEvents::up). `TooLong`.
    pub fn control(
        &self,
        header: Header,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), SendRefused> {
        let Some(queue) = lock(&self.control).clone() else {
            self.want();
            return Err(match self.closed() {
                Some(why) => SendRefused::Closed(why),
                None => SendRefused::NotUp,
            });
        };
        self.append_control(&queue, |out| {
            let mut frame = FrameWriter::begin(out, header, &Extensions::default())?;
            let start = frame.payload().len();
            encode(frame.payload());
            self.observe(false, header, &frame.payload()[start..]);
            frame.finish(CONTROL_FRAME_BYTES_MAX)
        })?;
        Counters::add(&self.counters.frames_sent, 1);
        Ok(())
    }

    /// As [`control`](Self::control), for a frame that comes again if it is lost: while a good part of the control stream's
    /// bound waits it is not taken, so that however many such frames there are they never reset the connection.
    ///
    /// # Errors
    /// As `control`; `NotUp` also where much waits.
    pub fn control_spare(
        &self,
        header: Header,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), SendRefused> {
        let is_busy = lock(&self.control).as_ref().is_some_and(|queue| queue.is_busy());
        if is_busy { Err(SendRefused::NotUp) } else { self.control(header, encode) }
    }

    /// Ready when trying again is worth it: at the first call, then when credit or room came or the association's
    /// state changed. Call it in turns with [`try_send`](Self::try_send) while that [is full](SendRefused::is_full),
    /// and [`forget_room`](Self::forget_room) when done, whatever the end.
    pub fn poll_room(
        &self,
        receiver: ActorKey,
        waiter: &mut RoomWaiter,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.lanes[self.lane_of(receiver)].poll_room(receiver, waiter, cx)
    }

    /// Leaves the queue for room.
    pub fn forget_room(&self, receiver: ActorKey, waiter: &mut RoomWaiter) {
        self.lanes[self.lane_of(receiver)].forget_room(waiter);
    }

    /// Whether the frame was, or may have been, handed to QUIC. `false` is certain: it was not and, once
    /// [`down`](crate::TransportEvents::down) was called, never will be.
    #[must_use]
    pub fn handed(&self, position: Position) -> bool {
        self.lanes.get(usize::from(position.lane)).is_none_or(|lane| lane.handed(position.number))
    }

    /// Sees to it that an ask that nobody waits for any more will not run. True is a promise: it was not handed to
    /// QUIC, and its receiver will not run it. False: it may have run.
    #[must_use]
    pub fn withdraw(&self, position: Position) -> bool {
        let lane = self.lanes.get(usize::from(position.lane));
        lane.is_some_and(|lane| lane.withdraw(position.number))
    }

    /// Whether the connection that the frame was taken for is lost; true of all earlier frames from the moment
    /// [`down`](crate::TransportEvents::down) is called.
    #[must_use]
    pub fn is_lost(&self, position: Position) -> bool {
        self.lanes.get(usize::from(position.lane)).is_none_or(|lane| lane.is_lost(position.number))
    }

    /// Where the next dial would go: where the peer was last met, or else first found.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.dial_addr()
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> AssociationStats {
        let mut stats = self.counters.read(self.slabs.stats());
        let bulk = self.bulk_slabs.stats();
        stats.pinned_bytes += bulk.pinned_bytes;
        stats.bytes_moved += bulk.bytes_moved;
        // Lanes count under their own lock, so that no message pays for another exchange.
        stats.frames_sent += self.lanes.iter().map(Lane::frames_taken).sum::<u64>();
        stats
    }

    /// The way to this peer in figures; see [`PeerMetrics`]. From any thread; takes a few short locks, and holds up
    /// nobody.
    #[must_use]
    pub fn metrics(&self) -> PeerMetrics {
        PeerMetrics::of(self)
    }

    /// Messages that came over the present connection and whose credit was not given back: they wait in mailboxes. It
    /// looks at every receiver that the peer has reached, so it is not for the way of a message.
    #[must_use]
    pub fn messages_held(&self) -> u64 {
        lock(&self.windows).iter().map(|windows| windows.held()).sum()
    }

    /// The lane of a receiver: a multiplicative hash (Knuth, 6.4) scaled to the number of lanes.
    fn lane_of(&self, key: ActorKey) -> usize {
        let key = u64::from(key.generation) << 32 | u64::from(key.slot);
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        ((hash * self.lanes.len() as u64) >> 32) as usize
    }
}
