//! Everything of a run that its seed decides beforehand: faults, workload, lengths.
//!
//! What it is: the data that goes to the program that runs it, and into the file that replays it; both hold the whole of
//! it, so that a run and its replay are fed the same bytes. What it is NOT: the seed, which still decides everything that
//! happens by chance in the run itself (latencies, turns, keys). Read `scenario.rs` next.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::plan::{Plan, PlanError, PlannedFault, TIME_MAX, in_words, millis};

/// Steps of one workload, at most.
pub const STEPS_MAX: usize = 65_536;

/// The longest script, in bytes of its text: what the program of a run has room for.
pub const SCRIPT_BYTES_MAX: usize = 1 << 20;

/// One step of the workload, and when it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimedStep {
    /// When it begins, from the beginning of the safety phase on.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// The step, as its scenario writes it.
    pub step: Value,
}

/// What a run is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Script {
    /// How long the safety phase is.
    #[serde(rename = "safety_ms", with = "millis")]
    safety: Duration,
    /// Within which time the liveness phase must have come to its end.
    #[serde(rename = "liveness_max_ms", with = "millis")]
    liveness_max: Duration,
    faults: Plan,
    steps: Vec<TimedStep>,
}

/// A script that cannot be run. Nothing has been run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The scenario makes too many steps.
    #[error("the workload has {0} steps and may have {STEPS_MAX}; make fewer")]
    TooManySteps(usize),
    /// Its text is too long.
    #[error(
        "the script is {0} bytes long and may be {SCRIPT_BYTES_MAX}; make fewer or shorter steps"
    )]
    TooLong(usize),
    /// Something is after the end of the safety phase.
    #[error(
        "{what} is {at:?} and the safety phase ends at {safety:?}; make it earlier, or the phase longer"
    )]
    AfterSafety {
        /// What is.
        what: &'static str,
        /// Its time.
        at: Duration,
        /// The length of the phase.
        safety: Duration,
    },
    /// Two nodes of the outline have one name.
    #[error("the outline has two nodes called {0:?}; give each a name of its own")]
    TwiceNamed(String),
    /// A phase is too long.
    #[error("a phase of {0:?} is beyond a week of virtual time; take a shorter one")]
    TooLate(Duration),
    /// The plan cannot be.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A step is none of the scenario's.
    #[error("{step} is no step of this scenario: {source}")]
    Step {
        /// The step.
        step: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The text is no script.
    #[error("the script cannot be read: {0}")]
    Text(#[from] serde_json::Error),
}

/// A script as it was read.
#[derive(Deserialize)]
struct Unchecked {
    #[serde(rename = "safety_ms", with = "millis")]
    safety: Duration,
    #[serde(rename = "liveness_max_ms", with = "millis")]
    liveness_max: Duration,
    faults: Plan,
    steps: Vec<TimedStep>,
}

impl TryFrom<Unchecked> for Script {
    type Error = ScriptError;

    fn try_from(read: Unchecked) -> Result<Self, ScriptError> {
        Self::new(read.faults, read.steps, read.safety, read.liveness_max)
    }
}

impl Script {
    /// A script of these parts. Steps are sorted by their times, and keep their order where these are equal.
    ///
    /// # Errors
    /// With too many steps, or where a fault is not repaired, or a step not begun, by the end of the safety phase.
    pub fn new(
        faults: Plan,
        mut steps: Vec<TimedStep>,
        safety: Duration,
        liveness_max: Duration,
    ) -> Result<Self, ScriptError> {
        if steps.len() > STEPS_MAX {
            return Err(ScriptError::TooManySteps(steps.len()));
        }
        if let Some(late) = [safety, liveness_max].into_iter().find(|time| *time > TIME_MAX) {
            return Err(ScriptError::TooLate(late));
        }
        steps.sort_by_key(|step| step.at);
        let last = steps.last().map_or(Duration::ZERO, |step| step.at);
        let ends = [("the last step", last), ("the last repair", faults.ends())];
        if let Some((what, at)) = ends.into_iter().find(|(_, at)| *at > safety) {
            return Err(ScriptError::AfterSafety { what, at, safety });
        }
        Ok(Self { safety, liveness_max, faults, steps })
    }

    /// How long the safety phase is.
    #[must_use]
    pub fn safety(&self) -> Duration {
        self.safety
    }

    /// Within which time the liveness phase must have come to its end.
    #[must_use]
    pub fn liveness_max(&self) -> Duration {
        self.liveness_max
    }

    /// The faults.
    #[must_use]
    pub fn faults(&self) -> &Plan {
        &self.faults
    }

    /// The workload.
    #[must_use]
    pub fn steps(&self) -> &[TimedStep] {
        &self.steps
    }

    /// The text that a run is fed: always the same for the same script.
    ///
    /// # Errors
    /// When it is longer than [`SCRIPT_BYTES_MAX`].
    pub fn to_text(&self) -> Result<String, ScriptError> {
        let text = serde_json::to_string(self)?;
        if text.len() > SCRIPT_BYTES_MAX {
            return Err(ScriptError::TooLong(text.len()));
        }
        Ok(text)
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_text(text: &str) -> Result<Self, ScriptError> {
        if text.len() > SCRIPT_BYTES_MAX {
            return Err(ScriptError::TooLong(text.len()));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The story: a sentence for each fault and step, in the order of their times, and the end. `describe` says a step
    /// in words. Of more than six steps in a row the first two and the last two are told, and how many are between.
    #[must_use]
    pub fn story(&self, describe: impl Fn(&Value) -> String) -> Vec<String> {
        let faults = self.faults.faults().iter();
        let mut told: Vec<_> = faults.map(|fault| (fault.at, Told::Fault(fault))).collect();
        told.extend(self.steps.iter().map(|timed| (timed.at, Told::Step(timed))));
        told.sort_by_key(|(at, _)| *at);
        let sentence = |(_, told): &(Duration, Told<'_>)| match told {
            Told::Fault(fault) => fault.to_string(),
            Told::Step(step) => format!("at {} {}", in_words(step.at), describe(&step.step)),
        };
        let mut story = Vec::new();
        let is_step = |(_, told): &(Duration, Told<'_>)| matches!(told, Told::Step(_));
        for row in told.chunk_by(|one, next| is_step(one) && is_step(next)) {
            if row.len() <= ROW_TOLD_MAX {
                story.extend(row.iter().map(sentence));
                continue;
            }
            let ends = ROW_TOLD_MAX / 3;
            story.extend(row[..ends].iter().map(sentence));
            story.push(format!("and {} more steps, until", row.len() - 2 * ends));
            story.extend(row[row.len() - ends..].iter().map(sentence));
        }
        let (safety, liveness) = (in_words(self.safety), in_words(self.liveness_max));
        story.push(format!("at {safety} everything is healed, and has {liveness} to recover"));
        story
    }
}

/// Steps in a row that a story tells one by one.
const ROW_TOLD_MAX: usize = 6;

/// What a story tells.
enum Told<'a> {
    Fault(&'a PlannedFault),
    Step(&'a TimedStep),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(count: u64) -> Vec<TimedStep> {
        (0..count)
            .map(|i| TimedStep { at: Duration::from_millis(i), step: Value::from(i) })
            .collect()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_text_goes_both_ways_and_the_story_is_in_order() {
        let plan = r#"{"at_ms":1,"for_ms":900,"fault":"crash","node":"b"}"#.parse().unwrap();
        let script = Script::new(plan, steps(3), SECOND, 2 * SECOND).unwrap();
        let text = script.to_text().unwrap();
        assert_eq!(Script::from_text(&text).unwrap(), script);
        let story = script.story(|step| format!("step {step}"));
        let expected = [
            "at 0 s step 0",
            "at 1 ms b crashes, for 900 ms",
            "at 1 ms step 1",
            "at 2 ms step 2",
            "at 1 s everything is healed, and has 2 s to recover",
        ];
        assert_eq!(story, expected);
    }

    #[test]
    fn a_long_row_of_steps_is_told_by_its_ends() {
        let script = Script::new(Plan::default(), steps(9), SECOND, SECOND).unwrap();
        let story = script.story(|step| format!("step {step}"));
        let expected = [
            "at 0 s step 0",
            "at 1 ms step 1",
            "and 5 more steps, until",
            "at 7 ms step 7",
            "at 8 ms step 8",
            "at 1 s everything is healed, and has 1 s to recover",
        ];
        assert_eq!(story, expected);
    }

    #[test]
    fn what_cannot_be_run_is_refused_and_named() {
        let new = |steps, safety| Script::new(Plan::default(), steps, safety, SECOND);
        let said = |result: Result<Script, ScriptError>| result.expect_err("no script").to_string();
        assert!(said(new(steps(STEPS_MAX as u64 + 1), 100 * SECOND)).contains("65537"));
        assert!(said(new(steps(1002), SECOND)).contains("the last step is 1.001s"));
        assert!(said(new(Vec::new(), TIME_MAX + SECOND)).contains("a week"));
        let long = TimedStep { at: SECOND, step: Value::from("x".repeat(SCRIPT_BYTES_MAX)) };
        let long = new(vec![long], SECOND).unwrap();
        assert!(long.to_text().expect_err("too long").to_string().contains("bytes long"));
    }
}
