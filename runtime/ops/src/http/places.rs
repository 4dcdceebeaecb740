//! Places of a port: who is there, and who goes when another one comes and there is none left.
//!
//! The one that has had nothing to do for longest goes; while all are being answered, the one that has been so for longest.
//! So whoever holds connections without a word keeps no probe from its answer. What it is NOT: a socket; nobody waits here.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use tokio::{task::AbortHandle, time::Instant};

/// Who is there, at most so many.
pub(super) struct Places {
    most: usize,
    last: Cell<u64>,
    taken: RefCell<Vec<Taken>>,
}

struct Taken {
    number: u64,
    state: Rc<Cell<State>>,
    task: AbortHandle,
}

/// Idle ones come before those that are being answered, and each by its time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Idle(Instant),
    Answered(Instant),
}

/// A connection's place, until it is dropped.
pub(super) struct Place {
    places: Rc<Places>,
    number: u64,
    state: Rc<Cell<State>>,
}

impl Places {
    pub(super) fn new(most: usize) -> Rc<Self> {
        Rc::new(Self { most, last: Cell::default(), taken: RefCell::default() })
    }

    /// A place for one who comes, whom the task serves that `serve` begins.
    pub(super) fn give(self: &Rc<Self>, serve: impl FnOnce(Place) -> AbortHandle) {
        self.last.set(self.last.get() + 1);
        let (number, state) = (self.last.get(), Rc::new(Cell::new(State::Idle(Instant::now()))));
        let place = Place { places: Rc::clone(self), number, state: Rc::clone(&state) };
        self.make_room();
        let task = serve(place);
        self.taken.borrow_mut().push(Taken { number, state, task });
    }

    fn make_room(&self) {
        let mut taken = self.taken.borrow_mut();
        if taken.len() < self.most {
            return;
        }
        let idlest = (0..taken.len()).min_by_key(|at| taken[*at].state.get());
        if let Some(gone) = idlest.map(|at| taken.swap_remove(at)) {
            tracing::debug!(number = gone.number, "a connection makes room for another one");
            gone.task.abort();
        }
    }
}

impl Place {
    /// It is being answered, until what is given is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.state.set(State::Answered(Instant::now()));
        Busy(Rc::clone(&self.state))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.borrow_mut().retain(|taken| taken.number != self.number);
    }
}

/// An answer that is being made, or written.
pub(super) struct Busy(Rc<Cell<State>>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(State::Idle(Instant::now()));
    }
}
