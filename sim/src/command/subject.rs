//! What a command is about: a scenario with a seed, or a replay file.

use std::path::Path;

use odeon_message::planted::Bug;

use super::{Failed, Limits};
use crate::{
    runner::{Case, Order, ReplayFile, Trial},
    script::{Script, ScriptError},
};

/// One run that was asked for.
pub(super) struct Subject<'a> {
    pub(super) trial: &'a Trial,
    pub(super) case: Case,
    pub(super) script: Script,
    /// The file it comes from.
    pub(super) file: Option<ReplayFile>,
}

impl<'a> Subject<'a> {
    /// `NAME` with a seed, `NAME:SEED`, a replay file, or, where there is one scenario only, nothing but a seed.
    pub(super) fn find(
        what: Option<&str>,
        seed: Option<u64>,
        trials: &'a [Trial],
        limits: &Limits,
    ) -> Result<Self, Failed> {
        let case = |seed| limits.case(seed);
        match (what, seed) {
            (Some(what), None) => match Self::named_seed(what, trials, case) {
                Some(subject) => subject,
                None => Self::of_file(Path::new(what), trials),
            },
            (Some(name), Some(seed)) => Self::of_seed(find(name, trials)?, case(seed)),
            (None, Some(seed)) => match trials {
                [only] => Self::of_seed(only, case(seed)),
                _ => Err(Failed::Usage(format!("name a scenario: one of {}", names(trials)))),
            },
            (None, None) => {
                Err(Failed::Usage("name a scenario with --seed, or a replay file".to_owned()))
            }
        }
    }

    /// `NAME:SEED`, if it looks like that.
    fn named_seed(
        what: &str,
        trials: &'a [Trial],
        case: impl Fn(u64) -> Case,
    ) -> Option<Result<Self, Failed>> {
        let (name, seed) = what.rsplit_once(':')?;
        let seed = crate::runner::Seeds::parse(seed)?.0;
        let [seed] = seed[..] else { return None };
        Some(find(name, trials).and_then(|trial| Self::of_seed(trial, case(seed))))
    }

    fn of_seed(trial: &'a Trial, case: Case) -> Result<Self, Failed> {
        let cast = trial.act.cast();
        let cast = cast.ok_or_else(|| Failed::Usage(format!("{} is no scenario", trial.name)))?;
        Ok(Self { trial, case, script: cast.expand(case.seed)?, file: None })
    }

    fn of_file(path: &Path, trials: &'a [Trial]) -> Result<Self, Failed> {
        let file = ReplayFile::read(path).map_err(|error| match error {
            crate::runner::ReplayFileError::Read { .. } => Failed::Usage(format!(
                "{error}; give a replay file, or NAME:SEED, or NAME with --seed, where NAME is one of {}",
                names(trials)
            )),
            error => Failed::usage(error),
        })?;
        let trial = find(&file.scenario, trials)?;
        file.planted.map(Bug::check).transpose().map_err(Failed::usage)?;
        check(&file.script, trial)
            .map_err(|error| Failed::Usage(format!("{}: {error}", path.display())))?;
        let (case, script) = (file.case(), file.script.clone());
        Ok(Self { trial, case, script, file: Some(file) })
    }

    /// The order to run it.
    pub(super) fn order(&self) -> Result<Order, Failed> {
        Ok(Order::of(self.case, self.script.to_text()?))
    }

    /// A step in words.
    pub(super) fn describe(&self, step: &serde_json::Value) -> String {
        let told = self.trial.act.cast().and_then(|cast| cast.describe(step).ok());
        told.unwrap_or_else(|| step.to_string())
    }

    /// The scenario, the seed, and the planted bug.
    pub(super) fn title(&self) -> String {
        let planted = self.case.planted.map(|bug| format!(", with {bug}")).unwrap_or_default();
        format!("{}, seed {}{planted}", self.trial.name, self.case.seed)
    }
}

/// Whether a script has only steps and nodes that its scenario knows: what a file says wrong is found before it runs.
fn check(script: &Script, trial: &Trial) -> Result<(), ScriptError> {
    let Some(cast) = trial.act.cast() else { return Ok(()) };
    script.faults().names_only(&cast.outline().names())?;
    script.steps().iter().try_for_each(|step| cast.describe(&step.step).map(drop))
}

/// The scenario of this name.
pub(super) fn find<'a>(name: &str, trials: &'a [Trial]) -> Result<&'a Trial, Failed> {
    let found = trials.iter().find(|trial| trial.name == name);
    found.ok_or_else(|| {
        Failed::Usage(format!("there is no scenario {name:?}; there are {}", names(trials)))
    })
}

fn names(trials: &[Trial]) -> String {
    trials.iter().map(|trial| trial.name.as_str()).collect::<Vec<_>>().join(", ")
}
