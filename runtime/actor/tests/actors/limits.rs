//! Full mailboxes and passed deadlines.

use std::{
    sync::Arc,
    task::{Context as Task, Poll, Wake, Waker},
    time::Duration,
};

use odeon_message::{AskError, Certainty, FailureKind, message};
use tokio::{
    sync::{Mutex, oneshot},
    task::{spawn_local, yield_now},
    time::{Instant, sleep},
};

use crate::{
    fixture::{
        Add, Hold, Refuse, Tally, Threads, Worker, block_on_plain, on_one_thread, read,
        spawn_thread,
    },
    odeon::{Actor, ActorRef, ActorSystem, Context, Handler, SpawnOptions, StartError},
};

/// Asks a worker on behalf of the test, from inside a turn.
struct Asker;

#[message(local, reply = Result<u64, AskError<std::convert::Infallible>>, crate = crate::odeon)]
struct AskFor(ActorRef<Worker>, Duration);

impl Actor for Asker {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

impl Handler<AskFor> for Asker {
    async fn handle(
        &mut self,
        message: AskFor,
        _: &mut Context<Self>,
    ) -> Result<u64, AskError<std::convert::Infallible>> {
        message.0.ask(Add(1)).within(message.1).await
    }
}

#[test]
fn an_actors_own_asks_expire_too() {
    for workers in [1, 2] {
        on_one_thread(workers, |system| async move {
            let (worker, tally, release) = held(&system, 8).await;
            let asker = system.spawn::<Asker>((), SpawnOptions::default()).await.unwrap();
            let begun = Instant::now();
            let time = Duration::from_millis(70);
            let error = asker.ask(AskFor(worker.clone(), time)).await.unwrap().unwrap_err();
            assert_eq!(error.certainty(), Certainty::NotDelivered);
            assert!(begun.elapsed() >= time && begun.elapsed() < time * 2);
            drop(release);
            assert_eq!(asker.ask(AskFor(worker.clone(), time)).await.unwrap(), Ok(1));
            assert_eq!(read(&tally.runs), 2);
        });
    }
}

/// An actor with a mailbox of `bound` messages that is held until the sender is dropped.
async fn held(system: &ActorSystem, bound: u32) -> (ActorRef<Worker>, Tally, oneshot::Sender<()>) {
    let tally = Tally::default();
    let options = SpawnOptions::default().mailbox(bound);
    let worker = system.spawn::<Worker>(tally.clone(), options).await.unwrap();
    let (release, held) = oneshot::channel();
    worker.try_tell(Hold(held)).unwrap();
    while read(&tally.runs) == 0 {
        yield_now().await;
    }
    (worker, tally, release)
}

#[test]
fn a_full_mailbox_gives_the_message_back() {
    on_one_thread(1, |system| async move {
        for bound in [1, 3, 1024] {
            let (worker, tally, release) = held(&system, bound).await;
            for n in 0..u64::from(bound) {
                worker.try_tell(Add(n)).unwrap();
            }
            let error = worker.try_tell(Add(77)).unwrap_err();
            assert_eq!(error.failure.kind, FailureKind::Full);
            assert_eq!(error.certainty(), Certainty::NotDelivered);
            assert_eq!(error.message.unwrap().0, 77);
            drop(release);
            while read(&tally.runs) < u64::from(bound) + 1 {
                yield_now().await;
            }
            worker.try_tell(Add(1)).unwrap();
        }
    });
}

#[test]
fn waiting_tells_are_served_in_order() {
    on_one_thread(1, |system| async move {
        let (worker, tally, release) = held(&system, 2).await;
        worker.try_tell(Add(1)).unwrap();
        worker.try_tell(Add(1)).unwrap();
        let done = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for n in 0..100 {
            let (worker, done) = (worker.clone(), done.clone());
            tasks.push(spawn_local(async move {
                worker.tell(Add(1)).await.unwrap();
                done.lock().await.push(n);
            }));
            yield_now().await;
        }
        // While others wait, nobody overtakes them.
        assert_eq!(worker.try_tell(Add(1)).unwrap_err().failure.kind, FailureKind::Full);
        assert!(done.lock().await.is_empty());
        drop(release);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*done.lock().await, (0..100).collect::<Vec<_>>());
        assert_eq!(worker.ask(Add(0)).await.unwrap(), 102);
        assert_eq!(read(&tally.runs), 104);
    });
}

#[test]
fn no_tell_is_lost_or_doubled_in_a_tiny_mailbox() {
    let threads = Threads::new(2);
    for bound in [1, 2, 7] {
        let tally = Tally::default();
        let options = SpawnOptions::default().mailbox(bound);
        let worker = threads.block_on(threads.system.spawn::<Worker>(tally.clone(), options));
        let worker = worker.unwrap();
        let senders = (0..4).map(|n| {
            let worker = worker.clone();
            spawn_thread(move || tell_in_a_hurry(&worker, n))
        });
        let senders = senders.collect::<Vec<_>>();
        let (mut told, mut dropped) = (0, 0);
        for sender in senders {
            let (sure, unsure) = sender.join().unwrap();
            (told, dropped) = (told + sure, dropped + unsure);
        }
        let sum = threads.block_on(worker.ask(Add(0)).into_future()).unwrap();
        assert!((told..=told + dropped).contains(&sum), "{sum}, told {told} and {dropped}");
        worker.stop();
    }
    threads.end();
}

/// Tells, sometimes with too little time, sometimes without waiting: how many were taken, and how many were dropped
/// while they waited, which may have found room in that moment.
fn tell_in_a_hurry(worker: &ActorRef<Worker>, salt: u64) -> (u64, u64) {
    let (mut taken, mut dropped) = (0, 0);
    for n in salt..salt + 4_000 {
        let told = match n % 5 {
            0 => worker.try_tell(Add(1)).is_ok(),
            1 => {
                let mut tell = Box::pin(worker.tell(Add(1)));
                let polled = tell.as_mut().poll(&mut Task::from_waker(Waker::noop()));
                dropped += u64::from(polled.is_pending());
                matches!(polled, Poll::Ready(Ok(())))
            }
            2 => {
                let tell = worker.tell(Add(1)).within(Duration::from_micros(n % 50));
                block_on_plain(tell).is_ok()
            }
            _ => block_on_plain(worker.tell(Add(1))).is_ok(),
        };
        taken += u64::from(told);
    }
    (taken, dropped)
}

#[test]
fn a_tell_gives_up_after_its_time_and_returns_the_message() {
    on_one_thread(1, |system| async move {
        let (worker, tally, release) = held(&system, 1).await;
        worker.try_tell(Add(1)).unwrap();
        let begun = Instant::now();
        let error = worker.tell(Add(5)).within(Duration::from_millis(200)).await.unwrap_err();
        assert_eq!(error.failure.kind, FailureKind::Deadline);
        assert_eq!(error.message.unwrap().0, 5);
        assert!(begun.elapsed() >= Duration::from_millis(200));
        let error = worker.tell(Add(6)).await.unwrap_err();
        assert_eq!(error.message.unwrap().0, 6);
        assert!(begun.elapsed() >= Duration::from_millis(5_200), "the default is 5 s");
        drop(release);
        assert_eq!(worker.ask(Add(0)).await.unwrap(), 1);
        assert_eq!(read(&tally.runs), 3);
    });
}

#[test]
fn a_tell_that_is_dropped_while_it_waits_is_not_sent() {
    on_one_thread(1, |system| async move {
        let (worker, _, release) = held(&system, 1).await;
        worker.try_tell(Add(1)).unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(10), worker.tell(Add(100))).await;
        assert!(waits.is_err());
        drop(release);
        assert_eq!(worker.ask(Add(0)).await.unwrap(), 1);
    });
}

#[test]
fn an_expired_ask_never_runs_and_says_so() {
    on_one_thread(1, |system| async move {
        let (worker, tally, release) = held(&system, 1024).await;
        let error = worker.ask(Add(9)).within(Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, AskError::Deadline(_)));
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        drop(release);
        assert_eq!(worker.ask(Add(0)).await.unwrap(), 0);
        assert_eq!(read(&tally.runs), 2);
        assert_eq!(system.stats().skipped, 1);
    });
}

#[test]
fn an_ask_that_waits_for_room_expires_too() {
    on_one_thread(1, |system| async move {
        let (worker, tally, release) = held(&system, 1).await;
        worker.try_tell(Add(1)).unwrap();
        let error = worker.ask(Add(9)).within(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        let late = worker.clone();
        let patient = spawn_local(async move { late.ask(Add(4)).await });
        sleep(Duration::from_millis(10)).await;
        drop(release);
        assert_eq!(patient.await.unwrap().unwrap(), 5);
        assert_eq!(read(&tally.runs), 3);
    });
}

/// Comes back to the actor when it goes.
struct Returning(ActorRef<Worker>);

impl Wake for Returning {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Returning {
    fn drop(&mut self) {
        assert!(self.0.try_tell(Add(100)).is_err(), "it is full, or gone");
    }
}

#[test]
fn a_waker_of_the_waiting_room_may_come_back_to_its_actor_when_it_is_dropped() {
    on_one_thread(1, |system| async move {
        for gives_up in [false, true] {
            let (worker, tally, release) = held(&system, 1).await;
            worker.try_tell(Add(1)).unwrap();
            let mut tell = Box::pin(worker.tell(Add(2)).within(Duration::MAX));
            for _ in 0..2 {
                let waker = Waker::from(Arc::new(Returning(worker.clone())));
                assert!(tell.as_mut().poll(&mut Task::from_waker(&waker)).is_pending());
                drop(waker);
                // From here on only the room has it, which gets another one the next time.
                sleep(Duration::from_millis(10)).await;
            }
            if gives_up {
                drop(tell);
            } else {
                worker.kill();
                sleep(Duration::from_millis(10)).await;
                let waker = Waker::from(Arc::new(Returning(worker.clone())));
                let told = tell.as_mut().poll(&mut Task::from_waker(&waker));
                assert!(matches!(told, Poll::Ready(Err(error)) if error.message.is_some()));
            }
            drop(release);
            sleep(Duration::from_millis(10)).await;
            assert_eq!(read(&tally.runs), if gives_up { 2 } else { 1 });
        }
    });
}

#[test]
fn an_ask_whose_handler_takes_too_long_has_run() {
    on_one_thread(1, |system| async move {
        let worker = system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await;
        let (worker, (release, held)) = (worker.unwrap(), oneshot::channel());
        let error = worker.ask(Hold(held)).within(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.certainty(), Certainty::Ran);
        release.send(()).unwrap();
        assert_eq!(worker.ask(Add(1)).await.unwrap(), 1);
    });
}

#[test]
fn an_ask_that_nobody_waits_for_any_more_does_not_run() {
    on_one_thread(1, |system| async move {
        let (worker, tally, release) = held(&system, 1024).await;
        let given_up =
            tokio::time::timeout(Duration::from_millis(5), worker.ask(Add(9)).into_future());
        assert!(given_up.await.is_err());
        drop(release);
        assert_eq!(worker.ask(Add(0)).await.unwrap(), 0);
        assert_eq!(read(&tally.runs), 2);
    });
}

#[test]
fn a_handlers_error_is_a_reply_and_counted_for_a_tell() {
    on_one_thread(1, |system| async move {
        let worker = system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await;
        let worker = worker.unwrap();
        assert_eq!(worker.ask(Refuse).await.unwrap_err(), AskError::Handler("no".to_owned()));
        worker.tell(Refuse).await.unwrap();
        assert_eq!(worker.ask(Add(1)).await.unwrap(), 1);
        assert_eq!(system.stats().tell_errors, 1);
    });
}
