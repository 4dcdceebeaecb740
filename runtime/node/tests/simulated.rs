//! `odeon demo --sim` as users run it, with a stand-in for the simulator; CI runs it with the simulator itself.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// What the simulator says of three seeds.
const PASSED: &str = r#"{"passed":true,"interrupted":false,"scenarios":[{"name":"demo","seeds":3,"failed":0,"failures":[],
"real_s":1.5,"seeds_per_s":2.0,"virtual_s":90.4,"steps":6,"faults":{"crash":2,"cut":1},"replay_not_guaranteed":null}]}"#;

/// A program in place of the simulator: it leaves its arguments in a file, says something, and ends with a status.
struct StandIn(PathBuf);

impl StandIn {
    fn new(name: &str, says: &str, status: u8) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("it can be made");
        let (program, said) = (folder.join("odeon-sim"), folder.join("says"));
        fs::write(&said, says).expect("there is room");
        let (heard, said) = (folder.join("heard"), said.display());
        let heard = heard.display();
        let script = format!("#!/bin/sh\necho \"$@\" > '{heard}'\ncat '{said}'\nexit {status}\n");
        fs::write(&program, script).expect("there is room");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
        Self(folder)
    }

    /// The status, the output and the errors of the demo.
    fn demo(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odeon"));
        command.arg("demo").args(args).env("ODEON_SIM", self.0.join("odeon-sim"));
        let output = command.output().expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("it says text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn heard(&self) -> String {
        fs::read_to_string(self.0.join("heard")).expect("it was asked")
    }
}

#[test]
fn the_simulator_runs_the_job_and_the_demo_says_what_came_of_it() {
    let simulator = StandIn::new("passed", PASSED, 0);
    let (status, out, err) = simulator.demo(&["--sim"]);
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(simulator.heard(), "run demo --seeds 0..200 --json\n");
    let expected = "the same job in 3 simulated runs: in each every count is equal to a plain run, and every failed ask \
                    honestly labelled\n90 s of virtual time in 1.5 s\n3 faults on purpose: crash 2, cut 1\n";
    assert_eq!(out, expected);
    let (_, out, _) = simulator.demo(&["--sim", "--seeds", "5..8", "--json"]);
    assert_eq!(simulator.heard(), "run demo --seeds 5..8 --json\n");
    assert!(
        out.starts_with("{\"ok\":true,\"interrupted\":false,\"seeds\":3,")
            && out.lines().count() == 1,
        "{out}"
    );
}

#[test]
fn a_seed_that_fails_fails_the_demo() {
    let failed = PASSED.replace(
        "\"failed\":0,\"failures\":[]",
        "\"failed\":1,\"failures\":[{\"seed\":7,\"problems\":[\"it broke\"],\"replay_file\":null}]",
    );
    let (status, out, _) = StandIn::new("failed", &failed, 1).demo(&["--sim"]);
    assert_eq!(status, Some(1));
    assert!(out.contains("1 of them FAILED") && out.contains("seed 7: it broke"), "{out}");
}

#[test]
fn a_simulator_that_does_not_understand_is_named_with_the_remedy() {
    for (name, says, status) in [("old", "", 2), ("strange", "what?", 0)] {
        let (status, _, err) = StandIn::new(name, says, status).demo(&["--sim"]);
        assert_eq!(status, Some(2), "{err}");
        assert!(err.contains("another version") && err.contains("cargo build"), "{err}");
    }
    let (status, _, err) = StandIn::new("killed", "", 137).demo(&["--sim"]);
    assert_eq!(status, Some(1));
    assert!(err.contains("ended early"), "{err}");
}

/// What the simulator says when a bug is planted, found and made as small as so many faults.
fn stand_in_that_shrinks_to(faults: u64) -> StandIn {
    let stand_in = StandIn::new(&format!("shrinks-to-{faults}"), "", 0);
    let says = [
        ("list", r#"[{"name":"cancelled-ask-runs","about":"it runs","scenario":"storm"}]"#.to_owned()),
        (
            "run",
            PASSED.replace(
                "\"failed\":0,\"failures\":[]",
                "\"failed\":1,\"failures\":[{\"seed\":2,\"problems\":[\"ran 2 times\"],\"replay_file\":null}]",
            ),
        ),
        (
            "shrink",
            format!(
                r#"{{"faults":{faults},"steps":1,"runs":9,"story":["a crashes"],"then":"ran 2 times","replay_file":"f.json"}}"#
            ),
        ),
    ];
    for (command, text) in says {
        fs::write(stand_in.0.join(command), text).expect("there is room");
    }
    let script = format!("#!/bin/sh\ncat '{}'/\"$1\"\n", stand_in.0.display());
    fs::write(stand_in.0.join("odeon-sim"), script).expect("there is room");
    stand_in
}

#[test]
fn a_bug_that_is_found_and_not_made_small_fails_the_demo() {
    let (status, out, err) = stand_in_that_shrinks_to(5).demo(&["--break"]);
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("5 faults and 1 step") && !out.contains("FAILED"), "{out}");
    let (status, out, _) = stand_in_that_shrinks_to(6).demo(&["--break"]);
    assert_eq!(status, Some(1));
    assert!(out.contains("FAILED: a story may need 5 faults at most"), "{out}");
    let (status, out, _) = stand_in_that_shrinks_to(6).demo(&["--break", "--json"]);
    assert_eq!((status, out.lines().count()), (Some(1), 1), "{out}");
    assert!(out.contains("\"faults\":6"), "{out}");
}

#[test]
fn flags_of_the_other_demo_are_refused() {
    let simulator = StandIn::new("flags", PASSED, 0);
    for args in [&["--sim", "--nodes", "4"][..], &["--sim", "--no-kill"], &["--seeds", "0..3"]] {
        let (status, _, err) = simulator.demo(args);
        assert_eq!(status, Some(2), "{args:?}");
        assert!(err.contains("--sim") || err.contains("--seeds"), "{err}");
    }
}
