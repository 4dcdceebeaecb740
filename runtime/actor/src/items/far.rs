//! A stream from another node: where its items arrive, and who reads them.
//!
//! What it is: the [`Inlet`] that the network fills, and [`FarItems`] that empties it, telling the route of each item so
//! that more are granted. What it is NOT: the bound on what arrives, which the route's side keeps with its credit; nor
//! the reading of archives, which is done when an item is taken.

use std::{
    any::Any,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use odeon_message::{AskId, Failure, Inflow, Payload};

use super::Patience;
use crate::{ActorSystem, Route};

/// Where the items of one stream arrive.
#[derive(Default)]
pub(crate) struct Inlet(Mutex<State>);

#[derive(Default)]
struct State {
    /// With the length of their frames.
    items: VecDeque<(Payload, usize)>,
    /// `None` inside says that all items came.
    end: Option<Option<Failure>>,
    waker: Option<Waker>,
}

impl Inlet {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, payload: Payload, frame_bytes: usize) {
        let mut state = self.lock();
        state.items.push_back((payload, frame_bytes));
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn end(&self, failure: Option<Failure>) {
        let mut state = self.lock();
        state.end.get_or_insert(failure);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The reader of a stream from another node. Dropping it cancels the stream.
pub(crate) struct FarItems {
    inlet: Arc<Inlet>,
    route: Arc<dyn Route>,
    ask: AskId,
    patience: Patience,
    ended: bool,
}

impl FarItems {
    pub(crate) fn new(
        inlet: Arc<Inlet>,
        route: &Arc<dyn Route>,
        ask: AskId,
        system: &ActorSystem,
    ) -> Self {
        let patience = Patience::new(system);
        Self { inlet, route: route.clone(), ask, patience, ended: false }
    }
}

impl Inflow for FarItems {
    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Payload, Failure>>> {
        let mut state = self.inlet.lock();
        if let Some((payload, frame_bytes)) = state.items.pop_front() {
            drop(state);
            self.patience.renew();
            self.route.took_item(self.ask, frame_bytes);
            return Poll::Ready(Some(Ok(payload)));
        }
        if let Some(end) = state.end.clone() {
            drop(state);
            self.ended = true;
            return Poll::Ready(end.map(Err));
        }
        state.waker = Some(cx.waker().clone());
        drop(state);
        self.patience.poll_spent(cx).map(|failure| Some(Err(failure)))
    }

    fn set_within(&mut self, within: Duration) {
        self.patience.set(within);
    }

    fn site(&self) -> &(dyn Any + Send + Sync) {
        self.patience.system()
    }
}

impl Drop for FarItems {
    fn drop(&mut self) {
        if !self.ended {
            // What is known of the message does not matter: it ran.
            let _ = self.route.give_up(self.ask);
        }
    }
}
