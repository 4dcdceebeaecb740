//! Who waits with a deadline but without a timer yet, on one worker: most answers come before the poll is over.
//!
//! At the end of a poll those are woken who still wait, and make their timers. Whoever was answered in it is woken by
//! the answer and needs no second wake, which for the one future that a thread blocks on is dear. What it is NOT: exact
//! about that: an answer that comes out of turn leaves its asker on the list, and a wake too many does no harm. Data comes
//! from `deadline.rs` by way of `worker.rs`.

use std::task::Waker;

/// Room for more is given back after the poll.
const KEPT_MAX: usize = 256;

struct Waiting {
    waker: Waker,
    /// Woken since it began to wait.
    woken: bool,
}

/// Bounded by the tasks that wait.
#[derive(Default)]
pub(crate) struct Untimed {
    waiting: Vec<Waiting>,
    /// Who is answered next, if answers come in the order of the questions.
    next: usize,
}

impl Untimed {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether whoever begins to wait now is the last on the list, and goes on to; and had not asked before others.
    pub(crate) fn goes_on(&mut self, at: usize, waker: &Waker) -> bool {
        let place = self.waiting.len();
        match self.waiting.last_mut() {
            Some(last) if at >= place && last.waker.will_wake(waker) => {
                last.woken = false;
                self.next = self.next.min(place - 1);
                true
            }
            _ => false,
        }
    }

    /// Somebody begins to wait who had asked before those behind `at`: so that in a chain whoever asked last looks last.
    pub(crate) fn add_at(&mut self, at: usize, waker: Waker) {
        let at = at.min(self.waiting.len());
        self.waiting.insert(at, Waiting { waker, woken: false });
        self.next = self.next.min(at);
    }

    /// An answer wakes somebody now.
    pub(crate) fn woken(&mut self, waker: &Waker) {
        if let Some(next) = self.waiting.get_mut(self.next)
            && next.waker.will_wake(waker)
        {
            next.woken = true;
            self.next += 1;
        }
    }

    /// Lets those make their timers who still wait; then nobody is on the list.
    pub(crate) fn wake(&mut self) {
        self.next = 0;
        for Waiting { waker, woken } in self.waiting.drain(..) {
            if !woken {
                waker.wake();
            }
        }
    }

    /// Whether nobody is on the list.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether its memory is worth keeping.
    pub(crate) fn is_keepable(&self) -> bool {
        self.waiting.capacity() <= KEPT_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::Relaxed},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn waiters<const N: usize>() -> ([Arc<Woken>; N], [Waker; N]) {
        let woken = std::array::from_fn(|_| Arc::<Woken>::default());
        let wakers = std::array::from_fn(|at: usize| Waker::from(woken[at].clone()));
        (woken, wakers)
    }

    fn add(untimed: &mut Untimed, waker: &Waker) {
        if !untimed.goes_on(usize::MAX, waker) {
            untimed.add_at(usize::MAX, waker.clone());
        }
    }

    #[test]
    fn whoever_still_waits_is_woken_once() {
        let (woken, [a, b, c]) = waiters::<3>();
        let mut untimed = Untimed::default();
        for waker in [&a, &b, &c, &c] {
            add(&mut untimed, waker);
        }
        untimed.woken(&a);
        untimed.woken(&c);
        untimed.wake();
        assert_eq!(
            woken.each_ref().map(|woken| woken.0.load(Relaxed)),
            [0, 1, 1],
            "c is out of turn"
        );
        assert!(untimed.is_empty());
        drop((a, b, c));
        assert!(woken.iter().all(|woken| Arc::strong_count(woken) == 1), "no waker is left");
    }

    #[test]
    fn who_had_asked_before_goes_before() {
        let (woken, [a, b, c]) = waiters::<3>();
        let mut untimed = Untimed::default();
        add(&mut untimed, &a);
        let at = untimed.len();
        add(&mut untimed, &c);
        untimed.add_at(at, b.clone());
        add(&mut untimed, &a);
        let order = untimed.waiting.iter().map(|waiting| waiting.waker.data());
        assert!(order.eq([&a, &b, &c, &a].map(Waker::data)));
        [&a, &b].into_iter().for_each(|waker| untimed.woken(waker));
        untimed.wake();
        assert_eq!(woken.map(|woken| woken.0.load(Relaxed)), [1, 0, 1]);
    }

    #[test]
    fn whoever_asks_again_after_an_answer_waits_again() {
        let (woken, [a, b]) = waiters::<2>();
        let mut untimed = Untimed::default();
        add(&mut untimed, &a);
        untimed.woken(&a);
        add(&mut untimed, &a);
        untimed.wake();
        assert_eq!(woken[0].0.load(Relaxed), 1);
        // An answer to the first of two questions of one task, then to the second.
        for waker in [&a, &a, &b] {
            add(&mut untimed, waker);
        }
        for waker in [&a, &a, &b] {
            untimed.woken(waker);
        }
        untimed.wake();
        assert_eq!(woken.map(|woken| woken.0.load(Relaxed)), [1, 0], "all were answered");
    }
}
