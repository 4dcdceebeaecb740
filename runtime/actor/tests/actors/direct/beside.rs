//! What runs beside messages, and what is seen from outside, of an actor that is only ever asked directly.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, sync_channel},
    },
    task::{Context as Task, Poll},
    time::Duration,
};

use odeon_message::{AskError, message};
use tokio::time::{Instant, sleep};
use tracing::instrument::WithSubscriber;

use super::{Act, Doer, Note, act, doer, doer_with, poll, quick};
use crate::{
    desk::{Log, SECOND, settle},
    fixture::{Threads, on_one_thread, on_one_thread_with},
    log::Lines,
    odeon::{
        Actor, ActorRef, Context, Handler, MissedTicks, SpawnOptions, StartError, Stream,
        SystemConfig,
    },
};

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn a_receive_timeout_counts_from_the_last_direct_turn() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let sets = quick(|_, ctx| ctx.receive_timeout(SECOND, || Note(0)));
        assert_eq!(poll(doer.ask(sets)).ready(), Ok(1));
        settle().await;
        for n in 1..=5 {
            sleep(MS(700)).await;
            assert_eq!(poll(doer.ask(Note(n))).ready(), Ok(n));
        }
        let began = Instant::now();
        while log.take().last().is_none_or(|word| word != "0") {
            sleep(MS(10)).await;
        }
        let elapsed = began.elapsed();
        assert!(elapsed >= MS(990) && elapsed <= MS(1020), "{elapsed:?}");
        assert_eq!(doer.ask(quick(|_, ctx| ctx.end_receive_timeout())).await, Ok(1));
        sleep(5 * SECOND).await;
        assert_eq!(log.take().len(), 0);
    });
}

#[test]
fn timers_that_a_direct_turn_sets_fire() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let sets = quick(|_, ctx| {
            ctx.every("tick", SECOND, MissedTicks::Skip, || Note(100)).unwrap();
            ctx.after(None, MS(1500), Note(200)).unwrap();
        });
        assert_eq!(poll(doer.ask(sets)).ready(), Ok(1));
        for n in 0..7 {
            sleep(MS(350)).await;
            assert_eq!(doer.ask(Note(n)).await, Ok(n));
        }
        assert_eq!(log.take(), ["0", "1", "100", "2", "3", "200", "4", "100", "5", "6"]);
        let cancels = quick(|_, ctx| assert!(ctx.cancel("tick")));
        assert_eq!(doer.ask(cancels).await, Ok(1));
        sleep(5 * SECOND).await;
        assert_eq!(log.take().len(), 0);
        assert_eq!(poll(doer.ask(Note(9))).ready(), Ok(9));
    });
}

/// Gives numbers from 1 to `1`, each after it was woken.
struct Numbers(u64, u64, bool);

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<Option<u64>> {
        if self.0 == self.1 {
            return Poll::Ready(None);
        }
        self.2 = !self.2;
        if self.2 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.0 += 1;
        Poll::Ready(Some(self.0))
    }
}

#[test]
fn pipes_and_streams_that_a_direct_turn_begins_bring_their_messages() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let begins = quick(|_, ctx| {
            ctx.pipe(None, async { 40 }, Note).unwrap();
            let slow = async {
                sleep(SECOND).await;
                50
            };
            ctx.pipe(None, slow, Note).unwrap();
        });
        assert_eq!(poll(doer.ask(begins)).ready(), Ok(1));
        settle().await;
        assert_eq!(log.take(), ["40"]);
        assert_eq!(poll(doer.ask(Note(1))).ready(), Ok(1), "what is under way is in no way");
        sleep(2 * SECOND).await;
        assert_eq!(log.take(), ["1", "50"]);
        let begins = quick(|_, ctx| {
            ctx.attach_to_end(None, Numbers(0, 3, false), Note, Note(60)).unwrap();
        });
        assert_eq!(poll(doer.ask(begins)).ready(), Ok(1));
        for n in 90..95 {
            assert_eq!(doer.ask(Note(n)).await, Ok(n));
        }
        settle().await;
        let (stream, asks): (Vec<_>, Vec<_>) = log
            .take()
            .into_iter()
            .map(|word| word.parse::<u64>().unwrap())
            .partition(|number| *number < 90);
        assert_eq!((stream, asks), (vec![1, 2, 3, 60], vec![90, 91, 92, 93, 94]));
    });
}

#[test]
fn a_piped_future_asks_its_own_actor() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let pipes = quick(|_, ctx| {
            let own = ctx.self_ref();
            ctx.pipe(None, async move { own.ask(Note(1)).await.unwrap() + 1 }, Note).unwrap();
        });
        assert_eq!(poll(doer.ask(pipes)).ready(), Ok(1));
        settle().await;
        assert_eq!(log.take(), ["1", "2"]);
    });
}

/// Asks another one while it starts, and a child of its own.
struct Inquirer(u64);

impl Actor for Inquirer {
    type Args = (ActorRef<Doer>, bool);

    async fn start(
        (asked, waits): Self::Args,
        ctx: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        let child = ctx.spawn::<Doer>(Log::default(), SpawnOptions::default()).await?;
        if waits {
            sleep(SECOND).await;
        }
        let first = asked.ask(Note(1)).await.map_err(StartError::new)?;
        let second = child.ask(Note(2)).await.map_err(StartError::new)?;
        Ok(Self(first + second))
    }
}

#[message(local, reply = u64, crate = crate::odeon)]
struct Sum;

impl Handler<Sum> for Inquirer {
    async fn handle(&mut self, _: Sum, _: &mut Context<Self>) -> u64 {
        self.0
    }
}

#[test]
fn an_actor_asks_others_while_it_starts() {
    on_one_thread(1, |system| async move {
        let (asked, log) = doer(&system).await;
        for waits in [false, true] {
            let args = (asked.clone(), waits);
            let inquirer = system.spawn::<Inquirer>(args, SpawnOptions::default()).await.unwrap();
            assert_eq!(inquirer.ask(Sum).await, Ok(3));
            assert_eq!(log.take(), ["1"]);
        }
        // From within a direct turn, whose actor it asks back.
        let own = asked.clone();
        let spawns = act(move |_, ctx| {
            Box::pin(async move {
                let options = SpawnOptions::default();
                let start = ctx.spawn::<Inquirer>((own, false), options);
                let start = tokio::time::timeout(SECOND, start).await;
                u64::from(start.is_err())
            })
        });
        let answer = poll(asked.ask(spawns)).pending().await;
        assert_eq!(answer, Ok(1), "it waits for its parent, which waits for it");
        settle().await;
        let begun = system.stats();
        asked.stop();
        settle().await;
        assert_eq!(begun.panics, 0);
    });
}

/// Spawns a child while it starts whose name somebody else has, and goes on without.
struct Modest;

impl Actor for Modest {
    type Args = ();

    async fn start((): (), ctx: &mut Context<Self>) -> Result<Self, StartError> {
        let options = SpawnOptions::default().named("taken");
        let error = ctx.spawn::<Doer>(Log::default(), options).await.unwrap_err();
        assert!(matches!(error, StartError::Name(_)), "{error}");
        sleep(SECOND).await;
        Ok(Self)
    }
}

/// The end of the child was taken for the answer of the one that starts on the same stack.
#[test]
fn a_child_that_cannot_be_made_says_nothing_of_how_its_parent_starts() {
    on_one_thread(1, |system| async move {
        let (taken, _) = doer_with(&system, SpawnOptions::default().named("taken")).await;
        let modest = system.spawn::<Modest>((), SpawnOptions::default()).await.unwrap();
        assert_eq!(system.stats().live_actors, 2);
        modest.stop();
        taken.stop();
    });
}

/// What is wrong with it: whether a handler may spawn local tasks depends on who asks it, since the worker's local set is
/// not entered for a direct turn, and nobody can ask tokio whether the asker is in it. Tasks of the node always can be.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a task that is not the node's, on its worker's thread"
)]
fn a_direct_turn_has_the_local_set_of_its_asker() {
    on_one_thread(1, |system| async move {
        let (doer, _) = doer(&system).await;
        let spawns = |task: fn()| {
            let doer = doer.clone();
            async move { doer.ask(quick(move |_, _| task())).await }
        };
        let local = || drop(tokio::task::spawn_local(async {}));
        assert_eq!(tokio::task::spawn_local(spawns(local)).await.unwrap(), Ok(1));
        let own = || drop(odeon_actor::spawn(async {}).unwrap());
        assert_eq!(tokio::spawn(spawns(own)).await.unwrap(), Ok(1));
        let error = tokio::spawn(spawns(local)).await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Panicked(_)), "{error}");
    });
}

#[test]
fn direct_turns_are_counted_and_sampled() {
    let mut config = SystemConfig::default();
    config.sample_every = 1;
    on_one_thread_with(config, 1, |system| async move {
        let (asked, _) = doer(&system).await;
        for n in 0..20 {
            assert_eq!(poll(asked.ask(Note(n))).ready(), Ok(n));
        }
        let waits = act(|_, _| {
            Box::pin(async {
                sleep(SECOND).await;
                3
            })
        });
        assert_eq!(poll(asked.ask(waits)).pending().await, Ok(3));
        let metrics = system.metrics().await;
        let seen = metrics.of(std::any::type_name::<Doer>()).unwrap();
        assert_eq!((seen.handled, seen.handler.samples, seen.queue.samples), (21, 21, 21));
        assert!(seen.handler.max >= SECOND, "{:?}", seen.handler);
        assert!(seen.queue.max < MS(1), "they do not wait: {:?}", seen.queue);
        assert_eq!((seen.depth, system.stats().handled), (0, 21));
    });
}

#[test]
fn one_in_so_many_direct_turns_is_sampled() {
    let mut config = SystemConfig::default();
    config.sample_every = 10;
    on_one_thread_with(config, 1, |system| async move {
        let (asker, _) = doer(&system).await;
        let (asked, _) = doer(&system).await;
        for n in 0..50 {
            assert_eq!(asked.ask(Note(n)).await, Ok(n));
        }
        // Within turns, whose own messages count too.
        for _ in 0..10 {
            let asked = asked.clone();
            let asks = act(|_, _| {
                Box::pin(async move {
                    for n in 0..4 {
                        assert_eq!(asked.ask(Note(n)).await, Ok(n));
                    }
                    0
                })
            });
            assert_eq!(asker.ask(asks).await, Ok(0));
        }
        let metrics = system.metrics().await;
        let seen = metrics.of(std::any::type_name::<Doer>()).unwrap();
        assert_eq!(seen.handled, 100);
        // A turn that others are nested in does not see their count.
        assert!((5..=15).contains(&seen.handler.samples), "{}", seen.handler.samples);
    });
}

#[test]
fn an_actor_that_blocks_in_a_direct_turn_is_named() {
    let number = names_who_blocks(|asked, until| {
        act(move |_, _| {
            Box::pin(async move {
                let blocks = quick(move |_, _| until.recv().unwrap());
                poll(asked.ask(blocks)).ready().unwrap()
            })
        })
    });
    assert_eq!(number, 2);
}

#[test]
fn an_actor_that_blocks_after_it_has_asked_another_is_named() {
    let number = names_who_blocks(|asked, until| {
        act(move |_, _| {
            Box::pin(async move {
                let answer = poll(asked.ask(quick(|_, _| ()))).ready().unwrap();
                until.recv().unwrap();
                answer
            })
        })
    });
    assert_eq!(number, 1);
}

/// The number of the actor that is said to block: the first one does as it is told here, with the second.
fn names_who_blocks(make: impl FnOnce(ActorRef<Doer>, Receiver<()>) -> Act) -> u32 {
    let threads = Threads::of(1, |config| config.blocked_after = MS(25));
    let (release, until) = sync_channel::<()>(1);
    let lines = Arc::<Mutex<Vec<String>>>::default();
    threads.block_on(async {
        let system = threads.system.clone();
        let (asker, _) = doer(&system).await;
        let (asked, _) = doer(&system).await;
        let watch = {
            let (log, system) = (Lines(lines.clone()), system.clone());
            async move { system.watch_workers().await }.with_subscriber(log)
        };
        let asks = make(asked, until);
        let seen = async {
            let answer = asker.ask(asks).sent().await.unwrap();
            while system.stats().blocked == 0 || lines.lock().unwrap().is_empty() {
                sleep(MS(1)).await;
            }
            release.send(()).unwrap();
            assert_eq!(answer.await, Ok(1));
        };
        tokio::select! {
            () = watch => unreachable!("it is never done"),
            () = seen => {}
        }
    });
    threads.end();
    let lines = lines.lock().unwrap().join("\n");
    let number = lines.split("actor=").nth(1).and_then(|rest| rest.split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{lines}"))
}
