//! The streams of items that this node sends to others.
//!
//! What it is: (peer, ask) -> how far the asker lets the sender go, and the task that takes one item after the other out of
//! what the handler returned and puts it into the lane. What it is NOT: where items come from (`odeon-actor`), nor the
//! asker's side, which is in the table of asks (`asks.rs`). An entry leaves with its task: at the end of the stream, when
//! the asker cancels it, or when the connection is lost.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use odeon_actor::ActorSystem;
use odeon_message::{ActorKey, Archived, AskId, Certainty, Failure, FailureKind, Outflow};
use odeon_transport::{Association, PeerId, RoomWaiter};
use odeon_wire::{
    ItemsBook, StreamCredit,
    format::{HEADER_BYTES, padded},
};

use crate::frames;

/// One stream, as the asker's frames see it.
struct Outgoing {
    book: ItemsBook,
    /// Nobody takes its items any more.
    over: bool,
    waker: Option<Waker>,
}

type Table = BTreeMap<(PeerId, AskId), Outgoing>;

/// The streams that one node sends.
pub(crate) struct Streams {
    table: Mutex<Table>,
    streams_max: usize,
}

/// The asker takes no more items.
struct Over;

impl Streams {
    /// Twice as many as a node reads: where one reader has as many as it may, its cancel of one and its ask for the next
    /// travel on different streams, and cross.
    pub(crate) fn new(streams_max: u32) -> Self {
        let streams_max = (streams_max.max(1) as usize).saturating_mul(2);
        Self { table: Mutex::default(), streams_max }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing between the statements of a change panics.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.table().len()
    }

    fn open(
        self: &Arc<Self>,
        peer: &Arc<Association>,
        ask: AskId,
        credit: StreamCredit,
    ) -> Result<Open, Failure> {
        let full = |detail| Failure::new(FailureKind::Full, Certainty::Ran, detail);
        let key = (peer.peer().id, ask);
        let mut table = self.table();
        if table.len() >= self.streams_max {
            let streams_max = self.streams_max;
            return Err(full(format!(
                "{streams_max} streams to other nodes are open already, twice streams_max: end some, or raise it"
            )));
        }
        if table.contains_key(&key) {
            return Err(full(format!("ask {ask} has a stream already")));
        }
        let book = ItemsBook::new(credit);
        table.insert(key, Outgoing { book, over: false, waker: None });
        Ok(Open { streams: Arc::clone(self), peer: Arc::clone(peer), ask, ended: false })
    }

    /// The asker takes more.
    pub(crate) fn grant(&self, peer: PeerId, ask: AskId, total: StreamCredit) {
        let mut table = self.table();
        // It may have ended while the grant was on its way.
        let Some(stream) = table.get_mut(&(peer, ask)) else { return };
        let waker = stream.book.grant(total).then(|| stream.waker.take()).flatten();
        drop(table);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The asker takes no more; whether there was a stream.
    pub(crate) fn cancel(&self, peer: PeerId, ask: AskId) -> bool {
        let mut table = self.table();
        let Some(stream) = table.get_mut(&(peer, ask)) else { return false };
        stream.over = true;
        let waker = stream.waker.take();
        drop(table);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// The connection is gone, and all streams over it.
    pub(crate) fn lost(&self, peer: PeerId) {
        let mut table = self.table();
        let of_peer = (peer, AskId(0))..=(peer, AskId(u64::MAX));
        let wakers: Vec<Waker> = table
            .range_mut(of_peer)
            .filter_map(|(_, stream)| {
                stream.over = true;
                stream.waker.take()
            })
            .collect();
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Answers an ask with a stream, and has a task of the node send its items. `is_cancelled` is asked once the stream can
    /// be cancelled by a frame.
    pub(crate) fn begin(
        self: &Arc<Self>,
        system: &ActorSystem,
        (peer, ask): (&Arc<Association>, AskId),
        credit: StreamCredit,
        outflow: Box<dyn Outflow>,
        is_cancelled: impl FnOnce() -> bool,
    ) {
        let mut open = match self.open(peer, ask, credit) {
            Ok(open) => open,
            Err(failure) => return frames::error(peer, ask, &failure),
        };
        if is_cancelled() || !frames::stream_begins(peer, ask) {
            open.ended = true;
            return;
        }
        // One that is not taken is dropped, and says so to the asker.
        let _ = system.spawn_task(send_all(open, outflow)).map(odeon_actor::TaskHandle::detach);
    }
}

/// An entry of the table, and the duty to end the stream.
struct Open {
    streams: Arc<Streams>,
    peer: Arc<Association>,
    ask: AskId,
    /// The asker needs to be told nothing more.
    ended: bool,
}

impl Open {
    /// What the table says of it; the waker is used when that changes.
    fn look<R>(&self, cx: &Context<'_>, look: impl FnOnce(&ItemsBook) -> R) -> Result<R, Over> {
        let mut table = self.streams.table();
        let stream = table.get_mut(&(self.peer.peer().id, self.ask)).filter(|stream| !stream.over);
        let Some(stream) = stream else { return Err(Over) };
        match &mut stream.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => stream.waker = Some(cx.waker().clone()),
        }
        Ok(look(&stream.book))
    }

    fn poll_credit(&self, cx: &Context<'_>) -> Poll<Result<(), Over>> {
        match self.look(cx, ItemsBook::has_room) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(over) => Poll::Ready(Err(over)),
        }
    }

    /// Puts an item into the lane, once there is room: `Ok` of a failure ends the stream.
    async fn send(&self, archive: &[u8]) -> Result<Option<Failure>, Over> {
        let mut place = Place::new(self);
        loop {
            match frames::stream_item(&self.peer, self.ask, archive) {
                Ok(()) => {
                    let mut table = self.streams.table();
                    if let Some(stream) = table.get_mut(&(self.peer.peer().id, self.ask)) {
                        stream.book.take(HEADER_BYTES + padded(archive.len()));
                    }
                    return Ok(None);
                }
                Err(refused) if refused.is_full() => {}
                Err(refused) => {
                    let detail = format!("an item of the stream: {refused}");
                    let kind = FailureKind::Unsendable;
                    return Ok(Some(Failure::new(kind, Certainty::Ran, detail)));
                }
            }
            poll_fn(|cx| match self.look(cx, |_| ()) {
                Err(over) => Poll::Ready(Err(over)),
                Ok(()) => place.poll(cx).map(Ok),
            })
            .await?;
        }
    }

    fn end(mut self, failure: Option<Failure>) {
        self.ended = true;
        frames::stream_end(&self.peer, self.ask, failure);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let entry = self.streams.table().remove(&(self.peer.peer().id, self.ask));
        if !self.ended && entry.is_some_and(|stream| !stream.over) {
            let (kind, detail) = match std::thread::panicking() {
                true => (FailureKind::Unsendable, "archiving an item of the stream panicked"),
                false => (FailureKind::Stopped, "the sending node stops, or takes no more tasks"),
            };
            let failure = Failure::new(kind, Certainty::Ran, detail);
            frames::stream_end(&self.peer, self.ask, Some(failure));
        }
    }
}

/// A place in the line for room in the lane.
struct Place<'a> {
    peer: &'a Association,
    key: ActorKey,
    waiter: RoomWaiter,
}

impl<'a> Place<'a> {
    fn new(open: &'a Open) -> Self {
        let key = frames::stream_lane(open.ask);
        Self { peer: &open.peer, key, waiter: RoomWaiter::default() }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.peer.poll_room(self.key, &mut self.waiter, cx)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.peer.forget_room(self.key, &mut self.waiter);
    }
}

/// Sends one item after the other, as far as the asker takes them.
async fn send_all(open: Open, mut outflow: Box<dyn Outflow>) {
    let mut archive = Vec::new();
    loop {
        archive.clear();
        let next = poll_fn(|cx| match open.look(cx, |_| ()) {
            Err(Over) => Poll::Ready(None),
            Ok(()) => outflow.poll_archive(cx, &mut archive).map(Some),
        });
        match next.await {
            None => return,
            Some(Archived::End) => return open.end(None),
            Some(Archived::Failed(failure)) => return open.end(Some(failure)),
            Some(Archived::Item) => {}
        }
        if poll_fn(|cx| open.poll_credit(cx)).await.is_err() {
            return;
        }
        match open.send(&archive).await {
            Err(Over) => return,
            Ok(Some(failure)) => return open.end(Some(failure)),
            Ok(None) => {}
        }
        // A source that always has something must not keep the worker from its actors.
        tokio::task::coop::consume_budget().await;
    }
}
