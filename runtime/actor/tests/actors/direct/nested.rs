//! Turns within turns: actors that ask each other on one stack, in chains, in circles, and what of the outer turn is as
//! before when the inner one is over.

use std::time::Duration;

use odeon_message::{AskError, Certainty, FailureKind, message};
use tokio::{sync::oneshot, time::Instant};

use super::{Act, Doer, Look, Note, act, doer, doer_with, held_up, poll, quick};
use crate::{
    desk::{SECOND, settle},
    fixture::{Threads, on_one_thread},
    odeon::{ActorRef, ReadContext, ReadHandler, SpawnOptions, reads},
};

#[test]
fn nested_asks_are_answered_however_deep_they_are() {
    on_one_thread(1, |system| async move {
        let mut chain = Vec::new();
        for _ in 0..6 {
            chain.push(doer(&system).await.0);
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
        for long in 1..=6 {
            let mut rest = chain[..long].to_vec();
            let first = rest.pop().unwrap();
            let answer = poll(first.ask(asks(rest)));
            // So many turns go on one stack, and the next one by the mailbox.
            match long <= 4 {
                true => assert_eq!(answer.ready(), Ok(long as u64)),
                false => assert_eq!(answer.pending().await, Ok(long as u64)),
            }
        }
    });
}

#[test]
fn a_circle_of_direct_turns_ends_as_a_deadlock() {
    on_one_thread(1, |system| async move {
        let (a, a_log) = doer(&system).await;
        let (b, b_log) = doer(&system).await;
        for within_a_turn in [false, true] {
            let (to_a, to_b) = (a.clone(), b.clone());
            let circle = act(move |_, _| {
                Box::pin(async move {
                    let back = act(move |doer, _| {
                        Box::pin(async move {
                            let error = to_a.ask(Note(1)).within(3600 * SECOND).await.unwrap_err();
                            assert!(matches!(error, AskError::Deadlock(_)), "{error}");
                            assert_eq!(error.certainty(), Certainty::NotDelivered);
                            doer.log.add("told");
                            3
                        })
                    });
                    to_b.ask(back).within(3600 * SECOND).await.unwrap()
                })
            });
            let began = Instant::now();
            let answer = match within_a_turn {
                true => a.ask(circle).sent().await.unwrap().await,
                false => poll(a.ask(circle)).pending().await,
            };
            assert_eq!(answer, Ok(3));
            assert!(began.elapsed() < SECOND);
            assert_eq!((a_log.take().len(), b_log.take()), (0, vec!["told".to_owned()]));
        }
        let own = a.clone();
        let itself = act(move |_, _| {
            Box::pin(async move {
                let error = poll(own.ask(Note(1))).ready().unwrap_err();
                assert!(matches!(error, AskError::Deadlock(_)), "{error}");
                1
            })
        });
        assert_eq!(poll(a.ask(itself)).ready(), Ok(1));
        assert_eq!(a_log.take().len(), 0);
    });
}

#[test]
fn an_ask_that_may_take_no_time_never_runs_from_within_a_turn_either() {
    let threads = Threads::new(1);
    threads.block_on(async {
        let (asker, _) = doer(&threads.system).await;
        let (asked, log) = doer(&threads.system).await;
        for _ in 0..20 {
            let asked = asked.clone();
            let asks = act(move |_, _| {
                Box::pin(async move {
                    // The worker has read the time before this turn, and much has happened since.
                    spin(Duration::from_millis(1));
                    let error = asked.ask(Note(7)).within(Duration::ZERO).await.unwrap_err();
                    assert_eq!(error.certainty(), Certainty::NotDelivered, "{error}");
                    1
                })
            });
            assert_eq!(asker.ask(asks).await, Ok(1));
        }
        assert_eq!(log.take().len(), 0);
        assert_eq!(threads.system.stats().skipped, 20);
    });
    threads.end();
}

#[test]
fn a_tell_that_waits_for_its_asker_is_given_back() {
    on_one_thread(1, |system| async move {
        let (a, log) = doer_with(&system, SpawnOptions::default().mailbox(1)).await;
        let (b, _) = doer(&system).await;
        let own = a.clone();
        let asks = act(move |_, _| {
            Box::pin(async move {
                own.try_tell(Note(1)).unwrap();
                let back = act(move |_, _| {
                    Box::pin(async move {
                        let error = own.tell(Note(2)).within(3600 * SECOND).await.unwrap_err();
                        assert_eq!(error.failure.kind, FailureKind::Deadlock);
                        error.message.unwrap().0
                    })
                });
                b.ask(back).within(3600 * SECOND).await.unwrap()
            })
        });
        assert_eq!(poll(a.ask(asks)).pending().await, Ok(2));
        settle().await;
        assert_eq!(log.take(), ["1"]);
    });
}

/// Takes the thread for so long.
fn spin(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn an_ask_that_a_turn_within_a_turn_leaves_behind_is_handled() {
    on_one_thread(1, |system| async move {
        let (outer, _) = doer(&system).await;
        let (inner, log) = doer(&system).await;
        let (last, _) = doer(&system).await;
        for before in 0..20 {
            let (act_first, release) = held_up();
            let first = outer.ask(act_first).sent().await.unwrap();
            // With so many before it, the time may have been read just now, in the middle of the outer turn.
            let mut asks = Vec::new();
            for n in 0..before {
                asks.push(outer.ask(Note(n)).sent().await.unwrap());
            }
            let (back, inner, last) = (inner.clone(), inner.clone(), last.clone());
            // The inner one is busy, so that this waits until its turn goes on.
            let leaves = quick(move |doer, _| doer.kept.push(poll(back.ask(Note(7))).pending()));
            let asks_last = act(|_, _| Box::pin(async move { last.ask(leaves).await.unwrap() }));
            let nested =
                act(|_, _| Box::pin(async move { inner.ask(asks_last).await.unwrap() + 1 }));
            let nested = outer.ask(nested).sent().await.unwrap();
            release.send(()).unwrap();
            assert_eq!((first.await, nested.await), (Ok(0), Ok(2)));
            settle().await;
            assert_eq!((log.take(), system.stats().panics), (vec!["7".to_owned()], 0), "{before}");
        }
        assert_eq!(last.ask(quick(|doer, _| doer.kept.clear())).await, Ok(1));
    });
}

#[test]
fn after_a_turn_within_it_a_turn_is_its_actors_again() {
    on_one_thread(1, |system| async move {
        let (outer, log) = doer(&system).await;
        let (inner, _) = doer(&system).await;
        for panics in [false, true] {
            let (own, inner) = (outer.clone(), inner.clone());
            let (cancels, cancelled) = oneshot::channel();
            let asks = act(move |doer, ctx| {
                Box::pin(async move {
                    let within = act(move |_, _| {
                        Box::pin(async move {
                            assert!(!panics, "told to");
                            1
                        })
                    });
                    assert_eq!(poll(inner.ask(within)).ready().is_err(), panics);
                    let error = poll(own.ask(Note(1))).ready().unwrap_err();
                    assert!(matches!(error, AskError::Deadlock(_)), "it asks itself: {error}");
                    assert!(poll(inner.ask(Note(2))).ready().is_err() == panics);
                    cancels.send(()).unwrap();
                    ctx.cancelled().await;
                    doer.log.add("given up");
                    1
                })
            });
            let ask = poll(outer.ask(asks)).pending();
            cancelled.await.unwrap();
            drop(ask);
            settle().await;
            assert_eq!(log.take(), ["given up"]);
        }
    });
}

#[test]
fn what_is_beside_a_handler_stays_so_after_a_turn_within_it() {
    on_one_thread(1, |system| async move {
        let (outer, log) = doer(&system).await;
        let (inner, _) = doer(&system).await;
        // A piped future may ask its own actor, before and after it has asked another one.
        let asked = inner.clone();
        let pipes = quick(move |_, ctx| {
            let own = ctx.self_ref();
            let asks = async move {
                let first = asked.ask(Note(1)).await.unwrap();
                first + own.ask(Note(2)).within(3600 * SECOND).await.unwrap()
            };
            ctx.pipe(None, asks, Note).unwrap();
        });
        assert_eq!(poll(outer.ask(pipes)).ready(), Ok(1));
        settle().await;
        assert_eq!(log.take(), ["2", "3"]);
        // A read may ask its own actor for another read.
        let (one, two) = (outer.clone(), inner.clone());
        assert_eq!(outer.ask(Inquire(one, two)).await, Ok(3));
        assert_eq!(log.take(), ["looked"]);
    });
}

/// Asks the second one for a number, and then the first, whose read this is, for a look.
#[message(local, reply = u64, crate = crate::odeon)]
struct Inquire(ActorRef<Doer>, ActorRef<Doer>);

impl ReadHandler<Inquire> for Doer {
    async fn read(&self, inquire: Inquire, _: &ReadContext<Self>) -> u64 {
        let first = poll(inquire.1.ask(Note(1))).ready().unwrap();
        let (release, held) = oneshot::channel();
        release.send(()).unwrap();
        first + inquire.0.ask(Look(held)).within(3600 * SECOND).await.unwrap()
    }
}

reads!(Doer: Inquire);
