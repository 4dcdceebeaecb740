//! Messages that are passed on with the duty to answer them: forwarded and stashed.

use std::time::Duration;

use odeon_message::{AskError, Certainty};
use tokio::time::sleep;

use crate::{
    desk::{
        ANSWER, Desk, FORWARD, Job, Log, Panic, SECOND, SLEEP, WATCH, asking, desk, far, make,
        point, settle, supervised,
    },
    fixture::{in_world, on_one_thread},
    odeon::{ActorRef, SpawnOptions},
};

#[test]
fn a_forwarded_ask_is_answered_by_the_other_actor() {
    on_one_thread(2, |system| async move {
        let ((first, _), (second, log)) = (desk(&system).await, desk(&system).await);
        point(&first, &second).await;
        assert_eq!(first.ask(Job { how: FORWARD, n: 7 }).await, Ok(7));
        let error = first.ask(Job { how: FORWARD, n: 0 }).await.unwrap_err();
        assert_eq!(error, AskError::Handler("nothing".into()));
        first.tell(Job { how: FORWARD, n: 8 }).await.unwrap();
        assert_eq!(first.ask(Job { how: FORWARD, n: 9 }).await, Ok(9));
        assert_eq!(log.take(), ["7", "0", "8", "9"]);
        // Given up while it waits there, it does not run.
        let busy = asking(&second, SLEEP, 1);
        settle().await;
        let error = first.ask(Job { how: FORWARD, n: 2 }).within(SECOND / 2).await.unwrap_err();
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        busy.await.unwrap().unwrap();
        second.ask(Job { how: ANSWER, n: 3 }).await.unwrap();
        assert_eq!(log.take(), ["1", "3"]);
        second.stop();
        settle().await;
        let error = first.ask(Job { how: FORWARD, n: 7 }).await.unwrap_err();
        assert!(matches!(error, AskError::Stopped(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
    });
}

#[test]
fn a_forwarded_ask_waits_for_room_in_line() {
    on_one_thread(1, |system| async move {
        let (first, _) = desk(&system).await;
        let log = Log::default();
        let options = SpawnOptions::default().mailbox(1);
        let second = system.spawn::<Desk>(log.clone(), options).await.unwrap();
        point(&first, &second).await;
        let busy = asking(&second, SLEEP, 1);
        settle().await;
        let asks = (2..6).map(|n| asking(&first, FORWARD, n)).collect::<Vec<_>>();
        busy.await.unwrap().unwrap();
        for (ask, n) in asks.into_iter().zip(2..) {
            assert_eq!(ask.await.unwrap(), Ok(n));
        }
        assert_eq!(log.take(), ["1", "2", "3", "4", "5"]);
    });
}

#[test]
fn an_ask_is_forwarded_to_another_node_and_from_there() {
    in_world(|| async {
        let far = far().await;
        let (near, near_log) = desk(&far.here).await;
        point(&near, &far.far).await;
        assert_eq!(near.ask(Job { how: FORWARD, n: 7 }).await, Ok(7));
        let error = near.ask(Job { how: FORWARD, n: 0 }).await.unwrap_err();
        assert_eq!(error, AskError::Handler("nothing".into()));
        near.tell(Job { how: FORWARD, n: 8 }).await.unwrap();
        near.ask(Job { how: FORWARD, n: 9 }).await.unwrap();
        assert_eq!(far.log.take(), ["7", "0", "8", "9"]);
        // An asker that gives up takes the ask over there back.
        let busy = asking(&far.far, SLEEP, 1);
        settle().await;
        let ask = asking(&near, FORWARD, 2);
        settle().await;
        ask.abort();
        busy.await.unwrap().unwrap();
        far.desk.ask(Job { how: ANSWER, n: 3 }).await.unwrap();
        assert_eq!(far.log.take(), ["1", "3"]);
        // One that came from another node goes on to a third actor there.
        let (third, _) = desk(&far.there).await;
        point(&far.desk, &third).await;
        assert_eq!(far.far.ask(Job { how: FORWARD, n: 5 }).await, Ok(5));
        far.far.tell(Job { how: FORWARD, n: 6 }).await.unwrap();
        far.net.set_down(true);
        let error = near.ask(Job { how: FORWARD, n: 7 }).await.unwrap_err();
        assert!(matches!(error, AskError::Unreachable(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        far.net.set_down(false);
        drop((near, third, near_log));
        far.end().await;
    });
}

async fn close(desk: &ActorRef<Desk>) {
    make(desk, |desk, _| desk.closed = true).await;
}

async fn open(desk: &ActorRef<Desk>) {
    make(desk, |desk, ctx| {
        desk.closed = false;
        ctx.unstash_all();
    })
    .await;
}

#[test]
fn stashed_messages_come_back_in_order_and_before_the_mailbox() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        close(&desk).await;
        let asks = (1..4).map(|n| asking(&desk, ANSWER, n)).collect::<Vec<_>>();
        settle().await;
        desk.tell(Job { how: ANSWER, n: 4 }).await.unwrap();
        let opening = open(&desk);
        tokio::pin!(opening);
        assert!(futures_poll(opening.as_mut()).await.is_none());
        desk.try_tell(Job { how: ANSWER, n: 5 }).unwrap();
        opening.await;
        for (ask, n) in asks.into_iter().zip(1..) {
            assert_eq!(ask.await.unwrap(), Ok(n));
        }
        settle().await;
        assert_eq!(log.take(), ["1", "2", "3", "4", "5"]);
    });
}

/// Polls a future once.
async fn futures_poll<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        let polled = std::pin::Pin::new(&mut future).poll(cx);
        std::task::Poll::Ready(match polled {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn a_stashed_ask_that_is_given_up_does_not_run() {
    in_world(|| async {
        let far = far().await;
        let (near, near_log) = desk(&far.here).await;
        for (to, desk, log, certainty) in [
            (&near, &near, &near_log, Certainty::NotDelivered),
            (&far.far, &far.desk, &far.log, Certainty::MayHaveRun),
        ] {
            close(desk).await;
            let error = to.ask(Job { how: ANSWER, n: 1 }).within(SECOND).await.unwrap_err();
            assert_eq!(error.certainty(), certainty);
            let ask = asking(to, ANSWER, 2);
            settle().await;
            open(desk).await;
            assert_eq!(ask.await.unwrap(), Ok(2));
            assert_eq!(log.take(), ["2"]);
        }
        drop(near);
        far.end().await;
    });
}

#[test]
fn a_stop_refuses_stashed_messages() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        close(&desk).await;
        let ask = asking(&desk, ANSWER, 1);
        settle().await;
        desk.stop();
        let error = ask.await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Stopped(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        assert_eq!(log.take(), Vec::<String>::new());
    });
}

#[test]
fn a_kill_refuses_stashed_messages() {
    on_one_thread(1, |system| async move {
        let (desk, _) = desk(&system).await;
        close(&desk).await;
        let ask = asking(&desk, ANSWER, 1);
        settle().await;
        make(&desk, |desk, _| desk.closed = false).await;
        let hangs = asking(&desk, WATCH, 2);
        settle().await;
        system.stop(Duration::from_millis(10)).await;
        let error = ask.await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Stopped(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        hangs.await.unwrap().unwrap_err();
    });
}

#[test]
fn a_restart_brings_stashed_messages_back_before_the_mailbox() {
    on_one_thread(1, |system| async move {
        let (desk, log) = supervised(&system).await;
        close(&desk).await;
        let asks = (1..3).map(|n| asking(&desk, ANSWER, n)).collect::<Vec<_>>();
        settle().await;
        desk.try_tell(Panic).unwrap();
        desk.try_tell(Job { how: ANSWER, n: 3 }).unwrap();
        for (ask, n) in asks.into_iter().zip(1..) {
            assert_eq!(ask.await.unwrap(), Ok(n));
        }
        settle().await;
        assert_eq!(log.take(), ["1", "2", "3"]);
    });
}

#[test]
fn a_full_stash_refuses_what_comes() {
    on_one_thread(1, |system| async move {
        let (desk, _) = desk(&system).await;
        close(&desk).await;
        let stash_max = u64::from(system.config().stash_max);
        for n in 0..stash_max {
            desk.tell(Job { how: ANSWER, n: n + 1 }).await.unwrap();
        }
        let error = desk.ask(Job { how: ANSWER, n: 1 }).await.unwrap_err();
        assert!(matches!(error, AskError::Full(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        assert!(error.to_string().contains("stash_max"), "{error}");
        open(&desk).await;
        sleep(SECOND).await;
        // The room of stashed messages was given back once, not twice.
        for n in 0..3 * stash_max {
            desk.tell(Job { how: ANSWER, n: n + 1 }).await.unwrap();
        }
    });
}
