//! Ends of actors within a direct turn: whoever asked is answered, and the end is the same as in any other turn.

use std::time::Duration;

use odeon_message::{AskError, Certainty};

use super::{Act, Doer, Note, act, doer, poll, quick, supervised};
use crate::{
    desk::{ANSWER, Do, Job, Log, SECOND, desk, settle},
    fixture::on_one_thread,
    odeon::{ActorRef, Context, SpawnOptions},
};

/// Tells itself two numbers, then does this.
fn tells_and(deed: impl FnOnce(&mut Context<Doer>) + Send + 'static) -> Act {
    quick(|_, ctx| {
        ctx.self_ref().try_tell(Note(1)).unwrap();
        ctx.self_ref().try_tell(Note(2)).unwrap();
        deed(ctx);
    })
}

fn assert_stopped(error: &AskError<std::convert::Infallible>, certainty: Certainty) {
    assert!(matches!(error, AskError::Stopped(_)), "{error}");
    assert_eq!(error.certainty(), certainty);
}

/// It is gone.
fn assert_gone(doer: &ActorRef<Doer>) {
    assert_stopped(&poll(doer.ask(Note(7))).ready().unwrap_err(), Certainty::NotDelivered);
    assert!(doer.try_tell(Note(7)).is_err());
}

#[test]
fn a_panic_answers_the_asker_and_starts_the_actor_again_with_its_mailbox() {
    on_one_thread(1, |system| async move {
        let none = Duration::ZERO;
        let (doer, log) = supervised(&system, SpawnOptions::default(), none).await;
        for round in 1..=3 {
            let panics = tells_and(|_| panic!("told to"));
            let error = poll(doer.ask(panics)).ready().unwrap_err();
            assert!(matches!(&error, AskError::Panicked(_)), "{error}");
            assert!(error.to_string().contains("told to"), "{error}");
            assert_eq!(error.certainty(), Certainty::Ran);
            assert_eq!(doer.ask(Note(3)).await, Ok(3));
            assert_eq!(log.take(), ["start", "1", "2", "3"]);
            assert_eq!((system.stats().restarts, system.stats().panics), (round, round));
        }
        assert_eq!(poll(doer.ask(Note(4))).ready(), Ok(4), "its turns are direct again");
    });
}

#[test]
fn a_panic_after_a_wait_answers_the_asker_too() {
    on_one_thread(1, |system| async move {
        let (doer, log) = supervised(&system, SpawnOptions::default(), Duration::ZERO).await;
        let panics = act(|_, ctx| {
            Box::pin(async move {
                ctx.self_ref().try_tell(Note(1)).unwrap();
                tokio::task::yield_now().await;
                panic!("told to")
            })
        });
        let error = poll(doer.ask(panics)).pending().await.unwrap_err();
        assert!(matches!(&error, AskError::Panicked(_)), "{error}");
        settle().await;
        assert_eq!(log.take(), ["start", "1"]);
    });
}

#[test]
fn a_panic_ends_an_actor_that_nobody_supervises() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let error = poll(doer.ask(tells_and(|_| panic!("told to")))).ready().unwrap_err();
        assert!(matches!(&error, AskError::Panicked(_)), "{error}");
        settle().await;
        assert_gone(&doer);
        assert_eq!((log.take().len(), system.stats().undelivered), (0, 2));
        drop(doer);
        assert_eq!(system.stats().cells, 0);
    });
}

#[test]
fn an_actor_that_stops_itself_answers_first() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        assert_eq!(poll(doer.ask(tells_and(Context::stop))).ready(), Ok(1));
        settle().await;
        assert_gone(&doer);
        assert_eq!(log.take(), ["stopped"]);
        assert_eq!((system.stats().undelivered, system.stats().failures), (2, 0));
    });
}

#[test]
fn an_actor_that_drains_answers_and_handles_what_it_told_itself() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        assert_eq!(poll(doer.ask(tells_and(Context::drain))).ready(), Ok(1));
        settle().await;
        assert_gone(&doer);
        assert_eq!(log.take(), ["1", "2", "stopped"]);
    });
}

#[test]
fn an_actor_that_fails_itself_answers_and_starts_again() {
    on_one_thread(1, |system| async move {
        let (doer, log) = supervised(&system, SpawnOptions::default(), Duration::ZERO).await;
        assert_eq!(poll(doer.ask(tells_and(|ctx| ctx.fail("told to")))).ready(), Ok(1));
        settle().await;
        assert_eq!(log.take(), ["stopped", "start", "1", "2"]);
        assert_eq!((system.stats().restarts, system.stats().failures), (1, 1));
    });
}

#[test]
fn an_actor_that_is_killed_in_its_direct_turn_is_gone_after_it() {
    on_one_thread(1, |system| async move {
        let (one, log) = doer(&system).await;
        let kills = tells_and(|ctx| ctx.self_ref().kill());
        assert_eq!(poll(one.ask(kills)).ready(), Ok(1));
        settle().await;
        assert_gone(&one);
        assert_eq!((log.take().len(), system.stats().undelivered), (0, 2));
        // In the middle of its handler.
        let (one, log) = doer(&system).await;
        let kills = act(|_, ctx| {
            Box::pin(async move {
                ctx.self_ref().kill();
                std::future::pending().await
            })
        });
        let error = poll(one.ask(kills)).pending().await.unwrap_err();
        assert_stopped(&error, Certainty::Ran);
        assert_eq!(log.take().len(), 0);
    });
}

#[test]
fn an_asker_may_be_ended_by_whom_it_asks() {
    on_one_thread(1, |system| async move {
        for stop in [false, true] {
            let (asker, log) = doer(&system).await;
            let (asked, asked_log) = doer(&system).await;
            let end = if stop { ActorRef::stop } else { ActorRef::kill };
            let (target, other) = (asker.clone(), asked.clone());
            let asks = act(move |doer, _| {
                Box::pin(async move {
                    let ends = quick(move |_, _| end(&target));
                    let answer = poll(other.ask(ends)).ready().unwrap();
                    doer.log.add("answered");
                    std::future::ready(()).await;
                    answer
                })
            });
            assert_eq!(poll(asker.ask(asks)).ready(), Ok(1), "its handler is whole");
            settle().await;
            assert_gone(&asker);
            let words: &[&str] = if stop { &["answered", "stopped"] } else { &["answered"] };
            assert_eq!(log.take(), words);
            assert_eq!(poll(asked.ask(Note(7))).ready(), Ok(7), "the other one lives on");
            assert_eq!(asked_log.take(), ["7"]);
        }
    });
}

#[test]
fn what_an_actor_tells_itself_in_a_direct_turn_is_handled_in_order() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let tells = quick(|doer, ctx| {
            (0..500).for_each(|n| ctx.self_ref().try_tell(Note(n)).unwrap());
            doer.log.add("told");
        });
        assert_eq!(poll(doer.ask(tells)).ready(), Ok(1));
        assert_eq!(doer.ask(Note(500)).await, Ok(500));
        let words = ["told".to_owned()].into_iter().chain((0..=500).map(|n| n.to_string()));
        assert_eq!(log.take(), words.collect::<Vec<_>>());
        assert_eq!(poll(doer.ask(Note(0))).ready(), Ok(0), "no room is kept");
    });
}

#[test]
fn a_full_mailbox_of_its_own_tells_is_emptied() {
    on_one_thread(1, |system| async move {
        let options = SpawnOptions::default().mailbox(3);
        let (doer, log) = super::doer_with(&system, options).await;
        let fills = quick(|_, ctx| {
            let own = ctx.self_ref();
            let told = (0..9).filter(|n| own.try_tell(Note(*n)).is_ok()).count();
            assert_eq!(told, 3, "a direct turn takes no room itself");
        });
        assert_eq!(poll(doer.ask(fills)).ready(), Ok(1));
        settle().await;
        assert_eq!(log.take(), ["0", "1", "2"]);
    });
}

#[test]
fn a_child_of_a_direct_turn_is_asked_in_it_and_ends_with_its_parent() {
    on_one_thread(1, |system| async move {
        let (doer, _) = doer(&system).await;
        let log = Log::default();
        let args = log.clone();
        let spawns = act(|_, ctx| {
            Box::pin(async move {
                let child = ctx.spawn::<Doer>(args, SpawnOptions::default()).await.unwrap();
                let answer = child.ask(Note(7)).await.unwrap();
                child.try_tell(Note(8)).unwrap();
                answer
            })
        });
        assert_eq!(doer.ask(spawns).await, Ok(7));
        settle().await;
        assert_eq!(log.take(), ["start", "7", "8"]);
        assert_eq!(poll(doer.ask(quick(|_, ctx| ctx.stop()))).ready(), Ok(1));
        settle().await;
        assert_eq!((log.take(), system.stats().live_actors), (vec!["stopped".to_owned()], 0));
    });
}

#[test]
fn whoever_watches_is_told_of_an_end_in_a_direct_turn() {
    on_one_thread(1, |system| async move {
        let ends: [(Act, &str); 3] = [
            (quick(|_, ctx| ctx.stop()), "Stopped"),
            (quick(|_, ctx| ctx.self_ref().kill()), "Killed"),
            (quick(|_, _| panic!("told to")), "Panicked"),
        ];
        for (ends, word) in ends {
            let (watched, _) = doer(&system).await;
            let (watcher, log) = doer(&system).await;
            let target = watched.clone();
            let watches = quick(move |_, ctx| ctx.watch(&target));
            assert_eq!(poll(watcher.ask(watches)).ready(), Ok(1));
            let _ = poll(watched.ask(ends)).ready();
            settle().await;
            assert_gone(&watched);
            assert_eq!(log.take(), [word]);
            // It is over with that, and the watcher is free.
            assert_eq!(poll(watcher.ask(Note(1))).ready(), Ok(1));
            // One that is gone already.
            let target = watched.clone();
            assert_eq!(watcher.ask(quick(move |_, ctx| ctx.watch(&target))).await, Ok(1));
            settle().await;
            assert_eq!(log.take(), ["1", word]);
        }
        settle().await;
    });
}

#[test]
fn a_watcher_that_ends_what_it_watches_by_asking_it_is_told_after_its_handler() {
    on_one_thread(1, |system| async move {
        let (watched, _) = doer(&system).await;
        let (watcher, log) = doer(&system).await;
        let asks = act(move |doer, ctx| {
            Box::pin(async move {
                ctx.watch(&watched);
                let answer = watched.ask(quick(|_, ctx| ctx.stop())).await.unwrap();
                doer.log.add("asked");
                answer
            })
        });
        assert_eq!(poll(watcher.ask(asks).within(SECOND)).ready(), Ok(1));
        settle().await;
        assert_eq!(log.take(), ["asked", "Stopped"]);
    });
}

#[test]
fn what_a_direct_turn_sets_aside_is_answered_when_it_is_taken_up_again() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        let closes = Do::with(|desk, _| desk.closed = true);
        assert_eq!(poll(desk.ask(closes)).ready(), Ok(()));
        let asks = [1, 2, 3].map(|n| poll(desk.ask(Job { how: ANSWER, n })).pending());
        assert_eq!(log.take().len(), 0);
        let opens = Do::with(|desk, ctx| {
            desk.closed = false;
            assert_eq!(ctx.unstash_all(), 3);
        });
        assert_eq!(poll(desk.ask(opens)).ready(), Ok(()));
        for (ask, n) in asks.into_iter().zip(1..) {
            assert_eq!(ask.await, Ok(n));
        }
        assert_eq!(log.take(), ["1", "2", "3"]);
    });
}
