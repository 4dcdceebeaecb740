//! Stealing actors that are asked from many threads of their runtime, one of which holds the actor at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use odeon_message::{AskError, Certainty};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{JoinSet, yield_now},
    time::sleep,
};

use super::{Act, Doer, Note, Polled, act, doer_with, home, poll, quick, supervised};
use crate::{
    desk::Log,
    fixture::{Add, Boom, Tally, Threads, Worker, block_on_plain, read, spawn_thread},
    odeon::{ActorRef, MissedTicks, Placement, SpawnOptions},
};

const SECOND: Duration = Duration::from_secs(1);

fn stealing() -> SpawnOptions {
    SpawnOptions::default().placement(Placement::Stealing)
}

/// A system with a worker, and a program with two threads that runs its stealing actors.
fn both() -> (Threads, Runtime) {
    let threads = Threads::new(1);
    let program = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    threads.system.set_stealing(program.handle().clone());
    (threads, program)
}

/// Ends both; nothing may be left.
fn end(threads: Threads, program: Runtime) {
    threads.block_on(threads.system.stop(SECOND * 20));
    wait_until(&threads, || program.metrics().num_alive_tasks() == 0);
    drop(program);
    // The threads of the timers may hold a waker a little longer.
    wait_until(&threads, || threads.system.stats().cells == 0);
    threads.end();
}

fn wait_until(threads: &Threads, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(SECOND / 1000).await;
        }
    };
    threads.block_on(async { tokio::time::timeout(SECOND * 20, wait).await }).unwrap();
}

/// Asks until nobody else holds the actor, and it is answered at once.
async fn at_once(doer: &ActorRef<Doer>, make: impl Fn() -> Act) -> bool {
    for _ in 0..2000 {
        match poll(doer.ask(make())) {
            Polled::Ready(answer) => {
                answer.unwrap();
                return true;
            }
            Polled::Pending(ask) => {
                ask.await.unwrap();
            }
        }
        sleep(SECOND / 2000).await;
    }
    false
}

#[test]
fn a_thread_of_the_program_runs_it_at_once_and_another_one_does_not() {
    let (threads, program) = both();
    program.block_on(async {
        let (doer, _) = doer_with(&threads.system, stealing()).await;
        // The thread that blocks on the program is in it.
        let own = thread::current().id();
        let runs = async {
            while home(&doer).await != own {
                sleep(SECOND / 2000).await;
            }
        };
        tokio::time::timeout(SECOND * 20, runs).await.unwrap();
        assert!(at_once(&doer, || quick(|_, _| ())).await);
        for _ in 0..50 {
            let doer = doer.clone();
            let other = spawn_thread(move || {
                assert_ne!(block_on_plain(home(&doer)), thread::current().id());
            });
            other.join().unwrap();
        }
        // One that has entered it is in it, whatever polls there.
        let (doer, entered) = (doer.clone(), program.handle().clone());
        let other = spawn_thread(move || {
            let _entered = entered.enter();
            let own = thread::current().id();
            (0..100_000).any(|_| block_on_plain(home(&doer)) == own)
        });
        assert!(other.join().unwrap());
    });
    threads.block_on(async {
        // In a runtime, but not in its own.
        let (doer, _) = doer_with(&threads.system, stealing()).await;
        for _ in 0..50 {
            assert_ne!(home(&doer).await, thread::current().id());
        }
    });
    end(threads, program);
}

#[test]
fn many_tasks_ask_one_and_each_is_answered_once() {
    const TASKS: u64 = 16;
    const ASKS: u64 = 500;
    let (threads, program) = both();
    program.block_on(async {
        let tally = Tally::default();
        let worker = threads.system.spawn::<Worker>(tally.clone(), stealing()).await.unwrap();
        let (doer, _) = doer_with(&threads.system, stealing()).await;
        let inside = Arc::<AtomicBool>::default();
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let (worker, doer, inside) = (worker.clone(), doer.clone(), inside.clone());
            tasks.spawn(async move {
                let mut last = 0;
                for n in 0..ASKS {
                    let sum = worker.ask(Add(1)).await.unwrap();
                    assert!(sum > last, "it only grows");
                    last = sum;
                    if (n + task).is_multiple_of(5) {
                        let inside = inside.clone();
                        let waits = act(move |_, _| {
                            Box::pin(async move {
                                assert!(!inside.swap(true, Ordering::SeqCst), "two at a time");
                                if n.is_multiple_of(2) {
                                    yield_now().await;
                                }
                                inside.store(false, Ordering::SeqCst);
                                n
                            })
                        });
                        assert_eq!(doer.ask(waits).await, Ok(n));
                    }
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        assert_eq!(worker.ask(Add(0)).await, Ok(TASKS * ASKS));
        assert_eq!(read(&tally.runs), TASKS * ASKS + 1);
    });
    end(threads, program);
}

#[test]
fn it_is_answered_whoever_runs_it_when_it_waits() {
    let (threads, program) = both();
    program.block_on(async {
        let (doer, log) = doer_with(&threads.system, stealing()).await;
        for n in 0..300 {
            let (release, held) = oneshot::channel();
            let waits = act(move |_, ctx| {
                Box::pin(async move {
                    held.await.unwrap();
                    ctx.self_ref().try_tell(Note(n)).unwrap();
                    n
                })
            });
            let ask = poll(doer.ask(waits)).pending();
            let thread = spawn_thread(move || release.send(()).unwrap());
            assert_eq!(ask.await, Ok(n));
            thread.join().unwrap();
        }
        // Dropped while it waits.
        let (begins, begun) = oneshot::channel();
        let (release, held) = oneshot::channel();
        let waits = act(|_, ctx| {
            Box::pin(async move {
                begins.send(()).unwrap();
                ctx.cancelled().await;
                release.send(()).unwrap();
                0
            })
        });
        let ask = poll(doer.ask(waits)).pending();
        // Its task may have held the actor.
        begun.await.unwrap();
        drop(ask);
        held.await.unwrap();
        let late = act(|_, _| Box::pin(std::future::pending()));
        let error = doer.ask(late).within(SECOND / 50).await.unwrap_err();
        assert!(matches!(error, AskError::Deadline(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::Ran);
        doer.kill();
        let words = (0..300).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(log.take(), words);
    });
    end(threads, program);
}

#[test]
fn panics_and_stops_in_direct_turns_are_as_ever() {
    let (threads, program) = both();
    program.block_on(async {
        let system = &threads.system;
        let (doer, log) = supervised(system, stealing(), Duration::ZERO).await;
        for _ in 0..20 {
            let panics = quick(|_, ctx| {
                ctx.self_ref().try_tell(Note(1)).unwrap();
                panic!("told to")
            });
            let error = doer.ask(panics).await.unwrap_err();
            assert!(matches!(error, AskError::Panicked(_)), "{error}");
            assert_eq!(doer.ask(Note(2)).await, Ok(2));
            assert_eq!(log.take(), ["start", "1", "2"]);
        }
        for _ in 0..20 {
            let (stops, log) = doer_with(system, stealing()).await;
            assert_eq!(stops.ask(quick(|_, ctx| ctx.stop())).await, Ok(1));
            let error = stops.ask(Note(3)).await.unwrap_err();
            assert_eq!(error.certainty(), Certainty::NotDelivered);
            while log.take() != ["stopped"] {
                sleep(SECOND / 1000).await;
            }
        }
    });
    end(threads, program);
}

#[test]
fn what_is_beside_its_messages_goes_on() {
    let (threads, program) = both();
    program.block_on(async {
        let (doer, log) = doer_with(&threads.system, stealing()).await;
        let sets = || {
            quick(|_, ctx| {
                let tick = || Note(100);
                ctx.every("tick", SECOND / 500, MissedTicks::Skip, tick).unwrap();
                ctx.pipe(None, async { 200 }, Note).unwrap();
            })
        };
        assert!(at_once(&doer, sets).await);
        let mut words = Vec::new();
        let count = |words: &[String], word| words.iter().filter(|it| *it == word).count();
        while count(&words, "100") < 10 || count(&words, "200") < 1 {
            assert_eq!(doer.ask(Note(1)).await, Ok(1));
            words.extend(log.take());
            sleep(SECOND / 1000).await;
        }
    });
    end(threads, program);
}

#[test]
fn they_ask_each_other_within_their_turns() {
    let (threads, program) = both();
    program.block_on(async {
        let mut chain = Vec::new();
        for _ in 0..6 {
            chain.push(doer_with(&threads.system, stealing()).await.0);
        }
        /// Adds up along the chain.
        fn asks(mut rest: Vec<ActorRef<Doer>>) -> Act {
            act(move |_, _| {
                Box::pin(async move {
                    match rest.pop() {
                        None => 1,
                        Some(next) => 1 + next.ask(asks(rest)).await.unwrap(),
                    }
                })
            })
        }
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let chain = chain.clone();
            tasks.spawn(async move {
                for _ in 0..200 {
                    let mut rest = chain.clone();
                    let first = rest.pop().unwrap();
                    assert_eq!(first.ask(asks(rest)).within(SECOND * 20).await, Ok(6));
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    });
    end(threads, program);
}

#[test]
fn a_circle_of_them_ends_as_a_deadlock() {
    let (threads, program) = both();
    program.block_on(async {
        let (a, _) = doer_with(&threads.system, stealing()).await;
        let (b, _) = doer_with(&threads.system, stealing()).await;
        for _ in 0..20 {
            let (to_a, to_b) = (a.clone(), b.clone());
            let circle = act(move |_, _| {
                Box::pin(async move {
                    let back = act(move |_, _| {
                        Box::pin(async move {
                            let ask = to_a.ask(Note(1)).within(SECOND * 20);
                            u64::from(matches!(ask.await, Err(AskError::Deadlock(_))))
                        })
                    });
                    let ask = to_b.ask(back).within(SECOND * 20);
                    match ask.await {
                        Ok(told) => told,
                        Err(error) => u64::from(matches!(error, AskError::Deadlock(_))),
                    }
                })
            });
            assert_eq!(a.ask(circle).within(SECOND * 20).await, Ok(1));
        }
    });
    end(threads, program);
}

#[test]
fn a_program_that_ends_while_they_are_asked_leaves_nothing() {
    for round in 0..8 {
        let (threads, program) = both();
        let (worker, doer) = threads.block_on(async {
            let worker = threads.system.spawn::<Worker>(Tally::default(), stealing());
            (worker.await.unwrap(), doer_with(&threads.system, stealing()).await.0)
        });
        let log = Log::default();
        for task in 0..12 {
            let (worker, doer, log) = (worker.clone(), doer.clone(), log.clone());
            program.spawn(async move {
                for n in 0_u64.. {
                    let deep = worker.clone();
                    let asks = act(move |_, _| {
                        Box::pin(async move {
                            if n.is_multiple_of(3) {
                                yield_now().await;
                            }
                            deep.ask(Add(1)).await.unwrap_or(0)
                        })
                    });
                    if doer.ask(asks).await.is_err() || worker.ask(Add(1)).await.is_err() {
                        log.add(format!("{task} was told"));
                        return;
                    }
                }
            });
        }
        threads.block_on(async {
            // From outside of the program, too.
            for _ in 0..20 * round {
                worker.ask(Add(1)).await.unwrap();
            }
        });
        match round % 2 {
            0 => drop(program),
            _ => program.shutdown_timeout(SECOND * 20),
        }
        wait_until(&threads, || threads.system.stats().live_actors == 0);
        threads.block_on(async {
            let error = worker.ask(Add(1)).within(SECOND * 20).await.unwrap_err();
            assert!(matches!(error, AskError::Stopped(_)), "{error}");
            assert!(doer.tell(Note(1)).await.is_err());
        });
        drop((worker, doer));
        wait_until(&threads, || threads.system.stats().cells == 0);
        threads.end();
    }
}

#[test]
fn a_system_that_stops_while_they_are_asked_answers_all() {
    for _ in 0..8 {
        let (threads, program) = both();
        let mut tasks = JoinSet::new();
        let worker =
            threads.block_on(threads.system.spawn::<Worker>(Tally::default(), stealing())).unwrap();
        for _ in 0..8 {
            let worker = worker.clone();
            let asks = async move { while worker.ask(Add(1)).await.is_ok() {} };
            tasks.spawn_on(asks, program.handle());
        }
        threads.block_on(async {
            sleep(SECOND / 200).await;
            threads.system.stop(SECOND * 20).await;
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
            let error = worker.try_tell(Boom { later: false }).unwrap_err();
            assert!(error.message.is_some());
        });
        drop(worker);
        end(threads, program);
    }
}

#[test]
fn one_that_is_killed_while_it_is_asked_answers_all() {
    let (threads, program) = both();
    for round in 0..20 {
        let (doer, _) = threads.block_on(doer_with(&threads.system, stealing()));
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let doer = doer.clone();
            let asks = async move {
                let waits = |n: u64| {
                    act(move |_, _| {
                        Box::pin(async move {
                            if n.is_multiple_of(2) {
                                yield_now().await;
                            }
                            n
                        })
                    })
                };
                for n in 0.. {
                    match doer.ask(waits(n)).within(SECOND * 20).await {
                        Ok(answer) => assert_eq!(answer, n),
                        Err(error) => return assert!(matches!(error, AskError::Stopped(_))),
                    }
                }
            };
            tasks.spawn_on(asks, program.handle());
        }
        threads.block_on(async {
            sleep(SECOND / 500).await;
            match round % 3 {
                0 => doer.kill(),
                1 => doer.stop(),
                _ => doer.drain(),
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
        });
    }
    end(threads, program);
}

#[test]
fn figures_are_told_while_they_are_asked() {
    const ASKS: u64 = 4000;
    let (threads, program) = both();
    let worker =
        threads.block_on(threads.system.spawn::<Worker>(Tally::default(), stealing())).unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let worker = worker.clone();
        let asks = async move {
            for _ in 0..ASKS {
                worker.ask(Add(1)).await.unwrap();
            }
        };
        tasks.spawn_on(asks, program.handle());
    }
    threads.block_on(async {
        let mut before = 0;
        while !tasks.is_empty() {
            let metrics = threads.system.metrics().await;
            assert_eq!(metrics.silent_workers, 0);
            let handled = metrics.of(std::any::type_name::<Worker>()).unwrap().handled;
            assert!(handled >= before);
            before = handled;
            while let Some(done) = tasks.try_join_next() {
                done.unwrap();
            }
        }
        let metrics = threads.system.metrics().await;
        let seen = metrics.of(std::any::type_name::<Worker>()).unwrap();
        assert_eq!((seen.handled, seen.live), (4 * ASKS, 1));
        let samples = seen.handler.samples;
        assert!((100..=150).contains(&samples), "one in 127 is sampled: {samples}");
    });
    drop(worker);
    end(threads, program);
}
