//! Workloads of tells: to one actor, from two producers, to many actors.
//!
//! A slice ends when the last message has been handled, which the actors say through a gate.

use tokio::task::JoinSet;

use crate::{
    Outcome,
    counting::Counting,
    gate::Gate,
    system::{Mode, System, World},
    threads,
    workload::{Slices, sized},
};

/// Tells between two yields of a driver that shares its threads with the actors: fewer than the smallest of the
/// default mailboxes would hold them up for.
const BURST: u64 = 256;

/// Actors that are told in turn.
const FANOUT_ACTORS: u64 = 10_000;

/// Tells; yields after each burst.
async fn flood<S: System>(counter: S::Counter, tells: u64, burst: u64) -> Outcome<()> {
    for value in 0..tells {
        S::tell(&counter, value).await?;
        if value % burst == burst - 1 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

async fn to_one<S: System>(world: World<S>, slices: Slices, burst: u64) -> Outcome<f64> {
    let gate = Gate::new();
    let counter = world.system.counter(Counting::new(slices.operations, gate.clone())).await?;
    let slice = || async {
        gate.expect(1);
        flood::<S>(counter.clone(), slices.operations, burst).await?;
        gate.opened().await;
        Ok(())
    };
    slices.measure(world.mode, slice).await
}

pub(super) async fn tell<S: System>(world: World<S>) -> Outcome<f64> {
    match world.mode {
        Mode::St | Mode::Mt => to_one(world, Slices::new(20, 200 * BURST), BURST).await,
        Mode::Xt => to_one(world, Slices::new(5, 200_000), u64::MAX).await,
    }
}

pub(super) async fn backlog<S: System>(world: World<S>) -> Outcome<f64> {
    to_one(world, Slices::new(1, 1_000_000), u64::MAX).await
}

pub(super) async fn two_producers<S: System>(world: World<S>) -> Outcome<f64> {
    let slices = Slices::new(5, 200_000);
    let gate = Gate::new();
    let counter = world.system.counter(Counting::new(slices.operations, gate.clone())).await?;
    let slice = || async {
        gate.expect(1);
        produce(&world, &counter, slices.operations / 2).await?;
        gate.opened().await;
        Ok(())
    };
    slices.measure(world.mode, slice).await
}

/// Two producers with so many tells each: tasks of the program, or threads beside the driver's and the actor's.
async fn produce<S: System>(world: &World<S>, counter: &S::Counter, tells: u64) -> Outcome<()> {
    if world.mode == Mode::Mt {
        let mut producers = JoinSet::new();
        for _ in 0..2 {
            world.tasks.spawn(&mut producers, flood::<S>(counter.clone(), tells, BURST));
        }
        while let Some(told) = producers.join_next().await {
            told??;
        }
        return Ok(());
    }
    let flood = || flood::<S>(counter.clone(), tells, u64::MAX);
    let producers = [
        threads::start(world.cpus.clone(), flood())?,
        threads::start(world.cpus.clone(), flood())?,
    ];
    for producer in producers {
        // Only the driver waits here, and it has nothing else to do.
        producer.join().map_err(|_| "a producer panicked")??;
    }
    Ok(())
}

pub(super) async fn fanout<S: System>(world: World<S>) -> Outcome<f64> {
    let rounds = 20;
    let actors = sized(FANOUT_ACTORS) as usize;
    let slices = Slices { count: 5, operations: rounds * actors as u64 };
    let gate = Gate::new();
    let mut counters = Vec::with_capacity(actors);
    for _ in 0..actors {
        counters.push(world.system.counter(Counting::new(rounds, gate.clone())).await?);
    }
    let slice = || async {
        gate.expect(actors);
        for round in 0..rounds {
            for counter in &counters {
                S::tell(counter, round).await?;
            }
            tokio::task::yield_now().await;
        }
        gate.opened().await;
        Ok(())
    };
    slices.measure(world.mode, slice).await
}
