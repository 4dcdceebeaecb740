//! Twenty fresh programs, one hash: five nodes of the real runtime, with QUIC, TLS, actors, faults and ordinary user code
//! that draws, reads clocks and visits hash maps.
#![expect(clippy::disallowed_methods, reason = "user code may read the wall clock, and replays")]
#![expect(clippy::iter_over_hash_type, reason = "user code may visit random maps, and replays")]

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use odeon::{Actor, ActorRef, Context, Handler, Node, NodeBuilder, StartError, actor, message};
use odeon_sim::{LinkRule, World};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[message(id = "twenty/Put", reply = u64)]
struct Put {
    key: String,
    value: u64,
}

/// Keeps what it is told in an ordinary hash map, and answers with a sum that depends on its order.
#[derive(Clone, Default)]
struct Shelf(HashMap<String, u64>);

#[actor(id = "twenty/Shelf", handles(Put))]
impl Actor for Shelf {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Put> for Shelf {
    async fn handle(&mut self, put: Put, _: &mut Context<Self>) -> u64 {
        self.0.insert(put.key, put.value);
        tokio::task::yield_now().await;
        let mut sum = 0_u64;
        for (place, value) in self.0.values().enumerate() {
            sum = sum.wrapping_mul(31).wrapping_add(*value ^ place as u64);
        }
        sum
    }
}

/// Asks the shelves of all nodes, for ever, in an order that a hash map gives.
async fn customer(node: Node) {
    let shelf = node.spawn(Shelf::default()).await.expect("it starts");
    node.register("shelf", &shelf).expect("the name is free");
    let mut shelves: HashMap<&str, ActorRef<Shelf>> = HashMap::new();
    loop {
        for name in NAMES {
            if let Ok(Some(found)) = node.on(name).lookup("shelf").await {
                shelves.insert(name, found);
            }
        }
        for shelf in shelves.values() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later");
            let key = format!("{:x}", RandomState::new().hash_one(now) % 100);
            // A node may be down: what the ask says is in the trace as its frames are.
            let _ = shelf.ask(Put { key, value: now.as_nanos() as u64 }).await;
        }
        tokio::time::sleep(SECOND / 20).await;
    }
}

#[odeon_sim::test(seeds = 7, repeat = 20, buggify = 25)]
async fn twenty_fresh_programs_are_one_run(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    for name in NAMES {
        world.start_member(name, NodeBuilder::actor::<Shelf>, customer);
    }
    world.all_joined(&NAMES, 30 * SECOND).await.expect("they find each other");
    world.set_drift("b", 300);
    world.jump_clock("c", -3_600_000_000_000);
    world.slow("d", 5);
    world.run_for(2 * SECOND).await;
    world.partition(&["a", "b"], &["c", "d", "e"]);
    world.run_for(SECOND).await;
    world.heal();
    world.crash("e");
    world.run_for(SECOND).await;
    world.restart("e");
    world.all_joined(&NAMES, 60 * SECOND).await.expect("they find each other again");
    assert!(world.trace().events() > 10_000, "{:?}", world.trace());
}
