//! A name on another node, followed through everything that can happen to it: it is freed and taken again, its node
//! crashes and comes back, on a network that loses, repeats and reorders.

use std::time::Duration;

use odeon::{Actor, ActorRef, Context, Handler, Node, NodeBuilder, StartError, actor, message};
use odeon_sim::{LinkRule, World};

const SECOND: Duration = Duration::from_secs(1);

#[message(id = "sim/WhichLife", reply = u64)]
struct WhichLife;

/// Knows in which life of its node it was started.
#[derive(Clone)]
struct Holder {
    life: u64,
}

#[actor(id = "sim/Holder", handles(WhichLife))]
impl Actor for Holder {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<WhichLife> for Holder {
    async fn handle(&mut self, _: WhichLife, _: &mut Context<Self>) -> u64 {
        self.life
    }
}

async fn hold(node: Node) {
    let life = node.incarnation().0;
    let holder = node.spawn(Holder { life }).await.expect("a holder starts");
    node.register("name", &holder).expect("the name is free");
}

fn node(world: &mut World, name: &'static str) {
    let main = move |node: Node| async move {
        if name == "b" {
            hold(node).await;
        }
    };
    world.start_member(name, NodeBuilder::actor::<Holder>, main);
}

async fn life(holder: &ActorRef<Holder>) -> u64 {
    loop {
        // On this network an answer may be lost with its connection; asking again does no harm.
        if let Ok(life) = holder.ask(WhichLife).await {
            return life;
        }
    }
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_followed_name_survives_its_node(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    ["a", "b"].into_iter().for_each(|name| node(world, name));
    world.all_joined(&["a", "b"], 20 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let mut name = a.on("b").follow::<Holder>("name").await.expect("a runs");
    let first = name.held().await.expect("a runs");
    let b = world.runtime_node("b").expect("it is up");
    let before = life(&first).await;
    assert_eq!(before, b.incarnation().0);

    first.stop();
    world.run_for(SECOND).await;
    if let Some(here) = b.lookup::<Holder>("name") {
        here.stop();
    }
    while name.current().is_some() {
        name.changed().await;
    }
    let second = b.spawn(Holder { life: 7 }).await.expect("a holder starts");
    b.register("name", &second).expect("the name was freed");
    assert_eq!(life(&name.held().await.expect("a runs")).await, 7);

    world.crash("b");
    while name.current().is_some() {
        name.changed().await;
    }
    world.run_for(SECOND).await;
    world.restart("b");
    let last = name.held().await.expect("a runs");
    assert!(life(&last).await > before, "the holder of b's later life");
}
