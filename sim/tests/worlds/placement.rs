//! Where actors run in a simulation: every placement is a worker on the one thread, and the run replays.

use std::time::Duration;

use odeon::{Actor, Context, Handler, NodeBuilder, Placement, SpawnOptions, StartError, message};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);

#[message(local, reply = u64)]
struct Add(u64);

#[derive(Clone, Default)]
struct Sum(u64);

impl Actor for Sum {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Add> for Sum {
    async fn handle(&mut self, add: Add, _: &mut Context<Self>) -> u64 {
        tokio::time::sleep(SECOND / 100).await;
        self.0 += add.0;
        self.0
    }
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_blocking_actor_is_a_worker_like_others(world: &mut World) {
    world.start_node("a", NodeBuilder::alone, async |_| ());
    world.run_for(SECOND).await;
    let node = world.runtime_node("a").expect("it is up");
    let placements =
        [Placement::Endpoint, Placement::LeastLoaded, Placement::Blocking, Placement::Stealing];
    let mut actors = Vec::new();
    for placement in placements {
        let options = SpawnOptions::default().placement(placement);
        actors.push(node.spawn_opts::<Sum>(Sum(1), options).await.expect("it starts"));
    }
    for sum in 2..5 {
        for actor in &actors {
            assert_eq!(actor.ask(Add(1)).await.expect("it lives"), sum);
        }
    }
    world.crash("a");
    for actor in actors {
        actor.ask(Add(1)).await.expect_err("it is gone");
    }
    let stats = node.stats();
    assert_eq!((stats.live_actors, stats.blocked), (0, 0));
}
