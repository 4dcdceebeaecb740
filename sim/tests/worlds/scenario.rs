//! Scenarios as data: each seed is played as its script says, and a bug that needs faults is found.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    env,
    ffi::OsStr,
    path::Path,
    process::Command,
    rc::Rc,
    time::Duration,
};

use odeon_interpose::Stream;
use odeon_sim::{
    Check, FaultKind, Outline, Pace, Scenario, Site, Swarm, World, runner::ReplayFile,
};
use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);

/// Who is told what.
#[derive(Debug, Serialize, Deserialize)]
struct Tell {
    node: String,
    number: u64,
}

/// Nodes that count their lives, and a workload that is told to them while they are up.
#[derive(Default)]
struct Lives {
    /// How often each node has started.
    started: Rc<RefCell<BTreeMap<&'static str, u64>>>,
    told: Rc<Cell<u64>>,
    /// What the checks must be content with.
    forgets: bool,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl Scenario for Lives {
    const NAME: &'static str = "lives";
    const ABOUT: &'static str = "Nodes count their lives";
    type Step = Tell;

    fn outline(&self) -> Outline {
        let pace = Pace::new(3 * SECOND, SECOND / 10..=SECOND);
        let swarm = Swarm::all().chance(1.0).with_pace(FaultKind::Crash, pace);
        let zones = ["east", "east", "west"];
        let sites = NAMES.iter().zip(zones).map(|(name, zone)| Site::new(*name).in_zone(zone));
        Outline::new(sites).safety(20 * SECOND).liveness(SECOND).faults(swarm)
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, Tell)> {
        let step = |number: u64| {
            let node = NAMES[draw.below(3) as usize].to_owned();
            (Duration::from_millis(draw.below(20_000)), Tell { node, number })
        };
        (0..50).map(step).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        for name in NAMES {
            let started = Rc::clone(&self.started);
            world.node(name, move |_| {
                *started.borrow_mut().entry(name).or_default() += 1;
                std::future::pending::<()>()
            });
        }
        world.run_for(SECOND).await;
        Ok(())
    }

    fn step(&mut self, world: &mut World, step: Tell) -> impl Future<Output = ()> + 'static {
        let (up, told) = (world.is_up(&step.node), Rc::clone(&self.told));
        async move {
            tokio::time::sleep(SECOND / 2).await;
            told.set(told.get() + u64::from(up));
        }
    }

    async fn recover(&mut self, world: &mut World) -> Result<(), String> {
        if let Some(down) = NAMES.iter().find(|name| !world.is_up(name)) {
            return Err(format!("{down} is down, and all is healed"));
        }
        Ok(())
    }

    fn checks(&self) -> Vec<Check> {
        let (started, told, forgets) =
            (Rc::clone(&self.started), Rc::clone(&self.told), self.forgets);
        let looked = Rc::new(Cell::new(0));
        let (count, once) = (Rc::clone(&looked), Rc::clone(&looked));
        vec![
            // Between the twentieth look and the next one.
            Check::at(SECOND * 41 / 4, "half of the looks", move |_| match once.get() {
                20 => Ok(()),
                looked => Err(format!("looked {looked} times")),
            }),
            Check::every(SECOND / 2, "a majority is up", move |world| {
                count.set(count.get() + 1);
                let up = NAMES.iter().filter(|name| world.is_up(name)).count();
                if up >= 2 { Ok(()) } else { Err(format!("{up} of 3 are up")) }
            }),
            Check::at_end("counts", move |_| {
                let lives: u64 = started.borrow().values().sum();
                let (told, looked) = (told.get(), looked.get());
                if looked != 40 {
                    return Err(format!("looked {looked} times"));
                }
                let all = lives >= 3 && told > 0 && told <= 50;
                if all && !forgets { Ok(()) } else { Err(format!("{lives} lives, {told} told")) }
            }),
        ]
    }
}

#[odeon_sim::test(seeds = 0..20)]
fn a_scenario_is_played_as_its_script_says() -> Lives {
    Lives::default()
}

#[odeon_sim::test(seeds = 3, repeat = 5)]
fn one_seed_in_five_programs_is_one_run() -> Lives {
    Lives::default()
}

#[odeon_sim::test(seeds = 0..2, fails = "check counts: ")]
fn a_check_that_objects_fails_the_seed() -> Lives {
    Lives { forgets: true, ..Lives::default() }
}

/// A step, or the recovery, that never ends.
struct Stuck {
    step: bool,
}

impl Scenario for Stuck {
    const NAME: &'static str = "stuck";
    const ABOUT: &'static str = "Something never ends";
    type Step = ();

    fn outline(&self) -> Outline {
        Outline::new(["a"]).safety(SECOND).liveness(2 * SECOND)
    }

    fn workload(&self, _: &Stream) -> Vec<(Duration, ())> {
        vec![(SECOND / 2, ())]
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        world.node("a", |_| std::future::pending::<()>());
        Ok(())
    }

    fn step(&mut self, _: &mut World, (): ()) -> impl Future<Output = ()> + 'static {
        let stuck = self.step;
        async move {
            if stuck {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn recover(&mut self, _: &mut World) -> Result<(), String> {
        std::future::pending().await
    }
}

#[odeon_sim::test(seeds = 1, fails = "the liveness phase did not end within 2 s")]
fn a_step_that_never_ends_fails_the_seed() -> Stuck {
    Stuck { step: true }
}

#[odeon_sim::test(seeds = 1, fails = "the liveness phase did not end within 2 s")]
fn a_recovery_that_never_ends_fails_the_seed() -> Stuck {
    Stuck { step: false }
}

/// One seed of it fails.
struct Rare;

/// The one.
const RARE: u64 = 77_777_777;

impl Scenario for Rare {
    const NAME: &'static str = "rare";
    const ABOUT: &'static str = "one seed fails";
    type Step = ();

    fn outline(&self) -> Outline {
        Outline::new(["a", "b"]).safety(SECOND).faults(Swarm::all().chance(1.0))
    }

    fn workload(&self, _: &Stream) -> Vec<(Duration, ())> {
        vec![(SECOND / 2, ())]
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        ["a", "b"].into_iter().for_each(|name| world.node(name, |_| std::future::pending::<()>()));
        Ok(())
    }

    fn step(&mut self, _: &mut World, (): ()) -> impl Future<Output = ()> + 'static {
        std::future::ready(())
    }

    async fn recover(&mut self, _: &mut World) -> Result<(), String> {
        Ok(())
    }

    fn checks(&self) -> Vec<Check> {
        vec![Check::at_end("the rare one", |world| match world.seed() {
            RARE => Err("it is rare".to_owned()),
            _ => Ok(()),
        })]
    }
}

#[odeon_sim::test(seeds = 0..3)]
fn all_seeds_but_one_pass() -> Rare {
    Rare
}

#[test]
fn a_failure_of_a_test_leaves_a_file_that_a_test_plays() {
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let test = |name: &str, value: &OsStr| played("scenario::all_seeds_but_one_pass", name, value);
    assert!(test("ODEON_SEED", "0".as_ref()).0);
    let (passed, said) = test("ODEON_SEED", RARE.to_string().as_ref());
    assert!(!passed, "{said}");
    let path =
        said.lines().find_map(|line| line.trim().strip_prefix("to replay it: ODEON_REPLAY="));
    let path = path.unwrap_or_else(|| panic!("it names the file: {said}"));
    let (passed, said) = test("ODEON_REPLAY", path.as_ref());
    assert!(!passed && said.contains("check the rare one: it is rare"), "{said}");
    let hash = ReplayFile::read(Path::new(path)).expect("it was left").trace_hash;
    assert!(said.contains(&hash), "{said}");
    assert!(!test("ODEON_REPLAY", "/nowhere/file.json".as_ref()).0);
    // Of another scenario, or of none.
    for other in
        ["scenario::a_step_that_never_ends_fails_the_seed", "scenario::a_plain_body_passes"]
    {
        let (passed, said) = played(other, "ODEON_REPLAY", path.as_ref());
        assert!(!passed && said.contains("replays the scenario \"rare\""), "{said}");
    }
}

/// Runs a test of this program with this in its environment: whether it passed, and what it said.
fn played(test: &str, name: &str, value: &OsStr) -> (bool, String) {
    let program = env::current_exe().expect("it runs");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture"]).env(name, value);
    let output = command.output().expect("it can be started again");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[odeon_sim::test(seeds = 1)]
async fn a_plain_body_passes(_: &mut World) {}

#[test]
fn no_seed_of_many_is_passed_over() {
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let test =
        |seeds: String| played("scenario::all_seeds_but_one_pass", "ODEON_SEED", seeds.as_ref());
    // More than are in memory at once.
    let (passed, said) = test(format!("{}..{}", RARE - 66, RARE + 4));
    assert!(!passed && said.contains("1 of 70 seeds failed"), "{said}");
    let (passed, said) = test("5..5".to_owned());
    assert!(!passed && said.contains("ODEON_SEED=5..5 is no seed"), "{said}");
}
