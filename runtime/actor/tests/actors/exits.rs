//! The contract on exit, for actors that nobody supervises.

use std::time::Duration;

use odeon_message::{AskError, Certainty, FailureKind, message};
use tokio::{
    sync::oneshot,
    task::{spawn_local, yield_now},
};

use crate::{
    fixture::{Add, Boom, Hold, Leave, Tally, Worker, in_world, on_one_thread, read, system_of},
    odeon::{Actor, ActorSystem, Context, Handler, SpawnOptions, StartError, SystemConfig},
};

#[test]
fn a_panic_answers_its_asker_at_once_and_ends_the_actor() {
    for later in [false, true] {
        on_one_thread(1, |system| async move {
            let tally = Tally::default();
            let options = SpawnOptions::default();
            let worker = system.spawn::<Worker>(tally.clone(), options).await.unwrap();
            let (boom, queued) = (worker.clone(), worker.clone());
            let boom = spawn_local(async move { boom.ask(Boom { later }).await });
            let queued = spawn_local(async move { queued.ask(Add(1)).await });
            let error = boom.await.unwrap().unwrap_err();
            assert!(matches!(error, AskError::Panicked(_)));
            assert_eq!(error.certainty(), Certainty::Ran);
            assert!(error.to_string().contains("boom"));
            let error = queued.await.unwrap().unwrap_err();
            assert!(matches!(error, AskError::Stopped(_)), "{error}");
            assert_eq!(error.certainty(), Certainty::NotDelivered);
            let error = worker.try_tell(Add(3)).unwrap_err();
            assert_eq!(error.failure.kind, FailureKind::Stopped);
            assert_eq!(error.message.unwrap().0, 3);
            assert_eq!((read(&tally.drops), read(&tally.stops)), (1, 0), "stopped after a panic");
            assert_eq!(system.stats().panics, 1);
        });
    }
}

#[test]
fn stop_refuses_what_is_queued_and_runs_stopped() {
    on_one_thread(1, |system| async move {
        for by_itself in [true, false] {
            let tally = Tally::default();
            let options = SpawnOptions::default().mailbox(2);
            let worker = system.spawn::<Worker>(tally.clone(), options).await.unwrap();
            let (release, held) = oneshot::channel();
            worker.tell(Hold(held)).await.unwrap();
            while read(&tally.runs) == 0 {
                yield_now().await;
            }
            if by_itself {
                worker.tell(Leave::Stop).await.unwrap();
            } else {
                worker.stop();
            }
            let mut asks = Vec::new();
            let mut tells = Vec::new();
            for _ in 0..4 {
                let (ask, tell) = (worker.clone(), worker.clone());
                asks.push(spawn_local(async move { ask.ask(Add(1)).await }));
                tells.push(spawn_local(async move { tell.tell(Add(5)).await }));
            }
            yield_now().await;
            drop(release);
            for ask in asks {
                let error = ask.await.unwrap().unwrap_err();
                assert!(matches!(error, AskError::Stopped(_)), "{error}");
                assert_eq!(error.certainty(), Certainty::NotDelivered);
            }
            let mut returned = 0;
            for tell in tells {
                if let Err(error) = tell.await.unwrap() {
                    assert_eq!(error.failure.kind, FailureKind::Stopped);
                    returned += u64::from(error.message.is_some());
                }
            }
            assert!(returned >= 2, "tells in the waiting room get their message back");
            assert_eq!((read(&tally.drops), read(&tally.stops)), (1, 1));
            assert_eq!(read(&tally.runs), 1);
        }
    });
}

/// Does in `start` what its arguments say.
#[derive(Clone)]
enum Begin {
    Refuse,
    Panic,
    PanicLater,
    Never,
}

struct Beginner;

impl Actor for Beginner {
    type Args = Begin;

    async fn start(args: Begin, _: &mut Context<Self>) -> Result<Self, StartError> {
        match args {
            Begin::Refuse => Err(StartError::new("not today")),
            Begin::Panic => panic!("at once"),
            Begin::PanicLater => {
                yield_now().await;
                panic!("a little later");
            }
            Begin::Never => std::future::pending().await,
        }
    }
}

#[test]
fn a_failed_start_is_told_to_whoever_spawned() {
    on_one_thread(1, |system| async move {
        let options = || SpawnOptions::default().named("beginner");
        let error = system.spawn::<Beginner>(Begin::Refuse, options()).await.unwrap_err();
        assert!(error.to_string().contains("not today"), "{error}");
        for begin in [Begin::Panic, Begin::PanicLater] {
            let error = system.spawn::<Beginner>(begin, options()).await.unwrap_err();
            assert!(matches!(error, StartError::Panicked(_)), "{error}");
        }
        assert!(system.lookup_any("beginner").is_none(), "the name is free again");
        let waits = system.spawn::<Beginner>(Begin::Never, SpawnOptions::default());
        assert!(tokio::time::timeout(Duration::from_secs(1), waits).await.is_err());
        assert_eq!(system.stats().live_actors, 1);
        system.stop(Duration::from_secs(1)).await;
        assert_eq!(system.stats().live_actors, 0, "it was ended where it stood");
        let options = SpawnOptions::default();
        let error = system.spawn::<Beginner>(Begin::Refuse, options).await.unwrap_err();
        assert!(matches!(error, StartError::Stopping));
    });
}

#[test]
fn an_actor_whose_spawner_gave_up_is_stopped() {
    on_one_thread(1, |system| async move {
        let tally = Tally::default();
        let mut spawn = Box::pin(system.spawn::<Worker>(tally.clone(), SpawnOptions::default()));
        std::future::poll_fn(|cx| {
            assert!(spawn.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(spawn);
        while read(&tally.drops) == 0 {
            yield_now().await;
        }
        assert_eq!((read(&tally.starts), read(&tally.stops)), (1, 1));
    });
}

/// Spawns a child when it starts, another on demand.
struct Parent {
    tally: Tally,
}

#[message(local, reply = crate::odeon::ActorRef<Worker>, crate = crate::odeon)]
struct SpawnChild;

#[message(local, reply = bool, crate = crate::odeon)]
struct AskSelf;

impl Actor for Parent {
    type Args = Tally;

    async fn start(tally: Tally, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        ctx.spawn::<Worker>(tally.clone(), SpawnOptions::default()).await?;
        Ok(Self { tally })
    }
}

impl Handler<SpawnChild> for Parent {
    async fn handle(
        &mut self,
        _: SpawnChild,
        ctx: &mut Context<Self>,
    ) -> crate::odeon::ActorRef<Worker> {
        ctx.spawn(self.tally.clone(), SpawnOptions::default()).await.unwrap()
    }
}

impl Handler<AskSelf> for Parent {
    async fn handle(&mut self, _: AskSelf, ctx: &mut Context<Self>) -> bool {
        let me = ctx.self_ref();
        matches!(me.ask(AskSelf).await, Err(AskError::Deadlock(_)))
    }
}

#[test]
fn children_stop_with_their_parent_and_before_it() {
    on_one_thread(2, |system| async move {
        let tally = Tally::default();
        let parent = system.spawn::<Parent>(tally.clone(), SpawnOptions::default()).await.unwrap();
        let child = parent.ask(SpawnChild).await.unwrap();
        assert_eq!(child.ask(Add(1)).await.unwrap(), 1);
        parent.stop();
        while system.stats().live_actors > 0 {
            yield_now().await;
        }
        assert_eq!((read(&tally.stops), read(&tally.drops)), (2, 2));
        assert!(matches!(child.ask(Add(1)).await, Err(AskError::Stopped(_))));
    });
}

#[test]
fn an_actor_that_asks_itself_is_told_so() {
    on_one_thread(1, |system| async move {
        let options = SpawnOptions::default();
        let parent = system.spawn::<Parent>(Tally::default(), options).await.unwrap();
        assert!(parent.ask(AskSelf).await.unwrap());
    });
}

/// Tells itself until its mailbox is full.
struct Echo;

#[message(local, reply = usize, crate = crate::odeon)]
struct Fill;

#[message(local, crate = crate::odeon)]
struct Nothing;

impl Actor for Echo {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

impl Handler<Fill> for Echo {
    async fn handle(&mut self, _: Fill, ctx: &mut Context<Self>) -> usize {
        let me = ctx.self_ref();
        let mut told = 0;
        while me.tell(Nothing).await.is_ok() {
            told += 1;
        }
        told
    }
}

impl Handler<Nothing> for Echo {
    async fn handle(&mut self, _: Nothing, _: &mut Context<Self>) {}
}

#[test]
fn a_tell_to_oneself_never_waits() {
    on_one_thread(1, |system| async move {
        let echo = system.spawn::<Echo>((), SpawnOptions::default().mailbox(8)).await.unwrap();
        let told = echo.ask(Fill).await.unwrap();
        assert!((7..=8).contains(&told), "{told}");
    });
}

#[test]
fn dropping_the_local_set_ends_everything_without_running_handlers() {
    let tally = Tally::default();
    let mut kept: Option<ActorSystem> = None;
    in_world(|| {
        let system =
            system_of("gone", std::sync::Arc::new(odeon_env::RealEnv), SystemConfig::default());
        kept = Some(system.clone());
        let tally = tally.clone();
        async move {
            system.start_worker();
            let worker =
                system.spawn::<Worker>(tally.clone(), SpawnOptions::default()).await.unwrap();
            let (_release, held) = oneshot::channel::<()>();
            worker.tell(Hold(held)).await.unwrap();
            for _ in 0..10 {
                worker.tell(Add(1)).await.unwrap();
            }
            // The world ends here, with all of this queued; the release is dropped with it.
            system.crash();
        }
    });
    let system = kept.unwrap();
    assert_eq!((read(&tally.runs), read(&tally.stops), read(&tally.drops)), (0, 0, 1));
    assert_eq!((system.stats().live_actors, system.stats().cells), (0, 0));
}
