//! What only its worker touches of an actor, and what stands there at the beginning and the end of its life.
//!
//! What it is: the fields, and the ways to borrow them. What it is NOT: the turn that does so; read `life.rs`, and `cell.rs`
//! for what all threads touch.
#![expect(unsafe_code, reason = "handlers borrow the actor from its cell while the worker goes on")]

use std::{
    cell::{Cell, OnceCell, UnsafeCell},
    sync::atomic::AtomicU8,
};

use tokio::sync::oneshot;

use super::{Phase, PhaseCell, value::Value};
use crate::{
    Actor, Context, ExitReason, StartError,
    cell::{CellArc, CellHead, CellPtr, write_fields},
    extras::Extras,
    future_slot::FutureSlot,
    mailbox::Batch,
    worker::Begun,
};

/// Why and how a life ends.
#[derive(Clone)]
pub(super) struct Exit {
    pub(super) reason: ExitReason,
    /// Nobody is asked whether it shall start again.
    pub(super) last: bool,
}

/// What an actor has at the beginning and at the end of its life, never both: it ends when it has told its starter.
pub(super) enum Rim {
    Start(oneshot::Sender<Result<(), StartError>>),
    Exit(Exit),
}

/// Who waits for the first start.
pub(crate) enum Starter {
    /// Whoever holds the other end.
    Task(oneshot::Sender<Result<(), StartError>>),
    /// Whoever spawns the actor, and takes its first turn on its own stack.
    Stack,
}

impl Starter {
    /// Says that it went well; `false` if whoever waited has given up.
    #[inline]
    pub(super) fn tell(self, head: &CellHead) -> bool {
        match self {
            Self::Task(starter) => starter.send(Ok(())).is_ok(),
            Self::Stack => {
                head.worker.note_started(Begun::Well);
                true
            }
        }
    }

    /// Says why it did not start. Whoever gave up waiting misses nothing.
    #[cold]
    pub(super) fn fail(self, head: &CellHead, error: StartError) {
        match self {
            Self::Task(starter) => drop(starter.send(Err(error))),
            Self::Stack => head.worker.note_started(Begun::Failed(Box::new(error))),
        }
    }
}

/// Says who waits for the first start, of an actor that this thread's worker has not seen, or whose first turn is over and
/// which has not started. Called on the thread of its worker.
pub(crate) fn await_start<A: Actor>(
    cell: &CellArc<A>,
    starter: oneshot::Sender<Result<(), StartError>>,
) {
    if cell.head.worker.is_here() {
        // SAFETY: only this thread touches the core, and it is between two turns of the cell.
        let core = unsafe { cell.core() };
        if core.starts_here.take() {
            core.rim.set(Some(Box::new(Rim::Start(starter))));
        }
    }
}

/// What only the worker touches, in the actor's turn. `value` and `context` may be borrowed by the future in the slot;
/// everything else never is. What each turn looks at stands together, whatever the actor's own size.
#[repr(C)]
pub(crate) struct Core<A: Actor> {
    pub(super) batch: Batch,
    pub(super) slot: FutureSlot,
    pub(super) extras: OnceCell<Box<Extras>>,
    pub(super) phase: PhaseCell,
    /// It handles what was queued, and then stops: nothing more is taken from the mailbox.
    pub(super) draining: Cell<bool>,
    /// Who waits for the first start takes its first turn.
    pub(super) starts_here: Cell<bool>,
    pub(super) value: UnsafeCell<Value<A>>,
    pub(super) context: UnsafeCell<Option<Context<A>>>,
    /// Boxed, as few actors are at either at any time.
    pub(super) rim: Cell<Option<Box<Rim>>>,
}

impl<A: Actor> Core<A> {
    /// Writes one where it stays.
    ///
    /// # Safety
    /// `place` is one for it, and nobody else knows it.
    #[inline(always)]
    pub(crate) unsafe fn write(place: *mut Self, args: A::Args, starter: Option<Starter>) {
        let starts_here = matches!(starter, Some(Starter::Stack));
        let rim = match starter {
            Some(Starter::Task(starter)) => Some(Box::new(Rim::Start(starter))),
            Some(Starter::Stack) | None => None,
        };
        // SAFETY: the caller says so.
        unsafe {
            write_fields!(
                place,
                Core {
                    batch: Batch::default(),
                    slot: FutureSlot::default(),
                    extras: OnceCell::new(),
                    phase: PhaseCell(AtomicU8::new(Phase::Fresh as u8)),
                    draining: Cell::new(false),
                    starts_here: Cell::new(starts_here),
                    value: UnsafeCell::new(Value::Args(args)),
                    context: UnsafeCell::new(None),
                    rim: Cell::new(rim),
                }
            );
        }
    }

    pub(super) fn take_starter(&self) -> Option<Starter> {
        if self.starts_here.take() {
            return Some(Starter::Stack);
        }
        let rim = self.rim.take()?;
        match *rim {
            Rim::Start(starter) => Some(Starter::Task(starter)),
            Rim::Exit(exit) => {
                self.set_exit(exit);
                None
            }
        }
    }

    /// The first start does not come, and nobody waits for it: whoever spawned the actor is told `error`.
    pub(crate) fn never_starts(&self, error: &StartError) {
        drop(self.take_starter());
        self.set_exit(Exit { reason: error.reason(), last: true });
    }

    /// Puts the context in, which refers to the cell that this core is in.
    ///
    /// # Safety
    /// The cell was not published yet.
    pub(crate) unsafe fn set_context(&self, context: Context<A>) {
        // SAFETY: the caller has the only reference.
        unsafe { *self.context.get() = Some(context) };
    }

    /// Where the handler that runs is.
    pub(crate) fn slot(&self) -> &FutureSlot {
        &self.slot
    }

    pub(super) fn set_exit(&self, exit: Exit) {
        self.rim.set(Some(Box::new(Rim::Exit(exit))));
    }

    pub(super) fn take_exit(&self) -> Option<Exit> {
        match *self.rim.take()? {
            Rim::Exit(exit) => Some(exit),
            // Nobody ends before whoever waits for the start was told, or has given up.
            Rim::Start(_) => None,
        }
    }

    /// What this actor has beside the usual, made for `cell`, its own, if need be.
    pub(crate) fn extras_or(&self, cell: CellPtr) -> &Extras {
        self.extras.get_or_init(|| Box::new(Extras::new(cell)))
    }

    /// Whether there is a message of the mailbox to take.
    pub(super) fn has_message(&self, head: &CellHead) -> bool {
        if self.batch.is_empty() && !self.draining.get() {
            self.batch.append(&head.mailbox.take_some());
            if !self.batch.is_empty() {
                head.worker.note_taken(head);
            }
        }
        !self.batch.is_empty()
    }

    /// # Safety
    /// It is the cell's turn and nothing that borrows the actor is in the slot or made from this call twice.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the turn makes it exclusive")]
    pub(super) unsafe fn value(&self) -> &mut Value<A> {
        // SAFETY: the caller says so.
        unsafe { &mut *self.value.get() }
    }

    /// # Safety
    /// As [`value`](Self::value), for the context.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the turn makes it exclusive")]
    pub(super) unsafe fn context(&self) -> &mut Option<Context<A>> {
        // SAFETY: the caller says so.
        unsafe { &mut *self.context.get() }
    }

    /// What a handler borrows.
    ///
    /// # Safety
    /// As [`value`](Self::value), for both.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the turn makes it exclusive")]
    pub(super) unsafe fn borrow(&self) -> (&mut A, &mut Context<A>) {
        // SAFETY: the caller says so.
        let value = unsafe { self.value() };
        // SAFETY: the caller says so.
        let context = unsafe { self.context() };
        (value.actor(), context.as_mut().expect("a live cell has a context"))
    }
}
