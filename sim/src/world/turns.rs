//! Whose turn it is: the nodes that are ready in this moment, and which of them is polled next.
//!
//! What it is: one node's turn in each round (`rounds.rs`). What it is NOT: aware of time; it moves when no node is ready. Read
//! `stage.rs` next.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use odeon_interpose::{Stream, mix};

use super::stage::Stage;
use crate::schedule::{Picker, Schedule};

/// A life's stage, what wakes it, and the bell behind that.
type Staged = Rc<(Rc<Stage>, Waker, Arc<Bell>)>;

/// Gives the nodes of a world their turns.
pub(super) struct Turns {
    ready: Arc<Ready>,
    /// By the number of the life, from 1: those that have not ended.
    stages: RefCell<Vec<Option<Staged>>>,
    /// `None` where each life draws.
    picker: RefCell<Option<Picker>>,
    choices: Cell<u64>,
}

/// Who is ready, in the order in which they became so; wakers of any thread write it.
#[derive(Default)]
struct Ready(Mutex<Vec<(u64, u64)>>);

impl Ready {
    /// Those who are ready: a life at most once, with the number that decides the next choice for it.
    fn lock(&self) -> MutexGuard<'_, Vec<(u64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// It is among those who are ready.
    waits: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.waits.load(Ordering::Acquire) {
            let mut ready = self.ready.lock();
            if !self.waits.swap(true, Ordering::AcqRel) {
                ready.push((self.life, self.draws.next_word()));
            }
        }
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
            choices: Cell::new(0),
        })
    }

    /// Adds a life that is ready at once.
    pub(super) fn add(&self, stage: Rc<Stage>) {
        let mut stages = self.stages.borrow_mut();
        let life = stages.len() as u64 + 1;
        let (ready, draws) = (Arc::clone(&self.ready), stage.turns());
        let bell = Arc::new(Bell { ready, life, draws, waits: AtomicBool::new(false) });
        stages.push(Some(Rc::new((stage, Waker::from(Arc::clone(&bell)), Arc::clone(&bell)))));
        bell.wake_by_ref();
    }

    /// How often several were ready.
    pub(super) fn choices(&self) -> u64 {
        self.choices.get()
    }

    /// Gives one node that is ready its turn, if there is one.
    pub(super) fn poll(&self) -> bool {
        let next = self.next();
        if let Some(life) = next {
            self.turn(life);
        }
        next.is_some()
    }

    /// Takes the one out whose turn it is.
    fn next(&self) -> Option<u64> {
        let mut lives = self.ready.lock();
        if lives.len() < 2 {
            return lives.pop().map(|(life, _)| life);
        }
        let at = match &mut *self.picker.borrow_mut() {
            None => draw(&mut lives),
            Some(picker) => picker.pick(lives.len(), &|at| lives[at].0),
        };
        self.choices.set(self.choices.get() + 1);
        Some(lives.remove(at.unwrap_or(0)).0)
    }

    fn turn(&self, life: u64) {
        let at = life as usize - 1;
        let Some(found) = self.stages.borrow()[at].clone() else { return };
        let (stage, waker, bell) = &*found;
        // Before its turn: whoever is woken in it is ready again.
        bell.waits.store(false, Ordering::Release);
        // Not while the list is borrowed: a node may end, or start another, in its turn.
        if stage.poll(&mut Context::from_waker(waker)).is_ready() {
            self.stages.borrow_mut()[at] = None;
        }
    }
}
