//! Messages between senders and receivers: order, answers, honesty.

use std::{collections::VecDeque, time::Duration};

use odeon_check::{
    Certainty, Checker, Exit, History, Honesty, Letter, OneAnswer, PairFifo, Recorder, What,
};
use proptest::prelude::*;

use crate::{
    chance::Chance,
    planted::{any_of, in_this_order, passes, told, unknown, violated, whats},
};

const ANSWERS: OneAnswer = OneAnswer::within(Duration::from_secs(1));

/// A way of one pair: what is sent comes in order, if it comes, and its sender is told the truth.
struct Way {
    from: String,
    to: String,
    sent: u64,
    under_way: VecDeque<(Letter, bool)>,
}

fn correct(seed: u64) -> History {
    let mut chance = Chance::new(seed);
    let recorder = Recorder::new(|| Duration::ZERO);
    let way = |from: usize, to: usize| {
        let (from, to) = (format!("s{from}"), format!("r{to}"));
        Way { from, to, sent: 0, under_way: VecDeque::new() }
    };
    let mut ways = (0..6).map(|pair| way(pair % 3, pair / 3)).collect::<Vec<_>>();
    for _ in 0..200 {
        let way = &mut ways[chance.below(6)];
        if chance.once_in(2) {
            way.sent += 1;
            let letter = Letter::new(way.from.as_str(), way.to.as_str(), way.sent);
            let ask = chance.once_in(2);
            if ask {
                recorder.ask(&letter)
            } else {
                recorder.tell(&letter)
            }
            way.under_way.push_back((letter, ask));
        } else if let Some((letter, ask)) = way.under_way.pop_front() {
            arrive(&recorder, &mut chance, &letter, ask);
        }
    }
    for way in ways {
        for (letter, ask) in way.under_way {
            arrive(&recorder, &mut chance, &letter, ask);
        }
    }
    recorder.history().observed_until(Duration::from_secs(60))
}

fn arrive(recorder: &Recorder, chance: &mut Chance, letter: &Letter, ask: bool) {
    let refused = |certainty| recorder.send_failed(letter, certainty, "so it was");
    match chance.below(8) {
        0 => return refused(Certainty::NotDelivered),
        1 => return refused(Certainty::MayHaveRun),
        _ => recorder.began(letter),
    }
    match (chance.below(6), ask) {
        (0, _) => refused(Certainty::MayHaveRun),
        (1, true) => refused(Certainty::Ran),
        (2, _) => drop(recorder.record(What::GaveUp { letter: letter.clone() })),
        (_, true) => recorder.answered(letter, letter.number),
        (_, false) => recorder.taken(letter),
    }
}

fn letter(what: &What) -> Option<&Letter> {
    match what {
        What::Sent { letter, .. } | What::Began { letter } | What::Answered { letter, .. } => {
            Some(letter)
        }
        _ => None,
    }
}

/// Plants a bug; the checker that must find it, and a word of what it says.
fn plant(
    kind: usize,
    history: &History,
    chance: &mut Chance,
) -> Option<(History, Box<dyn Checker>, &'static str)> {
    let mut events = whats(history);
    let began = |what: &What| matches!(what, What::Began { .. });
    let answered = |what: &What| matches!(what, What::Answered { .. });
    let (checker, says): (Box<dyn Checker>, _) = match kind {
        0 => {
            let first = any_of(&events, chance, began)?;
            let pair = letter(&events[first]).map(|it| (it.from.clone(), it.to.clone()));
            let same = |what: &What| {
                began(what) && letter(what).map(|it| (it.from.clone(), it.to.clone())) == pair
            };
            let second = any_of(&events, chance, same).filter(|second| *second != first)?;
            events.swap(first, second);
            (Box::new(PairFifo), "begins after a later message of its pair")
        }
        1 => {
            let at = any_of(&events, chance, began)?;
            events.push(events[at].clone());
            (Box::new(Honesty), "ran 2 times")
        }
        2 => {
            let lost = |what: &What| {
                matches!(what, What::Refused { certainty: Certainty::NotDelivered, .. })
            };
            let at = any_of(&events, chance, lost)?;
            let What::Refused { letter, .. } = events[at].clone() else { return None };
            let place = if chance.once_in(2) { at } else { events.len() };
            events.insert(place, What::Began { letter });
            (Box::new(Honesty), "ran, and its sender was told that it was not delivered")
        }
        3 => {
            let end = any_of(&events, chance, answered)?;
            let of = letter(&events[end]).cloned()?;
            let begin = events.iter().position(|what| began(what) && letter(what) == Some(&of))?;
            events.remove(begin);
            (Box::new(Honesty), "ran never, and its sender was told that it was answered")
        }
        4 => {
            let ran = |what: &What| matches!(what, What::Refused { certainty: Certainty::Ran, .. });
            let end = any_of(&events, chance, ran)?;
            let What::Refused { letter: of, .. } = events[end].clone() else { return None };
            let begin = events.iter().position(|what| began(what) && letter(what) == Some(&of))?;
            let begin = events.remove(begin);
            events.push(begin);
            (Box::new(Honesty), "ran only later, and its sender was told that it ran")
        }
        5 => {
            let at = any_of(&events, chance, answered)?;
            events.remove(at);
            (Box::new(ANSWERS), "has no answer after 1s")
        }
        6 => {
            let at = any_of(&events, chance, answered)?;
            events.push(events[at].clone());
            (Box::new(ANSWERS), "ended 2 times")
        }
        7 => {
            let at = any_of(&events, chance, answered)?;
            let What::Answered { echo: Some(echo), .. } = &mut events[at] else { return None };
            *echo += 1;
            (Box::new(ANSWERS), "got the answer of no. ")
        }
        _ => {
            let at = any_of(&events, chance, |what| matches!(what, What::Sent { .. }))?;
            let of = letter(&events.remove(at)).cloned()?;
            events.iter().any(|what| began(what) && letter(what) == Some(&of)).then_some(())?;
            (Box::new(Honesty), "ran, and nobody sent it")
        }
    };
    Some((in_this_order(events, history), checker, says))
}

proptest! {
    #[test]
    fn true_courses_pass_and_planted_bugs_are_found(seed: u64) {
        let history = correct(seed);
        passes(&history, &PairFifo);
        passes(&history, &ANSWERS);
        passes(&history, &Honesty);
        let mut chance = Chance::new(seed);
        for kind in 0..9 {
            if let Some((broken, checker, says)) = plant(kind, &history, &mut chance) {
                let text = violated(&broken, &checker);
                prop_assert!(text.contains(says), "{kind}: {text}");
            }
        }
    }
}

#[test]
fn a_counterexample_shows_the_four_events() {
    let [one, two] = [1, 2].map(|number| Letter::new("a", "b", number));
    let sent = |letter: &Letter| What::Sent { letter: letter.clone(), ask: false };
    let began = |letter: &Letter| What::Began { letter: letter.clone() };
    let other = Letter::new("c", "b", 1);
    let history =
        told([sent(&one), sent(&two), sent(&other), began(&two), began(&other), began(&one)]);
    let expected = "\
first in, first out for each pair: a -> b no. 1 begins after a later message of its pair
      0.000000s      #0  tell a -> b no. 1 is sent
      0.001000s      #1  tell a -> b no. 2 is sent
      0.003000s      #3       a -> b no. 2 begins to run
      0.005000s      #5       a -> b no. 1 begins to run";
    assert_eq!(violated(&history, &PairFifo), expected);
}

#[test]
fn an_asker_that_is_gone_and_a_late_ask_need_no_answer() {
    let letter = Letter::new("a", "b", 1);
    let sent = What::Sent { letter: letter.clone(), ask: true };
    let text = violated(&told([sent.clone()]), &ANSWERS);
    assert!(text.contains("ask a -> b no. 1 has no answer after 1s"), "{text}");
    let ended = What::Ended { party: "a".into(), exit: Exit::NodeLost };
    passes(&told([sent.clone(), ended.clone()]), &ANSWERS);
    violated(&told([ended, sent.clone()]), &ANSWERS);
    passes(&told([sent]), &OneAnswer::within(Duration::from_secs(61)));
    for checker in [&PairFifo as &dyn Checker, &ANSWERS, &Honesty] {
        assert!(unknown(&told([]), checker).contains("the history has no letters"));
    }
}

/// However it ends: whoever asks has waited too long.
#[test]
fn an_ask_that_ends_late_is_found_and_a_tell_may_take_its_time() {
    let letter = Letter::new("a", "b", 1);
    let course = |ask, after_ms, end: What| {
        let recorder = Recorder::new(|| Duration::from_secs(60));
        recorder.record_at(Duration::ZERO, What::Sent { letter: letter.clone(), ask });
        recorder.record_at(Duration::from_millis(after_ms), end);
        recorder.history()
    };
    let refused = What::Refused {
        letter: letter.clone(),
        certainty: Certainty::MayHaveRun,
        why: "the deadline passed".into(),
    };
    let answered = What::Answered { letter: letter.clone(), echo: Some(1) };
    for end in [answered, refused, What::GaveUp { letter: letter.clone() }] {
        passes(&course(true, 1_000, end.clone()), &ANSWERS);
        let text = violated(&course(true, 1_001, end), &ANSWERS);
        assert!(text.contains("ask a -> b no. 1 ended after 1.001s, later than 1s"), "{text}");
    }
    passes(&course(false, 30_000, What::Taken { letter: letter.clone() }), &ANSWERS);
}

/// Its end excuses what it could not be told any more, and nothing before.
#[test]
fn an_asker_that_waited_too_long_and_then_ended_is_found() {
    let letter = Letter::new("a", "b", 1);
    let ended = |after_ms| {
        let recorder = Recorder::new(|| Duration::from_secs(60));
        let ended = What::Ended { party: "a".into(), exit: Exit::NodeLost };
        recorder.record_at(Duration::ZERO, What::Sent { letter: letter.clone(), ask: true });
        recorder.record_at(Duration::from_millis(after_ms), ended.clone());
        recorder.record_at(Duration::from_secs(30), ended);
        recorder.history()
    };
    passes(&ended(999), &ANSWERS);
    assert!(violated(&ended(1_000), &ANSWERS).contains("has no answer after 1s"));
}

#[test]
fn an_ask_is_not_just_taken_and_a_tell_is_not_answered() {
    let letter = Letter::new("a", "b", 1);
    let course = |ask, end| {
        let letter = letter.clone();
        told([What::Sent { letter: letter.clone(), ask }, What::Began { letter }, end])
    };
    let taken = What::Taken { letter: letter.clone() };
    let answered = What::Answered { letter: letter.clone(), echo: None };
    passes(&course(false, taken.clone()), &ANSWERS);
    passes(&course(true, answered.clone()), &ANSWERS);
    assert!(violated(&course(true, taken), &ANSWERS).contains("was only taken"));
    assert!(violated(&course(false, answered), &ANSWERS).contains("was answered"));
    let twice = What::Sent { letter: letter.clone(), ask: true };
    assert!(violated(&told([twice.clone(), twice]), &ANSWERS).contains("sent twice"));
}
