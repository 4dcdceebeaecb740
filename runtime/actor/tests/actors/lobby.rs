//! Asks from threads that are no workers', while somebody looks after those who wait: on time, and none left behind.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use odeon_actor::{ActorSystem, SpawnOptions};
use odeon_message::AskError;
use tokio::{sync::oneshot, time::Instant};

use crate::fixture::{Add, Hold, Tally, Threads, Worker, block_on_plain, spawn_thread};

/// Twice between two looks.
const BLOCKED_AFTER: Duration = Duration::from_millis(20);

fn watched() -> Threads {
    Threads::of(1, |config| config.blocked_after = BLOCKED_AFTER)
}

/// Looks after the system for as long as the future runs.
fn watching<F: Future>(threads: &Threads, future: F) -> F::Output {
    let system = threads.system.clone();
    threads.block_on(async {
        tokio::select! {
            () = system.watch_workers() => unreachable!("it is never done"),
            output = future => output,
        }
    })
}

async fn worker(system: &ActorSystem) -> odeon_actor::ActorRef<Worker> {
    system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await.unwrap()
}

/// What the future comes to on a thread of its own, which knows no runtime.
async fn elsewhere<F>(future: F) -> F::Output
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let thread = spawn_thread(move || drop(sender.send(block_on_plain(future))));
    let output = receiver.await.unwrap();
    thread.join().unwrap();
    output
}

#[test]
fn an_ask_in_the_lobby_ends_when_its_time_is_up_and_not_before() {
    let threads = watched();
    watching(&threads, async {
        let worker = worker(&threads.system).await;
        for within in [BLOCKED_AFTER / 2, BLOCKED_AFTER * 2, BLOCKED_AFTER * 5] {
            let (release, until) = oneshot::channel();
            let asked = worker.clone();
            let (lasted, answer) = elsewhere(async move {
                let began = Instant::now();
                let answer = asked.ask(Hold(until)).within(within).await;
                (began.elapsed(), answer)
            })
            .await;
            assert!(matches!(answer, Err(AskError::Deadline(_))), "{answer:?}");
            assert!(lasted >= within && lasted < within + Duration::from_secs(5), "{lasted:?}");
            drop(release);
        }
    });
    threads.end();
}

#[test]
fn many_short_asks_and_a_long_one_share_a_lobby() {
    let threads = watched();
    watching(&threads, async {
        let (quick, slow) = (worker(&threads.system).await, worker(&threads.system).await);
        let (release, until) = oneshot::channel();
        let long = threads.runtime().spawn(elsewhere({
            let slow = slow.clone();
            async move { slow.ask(Hold(until)).await }
        }));
        let sum = elsewhere(async move {
            let end = Instant::now() + BLOCKED_AFTER * 5;
            let (mut sum, mut asked) = (0, 0);
            while Instant::now() < end {
                sum = quick.ask(Add(1)).await.unwrap();
                asked += 1;
            }
            sum == asked
        });
        assert!(sum.await, "each was answered once");
        release.send(()).unwrap();
        assert_eq!(long.await.unwrap().unwrap(), 0);
    });
    threads.end();
}

#[test]
fn whoever_is_in_the_lobby_when_nobody_looks_any_more_is_woken() {
    let threads = watched();
    let (asked, answer, release) = threads.block_on(async {
        let worker = worker(&threads.system).await;
        let (release, until) = oneshot::channel();
        (worker.clone(), worker.ask(Hold(until)).within(BLOCKED_AFTER * 10), release)
    });
    let (began, has_begun) = std::sync::mpsc::sync_channel(1);
    let thread = spawn_thread(move || {
        let mut ask = pin!(answer.into_future());
        block_on_plain(poll_fn(|cx| {
            let poll = ask.as_mut().poll(cx);
            let _ = began.try_send(());
            poll
        }))
    });
    watching(&threads, async {
        while has_begun.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
    });
    // Nobody looks from here on.
    let answer = thread.join().unwrap();
    assert!(matches!(answer, Err(AskError::Deadline(_))), "{answer:?}");
    drop((asked, release));
    threads.end();
}

#[test]
fn a_wake_for_nothing_leaves_an_ask_in_the_lobby() {
    struct Counted(AtomicU64, thread::Thread);
    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
            self.1.unpark();
        }
    }
    let threads = watched();
    watching(&threads, async {
        let worker = worker(&threads.system).await;
        let (release, until) = oneshot::channel();
        let (sender, receiver) = oneshot::channel();
        let thread = spawn_thread(move || {
            let counted = Arc::new(Counted(AtomicU64::new(0), thread::current()));
            let waker = Waker::from(counted.clone());
            let mut ask = pin!(worker.ask(Hold(until)).into_future());
            let mut release = Some(release);
            let end = Instant::now() + BLOCKED_AFTER * 5;
            let answer = loop {
                if let Poll::Ready(answer) = ask.as_mut().poll(&mut Context::from_waker(&waker)) {
                    break answer;
                }
                if Instant::now() > end {
                    release.take().into_iter().for_each(|release| release.send(()).unwrap());
                }
                thread::park_timeout(Duration::from_millis(1));
            };
            let _ = sender.send((answer, counted.0.load(SeqCst)));
        });
        let (answer, wakes) = receiver.await.unwrap();
        thread.join().unwrap();
        assert_eq!(answer.unwrap(), 0);
        assert!((1..=4).contains(&wakes), "by a look or two, and by the answer: {wakes}");
    });
    threads.end();
}
