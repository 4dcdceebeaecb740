//! What callers and watchers are told when things go wrong on another node: panics, crashes, partitions.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, AskError, Certainty, Context, ExitKind, Handler, Node, NodeBuilder,
    StartError, SystemConfig, actor, message,
};
use odeon_sim::World;

use crate::watcher::{Ends, Watcher};

const SECOND: Duration = Duration::from_secs(1);

/// Takes this long, or panics.
#[message(id = "asks/Work", reply = u64)]
struct Work {
    millis: u64,
    panics: bool,
}

#[message(id = "asks/Stop", reply = u64)]
struct Stop;

#[message(id = "asks/Begun", reply = u64)]
struct Begun;

#[derive(Clone, Default)]
struct Worker {
    /// How often it began to work.
    begun: u64,
}

#[actor(id = "asks/Worker", handles(Work, Stop, Begun))]
impl Actor for Worker {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Work> for Worker {
    async fn handle(&mut self, work: Work, _: &mut Context<Self>) -> u64 {
        self.begun += 1;
        tokio::time::sleep(Duration::from_millis(work.millis)).await;
        assert!(!work.panics, "as it was told");
        work.millis
    }
}

impl Handler<Begun> for Worker {
    async fn handle(&mut self, _: Begun, _: &mut Context<Self>) -> u64 {
        self.begun
    }
}

impl Handler<Stop> for Worker {
    async fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) -> u64 {
        ctx.stop();
        0
    }
}

async fn work(node: Node) {
    let worker = node.spawn(Worker::default()).await.expect("it starts");
    node.register("worker", &worker).expect("the name is free");
}

/// Two nodes, and a's reference to the worker on b.
async fn two(world: &mut World) -> (Node, ActorRef<Worker>) {
    two_with(world, SystemConfig::default()).await
}

/// The same, with b's bounds.
async fn two_with(world: &mut World, config: SystemConfig) -> (Node, ActorRef<Worker>) {
    world.start_member("a", |builder| builder, work);
    let setup = move |builder: NodeBuilder| builder.actor::<Worker>().system(config.clone());
    world.start_member("b", setup, work);
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let worker =
        a.on("b").lookup::<Worker>("worker").await.expect("b answers").expect("it is registered");
    (a, worker)
}

#[odeon_sim::test(seeds = 0..3, link = both, fails = "node b panicked at sim/tests/messages/asks.rs")]
async fn a_panic_in_a_handler_fails_the_seed(world: &mut World) {
    let (_, worker) = two(world).await;
    let _ = worker.ask(Work { millis: 0, panics: true }).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn the_asker_of_a_handler_that_panics_is_told_at_once(world: &mut World) {
    world.expect_panics("asks.rs", "as it was told");
    let (_, worker) = two(world).await;
    let asked = world.now();
    let error = worker.ask(Work { millis: 0, panics: true }).await.expect_err("it panicked");
    assert!(matches!(error, AskError::Panicked(_)), "{error}");
    assert_eq!(error.certainty(), Certainty::Ran);
    assert!(world.now() - asked < SECOND / 10);
    assert_eq!(world.panics(), 1);
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_ask_in_flight_to_a_crashed_node_may_have_run(world: &mut World) {
    let (_, worker) = two(world).await;
    let ask =
        tokio::task::spawn_local(
            async move { worker.ask(Work { millis: 2000, panics: false }).await },
        );
    world.run_for(SECOND / 10).await;
    world.crash("b");
    let crashed = world.now();
    let error = ask.await.expect("it does not panic").expect_err("b is gone");
    assert_eq!(error.certainty(), Certainty::MayHaveRun, "{error}");
    assert!(
        world.now() - crashed <= SECOND / 2,
        "as soon as the crash is seen: {:?}",
        world.now() - crashed
    );
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_ask_into_a_partition_ends_at_its_deadline_or_before(world: &mut World) {
    let (_, worker) = two(world).await;
    world.partition(&["a"], &["b"]);
    let asked = world.now();
    let error = worker
        .ask(Work { millis: 0, panics: false })
        .within(SECOND)
        .await
        .expect_err("b is cut off");
    assert_eq!(error.certainty(), Certainty::MayHaveRun, "{error}");
    assert!(world.now() - asked <= SECOND + SECOND / 100);
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_queued_ask_whose_asker_gave_up_does_not_run(world: &mut World) {
    let (_, worker) = two(world).await;
    let slow = worker.clone();
    let slow =
        tokio::task::spawn_local(
            async move { slow.ask(Work { millis: 1000, panics: false }).await },
        );
    world.run_for(SECOND / 10).await;
    let mut queued = (0..3)
        .map(|_| Box::pin(worker.ask(Work { millis: 1, panics: false }).into_future()))
        .collect::<Vec<_>>();
    for ask in &mut queued {
        let answer = tokio::time::timeout(SECOND / 10, ask).await;
        assert!(answer.is_err(), "the slow one is before it");
    }
    // The one in the middle is still wanted.
    let wanted = queued.remove(1);
    drop(queued);
    assert_eq!(wanted.await.expect("its turn comes"), 1);
    assert_eq!(slow.await.expect("it does not panic").expect("it was before all others"), 1000);
    assert_eq!(worker.ask(Begun).await.expect("it is idle"), 2);
    let skipped = world.runtime_node("b").expect("it is up").stats().skipped;
    assert_eq!(skipped, 2);
}

async fn ends(watcher: &ActorRef<Watcher<Worker>>) -> Vec<ExitKind> {
    watcher.ask(Ends).await.expect("it is on this node")
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_watcher_is_told_once_that_the_node_is_lost(world: &mut World) {
    let (a, worker) = two(world).await;
    let watcher = a.spawn_with::<Watcher<_>>(worker).await.expect("it starts");
    world.run_for(SECOND).await;
    assert_eq!(ends(&watcher).await, []);
    world.crash("b");
    world.run_for(SECOND / 2).await;
    assert_eq!(ends(&watcher).await, [ExitKind::NodeLost]);
    world.restart("b");
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("b comes back");
    world.run_for(SECOND).await;
    assert_eq!(ends(&watcher).await.len(), 1);
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_watcher_is_told_once_that_the_actor_stopped(world: &mut World) {
    let (a, worker) = two(world).await;
    let watcher = a.spawn_with::<Watcher<_>>(worker.clone()).await.expect("it starts");
    world.run_for(SECOND / 10).await;
    worker.ask(Stop).await.expect("it is told to");
    world.run_for(SECOND / 10).await;
    assert_eq!(ends(&watcher).await, [ExitKind::Stopped]);
    world.crash("b");
    world.run_for(SECOND).await;
    assert_eq!(ends(&watcher).await.len(), 1);
}

/// It was told that the actor had been killed, which lived on.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_watcher_beyond_the_bound_is_told_that_its_watch_was_refused(world: &mut World) {
    let mut config = SystemConfig::default();
    config.peer_watches_max = 1;
    let (a, worker) = two_with(world, config).await;
    let watch = async || a.spawn_with::<Watcher<_>>(worker.clone()).await.expect("it starts");
    let first = watch().await;
    world.run_for(SECOND / 10).await;
    let second = watch().await;
    world.run_for(SECOND / 10).await;
    assert_eq!(ends(&second).await, [ExitKind::WatchRefused]);
    first.stop();
    world.run_for(SECOND / 10).await;
    let third = watch().await;
    world.run_for(SECOND / 10).await;
    assert_eq!(ends(&third).await, [], "there was room again");
    worker.ask(Stop).await.expect("it lives");
    world.run_for(SECOND / 10).await;
    assert_eq!(ends(&third).await, [ExitKind::Stopped]);
    assert_eq!(ends(&second).await, [ExitKind::WatchRefused]);
}
