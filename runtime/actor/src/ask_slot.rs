//! A local ask: message, reply and waker in one allocation that asker and actor share.
//!
//! The node is an envelope on the actor's side and an [`AskHandle`] on the asker's. Each side lets go once; the second
//! frees it. How they share it is in `answer.rs`. What it is NOT: the deadline, or the waiting for room; read `ask.rs`.
//! What the actor's side can do with an ask whose handler is done is in `ask_slot/duty.rs`.
#![expect(
    unsafe_code,
    reason = "a node is owned by two sides, who let go of it one after the other"
)]

mod duty;

use std::{
    any::Any,
    cell::UnsafeCell,
    marker::PhantomData,
    ptr::NonNull,
    task::{Context, Poll, Waker},
    time::Duration,
};

use odeon_env::Env;
use odeon_message::{Certainty, Failure, FailureKind, Message};
use tokio::time::Instant;

use crate::{
    Handler,
    answer::{Answer, GivenUp},
    cell::CellHead,
    coarse::end_of,
    edges::OpenAsk,
    envelope::{Envelope, EnvelopeCalls, Head},
    future_slot::{Sink, Waits},
    life,
    load::units,
    nodes,
    responder::Responder,
    stats::count,
    turn::Turn,
    worker::{answered, note_time, polls_workers},
};

pub(crate) use duty::{Duty, unanswered};

type Outcome<M> = Result<<M as Message>::Output, Failure>;

#[repr(C)]
struct AskNode<M: Message> {
    /// The actor's side alone reads it, and writes it when the message is passed on to an actor of another type.
    head: UnsafeCell<Head>,
    /// Changed only while one thread alone knows the node: before the ask is sent, and in a direct turn, as long as it is
    /// not known when the asker gives up. Threads that a handler shares its context with come one by one, in `waits`.
    due: UnsafeCell<Due>,
    answer: Answer<M, Outcome<M>>,
}

/// When the asker gives up; the message does not run after that.
#[derive(Clone, Copy)]
enum Due {
    /// So long after now: the actor runs on the asker's stack, and nobody else knows the ask. The clock is not read unless
    /// somebody wants to know.
    Within(Duration),
    /// `None` is too far away for the clock.
    At(Option<Instant>),
}

impl<M: Message> AskNode<M> {
    fn due(&self) -> Due {
        // SAFETY: it changes only while one thread alone knows the node, and no reference to it is kept.
        unsafe { *self.due.get() }
    }

    /// Whether nobody knows the ask but its asker, on whose stack the actor runs.
    fn is_alone(&self) -> bool {
        matches!(self.due(), Due::Within(_))
    }

    /// When the asker gives up; from now on that stands, and others may know the ask.
    fn settle(&self) -> Option<Instant> {
        self.settle_by(|within| {
            let now = Instant::now();
            note_time(now);
            now.checked_add(within)
        })
    }

    /// The same, where the end of a wait that begins now is known otherwise.
    fn settle_by(&self, end_of: impl FnOnce(Duration) -> Option<Instant>) -> Option<Instant> {
        let within = match self.due() {
            Due::At(at) => return at,
            Due::Within(within) => within,
        };
        let at = end_of(within);
        // SAFETY: it was not settled, so that this thread alone knows the node, or others that its handler waits for and
        // that come here one by one.
        unsafe { *self.due.get() = Due::At(at) };
        at
    }
}

/// A node, alive until both sides have let go.
struct NodePtr<M: Message>(NonNull<AskNode<M>>);

impl<M: Message> Clone for NodePtr<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Message> Copy for NodePtr<M> {}

impl<M: Message> NodePtr<M> {
    /// # Safety
    /// The calling side has not let go.
    unsafe fn get<'a>(self) -> &'a AskNode<M> {
        // SAFETY: the caller says so, and the node lives as long as one side holds it.
        unsafe { self.0.as_ref() }
    }

    /// # Safety
    /// The calling side has not let go.
    unsafe fn answer<'a>(self) -> &'a Answer<M, Outcome<M>> {
        // SAFETY: the caller says so.
        &unsafe { self.get() }.answer
    }

    /// # Safety
    /// The node is one of `M`, and the asker has not let go.
    unsafe fn is_open(node: NonNull<()>) -> bool {
        // SAFETY: the caller says so.
        unsafe { Self(node.cast()).answer() }.is_open()
    }

    /// # Safety
    /// Both sides have let go, and the caller is who was told so.
    unsafe fn free(self) {
        // SAFETY: nobody holds the node any more, which was put in its memory when the ask was made.
        unsafe { nodes::end(self.0) };
    }

    /// The actor's side ends with a result, and lets go.
    ///
    /// # Safety
    /// The actor's side holds the node and has not finished it.
    #[inline]
    unsafe fn finish(self, result: Outcome<M>) {
        // SAFETY: the caller says so.
        if unsafe { self.get() }.is_alone() {
            // SAFETY: the caller says so.
            let answer = unsafe { self.answer() };
            // SAFETY: the caller says so, and the asker is below on the stack.
            drop(unsafe { answer.finish_alone(result) });
            return;
        }
        // SAFETY: the caller says so.
        unsafe { self.finish_shared(result) };
    }

    /// The same, where the asker may be on another thread.
    ///
    /// # Safety
    /// As [`finish`](Self::finish).
    #[inline(never)]
    unsafe fn finish_shared(self, result: Outcome<M>) {
        // SAFETY: the caller says so.
        let answer = unsafe { self.answer() };
        // SAFETY: the caller says so.
        let (waker, old) = unsafe { answer.finish(result) };
        // SAFETY: the caller says so; nothing of the node is used below.
        if unsafe { Answer::leave_actor(answer) } {
            // SAFETY: the asker has let go, this side second.
            unsafe { self.free() };
        }
        if let Some(waker) = waker {
            answered(&waker);
            waker.wake();
        }
        // A refused message, dropped last: its destructor is foreign code.
        drop(old);
    }
}

/// The table of asks of `M` to `A`, and the sink of their handlers.
struct Asks<A, M>(PhantomData<(A, M)>);

impl<A: Handler<M>, M: Message> Asks<A, M> {
    const CALLS: &'static EnvelopeCalls = &EnvelopeCalls {
        start: Self::start,
        refuse: Self::refuse,
        units: units(size_of::<AskNode<M>>()),
        payload: None,
        reads: A::READS,
        asked: None,
        caused: false,
        train: None,
    };

    unsafe fn start(head: NonNull<Head>, cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
        let ptr = NodePtr::<M>(head.cast());
        // SAFETY: the envelope is the actor's hold on the node.
        let node = unsafe { ptr.get() };
        let message = match node.due() {
            // SAFETY: as above, and the asker is below on the stack; it was not finished.
            Due::Within(_) => unsafe { node.answer.claim_alone() },
            // It is not claimed, so that an asker who gives up right now is told the truth.
            Due::At(Some(at)) if turn.now() >= at => None,
            // SAFETY: as above.
            Due::At(_) => unsafe { node.answer.claim() },
        };
        let Some(message) = message else {
            count(&turn.worker.system().counters().skipped);
            turn.head.tally(|counts| &counts.skipped);
            let late = Failure::not_delivered(FailureKind::Deadline, "it waited in the mailbox");
            // SAFETY: as above.
            unsafe { ptr.finish(Err(late)) };
            return true;
        };
        let alone = node.is_alone();
        if A::READS && alone {
            // It goes on out of sight if it waits.
            node.settle();
        }
        let target = head.as_ptr().cast();
        // SAFETY: the caller keeps the contract of the turn; the target is what the sink expects.
        let done = unsafe { life::handle::<A, M, Self>(cell, target, message, turn) };
        // SAFETY: the caller says so.
        if alone && !done && unsafe { life::answers::<A>(cell, target) } {
            // SAFETY: the handler waits with the actor's hold on the node.
            unsafe { ptr.get() }.settle();
        }
        done
    }

    unsafe fn refuse(head: NonNull<Head>, failure: &Failure) {
        // SAFETY: the envelope is the actor's hold on the node, and it was not finished.
        unsafe { NodePtr::<M>(head.cast()).finish(Err(failure.clone())) };
    }

    fn node(target: *mut ()) -> NodePtr<M> {
        NodePtr(NonNull::new(target.cast()).expect("the target of an ask is its node"))
    }
}

impl<A: Handler<M>, M: Message> Sink<M::Output> for Asks<A, M> {
    unsafe fn done(_: NonNull<CellHead>, target: *mut (), output: M::Output) {
        // SAFETY: the handler's run holds the node for the actor, and ends once.
        unsafe { Self::node(target).finish(Ok(output)) };
    }

    unsafe fn fail(_: NonNull<CellHead>, target: *mut (), failure: &Failure) {
        // SAFETY: as above.
        unsafe { Self::node(target).finish(Err(failure.clone())) };
    }

    unsafe fn detach(_: NonNull<CellHead>, target: *mut (), out: &mut dyn Any) -> bool {
        let Some(out) = out.downcast_mut::<Option<Responder<M>>>() else { return false };
        // SAFETY: the handler's run holds the node for the actor.
        unsafe { Self::node(target).get() }.settle();
        // SAFETY: as above.
        unsafe { Self::node(target).answer() }.hand_on();
        // SAFETY: the hold of the handler's run goes over to the duty.
        *out = Some(Responder::here(unsafe { Duty::new(Self::node(target)) }));
        true
    }

    unsafe fn waits(target: *mut ()) -> Waits {
        // SAFETY: the handler's run holds the node for the actor.
        let node = unsafe { Self::node(target).get() };
        // Its context may be with several threads, for which the handler waits on its own.
        Waits::until(node.answer.one_by_one(|| node.settle()))
    }

    unsafe fn is_cancelled(target: *mut (), waker: Option<&Waker>) -> bool {
        // SAFETY: the handler's run holds the node for the actor.
        let answer = unsafe { Self::node(target).answer() };
        match waker {
            // SAFETY: as above, and the caller says that nobody else watches.
            Some(waker) => unsafe { answer.watch(waker) },
            None => answer.is_given_up(),
        }
    }
}

/// The asker's side.
pub(crate) struct AskHandle<M: Message>(NodePtr<M>);

// SAFETY: message and output are `Send`, and the node is shared as its state says.
unsafe impl<M: Message> Send for AskHandle<M> {}
// SAFETY: nothing is reached through a shared handle.
unsafe impl<M: Message> Sync for AskHandle<M> {}

impl<M: Message> AskHandle<M> {
    /// A new ask whose asker waits so long: both sides of it. Its envelope is run directly on this thread, or the ask is
    /// [settled](Self::settle) before it goes anywhere else.
    pub(crate) fn new<A: Handler<M>>(message: M, within: Duration) -> (Envelope, Self) {
        let answer = Answer::new(message);
        let head = UnsafeCell::new(Head::new(Asks::<A, M>::CALLS));
        let due = UnsafeCell::new(Due::Within(within));
        let node = nodes::put(AskNode { head, due, answer });
        // SAFETY: it is the start of a node whose table is its own; the envelope is the actor's hold on it.
        let envelope = unsafe { Envelope::from_raw(node.cast()) };
        (envelope, Self(NodePtr(node)))
    }

    fn answer(&self) -> &Answer<M, Outcome<M>> {
        // SAFETY: the asker lets go when the handle is dropped.
        unsafe { self.0.answer() }
    }

    /// When the asker gives up: as long after now as was said, unless that stands already. From now on others may know the
    /// ask. `None` is too far away for the clock.
    pub(crate) fn settle(&mut self, env: &dyn Env) -> Option<Instant> {
        // SAFETY: the handle is the asker's side.
        let node = unsafe { self.0.get() };
        // Where there are workers, they want to know that the time was read.
        if polls_workers() { node.settle() } else { node.settle_by(|within| end_of(within, env)) }
    }

    /// The result, once it is there; else the waker is kept.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<M>> {
        // SAFETY: the handle is the asker's side.
        let polled = unsafe { self.answer().poll(cx) };
        polled.map(|result| result.unwrap_or_else(polled_again))
    }

    /// How others see whether it is under way. There is an edge for it only while the handle is.
    pub(crate) fn open(&self, reads: bool) -> OpenAsk {
        // SAFETY: the handle keeps the node, and only atomics of it are read.
        unsafe { OpenAsk::new(self.0.0.cast(), NodePtr::<M>::is_open, reads) }
    }

    /// The asker waits no longer, and says why: the result if it is just there, else that and what is known.
    pub(crate) fn give_up(&mut self, kind: FailureKind, why: &str) -> Outcome<M> {
        // SAFETY: the handle is the asker's side.
        let certainty = match unsafe { self.answer().give_up() } {
            GivenUp::Answered(result) => return result.unwrap_or_else(polled_again),
            GivenUp::Unclaimed => Certainty::NotDelivered,
            GivenUp::Claimed => Certainty::Ran,
        };
        Err(Failure::new(kind, certainty, why))
    }
}

fn polled_again<T>() -> Result<T, Failure> {
    Err(Failure::new(FailureKind::Cancelled, Certainty::MayHaveRun, "polled after its end"))
}

impl<M: Message> Drop for AskHandle<M> {
    fn drop(&mut self) {
        // SAFETY: the handle is the asker's side, and it is going away.
        if unsafe { Answer::leave_asker(self.answer()) } {
            // SAFETY: the actor has let go, this side second.
            unsafe { self.0.free() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::SeqCst},
        },
        task::{Wake, Waker},
    };

    use super::*;
    use crate::letters::{Counted, Nobody};

    #[derive(Default)]
    struct Calls(AtomicU32);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// A new ask whose message shares `kept`.
    fn ask(kept: &Arc<()>) -> (Envelope, AskHandle<Counted>) {
        let (envelope, mut handle) = AskHandle::new::<Nobody>(Counted(kept.clone()), Duration::MAX);
        handle.settle(&odeon_env::RealEnv);
        (envelope, handle)
    }

    fn poll(handle: &mut AskHandle<Counted>, waker: &Waker) -> Poll<Outcome<Counted>> {
        handle.poll(&mut Context::from_waker(waker))
    }

    fn full() -> Failure {
        Failure::not_delivered(FailureKind::Full, "full")
    }

    #[test]
    fn a_refused_ask_wakes_its_asker_and_drops_its_message() {
        let (kept, calls) = (Arc::new(()), Arc::<Calls>::default());
        let (envelope, mut handle) = ask(&kept);
        let (first, waker) = (Waker::from(Arc::<Calls>::default()), Waker::from(calls.clone()));
        assert!(poll(&mut handle, &first).is_pending());
        assert!(poll(&mut handle, &waker).is_pending());
        assert!(poll(&mut handle, &waker).is_pending());
        envelope.refuse(&full());
        assert_eq!(calls.0.load(SeqCst), 1);
        assert_eq!(Arc::strong_count(&kept), 1, "the message is gone at once");
        assert_eq!(poll(&mut handle, &waker), Poll::Ready(Err(full())));
        let again = poll(&mut handle, &waker);
        assert!(matches!(again, Poll::Ready(Err(f)) if f.kind == FailureKind::Cancelled));
        drop((handle, waker));
        assert_eq!(Arc::strong_count(&calls), 1, "no waker is left");
    }

    #[test]
    fn whichever_side_goes_last_frees_the_ask() {
        for asker_first in [true, false] {
            let (kept, calls) = (Arc::new(()), Arc::<Calls>::default());
            let (envelope, mut handle) = ask(&kept);
            let waker = Waker::from(calls.clone());
            assert!(poll(&mut handle, &waker).is_pending());
            drop(waker);
            if asker_first {
                drop(handle);
                assert_eq!(Arc::strong_count(&calls), 1, "the waker goes with the asker");
                drop(envelope);
                assert_eq!(calls.0.load(SeqCst), 0, "nobody is woken");
            } else {
                drop(envelope);
                assert_eq!(calls.0.load(SeqCst), 1);
                drop(handle);
            }
            assert_eq!((Arc::strong_count(&kept), Arc::strong_count(&calls)), (1, 1));
        }
    }

    #[test]
    fn whoever_gives_up_is_told_what_is_known() {
        let kept = Arc::new(());
        let (envelope, mut handle) = ask(&kept);
        let given_up = handle.give_up(FailureKind::Deadline, "").unwrap_err();
        assert_eq!(given_up.certainty, Certainty::NotDelivered);
        drop((envelope, handle));
        let (envelope, mut handle) = ask(&kept);
        envelope.refuse(&full());
        assert_eq!(handle.give_up(FailureKind::Deadline, ""), Err(full()), "it was just there");
        drop(handle);
        assert_eq!(Arc::strong_count(&kept), 1);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "two threads race on purpose")]
    fn two_threads_share_an_ask() {
        for round in 0..if cfg!(miri) { 20 } else { 500 } {
            let (kept, calls) = (Arc::new(()), Arc::<Calls>::default());
            let (envelope, mut handle) = ask(&kept);
            let actor = std::thread::spawn(move || envelope.refuse(&full()));
            let waker = Waker::from(calls.clone());
            let mut polled = poll(&mut handle, &waker);
            // Some askers stay until they are answered, others go.
            while round % 2 == 0 && polled.is_pending() {
                std::thread::yield_now();
                if calls.0.load(SeqCst) > 0 {
                    polled = poll(&mut handle, &waker);
                    assert!(polled.is_ready(), "it was woken for nothing");
                }
            }
            drop((handle, waker));
            actor.join().unwrap();
            assert_eq!((Arc::strong_count(&kept), Arc::strong_count(&calls)), (1, 1));
        }
    }
}
