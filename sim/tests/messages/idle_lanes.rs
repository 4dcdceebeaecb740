//! What is sent where nothing waits is sent at once: no timer gathers it. Over a link whose latency is fixed a message takes
//! that and nothing more, on either link.

use std::time::Duration;

use odeon::{ActorRef, NodeBuilder, PeerMetrics};
use odeon_sim::{Latency, LinkRule, World};

use crate::counter::{Count, Counter, One, counter, counting};

const SECOND: Duration = Duration::from_secs(1);
const LATENCY: Duration = Duration::from_millis(3);

/// The counter of b as a has it, over a link of this latency, in a world that defers nothing.
async fn counter_of_b(world: &mut World) -> ActorRef<Counter> {
    world.set_buggify(0);
    let latency = Latency::Constant(LATENCY);
    world.set_default_link(LinkRule { latency, in_order: true, ..LinkRule::lan() });
    for name in ["a", "b"] {
        world.start_member(name, NodeBuilder::actor::<Counter>, counting);
    }
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let counter = counter(world, "a", "b").await;
    world.run_for(2 * SECOND).await;
    counter
}

fn to_b(world: &World) -> PeerMetrics {
    let a = world.runtime_node("a").expect("it is up");
    a.network_metrics().of("b").expect("they have met").clone()
}

/// At three of these seeds gossip leaves in the same moment as an ask, which came a millisecond later for it.
#[odeon_sim::test(seeds = 1000..1005, link = both)]
async fn an_ask_over_idle_lanes_takes_two_latencies_and_nothing_more(world: &mut World) {
    let counter = counter_of_b(world).await;
    for round in 0..20_u64 {
        let asked = world.now();
        assert_eq!(counter.ask(Count).await, Ok(0));
        assert_eq!(world.now() - asked, 2 * LATENCY, "round {round}");
        world.run_for(Duration::from_millis(101 + 7 * round)).await;
    }
}

/// The frames of a simulation are written one by one, on the stack of whoever sends them; QUIC is given a batch.
#[odeon_sim::test(seeds = 0..5)]
async fn tells_in_one_breath_are_one_write(world: &mut World) {
    let counter = counter_of_b(world).await;
    let batches =
        |world: &World| to_b(world).lanes.iter().map(|lane| lane.stream.batches_sent).sum();
    let before: u64 = batches(world);
    for _ in 0..100 {
        counter.try_tell(One).expect("there is room");
    }
    world.run_for(LATENCY).await;
    assert_eq!(batches(world) - before, 1, "{}", to_b(world));
    assert_eq!(counter.ask(Count).await, Ok(100));
}
