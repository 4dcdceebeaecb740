//! Where one life of a node runs: its `LocalSet`, polled inside its seat.
//!
//! Around each poll: the seat is entered (entropy, skew, closed gate), and afterwards it is looked after what must
//! not have happened. Read `host.rs` next.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use odeon_check::What;
use odeon_interpose::{Seat, Stream, enter};
use tokio::{
    runtime::{Handle, RuntimeMetrics},
    task::{JoinHandle, LocalSet},
    time::{Sleep, sleep},
};

use crate::{
    env::{Ground, SimEnv},
    problem::{report, report_refusals},
    trace::{Event, HostId, Turn},
};

/// What to write instead of `tokio::spawn`.
const ESCAPED: &str = "spawned a task with tokio::spawn, which leaves the simulated world because it survives a crash \
                       of its node: use odeon::spawn or tokio::task::spawn_local";

/// How long a turn takes that takes time: tokio's clock has no less.
const TURN: Duration = Duration::from_millis(1);

/// One life of a node.
pub(super) struct Stage {
    ground: Ground,
    host: HostId,
    seat: Arc<Seat>,
    env: Arc<SimEnv>,
    set: RefCell<Option<LocalSet>>,
    paused: Cell<bool>,
    body_ended: Rc<Cell<bool>>,
    waker: RefCell<Option<Waker>>,
    /// How many times slower than others; see `World::slow`.
    slowness: Rc<Cell<u32>>,
    /// Until when its next turn is put off.
    late: RefCell<Option<Pin<Box<Sleep>>>>,
    delays: Stream,
    life: u64,
    /// Of the runtime itself, outside every `LocalSet`.
    metrics: RuntimeMetrics,
}

impl Stage {
    pub(super) fn new(
        ground: &Ground,
        host: HostId,
        seat: Arc<Seat>,
        env: Arc<SimEnv>,
        slowness: Rc<Cell<u32>>,
        life: u64,
    ) -> Rc<Self> {
        let delays = format!("slow turns of life {life} of {}", seat.name());
        let delays = Stream::named(ground.seed, &delays);
        Rc::new(Self {
            ground: ground.clone(),
            host,
            seat,
            env,
            set: RefCell::new(Some(LocalSet::new())),
            paused: Cell::new(false),
            body_ended: Rc::default(),
            waker: RefCell::new(None),
            slowness,
            late: RefCell::new(None),
            delays,
            life,
            metrics: Handle::current().metrics(),
        })
    }

    /// What decides when this life has its turn, of all that are ready.
    pub(super) fn turns(&self) -> Stream {
        let turns = format!("turns of life {} of {}", self.life, self.seat.name());
        Stream::named(self.ground.seed, &turns)
    }

    /// Starts the node's main task. The node exits when it ends, whichever way.
    pub(super) fn run(&self, body: impl Future<Output = ()> + 'static) {
        let ended = EndMark(Rc::clone(&self.body_ended));
        // Its panic was seen by the hook; its result is reported by the body itself.
        drop(self.spawn(async move {
            let _ended = ended;
            body.await;
        }));
    }

    /// Starts one more task on the node; `None` when the node is down.
    pub(super) fn spawn<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> Option<JoinHandle<T>> {
        let set = self.set.borrow();
        let _entered = enter(&self.seat);
        set.as_ref().map(|set| set.spawn_local(future))
    }

    pub(super) fn pause(&self, paused: bool) {
        self.paused.set(paused);
        self.turn(if paused { Turn::Paused } else { Turn::Resumed });
        self.wake();
    }

    /// Asks for a turn.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.set.borrow().is_some()
    }

    pub(super) fn env(&self) -> &Arc<SimEnv> {
        &self.env
    }

    /// Ends this life: first the gates, so that no destructor can talk, then every task of the node.
    pub(super) fn end(&self, turn: Turn) {
        let Some(set) = self.set.take() else { return };
        self.turn(turn);
        self.ground.history.record(What::Down { node: self.seat.name().into() });
        self.env.close(turn);
        let tasks_before = self.metrics.num_alive_tasks();
        let entered = enter(&self.seat);
        drop(set);
        drop(entered);
        self.report_escapes(tasks_before);
        report_refusals();
        // Nobody waits for it any more.
        self.late.take();
        self.wake();
    }

    fn turn(&self, turn: Turn) {
        self.ground.trace.record(self.ground.timeline.now(), Some(self.host), &Event::Turn(turn));
    }

    /// Gives the node a turn; ready when its life has ended.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.keep(cx.waker());
        if !self.is_up() {
            return Poll::Ready(());
        }
        if self.paused.get() {
            return Poll::Pending;
        }
        if self.is_late(cx) {
            return Poll::Pending;
        }
        self.poll_inside(cx);
        if self.body_ended.get() {
            self.end(Turn::Exited);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn keep(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }

    /// Whether a slow node has to wait for this turn.
    fn is_late(&self, cx: &mut Context<'_>) -> bool {
        let slowness = self.slowness.get();
        let mut late = self.late.borrow_mut();
        if slowness <= 1 && late.is_none() {
            return false;
        }
        if slowness > 1 {
            let delay = || TURN * 2 * (slowness - 1) / 100 * self.delays.below(101) as u32;
            let sleep = late.get_or_insert_with(|| Box::pin(sleep(delay())));
            if sleep.as_mut().poll(cx).is_pending() {
                return true;
            }
        }
        *late = None;
        false
    }

    fn poll_inside(&self, cx: &mut Context<'_>) {
        self.ground.trace.record_often(self.ground.timeline.now(), Some(self.host), &Event::Polled);
        let tasks_before = self.metrics.num_alive_tasks();
        let entered = enter(&self.seat);
        if let Some(set) = self.set.borrow_mut().as_mut() {
            // Ready means that no task is left; the end of the body is what ends the node.
            let _ = Pin::new(set).poll(cx);
        }
        drop(entered);
        self.report_escapes(tasks_before);
        report_refusals();
    }

    /// Tasks of the runtime that were not there before it was the node's turn are the node's.
    fn report_escapes(&self, tasks_before: usize) {
        if self.metrics.num_alive_tasks() > tasks_before {
            report(format!("node {} {ESCAPED}", self.seat.name()));
        }
    }
}

/// Marks the end of the body when it is dropped, after a panic too.
struct EndMark(Rc<Cell<bool>>);

impl Drop for EndMark {
    fn drop(&mut self) {
        self.0.set(true);
    }
}
