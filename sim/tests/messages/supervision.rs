//! A supervised actor asked from another node: it panics, its supervisor gives up and is started again, its pauses are
//! drawn at random, and the reference and the name on the other node go on meaning it.

use std::{convert::Infallible, time::Duration};

use odeon::{
    Actor, ActorRef, AskError, Backoff, ChildSpec, Context, Handler, Node, NodeBuilder, Restart,
    SpawnOptions, StartError, Supervisor, SupervisorSpec, actor, message,
};
use odeon_sim::{NODE_PORT, World};

const SECOND: Duration = Duration::from_secs(1);

/// Panics, or answers with the number of the actor's lives so far.
#[message(id = "sim/Touch", reply = u32)]
struct Touch {
    panics: bool,
}

#[derive(Clone)]
struct Fragile;

#[actor(id = "sim/Fragile", handles(Touch))]
impl Actor for Fragile {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Touch> for Fragile {
    async fn handle(&mut self, touch: Touch, ctx: &mut Context<Self>) -> u32 {
        assert!(!touch.panics, "touched");
        ctx.restarts()
    }
}

/// Two restarts a minute of the child, then one of its supervisor.
async fn tree(node: Node) {
    let backoff = Backoff::exponential(SECOND / 10, SECOND).jitter(50);
    let child = ChildSpec::new::<Fragile>("fragile", Fragile)
        .restart(Restart::Transient)
        .backoff(backoff)
        .options(SpawnOptions::default().named("fragile"));
    let inner = SupervisorSpec::one_for_all().intensity(2, 60 * SECOND).child(child);
    let inner = ChildSpec::new::<Supervisor>("inner", inner);
    let outer = SupervisorSpec::one_for_one().intensity(100, 60 * SECOND).child(inner);
    node.spawn_with::<Supervisor>(outer).await.expect("the tree starts");
}

fn node(world: &mut World, name: &'static str) {
    let setup = move |builder: NodeBuilder| {
        let builder = builder.actor::<Fragile>();
        if name == "a" { builder.alone() } else { builder.seed(format!("a:{NODE_PORT}")) }
    };
    let main = move |node: Node| async move {
        if name == "b" {
            tree(node).await;
        }
    };
    world.start_node(name, setup, main);
}

/// Lets it panic, and says how long it took until it answered again and what.
async fn touch(
    world: &World,
    fragile: &ActorRef<Fragile>,
) -> (Duration, Result<u32, AskError<Infallible>>) {
    let panicked = fragile.ask(Touch { panics: true }).await;
    assert!(matches!(panicked, Err(AskError::Panicked(_))), "{panicked:?}");
    let begun = world.now();
    let answer = fragile.ask(Touch { panics: false }).await;
    (world.now() - begun, answer)
}

#[odeon_sim::test(seeds = 0..5, link = both, repeat = 2)]
async fn a_reference_from_afar_survives_restarts_and_a_name_even_its_supervisors(
    world: &mut World,
) {
    world.expect_panics("supervision.rs", "touched");
    ["a", "b"].into_iter().for_each(|name| node(world, name));
    world.all_joined(&["a", "b"], 20 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let mut name = a.on("b").follow::<Fragile>("fragile").await.expect("a runs");
    let first = name.held().await.expect("a runs");
    let mut pauses = Vec::new();
    for restarts in 1..=2_u64 {
        let (pause, answer) = touch(world, &first).await;
        assert_eq!(answer.ok(), u32::try_from(restarts).ok(), "the same actor");
        pauses.push(pause);
    }
    for (pause, full) in pauses.iter().zip([100, 200]) {
        let millis = pause.as_millis();
        assert!(millis >= full / 2 && millis < full + 20, "{pauses:?}");
    }
    // Once more is once too often: a new supervisor, a new child, the old name.
    let (_, gone) = touch(world, &first).await;
    assert!(matches!(gone, Err(AskError::Stopped(_))), "{gone:?}");
    let restarts = loop {
        // The news of the new holder may still be on its way.
        let holder = name.held().await.expect("a runs");
        if let Ok(restarts) = holder.ask(Touch { panics: false }).await {
            break restarts;
        }
        world.run_for(SECOND / 10).await;
    };
    assert_eq!(restarts, 0);
    let b = world.runtime_node("b").expect("it is up");
    let tree = b.tree().await.to_string();
    assert!(tree.contains("inner: ") && tree.contains(", 1 restart"), "{tree}");
    assert!(tree.contains("fragile: sim/Fragile") && tree.contains("\"fragile\""), "{tree}");
}
