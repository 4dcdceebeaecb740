//! Pools: their members, how many there are, and how they end.

use std::{collections::BTreeSet, time::Duration};

use odeon_message::{FailureKind, message};
use tokio::{
    sync::oneshot,
    task::{spawn_local, yield_now},
    time::sleep,
};

use crate::{
    fixture::{Add, Boom, Hold, Leave, Tally, Threads, Worker, on_one_thread, read},
    kin::settle,
    odeon::{
        Actor, ActorIdentity, ActorRef, ActorSystem, ChildSpec, Context, Handler, Pool, PoolSpec,
        Restart, SpawnOptions, StartError, Supervisor, SupervisorSpec, Target,
    },
};

async fn pool(system: &ActorSystem, spec: PoolSpec<Worker>) -> ActorRef<Pool<Worker>> {
    system.spawn::<Pool<Worker>>(spec, SpawnOptions::default()).await.unwrap()
}

fn who(spec: &PoolSpec<Worker>) -> BTreeSet<ActorIdentity> {
    spec.group().members().iter().map(ActorRef::identity).collect()
}

/// Waits until the pool has so many members.
async fn until(spec: &PoolSpec<Worker>, members: usize) {
    for _ in 0..100 {
        if spec.group().len() == members {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("it has {} members", spec.group().len());
}

#[message(local, reply = u64, crate = crate::odeon)]
struct Nap(Duration);

impl Handler<Nap> for Worker {
    async fn handle(&mut self, nap: Nap, _: &mut Context<Self>) -> u64 {
        sleep(nap.0).await;
        self.sum += 1;
        self.sum
    }
}

#[test]
fn a_fixed_pool_shares_the_work_and_ends_with_its_members() {
    on_one_thread(2, |system| async move {
        let tally = Tally::default();
        let spec = Pool::<Worker>::fixed(4, tally.clone());
        let routed = spec.group().round_robin();
        assert!(routed.try_tell(Add(1)).is_err(), "nobody is there yet");
        let actor = pool(&system, spec.clone()).await;
        assert_eq!((spec.group().len(), read(&tally.starts)), (4, 4));
        for sum in [1, 2, 3] {
            for _ in 0..4 {
                assert_eq!(routed.ask(Add(1)).await.unwrap(), sum);
            }
        }
        actor.stop();
        while system.stats().live_actors > 0 {
            yield_now().await;
        }
        assert!(spec.group().is_empty());
        assert_eq!((read(&tally.stops), read(&tally.drops)), (4, 4));
        let error = routed.ask(Add(1)).await.unwrap_err();
        assert_eq!(error.kind(), Some(FailureKind::Stopped));
    });
}

#[test]
fn members_that_fail_start_again_in_their_place() {
    on_one_thread(1, |system| async move {
        let tally = Tally::default();
        let spec = Pool::<Worker>::fixed(3, tally.clone());
        let actor = pool(&system, spec.clone()).await;
        let before = who(&spec);
        let mine = spec.group().consistent_hash("mine");
        mine.ask(Add(5)).await.unwrap();
        mine.ask(Boom { later: true }).await.unwrap_err();
        assert_eq!(mine.ask(Add(1)).await.unwrap(), 1, "a new value, the same member");
        mine.ask(Leave::Stop).await.unwrap();
        assert_eq!(mine.ask(Add(1)).await.unwrap(), 1);
        assert_eq!((who(&spec), read(&tally.starts)), (before, 5));
        // Three restarts in 5 s are borne: one more than that and one more again.
        for _ in 0..2 {
            spec.group().round_robin().ask(Boom { later: false }).await.unwrap_err();
            settle().await;
        }
        while system.stats().live_actors > 0 {
            yield_now().await;
        }
        assert_eq!(system.stats().restarts, 3);
        assert!(actor.try_tell_nothing());
    });
}

/// Whether an actor takes nothing any more.
trait Gone {
    fn try_tell_nothing(&self) -> bool;
}

impl Gone for ActorRef<Pool<Worker>> {
    fn try_tell_nothing(&self) -> bool {
        self.downgrade().upgrade().is_none()
    }
}

#[test]
fn a_member_that_is_not_started_again_leaves_the_pool() {
    on_one_thread(1, |system| async move {
        let spec = Pool::<Worker>::fixed(2, Tally::default()).restart(Restart::Transient);
        let pool = pool(&system, spec.clone()).await;
        let routed = spec.group().round_robin();
        routed.ask(Boom { later: false }).await.unwrap_err();
        routed.ask(Leave::Stop).await.unwrap();
        while spec.group().len() > 1 {
            yield_now().await;
        }
        assert_eq!(routed.ask(Add(1)).await.unwrap(), 1);
        assert_eq!(system.stats().live_actors, 2);
        pool.stop();
    });
}

#[test]
fn an_elastic_pool_grows_under_load_and_shrinks_when_idle() {
    on_one_thread(1, |system| async move {
        let tally = Tally::default();
        let spec = Pool::<Worker>::elastic(2, 9, tally.clone()).grow_above(4);
        pool(&system, spec.clone()).await;
        let first = who(&spec);
        let routed = spec.group().least_loaded();
        let mut asks = Vec::new();
        for _ in 0..400 {
            let routed = routed.clone();
            let nap = Nap(Duration::from_millis(100));
            asks.push(spawn_local(async move {
                routed.ask(nap).within(Duration::from_secs(60)).await.map(drop)
            }));
            sleep(Duration::from_millis(5)).await;
        }
        let grown = spec.group().len();
        assert!((7..=9).contains(&grown), "{grown} members for 20 naps of 100 ms at a time");
        for ask in asks {
            ask.await.unwrap().unwrap();
        }
        sleep(Duration::from_secs(9)).await;
        assert_eq!(spec.group().len(), grown, "not so fast");
        sleep(Duration::from_secs(120)).await;
        assert_eq!(who(&spec), first, "who was there first stays");
        assert_eq!(system.stats().live_actors, 3);
        assert_eq!(read(&tally.stops), grown as u64 - 2);
        routed.ask(Add(0)).await.unwrap();
    });
}

#[test]
fn who_leaves_an_elastic_pool_finishes_first() {
    on_one_thread(1, |system| async move {
        let second = Duration::from_secs(1);
        let spec = Pool::<Worker>::elastic(1, 2, Tally::default()).idle_for(second);
        pool(&system, spec.clone()).await;
        let routed = spec.group().round_robin();
        let (release, held) = oneshot::channel();
        routed.try_tell(Hold(held)).unwrap();
        for _ in 0..30 {
            routed.try_tell(Add(1)).unwrap();
        }
        until(&spec, 2).await;
        let young = spec.group().members().pop().unwrap();
        drop(release);
        let busy = spawn_local(async move { young.ask(Nap(second * 4)).await });
        until(&spec, 1).await;
        assert_eq!(busy.await.unwrap().unwrap(), 1, "it was not cut short");
        sleep(second).await;
        assert_eq!(system.stats().live_actors, 2);
    });
}

#[test]
fn a_pool_under_a_supervisor_keeps_its_group() {
    on_one_thread(1, |system| async move {
        let spec = Pool::<Worker>::fixed(2, Tally::default()).intensity(0, Duration::from_secs(1));
        let routed = spec.group().round_robin();
        let child = ChildSpec::new::<Pool<Worker>>("pool", spec.clone());
        let supervisor = SupervisorSpec::one_for_one().child(child);
        system.spawn::<Supervisor>(supervisor, SpawnOptions::default()).await.unwrap();
        let before = who(&spec);
        routed.ask(Boom { later: false }).await.unwrap_err();
        while who(&spec).intersection(&before).count() > 0 || spec.group().len() < 2 {
            yield_now().await;
        }
        assert_eq!(routed.ask(Add(3)).await.unwrap(), 3);
    });
}

/// The third of them does not start.
struct Third;

impl Actor for Third {
    type Args = Tally;

    async fn start(tally: Tally, _: &mut Context<Self>) -> Result<Self, StartError> {
        crate::fixture::bump(&tally.starts);
        if read(&tally.starts) == 3 { Err(StartError::new("no third")) } else { Ok(Self) }
    }
}

#[test]
fn a_pool_whose_members_do_not_start_does_not_start() {
    on_one_thread(1, |system| async move {
        let spec = Pool::<Third>::fixed(4, Tally::default());
        let started = system.spawn::<Pool<Third>>(spec.clone(), SpawnOptions::default()).await;
        assert!(started.unwrap_err().to_string().contains("no third"));
        while system.stats().live_actors > 0 {
            yield_now().await;
        }
        assert!(spec.group().is_empty());
    });
}

#[test]
fn a_pool_stops_members_that_do_not_stop_by_themselves() {
    on_one_thread(1, |system| async move {
        let tally = Tally::default();
        let within = Duration::from_secs(2);
        let spec = Pool::<Worker>::fixed(2, tally.clone()).shutdown(within);
        let pool = pool(&system, spec.clone()).await;
        spec.group().round_robin().try_tell(Nap(Duration::from_secs(100))).unwrap();
        yield_now().await;
        let begun = tokio::time::Instant::now();
        pool.stop();
        while system.stats().live_actors > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(begun.elapsed() >= within && begun.elapsed() < within * 2);
        assert_eq!(read(&tally.stops), 1, "the other was ended where it stood");
    });
}

#[test]
fn members_are_spread_over_threads() {
    let threads = Threads::new(3);
    threads.block_on(async {
        let spec = Pool::<Worker>::elastic(3, 6, Tally::default());
        pool(&threads.system, spec.clone()).await;
        let routed = spec.group().least_loaded();
        let mut asks = Vec::new();
        for _ in 0..300 {
            asks.push(routed.ask(Add(1)).into_future());
        }
        let mut sum = 0;
        for ask in asks {
            sum = sum.max(ask.await.unwrap());
        }
        assert!(sum >= 50, "{sum}");
    });
    threads.end();
}
