//! Direct turns against a host, destructors and clocks that come in the middle of one; the test polls the worker itself.

use std::{
    cell::RefCell,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::Waker,
    thread::scope,
    time::Duration,
};

use odeon_message::{AskError, Codec, Message};

use super::*;
use crate::{
    Actor, ActorRef, Handler, SpawnOptions, StartError, SystemConfig, by_hand::ByHand,
    worker::Worker,
};

type Deed = Box<dyn FnOnce(&crate::Context<Doer>) -> u32 + Send>;

/// Does something, and answers with what comes of it.
struct Do(Deed);

impl Message for Do {
    type Reply = u32;
    type Error = std::convert::Infallible;
    type Output = u32;
    const NAME: &'static str = "Do";
    const CODEC: Option<Codec<Self>> = None;

    fn answer(output: u32) -> Result<u32, std::convert::Infallible> {
        Ok(output)
    }
}

/// Does something at its end.
struct Doer(Option<Box<dyn FnOnce() + Send>>);

impl Actor for Doer {
    type Args = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

    async fn start(at_end: Self::Args, _: &mut crate::Context<Self>) -> Result<Self, StartError> {
        Ok(Self(at_end.lock().unwrap().take()))
    }
}

impl Drop for Doer {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|deed| deed());
    }
}

impl Handler<Do> for Doer {
    async fn handle(&mut self, Do(deed): Do, ctx: &mut crate::Context<Self>) -> u32 {
        deed(ctx)
    }
}

type Asked = Result<u32, AskError<std::convert::Infallible>>;

/// Polls an ask once, between two polls of the worker.
fn ask(hand: &ByHand, doer: &ActorRef<Doer>, deed: Deed) -> Poll<Asked> {
    let _entered = hand.system.runtime().enter();
    poll_once(doer, deed)
}

fn poll_once(doer: &ActorRef<Doer>, deed: Deed) -> Poll<Asked> {
    let ask = pin!(doer.ask(Do(deed)).into_future());
    ask.poll(&mut Context::from_waker(Waker::noop()))
}

fn by_hand() -> (ByHand, ActorRef<Doer>) {
    let hand = ByHand::new(SystemConfig::default());
    let doer = hand.spawn::<Doer>(Arc::default(), SpawnOptions::default()).unwrap();
    hand.run();
    (hand, doer)
}

thread_local! {
    /// What a handler would have to keep on its thread, as a `LocalSet`.
    static HOST: RefCell<Option<Arc<Worker>>> = const { RefCell::new(None) };
}

fn host() -> Arc<Worker> {
    HOST.with_borrow(|host| host.clone().unwrap())
}

#[derive(Default)]
struct Woken(AtomicU32);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_handler_that_polls_its_own_worker_finds_it_busy() {
    let (hand, doer) = by_hand();
    HOST.set(Some(hand.worker.clone()));
    let (inside, woken) = (Arc::<AtomicU32>::default(), Arc::<Woken>::default());
    let (seen, waker, own) = (inside.clone(), Waker::from(woken.clone()), doer.clone());
    let asked = ask(
        &hand,
        &doer,
        Box::new(move |_| {
            let again = seen.clone();
            // Were it run here, two handlers would have the actor.
            own.try_tell(Do(Box::new(move |_| again.fetch_add(1, SeqCst)))).unwrap();
            own.cell().unwrap().schedule();
            assert!(host().poll(&mut Context::from_waker(&waker)).is_pending());
            seen.load(SeqCst)
        }),
    );
    assert!(matches!(asked, Poll::Ready(Ok(0))), "{asked:?}");
    assert!((inside.load(SeqCst), woken.0.load(SeqCst)) >= (1, 1), "afterwards");
    HOST.set(None);
    hand.run();
    drop(doer);
    hand.close();
}

#[test]
fn a_worker_that_a_handler_closes_is_closed_after_it() {
    let (hand, doer) = by_hand();
    HOST.set(Some(hand.worker.clone()));
    let own = doer.clone();
    let asked = ask(
        &hand,
        &doer,
        Box::new(move |_| {
            host().close();
            u32::from(own.cell().unwrap().has_ended())
        }),
    );
    assert!(matches!(asked, Poll::Ready(Ok(0))), "{asked:?}");
    assert!(doer.cell().unwrap().has_ended());
    HOST.set(None);
    drop(doer);
    let stats = hand.system.stats();
    assert_eq!((stats.live_actors, stats.cells), (0, 0), "cells are left");
}

#[test]
fn no_handler_runs_for_a_destructor_while_the_worker_closes() {
    let (hand, doer) = by_hand();
    let runs = Arc::<AtomicU32>::default();
    let (other, counted) = (Arc::<OnceLock<ActorRef<Doer>>>::default(), runs.clone());
    let whom = other.clone();
    let at_end: Box<dyn FnOnce() + Send> = Box::new(move || {
        let deed = Box::new(move |_: &_| counted.fetch_add(1, SeqCst));
        let asked = poll_once(whom.get().unwrap(), deed);
        assert!(asked.is_pending(), "{asked:?}");
    });
    let args = Arc::new(Mutex::new(Some(at_end)));
    let first = hand.spawn::<Doer>(args, SpawnOptions::default()).unwrap();
    // Actors end in the order in which they came.
    other.set(hand.spawn(Arc::default(), SpawnOptions::default()).unwrap()).unwrap();
    hand.run();
    hand.worker.close();
    assert_eq!((runs.load(SeqCst), hand.system.stats().panics), (0, 0));
    drop((doer, first, other));
    hand.close();
}

#[test]
fn a_deadline_that_several_threads_want_to_know_is_settled_once() {
    let (hand, doer) = by_hand();
    for _ in 0..20 {
        let asked = ask(
            &hand,
            &doer,
            Box::new(|ctx| {
                let look = || ctx.remaining().unwrap();
                let times = scope(|scope| {
                    let both = [scope.spawn(look), scope.spawn(look)];
                    both.map(|time| time.join().unwrap())
                });
                assert!(times.iter().all(|time| !time.is_zero()));
                u32::from(times[0].abs_diff(times[1]) < Duration::from_secs(1))
            }),
        );
        assert!(matches!(asked, Poll::Ready(Ok(1))), "{asked:?}");
    }
    drop(doer);
    hand.close();
}
