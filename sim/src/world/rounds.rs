//! The rounds of a world: network and nodes in turn, until nobody has anything to do in this moment.
//!
//! What it is: what the runtime of a world does before it looks for the next moment. Each round gives one node its turn, or
//! moves the network if no node is ready; a scenario that was woken goes next, before further nodes. The rounds are no task and
//! no part of the future that the runtime polls: whoever wakes one of those keeps the clock from moving once, and the look at
//! the timers that this costs takes as long as a short turn of a node. What it is NOT: a choice of who goes next, or aware of
//! time. Read `turns.rs` next.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::turns::Turns;
use crate::{net::SimNet, outcome::LocalFuture, timeline::note_time};

/// Rounds between two looks of the runtime. Who gives way to all others, as `yield_now` of tokio does, waits for one.
const ROUNDS_MAX: usize = 61;

thread_local! {
    /// Those of the world that runs on this thread.
    static ROUNDS: RefCell<Option<Rc<Rounds>>> = const { RefCell::new(None) };
}

/// Whoever is called has its turn in the rounds that come before the runtime moves the clock.
struct Called(AtomicBool);

impl Called {
    /// Called at the beginning: nobody has seen what there is to do.
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn take(&self) -> bool {
        self.is() && self.0.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// The scenario's call, of which the runtime hears as well: it polls the scenario.
struct Cue {
    called: AtomicBool,
    runtime: Mutex<Option<Waker>>,
}

impl Cue {
    fn keep(&self, runtime: &Waker) {
        let mut kept = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(runtime)) {
            *kept = Some(runtime.clone());
        }
    }

    fn is_called(&self) -> bool {
        self.called.load(Ordering::Acquire)
    }

    /// Has the runtime look again, without moving the clock.
    fn look_again(&self) {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).clone();
        runtime.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Cue {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.called.store(true, Ordering::Release);
        self.look_again();
    }
}

/// Who has turns in a world.
pub(super) struct Rounds {
    network: Arc<Called>,
    network_waker: Waker,
    scenario: Arc<Cue>,
    /// From the beginning of the world to its end.
    world: RefCell<Option<Moving>>,
    /// A round goes on.
    busy: Cell<bool>,
}

struct Moving {
    pump: LocalFuture<'static, ()>,
    turns: Rc<Turns>,
}

impl Rounds {
    /// Those of the world that is about to run on this thread.
    pub(super) fn new() -> Rc<Self> {
        let scenario = Cue { called: AtomicBool::new(true), runtime: Mutex::default() };
        let network = Called::new();
        let rounds = Rc::new(Self {
            network_waker: Waker::from(Arc::clone(&network)),
            network,
            scenario: Arc::new(scenario),
            world: RefCell::default(),
            busy: Cell::new(false),
        });
        ROUNDS.set(Some(Rc::clone(&rounds)));
        rounds
    }

    /// A world begins, with this network and these nodes.
    pub(super) fn begin(&self, net: SimNet, turns: Rc<Turns>) {
        let pump = Box::pin(async move { net.pump().await });
        self.world.replace(Some(Moving { pump, turns }));
        self.network.wake_by_ref();
    }

    /// The world has ended: nothing moves any more.
    pub(super) fn end(&self) {
        drop(self.world.take());
        ROUNDS.take();
    }

    /// Runs the scenario, and what it spawns, to its end; polled when it was woken itself.
    pub(super) async fn run<T>(&self, scenario: impl Future<Output = T>) -> T {
        let mut scenario = pin!(scenario);
        let own = Waker::from(Arc::clone(&self.scenario));
        poll_fn(|cx| {
            self.scenario.keep(cx.waker());
            if !self.scenario.called.swap(false, Ordering::AcqRel) {
                return Poll::Pending;
            }
            let ended = scenario.as_mut().poll(&mut Context::from_waker(&own));
            if ended.is_pending() {
                // Here as well: a scenario that only gives way keeps the runtime from its own look.
                go(Owed::Turn);
            }
            ended
        })
        .await
    }

    /// Lets the network move what is due, if it was called; whether it was.
    fn move_network(&self) -> bool {
        let is_called = self.network.take();
        if is_called && let Some(world) = &mut *self.world.borrow_mut() {
            // It has no end.
            let _ = world.pump.as_mut().poll(&mut Context::from_waker(&self.network_waker));
        }
        is_called
    }

    /// One round after the other, until all wait or it is the scenario's turn.
    fn go(&self, owed: Owed) {
        note_time();
        let Some(turns) = self.world.borrow().as_ref().map(|world| Rc::clone(&world.turns)) else {
            return;
        };
        self.move_network();
        for round in 0..ROUNDS_MAX {
            let is_owed = owed == Owed::Turn && round == 0;
            if !is_owed && self.scenario.is_called() {
                return;
            }
            // What nodes send arrives later, but for what takes no time at all, which waits until nobody is ready.
            if !turns.poll() && !self.move_network() {
                return;
            }
        }
        self.scenario.look_again();
    }
}

/// Whether the world has a turn before the scenario's next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owed {
    Nothing,
    /// The scenario had one just now, and may have called itself.
    Turn,
}

/// Gives the network and the nodes of this thread's world their turns; called by its runtime when it has nothing else to do.
pub(super) fn go_round() {
    go(Owed::Nothing);
}

fn go(owed: Owed) {
    let rounds = ROUNDS.with_borrow(Clone::clone);
    if let Some(rounds) = rounds
        && !rounds.busy.replace(true)
    {
        rounds.go(owed);
        rounds.busy.set(false);
    }
}
