//! Workloads of spawns: their time, and the memory of actors that do nothing.

use std::sync::{Mutex, PoisonError};

use crate::{
    Outcome,
    counting::Counting,
    gate::Gate,
    memory::resident_bytes,
    system::{System, World},
    workload::{Slices, sized},
};

/// Idle actors whose memory is measured.
const IDLE_ACTORS: u64 = 100_000;

/// A slice ends when the last actor has answered: then all are there.
pub(super) async fn spawn<S: System>(world: World<S>) -> Outcome<f64> {
    let counting = Counting::asked(&Gate::new());
    let slices = Slices::new(20, 5_000);
    // What was spawned lives on, so that no slice pays for an end.
    let kept = Mutex::new(Vec::new());
    let slice = || async {
        let counters = world.system.counters(slices.operations, &counting).await?;
        if let Some(last) = counters.last() {
            S::ask(last, 0).await?;
        }
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(counters);
        Ok(())
    };
    slices.measure(world.mode, slice).await
}

pub(super) async fn bytes_per_actor<S: System>(world: World<S>) -> Outcome<f64> {
    let gate = Gate::new();
    let first = world.system.counter(Counting::asked(&gate)).await?;
    S::ask(&first, 0).await?;
    // The references' own memory is touched before, so that it does not count.
    let mut counters = vec![None; sized(IDLE_ACTORS) as usize];
    let before = resident_bytes()?;
    for counter in &mut counters {
        *counter = Some(world.system.counter(Counting::asked(&gate)).await?);
    }
    // They started in turn: once the last answers, all have.
    if let Some(Some(last)) = counters.last() {
        S::ask(last, 0).await?;
    }
    let after = resident_bytes()?;
    Ok(after.saturating_sub(before) as f64 / counters.len() as f64)
}
