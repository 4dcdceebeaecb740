//! The one allocation of an actor: what everybody may touch, and behind it what only its worker may.
//!
//! [`CellHead`] is the same for every actor type, so that the run queue, the registry, watchers and the network hold
//! actors by one thin, counted pointer, [`CellPtr`]. [`ActorCell`] adds the typed [`Core`]. What it is NOT: the logic
//! of an actor's life; read `life.rs` next. What is needed rarely is in `bonds.rs`.
#![expect(unsafe_code, reason = "typed cells are linked and counted through their common head")]

mod counted;
mod fields;

use std::{
    any::TypeId,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::{self, NonNull},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering},
    },
    task::{RawWaker, RawWakerVTable, Waker},
};

use crate::{
    Actor, AskThere, Context, Overflow, SpawnOptions,
    bonds::Knot,
    census::TypePlace,
    edges::Came,
    envelope::Envelope,
    life::{self, Core, Phase, Starter},
    load::{Charge, Spare},
    mailbox::Mailbox,
    sync::AtomicPtr,
    turn::Turn,
    worker::{Worker, polls_workers},
};

use counted::Counted;

pub(crate) use fields::write_fields;

pub(crate) use counted::{CellArc, CellSpot};

/// What others want from an actor: bits that are set from any thread and taken in the actor's turn.
#[derive(Default)]
pub(crate) struct Signals(AtomicU16);

impl Signals {
    /// Stop for good after the current handler.
    pub(crate) const STOP: u16 = 1;
    /// End now, in the middle of a handler if need be.
    pub(crate) const KILL: u16 = 2;
    /// The actor ends by itself; its supervisor decides what then.
    pub(crate) const LEAVE: u16 = 4;
    /// The supervisor's verdict: start again.
    pub(crate) const RESTART: u16 = 8;
    /// The supervisor's verdict: let it end.
    pub(crate) const RELEASE: u16 = 16;
    /// There is something in the system lane.
    pub(crate) const LANE: u16 = 32;
    /// A source was woken, or an item of one waits.
    pub(crate) const SOURCES: u16 = 256;
    /// An item of a source was handed out: the source goes on after the next message.
    pub(crate) const OWED: u16 = 512;
    /// The present life ends after the current handler, with [`KILL`](Self::KILL) at once; the supervisor decides what
    /// then.
    pub(crate) const HALT: u16 = 64;
    /// Unstashed messages go before the mailbox.
    pub(crate) const RETURNED: u16 = 1024;
    /// Reads run: nothing that needs the actor for itself begins.
    pub(crate) const READING: u16 = 2048;
    /// A handler had to wait for another actor, and that is known in the bonds.
    pub(crate) const WAITS: u16 = 128;
    /// Handle what is queued, then stop.
    pub(crate) const DRAIN: u16 = 4096;

    pub(crate) fn any(&self) -> u16 {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, bits: u16) {
        self.0.fetch_or(bits, Ordering::AcqRel);
    }

    /// Takes those of `bits` that are set.
    pub(crate) fn take(&self, bits: u16) -> u16 {
        self.0.fetch_and(!bits, Ordering::AcqRel) & bits
    }
}

/// The part of an actor that does not depend on its type. What senders change for each message stands first, and a line
/// of memory before what the worker looks at for each, so that the two do not take it from each other.
#[repr(C)]
pub(crate) struct CellHead {
    counted: Counted,
    pub(crate) mailbox: Mailbox,
    pub(crate) worker: Arc<Worker>,
    calls: &'static CellCalls,
    /// Number on its node, in order of spawning, from 1.
    pub(crate) number: u64,
    pub(crate) bonds: Knot,
    /// The cell below in a worker's inbox.
    pub(crate) next: AtomicPtr<CellHead>,
    /// Place among the worker's live cells.
    pub(crate) live_at: AtomicU32,
    /// When its worker last took messages, in ticks of `metrics.rs`; 0 while it sleeps, or if nobody knows.
    pub(crate) taken_at: AtomicU32,
    pub(crate) signals: Signals,
    /// Where its type is counted.
    pub(crate) place: TypePlace,
    pub(crate) overflow: Overflow,
    /// In the run queue, or on the way to it.
    pub(crate) queued: AtomicBool,
    /// Put in the run queue by its worker's own thread. Only that touches it.
    pub(crate) near: AtomicBool,
    /// A turn of it is going on. Only its worker's thread touches it.
    pub(crate) in_turn: AtomicBool,
    /// Room in its mailbox that its worker has at hand. Only that touches it, but for hints.
    pub(crate) spare: Spare,
}

impl Drop for CellHead {
    fn drop(&mut self) {
        self.worker.system().counters().freed.fetch_add(1, Ordering::Release);
    }
}

impl CellHead {
    /// What people call the type: its id, else its name in the program.
    pub(crate) fn kind(&self) -> &'static str {
        self.calls.kind()
    }

    /// Whether its worker has seen it and keeps it. Certain for the worker's own thread only.
    #[inline]
    pub(crate) fn is_kept(&self) -> bool {
        self.live_at.load(Ordering::Relaxed) != u32::MAX
    }

    /// Reserves room in its mailbox for one message of so many units; `false` if there is none, others wait for it, or it has
    /// lanes.
    #[inline]
    pub(crate) fn reserve(&self, units: u32) -> bool {
        // Who is on no worker's thread needs not look at what that writes.
        match polls_workers() && self.worker.is_here() {
            true => self.mailbox.reserve_near(&self.spare, units, false),
            false => self.mailbox.reserve(units),
        }
    }

    /// What is in its mailbox, or was taken out and has not begun. Certain for its worker's own thread only.
    pub(crate) fn held(&self) -> Charge {
        self.mailbox.held(&self.spare)
    }

    /// How much it has to do: messages that are in or were just taken, and one more unless it sleeps. Only a hint.
    pub(crate) fn depth(&self) -> usize {
        self.held().messages() as usize + usize::from(!self.mailbox.is_asleep())
    }

    /// The table of its type.
    pub(crate) fn calls(&self) -> &'static CellCalls {
        self.calls
    }
}

/// What can be done with a cell of one type. There is one table a type, and it lives for ever.
pub(crate) struct CellCalls {
    free: unsafe fn(NonNull<CellHead>),
    run: unsafe fn(NonNull<CellHead>, &mut Turn<'_>) -> bool,
    run_directly: unsafe fn(NonNull<CellHead>, Envelope, &mut Turn<'_>) -> Result<bool, Envelope>,
    end: unsafe fn(NonNull<CellHead>),
    type_id: fn() -> TypeId,
    id: Option<&'static str>,
    type_name: fn() -> &'static str,
    phase: unsafe fn(NonNull<CellHead>) -> Phase,
    seek: unsafe fn(NonNull<CellHead>, &AskThere) -> Option<Came>,
}

impl CellCalls {
    /// What people call the type: its id, else its name in the program.
    pub(crate) fn kind(&self) -> &'static str {
        self.id.unwrap_or_else(|| (self.type_name)())
    }

    pub(crate) fn type_id(&self) -> TypeId {
        (self.type_id)()
    }
}

/// An actor with its type.
#[repr(C)]
pub(crate) struct ActorCell<A: Actor> {
    pub(crate) head: CellHead,
    core: Core<A>,
}

// SAFETY: the head is made for sharing. The core is touched only in the cell's turn, by one thread at a time, and all
// it holds is `Send`: actors, arguments, contexts, messages and handlers' futures.
unsafe impl<A: Actor> Send for ActorCell<A> {}
// SAFETY: as above.
unsafe impl<A: Actor> Sync for ActorCell<A> {}

impl<A: Actor> ActorCell<A> {
    const CALLS: &'static CellCalls = &CellCalls {
        free: CellArc::<A>::free,
        run: life::run::<A>,
        run_directly: life::run_directly::<A>,
        end: life::end::<A>,
        type_id: TypeId::of::<A>,
        id: A::ID,
        type_name: std::any::type_name::<A>,
        phase: life::phase::<A>,
        seek: life::seek::<A>,
    };

    /// A new actor that counts as live.
    pub(crate) fn make(
        worker: Arc<Worker>,
        options: &SpawnOptions,
        args: A::Args,
        starter: Option<Starter>,
    ) -> CellArc<A> {
        let system = worker.system();
        let number = system.next_number();
        let bounds = options.bounds(system.config());
        let lanes = options.lanes(bounds);
        let overflow = options.of_overflow();
        worker.gauge().one_more(worker.is_thread_here());
        let write = |counted, place: *mut Self| {
            // SAFETY: the memory is that of a cell, and nobody else knows it.
            let head = unsafe { &raw mut (*place).head };
            // SAFETY: as above.
            let core = unsafe { &raw mut (*place).core };
            // SAFETY: as above.
            unsafe { Core::write(core, args, starter) };
            // SAFETY: as above.
            unsafe {
                write_fields!(
                    head,
                    CellHead {
                        counted: counted,
                        // Its start is scheduled anyway, so that nobody needs to wake it for a message.
                        mailbox: Mailbox::of(bounds, lanes),
                        worker: worker,
                        calls: Self::CALLS,
                        number: number,
                        bonds: Knot::default(),
                        next: AtomicPtr::new(ptr::null_mut()),
                        overflow: overflow,
                        live_at: AtomicU32::new(u32::MAX),
                        signals: Signals::default(),
                        // Nobody else may schedule it before whoever made it has put it in its worker's queue.
                        queued: AtomicBool::new(true),
                        near: AtomicBool::new(false),
                        in_turn: AtomicBool::new(false),
                        place: TypePlace::default(),
                        taken_at: AtomicU32::new(0),
                        spare: Spare::default(),
                    }
                );
            }
        };
        // SAFETY: it writes both parts of a cell.
        let cell = unsafe { CellArc::new(write) };
        cell.head.worker.note_growth(cell.as_raw().addr().get() + size_of::<Self>());
        // SAFETY: the context stays in the cell that it is of.
        let context = unsafe { Context::of(&cell) };
        // SAFETY: nobody else knows the cell yet.
        unsafe { cell.core.set_context(context) };
        cell
    }

    /// What only the worker may touch.
    ///
    /// # Safety
    /// It is the cell's turn, or the cell was not published yet.
    pub(crate) unsafe fn core(&self) -> &Core<A> {
        &self.core
    }

    /// Where the core of a cell is.
    ///
    /// # Safety
    /// `cell` points at a cell that is alive.
    pub(crate) unsafe fn core_of(cell: *const Self) -> *const Core<A> {
        // SAFETY: the caller says so; no reference is made.
        unsafe { &raw const (*cell).core }
    }
}

/// A counted reference to an actor of any type.
pub(crate) struct CellPtr(NonNull<CellHead>);

// SAFETY: it is a counted reference to a cell, and those are `Send` and `Sync`.
unsafe impl Send for CellPtr {}
// SAFETY: as above.
unsafe impl Sync for CellPtr {}

impl CellPtr {
    pub(crate) fn new<A: Actor>(cell: CellArc<A>) -> Self {
        Self(cell.into_raw().cast())
    }

    /// The untyped reference for the length of a call, without counting.
    pub(crate) fn borrow<A: Actor>(cell: &CellArc<A>) -> BorrowedCell<'_> {
        let ptr = Self(cell.as_raw().cast());
        BorrowedCell { ptr: ManuallyDrop::new(ptr), cell: PhantomData }
    }

    pub(crate) fn as_raw(&self) -> NonNull<CellHead> {
        self.0
    }

    pub(crate) fn into_raw(self) -> NonNull<CellHead> {
        ManuallyDrop::new(self).0
    }

    /// Takes back what [`into_raw`](Self::into_raw) gave out.
    ///
    /// # Safety
    /// Each count is taken back once.
    pub(crate) unsafe fn from_raw(cell: NonNull<CellHead>) -> Self {
        Self(cell)
    }

    /// One more reference to a cell that is known to be alive.
    ///
    /// # Safety
    /// `cell` came out of a `CellPtr` or a `CellArc` that is still alive.
    pub(crate) unsafe fn share(cell: NonNull<CellHead>) -> Self {
        Self::clone(&ManuallyDrop::new(Self(cell)))
    }

    /// As [`share`](Self::share), for whoever alone knows the cell.
    ///
    /// # Safety
    /// As there, and nobody else can reach the cell at this time.
    #[inline]
    pub(crate) unsafe fn share_alone(cell: NonNull<CellHead>) -> Self {
        let shared = Self(cell);
        shared.retain_alone();
        shared
    }

    /// The typed cell, if it is of this type.
    pub(crate) fn downcast<A: Actor>(self) -> Result<CellArc<A>, Self> {
        if (self.calls.type_id)() != TypeId::of::<A>() {
            return Err(self);
        }
        let cell = self.into_raw().cast::<ActorCell<A>>();
        // SAFETY: the type was compared, and the count of `self` goes over.
        Ok(unsafe { CellArc::from_raw(cell) })
    }

    /// The declared id of the actor's type.
    pub(crate) fn actor_id(&self) -> Option<&'static str> {
        self.calls.id
    }

    /// Where the actor is in its life.
    pub(crate) fn phase(&self) -> Phase {
        // SAFETY: `self` holds a count, and the table was made for its type.
        unsafe { (self.calls.phase)(self.0) }
    }

    /// Puts the cell in its worker's run queue, unless it is there; `false` if the worker is gone.
    pub(crate) fn schedule(&self) -> bool {
        if let Some(scheduled) = self.worker.schedule_near(self) {
            return scheduled;
        }
        if self.queued.swap(true, Ordering::AcqRel) {
            return true;
        }
        self.worker.enqueue(self.clone())
    }

    /// Sets signals and lets the actor see them.
    pub(crate) fn signal(&self, bits: u16) {
        self.signals.set(bits);
        self.schedule();
    }

    /// Runs the actor; `true` if it has more to do.
    ///
    /// # Safety
    /// The caller is the cell's worker, and no turn of the cell is going on.
    pub(crate) unsafe fn run(&self, turn: &mut Turn<'_>) -> bool {
        // SAFETY: the pointer is of the type that the table was made for; the caller keeps the rest.
        unsafe { (self.calls.run)(self.0, turn) }
    }

    /// Runs one message of an actor that has nothing to do; `true` if it has more to do afterwards. The message comes back
    /// if something is in its way.
    ///
    /// # Safety
    /// As [`run`](Self::run); the message is one to this actor.
    pub(crate) unsafe fn run_directly(
        &self,
        envelope: Envelope,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Envelope> {
        // SAFETY: as in `run`.
        unsafe { (self.calls.run_directly)(self.0, envelope, turn) }
    }

    /// How this ask of another node waits here, if it does and something holds it up.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    pub(crate) unsafe fn seek(&self, ask: &AskThere) -> Option<Came> {
        // SAFETY: the pointer is of the type that the table was made for; the caller keeps the rest.
        unsafe { (self.calls.seek)(self.0, ask) }
    }

    /// Ends the actor where it stands, without running any of its code but its destructors.
    ///
    /// # Safety
    /// As [`run`](Self::run); or the cell never got to its worker.
    pub(crate) unsafe fn end(&self) {
        // SAFETY: as above.
        unsafe { (self.calls.end)(self.0) }
    }
}

impl Clone for CellPtr {
    fn clone(&self) -> Self {
        self.retain();
        Self(self.0)
    }
}

impl Drop for CellPtr {
    fn drop(&mut self) {
        // SAFETY: the count of `self` is given up.
        unsafe { CellHead::release(self.0) }
    }
}

impl Deref for CellPtr {
    type Target = CellHead;

    fn deref(&self) -> &CellHead {
        // SAFETY: `self` holds a count, so the cell is alive; only its head is referred to.
        unsafe { self.0.as_ref() }
    }
}

/// A [`CellPtr`] that borrows its count from a [`CellArc`].
pub(crate) struct BorrowedCell<'a> {
    ptr: ManuallyDrop<CellPtr>,
    cell: PhantomData<&'a CellHead>,
}

impl Deref for BorrowedCell<'_> {
    type Target = CellPtr;

    fn deref(&self) -> &CellPtr {
        &self.ptr
    }
}

static WAKER: RawWakerVTable = RawWakerVTable::new(clone_waker, wake, wake_by_ref, drop_waker);

fn cell_of(data: *const ()) -> NonNull<CellHead> {
    NonNull::new(data.cast_mut().cast()).expect("a waker is made from a cell")
}

unsafe fn clone_waker(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned keeps the cell alive.
    let shared = unsafe { CellPtr::share(cell_of(data)) };
    RawWaker::new(shared.into_raw().as_ptr().cast_const().cast(), &WAKER)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker's count is given up with it.
    unsafe { CellPtr::from_raw(cell_of(data)) }.schedule();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker keeps its count, so this one must not be dropped.
    ManuallyDrop::new(unsafe { CellPtr::from_raw(cell_of(data)) }).schedule();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker's count is given up with it.
    drop(unsafe { CellPtr::from_raw(cell_of(data)) });
}

/// A waker of the cell for the length of its turn; it holds no count of its own, its clones do.
pub(crate) fn turn_waker(cell: &CellPtr) -> ManuallyDrop<Waker> {
    let data = cell.as_raw().as_ptr().cast_const().cast();
    // SAFETY: the table's functions keep the contract of `RawWakerVTable`; they may run on any thread. The count that
    // the waker seems to own is never given up, since it is not dropped.
    ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(data, &WAKER)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StartError;

    struct Idle;

    impl Actor for Idle {
        type Args = ();

        async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
            Ok(Self)
        }
    }

    #[test]
    fn an_idle_actor_is_one_small_allocation() {
        // Programs with a million idle actors pay for every byte here.
        let bytes = size_of::<ActorCell<Idle>>();
        assert!(bytes <= 192, "{bytes} bytes");
    }
}
