//! The table of asks that wait for another node.
//!
//! What it is: ask id -> who is waiting, which life of which peer must answer, and where in its lane the frame lies.
//! What it is NOT: the way out (`outbound.rs`) or the way in (`inbound.rs`); both lead here. An entry leaves exactly
//! once: by a reply, an error frame, the caller giving up, or the loss of the association, and whoever takes it
//! out tells the caller. One that is answered with a stream leaves
//! at the end of that (`asks/streams.rs`). Who finds the table full waits in its line (`asks/line.rs`).

mod line;
mod numbered;
mod streams;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use odeon_actor::{RemoteAnswer, SystemConfig};
use odeon_message::{AskId, Certainty, Failure, FailureKind, planted::Bug};
use odeon_transport::{Association, PeerId, Position};
use odeon_wire::StreamCredit;

use crate::network_metrics::AskCounts;
use line::Line;
use numbered::Numbered;
use streams::Stream;

/// One ask on its way.
struct Pending {
    association: Arc<Association>,
    /// Where its frame lies; `None` until the lane has taken it.
    position: Option<Position>,
    answer: Arc<dyn RemoteAnswer>,
    /// For one that is answered with a stream.
    stream: Option<Stream>,
}

/// What an ask is answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AskKind {
    Plain,
    Stream,
}

impl AskKind {
    pub(crate) fn of(is_streaming: bool) -> Self {
        if is_streaming { Self::Stream } else { Self::Plain }
    }
}

impl Pending {
    /// Whether it was answered, and items come.
    fn is_open(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.is_open)
    }

    fn kind(&self) -> AskKind {
        AskKind::of(self.stream.is_some())
    }

    /// What is known about an ask whose answer will not come.
    fn certainty(&self) -> Certainty {
        match self.position {
            Some(position)
                if self.association.handed(position) && !Bug::LostAskNotDelivered.is_planted() =>
            {
                Certainty::MayHaveRun
            }
            _ => Certainty::NotDelivered,
        }
    }
}

/// The asks of one node that wait for other nodes.
pub(crate) struct Asks {
    table: Mutex<Table>,
    asks_max: usize,
    streams_max: usize,
    stream_window: StreamCredit,
}

#[derive(Default)]
struct Table {
    last: u64,
    pending: Numbered<Pending>,
    /// How many of them are answered with a stream.
    streams: usize,
    /// Entries that left without an answer, and answers without an entry.
    unanswered: u64,
    late: u64,
    /// Who waits for a place.
    line: Line,
    /// Who waits for a place for a stream.
    streams_line: Line,
}

impl Table {
    /// Takes an entry out that ends without an answer.
    fn give_up(&mut self, ask: AskId) -> Option<(Pending, Option<Waker>)> {
        let removed = self.remove(ask)?;
        // A stream that had begun was answered.
        self.unanswered += u64::from(!removed.0.is_open());
        Some(removed)
    }

    /// Takes an entry out; its place goes to the next in line, to be woken without the lock.
    fn remove(&mut self, ask: AskId) -> Option<(Pending, Option<Waker>)> {
        let pending = self.pending.remove(ask)?;
        let next = self.left(&pending);
        Some((pending, next))
    }

    /// An entry was taken out; who is next in its line.
    fn left(&mut self, pending: &Pending) -> Option<Waker> {
        if pending.stream.is_some() {
            self.streams -= 1;
        }
        self.line(pending.kind()).wake()
    }

    fn line(&mut self, kind: AskKind) -> &mut Line {
        match kind {
            AskKind::Plain => &mut self.line,
            AskKind::Stream => &mut self.streams_line,
        }
    }

    /// Asks that wait for their answer and nothing else.
    fn asks(&self) -> usize {
        self.pending.len() - self.streams
    }
}

/// A place in the table for an ask whose frame is being written. Dropped before it is [`placed`](Self::placed),
/// because the frame was refused or writing it panicked, it gives the place back.
pub(crate) struct Opened<'a> {
    asks: &'a Asks,
    ask: AskId,
    is_placed: bool,
}

impl Opened<'_> {
    /// The number of the ask.
    pub(crate) fn ask(&self) -> AskId {
        self.ask
    }

    /// Notes where the frame lies. If the association was lost meanwhile the ask ends here.
    pub(crate) fn placed(mut self, position: Position) -> AskId {
        self.is_placed = true;
        self.asks.placed(self.ask, position);
        self.ask
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if self.is_placed {
            return;
        }
        let removed = self.asks.table().remove(self.ask);
        removed.and_then(|(_, next)| next).into_iter().for_each(Waker::wake);
    }
}

impl Asks {
    pub(crate) fn new(bounds: &SystemConfig) -> Self {
        let items = u64::from(bounds.stream_items);
        let bytes = u64::from(bounds.stream_bytes);
        Self {
            table: Mutex::default(),
            asks_max: bounds.remote_asks_max.max(1) as usize,
            streams_max: bounds.streams_max.max(1) as usize,
            stream_window: StreamCredit { items, bytes },
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // The table is consistent between any two statements: a panic elsewhere does not spoil it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place in the table before the frame is written.
    ///
    /// When the table is full, the caller waits with [`poll_place`](Self::poll_place).
    pub(crate) fn open(
        &self,
        association: &Arc<Association>,
        answer: &Arc<dyn RemoteAnswer>,
        kind: AskKind,
    ) -> Result<Opened<'_>, Failure> {
        let mut table = self.table();
        let Self { asks_max, streams_max, .. } = self;
        let full = match kind {
            AskKind::Plain if table.asks() >= *asks_max => {
                Some(format!("{asks_max} asks of this node wait for other nodes already"))
            }
            AskKind::Stream if table.streams >= *streams_max => {
                Some(format!("this node has {streams_max} streams from other nodes already"))
            }
            _ => None,
        };
        if let Some(detail) = full {
            return Err(Failure::not_delivered(FailureKind::Full, detail));
        }
        let stream = (kind == AskKind::Stream).then(|| Stream::new(self.stream_window));
        table.last = match Bug::AskNumberReused.is_planted() {
            true => (1..).find(|ask| !table.pending.contains(AskId(*ask))).unwrap_or(0),
            false => table.last + 1,
        };
        let ask = AskId(table.last);
        let pending = Pending {
            association: Arc::clone(association),
            position: None,
            answer: Arc::clone(answer),
            stream,
        };
        table.streams += usize::from(kind == AskKind::Stream);
        table.pending.insert(ask, pending);
        Ok(Opened { asks: self, ask, is_placed: false })
    }

    /// Ready when [`open`](Self::open) is worth a try: at the first call, then when a place came free and it is the
    /// caller's turn. `place` is 0 at first; [`forget_place`](Self::forget_place) it when done.
    pub(crate) fn poll_place(&self, kind: AskKind, place: &mut u64, cx: &Context<'_>) -> Poll<()> {
        self.table().line(kind).poll(place, cx.waker())
    }

    /// Leaves the line; if it was the caller's turn, it is the next one's.
    pub(crate) fn forget_place(&self, kind: AskKind, place: &mut u64) {
        let next = self.table().line(kind).forget(place);
        next.into_iter().for_each(Waker::wake);
    }

    fn placed(&self, ask: AskId, position: Position) {
        let mut table = self.table();
        let Some(pending) = table.pending.get_mut(ask) else { return };
        pending.position = Some(position);
        if !pending.association.is_lost(position) {
            return;
        }
        let removed = table.give_up(ask);
        drop(table);
        if let Some((pending, next)) = removed {
            next.into_iter().for_each(Waker::wake);
            fail(&pending, FailureKind::Unreachable, "the connection was lost");
        }
    }

    fn give_up(&self, ask: AskId) -> Option<Pending> {
        let (pending, next) = self.table().give_up(ask)?;
        next.into_iter().for_each(Waker::wake);
        Some(pending)
    }

    /// Takes the ask out without telling its caller, who gave up or was refused. An ask whose frame still waits in
    /// its lane is made to expire there.
    ///
    /// Returns what is known about it, and where it went; `None` if it was answered meanwhile.
    pub(crate) fn close(&self, ask: AskId) -> Option<(Certainty, Arc<Association>)> {
        let (certainty, pending) = self.withdraw(ask)?;
        Some((certainty, pending.association))
    }

    /// Ends an ask that waits for itself in this circle, unless it was answered meanwhile, and tells its caller. Returns
    /// what is known about it, and where it went.
    pub(crate) fn deadlocked(
        &self,
        ask: AskId,
        circle: &str,
    ) -> Option<(Certainty, Arc<Association>)> {
        // One that was answered with a stream waits for nothing.
        if self.table().pending.get(ask)?.is_open() {
            return None;
        }
        let (certainty, pending) = self.withdraw(ask)?;
        pending.answer.answer(Err(Failure::new(FailureKind::Deadlock, certainty, circle)));
        Some((certainty, pending.association))
    }

    fn withdraw(&self, ask: AskId) -> Option<(Certainty, Pending)> {
        let pending = self.give_up(ask)?;
        let not_delivered =
            pending.position.is_none_or(|position| pending.association.withdraw(position));
        let certainty = if not_delivered { Certainty::NotDelivered } else { Certainty::MayHaveRun };
        Some((certainty, pending))
    }

    /// Takes out the ask that `peer` answers; an answer from anybody else is ignored, and so is one to an ask that was
    /// answered with a stream. One whose stream `begins` with that stays.
    pub(crate) fn answered(
        &self,
        ask: AskId,
        peer: PeerId,
        begins: bool,
    ) -> Option<Arc<dyn RemoteAnswer>> {
        let mut table = self.table();
        let known = table.pending.get_mut(ask);
        let known = known.filter(|it| it.association.peer().id == peer && !it.is_open());
        let Some(pending) = known else {
            table.late += 1;
            return None;
        };
        if let Some(stream) = pending.stream.as_mut().filter(|_| begins) {
            stream.is_open = true;
            return Some(Arc::clone(&pending.answer));
        }
        let (pending, next) = table.remove(ask)?;
        drop(table);
        next.into_iter().for_each(Waker::wake);
        Some(pending.answer)
    }

    /// Ends every ask whose frame went with a connection that is no more.
    pub(crate) fn lost(&self, association: &Arc<Association>, reason: &str) {
        self.end(FailureKind::Unreachable, reason, |pending| {
            Arc::ptr_eq(&pending.association, association)
                && pending.position.is_some_and(|position| association.is_lost(position))
        });
    }

    fn end(&self, kind: FailureKind, reason: &str, which: impl Fn(&Pending) -> bool) {
        let mut table = self.table();
        let ended = table.pending.take(which);
        table.unanswered += ended.iter().filter(|it| !it.is_open()).count() as u64;
        let next: Vec<Waker> = ended.iter().filter_map(|it| table.left(it)).collect();
        drop(table);
        next.into_iter().for_each(Waker::wake);
        for pending in &ended {
            fail(pending, kind, reason);
        }
    }

    /// How many wait, and what became of the others.
    pub(crate) fn counts(&self) -> AskCounts {
        let table = self.table();
        AskCounts {
            waiting: table.pending.len() as u64,
            unanswered: table.unanswered,
            late: table.late,
        }
    }

    /// How many asks wait, without those for a stream.
    pub(crate) fn len(&self) -> usize {
        self.table().asks()
    }
}

fn fail(pending: &Pending, kind: FailureKind, reason: &str) {
    if pending.is_open() {
        return pending.answer.end(Some(Failure::new(kind, Certainty::Ran, reason)));
    }
    let failure = Failure::new(kind, pending.certainty(), reason);
    pending.answer.answer(Err(failure));
}
