//! Lives of nodes: later ones replace earlier ones.

use std::{collections::BTreeMap, time::Duration};

use odeon_check::{Party, PresentLives, Recorder, What};
use proptest::prelude::*;

use crate::{
    chance::Chance,
    planted::{passes, told, unknown, violated},
};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

fn lives(node: &str, life: u64, members: &[(&str, u64)]) -> What {
    let members = members.iter().map(|(name, life)| (Party::from(*name), *life));
    What::Lives { node: node.into(), life, members: members.collect() }
}

fn up(node: &str) -> What {
    What::Up { node: node.into() }
}

fn down(node: &str) -> What {
    What::Down { node: node.into() }
}

/// Nodes that crash and come back in later lives, or take one themselves, while the others see them or not; in the end all
/// see all.
fn ups_and_downs(seed: u64) -> Vec<What> {
    let mut chance = Chance::new(seed);
    let mut events = NAMES.map(up).to_vec();
    let mut present = BTreeMap::from(NAMES.map(|name| (name, 1)));
    let see = |node: &str, present: &BTreeMap<&str, u64>, chance: &mut Chance, all: bool| {
        let mut members: Vec<_> = present.iter().map(|(name, life)| (*name, *life)).collect();
        members.retain(|_| all || chance.once_in(2));
        lives(node, present[node], &members)
    };
    for _ in 0..20 {
        let node = NAMES[chance.below(3)];
        match chance.below(4) {
            0 => {
                events.extend([down(node), up(node)]);
                *present.get_mut(node).expect("it is one of them") += 1 + chance.below(2) as u64;
            }
            1 => *present.get_mut(node).expect("it is one of them") += 1,
            _ => {}
        }
        events.push(see(node, &present, &mut chance, false));
    }
    events.extend(NAMES.map(|node| see(node, &present, &mut chance, true)));
    events
}

proptest! {
    #[test]
    fn lives_that_go_forward_pass_and_one_that_comes_back_is_found(seed: u64) {
        let (events, checker) = (ups_and_downs(seed), PresentLives::within(SECOND));
        passes(&told(events.clone()), &checker);
        let What::Lives { life, .. } = events[events.len() - 2].clone() else { unreachable!() };
        let mut broken = events;
        broken.push(lives("a", 9, &[("b", life - 1)]));
        let text = violated(&told(broken), &checker);
        prop_assert!(text.contains(&format!("a sees b in its life {}", life - 1)), "{}", text);
    }
}

#[test]
fn a_life_that_is_over_may_be_believed_in_for_a_while_only() {
    let recorder = Recorder::new(|| 100 * SECOND);
    for what in [up("a"), up("b"), lives("b", 1, &[]), lives("a", 1, &[("b", 1)]), down("b")] {
        recorder.record_at(SECOND, what);
    }
    recorder.record_at(2 * SECOND, up("b"));
    recorder.record_at(2 * SECOND, lives("b", 5, &[("a", 1)]));
    unknown(&recorder.history(), &PresentLives::within(99 * SECOND));
    let text = violated(&recorder.history(), &PresentLives::within(98 * SECOND));
    let expected = "\
present lives: a sees b in its life 1, which is over: it is 5
      1.000000s      #3  a is in life 1 and sees {b 1}
      2.000000s      #5  node b is up
      2.000000s      #6  b is in life 5 and sees {a 1}";
    assert_eq!(text, expected);
    recorder.record_at(90 * SECOND, lives("a", 1, &[("b", 5)]));
    passes(&recorder.history(), &PresentLives::within(SECOND));
    assert!(unknown(&told([up("a")]), &PresentLives::within(SECOND)).contains("no lives of nodes"));
}

#[test]
fn a_life_makes_way_for_a_later_one_alone() {
    let superseded = |life| What::Superseded { node: "b".into(), life };
    let seen = |life| lives("a", 1, &[("b", life)]);
    let begin = [up("a"), up("b"), seen(3), lives("b", 4, &[])];
    // Others know a later one.
    let [a_up, b_up, early, own] = begin.clone();
    let late = [a_up, b_up, early, own, seen(5), superseded(4), down("b")];
    passes(&told(late), &PresentLives::within(SECOND));
    // Nobody does.
    let [a_up, b_up, early, own] = begin;
    let nobody = told([a_up, b_up, early, own, superseded(4), down("b")]);
    let text = violated(&nobody, &PresentLives::within(SECOND));
    assert!(text.contains("life 4 of b makes way for a later one, and there is none"), "{text}");
    assert!(text.contains("a has seen no life of b after 3, which is over"), "{text}");
}
