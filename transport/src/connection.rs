//! One connection from its handshake to its loss.
//!
//! It opens the association, runs a task for each stream, and ends with the first of them that ends badly, or with a
//! reason from outside. What had arrived before a peer's close is still read and delivered; then the association is
//! told once. Streams are in `stream_out.rs` and `stream_in.rs`.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon_env::buggify::any_order;
use odeon_wire::{CloseCode, FrameLimits};
use quinn::{ConnectionError, ReadError, WriteError};
use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};

use crate::{
    Association, LostReason, TransportConfig,
    association::{Counters, Road, control::ControlQueue},
    bulk_in::BulkReads,
    bulk_out::{Precedence, write_bulk},
    carrier::Connection,
    driver::Driver,
    exchange::{Established, close, close_code},
    hub::Hub,
    hush,
    rotation::Shown,
    stream_in::{read_control, read_datagrams, read_streams},
    stream_out::{write_control, write_lane},
};

/// How often idle credit is forgotten and idle associations are looked for.
const SWEEP_PAUSE: Duration = Duration::from_secs(10);

/// Why a connection ends, and what the peer is told; nothing if it cannot be told.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) why: LostReason,
    pub(crate) close: Option<(CloseCode, Box<str>)>,
}

impl End {
    /// This side ends it.
    pub(crate) fn ours(why: LostReason, code: CloseCode) -> Self {
        let text = why.to_string().into();
        Self { why, close: Some((code, text)) }
    }

    /// The connection is lost, as another of its tasks says more exactly.
    pub(crate) fn lost() -> Self {
        Self { why: LostReason::Transport("the connection is lost".into()), close: None }
    }

    /// The peer broke the protocol.
    pub(crate) fn protocol(code: CloseCode, cause: &dyn std::fmt::Display) -> Self {
        let text: Box<str> = cause.to_string().into();
        Self { why: LostReason::Protocol(text.clone()), close: Some((code, text)) }
    }
}

impl From<ConnectionError> for End {
    fn from(cause: ConnectionError) -> Self {
        let why = match &cause {
            ConnectionError::ApplicationClosed(close) => {
                let (code, text) = close_code(close);
                LostReason::ClosedByPeer { code, text }
            }
            ConnectionError::TimedOut => LostReason::TimedOut,
            ConnectionError::Reset => LostReason::Reset,
            ConnectionError::LocallyClosed => LostReason::Closed,
            _ => LostReason::Transport(cause.to_string().into()),
        };
        Self { why, close: None }
    }
}

/// A task of the connection panicked, or whoever receives its events did.
impl From<JoinError> for End {
    fn from(failed: JoinError) -> Self {
        tracing::error!("a task of a connection failed: {failed}");
        Self::ours(LostReason::Transport(failed.to_string().into()), CloseCode::Done)
    }
}

impl From<ReadError> for End {
    fn from(cause: ReadError) -> Self {
        match cause {
            ReadError::ConnectionLost(cause) => cause.into(),
            other => Self::protocol(CloseCode::Protocol, &other),
        }
    }
}

impl From<WriteError> for End {
    fn from(cause: WriteError) -> Self {
        match cause {
            WriteError::ConnectionLost(cause) => cause.into(),
            other => Self::protocol(CloseCode::Protocol, &other),
        }
    }
}

/// Which task has ended well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// A lane was written to its end.
    LaneWriter,
    /// All large messages were written to their ends.
    BulkWriter,
    /// The control stream was written to its end.
    ControlWriter,
    /// The peer has ended what it sends.
    Reader,
}

/// What the tasks of one connection share.
pub(crate) struct Live {
    pub(crate) hub: Rc<Hub>,
    pub(crate) association: Arc<Association>,
    pub(crate) connection: Connection,
    pub(crate) control: Arc<ControlQueue>,
    /// Lanes that the peer said it opens.
    pub(crate) peer_lanes: u8,
    /// What the peer announces of large messages.
    pub(crate) bulk_reads: BulkReads,
    /// What goes before large messages of ours.
    pub(crate) precedence: Precedence,
    /// The peer has said that it stops.
    pub(crate) is_hushed: Cell<bool>,
    /// What the association looks at; it ends with this.
    _path: Option<Arc<quinn::Connection>>,
    /// The peer's certificate, and how it was accepted.
    shown: RefCell<Shown>,
}

impl Live {
    pub(crate) fn config(&self) -> &TransportConfig {
        &self.hub.shared.config
    }

    pub(crate) fn limits(&self) -> FrameLimits {
        FrameLimits {
            frame_bytes_max: self.config().frame_bytes_max as usize,
            ..FrameLimits::default()
        }
    }
}

/// Runs a connection until it is lost.
pub(crate) async fn run(hub: &Rc<Hub>, driver: &Rc<Driver>, established: Established) {
    let Established {
        connection, control: (send, recv), reader, hello, first, shown, lives, ..
    } = established;
    let association = Arc::clone(&driver.association);
    hub.outlived(association.peer().id).await;
    let config = &hub.shared.config;
    let connection = connection.release();
    let path = connection.path();
    let road = Road::new(connection.remote_address(), path.as_ref());
    let live = Rc::new(Live {
        hub: Rc::clone(hub),
        association: Arc::clone(&association),
        connection,
        control: Arc::new(ControlQueue::new(first, config.control_bytes_max)),
        peer_lanes: hello.lanes,
        bulk_reads: BulkReads::new(config.bulk_terms(), config.connection_window),
        precedence: Precedence::default(),
        is_hushed: Cell::new(false),
        _path: path,
        shown: RefCell::new(shown),
    });
    association.open(Arc::clone(&live.control), road);
    driver.set_live(Some((live.connection.clone(), Arc::clone(&live.control))));
    hub.note("association up", &association.peer().id);
    hub.events.up(&association);
    if hub.is_leaving.get() {
        hush::say_leaving(&association, &live.control);
    }
    if hub.is_hushing.get() {
        hush::ask(hub, &association, &live.control);
    }
    if let Some(pending) = driver.take_pending() {
        driver.send_datagram(hub, pending);
    }

    let mut writers: JoinSet<Result<Part, End>> = JoinSet::new();
    writers.spawn_local(any_order(Box::pin(write_control(Rc::clone(&live), send))));
    for index in 0..config.lanes {
        writers.spawn_local(any_order(Box::pin(write_lane(Rc::clone(&live), index))));
    }
    writers.spawn_local(any_order(Box::pin(write_bulk(Rc::clone(&live)))));
    writers.spawn_local(any_order(Box::pin(keep_house(Rc::clone(&live)))));
    let mut readers: JoinSet<Result<Part, End>> = JoinSet::new();
    readers.spawn_local(any_order(Box::pin(read_control(Rc::clone(&live), recv, reader))));
    readers.spawn_local(any_order(Box::pin(read_streams(Rc::clone(&live)))));
    readers.spawn_local(any_order(Box::pin(read_datagrams(Rc::clone(&live)))));

    let end = wait(hub, driver, &live, lives, [&mut writers, &mut readers]).await;
    // No writer may take what is sent from now on: it waits for the next connection.
    writers.shutdown().await;
    finish(hub, driver, &live, end, readers).await;
}

/// Waits until the connection shall end.
async fn wait(
    hub: &Rc<Hub>,
    driver: &Driver,
    live: &Live,
    lives: u64,
    [writers, readers]: [&mut JoinSet<Result<Part, End>>; 2],
) -> End {
    let mut lanes_open = hub.shared.config.lanes;
    loop {
        if let Some(end) = ordered_end(hub, driver, live, lives) {
            return end;
        }
        let done = tokio::select! {
            biased;
            () = driver.association.nudged() => continue,
            Some(done) = readers.join_next() => done,
            Some(done) = writers.join_next() => done,
        };
        match done {
            Ok(Ok(Part::LaneWriter)) => {
                lanes_open -= 1;
                if lanes_open == 0 {
                    // Nothing more is announced.
                    live.association.bulk().drain();
                }
            }
            Ok(Ok(Part::BulkWriter)) => live.control.drain(),
            Ok(Ok(Part::ControlWriter)) => {
                return End::ours(LostReason::Closed, CloseCode::Stopping);
            }
            Ok(Ok(Part::Reader)) => {}
            Ok(Err(end)) => return end,
            Err(failed) => return End::from(failed),
        }
    }
}

/// Whether something outside of the connection ends it.
fn ordered_end(hub: &Hub, driver: &Driver, live: &Live, lives: u64) -> Option<End> {
    if driver.has_delivery() {
        return Some(End::ours(LostReason::Replaced, CloseCode::Replaced));
    }
    if let Some(why) = driver.association.closed() {
        let code = match why {
            LostReason::Quarantined => CloseCode::Quarantined,
            LostReason::Restarted(_) => CloseCode::Replaced,
            LostReason::Closed => CloseCode::Stopping,
            _ => CloseCode::Done,
        };
        return Some(End::ours(why, code));
    }
    if let Some(end) = mistrusted(hub, live) {
        return Some(end);
    }
    let unread = [
        (driver.association.is_overflown(), "the peer does not read its lanes"),
        (live.control.is_overflown(), "the peer does not read its control stream"),
    ];
    if let Some((_, text)) = unread.into_iter().find(|(is_unread, _)| *is_unread) {
        return Some(End::ours(LostReason::Protocol(text.into()), CloseCode::Overloaded));
    }
    let reborn = hub.shared.lives() != lives;
    reborn.then(|| End::ours(LostReason::Reincarnated, CloseCode::Done))
}

/// Whether this node has another identity since the peer was accepted, and would not accept it any more.
fn mistrusted(hub: &Hub, live: &Live) -> Option<End> {
    let mut shown = live.shown.borrow_mut();
    if shown.accepted_under == hub.standing.changes() {
        return None;
    }
    shown.accepted_under = hub.standing.changes();
    let cause: Box<str> = hub.mistrusts(&shown.chain, shown.dialled)?.to_string().into();
    let peer = live.association.peer();
    tracing::warn!(
        peer = peer.name(), incarnation = %peer.id.incarnation, %cause,
        "closing a connection: the peer's certificate is not accepted any more"
    );
    Some(End::ours(LostReason::Untrusted(cause), CloseCode::Refused))
}

/// Reads what had arrived, closes, and tells of the loss.
async fn finish(
    hub: &Rc<Hub>,
    driver: &Driver,
    live: &Live,
    end: End,
    mut readers: JoinSet<Result<Part, End>>,
) {
    let association = &live.association;
    driver.set_live(None);
    match &end.close {
        Some((code, text)) => {
            close(&live.connection, *code, text);
            readers.shutdown().await;
        }
        // The connection is gone, so readers end as soon as they have read what is there.
        None => while readers.join_next().await.is_some() {},
    }
    if let LostReason::Protocol(text) = &end.why {
        hub.bad_peer(association, text);
    }
    let dropped = association.lost();
    hub.flushes.over(association.peer().id);
    driver.rest();
    Counters::add(&association.counters.frames_dropped, dropped);
    association.take_down_due();
    hub.note("association down", &format_args!("{}: {}", association.peer().id, end.why));
    hub.events.down(association, &end.why);
}

/// Forgets idle credit, and ends a connection that nobody needs, or whose peer does not send what it announced.
async fn keep_house(live: Rc<Live>) -> Result<Part, End> {
    let dialled = live.shown.borrow().dialled;
    let idle_after = live.config().gossip_idle;
    let pause = SWEEP_PAUSE.min(idle_after / 2).max(Duration::from_millis(1));
    let mut seen = live.association.counters.activity();
    let mut active_at = Instant::now();
    loop {
        tokio::time::sleep(pause).await;
        live.association.lanes().iter().for_each(|lane| lane.sweep());
        live.association.settle();
        if let Some(end) = live.bulk_reads.silence(live.config().bulk_silence) {
            return Err(end);
        }
        let now = live.association.counters.activity();
        let is_busy = live.association.has_frames() || live.bulk_reads.is_waiting();
        if now != seen || live.association.is_kept() || is_busy {
            seen = now;
            active_at = Instant::now();
        } else if dialled && active_at.elapsed() >= idle_after {
            // Only the side that dialled ends it: the other may not know that it is wanted.
            return Err(End::ours(LostReason::Idle, CloseCode::Done));
        }
    }
}
