//! What is seen of actors from outside, in figures.

use std::{sync::mpsc::sync_channel, time::Duration};

use odeon_message::message;
use tokio::{
    sync::oneshot,
    task::spawn_local,
    time::{Instant, sleep},
};

use crate::{
    fixture::{
        Add, Boom, Hold, Leave, Tally, Threads, Worker, in_world, on_one_thread,
        on_one_thread_with, system_of,
    },
    kin::{Diary, How, end, get, kid, settle, supervise},
    odeon::{
        Actor, ActorRef, ActorSystem, Context, Handler, Metrics, Overflow, ReadContext,
        ReadHandler, SpawnOptions, Spread, StartError, SupervisorSpec, SystemConfig, TypeMetrics,
    },
};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Everything is measured.
fn all() -> SystemConfig {
    let mut config = SystemConfig::default();
    config.sample_every = 1;
    config
}

fn of<A>(metrics: &Metrics) -> TypeMetrics {
    metrics.of(std::any::type_name::<A>()).cloned().unwrap_or_default()
}

async fn worker(system: &ActorSystem) -> ActorRef<Worker> {
    system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await.unwrap()
}

/// Does what takes so many milliseconds.
struct Slow;

impl Actor for Slow {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

#[message(local, reply = (), crate = crate::odeon)]
struct Take(u64);

impl Handler<Take> for Slow {
    async fn handle(&mut self, take: Take, _: &mut Context<Self>) {
        sleep(MS(take.0)).await;
    }
}

#[message(local, reply = (), crate = crate::odeon)]
struct Look(u64);

impl ReadHandler<Look> for Slow {
    async fn read(&self, look: Look, _: &ReadContext<Self>) {
        sleep(MS(look.0)).await;
    }
}

odeon_actor::reads!(Slow: Look);

/// Blocks its thread until it is told otherwise.
#[message(local, crate = crate::odeon)]
struct Block {
    began: std::sync::mpsc::SyncSender<()>,
    until: std::sync::mpsc::Receiver<()>,
}

impl Handler<Block> for Slow {
    async fn handle(&mut self, block: Block, _: &mut Context<Self>) {
        block.began.send(()).unwrap();
        block.until.recv().unwrap();
    }
}

async fn slow(system: &ActorSystem) -> ActorRef<Slow> {
    system.spawn::<Slow>((), SpawnOptions::default()).await.unwrap()
}

#[test]
fn starts_ends_restarts_and_messages_are_counted_by_type() {
    on_one_thread(2, |system| async move {
        let diary = Diary::default();
        let spec = SupervisorSpec::one_for_one().intensity(9, MS(60_000)).child(kid('a', &diary));
        let supervisor = supervise(&system, spec).await;
        for _ in 0..2 {
            end(&get(&supervisor, "a").await, How::Panic).await;
        }
        let workers = [worker(&system).await, worker(&system).await, worker(&system).await];
        for number in 0..5 {
            workers[0].ask(Add(number)).await.unwrap();
        }
        workers[1].tell(Boom { later: true }).await.unwrap();
        workers[1].tell(Add(1)).await.unwrap();
        workers[2].ask(Leave::Stop).await.unwrap();
        settle().await;
        let metrics = system.metrics().await;
        let seen = of::<Worker>(&metrics);
        assert_eq!((seen.live, seen.started, seen.restarts, seen.failures), (1, 3, 0, 1));
        assert_eq!((seen.handled, seen.undelivered), (7, 1));
        let kids = metrics.types.iter().find(|it| it.kind.ends_with("Kid")).unwrap();
        assert_eq!((kids.live, kids.started, kids.restarts, kids.failures), (1, 1, 2, 2));
        let stats = system.stats();
        let sum = |of: fn(&TypeMetrics) -> u64| metrics.types.iter().map(of).sum::<u64>();
        assert_eq!(sum(|it| it.live), stats.live_actors);
        assert_eq!(sum(|it| it.handled), stats.handled);
        assert_eq!(sum(|it| it.failures), stats.failures);
        assert!(metrics.types.is_sorted_by_key(|it| it.kind));
        assert_eq!((metrics.workers.len(), metrics.silent_workers), (2, 0));
        let text = metrics.to_string();
        assert!(text.contains("fixture::Worker") && text.contains("worker 2: "), "{text}");
    });
}

#[test]
fn messages_that_no_handler_sees_are_counted_by_type() {
    on_one_thread(1, |system| async move {
        let options = SpawnOptions::default().mailbox(2).overflow(Overflow::DropNewest);
        let actor = system.spawn::<Worker>(Tally::default(), options).await.unwrap();
        let (release, held) = oneshot::channel();
        actor.tell(Hold(held)).await.unwrap();
        settle().await;
        let late = actor.ask(Add(1)).within(MS(10)).await;
        assert!(late.is_err());
        for _ in 0..4 {
            actor.tell(Add(1)).await.unwrap();
        }
        let seen = of::<Worker>(&system.metrics().await);
        assert_eq!((seen.depth, seen.depth_max, seen.dropped), (2, 2, 3));
        release.send(()).unwrap();
        settle().await;
        let seen = of::<Worker>(&system.metrics().await);
        assert_eq!((seen.skipped, seen.handled, seen.depth), (1, 2, 0));
    });
}

fn is_about(time: Duration, millis: u64) -> bool {
    time >= MS(millis) && time <= MS(millis) + MS(millis) / 50
}

#[test]
fn slow_handlers_and_long_queues_are_seen() {
    on_one_thread_with(all(), 1, |system| async move {
        let actor = slow(&system).await;
        for millis in [10, 10, 500] {
            actor.ask(Take(millis)).await.unwrap();
        }
        let Spread { samples, p50, max, .. } = of::<Slow>(&system.metrics().await).handler;
        assert_eq!(samples, 3);
        assert!(is_about(p50, 10) && is_about(max, 500), "{p50:?} {max:?}");
        // The first of those that come while the handler runs waits for all of it.
        actor.tell(Take(2_000)).await.unwrap();
        sleep(MS(500)).await;
        for _ in 0..3 {
            actor.tell(Take(1)).await.unwrap();
        }
        sleep(MS(4_000)).await;
        let Spread { samples, max, .. } = of::<Slow>(&system.metrics().await).queue;
        assert!(samples >= 1 && is_about(max, 1_500), "{samples} {max:?}");
        let reads = tokio::join!(actor.ask(Look(9_000)).within(MS(10_000)), actor.ask(Look(1)));
        assert_eq!((reads.0, reads.1), (Ok(()), Ok(())));
        let Spread { max, .. } = of::<Slow>(&system.metrics().await).handler;
        assert!(is_about(max, 9_000), "a read that waits is measured, too: {max:?}");
    });
}

#[test]
fn an_ended_handler_is_not_measured() {
    on_one_thread_with(all(), 1, |system| async move {
        let actor = slow(&system).await;
        actor.tell(Take(60_000)).await.unwrap();
        sleep(MS(10)).await;
        actor.kill();
        settle().await;
        let other = worker(&system).await;
        for later in [false, true] {
            let actor = worker(&system).await;
            actor.tell(Boom { later }).await.unwrap();
            settle().await;
        }
        other.ask(Add(1)).await.unwrap();
        let metrics = system.metrics().await;
        assert_eq!((of::<Slow>(&metrics).handler.samples, of::<Slow>(&metrics).failures), (0, 1));
        assert_eq!(of::<Worker>(&metrics).handler.samples, 1);
    });
}

#[test]
fn one_message_in_so_many_is_measured_and_none_if_told_so() {
    for (sample_every, samples) in [(0, 0), (10, 7), (127, 0)] {
        let mut config = SystemConfig::default();
        config.sample_every = sample_every;
        on_one_thread_with(config, 1, |system| async move {
            let actor = worker(&system).await;
            for _ in 0..35 {
                actor.tell(Add(1)).await.unwrap();
            }
            for _ in 0..40 {
                actor.ask(Add(1)).await.unwrap();
            }
            let seen = of::<Worker>(&system.metrics().await);
            assert_eq!((seen.handled, seen.handler.samples), (75, samples));
            assert_eq!(seen.queue.samples > 0, samples > 0, "{seen:?}");
        });
    }
}

#[test]
fn what_waits_has_an_age_where_somebody_keeps_the_time() {
    on_one_thread(1, |system| async move {
        let (watching, actor) = (system.clone(), slow(&system).await);
        let watch = spawn_local(async move { watching.watch_workers().await });
        sleep(MS(10_000)).await;
        assert_eq!(of::<Slow>(&system.metrics().await).age_max, None, "nobody waits");
        actor.tell(Take(3_000)).await.unwrap();
        sleep(MS(500)).await;
        actor.tell(Take(1)).await.unwrap();
        sleep(MS(1_500)).await;
        let seen = of::<Slow>(&system.metrics().await);
        let age = seen.age_max.unwrap();
        assert_eq!(seen.depth, 1);
        let [hot] = &system.metrics().await.hot[..] else { panic!("one actor stands out") };
        assert!(hot.kind.ends_with("Slow") && hot.age == Some(age), "{hot:?}");
        assert_eq!((hot.waiting, hot.busy), (1, Some(0.0)), "it awaits: {hot:?}");
        assert!(age >= MS(1_900) && age <= MS(2_100), "{age:?}");
        sleep(MS(4_000)).await;
        let metrics = system.metrics().await;
        assert_eq!((of::<Slow>(&metrics).age_max, &metrics.hot[..]), (None, &[][..]));
        let [seen] = metrics.workers[..] else { panic!("{metrics:?}") };
        assert!(seen.looks > 200 && seen.busy_share() == Some(0.0), "{seen:?}");
        watch.abort();
    });
}

#[test]
fn of_many_actors_those_stand_out_at_which_most_waits() {
    on_one_thread(2, |system| async move {
        let mut held = Vec::new();
        for waiting in 1..=40 {
            let actor = worker(&system).await;
            let (release, until) = oneshot::channel();
            actor.tell(Hold(until)).await.unwrap();
            settle().await;
            for _ in 0..waiting {
                actor.tell(Add(1)).await.unwrap();
            }
            held.push((actor, release));
        }
        let hot = system.metrics().await.hot;
        let waiting = hot.iter().map(|actor| actor.waiting).collect::<Vec<_>>();
        assert_eq!(waiting, (25..=40).rev().collect::<Vec<_>>(), "nobody keeps the time");
        assert!(hot.iter().all(|actor| actor.busy.is_none() && actor.age.is_none()));
        let tree = system.tree().await;
        let seen = tree.actors().iter().map(|actor| actor.waiting);
        assert_eq!(seen.collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
    });
}

#[test]
fn a_worker_that_is_blocked_is_not_waited_for_and_keeps_its_counts() {
    // A worker whose thread waits for the CPU looks blocked, too: not for so long.
    let threads = Threads::of(2, |config| config.blocked_after = MS(250));
    let (began, has_begun) = sync_channel(1);
    let (release, until) = sync_channel(1);
    threads.block_on(async {
        let system = threads.system.clone();
        let (blocked, free) = (slow(&system).await, worker(&system).await);
        let watching = system.clone();
        let watch = threads.runtime().spawn(async move { watching.watch_workers().await });
        blocked.ask(Take(0)).await.unwrap();
        blocked.tell(Block { began, until }).await.unwrap();
        while has_begun.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        free.ask(Add(1)).await.unwrap();
        while system.stats().blocked == 0 {
            tokio::task::yield_now().await;
        }
        let began = Instant::now();
        let metrics = system.metrics().await;
        assert!(began.elapsed() >= MS(1_000), "it is waited for a second");
        assert_eq!(metrics.silent_workers, 1);
        assert_eq!((of::<Slow>(&metrics).live, of::<Worker>(&metrics).handled), (1, 1));
        assert_eq!(of::<Slow>(&metrics).handled, 1, "as of its last turn");
        assert_eq!(metrics.workers.iter().map(|worker| worker.blocked).sum::<u64>(), 1);
        assert!(metrics.workers.iter().any(|worker| worker.busy_share() > Some(0.0)));
        release.send(()).unwrap();
        blocked.ask(Take(0)).await.unwrap();
        watch.abort();
        let metrics = system.metrics().await;
        assert_eq!((metrics.silent_workers, of::<Slow>(&metrics).handled), (0, 3));
        let [hot] = &metrics.hot[..] else { panic!("one actor blocked: {metrics:?}") };
        assert!(hot.kind.ends_with("Slow") && hot.busy > Some(0.0), "{hot:?}");
        let worker = metrics.workers.iter().find(|worker| worker.number == hot.worker).unwrap();
        assert!(worker.recent_share() >= hot.busy, "{worker:?}");
    });
    threads.end();
}

#[test]
fn many_actors_go_on_while_they_are_looked_at() {
    on_one_thread_with(all(), 1, |system| async move {
        for _ in 0..10_000 {
            worker(&system).await;
        }
        let busy = worker(&system).await;
        let counts = spawn_local({
            let busy = busy.clone();
            async move {
                let mut sum = 0;
                loop {
                    sum = busy.ask(Add(1)).await.unwrap_or(sum);
                    if sum > 500 {
                        return sum;
                    }
                }
            }
        });
        let mut looks = 0;
        while !counts.is_finished() {
            let metrics = system.metrics().await;
            assert_eq!((of::<Worker>(&metrics).live, metrics.silent_workers), (10_001, 0));
            looks += 1;
            tokio::task::yield_now().await;
        }
        assert!(looks > 1, "{looks}");
        assert_eq!(counts.await.unwrap(), 501);
    });
}

#[test]
fn what_a_worker_counted_stays_when_it_leaves() {
    in_world(|| {
        let system = system_of("gone", std::sync::Arc::new(odeon_env::RealEnv), all());
        system.start_worker();
        async move {
            let actor = worker(&system).await;
            for _ in 0..5 {
                actor.ask(Add(1)).await.unwrap();
            }
            let before = of::<Worker>(&system.metrics().await);
            system.stop(MS(1_000)).await;
            settle().await;
            let metrics = system.metrics().await;
            assert!(metrics.workers.is_empty());
            let after = of::<Worker>(&metrics);
            assert_eq!((before.live, after.live), (1, 0));
            assert_eq!((after.handled, after.started), (5, 1));
            assert_eq!((before.handler, before.queue), (after.handler, after.queue));
            assert_eq!(after.handler.samples, 5);
        }
    });
}
