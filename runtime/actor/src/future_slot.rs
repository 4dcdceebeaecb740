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
    cell::Cell,
    future::Future,
    marker::PhantomData,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    ptr::{self, NonNull},
    task::{Context, Poll},
};

use odeon_message::Failure;

use crate::{cell::CellHead, scratch::Scratch};

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
}

type PollCall = unsafe fn(&FutureSlot, Current, NonNull<CellHead>, &mut Context<'_>) -> bool;

struct Calls {
    poll: PollCall,
    drop: unsafe fn(NonNull<u8>),
    fail: unsafe fn(NonNull<CellHead>, *mut (), &Failure),
}

#[derive(Clone, Copy)]
struct Current {
    calls: &'static Calls,
    target: *mut (),
    /// There is a future in the memory.
    built: bool,
    /// The sink has been called.
    answered: bool,
}

/// Where an actor's future lives. Only the worker that runs the actor touches it.
#[derive(Default)]
pub(crate) struct FutureSlot {
    scratch: Cell<Scratch>,
    current: Cell<Option<Current>>,
}

/// Keeps the slot busy when it goes out of scope: by a future that waits, or by a panic.
struct Busy<'a> {
    slot: &'a FutureSlot,
    current: Current,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.slot.current.set(Some(self.current));
    }
}

struct Table<F, S>(PhantomData<(F, S)>);

impl<F: Future, S: Sink<F::Output>> Table<F, S> {
    const CALLS: &'static Calls = &Calls { poll: Self::poll, drop: Self::drop, fail: S::fail };

    /// # Safety
    /// `current` was taken from `slot`, is of this table, and its future is built.
    unsafe fn poll(
        slot: &FutureSlot,
        current: Current,
        cell: NonNull<CellHead>,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut busy = Busy { slot, current };
        let mut future = slot.start().cast::<F>();
        // SAFETY: the future is built, and nobody else touches the memory while its slot is busy.
        let future_mut = unsafe { future.as_mut() };
        // SAFETY: it is dropped in place and the memory is not moved before.
        let pinned = unsafe { Pin::new_unchecked(future_mut) };
        let Poll::Ready(output) = pinned.poll(cx) else { return false };
        busy.current.answered = true;
        // SAFETY: the target belongs to this future, whose sink was not called before.
        unsafe { S::done(cell, current.target, output) };
        mem::forget(busy);
        // SAFETY: the future is built; nothing refers to it any more, the slot is not busy.
        unsafe { ptr::drop_in_place(future.as_ptr()) };
        true
    }

    /// # Safety
    /// There is a future of this type at `start`, and nobody uses it any more.
    unsafe fn drop(start: NonNull<u8>) {
        // SAFETY: the caller says so.
        unsafe { ptr::drop_in_place(start.cast::<F>().as_ptr()) }
    }
}

impl FutureSlot {
    fn start(&self) -> NonNull<u8> {
        let scratch = self.scratch.take();
        let start = scratch.start();
        self.scratch.set(scratch);
        start
    }

    fn reserve(&self, layout: Layout) -> NonNull<u8> {
        let mut scratch = self.scratch.take();
        let start = scratch.reserve(layout);
        self.scratch.set(scratch);
        start
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.current.get().is_some()
    }

    /// Lends memory to an idle slot that has none.
    pub(crate) fn lend(&self, lender: impl FnOnce() -> Scratch) {
        let own = self.scratch.take();
        self.scratch.set(if own.is_empty() && !self.is_busy() { lender() } else { own });
    }

    /// Takes the memory of an idle slot.
    pub(crate) fn take_back(&self) -> Option<Scratch> {
        (!self.is_busy()).then(|| self.scratch.take())
    }

    /// Builds a future, and polls it once: `true` if it is done, `false` if it waits in the slot.
    ///
    /// # Safety
    /// It is the cell's turn; `target` is what `S` expects. What the future borrows stays until the future is done or
    /// abandoned.
    pub(crate) unsafe fn begin<F: Future, S: Sink<F::Output>>(
        &self,
        cell: NonNull<CellHead>,
        target: *mut (),
        make: impl FnOnce() -> F,
        cx: &mut Context<'_>,
    ) -> bool {
        debug_assert!(!self.is_busy(), "one future at a time");
        let start = self.reserve(Layout::new::<F>());
        let calls = Table::<F, S>::CALLS;
        let busy =
            Busy { slot: self, current: Current { calls, target, built: false, answered: false } };
        // May panic: then the guard keeps the target, and the sink is told.
        let future = make();
        // SAFETY: the memory is large and aligned enough, and empty since the slot is idle.
        unsafe { start.cast::<F>().write(future) };
        let current = Current { built: true, ..busy.current };
        mem::forget(busy);
        // SAFETY: the future was built just now, with this table.
        unsafe { Table::<F, S>::poll(self, current, cell, cx) }
    }

    /// Polls what waits in the slot: `true` if the slot is idle now.
    ///
    /// # Safety
    /// It is the cell's turn.
    pub(crate) unsafe fn resume(&self, cell: NonNull<CellHead>, cx: &mut Context<'_>) -> bool {
        let Some(current) = self.current.take() else { return true };
        // SAFETY: it was taken from this slot; a slot whose poll panicked is abandoned, never resumed, so it is built.
        unsafe { (current.calls.poll)(self, current, cell, cx) }
    }

    /// Drops what is in the slot, where it panicked or is given up, and tells its sink. Returns how many panics that
    /// itself caused; they go no further.
    ///
    /// # Safety
    /// It is the cell's turn.
    pub(crate) unsafe fn abandon(&self, cell: NonNull<CellHead>, failure: &Failure) -> u64 {
        let Some(current) = self.current.take() else { return 0 };
        let mut panics = 0;
        let start = self.start();
        if current.built {
            // SAFETY: the future is there, and no poll of it is running.
            let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { (current.calls.drop)(start) }));
            panics += swallow(dropped);
        }
        if !current.answered {
            let fail = current.calls.fail;
            // SAFETY: the sink was not called before.
            let told = catch_unwind(AssertUnwindSafe(|| unsafe {
                fail(cell, current.target, failure);
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
