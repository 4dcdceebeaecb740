//! Watches, membership, names and counts.

use std::{collections::BTreeSet, time::Duration};

use odeon_check::{
    Checker, Convergence, Exit, History, NoLeaks, OneHolder, Party, Recorder, Resource, WatchOnce,
    What,
};
use proptest::prelude::*;

use crate::{
    chance::Chance,
    planted::{any_of, in_this_order, passes, told, unknown, violated, whats},
};

const SECOND: Duration = Duration::from_secs(1);

/// Watchers, targets that end in all ways, and what they are told; the last targets live on.
fn watches(seed: u64) -> History {
    let mut chance = Chance::new(seed);
    let mut events = Vec::new();
    for watch in 0..20_u64 {
        let (watcher, target) =
            (Party::from(format!("w{}", watch % 5)), Party::from(format!("t{watch}")));
        let exit = [Exit::Normal, Exit::Failed, Exit::NodeLost][chance.below(3)];
        let told = || What::Told { watcher: watcher.clone(), watch, exit };
        let ended = What::Ended { party: target.clone(), exit };
        events.push(What::Watched { watcher: watcher.clone(), target: target.clone(), watch });
        match chance.below(5) {
            0 => events.extend([What::Unwatched { watcher: watcher.clone(), watch }, ended]),
            1 if exit == Exit::NodeLost => events.push(told()),
            1 => {}
            2 => {
                events.extend([ended, told(), What::Unwatched { watcher: watcher.clone(), watch }])
            }
            _ => events.extend([ended, told()]),
        }
    }
    events.push(What::Watched { watcher: "gone".into(), target: "t0".into(), watch: 0 });
    events.push(What::Ended { party: "gone".into(), exit: Exit::Normal });
    told(events)
}

proptest! {
    #[test]
    fn true_watches_pass_and_planted_bugs_are_found(seed: u64) {
        let (history, checker) = (watches(seed), WatchOnce::within(SECOND));
        passes(&history, &checker);
        let mut chance = Chance::new(seed);
        let is_told = |what: &What| matches!(what, What::Told { .. });
        let Some(at) = any_of(&whats(&history), &mut chance, is_told) else { return Ok(()) };
        let What::Told { watcher, watch, exit } = whats(&history)[at].clone() else { unreachable!() };
        let target = Party::from(format!("t{watch}"));
        let plant = |edit: &dyn Fn(&mut Vec<What>), says: &str| {
            let mut events = whats(&history);
            edit(&mut events);
            let text = violated(&in_this_order(events, &history), &checker);
            assert!(text.contains(says), "{says}: {text}");
        };
        plant(&|events| events.push(events[at].clone()), "was told 2 times");
        let has_ended = |what: &What| matches!(what, What::Ended { party, .. } if *party == target);
        let ended = whats(&history).iter().position(has_ended);
        if let Some(ended) = ended {
            let taken_back = |what: &What| matches!(what, What::Unwatched { watch: other, .. } if *other == watch);
            let forget = |events: &mut Vec<What>| {
                events.remove(at);
                events.retain(|what| !taken_back(what));
            };
            plant(&forget, "was not told of its end within 1s");
            if exit != Exit::NodeLost {
                plant(&|events| drop(events.remove(ended)), "was told of an end that had not happened");
                let other = if exit == Exit::Normal { Exit::Failed } else { Exit::Normal };
                let change = |events: &mut Vec<What>| {
                    events[at] = What::Told { watcher: watcher.clone(), watch, exit: other };
                };
                plant(&change, "was told of another end than there was");
            }
        }
        plant(&|events| events.insert(at, What::Unwatched { watcher: watcher.clone(), watch }), "after it had taken the watch back");
        plant(&|events| events.insert(at, What::Ended { party: watcher.clone(), exit }), "was told after its own end");
        plant(&|events| events.insert(0, What::Told { watcher: watcher.clone(), watch: 999, exit }), "by a watch that it does not hold");
    }
}

#[test]
fn a_watch_at_the_end_of_a_history_has_time() {
    let events = || {
        let watched = What::Watched { watcher: "w".into(), target: "t".into(), watch: 1 };
        [watched, What::Ended { party: "t".into(), exit: Exit::Failed }]
    };
    passes(&told(events()), &WatchOnce::within(61 * SECOND));
    let text = violated(&told(events()), &WatchOnce::within(SECOND));
    let expected = "\
watch exactly once: w, which watches t, was not told of its end within 1s
      0.000000s      #0  w watches t, watch 1
      0.001000s      #1  t ends by a failure";
    assert_eq!(text, expected);
    assert!(unknown(&told([]), &WatchOnce::within(SECOND)).contains("no watches"));
    // Who watches what has ended already is told too.
    let [watched, ended] = events();
    violated(&told([ended, watched]), &WatchOnce::within(SECOND));
}

#[test]
fn a_watcher_that_is_told_late_is_found() {
    let history = |watched_ms, told_ms| {
        let recorder = Recorder::new(|| 60 * SECOND);
        let ended = What::Ended { party: "t".into(), exit: Exit::Failed };
        let watched = What::Watched { watcher: "w".into(), target: "t".into(), watch: 1 };
        let told = What::Told { watcher: "w".into(), watch: 1, exit: Exit::NodeLost };
        recorder.record_at(Duration::ZERO, ended);
        recorder.record_at(Duration::from_millis(watched_ms), watched);
        recorder.record_at(Duration::from_millis(told_ms), told);
        recorder.history()
    };
    passes(&history(0, 1_000), &WatchOnce::within(SECOND));
    // Of a target that had ended before, the time begins with the watch.
    passes(&history(5_000, 6_000), &WatchOnce::within(SECOND));
    let text = violated(&history(0, 1_001), &WatchOnce::within(SECOND));
    assert!(text.contains("w, which watches t, was told after 1.001s, later than 1s"), "{text}");
}

fn view(node: &str, members: &[&str]) -> What {
    let members = members.iter().map(|name| Party::from(*name)).collect::<BTreeSet<_>>();
    What::View { node: node.into(), members }
}

fn up(node: &str) -> What {
    What::Up { node: node.into() }
}

/// Three nodes that come up, err while c is away, and agree in the end.
fn membership(seed: u64) -> Vec<What> {
    let mut chance = Chance::new(seed);
    let names = ["a", "b", "c"];
    let mut events = names.map(up).to_vec();
    for _ in 0..10 {
        let mut members = names.to_vec();
        members.retain(|_| chance.once_in(2));
        events.push(view(names[chance.below(3)], &members));
    }
    events.push(What::Fault { text: "all is mended".into() });
    events.extend([what_is_down(&mut chance)].into_iter().flatten());
    let live = events.iter().any(|what| matches!(what, What::Down { .. }));
    let live = if live { &names[..2] } else { &names[..] };
    events.extend(live.iter().map(|node| view(node, live)));
    events
}

fn what_is_down(chance: &mut Chance) -> Option<What> {
    chance.once_in(2).then(|| What::Down { node: "c".into() })
}

proptest! {
    #[test]
    fn nodes_that_agree_pass_and_a_wrong_view_is_found(seed: u64) {
        let events = membership(seed);
        let checker = Convergence::within(SECOND);
        passes(&told(events.clone()), &checker);
        let last = events.len() - 1;
        for wrong in [&["a", "b", "c", "d"][..], &["x"], &["c"], &[]] {
            let What::View { node, .. } = &events[last] else { unreachable!() };
            let mut broken = events.clone();
            broken[last] = view(node, wrong);
            let text = violated(&told(broken), &checker);
            prop_assert!(text.contains(&format!("{node} sees {{")), "{}", text);
        }
        let mut silent = events.clone();
        let views = |what: &What| matches!(what, What::View { node, .. } if **node == *"a");
        silent.retain(|what| !views(what));
        let text = violated(&told(silent), &checker);
        prop_assert!(text.contains("a has no view"), "{}", text);
    }
}

#[test]
fn membership_needs_quiet_and_stays_as_it_is() {
    let events = [up("a"), up("b"), view("a", &["a", "b"]), view("b", &["a"])];
    passes(&told(events.clone()), &Convergence::within(SECOND));
    let text = unknown(&told(events.clone()), &Convergence::within(61 * SECOND));
    assert!(text.contains("let it be quiet for longer"), "{text}");
    assert!(
        unknown(&told([up("a")]), &Convergence::within(SECOND)).contains("no nodes that are up")
    );
    // A false alarm long after is one too.
    let recorder = odeon_check::Recorder::new(|| 100 * SECOND);
    for what in events {
        recorder.record_at(SECOND, what);
    }
    recorder.record_at(50 * SECOND, view("a", &["a"]));
    let text = violated(&recorder.history(), &Convergence::within(SECOND));
    let expected = "\
convergence of membership: a sees {} beside itself and must see {b}
      1.000000s      #1  node b is up
     50.000000s      #4  a sees {a}";
    assert_eq!(text, expected);
    // A node that comes back begins with no view.
    let back = [
        up("a"),
        up("b"),
        view("a", &["b"]),
        view("b", &["a"]),
        What::Down { node: "a".into() },
        up("a"),
    ];
    violated(&told(back), &Convergence::within(SECOND));
}

fn claimed(holder: &str) -> What {
    What::Claimed { name: "leader".into(), holder: holder.into() }
}

fn released(holder: &str) -> What {
    What::Released { name: "leader".into(), holder: holder.into() }
}

proptest! {
    #[test]
    fn names_that_change_hands_pass_and_two_holders_are_found(seed: u64) {
        let mut chance = Chance::new(seed);
        let mut events = Vec::new();
        for number in 0..10 {
            let holder = format!("n{number}");
            events.push(claimed(&holder));
            if chance.once_in(4) {
                events.push(claimed(&holder));
            }
            events.push(match chance.below(3) {
                0 => What::Down { node: holder.into() },
                1 => What::Ended { party: holder.into(), exit: Exit::Failed },
                _ => released(&holder),
            });
        }
        passes(&told(events.clone()), &OneHolder);
        let is_end = |what: &What| !matches!(what, What::Claimed { .. });
        let at = any_of(&events, &mut chance, is_end).filter(|at| at + 1 < events.len());
        if let Some(at) = at {
            events.swap(at, at + 1);
            let text = violated(&told(events), &OneHolder);
            prop_assert!(text.contains("holds leader while"), "{}", text);
        }
    }
}

#[test]
fn two_holders_are_shown_with_their_claims() {
    let other = What::Claimed { name: "other".into(), holder: "b".into() };
    passes(&told([claimed("a"), other, released("a"), claimed("b")]), &OneHolder);
    // Somebody else's release is none.
    let text = violated(&told([claimed("a"), released("b"), claimed("b")]), &OneHolder);
    let expected = "\
at most one of a name: b holds leader while a does
      0.000000s      #0  a holds leader
      0.002000s      #2  b holds leader";
    assert_eq!(text, expected);
    assert!(unknown(&told([released("a")]), &OneHolder).contains("no claims of names"));
}

fn counted(place: &str, resource: Resource, count: u64) -> What {
    What::Counted { place: place.into(), resource, count }
}

proptest! {
    #[test]
    fn what_goes_up_and_down_passes_and_what_stays_up_is_found(seed: u64, left in 1_u64..5) {
        let mut chance = Chance::new(seed);
        let kinds = [
            Resource::Tasks,
            Resource::Sockets,
            Resource::Slabs,
            Resource::Actors,
            Resource::Cells,
            Resource::Held,
            Resource::Surplus,
        ];
        let mut counts = |ends: &dyn Fn(usize) -> u64| {
            let mut events = Vec::new();
            for (kind, resource) in kinds.into_iter().enumerate() {
                let middle = chance.below(100) as u64;
                let counts = [3, 3 + middle, ends(kind)];
                events.extend(counts.map(|count| counted("a", resource, count)));
            }
            told(events)
        };
        passes(&counts(&|_| 3), &NoLeaks::new());
        passes(&counts(&|_| 0), &NoLeaks::new());
        let leaky = seed as usize % kinds.len();
        let leak = counts(&|kind| if kind == leaky { 3 + left } else { 3 });
        let text = violated(&leak, &NoLeaks::new());
        let says = format!("a has {left} {} more than in the beginning", kinds[leaky]);
        prop_assert!(text.contains(&says), "{}", text);
        passes(&leak, &NoLeaks::new().allow(kinds[leaky], left));
        violated(&leak, &NoLeaks::new().allow(kinds[leaky], left - 1));
    }
}

#[test]
fn one_count_proves_nothing() {
    let text = unknown(&told([counted("a", Resource::Tasks, 7)]), &NoLeaks::new());
    assert!(text.contains("counted twice"), "{text}");
    let checker: &dyn Checker = &NoLeaks::new();
    assert_eq!(checker.name(), "no leaks");
}
