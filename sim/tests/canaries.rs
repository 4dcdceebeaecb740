//! Each override that returns a value matters: with it on, every run of a seed is the same; with it off, it is not.
#![expect(clippy::disallowed_methods, reason = "user code may read the wall clock, and replays")]

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use odeon_sim::{Override, Replay, Switches, Verdict, World, hits, runner::Case, scenario};

const MINUTE: Duration = Duration::from_secs(60);

/// Puts what follows entropy, the clock and the address layout into the trace.
async fn canary(world: &mut World) {
    world.node("canary", |env| async move {
        let map: HashMap<u32, u32> = (0..32).map(|key| (key, key)).collect();
        env.note("order", &format!("{:?}", map.keys()));
        for _ in 0..10 {
            env.note("time", &format!("{:?}", SystemTime::now()));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (heap, stack) = (Box::new(1_u8), 1_u8);
        env.note("heap", &format!("{:p}", &*heap));
        env.note("stack", &format!("{:p}", &raw const stack));
    });
    world.run_for(Duration::from_secs(1)).await;
    assert!(hits(Override::GetRandom) > 0, "hash keys do not come from the seed");
    assert!(hits(Override::ClockGetTime) > 0, "the wall clock is not virtual");
}

/// Runs the case three times; the hashes must be equal or all different.
fn compare(verdicts: &[Verdict], equal: bool) {
    assert!(verdicts.iter().all(Verdict::passed), "{verdicts:?}");
    let mut hashes = verdicts.iter().map(|verdict| verdict.hash).collect::<Vec<_>>();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), if equal { 1 } else { verdicts.len() }, "{verdicts:?}");
}

/// Every verdict says that a replay is not guaranteed, and why.
fn no_replay(verdicts: &[Verdict], expected: &str) {
    for verdict in verdicts {
        assert_eq!(verdict.replay, Replay::NotGuaranteed(expected.to_owned()));
        let said = verdict.to_string();
        assert!(said.contains(&format!("replay not guaranteed ({expected})")), "{said}");
    }
}

#[test]
fn with_everything_on_every_run_is_the_same() {
    let verdicts =
        scenario!(with_everything_on_every_run_is_the_same, canary).run(Case::new(1), 3, MINUTE);
    // Some sandboxes refuse to turn address randomisation off; the verdict says so.
    if verdicts.iter().all(|verdict| verdict.replay == Replay::Guaranteed) {
        compare(&verdicts, true);
    } else {
        println!("not compared: address randomisation cannot be turned off here");
    }
}

#[test]
fn without_entropy_every_run_differs() {
    let switches = Switches { entropy: false, ..Switches::ALL };
    let case = Case { switches, ..Case::new(1) };
    compare(&scenario!(without_entropy_every_run_differs, canary).run(case, 3, MINUTE), false);
}

#[test]
fn without_the_clock_every_run_differs() {
    let switches = Switches { clock: false, ..Switches::ALL };
    let case = Case { switches, ..Case::new(1) };
    let verdicts = scenario!(without_the_clock_every_run_differs, canary).run(case, 3, MINUTE);
    compare(&verdicts, false);
    no_replay(&verdicts, "an override is switched off");
}

#[test]
fn without_fixed_addresses_every_run_differs() {
    let case = Case { fixed_addresses: false, ..Case::new(1) };
    let verdicts =
        scenario!(without_fixed_addresses_every_run_differs, canary).run(case, 3, MINUTE);
    compare(&verdicts, false);
    no_replay(&verdicts, "address randomisation is on");
}
