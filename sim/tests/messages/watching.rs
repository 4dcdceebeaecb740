//! Watches over a link that comes and goes, of actors that stop, panic, are killed, or are lost with their node: each
//! watcher is told of each end exactly once.

use std::time::Duration;

use odeon::{
    Actor, ActorIdentity, ActorRef, Context, ExitKind, Handler, Node, NodeBuilder, StartError,
    Terminated, actor, message,
};
use odeon_check::{Exit, Recorder, WatchOnce, What};
use odeon_sim::{LinkRule, Stream, World};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

const WATCHERS: u64 = 4;
const TARGETS: u64 = 12;

#[message(local)]
struct Panic;

#[message(local)]
struct Stop;

/// Ends as it is told.
#[derive(Clone)]
struct Target;

#[actor(id = "watching/Target", handles())]
impl Actor for Target {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Panic> for Target {
    async fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("as it was told");
    }
}

impl Handler<Stop> for Target {
    async fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

#[message(local)]
struct Watch {
    target: ActorRef<Target>,
    name: String,
}

#[message(local)]
struct Unwatch {
    target: ActorRef<Target>,
}

/// Writes down what it watches and is told.
struct Watcher {
    name: String,
    recorder: Recorder,
    watches: Vec<ActorIdentity>,
}

impl Actor for Watcher {
    type Args = (String, Recorder);

    async fn start(
        (name, recorder): Self::Args,
        _: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        Ok(Self { name, recorder, watches: Vec::new() })
    }

    async fn terminated(&mut self, terminated: Terminated, _: &mut Context<Self>) {
        let exit = match terminated.reason.kind() {
            ExitKind::Stopped => Exit::Normal,
            ExitKind::NodeLost => Exit::NodeLost,
            // It had ended before, and nobody knows how any more.
            ExitKind::NoActor => Exit::Ordered,
            _ => Exit::Failed,
        };
        let watch = self.watches.iter().position(|it| *it == terminated.who);
        let watch = watch.map_or(u64::MAX, |at| at as u64);
        self.recorder.record(What::Told { watcher: self.name.as_str().into(), watch, exit });
    }
}

impl Handler<Watch> for Watcher {
    async fn handle(&mut self, watch: Watch, ctx: &mut Context<Self>) {
        let number = self.watches.len() as u64;
        self.watches.push(watch.target.identity());
        let (watcher, target) = (self.name.as_str().into(), watch.name.into());
        self.recorder.record(What::Watched { watcher, target, watch: number });
        ctx.watch(&watch.target);
    }
}

impl Handler<Unwatch> for Watcher {
    async fn handle(&mut self, unwatch: Unwatch, ctx: &mut Context<Self>) {
        let Some(at) = self.watches.iter().position(|it| *it == unwatch.target.identity()) else {
            return;
        };
        ctx.unwatch(&unwatch.target);
        let watcher = self.name.as_str().into();
        self.recorder.record(What::Unwatched { watcher, watch: at as u64 });
    }
}

async fn targets(node: Node) {
    for number in 0..TARGETS {
        let target = node.spawn(Target).await.expect("it starts");
        node.register(&format!("target {number}"), &target).expect("the name is free");
    }
}

/// Two nodes with targets on b, and watchers on a of all of them.
async fn watch_all(world: &mut World) -> Vec<ActorRef<Watcher>> {
    world.start_member("a", NodeBuilder::actor::<Target>, async |_| ());
    world.start_member("b", NodeBuilder::actor::<Target>, targets);
    world.all_joined(&["a", "b"], 20 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let mut watchers = Vec::new();
    for number in 0..WATCHERS {
        let args = (format!("w{number}"), world.history().clone());
        let watcher = a.spawn_with::<Watcher>(args).await.expect("it starts");
        for target in 0..TARGETS {
            let name = format!("target {target}");
            let target = remote(&a, &name).await;
            watcher.tell(Watch { target, name }).await.expect("it lives");
        }
        watchers.push(watcher);
    }
    watchers
}

async fn remote(a: &Node, name: &str) -> ActorRef<Target> {
    loop {
        if let Ok(Some(target)) = a.on("b").lookup(name).await {
            return target;
        }
    }
}

/// Ends one target in one of three ways; the history hears of it before.
fn end(world: &World, name: &str, random: &Stream) {
    let node = world.runtime_node("b").expect("it is up");
    let Some(target) = node.lookup::<Target>(name) else { return };
    let ended = |exit| {
        world.history().record(What::Ended { party: name.into(), exit });
    };
    match random.below(3) {
        0 => {
            ended(Exit::Normal);
            target.try_tell(Stop).expect("there is room");
        }
        1 => {
            ended(Exit::Failed);
            target.try_tell(Panic).expect("there is room");
        }
        _ => {
            ended(Exit::Failed);
            target.kill();
        }
    }
}

/// The link fails for shorter and longer than it takes to hold the other node for dead.
async fn flap(world: &World, random: &Stream) {
    match random.below(4) {
        0 => world.cut("a", "b"),
        1 => world.cut("b", "a"),
        _ => world.partition(&["a"], &["b"]),
    }
    world.run_for(random.below(if random.below(3) == 0 { 8000 } else { 500 }) as u32 * MILLI).await;
    world.heal();
    world.run_for(random.below(600) as u32 * MILLI).await;
}

#[odeon_sim::test(seeds = 0..20)]
async fn each_watcher_is_told_once_over_a_link_that_flaps(world: &mut World) {
    world.expect_panics("watching.rs", "as it was told");
    world.check_leaks();
    world.check_at_end(WatchOnce::within(30 * SECOND));
    world.set_default_link(LinkRule::rough());
    let watchers = watch_all(world).await;
    let random = world.random("flaps");
    for round in 0..TARGETS - 2 {
        let target = format!("target {round}");
        if random.below(4) == 0 {
            let a = world.runtime_node("a").expect("it is up");
            if let Ok(Some(target)) = a.on("b").lookup::<Target>(&target).await {
                let watcher = &watchers[random.below(WATCHERS) as usize];
                watcher.tell(Unwatch { target }).await.expect("it lives");
            }
        }
        if random.below(2) == 0 {
            end(world, &target, &random);
            flap(world, &random).await;
        } else {
            flap(world, &random).await;
            end(world, &target, &random);
        }
    }
    world.run_for(SECOND).await;
    for last in TARGETS - 2..TARGETS {
        let party = format!("target {last}").into();
        world.history().record(What::Ended { party, exit: Exit::NodeLost });
    }
    world.crash("b");
    world.run_for(60 * SECOND).await;
    let history = world.history().history();
    let told = history.events().iter().filter(|it| matches!(it.what, What::Told { .. })).count();
    assert!(told as u64 >= WATCHERS * TARGETS - 12, "{told} were told");
}
