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
};

use odeon_interpose::{Seat, Stream, enter};
use tokio::{
    runtime::Handle,
    task::{JoinHandle, LocalSet},
};

use crate::{
    env::{Ground, SimEnv},
    problem::{report, report_refusals},
    trace::{Event, HostId, Turn},
};

/// What to write instead of `tokio::spawn`.
const ESCAPED: &str = "spawned a task with tokio::spawn, which leaves the simulated world because it survives a crash \
                       of its node: use odeon::spawn or tokio::task::spawn_local";

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
    jitter: f64,
    chances: Stream,
}

impl Stage {
    pub(super) fn new(
        ground: &Ground,
        host: HostId,
        seat: Arc<Seat>,
        env: Arc<SimEnv>,
        jitter: f64,
    ) -> Rc<Self> {
        let chances = Stream::named(ground.seed, &format!("turns of {}", seat.name()));
        Rc::new(Self {
            ground: ground.clone(),
            host,
            seat,
            env,
            set: RefCell::new(Some(LocalSet::new())),
            paused: Cell::new(false),
            body_ended: Rc::default(),
            waker: RefCell::new(None),
            jitter,
            chances,
        })
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

    pub(super) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Ends this life: first the gates, so that no destructor can talk, then every task of the node.
    pub(super) fn end(&self, turn: Turn) {
        let Some(set) = self.set.take() else { return };
        self.turn(turn);
        self.env.close();
        let entered = enter(&self.seat);
        drop(set);
        drop(entered);
        report_refusals();
    }

    fn turn(&self, turn: Turn) {
        self.ground.trace.record(self.ground.timeline.now(), Some(self.host), &Event::Turn(turn));
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.waker.replace(Some(cx.waker().clone()));
        if !self.is_up() {
            return Poll::Ready(());
        }
        if self.paused.get() {
            return Poll::Pending;
        }
        // Not now, but in this same moment: nodes that are ready together run in any order.
        if self.chances.chance(self.jitter) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.poll_inside(cx);
        if self.body_ended.get() {
            self.end(Turn::Exited);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn poll_inside(&self, cx: &mut Context<'_>) {
        let escaped = |tasks_before| alive_tasks() > tasks_before;
        self.ground.trace.record(self.ground.timeline.now(), Some(self.host), &Event::Polled);
        let tasks_before = alive_tasks();
        let entered = enter(&self.seat);
        if let Some(set) = self.set.borrow_mut().as_mut() {
            // Ready means that no task is left; the end of the body is what ends the node.
            let _ = Pin::new(set).poll(cx);
        }
        drop(entered);
        if escaped(tasks_before) {
            report(format!("node {} {ESCAPED}", self.seat.name()));
        }
        report_refusals();
    }
}

/// Tasks of the runtime itself, outside every `LocalSet`.
fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Marks the end of the body when it is dropped, after a panic too.
struct EndMark(Rc<Cell<bool>>);

impl Drop for EndMark {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// Polls a stage until its life ends.
pub(super) struct Performance(pub(super) Rc<Stage>);

impl Future for Performance {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}
