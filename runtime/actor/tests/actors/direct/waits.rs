//! Handlers that begin on the asker's stack and wait after all: answer, deadline, cancellation and duty are as ever.

use std::time::Duration;

use odeon_message::{AskError, Certainty};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{Act, Doer, Note, act, doer, poll, quick};
use crate::{
    desk::{SECOND, settle},
    fixture::{Threads, on_one_thread, spawn_thread},
    odeon::ActorRef,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Sleeps for so long.
fn sleeps(time: Duration) -> Act {
    act(move |doer, _| {
        Box::pin(async move {
            sleep(time).await;
            doer.log.add("slept");
            5
        })
    })
}

/// Puts the duty to answer aside.
fn defers() -> Act {
    act(|doer, ctx| {
        Box::pin(async move { ctx.defer::<Act>(|responder| doer.held.push(responder)).await })
    })
}

#[test]
fn a_handler_that_waits_goes_on_and_its_answer_comes() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let began = Instant::now();
        let ask = poll(doer.ask(sleeps(SECOND))).pending();
        assert_eq!(ask.await, Ok(5));
        assert_eq!(began.elapsed().as_millis() / 10, 100);
        assert_eq!(log.take(), ["slept"]);
        // One whose asker is not there when it is done.
        let ask = poll(doer.ask(sleeps(SECOND))).pending();
        sleep(2 * SECOND).await;
        assert_eq!(log.take(), ["slept"]);
        assert_eq!(ask.await, Ok(5));
    });
}

#[test]
fn a_handler_that_yields_is_done_before_the_thread_sleeps() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let yields = act(|_, _| {
            Box::pin(async {
                settle().await;
                6
            })
        });
        let ask = poll(doer.ask(yields)).pending();
        doer.try_tell(Note(1)).unwrap();
        assert_eq!(ask.await, Ok(6));
        settle().await;
        assert_eq!(log.take(), ["1"]);
    });
}

#[test]
fn its_deadline_counts_from_the_first_poll() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        for (within, time) in [(Some(MS(70)), MS(70)), (None, 5 * SECOND)] {
            let began = Instant::now();
            let mut ask = doer.ask(sleeps(60 * SECOND));
            if let Some(within) = within {
                ask = ask.within(within);
            }
            let error = poll(ask).pending().await.unwrap_err();
            assert!(matches!(error, AskError::Deadline(_)), "{error}");
            assert_eq!(error.certainty(), Certainty::Ran);
            let elapsed = began.elapsed();
            assert!(elapsed >= time && elapsed < time + MS(3), "{elapsed:?}");
            // The handler runs on.
            sleep(61 * SECOND).await;
            assert_eq!(log.take(), ["slept"]);
        }
    });
}

#[test]
fn an_ask_without_end_waits_for_its_answer() {
    on_one_thread(1, |system| async move {
        let (doer, _) = doer(&system).await;
        let ask = doer.ask(sleeps(86_400 * SECOND)).within(Duration::MAX);
        assert_eq!(poll(ask).pending().await, Ok(5));
        let looks = act(|_, ctx| Box::pin(async { u64::from(ctx.remaining().is_none()) }));
        assert_eq!(poll(doer.ask(looks).within(Duration::MAX)).ready(), Ok(1));
    });
}

#[test]
fn a_handler_hears_that_its_asker_has_gone() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let watches = || {
            act(|doer, ctx| {
                Box::pin(async {
                    assert!(!ctx.is_cancelled());
                    ctx.cancelled().await;
                    assert!(ctx.is_cancelled());
                    doer.log.add("given up");
                    0
                })
            })
        };
        // Dropped, before and after it was polled again.
        for rounds in 0..2 {
            let mut ask = poll(doer.ask(watches())).pending();
            for _ in 0..rounds {
                settle().await;
                assert!(poll_again(&mut ask).await.is_none());
            }
            drop(ask);
            settle().await;
            assert_eq!(log.take(), ["given up"]);
        }
        // Its time is up.
        let began = Instant::now();
        let ask = poll(doer.ask(watches()).within(MS(30))).pending();
        assert!(matches!(ask.await, Err(AskError::Deadline(_))));
        settle().await;
        assert_eq!(log.take(), ["given up"]);
        assert!(began.elapsed() < MS(33));
        // A handler that looked and was done has nothing to hear.
        let glances = act(|_, ctx| {
            Box::pin(async {
                tokio::select! {
                    biased;
                    () = ctx.cancelled() => 1,
                    () = std::future::ready(()) => 2,
                }
            })
        });
        assert_eq!(poll(doer.ask(glances)).ready(), Ok(2));
    });
}

/// One more poll.
async fn poll_again<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[test]
fn a_handler_knows_the_time_that_is_left() {
    on_one_thread(1, |system| async move {
        let (doer, _) = doer(&system).await;
        let looks = || {
            act(|_, ctx| {
                Box::pin(async {
                    let first = ctx.remaining().unwrap();
                    sleep(MS(40)).await;
                    let second = ctx.remaining().unwrap();
                    assert!(first - second >= MS(40) && first - second < MS(43));
                    first.as_millis() as u64
                })
            })
        };
        assert_eq!(poll(doer.ask(looks())).pending().await, Ok(5000));
        assert_eq!(poll(doer.ask(looks()).within(MS(100))).pending().await, Ok(100));
        // It waits first, and looks then: the time counts from the ask.
        let late = act(|_, ctx| {
            Box::pin(async {
                sleep(MS(40)).await;
                ctx.remaining().unwrap().as_millis() as u64
            })
        });
        let left = poll(doer.ask(late).within(MS(100))).pending().await.unwrap();
        assert!((57..=60).contains(&left), "{left}");
    });
}

#[test]
fn a_deferred_duty_is_kept_by_another_thread() {
    on_one_thread(1, |system| async move {
        let (doer, _) = doer(&system).await;
        let (sender, taken) = std::sync::mpsc::sync_channel(1);
        let gives_away = move || {
            let sender = sender.clone();
            act(move |_, ctx| {
                Box::pin(async move {
                    ctx.defer::<Act>(move |responder| sender.send(responder).unwrap()).await
                })
            })
        };
        // Answered while the asker does not look.
        let ask = poll(doer.ask(gives_away())).pending();
        assert_eq!(poll(doer.ask(Note(3))).ready(), Ok(3), "the actor is free");
        let responder = taken.recv().unwrap();
        assert!(responder.is_ask() && responder.remaining() <= Some(5 * SECOND));
        spawn_thread(move || responder.reply(9)).join().unwrap();
        assert_eq!(ask.await, Ok(9));
        // Dropped there.
        let ask = poll(doer.ask(gives_away())).pending();
        let responder = taken.recv().unwrap();
        spawn_thread(move || drop(responder)).join().unwrap();
        let error = ask.await.unwrap_err();
        assert!(matches!(error, AskError::Cancelled(_)), "{error}");
        // Given up before.
        let ask = poll(doer.ask(gives_away())).pending();
        let responder = taken.recv().unwrap();
        drop(ask);
        let seen = spawn_thread(move || {
            let seen = responder.is_cancelled();
            responder.reply(9);
            seen
        });
        assert!(seen.join().unwrap());
    });
}

#[test]
fn a_deferred_duty_wakes_its_asker_from_another_thread() {
    let threads = Threads::new(1);
    threads.block_on(async {
        let (asker, _) = doer(&threads.system).await;
        let (asked, _) = doer(&threads.system).await;
        for n in 0..200 {
            let (sender, taken) = oneshot::channel();
            let asked: ActorRef<Doer> = asked.clone();
            let asks = act(move |_, _| {
                Box::pin(async move {
                    let defers = act(move |_, ctx| {
                        Box::pin(async move {
                            ctx.defer::<Act>(move |duty| drop(sender.send(duty))).await
                        })
                    });
                    // The responder may be answered already.
                    asked.ask(defers).await.unwrap()
                })
            });
            let answer = asker.ask(asks).sent().await.unwrap();
            let duty = taken.await.unwrap();
            spawn_thread(move || duty.reply(n)).join().unwrap();
            assert_eq!(answer.await, Ok(n));
        }
    });
    threads.end();
}

#[test]
fn a_duty_that_is_answered_within_the_turn_is_answered_at_once() {
    on_one_thread(1, |system| async move {
        let (doer, _) = doer(&system).await;
        let answers = act(|_, ctx| {
            Box::pin(async move { ctx.defer::<Act>(|responder| responder.reply(4)).await })
        });
        assert_eq!(poll(doer.ask(answers)).ready(), Ok(4));
        let drops = act(|_, ctx| Box::pin(async move { ctx.defer::<Act>(drop).await }));
        let error = poll(doer.ask(drops)).ready().unwrap_err();
        assert!(matches!(error, AskError::Cancelled(_)), "{error}");
        // The next one answers the last.
        let ask = poll(doer.ask(defers())).pending();
        let answers = quick(|doer, _| doer.held.remove(0).reply(8));
        assert_eq!(poll(doer.ask(answers)).ready(), Ok(1));
        assert_eq!(ask.await, Ok(8));
    });
}

#[test]
fn a_forwarded_ask_is_answered_by_whom_it_went_to() {
    on_one_thread(1, |system| async move {
        let (first, _) = doer(&system).await;
        let (second, log) = doer(&system).await;
        let next = second.clone();
        let forwards = act(move |_, ctx| {
            Box::pin(async move { ctx.forward(&next, quick(|doer, _| doer.log.add("done"))).await })
        });
        assert_eq!(first.ask(forwards).await, Ok(1));
        assert_eq!(log.take(), ["done"]);
    });
}
