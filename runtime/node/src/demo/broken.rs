//! `odeon demo --break`: a bug of our own is planted, the simulator finds it and makes it small, and this tells the story.
//!
//! What it is: three calls of a build of `odeon-sim` that has the bugs in it, and what they said in plain words. What it
//! is NOT: part of that build; this program has no bug to plant. Read `../sim.rs` for how the program is found or built.

use serde::{Deserialize, Serialize};

use crate::{
    demo::simulated::{Failure, Told},
    failure::Failed,
    output::print,
    sim::{Kind, Simulator},
};

/// The bug that is planted unless another is named.
pub(super) const BUG: &str = "cancelled-ask-runs";

/// What a story may need at most; one with more is not small.
const FAULTS_MAX: u64 = 5;

/// Among which seeds it must be found.
const SEEDS: &str = "0..1000";

/// A bug that can be planted, as the simulator lists it.
#[derive(Debug, Deserialize)]
struct Bug {
    name: String,
    about: String,
    scenario: String,
}

/// The smallest run that still fails.
#[derive(Debug, Deserialize)]
struct Shrunk {
    faults: u64,
    steps: u64,
    runs: u64,
    story: Vec<String>,
    then: String,
    replay_file: String,
}

/// What came of it all.
#[derive(Debug, Serialize)]
struct Story {
    bug: String,
    about: String,
    scenario: String,
    /// The seed that found it, and how many were run until then.
    seed: u64,
    seeds: u64,
    problem: String,
    faults: u64,
    steps: u64,
    /// Runs that it took to shrink the failure.
    runs: u64,
    story: Vec<String>,
    then: String,
    replay: String,
    timeline: String,
}

/// Plants the bug of this name; true if it was found and made small: to [`FAULTS_MAX`] faults at most.
pub(super) fn run(name: &str, json: bool) -> Result<bool, Failed> {
    let simulator = Simulator::find(Kind::Planted)?;
    let bugs: Vec<Bug> = simulator.tell(&["list", "--planted", "--json"])?.read()?;
    let names = bugs.iter().map(|bug| bug.name.as_str()).collect::<Vec<_>>().join(", ");
    let bug = bugs.into_iter().find(|bug| bug.name == name).ok_or_else(|| {
        Failed::input(format!("there is no bug {name:?} to plant; there are {names}"))
    })?;
    let (seeds, Failure { seed, problems, .. }) = find(&simulator, &bug)?;
    let number = seed.to_string();
    let shrink = ["shrink", &bug.scenario, "--seed", &number, "--plant", &bug.name, "--json"];
    let shrunk: Shrunk = simulator.tell(&shrink)?.read()?;
    let file = &shrunk.replay_file;
    let story = Story {
        bug: bug.name,
        about: bug.about,
        scenario: bug.scenario,
        seed,
        seeds,
        problem: problems.first().and_then(|text| text.lines().next()).unwrap_or("failed").into(),
        faults: shrunk.faults,
        steps: shrunk.steps,
        runs: shrunk.runs,
        story: shrunk.story,
        then: shrunk.then,
        replay: simulator.command(&format!("replay {file}")),
        timeline: simulator.command(&format!("timeline {file} --html {number}.html")),
    };
    let text = if json {
        serde_json::to_string(&story).expect("numbers and names have a JSON form")
    } else {
        story.text()
    };
    print(&text)?;
    Ok(story.is_small())
}

/// The seed that finds it, and how many were run.
fn find(simulator: &Simulator, bug: &Bug) -> Result<(u64, Failure), Failed> {
    let Bug { name, scenario, .. } = bug;
    let arguments =
        ["run", scenario, "--seeds", SEEDS, "--failures-max", "1", "--plant", name, "--json"];
    let told: Told = simulator.tell(&arguments)?.read()?;
    let report = told.scenarios.into_iter().next();
    let report = report.ok_or_else(|| simulator.is_another("it names no scenario"))?;
    // Runs go on beside each other, so that there may be two.
    match report.failures.into_iter().min_by_key(|failure| failure.seed) {
        Some(failure) => Ok((report.seeds, failure)),
        None if told.interrupted => Err(Failed::run("interrupted before the bug was found")),
        None => Err(Failed::run(format!(
            "{} seeds of {scenario} did not find {name}, which is a blind spot of the scenario",
            report.seeds
        ))),
    }
}

impl Story {
    fn is_small(&self) -> bool {
        self.faults <= FAULTS_MAX
    }

    fn text(&self) -> String {
        let Self { bug, about, scenario, seed, seeds, problem, .. } = self;
        let count =
            |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let (faults, steps) = (count(self.faults, "fault"), count(self.steps, "step"));
        let mut text = format!(
            "planted: {about} ({bug})\n\
             found by seed {seed} of the scenario {scenario}, after {}: {problem}\n\
             what it takes, after {} to make it small: {faults} and {steps}",
            count(*seeds, "seed"),
            count(self.runs, "run")
        );
        self.story.iter().for_each(|sentence| text += &format!("\n  {sentence}"));
        text += &format!("\nand then: {}", self.then.replace('\n', "\n  "));
        if !self.is_small() {
            text += &format!("\nFAILED: a story may need {FAULTS_MAX} faults at most");
        }
        text + &format!("\nto run it again: {}\nto see it: {}", self.replay, self.timeline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_says_what_was_planted_what_it_takes_and_what_broke() {
        let text = |text: &str| text.to_owned();
        let story = Story {
            bug: text("twice"),
            about: text("a reply is sent twice"),
            scenario: text("chat"),
            seed: 4,
            seeds: 5,
            problem: text("ran 2 times"),
            faults: 1,
            steps: 2,
            runs: 30,
            story: vec![text("at 1 s a crashes, for 1 s")],
            then: text("ran 2 times\n#3 …"),
            replay: text("sim replay f"),
            timeline: text("sim timeline f --html 4.html"),
        };
        let expected = "planted: a reply is sent twice (twice)\nfound by seed 4 of the scenario chat, after 5 seeds: ran 2 \
                        times\nwhat it takes, after 30 runs to make it small: 1 fault and 2 steps\n  at 1 s a crashes, \
                        for 1 s\nand then: ran 2 times\n  #3 …\nto run it again: sim replay f\nto see it: sim timeline f \
                        --html 4.html";
        assert_eq!(story.text(), expected);
    }
}
