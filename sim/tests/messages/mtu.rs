//! Paths that carry less than is tried, and that come to carry more or less while nodes talk: the largest packets follow,
//! and no ask is lost by it.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, Context, Handler, Node, NodeBuilder, PathMetrics, StartError, TransportConfig,
    actor, message,
};
use odeon_sim::{LinkRule, World};

const SECOND: Duration = Duration::from_secs(1);

/// Answered with as much.
#[message(id = "mtu/Echo", reply = Vec<u8>)]
struct Echo {
    bytes: Vec<u8>,
}

#[derive(Clone)]
struct Mirror;

#[actor(id = "mtu/Mirror", handles(Echo))]
impl Actor for Mirror {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Echo> for Mirror {
    async fn handle(&mut self, echo: Echo, _: &mut Context<Self>) -> Vec<u8> {
        echo.bytes
    }
}

async fn mirror(node: Node) {
    let mirror = node.spawn(Mirror).await.expect("it starts");
    node.register("mirror", &mirror).expect("the name is free");
}

fn carries(world: &World, datagram_bytes_max: u16) {
    world.set_link("a", "b", LinkRule { datagram_bytes_max, in_order: true, ..LinkRule::lan() });
}

fn path(world: &World, at: &str, of: &str) -> PathMetrics {
    let node = world.runtime_node(at).expect("it is up");
    let metrics = node.network_metrics();
    metrics.of(of).and_then(|peer| peer.path).expect("they are connected")
}

/// Asks whose packets are full, both ways, for so long; each is answered.
async fn talk(world: &mut World, mirror: &ActorRef<Mirror>, time: Duration) {
    let until = world.now() + time;
    while world.now() < until {
        let bytes = vec![7; 30_000];
        let answer = mirror.ask(Echo { bytes }).within(20 * SECOND).await;
        assert_eq!(answer.map(|bytes| bytes.len()), Ok(30_000));
        world.run_for(SECOND / 4).await;
    }
}

#[odeon_sim::test(seeds = 0..4)]
async fn packets_are_as_large_as_the_path_carries_them(world: &mut World) {
    let transport = TransportConfig {
        mtu_search_pause: 5 * SECOND,
        mtu_black_hole_pause: 5 * SECOND,
        ..TransportConfig::default()
    };
    for name in ["a", "b"] {
        let transport = transport.clone();
        let setup =
            move |builder: NodeBuilder| builder.actor::<Mirror>().transport(transport.clone());
        world.start_member(name, setup, mirror);
    }
    carries(world, 1_300);
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let found = a.on("b").lookup::<Mirror>("mirror").await.expect("it answers");
    let mirror = found.expect("it is registered");
    let both = |world: &World| [path(world, "a", "b"), path(world, "b", "a")];
    // A search ends within twenty bytes of what the path carries.
    let fits =
        |carried: u16| move |path: &PathMetrics| (carried - 25..=carried).contains(&path.mtu);

    talk(world, &mirror, 10 * SECOND).await;
    assert!(both(world).iter().all(fits(1_300)), "{:?}", both(world));
    // The path has become better, and that is found by looking again.
    carries(world, 1_472);
    talk(world, &mirror, 20 * SECOND).await;
    assert!(both(world).iter().all(fits(1_472)), "{:?}", both(world));
    let before = both(world);
    assert!(before.iter().all(|path| path.black_holes == 0), "{before:?}");
    // And worse: packets that were carried vanish without a word, while small ones arrive.
    carries(world, 1_230);
    talk(world, &mirror, 30 * SECOND).await;
    let after = both(world);
    assert!(after.iter().all(|path| path.black_holes > 0 && path.mtu <= 1_230), "{after:?}");
    let connections = a.network_metrics().of("b").map(|peer| peer.connections);
    assert_eq!(connections, Some(1), "that ends no connection");
}
