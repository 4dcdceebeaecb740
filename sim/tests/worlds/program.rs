//! The program odeon-sim from outside, with real clusters in it.

use std::process::{Command, Output};

fn odeon_sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_odeon-sim")).args(args).output().expect("it runs")
}

/// Expects this status; the result is what it printed.
fn says(args: &[&str], status: i32) -> String {
    let output = odeon_sim(args);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{args:?} says {out}{err}");
    out.into_owned()
}

/// Whether there is a simulator here.
fn runs() -> bool {
    odeon_interpose::unsupported().is_none()
}

#[test]
fn asks_tell_the_truth_whatever_breaks() {
    if !runs() {
        return;
    }
    let said = says(&["run", "truth", "--seeds", "0..6"], 0);
    assert!(said.starts_with("truth: 6 seeds, 0 failed") && said.contains("720 steps"), "{said}");
}

#[test]
fn a_seed_of_a_cluster_is_one_run_and_another_seed_is_another() {
    if !runs() {
        return;
    }
    assert!(says(&["check", "truth", "--seed", "3"], 0).contains("two runs are one run"));
    let said = says(&["diff", "truth:3", "truth:4"], 1);
    let first = |name: &str| said.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    let (a, b) = (first("  - "), first("  + "));
    assert!(a.is_some() && b.is_some() && a != b, "{said}");
}

#[test]
fn a_replay_tells_the_story_and_what_happened() {
    if !runs() {
        return;
    }
    let said = says(&["replay", "truth", "--seed", "3", "--lines", "2000"], 0);
    // Of what happened the last lines are told; the liveness phase began long before.
    for part in
        ["is healed, and has 120 s to recover", "Ask { from: ", "phase check", "seed 3: hash "]
    {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn scenarios_are_listed() {
    if !runs() {
        return;
    }
    let said = says(&["list"], 0);
    for name in ["bank", "chat", "demo", "leader", "request-storm", "truth", "workers"] {
        let listed = said.lines().any(|line| line.split_whitespace().next() == Some(name));
        assert!(listed, "{name} is not in {said}");
    }
    let bugs = says(&["list", "--planted"], 0);
    assert!(bugs.contains("intensity-off-by-one") && bugs.contains("(workers)"), "{bugs}");
    says(&["replay", "--seed", "3"], 2);
    says(&["list", "--what"], 2);
    says(&[], 2);
    assert!(says(&["--help"], 0).contains("replay"));
}

#[test]
fn a_bug_is_planted_by_its_name_and_in_its_build_only() {
    if !runs() {
        return;
    }
    let refused = |bug: &str| {
        let output = odeon_sim(&["run", "workers", "--seeds", "0", "--plant", bug]);
        assert_eq!(output.status.code(), Some(2), "{bug}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused("no-such").contains("intensity-off-by-one"), "a wrong name hears all");
    if !cfg!(feature = "planted") {
        assert!(refused("intensity-off-by-one").contains("--features planted"));
        says(&["planted"], 2);
    }
}
