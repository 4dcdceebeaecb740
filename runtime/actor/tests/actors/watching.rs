//! Watching: exactly one `Terminated` for each watch, on this node and over the network.

use std::sync::{Arc, Mutex};

use odeon_message::{ActorKey, Incarnation, NodeId, message};
use tokio::task::yield_now;

use crate::{
    desk::settle,
    fixture::{
        Add, Boom, Leave, Tally, Threads, Worker, block_on_plain, in_world, on_one_thread,
        on_one_thread_with, read, spawn_thread,
    },
    network::{Pay, Till, pair},
    odeon::{
        Actor, ActorIdentity, ActorRef, ActorSystem, ChildSpec, Context, ExitKind, ExitReason,
        Handler, NetworkWatcher, SpawnOptions, StartError, Supervisor, SupervisorSpec,
        SystemConfig, Terminated, TerminatedSink, WatchId,
    },
};

type News = Arc<Mutex<Vec<Terminated>>>;

/// Watches whom it is told to.
struct Guard(News);

impl Actor for Guard {
    type Args = News;

    async fn start(news: News, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(news))
    }

    async fn terminated(&mut self, terminated: Terminated, _: &mut Context<Self>) {
        yield_now().await;
        self.0.lock().unwrap().push(terminated);
    }
}

#[message(local, crate = crate::odeon)]
enum Watch {
    Worker(ActorRef<Worker>),
    Till(ActorRef<Till>),
    Not(ActorRef<Worker>),
    NotTill(ActorRef<Till>),
}

impl Handler<Watch> for Guard {
    async fn handle(&mut self, message: Watch, ctx: &mut Context<Self>) {
        match message {
            Watch::Worker(actor) => ctx.watch(&actor),
            Watch::Till(actor) => ctx.watch(&actor),
            Watch::Not(actor) => ctx.unwatch(&actor),
            Watch::NotTill(actor) => ctx.unwatch(&actor),
        }
    }
}

#[message(local, crate = crate::odeon)]
struct Crash;

impl Handler<Crash> for Guard {
    async fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("guard");
    }
}

async fn guard(system: &ActorSystem) -> (ActorRef<Guard>, News) {
    guard_with(system, SpawnOptions::default()).await
}

async fn guard_with(system: &ActorSystem, options: SpawnOptions) -> (ActorRef<Guard>, News) {
    let news = News::default();
    let guard = system.spawn::<Guard>(news.clone(), options).await.unwrap();
    (guard, news)
}

async fn worker(system: &ActorSystem) -> ActorRef<Worker> {
    system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await.unwrap()
}

fn kinds(news: &News) -> Vec<(ActorIdentity, ExitKind)> {
    news.lock().unwrap().iter().map(|t| (t.who, t.reason.kind())).collect()
}

#[test]
fn each_end_is_told_once_with_its_reason() {
    on_one_thread(2, |system| async move {
        let (guard, news) = guard(&system).await;
        let mut expected = Vec::new();
        for kind in [ExitKind::Stopped, ExitKind::Failed, ExitKind::Panicked] {
            let worker = worker(&system).await;
            for _ in 0..3 {
                guard.tell(Watch::Worker(worker.clone())).await.unwrap();
            }
            settle().await;
            assert_eq!(kinds(&news), expected);
            match kind {
                ExitKind::Stopped => worker.tell(Leave::Stop).await.unwrap(),
                ExitKind::Failed => worker.tell(Leave::Fail).await.unwrap(),
                _ => worker.tell(Boom { later: true }).await.unwrap(),
            }
            settle().await;
            expected.push((worker.identity(), kind));
            assert_eq!(kinds(&news), expected);
            // One who is gone already is reported at once, and again if it is watched again.
            guard.tell(Watch::Worker(worker.clone())).await.unwrap();
            settle().await;
            expected.push((worker.identity(), kind));
            assert_eq!(kinds(&news), expected);
        }
        assert!(news.lock().unwrap()[4].reason.detail().contains("boom"));
    });
}

#[test]
fn a_watch_taken_back_is_silent() {
    on_one_thread(1, |system| async move {
        let (guard, news) = guard(&system).await;
        let worker = worker(&system).await;
        guard.tell(Watch::Worker(worker.clone())).await.unwrap();
        guard.tell(Watch::Not(worker.clone())).await.unwrap();
        settle().await;
        worker.stop();
        settle().await;
        assert!(news.lock().unwrap().is_empty());
    });
}

#[test]
fn a_restart_is_no_end_and_forgets_what_the_old_life_watched() {
    on_one_thread(1, |system| async move {
        let news = News::default();
        let tally = Tally::default();
        let spec = SupervisorSpec::one_for_one()
            .intensity(10, std::time::Duration::from_secs(5))
            .child(ChildSpec::new::<Worker>("worker", tally.clone()))
            .child(ChildSpec::new::<Guard>("guard", news.clone()));
        let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
        let worker = supervisor.child::<Worker>("worker").await.unwrap();
        let guard = supervisor.child::<Guard>("guard").await.unwrap();
        guard.tell(Watch::Worker(worker.clone())).await.unwrap();
        worker.ask(Boom { later: false }).await.unwrap_err();
        assert_eq!(worker.ask(Add(1)).await.unwrap(), 1);
        settle().await;
        assert!(news.lock().unwrap().is_empty());
        let other = self::worker(&system).await;
        guard.tell(Watch::Worker(other.clone())).await.unwrap();
        guard.ask(Crash).await.unwrap_err();
        other.stop();
        settle().await;
        assert!(news.lock().unwrap().is_empty());
    });
}

#[test]
fn a_watch_that_races_the_end_is_told_exactly_once() {
    let threads = Threads::new(2);
    for round in 0..200 {
        let (guard, news) = threads.block_on(guard(&threads.system));
        let worker = threads.block_on(worker(&threads.system));
        let (watched, ended) = (worker.clone(), worker.clone());
        let watching = guard.clone();
        let watcher = spawn_thread(move || {
            block_on_plain(watching.tell(Watch::Worker(watched))).unwrap();
        });
        if round % 2 == 0 {
            std::thread::yield_now();
        }
        ended.stop();
        watcher.join().unwrap();
        while news.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        threads.block_on(guard.ask(Watch::Not(worker.clone())).into_future()).unwrap();
        assert_eq!(kinds(&news), [(worker.identity(), ExitKind::Stopped)]);
        guard.stop();
    }
    threads.end();
}

#[test]
fn ends_on_another_node_are_told_once() {
    in_world(|| async {
        let pair = pair(16).await;
        let (guard, news) = guard(&pair.a).await;
        guard.tell(Watch::Till(pair.far.clone())).await.unwrap();
        settle().await;
        assert_eq!(pair.a.remote_watches(pair.b.node(), Incarnation(1)).len(), 1);
        pair.till.stop();
        settle().await;
        let who = pair.far.identity();
        assert_eq!(kinds(&news), [(who, ExitKind::Stopped)]);
        assert!(pair.a.remote_watches(pair.b.node(), Incarnation(1)).is_empty());
        guard.tell(Watch::Till(pair.far.clone())).await.unwrap();
        settle().await;
        assert_eq!(kinds(&news)[1], (who, ExitKind::NoActor));
        drop(guard);
        pair.end().await;
    });
}

/// Counts what it is told of one watch.
#[derive(Default)]
struct Heard(Mutex<Vec<WatchId>>);

impl TerminatedSink for Heard {
    fn terminated(&self, watch: WatchId, _: ActorKey, _: &ExitReason) {
        self.0.lock().unwrap().push(watch);
    }
}

#[test]
fn watches_of_other_nodes_are_bounded_for_each_actor_and_each_node() {
    let mut config = SystemConfig::default();
    (config.network_watches_max, config.peer_watches_max) = (3, 4);
    on_one_thread_with(config, 1, |system| async move {
        system.declare::<Till>().unwrap();
        let till = async || system.spawn::<Till>((), SpawnOptions::default()).await.unwrap();
        let [one, other] = [till().await, till().await];
        let heard = Arc::new(Heard::default());
        let watch = |actor: &ActorRef<Till>, node, watch| {
            let incarnation = Incarnation(1);
            let watcher = NetworkWatcher { node: NodeId(node), incarnation, watch: WatchId(watch) };
            system.watch_from_network(actor.address().unwrap().key, watcher, heard.clone())
        };
        for number in 1..=3 {
            watch(&one, 1, number).unwrap();
        }
        watch(&one, 1, 2).expect("it has this one already");
        let refused = watch(&one, 2, 1).unwrap_err();
        assert!(refused.detail.contains("3 times"), "{refused}");
        watch(&other, 1, 4).unwrap();
        let refused = watch(&other, 1, 5).unwrap_err();
        assert!(refused.detail.contains("4 watches"), "{refused}");
        watch(&other, 1, 4).expect("it has this one already");
        watch(&other, 2, 1).expect("another node has its own bound");
        one.stop();
        settle().await;
        assert_eq!(*heard.0.lock().unwrap(), [1, 2, 3].map(WatchId), "once each, in order");
        watch(&other, 1, 5).expect("the end of one actor made room at another");
        system.node_lost(NodeId(1), Incarnation(1));
        other.stop();
        settle().await;
        assert_eq!(heard.0.lock().unwrap()[3..], [WatchId(1)], "node 1 is lost, node 2 is told");
    });
}

#[test]
fn a_lost_node_ends_all_watches_of_its_actors() {
    in_world(|| async {
        let pair = pair(16).await;
        let (guard, news) = guard(&pair.a).await;
        let second = pair.b.spawn::<Till>((), SpawnOptions::default()).await.unwrap();
        let far = ActorRef::<Till>::from_address(&pair.a, second.address().unwrap());
        let third = pair.b.spawn::<Till>((), SpawnOptions::default()).await.unwrap();
        let unwatched = ActorRef::<Till>::from_address(&pair.a, third.address().unwrap());
        for actor in [&pair.far, &far, &unwatched] {
            guard.tell(Watch::Till(actor.clone())).await.unwrap();
        }
        guard.tell(Watch::NotTill(unwatched.clone())).await.unwrap();
        settle().await;
        pair.net.set_down(true);
        assert!(pair.far.try_tell(Pay { cents: 1 }).is_err());
        pair.a.node_lost(pair.b.node(), Incarnation(2));
        settle().await;
        assert!(news.lock().unwrap().is_empty(), "another life of the node");
        pair.a.node_lost(pair.b.node(), Incarnation(1));
        pair.a.node_lost(pair.b.node(), Incarnation(1));
        // Known to be lost: told at once.
        guard.tell(Watch::Till(unwatched.clone())).await.unwrap();
        settle().await;
        let lost = |actor: &ActorRef<Till>| (actor.identity(), ExitKind::NodeLost);
        assert_eq!(kinds(&news), [lost(&pair.far), lost(&far), lost(&unwatched)]);
        // The other side forgets who watched from here.
        pair.b.node_lost(pair.a.node(), Incarnation(1));
        second.stop();
        settle().await;
        pair.net.set_down(false);
        assert_eq!(kinds(&news).len(), 3);
        drop((guard, second, far, third, unwatched));
        pair.end().await;
    });
}

#[test]
fn news_comes_before_queued_messages() {
    // However urgent they are, and however full the mailbox is.
    for options in [SpawnOptions::default(), SpawnOptions::default().mailbox(8).priorities(2)] {
        on_one_thread(1, |system| async move {
            let (guard, news) = guard_with(&system, options).await;
            let tally = Tally::default();
            let worker = system.spawn::<Worker>(tally.clone(), SpawnOptions::default()).await;
            let worker = worker.unwrap();
            guard.ask(Watch::Worker(worker.clone())).await.unwrap();
            worker.stop();
            while read(&tally.drops) == 0 {
                yield_now().await;
            }
            for _ in 0..8 {
                guard.tell(Watch::Not(worker.clone())).priority(1).await.unwrap();
            }
            settle().await;
            assert_eq!(news.lock().unwrap().len(), 1);
        });
    }
}
