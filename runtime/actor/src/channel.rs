//! Items between who sends and who reads them, on one node.
//!
//! What it is: a bounded queue with one sender and one reader, which each learns when the other is gone, and why. What it
//! is NOT: a mailbox, which has many senders and belongs to an actor; nor the way to another node, for which the runtime
//! reads here and sends frames. The sender's side is `outlet.rs`, the reader's `items.rs`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use odeon_message::{Certainty, Failure, FailureKind};

use crate::{ExitKind, ExitReason};

/// How a stream has ended: well, or not.
pub(crate) type End = Result<(), Failure>;

struct State<T> {
    items: VecDeque<T>,
    room: usize,
    /// Nothing more is sent; the reader gets what is there first.
    end: Option<End>,
    /// Nobody reads.
    closed: bool,
    reader: Option<Waker>,
    sender: Option<Waker>,
    /// Whoever keeps the stream tied to the life of its actor.
    tether: Option<Waker>,
}

/// One stream.
pub(crate) struct Channel<T>(Mutex<State<T>>);

/// Nobody reads any more, or the stream has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Over;

/// What a stream ends with whose actor is gone.
pub(crate) fn ended_with(reason: &ExitReason) -> Failure {
    let kind = match reason.kind() {
        ExitKind::Panicked => FailureKind::Panicked,
        _ => FailureKind::Stopped,
    };
    Failure::new(kind, Certainty::Ran, reason.to_string())
}

fn keep(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

impl<T> Channel<T> {
    /// One with room for so many items, at least 1.
    pub(crate) fn new(room: u32) -> Arc<Self> {
        let state = State {
            items: VecDeque::new(),
            room: room.max(1) as usize,
            end: None,
            closed: false,
            reader: None,
            sender: None,
            tether: None,
        };
        Arc::new(Self(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing between the statements of a change panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Items that fit at most.
    pub(crate) fn room(&self) -> usize {
        self.lock().room
    }

    /// Ready when there is room for an item, or never will be. The waker is used when the stream is over in any case.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), Over>> {
        let mut state = self.lock();
        if state.closed || state.end.is_some() {
            return Poll::Ready(Err(Over));
        }
        keep(&mut state.sender, cx);
        if state.items.len() < state.room { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Whether nobody reads any more, or the stream has ended.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.lock();
        state.closed || state.end.is_some()
    }

    /// Ready when the stream is over, for whoever ties it to its actor.
    pub(crate) fn poll_tether(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.closed || state.end.is_some() {
            return Poll::Ready(());
        }
        keep(&mut state.tether, cx);
        Poll::Pending
    }

    /// Adds an item; it comes back if there is no room, or nobody who reads.
    pub(crate) fn push(&self, item: T) -> Result<(), (T, Option<Over>)> {
        let mut state = self.lock();
        if state.closed || state.end.is_some() {
            return Err((item, Some(Over)));
        }
        if state.items.len() >= state.room {
            return Err((item, None));
        }
        state.items.push_back(item);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Nothing more is sent. The first end counts.
    pub(crate) fn end(&self, end: End) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        let wakers = [state.reader.take(), state.sender.take(), state.tether.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// The next item, or the end.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Result<T, End>> {
        let mut state = self.lock();
        if let Some(item) = state.items.pop_front() {
            let sender = state.sender.take();
            drop(state);
            sender.into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(item));
        }
        if let Some(end) = &state.end {
            return Poll::Ready(Err(end.clone()));
        }
        keep(&mut state.reader, cx);
        Poll::Pending
    }

    /// Leaves room for one item.
    pub(crate) fn narrow(&self) {
        self.lock().room = 1;
    }

    /// Nobody reads any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let items = std::mem::take(&mut state.items);
        let wakers = [state.sender.take(), state.tether.take()];
        state.reader = None;
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        drop(items);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// What a channel is: a list, a bound, and two who may leave.
    #[derive(Default)]
    struct Model {
        items: VecDeque<u32>,
        end: Option<bool>,
        closed: bool,
    }

    #[derive(Clone, Copy, Debug)]
    enum Deed {
        Push,
        Take,
        Narrow,
        Finish,
        Fail,
        Close,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            20 => Just(Deed::Push),
            20 => Just(Deed::Take),
            1 => Just(Deed::Narrow),
            1 => Just(Deed::Finish),
            1 => Just(Deed::Fail),
            1 => Just(Deed::Close),
        ]
    }

    proptest! {
        #[test]
        fn a_channel_is_a_bounded_list_with_an_end(room in 1_u32..5, deeds in vec(deed(), 0..80)) {
            let channel = Channel::new(room);
            let cx = Context::from_waker(Waker::noop());
            let (mut model, mut room, mut next) = (Model::default(), room as usize, 0);
            for deed in deeds {
                let over = model.closed || model.end.is_some();
                match deed {
                    Deed::Push => {
                        let ready = channel.poll_room(&cx);
                        let pushed = channel.push(next);
                        let full = model.items.len() >= room;
                        prop_assert_eq!(ready.is_pending(), !over && full);
                        let expected = match (over, full) {
                            (true, _) => Err((next, Some(Over))),
                            (_, true) => Err((next, None)),
                            _ => Ok(()),
                        };
                        prop_assert_eq!(&pushed, &expected);
                        if pushed.is_ok() {
                            model.items.push_back(next);
                            next += 1;
                        }
                    }
                    Deed::Take if model.closed => {}
                    Deed::Take => {
                        let expected = match (model.items.pop_front(), model.end) {
                            (Some(item), _) => Some(Ok(item)),
                            (None, end) => end.map(Err),
                        };
                        let taken = match channel.poll_next(&cx) {
                            Poll::Ready(Ok(item)) => Some(Ok(item)),
                            Poll::Ready(Err(end)) => Some(Err(end.is_ok())),
                            Poll::Pending => None,
                        };
                        prop_assert_eq!(taken, expected);
                    }
                    Deed::Narrow => {
                        channel.narrow();
                        room = 1;
                    }
                    Deed::Finish => {
                        channel.end(Ok(()));
                        model.end.get_or_insert(true);
                    }
                    Deed::Fail => {
                        channel.end(Err(ended_with(&ExitReason::stopped())));
                        model.end.get_or_insert(false);
                    }
                    Deed::Close => {
                        channel.close();
                        model.closed = true;
                    }
                }
                prop_assert_eq!(channel.is_over(), model.closed || model.end.is_some());
                let tether = channel.poll_tether(&cx);
                prop_assert_eq!(tether.is_ready(), model.closed || model.end.is_some());
            }
        }
    }
}
