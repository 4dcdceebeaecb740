//! `buggify!` in user code: off unless a run turns places on, the same places for the same seed, and counted.

use std::{cell::RefCell, rc::Rc, time::Duration};

use odeon::{buggify, buggify_number};
use odeon_sim::{Verdict, World, runner::Case, scenario};

const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Starts a node that asks ten places 100 times each and notes what they say.
fn asking(world: &mut World) -> Rc<RefCell<Vec<[bool; 10]>>> {
    let said: Rc<RefCell<Vec<[bool; 10]>>> = Rc::default();
    let told = Rc::clone(&said);
    world.node("a", move |_| {
        let told = Rc::clone(&told);
        async move {
            for _ in 0..100 {
                #[rustfmt::skip]
                told.borrow_mut().push([
                    buggify!(), buggify!(), buggify!(), buggify!(), buggify!(),
                    buggify!(1.0), buggify!(1.0), buggify!(1.0), buggify!(1.0), buggify!(1.0),
                ]);
                tokio::time::sleep(MS).await;
            }
        }
    });
    said
}

#[odeon_sim::test(seeds = 0..5)]
async fn places_are_off_unless_a_run_turns_them_on(world: &mut World) {
    let said = asking(world);
    world.run_for(200 * MS).await;
    assert!(said.borrow().iter().flatten().all(|fired| !fired));
    assert_eq!(world.buggified(), []);
}

#[odeon_sim::test(seeds = 0..20, buggify = 50)]
async fn a_place_is_on_or_off_for_a_whole_run_and_is_counted(world: &mut World) {
    let said = asking(world);
    world.run_for(200 * MS).await;
    let places = world.buggified();
    let ours = places
        .iter()
        .filter(|place| place.place.starts_with("worlds::buggify:"))
        .collect::<Vec<_>>();
    assert_eq!(ours.len(), 10, "{places:?}");
    for (at, place) in ours.iter().enumerate() {
        let fired = said.borrow().iter().filter(|row| row[at]).count() as u64;
        assert_eq!((place.asked, place.fired), (100, fired), "{place}");
        let expected = if at < 5 { 5..=50 } else { 100..=100 };
        assert!(if place.on { expected.contains(&fired) } else { fired == 0 }, "{place}");
    }
    // Turned off in the middle, and fully on.
    world.set_buggify(0);
    world.restart("a");
    said.borrow_mut().clear();
    world.run_for(200 * MS).await;
    assert!(said.borrow().iter().flatten().all(|fired| !fired));
    world.set_buggify(100);
    world.restart("a");
    world.run_for(200 * MS).await;
    assert!(world.buggified().iter().all(|place| place.on && place.fired > 0));
}

#[odeon_sim::test(seeds = 0..5, buggify = 100)]
async fn numbers_are_within_their_range_and_the_scenario_is_left_alone(world: &mut World) {
    assert!(!buggify!(1.0), "this is no node");
    world.node("a", |_| async {
        for _ in 0..100 {
            assert!((10..13).contains(&buggify_number!(1.0, 10..13).expect("it is on")));
        }
    });
    world.run_for(MS).await;
    assert_eq!(world.buggified()[0].fired, 100);
}

async fn asks(world: &mut World) {
    asking(world);
    world.run_for(200 * MS).await;
}

#[test]
fn a_verdict_tells_what_fired_and_every_program_says_the_same() {
    let scenario = scenario!(a_verdict_tells_what_fired_and_every_program_says_the_same, asks);
    let verdicts = scenario.run(Case { buggify_percent: 50, ..Case::new(3) }, 3, MINUTE);
    assert!(verdicts.iter().all(Verdict::passed), "{verdicts:?}");
    let Some(first) = verdicts.first() else { return };
    assert!(first.to_string().contains("buggified"), "{first}");
    assert!(first.buggified.iter().any(|place| place.on) && first.buggified.iter().any(|p| !p.on));
    assert!(verdicts.iter().all(|verdict| verdict.buggified == first.buggified));
}
