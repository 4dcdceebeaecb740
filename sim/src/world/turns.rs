//! Whose turn it is: the nodes that are ready in this moment, and which of them is polled next.
//!
//! What it is: one task of the world that polls one node, and then lets the network and the scenario have their turn. What it
//! is NOT: aware of time; it moves when no node is ready. Read `stage.rs` next.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use odeon_interpose::{Stream, mix};

use super::stage::Stage;
use crate::schedule::{Picker, Schedule};

/// A life's stage, and what wakes it.
type Staged = Rc<(Rc<Stage>, Waker)>;

/// Gives the nodes of a world their turns.
pub(super) struct Turns {
    ready: Arc<Ready>,
    stages: RefCell<BTreeMap<u64, Staged>>,
    /// `None` where each life draws.
    picker: RefCell<Option<Picker>>,
    /// The number of the last life that was added.
    lives: Cell<u64>,
    choices: Cell<u64>,
}

/// Who is ready, in the order in which they became so; wakers of any thread write it.
#[derive(Default)]
struct Ready(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// A life is in it at most once, with the number that decides the next choice for it.
    lives: VecDeque<(u64, u64)>,
    waker: Option<Waker>,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, Bell { life, draws, .. }: &Bell) {
        let mut waiting = self.lock();
        if !waiting.lives.iter().any(|(other, _)| other == life) {
            waiting.lives.push_back((*life, draws.next_word()));
        }
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Who has the least number. All get another one, made of their own: with the same for as long as it waits, one that drew
/// much would let others have turn after turn, and the choices would hang together.
fn draw(lives: &mut [(u64, u64)]) -> Option<usize> {
    let least = (0..lives.len()).min_by_key(|at| lives[*at].1);
    lives.iter_mut().for_each(|(_, number)| *number = mix(*number));
    least
}

/// Wakes one life of a node.
struct Bell {
    ready: Arc<Ready>,
    life: u64,
    /// Its own, so that how often one is ready shifts no other.
    draws: Stream,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.add(self);
    }
}

impl Turns {
    pub(super) fn new(schedule: Schedule, seed: u64) -> Rc<Self> {
        let picker = match schedule {
            Schedule::Random => None,
            _ => Some(Picker::new(schedule, seed, "turns of nodes")),
        };
        Rc::new(Self {
            ready: Arc::default(),
            stages: RefCell::default(),
            picker: RefCell::new(picker),
            lives: Cell::new(0),
            choices: Cell::new(0),
        })
    }

    /// Adds a life that is ready at once.
    pub(super) fn add(&self, stage: Rc<Stage>) {
        let life = self.lives.get() + 1;
        self.lives.set(life);
        let (ready, draws) = (Arc::clone(&self.ready), stage.turns());
        let bell = Arc::new(Bell { ready, life, draws });
        let waker = Waker::from(Arc::clone(&bell));
        self.stages.borrow_mut().insert(life, Rc::new((stage, waker)));
        self.ready.add(&bell);
    }

    /// How often several were ready.
    pub(super) fn choices(&self) -> u64 {
        self.choices.get()
    }

    /// Polls nodes that are ready, for ever.
    pub(super) async fn run(self: Rc<Self>) {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(life) = self.next(cx) {
            self.turn(life);
        }
        Poll::Pending
    }

    /// Takes the one out whose turn it is; asks to be polled again while there are more.
    fn next(&self, cx: &mut Context<'_>) -> Option<u64> {
        let mut waiting = self.ready.lock();
        let lives = waiting.lives.make_contiguous();
        let at = match &mut *self.picker.borrow_mut() {
            None => draw(lives),
            Some(picker) => picker.pick(lives.len(), &|at| lives[at].0),
        };
        self.choices.set(self.choices.get() + u64::from(lives.len() > 1));
        let life = waiting.lives.remove(at.unwrap_or(0)).map(|(life, _)| life);
        if waiting.lives.is_empty() {
            waiting.waker = Some(cx.waker().clone());
        } else {
            cx.waker().wake_by_ref();
        }
        life
    }

    fn turn(&self, life: u64) {
        let Some(found) = self.stages.borrow().get(&life).cloned() else { return };
        let (stage, waker) = &*found;
        // Not while the map is borrowed: a node may end, or start another, in its turn.
        if stage.poll(&mut Context::from_waker(waker)).is_ready() {
            self.stages.borrow_mut().remove(&life);
        }
    }
}
