//! A run that does not repeat itself is explained: where two runs of one seed part, who did it, and what probably made
//! it so; also where the lines of that place were forgotten.
#![expect(clippy::disallowed_methods, reason = "user code may read the wall clock")]

use std::time::{Duration, SystemTime};

use odeon_sim::{Difference, Switches, Verdict, World, runner::Case, scenario};

const MINUTE: Duration = Duration::from_secs(60);

/// Notes the time once, early, and then many things that are alike.
async fn one_odd_note(world: &mut World) {
    world.node("alice", |env| async move {
        env.note("first", "as always");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
        env.note("read", &now.as_nanos().to_string());
        for count in 0..20_000 {
            env.note("counted", &count.to_string());
        }
    });
    world.run_for(Duration::from_secs(1)).await;
}

#[test]
fn a_run_that_repeats_itself_has_no_difference() {
    let scenario = scenario!(a_run_that_repeats_itself_has_no_difference, one_odd_note);
    let checked = scenario.check(Case::new(1), MINUTE);
    assert!(checked.verdicts.iter().all(Verdict::passed), "{checked:?}");
    assert_eq!(checked.difference, None);
}

#[test]
fn the_first_event_that_differs_is_told_although_its_line_was_forgotten() {
    let scenario = scenario!(
        the_first_event_that_differs_is_told_although_its_line_was_forgotten,
        one_odd_note
    );
    let switches = Switches { clock: false, ..Switches::ALL };
    let checked = scenario.check(Case { switches, ..Case::new(1) }, MINUTE);
    let [left, right] = &checked.verdicts[..] else { return };
    let found = checked.difference.expect("real clocks differ");
    assert!(found.is_exact, "{found}");
    assert!(found.before.last().is_some_and(|line| line.ends_with("first as always")), "{found}");
    assert!(found.left != found.right && found.to_string().contains("alice"), "{found}");
    assert!(found.cause.contains("an override is switched off"), "{found}");
    // As two files would tell it.
    let read = |verdict: &Verdict| Verdict::decode(&verdict.encode()).expect("it is whole");
    assert_eq!(Difference::between(&read(left), &read(right)), Some(found));
}
