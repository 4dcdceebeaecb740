//! The ask: an actor that claims, answers and lets go, against an asker that polls, gives up and lets go.

use std::{
    ptr::NonNull,
    task::{Context, Poll, Wake, Waker},
};

use loom::{
    sync::{
        Notify,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use super::{
    answer::{Answer, Body, GivenUp},
    model,
};

type Place = Answer<Token, Token>;

/// A question or an answer, counted while it is alive.
struct Token(std::sync::Arc<AtomicUsize>);

impl Token {
    fn new(alive: &std::sync::Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Relaxed);
        Self(alive.clone())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        assert!(self.0.fetch_sub(1, Relaxed) > 0, "dropped twice");
    }
}

/// A side's hold on the shared place.
struct Hold(NonNull<Place>);

// SAFETY: the place is made to be shared by two sides, and each has one hold.
unsafe impl Send for Hold {}

impl Hold {
    fn place(&self) -> &Place {
        // SAFETY: the side has not let go.
        unsafe { self.0.as_ref() }
    }

    fn free(self) {
        // SAFETY: both sides have let go, this one second.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }

    /// The actor answers and lets go, as `NodePtr::finish`.
    fn finish(self, answer: Token) {
        // SAFETY: it is the actor's hold.
        let (waker, old) = unsafe { self.place().finish(answer) };
        // SAFETY: as above, for the last time.
        if unsafe { Answer::leave_actor(self.0.as_ptr()) } {
            self.free();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        assert!(!matches!(old, Body::Answer(_)), "answered twice");
    }

    /// The actor's turn: whether the handler ran.
    fn run(self, alive: &std::sync::Arc<AtomicUsize>) -> bool {
        // SAFETY: it is the actor's hold.
        let question = unsafe { self.place().claim() };
        self.finish(Token::new(alive));
        question.is_some()
    }

    fn poll(&self, waker: &Waker) -> Poll<Option<Token>> {
        // SAFETY: it is the asker's hold.
        unsafe { self.place().poll(&mut Context::from_waker(waker)) }
    }

    /// The asker lets go, as `AskHandle`'s drop.
    fn leave(self) {
        // SAFETY: it is the asker's hold, for the last time.
        if unsafe { Answer::leave_asker(self.0.as_ptr()) } {
            self.free();
        }
    }
}

fn ask(alive: &std::sync::Arc<AtomicUsize>) -> (Hold, Hold) {
    let place = NonNull::from(Box::leak(Box::new(Answer::new(Token::new(alive)))));
    (Hold(place), Hold(place))
}

/// An asker's task, woken through loom.
struct Task(Notify);

impl Wake for Task {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

fn task() -> (std::sync::Arc<Task>, Waker) {
    let task = std::sync::Arc::new(Task(Notify::new()));
    (task.clone(), Waker::from(task))
}

/// Runs a model of one ask: nothing may be left of its tokens and wakers.
fn of_one_ask(asker: impl Fn(Hold, thread::JoinHandle<bool>) + Send + Sync + 'static) {
    model(3, move || {
        let alive = std::sync::Arc::new(AtomicUsize::new(0));
        let (actor, ours) = ask(&alive);
        let theirs = alive.clone();
        asker(ours, thread::spawn(move || actor.run(&theirs)));
        assert_eq!(alive.load(Relaxed), 0, "all tokens are gone");
    });
}

#[test]
fn whoever_waits_is_woken_and_has_the_answer() {
    of_one_ask(|asker, actor| {
        let (task, waker) = task();
        let answer = loop {
            match asker.poll(&waker) {
                Poll::Ready(answer) => break answer,
                // Loom reports a deadlock if nobody wakes it.
                Poll::Pending => task.0.wait(),
            }
        };
        assert!(answer.is_some());
        assert!(matches!(asker.poll(&waker), Poll::Ready(None)), "it is taken once");
        asker.leave();
        assert!(actor.join().unwrap());
        drop((answer, waker));
        assert_eq!(std::sync::Arc::strong_count(&task), 1, "no waker is left");
    });
}

#[test]
fn whoever_changes_its_waker_is_woken_by_the_last() {
    of_one_ask(|asker, actor| {
        let ((first, one), (second, two)) = (task(), task());
        let mut polled = asker.poll(&one);
        if polled.is_pending() {
            polled = asker.poll(&two);
        }
        while polled.is_pending() {
            second.0.wait();
            polled = asker.poll(&two);
        }
        assert!(matches!(polled, Poll::Ready(Some(_))));
        drop(polled);
        asker.leave();
        assert!(actor.join().unwrap());
        drop((one, two));
        for task in [first, second] {
            assert_eq!(std::sync::Arc::strong_count(&task), 1, "no waker is left");
        }
    });
}

#[test]
fn whoever_gives_up_knows_whether_it_ran() {
    of_one_ask(|asker, actor| {
        let (task, waker) = task();
        let polled = asker.poll(&waker);
        let answered = polled.is_ready();
        drop(polled);
        // SAFETY: it is the asker's hold.
        let given_up = unsafe { asker.place().give_up() };
        let ran = match given_up {
            GivenUp::Answered(answer) => {
                assert_eq!(answer.is_none(), answered, "it is taken once");
                true
            }
            GivenUp::Claimed => true,
            GivenUp::Unclaimed => false,
        };
        asker.leave();
        assert_eq!(actor.join().unwrap(), ran);
        drop(waker);
        assert_eq!(std::sync::Arc::strong_count(&task), 1, "no waker is left");
    });
}

#[test]
fn an_ask_that_is_dropped_while_it_waits_leaves_nothing() {
    of_one_ask(|asker, actor| {
        let (task, waker) = task();
        drop(asker.poll(&waker));
        asker.leave();
        actor.join().unwrap();
        drop(waker);
        assert_eq!(std::sync::Arc::strong_count(&task), 1, "no waker is left");
    });
}

#[test]
fn a_refused_ask_is_answered_or_dropped_once() {
    model(3, || {
        let alive = std::sync::Arc::new(AtomicUsize::new(0));
        let (actor, asker) = ask(&alive);
        let theirs = alive.clone();
        let refusing = thread::spawn(move || actor.finish(Token::new(&theirs)));
        let (task, waker) = task();
        let mut polled = asker.poll(&waker);
        while polled.is_pending() {
            task.0.wait();
            polled = asker.poll(&waker);
        }
        assert!(matches!(polled, Poll::Ready(Some(_))));
        drop(polled);
        asker.leave();
        refusing.join().unwrap();
        assert_eq!(alive.load(Relaxed), 0, "question and answer are gone");
    });
}
