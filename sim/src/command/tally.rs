//! What many seeds of one scenario came to.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::{fault::FaultKind, script::Script, verdict::Verdict};

/// Seeds that failed and are kept with their problems; further ones are counted.
const FAILURES_MAX: usize = 1_000;

/// A seed that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) seed: u64,
    pub(super) problems: Vec<String>,
    /// The file that replays it, or why there is none.
    pub(super) file: Result<PathBuf, String>,
}

/// The sums of one scenario.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) name: String,
    pub(super) seeds: u64,
    pub(super) failed: u64,
    pub(super) failures: Vec<Failure>,
    /// Seeds that passed while a check gave up, and what the first of them says of it.
    pub(super) unknown: Option<(u64, String)>,
    pub(super) virtual_time: Duration,
    pub(super) real_time: Duration,
    /// Faults that have begun, by kind.
    pub(super) faults: BTreeMap<FaultKind, u64>,
    pub(super) steps: u64,
    /// Runs whose replay is not guaranteed, and why the first of them is not.
    pub(super) not_guaranteed: Option<(u64, String)>,
}

impl Tally {
    /// Counts one run of this script.
    pub(super) fn count(&mut self, script: &Script, verdict: &Verdict) {
        self.seeds += 1;
        self.virtual_time += verdict.virtual_time;
        self.steps += script.steps().len() as u64;
        let begun = script.faults().faults().iter().take(verdict.faults as usize);
        begun.for_each(|fault| *self.faults.entry(fault.fault.kind()).or_default() += 1);
        if let Some(first) = verdict.unknown.first().filter(|_| verdict.passed()) {
            let text = || format!("seed {}: {first}", verdict.seed);
            self.unknown.get_or_insert_with(|| (0, text())).0 += 1;
        }
        if let crate::verdict::Replay::NotGuaranteed(why) = &verdict.replay {
            self.not_guaranteed.get_or_insert_with(|| (0, why.clone())).0 += 1;
        }
    }

    /// Counts one failure.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(failure);
        }
    }

    /// How fast it went.
    pub(super) fn seeds_per_second(&self) -> f64 {
        let seconds = self.real_time.as_secs_f64();
        if seconds > 0.0 { self.seeds as f64 / seconds } else { 0.0 }
    }

    /// How many faults, by kind, in words.
    pub(super) fn faults_in_words(&self) -> String {
        if self.faults.is_empty() {
            return "no faults".to_owned();
        }
        let kinds = self.faults.iter().map(|(kind, count)| format!("{count} {kind}"));
        format!("faults: {}", kinds.collect::<Vec<_>>().join(", "))
    }

    /// One line.
    pub(super) fn in_words(&self) -> String {
        let Self { name, seeds, failed, real_time, steps, .. } = self;
        let (rate, real) = (self.seeds_per_second(), real_time.as_secs_f64());
        let (time, faults) = (self.virtual_time.as_secs(), self.faults_in_words());
        format!(
            "{name}: {seeds} seeds, {failed} failed, {real:.1} s ({rate:.1} seeds a second), {time} s of virtual time, {steps} steps, {faults}"
        )
    }

    pub(super) fn to_json(&self) -> Value {
        let failure = |failure: &Failure| {
            json!({
                "seed": failure.seed,
                "problems": failure.problems,
                "replay_file": failure.file.as_ref().ok().map(|path| path.display().to_string()),
            })
        };
        json!({
            "name": self.name,
            "seeds": self.seeds,
            "failed": self.failed,
            "unknown": self.unknown.as_ref().map_or(0, |(seeds, _)| *seeds),
            "failures": self.failures.iter().map(failure).collect::<Vec<_>>(),
            "real_s": self.real_time.as_secs_f64(),
            "seeds_per_s": self.seeds_per_second(),
            "virtual_s": self.virtual_time.as_secs_f64(),
            "steps": self.steps,
            "faults": self.faults.iter().map(|(kind, count)| (kind.name().to_owned(), json!(count)))
                .collect::<serde_json::Map<_, _>>(),
            "replay_not_guaranteed": self.not_guaranteed.as_ref().map(|(_, why)| why),
        })
    }
}
