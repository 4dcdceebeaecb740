//! How an ask's two sides share one place: the question goes one way, the answer comes back, each side lets go once.
//!
//! The actor claims the question when its turn comes, the asker may give up at any time: whichever comes first decides,
//! so that the asker knows for certain whether the message ran. A claim can be given back, with the question, when it is
//! passed on, and the actor's side can wait for the asker to give up. What it is NOT: the memory; whoever lets go second
//! is told so and frees it (`ask_slot.rs`). `loom_models.rs` runs it in all orders.
#![expect(
    unsafe_code,
    reason = "two threads share one place whose parts change hands by its state"
)]

use std::{
    mem,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
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
/// The body holds a waker of the actor's side, for the case that the asker gives up: whoever clears it owns the body.
const WATCHED: u8 = 64;
/// `WATCHED` was set once, so that the actor must look who owns the body.
const EVER_WATCHED: u8 = 128;

/// Beside the state, which is full: the duty to answer left the handler that claimed the question.
const HANDED_ON: u8 = 1;
/// A thread of the handler is in [`Answer::one_by_one`].
const BUSY: u8 = 2;

/// What is carried, first one way, then the other.
pub(crate) enum Body<Q, R> {
    Question(Q),
    Empty,
    /// Wakes the actor's side when the asker gives up.
    Watch(Waker),
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
    /// [`HANDED_ON`] and [`BUSY`].
    beside: AtomicU8,
    /// The asker's until it sets `WAKER`; then it is read by both until `DONE`, and the asker's again.
    waker: UnsafeCell<Option<Waker>>,
    /// The actor's until it sets `DONE`, then the asker's; while `WATCHED` is set, of whoever clears it first.
    body: UnsafeCell<Body<Q, R>>,
}

impl<Q, R> Answer<Q, R> {
    pub(crate) fn new(question: Q) -> Self {
        Self {
            state: AtomicU8::new(0),
            beside: AtomicU8::new(0),
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
            Body::Empty | Body::Watch(_) | Body::Answer(_) => None,
        }
    }

    /// As [`claim`](Self::claim), and as cheap as without another side.
    ///
    /// # Safety
    /// As `claim`, and the asker's side does nothing until the call is over: it is on this thread's stack.
    pub(crate) unsafe fn claim_alone(&self) -> Option<Q> {
        self.state.store(self.state.load(Relaxed) | CLAIMED, Relaxed);
        // SAFETY: the body is the actor's until `DONE` is set.
        match self.body.with_mut(|body| mem::replace(unsafe { &mut *body }, Body::Empty)) {
            Body::Question(question) => Some(question),
            Body::Empty | Body::Watch(_) | Body::Answer(_) => None,
        }
    }

    /// As [`finish`](Self::finish) and [`leave_actor`](Self::leave_actor); nobody is to be woken. What was in the body
    /// comes out.
    ///
    /// # Safety
    /// As those, and as [`claim_alone`](Self::claim_alone).
    pub(crate) unsafe fn finish_alone(&self, answer: R) -> Body<Q, R> {
        let answer = Body::Answer(answer);
        // SAFETY: the asker's side, which might have it, does nothing.
        let old = self.body.with_mut(|body| mem::replace(unsafe { &mut *body }, answer));
        let state = self.state.load(Relaxed) & !WATCHED;
        self.state.store(state | DONE | ACTOR_GONE, Relaxed);
        old
    }

    /// Whether the asker has given up.
    pub(crate) fn is_given_up(&self) -> bool {
        self.state.load(Acquire) & GIVEN_UP != 0
    }

    /// The duty to answer leaves the handler: it is deferred, or goes to another actor.
    pub(crate) fn hand_on(&self) {
        self.beside.fetch_or(HANDED_ON, Release);
    }

    /// Runs something short, while no other thread is in such a call: a handler may share its context with threads that
    /// it waits for.
    pub(crate) fn one_by_one<T>(&self, f: impl FnOnce() -> T) -> T {
        while self.beside.fetch_or(BUSY, Acquire) & BUSY != 0 {
            std::hint::spin_loop();
        }
        let value = f();
        self.beside.fetch_and(!BUSY, Release);
        value
    }

    /// Whether whoever asks waits for the actor that was asked: there is no answer, and nobody else has the duty to give
    /// it. Once `false`, for ever.
    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Acquire) & DONE == 0 && self.beside.load(Acquire) & HANDED_ON == 0
    }

    /// The body is the actor's again after it was watched; `false` if the asker, who gave up, has it.
    ///
    /// # Safety
    /// The actor's side calls it, before it is done.
    unsafe fn reclaim_body(&self) -> bool {
        if self.state.load(Relaxed) & EVER_WATCHED == 0 {
            return true;
        }
        let before = self.state.fetch_and(!WATCHED, AcqRel);
        before & GIVEN_UP == 0 || before & WATCHED != 0
    }

    /// Whether the asker has given up; else the waker is used when it does.
    ///
    /// # Safety
    /// The actor's side calls it, before it is done; one thread at a time.
    pub(crate) unsafe fn watch(&self, waker: &Waker) -> bool {
        if self.is_given_up() {
            return true;
        }
        // SAFETY: the caller says so.
        if !unsafe { self.reclaim_body() } {
            return true;
        }
        let watch = Body::Watch(waker.clone());
        // SAFETY: the body is the actor's while `WATCHED` is not set.
        let old = self.body.with_mut(|body| mem::replace(unsafe { &mut *body }, watch));
        let before = self.state.fetch_or(WATCHED | EVER_WATCHED, AcqRel);
        drop(old);
        // An asker who gave up before that does not look at the body.
        before & GIVEN_UP != 0
    }

    /// The actor gives its claim back, with the question; `false` if the asker has given up. What was in the body comes
    /// out.
    ///
    /// # Safety
    /// The actor's side calls it, after it has claimed and before it is done; nothing watches.
    pub(crate) unsafe fn give_back(&self, question: Q) -> bool {
        // SAFETY: the caller says so.
        if !unsafe { self.reclaim_body() } {
            return false;
        }
        let question = Body::Question(question);
        // SAFETY: the body is the actor's until `DONE` is set.
        drop(self.body.with_mut(|body| mem::replace(unsafe { &mut *body }, question)));
        self.state.fetch_and(!CLAIMED, AcqRel) & GIVEN_UP == 0
    }

    /// The actor is done; the asker's waker comes out, to be woken after the actor has let go, and what was in the body.
    ///
    /// # Safety
    /// The actor's side calls it, once.
    pub(crate) unsafe fn finish(&self, answer: R) -> (Option<Waker>, Body<Q, R>) {
        let answer = Body::Answer(answer);
        // SAFETY: the caller says so.
        if !unsafe { self.reclaim_body() } {
            // The asker is taking the waker out of the body, and does not want the answer.
            self.state.fetch_or(DONE, AcqRel);
            return (None, answer);
        }
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
    #[inline]
    pub(crate) unsafe fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<R>> {
        let state = self.state.load(Acquire);
        if state & DONE != 0 {
            // SAFETY: `DONE` was seen.
            return Poll::Ready(unsafe { self.take() });
        }
        // SAFETY: the caller says so.
        unsafe { self.wait(state, cx) }
    }

    /// There was no answer in that state.
    ///
    /// # Safety
    /// As [`poll`](Self::poll).
    unsafe fn wait(&self, state: u8, cx: &mut Context<'_>) -> Poll<Option<R>> {
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
            Body::Question(_) | Body::Watch(_) | Body::Empty => None,
        }
    }

    /// Wakes whoever watches on the actor's side; `before` is the state in which the asker gave up.
    ///
    /// # Safety
    /// The asker's side calls it, right after it has given up.
    unsafe fn tell_given_up(&self, before: u8) {
        if before & (WATCHED | DONE | GIVEN_UP) != WATCHED
            || self.state.fetch_and(!WATCHED, AcqRel) & WATCHED == 0
        {
            return;
        }
        // SAFETY: this side cleared `WATCHED`, so the body is its own; the actor's side sees that and leaves it alone.
        let body = self.body.with_mut(|body| mem::replace(unsafe { &mut *body }, Body::Empty));
        if let Body::Watch(waker) = body {
            waker.wake();
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
        // SAFETY: the caller says so.
        unsafe { self.tell_given_up(before) };
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
        if state.load(Acquire) & (DONE | ACTOR_GONE) == DONE | ACTOR_GONE {
            // Nobody is there any more to be told anything.
            return true;
        }
        let before = state.fetch_or(GIVEN_UP, AcqRel);
        // SAFETY: the caller holds the place until it lets go below.
        let place = unsafe { &*this };
        // SAFETY: this is the asker's side, which gave up just now.
        unsafe { place.tell_given_up(before) };
        if before & (WAKER | DONE) == WAKER && state.fetch_and(!WAKER, AcqRel) & DONE == 0 {
            // SAFETY: the caller holds the place.
            let waker = unsafe { &(*this).waker };
            // SAFETY: `WAKER` was taken back before the actor was done, so the waker is the asker's alone.
            drop(waker.with_mut(|kept| unsafe { &mut *kept }.take()));
        }
        state.fetch_or(ASKER_GONE, AcqRel) & ACTOR_GONE != 0
    }
}
