//! Plays a script: set-up, safety phase, healing, liveness phase, checks.
//!
//! What it is: one loop over an agenda that is sorted before it begins. What it is NOT: random; nothing here draws. At
//! one moment repairs come before new faults, faults before steps, steps before checks. Read `fault/injector.rs` for
//! what a fault does.

use std::{cell::Cell, time::Duration};

use tokio::task::JoinHandle;

use super::{Cast, Check};
use crate::{fault::Injector, plan::in_words, script::Script, world::World};

/// What is due at one moment; the order of the variants is the order within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Repair(usize),
    Fault(usize),
    Step(usize),
}

/// Plays the script; `injected` counts the faults that have begun.
pub(crate) async fn drive(
    cast: &mut dyn Cast,
    script: &Script,
    world: &mut World,
    injected: &Cell<u64>,
) -> Result<(), String> {
    let outline = cast.outline();
    script.faults().names_only(&outline.names()).map_err(|error| error.to_string())?;
    // First of all: nodes say in which zone they are when they start.
    for site in &outline.nodes {
        if let Some(zone) = &site.zone {
            world.set_zone(&site.name, zone);
        }
    }
    let within = outline.set_up_max;
    let set_up = tokio::time::timeout(within, cast.set_up(world)).await;
    set_up.map_err(|_| format!("the set-up did not end within {}", in_words(within)))??;
    let mut checks = cast.checks();
    world.note("phase", "safety");
    let steps = safety(cast, script, world, &mut checks, injected).await?;
    world.note("phase", "liveness");
    let within = script.liveness_max();
    let lived = tokio::time::timeout(within, liveness(cast, world, steps)).await;
    let lived = lived.unwrap_or_else(|_| {
        let within = in_words(within);
        Err(format!("everything is healed, and the liveness phase did not end within {within}"))
    });
    world.note("phase", "check");
    let mut last = checks.iter_mut().filter(|check| check.is_last());
    let looked = last.try_for_each(|check| check.look(world));
    let Err(stuck) = lived else { return looked };
    // There is a reason why it does not live on, which a check may know: that is said first.
    looked.map_err(|error| format!("{error}; {stuck}"))?;
    world.report_violations();
    Err(stuck)
}

/// What is due in the safety phase, in order.
fn agenda(script: &Script) -> Vec<(Duration, Due)> {
    let faults = script.faults().faults().iter().enumerate();
    let faults = faults.flat_map(|(index, fault)| {
        // One without length still has its moment: it is repaired after it has begun.
        let repaired = fault.ends().max(fault.at + Duration::from_millis(1));
        [(fault.at, Due::Fault(index)), (repaired, Due::Repair(index))]
    });
    let steps = script.steps().iter().enumerate();
    let steps = steps.map(|(index, step)| (step.at, Due::Step(index)));
    let mut agenda: Vec<_> = faults.chain(steps).collect();
    agenda.sort_unstable();
    agenda
}

/// Plays faults and workload, and heals everything. Returns the steps, some of which still run.
async fn safety(
    cast: &mut dyn Cast,
    script: &Script,
    world: &mut World,
    checks: &mut [Check],
    injected: &Cell<u64>,
) -> Result<Vec<JoinHandle<()>>, String> {
    let start = world.now();
    let mut injector = Injector::default();
    let mut steps = Vec::with_capacity(script.steps().len());
    let mut looks = Looks::new(checks);
    for (at, due) in agenda(script) {
        looks.until(checks, world, start, at).await?;
        match due {
            Due::Repair(index) => injector.end(world, index),
            Due::Fault(index) => {
                injector.begin(world, index, &script.faults().faults()[index].fault);
                injected.set(injected.get() + 1);
            }
            Due::Step(index) => {
                let step = cast.step(world, &script.steps()[index].step);
                let step = step.map_err(|error| error.to_string())?;
                steps.push(tokio::task::spawn_local(step));
            }
        }
    }
    looks.until(checks, world, start, script.safety()).await?;
    injector.end_all(world);
    world.heal();
    Ok(steps)
}

/// When which check looks next.
struct Looks(Vec<Option<Duration>>);

impl Looks {
    fn new(checks: &[Check]) -> Self {
        Self(checks.iter().map(|check| check.due_after(None)).collect())
    }

    /// Lets time pass until `until` after the start, and checks look on the way. A check that is due at that very
    /// moment is left for the next call: what happens then comes first.
    async fn until(
        &mut self,
        checks: &mut [Check],
        world: &World,
        start: Duration,
        until: Duration,
    ) -> Result<(), String> {
        loop {
            let due = self.0.iter().flatten().min().copied().filter(|due| *due < until);
            let at = due.unwrap_or(until);
            let wait = (start + at).saturating_sub(world.now());
            if !wait.is_zero() {
                world.run_for(wait).await;
            }
            let Some(due) = due else { return Ok(()) };
            for (next, check) in self.0.iter_mut().zip(&mut *checks) {
                if *next == Some(due) {
                    check.look(world)?;
                    *next = check.due_after(Some(due));
                }
            }
        }
    }
}

/// Waits until every step has ended, and then for what the scenario asks for.
async fn liveness(
    cast: &mut dyn Cast,
    world: &mut World,
    steps: Vec<JoinHandle<()>>,
) -> Result<(), String> {
    for step in steps {
        // One that panicked has failed the seed already.
        let _ = step.await;
    }
    cast.recover(world).await
}
