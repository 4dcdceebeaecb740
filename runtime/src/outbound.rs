//! The way out: from a reference to a lane.
//!
//! What it is: [`Outbound`], through which the references of `odeon-actor` find the association of the actor they
//! name, and the ask table's side of a send. What it is NOT: the lane itself (`odeon-transport`), nor the check of a
//! message's layout, which the association does. A message comes from `ActorRef` and goes to
//! `Association::try_send`; its answer comes back through `inbound.rs`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use odeon_actor::{
    ExitKind, ExitReason, Parcel, Refused, RemoteAnswer, Remotes, RoomWaiter, Route, SystemConfig,
    TracePropagation, Wait, WatchId, outgoing_trace,
};
use odeon_message::{
    ActorKey, Address, AskId, Certainty, EncodeError, Failure, FailureKind, Fingerprint,
    Incarnation, Layouts, MessageId,
};
use odeon_transport::{
    Association, MessageHeader, PeerId, Peers, Position, RoomWaiter as LaneWaiter, SendRefused,
};

use crate::{
    asks::{AskKind, Asks},
    circles::Circles,
    directory::Directory,
    frames,
    streams::Streams,
};

/// What all references to other nodes share.
pub(crate) struct Outbound {
    /// The asks that wait for other nodes.
    pub(crate) asks: Asks,
    /// Those of them that wait in circles.
    pub(crate) circles: Circles,
    /// The streams that other nodes asked for.
    pub(crate) streams: Arc<Streams>,
    directory: Arc<Directory>,
    peers: OnceLock<Peers>,
    /// Our layout of each message that was ever sent; as many entries as the program has message types.
    layouts: RwLock<BTreeMap<MessageId, Fingerprint>>,
    /// How a sender's span becomes a trace context.
    propagation: Arc<dyn TracePropagation>,
}

impl Outbound {
    pub(crate) fn new(
        directory: Arc<Directory>,
        circles: Circles,
        bounds: &SystemConfig,
        propagation: Arc<dyn TracePropagation>,
    ) -> Self {
        Self {
            asks: Asks::new(bounds),
            streams: Arc::new(Streams::new(bounds.streams_max)),
            circles,
            directory,
            peers: OnceLock::new(),
            layouts: RwLock::new(BTreeMap::new()),
            propagation,
        }
    }

    /// The endpoint is there: references can find associations from now on.
    pub(crate) fn connect(&self, peers: Peers) {
        // Set once, by the node's start.
        let _ = self.peers.set(peers);
    }

    /// The association with that life of that node, if it is a member.
    pub(crate) fn association(&self, to: Address) -> Result<Arc<Association>, Failure> {
        let unreachable = |detail| Failure::not_delivered(FailureKind::Unreachable, detail);
        let Some(peers) = self.peers.get() else {
            return Err(unreachable("this node has no endpoint yet".to_owned()));
        };
        let id = PeerId { node: to.node, incarnation: to.incarnation };
        if let Some(association) = peers.get(id) {
            return Ok(association);
        }
        match self.directory.member(to.node) {
            Some(member) if member.incarnation == to.incarnation => {
                Ok(peers.associate(id, member.addr))
            }
            Some(_) => Err(unreachable(format!(
                "node {} lives on under another incarnation: look the actor up again",
                to.node
            ))),
            None => Err(unreachable(format!("node {} is not a member of the cluster", to.node))),
        }
    }

    /// The association with that life of that node, if there is one.
    pub(crate) fn known(&self, peer: PeerId) -> Option<Arc<Association>> {
        self.peers.get()?.get(peer)
    }

    /// Passes on a message that another program has archived: in its layout, which may be none of ours and is therefore not
    /// remembered here. `name` is what people call it.
    ///
    /// # Errors
    /// When it was not taken; then it is certainly not delivered.
    pub(crate) fn pass_on(
        &self,
        to: Address,
        (message, layout): (MessageId, Fingerprint),
        name: &str,
        encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), Failure> {
        let association = self.association(to)?;
        let header = MessageHeader {
            to: to.key,
            message,
            fingerprint: Some(layout),
            ask: AskId::NONE,
            remaining: None,
            repeat: None,
            stream: None,
            trace: outgoing_trace(&*self.propagation),
        };
        let sent = association.try_send(header, encode);
        sent.map(drop).map_err(|refused| refuse(name, &refused).failure)
    }

    /// Our layout of a message that is made here.
    fn layout(&self, parcel: &dyn Parcel) -> Fingerprint {
        let message = parcel.message();
        let known =
            self.layouts.read().unwrap_or_else(PoisonError::into_inner).get(&message).copied();
        known.unwrap_or_else(|| {
            let fingerprint = parcel.fingerprint();
            let mut layouts = self.layouts.write().unwrap_or_else(PoisonError::into_inner);
            layouts.insert(message, fingerprint);
            fingerprint
        })
    }
}

/// The remote half of every reference: shared by all routes of a node.
#[derive(Clone)]
pub(crate) struct OutboundRemotes(pub(crate) Arc<Outbound>);

impl Remotes for OutboundRemotes {
    fn route(&self, to: Address) -> Arc<dyn Route> {
        Arc::new(RemoteRoute {
            outbound: Arc::clone(&self.0),
            to,
            association: OnceLock::new(),
            agreed: AtomicU64::new(0),
        })
    }
}

/// Where a message waits for room in its lane, or for its receiver's credit.
const LANE_LINE: u8 = 0;
/// Where an ask waits for a place in the table of asks.
const ASKS_LINE: u8 = 1;
/// Where one waits whose answer is a stream.
const STREAMS_LINE: u8 = 2;

/// The way to one actor of another node.
struct RemoteRoute {
    outbound: Arc<Outbound>,
    to: Address,
    /// Found at the first send. An association is one life of a node, as is a reference, so it never changes.
    association: OnceLock<Arc<Association>>,
    /// The last message type whose layout the peer was found to share; a life of a node never changes its mind.
    agreed: AtomicU64,
}

impl RemoteRoute {
    fn association(&self) -> Result<&Arc<Association>, Refused> {
        if let Some(association) = self.association.get() {
            return Ok(association);
        }
        let found = self.outbound.association(self.to).map_err(|failure| Refused { failure })?;
        Ok(self.association.get_or_init(|| found))
    }

    /// Makes a waiter stand in that line and in no other: a place that it was woken for and cannot use is the next
    /// one's.
    fn turn_to(&self, line: u8, waiter: &mut RoomWaiter) {
        if waiter.line != line && waiter.slot != 0 {
            self.forget_room(waiter);
        }
        waiter.line = line;
    }

    fn send(
        &self,
        association: &Association,
        parcel: &mut dyn Parcel,
        ask: AskId,
    ) -> Result<Position, Refused> {
        let header = MessageHeader {
            ask,
            remaining: parcel.remaining(),
            repeat: parcel.repeat(),
            stream: parcel.is_streaming().then(|| self.outbound.asks.stream_window()),
            trace: outgoing_trace(&*self.outbound.propagation),
            ..self.header(parcel)
        };
        self.put(association, header, parcel)
    }

    /// What is said with every message.
    fn header(&self, parcel: &dyn Parcel) -> MessageHeader {
        let message = parcel.message();
        let agreed = self.agreed.load(Ordering::Relaxed) == message.0;
        MessageHeader {
            to: self.to.key,
            message,
            fingerprint: (!agreed).then(|| self.outbound.layout(parcel)),
            ask: AskId::NONE,
            remaining: None,
            repeat: None,
            stream: None,
            trace: None,
        }
    }

    fn put(
        &self,
        association: &Association,
        header: MessageHeader,
        parcel: &mut dyn Parcel,
    ) -> Result<Position, Refused> {
        let (message, is_checked) = (header.message, header.fingerprint.is_some());
        match association.try_send(header, &mut |out| parcel.encode(out)) {
            Ok(position) => {
                // Where there are several layouts, each frame says which it has.
                if is_checked && association.has_one_layout(message) {
                    self.agreed.store(message.0, Ordering::Relaxed);
                }
                Ok(position)
            }
            Err(refused) => Err(refuse(parcel.name(), &refused)),
        }
    }
}

/// Of which asks the waiter stands in line for a place in their table.
fn table_line(waiter: &RoomWaiter) -> Option<AskKind> {
    match waiter.line {
        ASKS_LINE => Some(AskKind::Plain),
        STREAMS_LINE => Some(AskKind::Stream),
        _ => None,
    }
}

/// Says in the caller's words why a frame was not taken.
#[cold]
fn refuse(name: &str, refused: &SendRefused) -> Refused {
    let kind = match refused {
        refused if refused.is_full() => FailureKind::Full,
        SendRefused::NotAccepted | SendRefused::Incompatible { .. } => FailureKind::Incompatible,
        SendRefused::TooLong { .. } | SendRefused::Encode(_) | SendRefused::Frame(_) => {
            FailureKind::Unsendable
        }
        SendRefused::Stopping => FailureKind::Stopped,
        _ => FailureKind::Unreachable,
    };
    let detail = format!("{name}: {refused}");
    let failure = Failure::not_delivered(kind, detail);
    let failure = match *refused {
        SendRefused::Incompatible { ours, theirs } => {
            failure.with_layouts(Layouts { ours, theirs })
        }
        _ => failure,
    };
    Refused { failure }
}

impl Route for RemoteRoute {
    fn address(&self) -> Address {
        self.to
    }

    fn try_send(&self, parcel: &mut dyn Parcel) -> Result<(), Refused> {
        let association = self.association()?;
        let message = parcel.message();
        let trace = outgoing_trace(&*self.outbound.propagation);
        // As most tells are: nothing is made that is looked at in vain.
        if trace.is_none() && self.agreed.load(Ordering::Relaxed) == message.0 {
            let told =
                association.try_tell(self.to.key, message, &mut |out| parcel.encode(out)).map(drop);
            return told.map_err(|refused| refuse(parcel.name(), &refused));
        }
        self.put(association, MessageHeader { trace, ..self.header(parcel) }, parcel).map(drop)
    }

    fn poll_room(&self, waiter: &mut RoomWaiter, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(kind) = table_line(waiter) {
            return self.outbound.asks.poll_place(kind, &mut waiter.slot, cx);
        }
        let Some(association) = self.association.get() else { return Poll::Ready(()) };
        let mut place = LaneWaiter::from_number(self.to.key, waiter.slot);
        let ready = association.poll_room(self.to.key, &mut place, cx);
        waiter.slot = place.number();
        ready
    }

    fn forget_room(&self, waiter: &mut RoomWaiter) {
        if let Some(kind) = table_line(waiter) {
            self.outbound.asks.forget_place(kind, &mut waiter.slot);
            return;
        }
        if let Some(association) = self.association.get() {
            association
                .forget_room(self.to.key, &mut LaneWaiter::from_number(self.to.key, waiter.slot));
        }
        waiter.slot = 0;
    }

    fn ask(
        &self,
        parcel: &mut dyn Parcel,
        answer: Arc<dyn RemoteAnswer>,
        waiter: &mut RoomWaiter,
    ) -> Result<AskId, Refused> {
        let association = self.association()?;
        let kind = AskKind::of(parcel.is_streaming());
        let opened = match self.outbound.asks.open(association, &answer, kind) {
            Ok(opened) => opened,
            Err(failure) => {
                self.turn_to(
                    if kind == AskKind::Stream { STREAMS_LINE } else { ASKS_LINE },
                    waiter,
                );
                return Err(Refused { failure });
            }
        };
        match self.send(association, parcel, opened.ask()) {
            Ok(position) => Ok(opened.placed(position)),
            Err(refused) => {
                drop(opened);
                self.turn_to(LANE_LINE, waiter);
                Err(refused)
            }
        }
    }

    fn give_up(&self, ask: AskId) -> Certainty {
        match self.outbound.asks.close(ask) {
            Some((Certainty::NotDelivered, _)) => Certainty::NotDelivered,
            Some((certainty, association)) => {
                // Not connected: the peer has lost the ask as well, there is nothing to cancel.
                let _ = frames::cancel(&association, ask);
                certainty
            }
            // It was answered just now, and so it left.
            None => Certainty::MayHaveRun,
        }
    }

    fn took_item(&self, ask: AskId, frame_bytes: usize) {
        if let Some((association, total)) = self.outbound.asks.took_item(ask, frame_bytes) {
            frames::stream_credit(&association, ask, total);
        }
    }

    fn look(&self, life: Incarnation, wait: Wait) {
        self.outbound.look(life, &wait);
    }

    fn watch(&self, watch: WatchId, watcher: Option<ActorKey>) -> Result<(), ExitReason> {
        let lost = |refused: Refused| ExitReason::new(ExitKind::NodeLost, &refused.failure.detail);
        let association = self.association().map_err(lost)?;
        // Whoever watches must hear of the end, also when it sends nothing.
        association.keep(true);
        match frames::watch(association, watch, self.to.key, watcher) {
            Err(SendRefused::Closed(why)) => {
                Err(ExitReason::new(ExitKind::NodeLost, &why.to_string()))
            }
            // Not connected now: all watches are sent again once the association is up.
            Err(_) => Ok(()),
            Ok(()) => Ok(()),
        }
    }

    fn unwatch(&self, watch: WatchId) {
        if let Some(association) = self.association.get() {
            // Not connected: the watch is not among those sent again.
            let _ = frames::unwatch(association, watch, self.to.key);
        }
    }
}
