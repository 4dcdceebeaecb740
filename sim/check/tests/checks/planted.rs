//! Histories with a bug planted in them, and what a checker must say of it.

use std::time::Duration;

use odeon_check::{Checker, Event, History, Recorder, Seq, What};

use crate::chance::Chance;

/// The same events in this order, numbered anew, observed until the same time. For events that name no others.
pub(crate) fn in_this_order(events: Vec<What>, like: &History) -> History {
    let number = |(at, what): (usize, What)| Event {
        seq: Seq(at as u64),
        at: like.events().get(at).or(like.events().last()).map_or(Duration::ZERO, |it| it.at),
        what,
    };
    let events = events.into_iter().enumerate().map(number).collect();
    History::new(events, 0).expect("numbers rise").observed_until(like.until())
}

/// What happened, without numbers.
pub(crate) fn whats(history: &History) -> Vec<What> {
    history.events().iter().map(|event| event.what.clone()).collect()
}

/// One of the events for which this holds, by its place.
pub(crate) fn any_of(
    events: &[What],
    chance: &mut Chance,
    is_one: impl Fn(&What) -> bool,
) -> Option<usize> {
    let places = (0..events.len()).filter(|at| is_one(&events[*at])).collect::<Vec<_>>();
    places.get(chance.below(places.len().max(1))).copied()
}

/// What the checker says is broken.
pub(crate) fn violated(history: &History, checker: &dyn Checker) -> String {
    match history.check(checker) {
        Err(report) if report.violation().is_some() => report.to_string(),
        other => panic!("not found: {other:?}\n{history}"),
    }
}

/// Why the checker cannot say.
pub(crate) fn unknown(history: &History, checker: &dyn Checker) -> String {
    match history.check(checker) {
        Err(report) if report.violation().is_none() => report.to_string(),
        other => panic!("it can be said: {other:?}\n{history}"),
    }
}

pub(crate) fn passes(history: &History, checker: &dyn Checker) {
    history.check(checker).unwrap_or_else(|report| panic!("{report}\n{history}"));
}

/// A history of these events, one a millisecond, observed until a minute later.
pub(crate) fn told(events: impl IntoIterator<Item = What>) -> History {
    let recorder = Recorder::new(|| Duration::from_secs(60));
    for (at, what) in events.into_iter().enumerate() {
        recorder.record_at(Duration::from_millis(at as u64), what);
    }
    recorder.history()
}
