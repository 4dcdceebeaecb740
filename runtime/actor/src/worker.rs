//! A worker: runs the actors that were given to it, on one thread, one at a time.
//!
//! Actors that become ready on the worker's own thread go straight to its ready list, others through the
//! [`Inbox`](crate::run_queue::Inbox). A poll runs ready actors until there are none or the poll is spent, spins a few
//! empty polls and then parks. What it is NOT: a task; `host.rs` hosts it in an actix actor, `stealing.rs` one that has a
//! single actor in a task of the program's runtime, which any of its threads may poll. In a simulation several
//! workers share a thread, so what is bound to the thread (`worker/present.rs`) is set for the length of a poll only. What
//! only a poll touches is in `worker/bound.rs`; what the system wants from it in `worker/orders.rs`.
#![expect(unsafe_code, reason = "what only a poll touches is shared without a lock")]

mod bound;
mod direct;
mod held;
mod late;
mod metering;
mod orders;
mod present;
mod ready;
mod seeking;
mod seen;
mod starts;
pub(crate) mod waiting;

use std::{
    collections::VecDeque,
    ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use odeon_env::{Observer, buggify, buggify_number};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    ActorSystem,
    cell::{CellHead, CellPtr, Signals, turn_waker},
    gathered,
    gauge::Gauge,
    hold::Hold,
    meters::Tallies,
    run_queue::{Arrival, Inbox},
    scratch::Scratch,
    tasks::Tasks,
    turn::{ACTOR_MESSAGES_MAX, Turn},
    workers::Role,
};

use bound::Bound;
use direct::Missed;
use held::Held;
use late::wake_untimed;
use present::{POLLING, Polling, THREAD, this_thread};
use ready::{Ready, Taken};

pub(crate) use direct::{Begun, Ran};
pub(crate) use late::{answered, arm_later, note_time};
pub(crate) use metering::{Report, Waiting};
pub(crate) use orders::Order;
pub(crate) use present::{
    host, is_own_turn, is_polling, polls_workers, present_tasks, shared_here, unhost,
};
pub(crate) use seeking::Seek;

/// Messages handled in one poll before the thread's other tasks have their turn.
const POLL_MESSAGES_MAX: u32 = 2048;
/// A poll that handles so many is one of a busy worker, whose messages are measured less often: by default it has measured
/// one already.
const BUSY_MESSAGES: u32 = 128;
/// Looks at a mailbox that other threads send to before its actor sleeps, and pauses of the processor before each, some 10
/// to 40 ns long: a few microseconds together, less than a sleep and a wake cost both sides. Meanwhile messages gather, and are
/// taken together. Each look takes the line of memory from whoever sends, so that few late ones are better than many: with 64
/// pauses in place of 16, a tell from another thread takes a third less.
const LOOKS_MAX: u32 = 2;
const PAUSES: u32 = 64;

pub(crate) struct Worker {
    inbox: Inbox,
    bound: Bound,
    /// Of a stealing actor's worker.
    hold: Hold,
    waker: Mutex<Option<Waker>>,
    /// The number of the thread that polls it; 0 before and after, and where any thread may be next.
    thread: AtomicU64,
    /// The last work came from another thread: more may follow soon.
    foreign: AtomicBool,
    orders: AtomicU8,
    stopping: AtomicBool,
    /// Who wants to know the actors without a parent; bounded by the calls for a tree.
    asked: Mutex<Vec<oneshot::Sender<Vec<CellPtr>>>>,
    /// Who wants a report; bounded by the calls for metrics.
    asked_report: Mutex<Vec<metering::AskedReport>>,
    /// Asks that are looked for; bounded by whoever brings probes.
    sought: Mutex<VecDeque<seeking::Seek>>,
    tallies: Tallies,
    system: ActorSystem,
    pub(crate) tasks: Tasks,
    observer: Option<Arc<dyn Observer>>,
    number: u32,
    role: Role,
    gauge: Gauge,
    /// Its clock costs nothing and stands still in a poll.
    simulated: bool,
    /// The environment picks among the ready actors.
    chosen: bool,
    spin: u32,
    /// Some handlers are measured.
    samples: bool,
}

// SAFETY: everything but `bound` is `Sync`; `bound` is reached only through `Worker::bound`: by its one thread, or by
// whoever holds it (`hold.rs`), which orders all that the holder before did. What is in it is `Send`.
unsafe impl Sync for Worker {}
// SAFETY: as above; the pointer in `bound` is only compared.
unsafe impl Send for Worker {}

impl Worker {
    pub(crate) fn new(system: ActorSystem, tasks: Tasks, number: u32, role: Role) -> Self {
        let env = system.env();
        let (observer, chosen) = (env.observer(), env.choose(1).is_some());
        let simulated = chosen || observer.is_some();
        let spin = if simulated || role == Role::Stealing { 0 } else { system.config().spin };
        let bound = Bound::default();
        let samples = system.config().sample_every > 0;
        bound.meters.until.set(if samples { system.config().sample_every } else { u32::MAX });
        Self {
            inbox: Inbox::new(),
            bound,
            hold: Hold::new(),
            waker: Mutex::new(None),
            thread: AtomicU64::new(0),
            foreign: AtomicBool::new(false),
            orders: AtomicU8::new(0),
            stopping: AtomicBool::new(false),
            asked: Mutex::default(),
            asked_report: Mutex::default(),
            sought: Mutex::default(),
            tallies: Tallies::new(role == Role::Stealing),
            system,
            tasks,
            observer,
            number,
            role,
            gauge: Gauge::default(),
            simulated,
            chosen,
            spin,
            samples,
        }
    }

    pub(crate) fn system(&self) -> &ActorSystem {
        &self.system
    }

    /// # Safety
    /// The calling thread is polling or closing this worker, or holds it, or is the only one that ever polls it and is
    /// between two polls.
    unsafe fn bound(&self) -> &Bound {
        &self.bound
    }

    /// `Some` while the calling thread polls this worker.
    fn own(&self) -> Option<&Bound> {
        // SAFETY: the thread is polling it.
        ptr::eq(POLLING.get(), self).then(|| unsafe { self.bound() })
    }

    /// Takes a cell in that is in no queue; `false` if the worker is gone.
    pub(crate) fn enqueue(&self, cell: CellPtr) -> bool {
        if let Some(bound) = self.own() {
            if bound.closed.get() {
                return false;
            }
            bound.ready.borrow_mut().extend([cell]);
            return true;
        }
        self.foreign.store(!self.is_of_thread(), Ordering::Relaxed);
        match self.inbox.push(cell) {
            Arrival::Queued => true,
            Arrival::Parked => {
                self.wake();
                true
            }
            Arrival::Closed(cell) => {
                drop(cell);
                false
            }
        }
    }

    /// Whether the worker is polled by this thread, right now or next, and by no other one.
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        self.is_of_thread() || ptr::eq(POLLING.get(), self)
    }

    /// Whether this thread alone may write what only the worker's thread writes, also between two polls.
    #[inline]
    pub(crate) fn is_thread_here(&self) -> bool {
        self.is_of_thread()
    }

    /// Whether it is polled by this thread alone.
    #[inline]
    fn is_of_thread(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == THREAD.get()
    }

    /// Gives one of its actors a turn, if this is its thread: then whether it is not closed.
    #[inline]
    pub(crate) fn schedule_near(&self, cell: &CellPtr) -> Option<bool> {
        if !self.is_here() {
            return None;
        }
        // SAFETY: this thread polls it, or alone does so and is between two polls.
        let bound = unsafe { self.bound() };
        // In the inbox, or on its way to it: it will have a turn here, as when it has not come yet.
        if cell.queued.load(Ordering::Relaxed) {
            return Some(true);
        }
        if bound.closed.get() {
            return Some(false);
        }
        if !cell.is_kept() {
            // It is gone, and wants nothing any more.
            return Some(true);
        }
        bound.ready.borrow_mut().push_near(cell);
        self.come_round(bound);
        Some(true)
    }

    /// Gives one of its actors a turn, which it keeps; called where it [is here](Self::is_here).
    #[inline(always)]
    pub(crate) fn schedule_here(&self, cell: &CellPtr) {
        debug_assert!(self.is_here() && cell.is_kept(), "nobody else may");
        // In a turn it sees for itself what has come; in a queue, or on its way to it, it will have one.
        let comes = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        if comes(&cell.near) || comes(&cell.in_turn) || comes(&cell.queued) {
            return;
        }
        // SAFETY: this thread polls it, or alone does so and is between two polls.
        let bound = unsafe { self.bound() };
        if !bound.closed.get() {
            bound.ready.borrow_mut().put_near(cell);
            self.come_round(bound);
        }
    }

    /// Something is ready here: the worker is polled, now or next.
    #[inline(always)]
    fn come_round(&self, bound: &Bound) {
        if !ptr::eq(POLLING.get(), self) {
            self.foreign.store(false, Ordering::Relaxed);
            self.wake_here(bound);
        }
    }

    /// Has the worker polled by this thread, its own, if nobody else has.
    fn wake_here(&self, bound: &Bound) {
        if self.inbox.is_parked() && !bound.woken.replace(true) {
            bound.wake();
        }
    }

    fn wake(&self) {
        if self.is_of_thread() {
            // SAFETY: this is the thread that polls it.
            unsafe { self.bound() }.wake();
            return;
        }
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            gathered::wake(waker);
        }
    }

    /// Memory for a future. Called in a turn.
    #[inline]
    pub(crate) fn spare(&self) -> Scratch {
        let Some(bound) = self.own() else { return Scratch::default() };
        let lent = bound.lent.take();
        if lent.is_empty() { bound.spare.borrow_mut().pop().unwrap_or_default() } else { lent }
    }

    /// Takes memory back. Called in a turn.
    #[inline]
    pub(crate) fn keep(&self, scratch: Scratch) {
        if !scratch.is_keepable() {
            return;
        }
        let Some(bound) = self.own() else { return };
        let other = bound.lent.replace(scratch);
        if !other.is_empty() {
            bound.store(other);
        }
    }

    /// Waits a moment for more messages from other threads, if nobody else on this one has anything to do: whether some have
    /// come. Called in the turn of an actor that has none left.
    #[cold]
    pub(crate) fn lingers(&self, head: &CellHead) -> bool {
        let expects = self.spin > 0 && self.foreign.load(Ordering::Relaxed);
        if !expects || !self.own().is_some_and(|bound| bound.ready.borrow().is_empty()) {
            return false;
        }
        (0..LOOKS_MAX).any(|_| {
            (0..PAUSES).for_each(|_| std::hint::spin_loop());
            !head.mailbox.is_quiet()
        })
    }

    /// The time as of a few handlers ago at most. Called in a turn in which so many have begun.
    pub(crate) fn recent(&self, handled: u32) -> Instant {
        self.own().map_or_else(Instant::now, |bound| bound.clock.recent(handled))
    }

    /// An actor's first turn.
    pub(crate) fn attach(&self, cell: CellPtr) {
        if self.stopping.load(Ordering::Relaxed) && !cell.has_parent() {
            cell.signal(Signals::STOP);
        }
        let Some(bound) = self.own() else { return };
        let mut live = bound.live.borrow_mut();
        let at = u32::try_from(live.len()).expect("memory ends before 2^32 actors");
        cell.live_at.store(at, Ordering::Relaxed);
        self.enrol(bound, &cell);
        live.push(cell);
    }

    /// An actor's last turn; one that never had its first is not here.
    pub(crate) fn detach(&self, cell: &CellPtr) {
        self.gauge.one_less(self.is_thread_here());
        let Some(bound) = self.own() else { return };
        let at = cell.live_at.swap(u32::MAX, Ordering::Relaxed) as usize;
        let mut live = bound.live.borrow_mut();
        if at < live.len() {
            self.tallies.one_gone(cell.place.get());
            Ready::release(cell);
            bound.gone.borrow_mut().push(live.swap_remove(at));
            bound.buries.set(true);
            if let Some(moved) = live.get(at) {
                moved.live_at.store(u32::try_from(at).unwrap_or(u32::MAX), Ordering::Relaxed);
            }
        }
    }

    /// Runs ready actors; done when the worker was told to quit and has no actor left.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(_held) = Held::begin(self) else { return Poll::Pending };
        if self.misses(Missed::Poll) {
            // SAFETY: this thread alone polls it, or it would miss nothing.
            self.keep_waker(unsafe { self.bound() }, cx.waker());
            return Poll::Pending;
        }
        let _polling = Polling::begin(self);
        let _polled = self.gauge.begin_poll();
        let steals = self.role == Role::Stealing;
        if !steals {
            let thread = this_thread();
            // Senders look at it, also from other threads.
            if self.thread.load(Ordering::Relaxed) != thread {
                self.thread.store(thread, Ordering::Relaxed);
            }
        }
        let taken_max = if steals { ACTOR_MESSAGES_MAX } else { POLL_MESSAGES_MAX };
        // SAFETY: this thread is polling it.
        let bound = unsafe { self.bound() };
        self.keep_waker(bound, cx.waker());
        bound.direct.take();
        bound.outside.set(0);
        bound.starts.set(0);
        bound.woken.set(false);
        bound.clock.begin_poll();
        bound.meters.tick.set(self.system.tick(self.simulated));
        let orders = self.orders.load(Ordering::Acquire);
        self.follow(bound, orders);
        if steals {
            // Since the last poll whoever answers may have had its turn, on this thread.
            wake_untimed(bound);
        }
        let mut taken = 0;
        let mut turns = 0;
        self.inbox.take(&mut *bound.ready.borrow_mut());
        self.gauge.set_ready(bound.ready.borrow().len());
        let again = loop {
            let Some(cell) = self.next(bound) else {
                if steals && !bound.untimed.borrow().is_empty() {
                    break true;
                }
                if wake_untimed(bound) {
                    continue;
                }
                if orders & Order::QUIT != 0 && bound.live.borrow().is_empty() {
                    return Poll::Ready(());
                }
                if turns > 0 {
                    bound.spun.set(0);
                }
                // Neighbours on this thread would wait for the spinning, and it gains them nothing.
                if bound.spun.get() < self.spin && self.foreign.load(Ordering::Relaxed) {
                    bound.spun.set(bound.spun.get() + 1);
                    break true;
                }
                self.foreign.store(false, Ordering::Relaxed);
                if self.inbox.park() {
                    break false;
                }
                continue;
            };
            turns += 1;
            taken += self.turn(bound, &cell);
            drop(cell);
            bound.bury();
            // In a simulation all others have their turn now and then before the next actor has.
            if taken + turns >= taken_max || (self.simulated && buggify!(0.1)) {
                wake_untimed(bound);
                break true;
            }
        };
        self.end_poll(bound, taken + turns);
        if again {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// The figures of a poll in which so much was done.
    fn end_poll(&self, bound: &Bound, done: u32) {
        bound.meters.busy.set(done >= BUSY_MESSAGES);
        self.gauge.set_ready(bound.ready.borrow().len());
    }

    /// One actor's turn; how many messages were taken.
    fn turn(&self, bound: &Bound, cell: &CellPtr) -> u32 {
        cell.in_turn.store(true, Ordering::Relaxed);
        let waker = turn_waker(cell);
        let mut turn = Turn::new(self, cell, Context::from_waker(&waker), bound.meters.until.get());
        self.begin_turn(bound, cell);
        // SAFETY: this is the cell's worker, which is in one poll at a time. It runs one actor after the other in it; those
        // that have their turn within another's are free, which this one is not until it ends.
        let again = unsafe { cell.run(&mut turn) };
        bound.running.set(ptr::null());
        cell.in_turn.store(false, Ordering::Relaxed);
        let taken = turn.taken;
        self.end_turn(bound, cell, &turn, again);
        taken + bound.direct.take()
    }

    #[inline]
    fn begin_turn(&self, bound: &Bound, cell: &CellPtr) {
        // Not of a reference to the head: whoever counts it on may be the last, and frees all of the cell.
        bound.running.set(cell.as_raw().as_ptr());
        self.gauge.begin_turn(cell);
    }

    /// Messages that an actor takes in one turn; in a simulation now and then a few only.
    #[inline]
    pub(crate) fn messages_max(&self) -> u32 {
        let few = if self.simulated { buggify_number!(1..4) } else { None };
        few.map_or(ACTOR_MESSAGES_MAX, |few| few as u32)
    }

    /// Whether a message from this worker's thread takes the way of other threads' all the same, in a simulation.
    #[inline]
    pub(crate) fn prefers_far(&self) -> bool {
        self.simulated && buggify!()
    }

    /// The figures of a turn; the actor has another one if it has more to do.
    #[inline]
    fn end_turn(&self, bound: &Bound, cell: &CellPtr, turn: &Turn<'_>, again: bool) {
        bound.clock.end_turn(turn.handled);
        if self.samples {
            bound.meters.until.set(turn.sample_at - turn.handled);
        }
        self.tallies.add_handled(cell.place.get(), turn.handled);
        if again && cell.is_kept() {
            bound.ready.borrow_mut().push_near(cell);
        }
    }

    fn next(&self, bound: &Bound) -> Option<Taken> {
        let mut ready = bound.ready.borrow_mut();
        self.inbox.take(&mut *ready);
        if self.chosen && ready.len() > 1 {
            let at = self.system.env().choose_among(ready.len(), &|at| ready.number(at));
            let at = at.filter(|at| *at < ready.len());
            return ready.take(at.unwrap_or(0));
        }
        ready.take(0)
    }

    fn keep_waker(&self, bound: &Bound, waker: &Waker) {
        if bound.kept.borrow().as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            return;
        }
        let gone = bound.kept.replace(Some(waker.clone()));
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
        drop(gone);
    }
}
