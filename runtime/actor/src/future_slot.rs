//! The one future that an actor is running: built in reused memory, polled in place.
//!
//! A slot runs any future to its [`Sink`], which takes the output where it belongs: a reply slot, the network, the
//! actor's own state. A panic, in the poll or before it, leaves the slot busy, so that the worker can
//! [abandon](FutureSlot::abandon) the future after it has caught the panic, outside the unwinding. What it is NOT: a
//! task; it has no waker of its own. Read `life.rs` next.
#![expect(
    unsafe_code,
    reason = "futures of any type live in one piece of memory, pinned by contract"
)]

use std::{
    alloc::Layout,
    any::Any,
    cell::Cell,
    future::Future,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    ptr::{self, NonNull},
    task::{Context, Poll, Waker},
    time::Duration,
};

use odeon_message::{Failure, Incarnation, NodeId};
use tokio::time::Instant;

use crate::{AskThere, ReplyTo, cell::CellHead, scratch::Scratch};

/// Takes what a future ends with.
pub(crate) trait Sink<T> {
    /// The future is done.
    ///
    /// # Safety
    /// `cell` is the cell whose slot ran the future, in its turn; `target` is what [`FutureSlot::begin`] was given. One
    /// of `done` and `fail` is called, once.
    unsafe fn done(cell: NonNull<CellHead>, target: *mut (), output: T);

    /// The future panicked or was given up.
    ///
    /// # Safety
    /// As [`done`](Self::done).
    unsafe fn fail(cell: NonNull<CellHead>, target: *mut (), failure: &Failure);

    /// Hands over the duty to answer: `out`, if it is an `Option` of the right `Responder`, takes it. `false` if not; then
    /// nothing has changed.
    ///
    /// # Safety
    /// As [`done`](Self::done), in whose place it stands if it answers `true`.
    unsafe fn detach(cell: NonNull<CellHead>, target: *mut (), out: &mut dyn Any) -> bool {
        let _ = (cell, target, out);
        false
    }

    /// Whether somebody waits, and until when.
    ///
    /// # Safety
    /// `target` is what [`FutureSlot::begin`] was given, and none of the above was called yet.
    unsafe fn waits(target: *mut ()) -> Waits {
        let _ = target;
        Waits::Not
    }

    /// Which ask of another node it is.
    ///
    /// # Safety
    /// As [`waits`](Self::waits).
    unsafe fn asked(target: *mut ()) -> Option<NonNull<ReplyTo>> {
        let _ = target;
        None
    }

    /// Whether whoever waited has given up; else the waker, if there is one, is used when that happens.
    ///
    /// # Safety
    /// As [`waits`](Self::waits); with a waker, nobody else calls it with one at this time.
    unsafe fn is_cancelled(target: *mut (), waker: Option<&Waker>) -> bool {
        let _ = (target, waker);
        false
    }
}

/// How long somebody waits for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waits {
    /// Nobody does: it was told.
    Not,
    Until(Instant),
    /// The deadline is too far away for the clock.
    Forever,
}

impl Waits {
    pub(crate) fn until(deadline: Option<Instant>) -> Self {
        deadline.map_or(Self::Forever, Self::Until)
    }

    /// The time that is left; `None` for a tell, and for one who waits for ever.
    pub(crate) fn remaining(self) -> Option<Duration> {
        match self {
            Self::Until(at) => Some(at.saturating_duration_since(Instant::now())),
            Self::Not | Self::Forever => None,
        }
    }
}

type PollCall = unsafe fn(&FutureSlot, NonNull<CellHead>, &mut Context<'_>) -> bool;

struct Calls {
    poll: PollCall,
    drop: unsafe fn(NonNull<u8>),
    fail: unsafe fn(NonNull<CellHead>, *mut (), &Failure),
    detach: unsafe fn(NonNull<CellHead>, *mut (), &mut dyn Any) -> bool,
    waits: unsafe fn(*mut ()) -> Waits,
    asked: unsafe fn(*mut ()) -> Option<NonNull<ReplyTo>>,
    is_cancelled: unsafe fn(*mut (), Option<&Waker>) -> bool,
}

/// There is a future in the memory.
const BUILT: usize = 1;
/// The sink has been called, or somebody else has the duty to answer.
const ANSWERED: usize = 2;
/// The bits of both, which no table's address has.
const STATE: usize = BUILT | ANSWERED;

/// The table of the future in a slot, or none, and beside its address how far it is: one word, since an idle actor pays
/// for every byte.
#[derive(Clone, Copy)]
struct Present(*const Calls);

impl Present {
    const NONE: Self = Self(ptr::null());

    #[inline]
    fn new(calls: &'static Calls, state: usize) -> Self {
        const { assert!(align_of::<Calls>() > STATE, "the state has room beside the address") };
        Self(ptr::from_ref(calls).map_addr(|addr| addr | state))
    }

    #[inline]
    fn calls(self) -> Option<&'static Calls> {
        // SAFETY: it is null, or of a table that lives for ever.
        unsafe { self.0.map_addr(|addr| addr & !STATE).as_ref() }
    }

    #[inline]
    fn is(self, state: usize) -> bool {
        self.0.addr() & state != 0
    }

    fn with(self, state: usize) -> Self {
        Self(self.0.map_addr(|addr| addr | state))
    }
}

/// Where an actor's future lives. Only the worker that runs the actor touches it, and the future itself while it is
/// polled.
pub(crate) struct FutureSlot {
    scratch: Cell<Scratch>,
    /// Set while the slot is busy: from before its future is made until it is done or abandoned, by whatever it panics.
    present: Cell<Present>,
    target: Cell<*mut ()>,
}

impl Default for FutureSlot {
    fn default() -> Self {
        Self {
            scratch: Cell::default(),
            present: Cell::new(Present::NONE),
            target: Cell::new(ptr::null_mut()),
        }
    }
}

/// Whoever waits for what a future in a slot ends with.
#[derive(Clone, Copy)]
pub(crate) struct Asker {
    calls: &'static Calls,
    target: *mut (),
}

// SAFETY: what is reached through it is shared between threads anyway: asker and actor may be on two.
unsafe impl Send for Asker {}
// SAFETY: as above; a waker is passed by one thread at a time, as `is_cancelled` demands.
unsafe impl Sync for Asker {}

impl Asker {
    /// # Safety
    /// Its slot has not answered.
    pub(crate) unsafe fn waits(self) -> Waits {
        // SAFETY: the target was given to the slot with this table.
        unsafe { (self.calls.waits)(self.target) }
    }

    /// Whether it is this ask of another node.
    ///
    /// # Safety
    /// Its slot has not answered.
    unsafe fn is(self, ask: &AskThere) -> bool {
        // SAFETY: the target was given to the slot with this table.
        let reply = unsafe { (self.calls.asked)(self.target) };
        // SAFETY: it is part of the target.
        reply.is_some_and(|reply| unsafe { reply.as_ref() }.answers(ask))
    }

    /// The life of the node that it waits on, where that is another one.
    ///
    /// # Safety
    /// Its slot has not answered.
    pub(crate) unsafe fn node(self) -> Option<(NodeId, Incarnation)> {
        // SAFETY: the target was given to the slot with this table.
        let reply = unsafe { (self.calls.asked)(self.target) };
        // SAFETY: it is part of the target.
        reply.and_then(|reply| unsafe { reply.as_ref() }.path.asker())
    }

    /// # Safety
    /// Its slot has not answered; with a waker, nobody else passes one at this time.
    pub(crate) unsafe fn is_cancelled(self, waker: Option<&Waker>) -> bool {
        // SAFETY: as above.
        unsafe { (self.calls.is_cancelled)(self.target, waker) }
    }
}

struct Table<F, S>(PhantomData<(F, S)>);

impl<F: Future, S: Sink<F::Output>> Table<F, S> {
    const CALLS: &'static Calls = &Calls {
        poll: Self::poll,
        drop: Self::drop,
        fail: S::fail,
        detach: S::detach,
        waits: S::waits,
        asked: S::asked,
        is_cancelled: S::is_cancelled,
    };

    /// # Safety
    /// `slot` is busy with a future of this table, which is built at `start`.
    #[inline(always)]
    unsafe fn poll_at(
        start: NonNull<u8>,
        slot: &FutureSlot,
        cell: NonNull<CellHead>,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut future = start.cast::<F>();
        // SAFETY: the future is built, and nobody else touches the memory while its slot is busy.
        let future_mut = unsafe { future.as_mut() };
        // SAFETY: it is dropped in place and the memory is not moved before.
        let pinned = unsafe { Pin::new_unchecked(future_mut) };
        match pinned.poll(cx) {
            Poll::Ready(output) if !slot.is_answered() => {
                slot.present.set(Present::new(Self::CALLS, BUILT | ANSWERED));
                // SAFETY: the target belongs to this future, whose sink was not called before.
                unsafe { S::done(cell, slot.target.get(), output) };
            }
            // Somebody else answers: nobody wants the output, and a future that waits is done with.
            Poll::Ready(_) => {}
            Poll::Pending if slot.is_answered() => {}
            Poll::Pending => return false,
        }
        slot.present.set(Present::NONE);
        // SAFETY: the future is built; nothing refers to it any more, the slot is not busy.
        unsafe { ptr::drop_in_place(future.as_ptr()) };
        true
    }

    /// # Safety
    /// `slot` is busy with a future of this table, which is built.
    unsafe fn poll(slot: &FutureSlot, cell: NonNull<CellHead>, cx: &mut Context<'_>) -> bool {
        // SAFETY: the caller says so.
        unsafe { Self::poll_at(slot.start(), slot, cell, cx) }
    }

    /// # Safety
    /// There is a future of this type at `start`, and nobody uses it any more.
    unsafe fn drop(start: NonNull<u8>) {
        // SAFETY: the caller says so.
        unsafe { ptr::drop_in_place(start.cast::<F>().as_ptr()) }
    }
}

impl FutureSlot {
    #[inline]
    fn start(&self) -> NonNull<u8> {
        // SAFETY: no other thread touches the slot, and nothing called here does.
        unsafe { &*self.scratch.as_ptr() }.start()
    }

    #[inline]
    fn reserve(&self, layout: Layout) -> NonNull<u8> {
        // SAFETY: no other thread touches the slot, and nothing called here does.
        unsafe { &mut *self.scratch.as_ptr() }.reserve(layout)
    }

    pub(crate) fn is_busy(&self) -> bool {
        !self.present.get().0.is_null()
    }

    fn is_answered(&self) -> bool {
        self.present.get().is(ANSWERED)
    }

    /// Moves what waits in this slot to another one; its memory goes along, so that it stays where it is.
    pub(crate) fn move_out(&self) -> Self {
        Self {
            scratch: Cell::new(self.scratch.take()),
            present: Cell::new(self.present.replace(Present::NONE)),
            target: Cell::new(self.target.get()),
        }
    }

    /// What the sink of the future in the slot is given.
    pub(crate) fn target(&self) -> *mut () {
        self.target.get()
    }

    /// Whoever waits for the future in the slot; `None` once they were answered, or if there is none.
    pub(crate) fn asker(&self) -> Option<Asker> {
        let present = self.present.get();
        let calls = present.calls().filter(|_| !present.is(ANSWERED))?;
        Some(Asker { calls, target: self.target.get() })
    }

    /// Whether what runs in the slot is to answer this ask of another node.
    ///
    /// # Safety
    /// Nothing runs it at this time: it is the caller that would.
    pub(crate) unsafe fn answers(&self, ask: &AskThere) -> bool {
        // SAFETY: `asker` says that it has not answered, and the caller that this stays so.
        self.asker().is_some_and(|asker| unsafe { asker.is(ask) })
    }

    /// Takes the duty to answer out of the slot, for `out`; the future is done with at its next wait. `false` if there is
    /// none, or not of that kind.
    ///
    /// # Safety
    /// It is the turn of `cell`, whose slot this is; the future itself may call it.
    pub(crate) unsafe fn detach(&self, cell: NonNull<CellHead>, out: &mut dyn Any) -> bool {
        let Some(Asker { calls, target }) = self.asker() else { return false };
        // SAFETY: the target belongs to this table, and the sink was not called before.
        let detached = unsafe { (calls.detach)(cell, target, out) };
        if detached {
            self.present.set(self.present.get().with(ANSWERED));
        }
        detached
    }

    /// Lends memory to an idle slot that has none.
    #[inline(always)]
    pub(crate) fn lend(&self, lender: impl FnOnce() -> Scratch) {
        // SAFETY: no other thread touches the slot, and nothing called here does.
        let none = unsafe { &*self.scratch.as_ptr() }.is_empty();
        if none && !self.is_busy() {
            self.scratch.set(lender());
        }
    }

    /// Takes the memory of an idle slot.
    #[inline(always)]
    pub(crate) fn take_back(&self) -> Option<Scratch> {
        (!self.is_busy()).then(|| self.scratch.take())
    }

    /// Builds a future, and polls it once: `true` if it is done, `false` if it waits in the slot.
    ///
    /// # Safety
    /// It is the cell's turn; `target` is what `S` expects. What the future borrows stays until the future is done or
    /// abandoned.
    #[inline(always)]
    pub(crate) unsafe fn begin<F: Future, S: Sink<F::Output>>(
        &self,
        cell: NonNull<CellHead>,
        target: *mut (),
        make: impl FnOnce() -> F,
        cx: &mut Context<'_>,
    ) -> bool {
        debug_assert!(!self.is_busy(), "one future at a time");
        let start = self.reserve(Layout::new::<F>());
        self.target.set(target);
        self.present.set(Present::new(Table::<F, S>::CALLS, 0));
        // May panic: then the slot stays busy, and the sink is told.
        let future = make();
        // SAFETY: the memory is large and aligned enough, and empty since the slot was idle.
        unsafe { start.cast::<F>().write(future) };
        self.present.set(self.present.get().with(BUILT));
        // SAFETY: the future was built just now, with this table.
        unsafe { Table::<F, S>::poll_at(start, self, cell, cx) }
    }

    /// Polls what waits in the slot: `true` if the slot is idle now.
    ///
    /// # Safety
    /// It is the cell's turn.
    pub(crate) unsafe fn resume(&self, cell: NonNull<CellHead>, cx: &mut Context<'_>) -> bool {
        let Some(calls) = self.present.get().calls() else { return true };
        // SAFETY: a slot whose poll panicked is abandoned, never resumed, so its future is built, and of this table.
        unsafe { (calls.poll)(self, cell, cx) }
    }

    /// Drops what is in the slot, where it panicked or is given up, and tells its sink. Returns how many panics that
    /// itself caused; they go no further.
    ///
    /// # Safety
    /// It is the cell's turn.
    pub(crate) unsafe fn abandon(&self, cell: NonNull<CellHead>, failure: &Failure) -> u64 {
        let present = self.present.replace(Present::NONE);
        let Some(calls) = present.calls() else { return 0 };
        let mut panics = 0;
        let start = self.start();
        if present.is(BUILT) {
            // SAFETY: the future is there, and no poll of it is running.
            let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { (calls.drop)(start) }));
            panics += swallow(dropped);
        }
        if !present.is(ANSWERED) {
            // SAFETY: the sink was not called before.
            let told = catch_unwind(AssertUnwindSafe(|| unsafe {
                (calls.fail)(cell, self.target.get(), failure);
            }));
            panics += swallow(told);
        }
        panics
    }
}

/// Counts a panic. Its payload is left alone, for its destructor might panic too.
fn swallow(result: std::thread::Result<()>) -> u64 {
    result.map_or_else(
        |payload| {
            std::mem::forget(payload);
            1
        },
        |()| 0,
    )
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker};

    use odeon_message::FailureKind;

    use super::*;

    /// What became of a future: its sink writes it where the target points.
    #[derive(Default, PartialEq, Debug)]
    struct Told {
        done: Vec<String>,
        failed: u32,
    }

    struct ToTold;

    impl Sink<String> for ToTold {
        unsafe fn done(_: NonNull<CellHead>, target: *mut (), output: String) {
            // SAFETY: the target of these tests is a `Told`.
            unsafe { &mut *target.cast::<Told>() }.done.push(output);
        }

        unsafe fn fail(_: NonNull<CellHead>, target: *mut (), _: &Failure) {
            // SAFETY: as above.
            unsafe { &mut *target.cast::<Told>() }.failed += 1;
        }
    }

    /// Begins a future in a slot; `None` if that panicked.
    fn begin<F: Future<Output = String>>(
        slot: &FutureSlot,
        told: &mut Told,
        make: impl FnOnce() -> F,
    ) -> Option<bool> {
        let target = ptr::from_mut(told).cast();
        let mut cx = Context::from_waker(Waker::noop());
        let begun = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the sink looks at no cell, and the target is its own; nothing is borrowed.
            unsafe { slot.begin::<_, ToTold>(NonNull::dangling(), target, make, &mut cx) }
        }));
        begun.ok()
    }

    fn resume(slot: &FutureSlot) -> bool {
        // SAFETY: as above.
        unsafe { slot.resume(NonNull::dangling(), &mut Context::from_waker(Waker::noop())) }
    }

    fn abandon(slot: &FutureSlot) -> u64 {
        let failure = Failure::not_delivered(FailureKind::Stopped, "");
        // SAFETY: as above.
        unsafe { slot.abandon(NonNull::dangling(), &failure) }
    }

    /// A future that waits so many times and holds something on the heap meanwhile.
    async fn wait(times: u32, text: &str) -> String {
        let held = text.to_owned();
        for _ in 0..times {
            let mut waited = false;
            poll_fn(|_| match std::mem::replace(&mut waited, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
        held
    }

    #[test]
    fn futures_of_any_size_follow_each_other_in_one_piece_of_memory() {
        let (slot, mut told) = (FutureSlot::default(), Told::default());
        slot.lend(Scratch::default);
        assert_eq!(begin(&slot, &mut told, || wait(0, "a")), Some(true));
        assert_eq!(begin(&slot, &mut told, || wait(2, "b")), Some(false));
        assert!(slot.take_back().is_none(), "it is in use");
        assert!(!resume(&slot) && resume(&slot) && resume(&slot));
        let large = || async {
            let words = [7_u64; 300];
            wait(1, "c").await + &words[299].to_string()
        };
        assert_eq!(begin(&slot, &mut told, large), Some(false));
        assert!(resume(&slot));
        assert_eq!(told, Told { done: vec!["a".into(), "b".into(), "c7".into()], failed: 0 });
        assert!(slot.take_back().is_some());
    }

    #[test]
    fn what_is_abandoned_is_dropped_and_its_sink_told_once() {
        let (slot, mut told) = (FutureSlot::default(), Told::default());
        assert_eq!(begin(&slot, &mut told, || wait(9, "a")), Some(false));
        assert_eq!(abandon(&slot), 0);
        assert_eq!(abandon(&slot), 0, "there is nothing any more");
        assert_eq!(told, Told { done: Vec::new(), failed: 1 });
    }

    #[test]
    fn a_panic_keeps_the_slot_busy_until_it_is_abandoned() {
        let (slot, mut told) = (FutureSlot::default(), Told::default());
        let unmade = || -> std::future::Ready<String> { panic!("while it is made") };
        assert_eq!(begin(&slot, &mut told, unmade), None);
        assert!(slot.is_busy());
        assert_eq!(abandon(&slot), 0);
        let polled = || async { panic!("while it is polled") };
        assert_eq!(begin::<_>(&slot, &mut told, polled), None);
        assert!(slot.is_busy());
        assert_eq!(abandon(&slot), 0);
        assert_eq!(told, Told { done: Vec::new(), failed: 2 });
    }

    #[test]
    fn a_panic_in_a_destructor_is_counted_and_goes_no_further() {
        struct Grenade;
        impl Drop for Grenade {
            fn drop(&mut self) {
                // The payload is left alone, so it has no memory that would be.
                std::panic::resume_unwind(Box::new(()));
            }
        }
        let (slot, mut told) = (FutureSlot::default(), Told::default());
        let armed = || async {
            let _grenade = Grenade;
            wait(1, "a").await
        };
        assert_eq!(begin(&slot, &mut told, armed), Some(false));
        assert_eq!(abandon(&slot), 1);
        assert!(!slot.is_busy());
        assert_eq!(told, Told { done: Vec::new(), failed: 1 });
    }
}
