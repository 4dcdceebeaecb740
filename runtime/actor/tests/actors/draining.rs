//! An actor that drains: it handles what is queued, then stops.

use odeon_message::{AskError, Certainty, FailureKind};

use crate::{
    desk::{ANSWER, DEFER, Desk, Job, Log, SECOND, SLEEP, asking, desk, make, settle, supervised},
    fixture::on_one_thread,
    odeon::{ChildSpec, Context, SpawnOptions, Supervisor, SupervisorSpec},
};

#[test]
fn a_drained_actor_handles_what_is_queued_and_nothing_more() {
    on_one_thread(1, |system| async move {
        for by_itself in [false, true] {
            let log = Log::default();
            let options = SpawnOptions::default().mailbox(4);
            let desk = system.spawn::<Desk>(log.clone(), options).await.unwrap();
            let running = asking(&desk, SLEEP, 1);
            settle().await;
            let mut queued = Vec::new();
            if by_itself {
                let drain = crate::desk::Do::with(|_, ctx| ctx.drain());
                desk.try_tell(drain).unwrap();
            } else {
                queued.push(asking(&desk, ANSWER, 2));
                settle().await;
                desk.drain();
            }
            queued.extend((3..6).map(|n| asking(&desk, ANSWER, n)));
            settle().await;
            // These find no room.
            let waiting = asking(&desk, ANSWER, 6);
            let teller = desk.clone();
            let tell =
                tokio::task::spawn_local(
                    async move { teller.tell(Job { how: ANSWER, n: 8 }).await },
                );
            settle().await;
            assert_eq!(running.await.unwrap(), Ok(1));
            for (ask, n) in queued.into_iter().zip(if by_itself { 3.. } else { 2.. }) {
                assert_eq!(ask.await.unwrap(), Ok(n));
            }
            let error = waiting.await.unwrap().unwrap_err();
            assert!(matches!(error, AskError::Stopped(_)), "{error}");
            assert_eq!(error.certainty(), Certainty::NotDelivered);
            let error = tell.await.unwrap().unwrap_err();
            assert_eq!(error.message.unwrap().n, 8, "it comes back");
            let error = desk.try_tell(Job { how: ANSWER, n: 7 }).unwrap_err();
            assert_eq!(error.failure.kind, FailureKind::Stopped);
            assert!(error.message.is_some());
            settle().await;
            assert_eq!(system.stats().live_actors, 0);
        }
    });
}

#[test]
fn a_drain_ends_timers_answers_deferred_asks_and_refuses_the_stash() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        let deferred = asking(&desk, DEFER, 1);
        settle().await;
        make(&desk, |desk, ctx| {
            desk.closed = true;
            ctx.after(None, SECOND, Job { how: ANSWER, n: 9 }).unwrap();
        })
        .await;
        let stashed = asking(&desk, ANSWER, 2);
        settle().await;
        desk.drain();
        let error = deferred.await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Cancelled(_)), "{error}");
        let error = stashed.await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Stopped(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        tokio::time::sleep(3 * SECOND).await;
        assert_eq!(log.take(), ["1"]);
    });
}

#[test]
fn a_supervised_actor_drains_and_starts_again_with_what_came_later() {
    on_one_thread(1, |system| async move {
        let (desk, log) = supervised(&system).await;
        let running = asking(&desk, SLEEP, 1);
        settle().await;
        let queued = asking(&desk, SLEEP, 2);
        settle().await;
        desk.drain();
        assert_eq!(running.await.unwrap(), Ok(1));
        settle().await;
        let later = asking(&desk, ANSWER, 3);
        assert_eq!(queued.await.unwrap(), Ok(2));
        assert_eq!(later.await.unwrap(), Ok(3));
        assert_eq!(log.take(), ["1", "2", "3"]);
        assert_eq!(system.stats().restarts, 1);
    });
}

#[test]
fn a_drain_takes_what_is_queued_out_of_priorities_too() {
    on_one_thread(1, |system| async move {
        let log = Log::default();
        let options = SpawnOptions::default().priorities(2);
        let child = ChildSpec::new::<Desk>("d", log.clone()).options(options);
        let spec = SupervisorSpec::one_for_one().child(child);
        let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
        let desk = supervisor.child::<Desk>("d").await.unwrap();
        let running = asking(&desk, SLEEP, 1);
        settle().await;
        let life = |desk: &mut Desk, ctx: &mut Context<Desk>| {
            desk.log.add(format!("life {}", ctx.restarts()));
        };
        for _ in 0..2 {
            desk.try_tell(crate::desk::Do::with(life)).unwrap();
        }
        desk.drain();
        settle().await;
        desk.try_tell(crate::desk::Do::with(life)).unwrap();
        running.await.unwrap().unwrap();
        tokio::time::sleep(SECOND).await;
        // What came while it was busy is queued too: it drains when it comes to it.
        assert_eq!(log.take(), ["1", "life 0", "life 0", "life 0"]);
        desk.try_tell(crate::desk::Do::with(life)).unwrap();
        settle().await;
        assert_eq!(log.take(), ["life 1"]);
    });
}

#[test]
fn an_idle_actor_drains_at_once() {
    on_one_thread(1, |system| async move {
        let (desk, _) = desk(&system).await;
        desk.drain();
        settle().await;
        assert_eq!(system.stats().live_actors, 0);
    });
}
