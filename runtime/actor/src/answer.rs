//! How an ask's two sides share one place: the question goes one way, the answer comes back, each side lets go once.
//!
//! The actor claims the question when its turn comes, the asker may give up at any time: whichever comes first decides,
//! so that the asker knows for certain whether the message ran. What it is NOT: the memory; whoever lets go second is
//! told so and frees it (`ask_slot.rs`). `loom_models.rs` runs it in all orders.
#![expect(
    unsafe_code,
    reason = "two threads share one place whose parts change hands by its state"
)]

use std::{
    mem,
    sync::atomic::Ordering::{AcqRel, Acquire},
    task::{Context, Poll, Waker},
};

use super::sync::{AtomicU8, UnsafeCell};

/// The actor has claimed the question: its handler begins.
const CLAIMED: u8 = 1;
/// The body holds the answer, which is the asker's now.
const DONE: u8 = 2;
/// The waker is set, and the actor may use it once it is done.
const WAKER: u8 = 4;
/// The asker does not want the answer any more.
const GIVEN_UP: u8 = 8;
/// The asker has let go.
const ASKER_GONE: u8 = 16;
/// The actor has let go.
const ACTOR_GONE: u8 = 32;

/// What is carried, first one way, then the other.
pub(crate) enum Body<Q, R> {
    Question(Q),
    Empty,
    Answer(R),
}

/// What the asker learns when it gives up.
pub(crate) enum GivenUp<R> {
    /// The answer was there; `None` if it was taken before.
    Answered(Option<R>),
    /// The actor has not claimed the question, and will not.
    Unclaimed,
    /// The handler has begun.
    Claimed,
}

/// The shared place. Its functions say which side calls them; a side that has let go calls none.
pub(crate) struct Answer<Q, R> {
    state: AtomicU8,
    /// The asker's until it sets `WAKER`; then it is read by both until `DONE`, and the asker's again.
    waker: UnsafeCell<Option<Waker>>,
    /// The actor's until it sets `DONE`, then the asker's.
    body: UnsafeCell<Body<Q, R>>,
}

impl<Q, R> Answer<Q, R> {
    pub(crate) fn new(question: Q) -> Self {
        Self {
            state: AtomicU8::new(0),
            waker: UnsafeCell::new(None),
            body: UnsafeCell::new(Body::Question(question)),
        }
    }

    /// The actor takes the question, unless the asker has given up.
    ///
    /// # Safety
    /// The actor's side calls it, before it is done.
    pub(crate) unsafe fn claim(&self) -> Option<Q> {
        if self.state.fetch_or(CLAIMED, AcqRel) & GIVEN_UP != 0 {
            return None;
        }
        // SAFETY: the body is the actor's until `DONE` is set.
        let body = self.body.with_mut(|body| mem::replace(unsafe { &mut *body }, Body::Empty));
        match body {
            Body::Question(question) => Some(question),
            Body::Empty | Body::Answer(_) => None,
        }
    }

    /// The actor is done; the asker's waker comes out, to be woken after the actor has let go, and what was in the body.
    ///
    /// # Safety
    /// The actor's side calls it, once.
    pub(crate) unsafe fn finish(&self, answer: R) -> (Option<Waker>, Body<Q, R>) {
        let answer = Body::Answer(answer);
        // SAFETY: the body is the actor's until `DONE` is set.
        let old = self.body.with_mut(|body| mem::replace(unsafe { &mut *body }, answer));
        let before = self.state.fetch_or(DONE, AcqRel);
        let waker = if before & (WAKER | GIVEN_UP) == WAKER {
            // SAFETY: `WAKER` was set before `DONE`, so the asker only reads it until the actor lets go.
            self.waker.with(|waker| unsafe { &*waker }.clone())
        } else {
            None
        };
        (waker, old)
    }

    /// The actor lets go; `true` if it is the second to do so. A pointer, because the other side may free the place
    /// before this returns.
    ///
    /// # Safety
    /// The actor's side calls it, as its last; it holds the place that `this` points to.
    pub(crate) unsafe fn leave_actor(this: *const Self) -> bool {
        // SAFETY: the caller holds the place; only the state is referred to.
        let state = unsafe { &(*this).state };
        state.fetch_or(ACTOR_GONE, AcqRel) & ASKER_GONE != 0
    }

    /// The answer, once it is there; else the waker is kept. `None` if it was taken before.
    ///
    /// # Safety
    /// The asker's side calls it.
    pub(crate) unsafe fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<R>> {
        let state = self.state.load(Acquire);
        if state & DONE != 0 {
            // SAFETY: `DONE` was seen.
            return Poll::Ready(unsafe { self.take() });
        }
        if state & WAKER != 0 {
            let same = self.waker.with(|kept| {
                // SAFETY: while `WAKER` is set both sides only read it.
                let kept = unsafe { &*kept };
                kept.as_ref().is_some_and(|kept| kept.will_wake(cx.waker()))
            });
            if same {
                return Poll::Pending;
            }
            if self.state.fetch_and(!WAKER, AcqRel) & DONE != 0 {
                // SAFETY: `DONE` was seen.
                return Poll::Ready(unsafe { self.take() });
            }
        }
        let waker = Some(cx.waker().clone());
        // SAFETY: `WAKER` is not set and was not when the actor was done, so the waker is the asker's alone.
        drop(self.waker.with_mut(|kept| mem::replace(unsafe { &mut *kept }, waker)));
        if self.state.fetch_or(WAKER, AcqRel) & DONE != 0 {
            // SAFETY: `DONE` was seen.
            return Poll::Ready(unsafe { self.take() });
        }
        Poll::Pending
    }

    /// # Safety
    /// The asker's side calls it, after it has seen `DONE` with acquire ordering.
    unsafe fn take(&self) -> Option<R> {
        // SAFETY: the actor does not touch the body any more.
        match self.body.with_mut(|body| mem::replace(unsafe { &mut *body }, Body::Empty)) {
            Body::Answer(answer) => Some(answer),
            Body::Question(_) | Body::Empty => None,
        }
    }

    /// The asker does not wait any longer.
    ///
    /// # Safety
    /// The asker's side calls it.
    pub(crate) unsafe fn give_up(&self) -> GivenUp<R> {
        let before = self.state.fetch_or(GIVEN_UP, AcqRel);
        if before & DONE != 0 {
            // SAFETY: `DONE` was seen.
            return GivenUp::Answered(unsafe { self.take() });
        }
        if before & CLAIMED == 0 { GivenUp::Unclaimed } else { GivenUp::Claimed }
    }

    /// The asker gives up if it has not, and lets go; `true` if it is the second to do so. A pointer, as in
    /// [`leave_actor`](Self::leave_actor).
    ///
    /// # Safety
    /// The asker's side calls it, as its last; it holds the place that `this` points to.
    pub(crate) unsafe fn leave_asker(this: *const Self) -> bool {
        // SAFETY: the caller holds the place; only the state is referred to.
        let state = unsafe { &(*this).state };
        let before = state.fetch_or(GIVEN_UP, AcqRel);
        if before & (WAKER | DONE) == WAKER && state.fetch_and(!WAKER, AcqRel) & DONE == 0 {
            // SAFETY: the caller holds the place.
            let waker = unsafe { &(*this).waker };
            // SAFETY: `WAKER` was taken back before the actor was done, so the waker is the asker's alone.
            drop(waker.with_mut(|kept| unsafe { &mut *kept }.take()));
        }
        state.fetch_or(ASKER_GONE, AcqRel) & ACTOR_GONE != 0
    }
}
