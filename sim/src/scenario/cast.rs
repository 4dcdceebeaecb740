//! A scenario with the type of its steps taken away, so that scenarios of all types are one list.

use std::time::Duration;

use odeon_interpose::Stream;
use serde_json::Value;

use super::{Check, Outline, Scenario};
use crate::{
    outcome::LocalFuture,
    script::{Script, ScriptError, TimedStep},
    world::World,
};

/// What [`Scenario`] is without its types. Steps are JSON.
pub(crate) trait Cast {
    /// The outline.
    fn outline(&self) -> Outline;
    /// Everything that the seed decides.
    fn expand(&self, seed: u64) -> Result<Script, ScriptError>;
    /// A step in words.
    fn describe(&self, step: &Value) -> Result<String, ScriptError>;
    /// As in [`Scenario::set_up`].
    fn set_up<'a>(&'a mut self, world: &'a mut World) -> LocalFuture<'a, Result<(), String>>;
    /// As in [`Scenario::step`].
    fn step(
        &mut self,
        world: &mut World,
        step: &Value,
    ) -> Result<LocalFuture<'static, ()>, ScriptError>;
    /// As in [`Scenario::recover`].
    fn recover<'a>(&'a mut self, world: &'a mut World) -> LocalFuture<'a, Result<(), String>>;
    /// As in [`Scenario::checks`].
    fn checks(&self) -> Vec<Check>;
}

/// Reads one step.
fn read<S: Scenario>(step: &Value) -> Result<S::Step, ScriptError> {
    serde_json::from_value(step.clone())
        .map_err(|source| ScriptError::Step { step: step.to_string(), source })
}

impl<S: Scenario> Cast for S {
    fn outline(&self) -> Outline {
        Scenario::outline(self)
    }

    fn expand(&self, seed: u64) -> Result<Script, ScriptError> {
        let outline = Scenario::outline(self);
        outline.check()?;
        let written = |(at, step): (Duration, S::Step)| {
            let value = serde_json::to_value(&step);
            let value =
                value.map_err(|source| ScriptError::Step { step: format!("{step:?}"), source })?;
            // As the clock of a world ticks, and as a file keeps it.
            let at = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
            Ok(TimedStep { at, step: value })
        };
        let steps = self.workload(&Stream::named(seed, "workload"));
        let steps = steps.into_iter().map(written).collect::<Result<_, ScriptError>>()?;
        let plan = outline.faults.expand(seed, &outline.nodes, outline.safety);
        Script::new(plan, steps, outline.safety, outline.liveness_max)
    }

    fn describe(&self, step: &Value) -> Result<String, ScriptError> {
        read::<S>(step).map(|step| format!("{step:?}"))
    }

    fn set_up<'a>(&'a mut self, world: &'a mut World) -> LocalFuture<'a, Result<(), String>> {
        Box::pin(Scenario::set_up(self, world))
    }

    fn step(
        &mut self,
        world: &mut World,
        step: &Value,
    ) -> Result<LocalFuture<'static, ()>, ScriptError> {
        Ok(Box::pin(Scenario::step(self, world, read::<S>(step)?)))
    }

    fn recover<'a>(&'a mut self, world: &'a mut World) -> LocalFuture<'a, Result<(), String>> {
        Box::pin(Scenario::recover(self, world))
    }

    fn checks(&self) -> Vec<Check> {
        Scenario::checks(self)
    }
}
