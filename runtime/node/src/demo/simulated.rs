//! `odeon demo --sim`: the same job in the simulator, seed after seed, and what came of it in a few lines.
//!
//! What it is: one call of the program `odeon-sim`, whose scenario `demo` takes the job in by its path, and its result in
//! the words of the demo. What it is NOT: a simulator; nothing of one is linked in here. Read `../sim.rs` for how the
//! program is found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    failure::Failed,
    output::print,
    sim::{Kind, Simulator},
};

/// The name of the scenario.
pub(super) const SCENARIO: &str = "demo";

/// Seeds that failed and are named; of further ones the number is enough.
const NAMED_MAX: usize = 5;

/// What the simulator says of a scenario.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    /// Whether it was told to end before all seeds were run.
    #[serde(default)]
    pub(super) interrupted: bool,
    pub(super) scenarios: Vec<Report>,
}

/// What came of all seeds.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Report {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    interrupted: bool,
    pub(super) seeds: u64,
    failed: u64,
    virtual_s: f64,
    real_s: f64,
    /// Faults that have begun, by kind.
    faults: BTreeMap<String, u64>,
    pub(super) failures: Vec<Failure>,
}

/// A seed that failed.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Failure {
    pub(super) seed: u64,
    pub(super) problems: Vec<String>,
    replay_file: Option<String>,
}

/// Runs the job in simulation; true if no seed failed.
pub(super) fn run(seeds: &str, json: bool) -> Result<bool, Failed> {
    let simulator = Simulator::find(Kind::Plain)?;
    let told = simulator.tell(&["run", SCENARIO, "--seeds", seeds, "--json"])?;
    let mut told: Told = told.read()?;
    let mut report = told.scenarios.pop().ok_or_else(|| simulator.is_another("no scenario"))?;
    report.interrupted = told.interrupted;
    report.ok = report.failed == 0 && !report.interrupted;
    let text = if json {
        serde_json::to_string(&report).expect("numbers and names have a JSON form")
    } else {
        report.text()
    };
    print(&text)?;
    Ok(report.ok)
}

impl Report {
    fn text(&self) -> String {
        let Self { seeds, failed, virtual_s, real_s, .. } = self;
        let verdict = if self.ok {
            "in each every count is equal to a plain run, and every failed ask honestly labelled"
                .to_owned()
        } else if *failed > 0 {
            format!("{failed} of them FAILED")
        } else {
            "interrupted, and none had failed until then".to_owned()
        };
        let kinds = self.faults.iter().map(|(kind, count)| format!("{kind} {count}"));
        let (total, kinds) = (self.faults.values().sum::<u64>(), kinds.collect::<Vec<_>>());
        let mut text = format!(
            "the same job in {seeds} simulated runs: {verdict}\n\
             {virtual_s:.0} s of virtual time in {real_s:.1} s\n\
             {total} faults on purpose: {}",
            kinds.join(", ")
        );
        for Failure { seed, problems, .. } in self.failures.iter().take(NAMED_MAX) {
            let problem = problems.first().and_then(|problem| problem.lines().next());
            text += &format!(
                "\nseed {seed}: {}; `odeon sim shrink {SCENARIO} --seed {seed}` tells its story",
                problem.unwrap_or("failed")
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_that_failed_is_named_with_what_to_do() {
        let told = r#"{"passed":false,"scenarios":[{"name":"demo","seeds":3,"failed":1,"failures":[{"seed":7,
            "problems":["the total is 3\nand more"],"replay_file":null}],"real_s":1.5,"seeds_per_s":2.0,"virtual_s":90.4,
            "steps":6,"faults":{"crash":2,"cut":1},"replay_not_guaranteed":null}]}"#;
        let mut told: Told = serde_json::from_str(told).unwrap();
        let expected = "the same job in 3 simulated runs: 1 of them FAILED\n90 s of virtual time in 1.5 s\n3 faults on \
                        purpose: crash 2, cut 1\nseed 7: the total is 3; `odeon sim shrink demo --seed 7` tells its story";
        assert_eq!(told.scenarios.pop().unwrap().text(), expected);
    }
}
