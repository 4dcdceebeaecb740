//! A bug that needs two faults of many, and one step: it is found, replayed, and shrunk to just these.

use std::{
    cell::{Cell, RefCell},
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use crate::command::command;
use odeon_interpose::Stream;
use odeon_sim::{
    Budget, Check, Fault, FaultKind, Outline, Pace, Scenario, Swarm, World, play,
    runner::ReplayFile,
};
use serde::{Deserialize, Serialize};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// The step that the bug needs.
const BAD: u64 = 17;

/// A write of the workload.
#[derive(Debug, Serialize, Deserialize)]
struct Write {
    key: u64,
}

/// What goes wrong once b has been restarted, c has been held for a while, and the bad key has been written.
#[derive(Default)]
struct Planted {
    lives_of_b: Rc<Cell<u64>>,
    c_stalled: Rc<Cell<bool>>,
    written: Rc<RefCell<Vec<u64>>>,
}

impl Scenario for Planted {
    const NAME: &'static str = "planted";
    const ABOUT: &'static str = "a bug that needs two faults and one step";
    type Step = Write;

    fn outline(&self) -> Outline {
        let no_bound = Budget::unbounded();
        let mut swarm = Swarm::none().chance(1.0).budget(no_bound);
        let kinds = [
            FaultKind::Crash,
            FaultKind::ZoneCrash,
            FaultKind::Pause,
            FaultKind::Cut,
            FaultKind::Partition,
            FaultKind::Strain,
            FaultKind::Skew,
        ];
        for kind in kinds {
            swarm = swarm.with_pace(kind, Pace::new(4 * SECOND, 100 * MS..=3 * SECOND));
        }
        Outline::new(NAMES).safety(60 * SECOND).liveness(SECOND).faults(swarm)
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, Write)> {
        (0..50).map(|key| (MS * draw.below(60_000) as u32, Write { key })).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        for name in NAMES {
            let (lives, stalled) = (Rc::clone(&self.lives_of_b), Rc::clone(&self.c_stalled));
            world.node(name, move |env| {
                lives.set(lives.get() + u64::from(name == "b"));
                let stalled = Rc::clone(&stalled);
                async move {
                    loop {
                        let before = env.now();
                        tokio::time::sleep(10 * MS).await;
                        let late = env.now() - before > 500 * MS;
                        stalled.set(stalled.get() || name == "c" && late);
                    }
                }
            });
        }
        Ok(())
    }

    fn step(&mut self, _: &mut World, step: Write) -> impl Future<Output = ()> + 'static {
        let written = Rc::clone(&self.written);
        async move { written.borrow_mut().push(step.key) }
    }

    async fn recover(&mut self, _: &mut World) -> Result<(), String> {
        Ok(())
    }

    fn checks(&self) -> Vec<Check> {
        let (lives, stalled) = (Rc::clone(&self.lives_of_b), Rc::clone(&self.c_stalled));
        let written = Rc::clone(&self.written);
        vec![Check::at_end("the planted bug", move |_| {
            let writes = written.borrow().len();
            let bug = lives.get() > 1 && stalled.get() && written.borrow().contains(&BAD);
            if bug { Err(format!("{} lives and {writes} writes", lives.get())) } else { Ok(()) }
        })]
    }
}

/// A folder of its own for each test.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("it can be made");
    folder
}

#[test]
fn two_faults_of_sixty_are_found_and_nothing_else_is_left() {
    let test = play!(two_faults_of_sixty_are_found_and_nothing_else_is_left, Planted::default);
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let folder = scratch("shrink");
    let path = |name: &str| folder.join(name).display().to_string();
    let (status, said) =
        command(&test, &["run", "--seeds", "5", "--replays", &folder.display().to_string()]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("the scenario failed: check the planted bug: "), "{said}");
    let found = ReplayFile::read(&folder.join("planted-5.json")).expect("the failure left it");
    assert!(found.script.faults().faults().len() >= 60, "{}", found.script.faults());

    let (status, said) =
        command(&test, &["shrink", &path("planted-5.json"), "--out", &path("shrunk.json")]);
    assert_eq!(status, 0, "{said}");
    let shrunk = ReplayFile::read(&folder.join("shrunk.json")).expect("it was written");
    let faults: Vec<_> = shrunk.script.faults().faults().iter().map(|fault| &fault.fault).collect();
    let (b, c) = ("b".to_owned(), "c".to_owned());
    let [crash, pause] = [Fault::Crash { node: b }, Fault::Pause { node: c }];
    assert!(faults == [&crash, &pause] || faults == [&pause, &crash], "{said}");
    assert_eq!(shrunk.script.steps().len(), 1, "{said}");
    assert_eq!(shrunk.script.steps()[0].step["key"], BAD);
    assert!(shrunk.script.safety() < 5 * SECOND, "{said}");
    for sentence in ["b crashes, for 1 ms", "c is held, for ", "Write { key: 17 }"] {
        assert!(said.contains(sentence), "{said}");
    }

    let (status, said) = command(&test, &["replay", &path("shrunk.json")]);
    assert_eq!(status, 1, "{said}");
    assert!(
        said.contains("this is the program that wrote the file; the run is the same"),
        "{said}"
    );
    assert!(said.contains("fault b crashes"), "{said}");
}

#[test]
fn a_seed_and_its_replay_file_are_one_run() {
    let test = play!(a_seed_and_its_replay_file_are_one_run, Planted::default);
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let folder = scratch("replay");
    let replays = folder.display().to_string();
    let (status, _) = command(&test, &["run", "planted", "--seeds", "5..6", "--replays", &replays]);
    assert_eq!(status, 1);
    let file = folder.join("planted-5.json").display().to_string();
    let (status, said) = command(&test, &["diff", "planted:5", &file]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("the two are one run"), "{said}");
    let (status, said) = command(&test, &["check", "--seed", "5"]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("two runs are one run"), "{said}");
    let (status, said) = command(&test, &["replay", "planted", "--seed", "5", "--lines", "3"]);
    assert_eq!(status, 1, "{said}");
    let file = ReplayFile::read(Path::new(&file)).expect("it was written");
    assert!(said.contains(&file.trace_hash), "{said}");
}

#[test]
fn where_two_runs_part_is_shown() {
    let test = play!(where_two_runs_part_is_shown, Planted::default);
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let folder = scratch("diff");
    let replays = folder.display().to_string();
    let (_, _) = command(&test, &["run", "planted", "--seeds", "5", "--replays", &replays]);
    // The same run with one fault fewer, which begins late.
    let mut file = ReplayFile::read(&folder.join("planted-5.json")).expect("it was written");
    let mut faults = file.script.faults().clone().into_faults();
    let late = faults.iter().rposition(|fault| fault.fault.kind() == FaultKind::Crash);
    let removed = faults.remove(late.expect("there are crashes"));
    let plan = odeon_sim::Plan::new(faults).expect("it is smaller");
    let (steps, safety) = (file.script.steps().to_vec(), file.script.safety());
    file.script = odeon_sim::Script::new(plan, steps, safety, SECOND).expect("it is smaller");
    let path = folder.join("less.json");
    file.write(&path).expect("there is room");
    let (status, said) = command(&test, &["diff", "planted:5", &path.display().to_string()]);
    assert_eq!(status, 1, "{said}");
    let line = said.lines().find(|line| line.starts_with("  - ") && line.contains("fault"));
    assert!(line.is_some_and(|line| line.contains(&removed.fault.to_string())), "{said}");
}

#[test]
fn what_cannot_be_used_is_status_2() {
    let test = play!(what_cannot_be_used_is_status_2, Planted::default);
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    for args in [
        &["run", "unknown"][..],
        &["run", "--seeds", "x"],
        &["run", "--seeds", "5..5"],
        &["run", "--jobs", "0"],
        &["replay"],
        &["replay", "planted"],
        &["replay", "/nowhere/file.json"],
        &["replay", "unknown", "--seed", "1"],
        &["diff", "planted:1"],
        &["fly"],
        &[],
    ] {
        let (status, said) = command(&test, args);
        assert_eq!((status, said.as_str()), (2, ""), "{args:?}");
    }
}

#[test]
fn a_run_says_what_happened_to_people_and_to_programs() {
    let test = play!(a_run_says_what_happened_to_people_and_to_programs, Planted::default);
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let folder = scratch("report");
    let replays = folder.display().to_string();
    let junit = folder.join("junit.xml");
    let junit_path = junit.display().to_string();
    let args = ["run", "--seeds", "0..6", "--json", "--junit", &junit_path, "--replays", &replays];
    let (status, said) = command(&test, &args);
    let report: serde_json::Value = serde_json::from_str(&said).expect("it is one JSON object");
    let scenario = &report["scenarios"][0];
    let failed = scenario["failed"].as_u64().expect("it is a number");
    assert_eq!((status, report["passed"].as_bool()), (1, Some(false)));
    assert_eq!((scenario["seeds"].as_u64(), scenario["steps"].as_u64()), (Some(6), Some(300)));
    assert!(failed > 0 && scenario["faults"]["crash"].as_u64() > Some(10), "{said}");
    assert!(scenario["virtual_s"].as_f64() > Some(300.0), "{said}");
    let xml = fs::read_to_string(junit).expect("it was written");
    assert_eq!(xml.matches("<failure ").count() as u64, failed, "{xml}");
    let (status, said) = command(&test, &["list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&said).expect("it is one JSON array");
    assert_eq!((status, &list[0]["name"]), (0, &"planted".into()));
}
