//! Messages from the thread of the actor's own worker, which go past the mailbox's exchanges: nothing else about them
//! is different.

mod mixes;
mod moving;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use odeon_message::{AskError, Certainty, FailureKind, message};
use tokio::{
    sync::{Notify, oneshot},
    time::sleep,
};

use crate::{
    desk::{Log, SECOND, settle},
    direct::{Doer, Look, Note, act, doer, doer_with, held_up, poll, supervised},
    fixture::{on_one_thread, on_one_thread_with, spawn_thread},
    odeon::{
        Actor, ActorRef, ActorSystem, Context, Handler, SpawnOptions, StartError, SystemConfig,
    },
};

/// Does this on another thread, and waits for it there and then.
fn far<T: Send + 'static>(deed: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_thread(deed).join().unwrap()
}

/// Tells a number from another thread; whether it was taken.
fn tell_far(doer: &ActorRef<Doer>, n: u64) -> bool {
    let doer = doer.clone();
    far(move || doer.try_tell(Note(n)).is_ok())
}

fn words(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|n| n.to_string()).collect()
}

/// A future, after its first poll; `Err` if it is not done.
fn begin<F: Future + Unpin>(mut future: F) -> Result<F::Output, F> {
    match Pin::new(&mut future).poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(future),
    }
}

#[test]
fn messages_of_both_kinds_come_in_the_order_in_which_they_were_sent() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        for busy in [false, true] {
            let (act, release) = held_up();
            if busy {
                doer.try_tell(act).unwrap();
                settle().await;
            }
            for n in 0..40 {
                match n % 5 {
                    0 | 3 => assert!(tell_far(&doer, n)),
                    _ => doer.try_tell(Note(n)).unwrap(),
                }
            }
            assert_eq!(log.take().len(), 0);
            drop(release);
            settle().await;
            let mut expected = words(0..40);
            if busy {
                expected.insert(0, "held".to_owned());
            }
            assert_eq!(log.take(), expected);
        }
    });
}

#[test]
fn those_of_other_workers_of_the_thread_are_near_too() {
    on_one_thread(2, |system| async move {
        let (one, _) = doer(&system).await;
        let (two, log) = doer(&system).await;
        let (to, again) = (two.clone(), two.clone());
        let tells = act(move |_, _| {
            Box::pin(async move {
                (0..10).for_each(|n| to.try_tell(Note(n)).unwrap());
                assert!(tell_far(&to, 10));
                (11..20).for_each(|n| to.try_tell(Note(n)).unwrap());
                0
            })
        });
        one.tell(tells).await.unwrap();
        settle().await;
        assert_eq!(log.take(), words(0..20));
        // From a turn of the other one that is taken directly.
        let tells = act(move |_, _| {
            Box::pin(async move {
                (0..10).for_each(|n| again.try_tell(Note(n)).unwrap());
                1
            })
        });
        assert_eq!(poll(one.ask(tells)).ready(), Ok(1));
        settle().await;
        assert_eq!(log.take(), words(0..10));
    });
}

#[test]
fn an_actor_that_its_worker_has_not_seen_gets_them_in_order() {
    on_one_thread(1, |system| async move {
        let log = Log::default();
        let options = SpawnOptions::default().named("fresh");
        let (spawner, args) = (system.clone(), log.clone());
        // Spawned by another thread, it is on its way to its worker.
        let spawn = far(move || {
            begin(Box::pin(async move { spawner.spawn::<Doer>(args, options).await })).err()
        });
        let fresh = system.lookup::<Doer>("fresh").unwrap();
        fresh.try_tell(Note(1)).unwrap();
        assert!(tell_far(&fresh, 2));
        fresh.tell(Note(3)).await.unwrap();
        let ask = poll(fresh.ask(Note(4))).pending();
        assert_eq!(log.take().len(), 0);
        assert_eq!(spawn.unwrap().await.unwrap(), fresh);
        assert_eq!(ask.await, Ok(4));
        assert_eq!(log.take(), ["start", "1", "2", "3", "4"]);
    });
}

/// Starts when it is let go, and is known before.
struct Late(Log);

#[derive(Clone, Default)]
struct Door {
    log: Log,
    known: Arc<Mutex<Option<ActorRef<Late>>>>,
    opens: Arc<Notify>,
    fails: bool,
}

impl Actor for Late {
    type Args = Door;

    async fn start(door: Door, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        *door.known.lock().unwrap() = Some(ctx.self_ref());
        door.opens.notified().await;
        match door.fails {
            true => Err(StartError::new("told to")),
            false => Ok(Self(door.log)),
        }
    }
}

impl Handler<Note> for Late {
    async fn handle(&mut self, note: Note, _: &mut Context<Self>) -> u64 {
        self.0.add(note.0.to_string());
        note.0
    }
}

#[test]
fn an_actor_that_starts_gets_them_when_it_has_started() {
    on_one_thread(1, |system| async move {
        for fails in [false, true] {
            let door = Door { fails, ..Door::default() };
            let spawn = system.spawn::<Late>(door.clone(), SpawnOptions::default());
            let spawn = begin(Box::pin(spawn)).err().unwrap();
            settle().await;
            let late = door.known.lock().unwrap().take().unwrap();
            late.try_tell(Note(1)).unwrap();
            let other = late.clone();
            far(move || other.try_tell(Note(2)).unwrap());
            late.try_tell(Note(3)).unwrap();
            let ask = poll(late.ask(Note(4))).pending();
            settle().await;
            assert_eq!(door.log.take().len(), 0);
            door.opens.notify_one();
            assert_eq!(spawn.await.is_err(), fails);
            if fails {
                let error = ask.await.unwrap_err();
                assert_eq!(error.certainty(), Certainty::NotDelivered);
                assert_eq!(system.stats().undelivered, 4);
            } else {
                assert_eq!(ask.await, Ok(4));
                assert_eq!(door.log.take(), words(1..5));
            }
        }
    });
}

#[test]
fn an_actor_that_has_ended_gives_them_back() {
    on_one_thread(1, |system| async move {
        let (stopped, _) = doer(&system).await;
        stopped.stop();
        settle().await;
        let (killed, _) = doer(&system).await;
        killed.kill();
        settle().await;
        for ended in [stopped, killed] {
            let error = ended.try_tell(Note(1)).unwrap_err();
            assert_eq!(error.failure.kind, FailureKind::Stopped);
            assert_eq!(error.message.map(|note| note.0), Some(1));
            let error = ended.tell(Note(2)).await.unwrap_err();
            assert_eq!(error.message.map(|note| note.0), Some(2));
            let error = poll(ended.ask(Note(3))).ready().unwrap_err();
            assert!(matches!(error, AskError::Stopped(_)), "{error}");
        }
        assert_eq!((system.stats().undelivered, system.stats().cells), (0, 0));
    });
}

#[test]
fn what_an_actor_does_not_get_any_more_is_told_and_counted() {
    on_one_thread(1, |system| async move {
        for kill in [false, true] {
            let before = system.stats().undelivered;
            let (doer, log) = doer(&system).await;
            let (act, _release) = held_up();
            doer.try_tell(act).unwrap();
            settle().await;
            doer.try_tell(Note(1)).unwrap();
            assert!(tell_far(&doer, 2));
            doer.try_tell(Note(3)).unwrap();
            let ask = poll(doer.ask(Note(4))).pending();
            if kill {
                doer.kill();
            } else {
                doer.stop();
                drop(_release);
            }
            // Behind the order to end, and yet queued.
            doer.try_tell(Note(5)).unwrap();
            let error = ask.await.unwrap_err();
            assert!(matches!(error, AskError::Stopped(_)), "{error}");
            assert_eq!(error.certainty(), Certainty::NotDelivered);
            settle().await;
            let expected: &[&str] = if kill { &[] } else { &["held", "stopped"] };
            assert_eq!((log.take(), system.stats().undelivered - before), {
                (expected.iter().map(|word| (*word).to_owned()).collect(), 5)
            });
        }
    });
}

#[test]
fn an_actor_that_waits_for_its_restart_keeps_them() {
    on_one_thread(1, |system| async move {
        let (doer, log) = supervised(&system, SpawnOptions::default(), SECOND).await;
        let error = doer.ask(act(|_, _| panic!("told to"))).await.unwrap_err();
        assert!(matches!(error, AskError::Panicked(_)), "{error}");
        doer.try_tell(Note(1)).unwrap();
        assert!(tell_far(&doer, 2));
        settle().await;
        doer.try_tell(Note(3)).unwrap();
        assert_eq!(log.take().len(), 0);
        sleep(2 * SECOND).await;
        assert_eq!(log.take(), ["start", "1", "2", "3"]);
    });
}

#[test]
fn a_supervised_actor_that_drains_keeps_later_ones_for_its_next_life() {
    on_one_thread(1, |system| async move {
        let (doer, log) = supervised(&system, SpawnOptions::default(), Duration::ZERO).await;
        let (act, release) = held_up();
        doer.try_tell(Note(1)).unwrap();
        doer.try_tell(act).unwrap();
        doer.try_tell(Note(2)).unwrap();
        doer.drain();
        settle().await;
        assert_eq!(log.take(), ["1"]);
        // It has taken what was queued.
        doer.try_tell(Note(3)).unwrap();
        assert!(tell_far(&doer, 4));
        doer.try_tell(Note(5)).unwrap();
        release.send(()).unwrap();
        settle().await;
        assert_eq!(log.take(), ["held", "2", "stopped", "start", "3", "4", "5"]);
    });
}

/// Tells itself something when it is dropped.
struct Clinging(ActorRef<Clinging>, Log);

#[message(local, crate = crate::odeon)]
struct Last;

impl Actor for Clinging {
    type Args = Log;

    async fn start(log: Log, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(ctx.self_ref(), log))
    }
}

impl Handler<Last> for Clinging {
    async fn handle(&mut self, _: Last, _: &mut Context<Self>) {
        self.1.add("handled");
    }
}

impl Drop for Clinging {
    fn drop(&mut self) {
        self.1.add(if self.0.try_tell(Last).is_ok() { "queued" } else { "refused" });
    }
}

#[test]
fn what_a_destructor_tells_its_own_actor_is_undelivered() {
    on_one_thread(1, |system| async move {
        for (kill, word) in [(false, "refused"), (true, "queued")] {
            let (log, before) = (Log::default(), system.stats().undelivered);
            let options = SpawnOptions::default();
            let actor = system.spawn::<Clinging>(log.clone(), options).await.unwrap();
            match kill {
                true => actor.kill(),
                false => actor.stop(),
            }
            settle().await;
            assert_eq!(log.take(), [word]);
            assert_eq!(system.stats().undelivered - before, u64::from(kill));
            drop(actor);
            assert_eq!(system.stats().cells, 0);
        }
    });
}

#[test]
fn beside_reads_they_wait_in_order() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let (release, held) = oneshot::channel();
        doer.try_tell(Look(held)).unwrap();
        settle().await;
        doer.try_tell(Note(1)).unwrap();
        assert!(tell_far(&doer, 2));
        settle().await;
        doer.try_tell(Note(3)).unwrap();
        settle().await;
        assert_eq!(log.take().len(), 0);
        release.send(()).unwrap();
        settle().await;
        assert_eq!(log.take(), ["looked", "1", "2", "3"]);
    });
}

#[test]
fn a_handler_that_waits_for_its_own_messages_gets_room_for_them() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer_with(&system, SpawnOptions::default().mailbox(2)).await;
        let tells = act(|_, ctx| {
            Box::pin(async move {
                let own = ctx.self_ref();
                own.tell(Note(1)).await.unwrap();
                assert!(tell_far(&own, 2));
                let error = own.tell(Note(3)).await.unwrap_err();
                assert_eq!(error.failure.kind, FailureKind::Full, "it would wait for itself");
                tokio::task::yield_now().await;
                assert!(own.try_tell(Note(4)).is_err());
                0
            })
        });
        assert_eq!(doer.ask(tells).await, Ok(0));
        settle().await;
        assert_eq!(log.take(), ["1", "2"]);
    });
}

#[test]
fn senders_that_wait_are_served_in_order_wherever_they_are() {
    on_one_thread(1, |system| async move {
        for bound in [1, 3] {
            let (doer, log) = doer_with(&system, SpawnOptions::default().mailbox(bound)).await;
            let (act, release) = held_up();
            doer.try_tell(act).unwrap();
            settle().await;
            let bound = u64::from(bound);
            (0..bound).for_each(|n| doer.try_tell(Note(n)).unwrap());
            let mut waiting = Vec::new();
            for n in bound..20 {
                let (is_far, asks) = (n % 2 == 1, n % 3 == 0);
                let to = doer.clone();
                let send: Pin<Box<dyn Future<Output = bool> + Send>> = match asks {
                    true => Box::pin(async move { to.ask(Note(n)).await == Ok(n) }),
                    false => Box::pin(async move { to.tell(Note(n)).await.is_ok() }),
                };
                let begun = if is_far { far(move || begin(send)) } else { begin(send) };
                waiting.push(begun.expect_err("there is no room"));
                assert!(!tell_far(&doer, 100) && doer.try_tell(Note(100)).is_err());
            }
            release.send(()).unwrap();
            settle().await;
            for sent in waiting {
                assert!(sent.await);
            }
            assert_eq!(log.take()[1..], words(0..20));
        }
    });
}

#[test]
fn in_a_large_mailbox_the_first_of_them_counts_as_one_that_is_handled() {
    let mut config = SystemConfig::default();
    // One that is measured goes another way.
    config.sample_every = 0;
    on_one_thread_with(config, 1, |system: ActorSystem| async move {
        let (doer, log) = doer_with(&system, SpawnOptions::default().mailbox(128)).await;
        for round in 0..3 {
            doer.try_tell(Note(0)).unwrap();
            let fill = doer.clone();
            let fits = move |n: &u64| fill.try_tell(Note(*n)).is_ok();
            let filled = far(move || (1..300).take_while(fits).count());
            assert_eq!(filled, 128, "round {round}");
            assert!(doer.try_tell(Note(300)).is_err());
            settle().await;
            assert_eq!(log.take(), words(0..129));
            // Room for a few is reserved at once, and given back.
            (0..3).for_each(|n| doer.try_tell(Note(n)).unwrap());
            let fill = doer.clone();
            let fits = move |n: &u64| fill.try_tell(Note(*n)).is_ok();
            let filled = far(move || (3..300).take_while(fits).count() as u64);
            assert!((118..=125).contains(&filled), "{filled}");
            settle().await;
            assert_eq!(log.take(), words(0..filled + 3));
            // To this thread the bound is what it is.
            (0..128).for_each(|n| doer.try_tell(Note(n)).unwrap());
            assert!(doer.try_tell(Note(300)).is_err() && !tell_far(&doer, 300));
            settle().await;
            assert_eq!(log.take(), words(0..128));
        }
    });
}

#[test]
fn one_that_was_handed_over_is_seen_and_takes_part_in_everything() {
    let mut config = SystemConfig::default();
    config.sample_every = 1;
    on_one_thread_with(config, 1, |system: ActorSystem| async move {
        let (one, log) = doer(&system).await;
        for n in 1..6 {
            one.try_tell(Note(n)).unwrap();
            let metrics = system.metrics();
            let ask = poll(one.ask(Note(10 + n))).pending();
            assert_eq!(log.take().len(), 0, "the ask does not go before it");
            let metrics = metrics.await;
            let seen = metrics.of(std::any::type_name::<Doer>()).unwrap();
            assert!(seen.depth <= 2);
            assert_eq!(ask.await, Ok(10 + n));
            assert_eq!(log.take(), words([n, 10 + n]));
        }
        let metrics = system.metrics().await;
        let seen = metrics.of(std::any::type_name::<Doer>()).unwrap();
        assert_eq!((seen.depth, seen.handled), (0, 10));
        assert!(seen.queue.samples >= 4, "{:?}", seen.queue);
        one.try_tell(Note(1)).unwrap();
        one.kill();
        settle().await;
        assert_eq!(system.stats().undelivered, 1);
    });
}

#[test]
fn they_take_up_room_and_are_seen_in_the_figures() {
    let mut config = SystemConfig::default();
    config.sample_every = 1;
    on_one_thread_with(config, 1, |system: ActorSystem| async move {
        let (doer, log) = doer_with(&system, SpawnOptions::default().mailbox(6)).await;
        let (act, release) = held_up();
        doer.try_tell(act).unwrap();
        settle().await;
        (0..3).for_each(|n| doer.try_tell(Note(n)).unwrap());
        (3..6).for_each(|n| assert!(tell_far(&doer, n)));
        assert!(doer.try_tell(Note(6)).is_err() && !tell_far(&doer, 6));
        let metrics = system.metrics().await;
        let seen = metrics.of(std::any::type_name::<Doer>()).unwrap();
        assert_eq!((seen.depth, seen.depth_max), (6, 6));
        release.send(()).unwrap();
        settle().await;
        assert_eq!(log.take().len(), 7);
        // All room is free again.
        (0..6).for_each(|n| doer.try_tell(Note(n)).unwrap());
        assert!(doer.try_tell(Note(6)).is_err());
        settle().await;
        let metrics = system.metrics().await;
        let seen = metrics.of(std::any::type_name::<Doer>()).unwrap();
        assert_eq!((seen.depth, seen.handled, seen.handler.samples), (0, 13, 13));
    });
}
