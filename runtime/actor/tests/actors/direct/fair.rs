//! Whoever asks on and on gives its thread away in between.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context as Task, Poll, Waker},
};

use tokio::task::{spawn_local, yield_now};

use super::{Polled, act, doer, poll};
use crate::{
    desk::settle,
    fixture::{Add, Tally, Threads, Worker, bump, on_one_thread, read},
    odeon::{Actor, Context, Handler, SpawnOptions, StartError},
};

use odeon_message::message;

const ASKS: u64 = 10_000;

/// Counts its turns, for ever; it is ready again at once.
fn neighbour() -> (Rc<Cell<u64>>, tokio::task::JoinHandle<()>) {
    let turns = Rc::<Cell<u64>>::default();
    let counted = turns.clone();
    let task = spawn_local(async move {
        poll_fn(|cx| {
            counted.set(counted.get() + 1);
            // A task that yields would wait until the runtime looks for news, which is seldom.
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
    });
    (turns, task)
}

#[test]
fn a_task_that_asks_on_and_on_lets_its_neighbours_run() {
    on_one_thread(1, |system| async move {
        let worker =
            system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await.unwrap();
        let (turns, task) = neighbour();
        let asks = spawn_local(async move {
            for n in 1..=ASKS {
                assert_eq!(worker.ask(Add(1)).await, Ok(n));
            }
        });
        asks.await.unwrap();
        // As often as tokio makes any task stop.
        assert!(turns.get() >= ASKS / 128 - 1, "{}", turns.get());
        task.abort();
        let _ = task.await;
    });
}

#[test]
fn two_tasks_that_ask_on_and_on_take_turns() {
    on_one_thread(1, |system| async move {
        let worker =
            system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await.unwrap();
        let ahead = Rc::<Cell<i64>>::default();
        let most = Rc::<Cell<i64>>::default();
        let tasks = [1, -1].map(|sign| {
            let (worker, ahead, most) = (worker.clone(), ahead.clone(), most.clone());
            spawn_local(async move {
                for _ in 0..ASKS {
                    worker.ask(Add(1)).await.unwrap();
                    ahead.set(ahead.get() + sign);
                    most.set(most.get().max(ahead.get().abs()));
                }
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
        assert!(most.get() <= 2 * 128, "one was {} ahead", most.get());
        assert_eq!(worker.ask(Add(0)).await, Ok(2 * ASKS));
    });
}

#[test]
fn a_task_that_spawns_on_and_on_lets_its_neighbours_run() {
    on_one_thread(1, |system| async move {
        let (turns, task) = neighbour();
        let spawns = spawn_local(async move {
            for _ in 0..ASKS {
                drop(system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await);
            }
            system.stats().started
        });
        assert_eq!(spawns.await.unwrap(), ASKS);
        // As often as an actor does that takes messages on and on.
        assert!(turns.get() >= ASKS / 256 - 1, "{}", turns.get());
        task.abort();
        let _ = task.await;
    });
}

#[test]
fn a_task_that_spawns_many_at_once_does_not_wait_for_each() {
    on_one_thread(1, |system| async move {
        // From then on the thread is known to be the worker's.
        drop(system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await);
        let (turns, task) = neighbour();
        let mut spawns = Vec::new();
        let mut started = 0;
        for _ in 0..ASKS {
            let spawn = system.spawn::<Worker>(Tally::default(), SpawnOptions::default());
            let mut spawn = Box::pin(spawn);
            match spawn.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
                Poll::Ready(actor) => started += u64::from(actor.is_ok()),
                Poll::Pending => spawns.push(spawn),
            }
        }
        // Between two polls of the worker so many turns are taken directly.
        assert!((8000..=8192).contains(&started), "{started}");
        assert_eq!(turns.get(), 0);
        for spawn in spawns {
            spawn.await.unwrap();
        }
        assert!(turns.get() > 0);
        assert_eq!(system.stats().started, 1 + ASKS);
        task.abort();
        let _ = task.await;
    });
}

/// Tells itself to go on.
struct Ticker(Arc<AtomicU64>, Arc<AtomicBool>);

#[message(local, crate = crate::odeon)]
struct Tick;

impl Actor for Ticker {
    type Args = (Arc<AtomicU64>, Arc<AtomicBool>);

    async fn start(args: Self::Args, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        ctx.self_ref().try_tell(Tick).unwrap();
        Ok(Self(args.0, args.1))
    }
}

impl Handler<Tick> for Ticker {
    async fn handle(&mut self, _: Tick, ctx: &mut Context<Self>) {
        bump(&self.0);
        if !self.1.load(Ordering::SeqCst) {
            ctx.self_ref().try_tell(Tick).unwrap();
        }
    }
}

#[test]
fn an_actor_that_asks_on_and_on_lets_its_neighbours_run() {
    on_one_thread(1, |system| async move {
        let worker =
            system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await.unwrap();
        let (asker, _) = doer(&system).await;
        let (ticks, ends) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let args = (ticks.clone(), ends.clone());
        let ticker = system.spawn::<Ticker>(args, SpawnOptions::default()).await.unwrap();
        let (turns, task) = neighbour();
        let began = read(&ticks);
        let asks = act(move |_, _| {
            Box::pin(async move {
                for n in 1..=ASKS {
                    assert_eq!(worker.ask(Add(1)).await, Ok(n));
                }
                1
            })
        });
        assert_eq!(asker.ask(asks).await, Ok(1));
        let ticked = read(&ticks) - began;
        assert!(ticked >= ASKS / 130, "other actors of the worker: {ticked}");
        // The worker gives its thread away after 2048 messages, which all of these are.
        assert!(turns.get() >= ASKS / 2048 - 1, "other tasks of the thread: {}", turns.get());
        ends.store(true, Ordering::SeqCst);
        task.abort();
        let _ = task.await;
        drop(ticker);
    });
}

#[test]
fn actors_that_ask_each_other_on_and_on_are_all_answered() {
    let threads = Threads::new(1);
    threads.block_on(async {
        let worker = threads
            .system
            .spawn::<Worker>(Tally::default(), SpawnOptions::default())
            .await
            .unwrap();
        let mut answers = Vec::new();
        for _ in 0..4 {
            let (asker, _) = doer(&threads.system).await;
            let worker = worker.clone();
            let asks = act(move |_, _| {
                Box::pin(async move {
                    for _ in 0..2500 {
                        worker.ask(Add(1)).await.unwrap();
                    }
                    1
                })
            });
            answers.push((asker.ask(asks).sent().await.unwrap(), asker));
        }
        for (answer, _) in answers {
            assert_eq!(answer.await, Ok(1));
        }
        assert_eq!(worker.ask(Add(0)).await, Ok(ASKS));
    });
    threads.end();
}

#[test]
fn an_actor_that_keeps_itself_busy_answers_all_the_same() {
    on_one_thread(1, |system| async move {
        let (ticks, ends) = (Arc::<AtomicU64>::default(), Arc::new(AtomicBool::new(true)));
        let args = (ticks.clone(), ends.clone());
        let ticker = system.spawn::<Ticker>(args, SpawnOptions::default()).await.unwrap();
        settle().await;
        assert_eq!(read(&ticks), 1);
        ends.store(false, Ordering::SeqCst);
        // What it is asked begins the ticks, within the turn.
        assert_eq!(poll(ticker.ask(Begin)).ready(), Ok(()));
        assert!((2..1000).contains(&read(&ticks)), "{} in one turn", read(&ticks));
        for _ in 0..10 {
            let before = read(&ticks);
            drop(poll(ticker.ask(Give(Arc::default()))).pending().await.unwrap());
            assert!(read(&ticks) > before, "it has its turns");
        }
        ends.store(true, Ordering::SeqCst);
    });
}

/// Begins to tick.
#[message(local, reply = (), crate = crate::odeon)]
struct Begin;

impl Handler<Begin> for Ticker {
    async fn handle(&mut self, _: Begin, ctx: &mut Context<Self>) {
        ctx.self_ref().try_tell(Tick).unwrap();
    }
}

/// Is answered with what it brings.
#[message(local, reply = Arc<()>, crate = crate::odeon)]
struct Give(Arc<()>);

impl Handler<Give> for Ticker {
    async fn handle(&mut self, give: Give, _: &mut Context<Self>) -> Arc<()> {
        give.0
    }
}

#[test]
fn an_answer_that_its_task_gets_after_a_pause_goes_with_its_asker() {
    on_one_thread(1, |system| async move {
        let args = (Arc::default(), Arc::new(AtomicBool::new(true)));
        let ticker = system.spawn::<Ticker>(args, SpawnOptions::default()).await.unwrap();
        let task = spawn_local(async move {
            for waits in [false, true] {
                let kept = Arc::new(());
                let give = || poll(ticker.ask(Give(kept.clone())));
                // A task may go on for so long; what comes then runs, and is looked at later.
                let at_once = std::iter::repeat_with(give).take(1000);
                let late = at_once.filter_map(|polled| match polled {
                    Polled::Ready(answer) => {
                        drop(answer.unwrap());
                        None
                    }
                    Polled::Pending(ask) => Some(ask),
                });
                let mut late = late.collect::<Vec<_>>();
                assert!(late.len() >= 800 && Arc::strong_count(&kept) == 1 + late.len());
                if waits {
                    for ask in late.drain(..) {
                        drop(ask.await.unwrap());
                    }
                }
                drop(late);
                yield_now().await;
                settle().await;
                assert_eq!(Arc::strong_count(&kept), 1);
            }
        });
        task.await.unwrap();
    });
}
