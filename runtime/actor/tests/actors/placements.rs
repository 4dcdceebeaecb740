//! Where actors run, and how a blocked worker is seen.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use odeon_env::RealEnv;
use odeon_message::message;
use tokio::{runtime::Builder, task::LocalSet, time::Instant};
use tracing::instrument::WithSubscriber;

use crate::{
    fixture::{Threads, in_world, on_one_thread, spawn_thread, system_of},
    log::Lines,
    odeon::{
        self, Actor, ActorRef, ActorSystem, Context, Handler, Placement, SpawnOptions, StartError,
        SystemConfig, ThreadJob,
    },
};

/// Says where it runs, starts children, and blocks.
struct Place;

impl Actor for Place {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

#[message(local, reply = ThreadId, crate = crate::odeon)]
struct Where;

#[message(local, reply = ActorRef<Place>, crate = crate::odeon)]
struct Bear(Option<Placement>);

#[message(local, crate = crate::odeon)]
struct Block {
    began: SyncSender<()>,
    until: Receiver<()>,
}

impl Handler<Where> for Place {
    async fn handle(&mut self, _: Where, _: &mut Context<Self>) -> ThreadId {
        thread::current().id()
    }
}

impl Handler<Bear> for Place {
    async fn handle(&mut self, bear: Bear, ctx: &mut Context<Self>) -> ActorRef<Self> {
        ctx.spawn::<Self>((), options(bear.0)).await.unwrap()
    }
}

impl Handler<Block> for Place {
    async fn handle(&mut self, block: Block, _: &mut Context<Self>) {
        block.began.send(()).unwrap();
        // The one thing that a handler must not do.
        block.until.recv().unwrap();
    }
}

/// Leaves a task behind that says where it runs, and ends.
#[message(local, crate = crate::odeon)]
struct Errand(SyncSender<ThreadId>);

impl Handler<Errand> for Place {
    async fn handle(&mut self, errand: Errand, ctx: &mut Context<Self>) {
        let task = odeon::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            errand.0.send(thread::current().id()).unwrap();
        });
        task.unwrap().detach();
        ctx.stop();
    }
}

fn options(placement: Option<Placement>) -> SpawnOptions {
    let options = SpawnOptions::default();
    match placement {
        Some(placement) => options.placement(placement),
        None => options,
    }
}

async fn place(system: &ActorSystem, placement: Option<Placement>) -> ActorRef<Place> {
    system.spawn::<Place>((), options(placement)).await.unwrap()
}

async fn home(actor: &ActorRef<Place>) -> ThreadId {
    actor.ask(Where).await.unwrap()
}

/// Threads for blocking actors, as a host gives them.
struct Host;

impl odeon::Threads for Host {
    fn start(&self, job: ThreadJob) -> io::Result<()> {
        assert!(job.number() > 0);
        spawn_thread(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, job.run());
        });
        Ok(())
    }
}

/// A host that has no threads left.
struct Poor;

impl odeon::Threads for Poor {
    fn start(&self, _: ThreadJob) -> io::Result<()> {
        Err(io::ErrorKind::OutOfMemory.into())
    }
}

#[test]
fn actors_run_where_they_are_placed() {
    let threads = Threads::new(3);
    threads.block_on(async {
        let system = &threads.system;
        let mut counts = BTreeMap::<String, u32>::new();
        for _ in 0..6 {
            let thread = home(&place(system, None).await).await;
            *counts.entry(format!("{thread:?}")).or_default() += 1;
        }
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [2, 2, 2], "spread");

        let parent = place(system, Some(Placement::Parent)).await;
        for placement in [None, Some(Placement::Parent)] {
            let child = parent.ask(Bear(placement)).await.unwrap();
            assert_eq!(home(&child).await, home(&parent).await);
        }
        let mut homes = Vec::new();
        for _ in 0..3 {
            homes.push(home(&parent.ask(Bear(Some(Placement::Spread))).await.unwrap()).await);
        }
        assert!(homes.windows(2).all(|pair| pair[0] != pair[1]), "children are spread, too");

        let mut keyed = Vec::new();
        for key in 0..24 {
            let mine = home(&place(system, Some(Placement::Key(key))).await).await;
            assert_eq!(mine, home(&place(system, Some(Placement::Key(key))).await).await);
            keyed.push(format!("{mine:?}"));
        }
        keyed.sort();
        keyed.dedup();
        assert_eq!(keyed.len(), 3);
    });
    threads.end();
}

#[test]
fn the_least_loaded_worker_has_fewer_actors() {
    let threads = Threads::new(2);
    threads.block_on(async {
        let system = &threads.system;
        let first = place(system, Some(Placement::Key(0))).await;
        let crowded = home(&first).await;
        for _ in 0..9 {
            place(system, Some(Placement::Key(0))).await;
        }
        // A worker whose poll is not over when it answers seems busy for a moment.
        let mut elsewhere = 0;
        for _ in 0..20 {
            elsewhere += u32::from(
                home(&place(system, Some(Placement::LeastLoaded)).await).await != crowded,
            );
        }
        assert!(elsewhere >= 5, "{elsewhere}");
    });
    threads.end();
}

#[test]
fn an_endpoint_has_actors_only_where_it_was_started() {
    on_one_thread(1, |system| async move {
        let error = system.spawn::<Place>((), options(Some(Placement::Endpoint))).await;
        assert!(matches!(error, Err(StartError::NoEndpoint)));
        system.start_endpoint_worker();
        let actor = place(&system, Some(Placement::Endpoint)).await;
        let child = actor.ask(Bear(None)).await.unwrap();
        assert_eq!(home(&child).await, thread::current().id());
    });
}

#[test]
fn a_blocking_actor_has_a_thread_that_ends_with_it() {
    let threads = Threads::new(1);
    threads.block_on(async {
        let system = &threads.system;
        let error = system.spawn::<Place>((), options(Some(Placement::Blocking))).await;
        assert!(matches!(error, Err(StartError::NoThreads)));
        system.set_threads(Arc::new(Host));
        let blocking = place(system, Some(Placement::Blocking)).await;
        let child = blocking.ask(Bear(None)).await.unwrap();
        let other = place(system, Some(Placement::Blocking)).await;
        let worker = place(system, None).await;
        let own = home(&blocking).await;
        assert_eq!(home(&child).await, own, "its children stay with it");
        assert!(own != home(&other).await && own != home(&worker).await);

        let (began, has_begun) = sync_channel(1);
        let (release, until) = sync_channel(1);
        blocking.tell(Block { began, until }).await.unwrap();
        tokio::task::block_in_place(|| has_begun.recv().unwrap());
        worker.ask(Where).await.unwrap();
        release.send(()).unwrap();
        home(&blocking).await;

        let taken = system.register("name", &worker);
        taken.unwrap();
        let named = options(Some(Placement::Blocking)).named("name");
        let error = system.spawn::<Place>((), named).await.unwrap_err();
        assert!(matches!(error, StartError::Name(_)), "{error}: and its thread is not left");
        for actor in [&blocking, &other] {
            actor.stop();
        }
        while system.stats().live_actors > 1 {
            tokio::task::yield_now().await;
        }
    });
    threads.end();
}

#[test]
fn blocking_actors_are_bounded_and_need_a_thread() {
    let threads = Threads::of(1, |config| config.blocking_threads_max = 2);
    threads.block_on(async {
        let system = &threads.system;
        system.set_threads(Arc::new(Host));
        let first = place(system, Some(Placement::Blocking)).await;
        place(system, Some(Placement::Blocking)).await;
        let error = system.spawn::<Place>((), options(Some(Placement::Blocking))).await;
        assert!(matches!(error, Err(StartError::TooManyBlocking { max: 2 })));
        first.stop();
        // Its place is free once its thread has let the worker go.
        while system.spawn::<Place>((), options(Some(Placement::Blocking))).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    threads.end();
    in_world(|| async {
        let system = system_of("poor", Arc::new(RealEnv), SystemConfig::default());
        system.start_worker();
        system.set_threads(Arc::new(Poor));
        let error = system.spawn::<Place>((), options(Some(Placement::Blocking))).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("raise the limit on threads"), "{error}");
        system.stop(Duration::from_secs(1)).await;
        assert_eq!(system.stats().cells, 0);
    });
}

#[test]
fn a_worker_is_seen_while_it_is_blocked() {
    let threads = Threads::of(2, |config| config.blocked_after = Duration::from_millis(4));
    let (began, has_begun) = sync_channel(1);
    let (release, until) = sync_channel(1);
    threads.block_on(async {
        let system = threads.system.clone();
        let actor = place(&system, None).await;
        let watching = system.clone();
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let watch = {
            let log = Lines(lines.clone());
            async move { watching.watch_workers().await }.with_subscriber(log)
        };
        let seen = async {
            actor.tell(Block { began, until }).await.unwrap();
            while has_begun.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
            // It is blocked from here on, until it is released below.
            while system.stats().blocked == 0 || lines.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            release.send(()).unwrap();
            home(&actor).await;
        };
        tokio::select! {
            () = watch => unreachable!("it is never done"),
            () = seen => {}
        }
        let lines = lines.lock().unwrap().join("\n");
        let number = format!("{:?}", actor.identity()).replace(|c: char| !c.is_numeric(), "");
        assert!(lines.contains(&format!("actor={number} ")), "{lines}");
        assert!(lines.contains("worker=") && lines.contains("placements::Place"), "{lines}");
    });
    threads.end();
}

/// Where nobody is at work for a while the watchdog looks seldom, until somebody is.
#[test]
fn a_worker_that_blocks_after_a_rest_is_seen_as_soon() {
    let threads = Threads::of(1, |config| config.blocked_after = Duration::from_millis(10));
    threads.block_on(async {
        let system = threads.system.clone();
        let actor = place(&system, None).await;
        let watching = system.clone();
        let blocked_thrice = async {
            for round in 1..=3 {
                // It has rested for two tenths of a second, and would look next in eight.
                tokio::time::sleep(Duration::from_millis(300)).await;
                let (began, _has_begun) = sync_channel(1);
                let (release, until) = sync_channel(1);
                actor.tell(Block { began, until }).await.unwrap();
                let began = Instant::now();
                while system.stats().blocked < round {
                    assert!(began.elapsed() < Duration::from_millis(500), "round {round}");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                release.send(()).unwrap();
                home(&actor).await;
            }
        };
        tokio::select! {
            () = async move { watching.watch_workers().await } => unreachable!("it is never done"),
            () = blocked_thrice => {}
        }
    });
    threads.end();
}

#[test]
fn nothing_is_watched_where_no_time_passes() {
    let config = |config: &mut SystemConfig| config.blocked_after = Duration::ZERO;
    let threads = Threads::of(1, config);
    threads.block_on(async {
        let watch = threads.system.watch_workers();
        let done = tokio::time::timeout(Duration::from_millis(5), watch).await;
        assert!(done.is_err(), "it is never done");
    });
    threads.end();
}

#[test]
fn a_task_of_a_blocking_actor_outlives_its_thread() {
    let threads = Threads::new(1);
    threads.system.set_threads(Arc::new(Host));
    let (sender, receiver) = sync_channel(1);
    let shared = threads.block_on(async {
        let system = &threads.system;
        let shared = home(&place(system, None).await).await;
        let blocking = place(system, Some(Placement::Blocking)).await;
        assert_ne!(home(&blocking).await, shared);
        blocking.tell(Errand(sender)).await.unwrap();
        shared
    });
    assert_eq!(receiver.recv().unwrap(), shared);
    threads.end();
}
