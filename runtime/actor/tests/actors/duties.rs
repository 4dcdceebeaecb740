//! The duty to answer, deferred; and asks that are given up while they run.

use std::time::Duration;

use odeon_message::{AskError, Certainty};
use tokio::sync::oneshot;

use crate::{
    desk::{
        ANSWER, DEFER, DEFER_AND_GO_ON, DEFER_ANOTHER, Desk, Do, Job, Panic, SECOND, WATCH, asking,
        desk, far, make, settle, supervised,
    },
    fixture::{Threads, block_on_plain, in_world, on_one_thread, spawn_thread},
    odeon::ActorRef,
};

/// Answers the first of the deferred jobs.
async fn answer(desk: &ActorRef<Desk>, output: Result<u64, String>) {
    make(desk, move |desk, _| desk.held.remove(0).reply(output)).await;
}

fn assert_unanswered(error: &AskError<String>) {
    assert!(matches!(error, AskError::Cancelled(_)), "{error}");
    assert_eq!(error.certainty(), Certainty::Ran);
}

#[test]
fn a_deferred_ask_is_answered_later_and_the_actor_goes_on() {
    on_one_thread(1, |system| async move {
        let (desk, _) = desk(&system).await;
        for how in [DEFER, DEFER_AND_GO_ON] {
            let (first, second) = (asking(&desk, how, 1), asking(&desk, how, 2));
            settle().await;
            assert_eq!(desk.ask(Job { how: ANSWER, n: 3 }).await, Ok(3));
            assert!(!first.is_finished());
            make(&desk, |desk, _| {
                assert!(desk.held[0].is_ask() && !desk.held[0].is_cancelled());
                assert!(desk.held[0].remaining() <= Some(60 * SECOND));
            })
            .await;
            answer(&desk, Ok(10)).await;
            answer(&desk, Err("no".into())).await;
            assert_eq!(first.await.unwrap(), Ok(10));
            assert_eq!(second.await.unwrap(), Err(AskError::Handler("no".into())));
        }
        desk.tell(Job { how: DEFER, n: 1 }).await.unwrap();
        make(&desk, |desk, _| assert!(!desk.held[0].is_ask())).await;
        answer(&desk, Err("nobody hears it".into())).await;
        assert_eq!(system.stats().tell_errors, 1);
    });
}

#[test]
fn a_deferred_ask_of_another_node_is_answered_later() {
    in_world(|| async {
        let far = far().await;
        let (first, second) = (asking(&far.far, DEFER, 1), asking(&far.far, DEFER, 2));
        assert_eq!(far.far.ask(Job { how: ANSWER, n: 3 }).await, Ok(3));
        answer(&far.desk, Ok(10)).await;
        assert_eq!(first.await.unwrap(), Ok(10));
        make(&far.desk, |desk, _| desk.held.clear()).await;
        assert_unanswered(&second.await.unwrap().unwrap_err());
        let third = asking(&far.far, DEFER, 3);
        settle().await;
        make(&far.desk, |desk, _| desk.held.remove(0).fail("not today")).await;
        let error = third.await.unwrap().unwrap_err();
        assert_unanswered(&error);
        assert!(error.to_string().contains("not today"), "{error}");
        far.far.tell(Job { how: DEFER, n: 4 }).await.unwrap();
        settle().await;
        make(&far.desk, |desk, _| assert!(!desk.held[0].is_ask())).await;
        far.end().await;
    });
}

#[test]
fn a_dropped_responder_answers_its_asker() {
    on_one_thread(1, |system| async move {
        let (desk, _) = desk(&system).await;
        let ask = asking(&desk, DEFER, 1);
        settle().await;
        make(&desk, |desk, _| desk.held.clear()).await;
        assert_unanswered(&ask.await.unwrap().unwrap_err());
    });
}

#[test]
fn a_stop_answers_deferred_asks() {
    on_one_thread(1, |system| async move {
        let (desk, _) = desk(&system).await;
        let ask = asking(&desk, DEFER, 1);
        settle().await;
        desk.stop();
        assert_unanswered(&ask.await.unwrap().unwrap_err());
    });
}

#[test]
fn a_panic_answers_deferred_asks_also_when_the_actor_starts_again() {
    on_one_thread(1, |system| async move {
        for (desk, _) in [desk(&system).await, supervised(&system).await] {
            let ask = asking(&desk, DEFER, 1);
            settle().await;
            desk.ask(Panic).await.unwrap_err();
            assert_unanswered(&ask.await.unwrap().unwrap_err());
        }
    });
}

#[test]
fn a_kill_answers_deferred_asks() {
    on_one_thread(1, |system| async move {
        let (desk, _) = desk(&system).await;
        let (ask, hangs) = (asking(&desk, DEFER, 1), asking(&desk, WATCH, 2));
        settle().await;
        system.stop(Duration::from_millis(10)).await;
        assert_unanswered(&ask.await.unwrap().unwrap_err());
        let error = hangs.await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Stopped(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::Ran);
    });
}

#[test]
fn a_responder_outlives_the_actor_that_gave_it_away() {
    on_one_thread(2, |system| async move {
        let ((desk, _), (other, _)) = (desk(&system).await, desk(&system).await);
        let ask = asking(&desk, DEFER, 1);
        settle().await;
        let to = other.clone();
        make(&desk, move |desk, _| {
            let responder = desk.held.remove(0);
            let take = Do::new(move |desk: &mut Desk| desk.held.push(responder));
            to.try_tell(take).unwrap();
        })
        .await;
        desk.stop();
        settle().await;
        answer(&other, Ok(7)).await;
        assert_eq!(ask.await.unwrap(), Ok(7));
    });
}

#[test]
fn a_deferred_ask_meets_its_deadline_as_one_that_ran() {
    on_one_thread(1, |system| async move {
        let (desk, _) = desk(&system).await;
        let ask = desk.ask(Job { how: DEFER, n: 1 }).within(SECOND);
        let error = ask.await.unwrap_err();
        assert!(matches!(error, AskError::Deadline(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::Ran);
        make(&desk, |desk, _| assert!(desk.held[0].is_cancelled())).await;
        // Nobody hears it.
        answer(&desk, Ok(1)).await;
    });
}

#[test]
fn deferring_a_message_of_another_type_panics() {
    on_one_thread(1, |system| async move {
        let (desk, _) = desk(&system).await;
        let error = desk.ask(Job { how: DEFER_ANOTHER, n: 1 }).await.unwrap_err();
        assert!(matches!(error, AskError::Panicked(_)), "{error}");
        assert!(error.to_string().contains("ctx.defer"), "{error}");
    });
}

#[test]
fn a_running_ask_sees_that_its_asker_gave_up() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        // Its time is up.
        let error = desk.ask(Job { how: WATCH, n: 1 }).within(SECOND).await.unwrap_err();
        assert_eq!(error.certainty(), Certainty::Ran);
        settle().await;
        assert_eq!(log.take(), ["1", "1 given up"]);
        // Its future is dropped.
        let ask = asking(&desk, WATCH, 2);
        settle().await;
        ask.abort();
        settle().await;
        assert_eq!(log.take(), ["2", "2 given up"]);
        // So does a responder.
        let ask = asking(&desk, DEFER, 3);
        settle().await;
        let (sender, receiver) = oneshot::channel();
        make(&desk, move |desk, ctx| {
            let mut responder = desk.held.remove(0);
            let watch = async move { responder.cancelled().await };
            let gone = move |()| Do::new(move |_| sender.send(()).unwrap());
            ctx.pipe(None, watch, gone).unwrap();
        })
        .await;
        settle().await;
        ask.abort();
        receiver.await.unwrap();
        // A tell is never given up.
        make(&desk, |_, ctx| assert!(!ctx.is_cancelled())).await;
    });
}

#[test]
fn a_running_ask_of_another_node_sees_that_its_asker_gave_up() {
    in_world(|| async {
        let far = far().await;
        let error = far.far.ask(Job { how: WATCH, n: 1 }).within(SECOND).await.unwrap_err();
        assert_eq!(error.certainty(), Certainty::MayHaveRun);
        settle().await;
        assert_eq!(far.log.take(), ["1", "1 given up"]);
        let ask = asking(&far.far, DEFER, 2);
        settle().await;
        ask.abort();
        settle().await;
        make(&far.desk, |desk, _| assert!(desk.held.remove(0).is_cancelled())).await;
        far.end().await;
    });
}

#[test]
fn racing_askers_and_answers_on_threads_lose_no_wake() {
    let threads = Threads::new(2);
    let (desk, _) = threads.block_on(desk(&threads.system));
    let askers = (0..2).map(|n| {
        let desk = desk.clone();
        spawn_thread(move || {
            block_on_plain(async {
                for round in 0..1000_u64 {
                    let within = Duration::from_micros((round * 37 + n * 11) % 300);
                    let ask = desk.ask(Job { how: WATCH, n: round }).within(within);
                    // The next one waits for the handler of this one, so a lost wake shows as a hang.
                    ask.await.unwrap_err();
                    desk.ask(Job { how: ANSWER, n: 1 }).within(20 * SECOND).await.unwrap();
                }
            });
        })
    });
    for asker in askers.collect::<Vec<_>>() {
        asker.join().unwrap();
    }
    drop(desk);
    threads.end();
}
