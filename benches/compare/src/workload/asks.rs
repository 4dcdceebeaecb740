//! Workloads of asks: one after the other from a task or from an actor, and many at once.

use tokio::task::JoinSet;

use crate::{
    Outcome,
    counting::Counting,
    gate::Gate,
    system::{Mode, System, World, ask_often},
    workload::{Slices, sized},
};

/// Tasks that ask at the same time.
const ASKERS: u64 = 64;

/// Fewer where each ask may wake a thread.
fn slices(mode: Mode) -> Slices {
    let operations = match mode {
        Mode::St => 10_000,
        Mode::Xt | Mode::Mt => 2_000,
    };
    Slices::new(20, operations)
}

pub(super) async fn ask<S: System>(world: World<S>) -> Outcome<f64> {
    let counter = world.system.counter(Counting::asked(&Gate::new())).await?;
    let slices = slices(world.mode);
    slices.measure(world.mode, || ask_often::<S>(&counter, slices.operations)).await
}

pub(super) async fn ask_from_actor<S: System>(world: World<S>) -> Outcome<f64> {
    let counter = world.system.counter(Counting::asked(&Gate::new())).await?;
    let asker = world.system.asker(counter).await?;
    let slices = slices(world.mode);
    slices.measure(world.mode, || S::let_ask(&asker, slices.operations)).await
}

pub(super) async fn ask64<S: System>(world: World<S>) -> Outcome<f64> {
    let counter = world.system.counter(Counting::asked(&Gate::new())).await?;
    let each = sized(500);
    let slice = || async {
        let mut askers = JoinSet::new();
        for _ in 0..ASKERS {
            let counter = counter.clone();
            world.tasks.spawn(&mut askers, async move { ask_often::<S>(&counter, each).await });
        }
        while let Some(asked) = askers.join_next().await {
            asked??;
        }
        Ok(())
    };
    Slices { count: 10, operations: ASKERS * each }.measure(world.mode, slice).await
}
