//! Places of a port: who is there, and who goes when another one comes and there is none left.
//!
//! The one that has had nothing to do for longest goes; while all are being answered, the one that has been so for longest.
//! Whoever takes an answer for long counts as one that has nothing to do, so that neither those who hold connections without
//! a word nor those who never read keep a probe from its answer. What it is NOT: a socket; nobody waits here.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use tokio::{task::AbortHandle, time::Instant};

/// How long an answer may be made and read before its connection counts as idle since it was asked: a scrape is done by then.
const BUSY_WITHIN: Duration = Duration::from_secs(15);

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

impl State {
    /// As it counts when somebody must go.
    fn rank(self, now: Instant) -> Self {
        match self {
            Self::Answered(since) if now.duration_since(since) > BUSY_WITHIN => Self::Idle(since),
            state => state,
        }
    }
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
        let now = Instant::now();
        let idlest = (0..taken.len()).min_by_key(|at| taken[*at].state.get().rank(now));
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    /// Two probes that came together, where all others took answers and never read, cut each other off.
    #[tokio::test]
    async fn who_takes_an_answer_for_too_long_goes_before_who_has_just_come() {
        let test = async {
            let places = Places::new(2);
            let come = |held: bool| {
                let (mut task, mut busy) = (None, None);
                places.give(|place| {
                    busy = held.then(|| place.busy());
                    let begun = spawn_local(async move {
                        let _place = place;
                        pending::<()>().await;
                    });
                    let handle = begun.abort_handle();
                    task = Some(begun);
                    handle
                });
                (task.expect("it was begun"), busy)
            };
            let (stuck, _busy) = come(true);
            places.taken.borrow()[0].state.set(State::Answered(Instant::now() - 2 * BUSY_WITHIN));
            let (slow, _slow) = come(true);
            let (first, _) = come(false);
            yield_now().await;
            assert!(stuck.is_finished() && !slow.is_finished());
            let (second, _) = come(false);
            yield_now().await;
            assert!(first.is_finished(), "a reader of late is not idle");
            assert!(!slow.is_finished() && !second.is_finished());
        };
        LocalSet::new().run_until(test).await;
    }
}
