//! Watch: whoever watches an actor is told of its end exactly once, in time.
//!
//! What it is NOT: a measure of how soon; the time it takes until a lost node is noticed is part of the bound that it is
//! given.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    checker::{Checker, Objection, Violation},
    event::{Event, Exit, What},
    history::History,
    text::Party,
};

/// Checks that each watch is told exactly once when its target ends, and never otherwise. Reads [`What::Watched`],
/// [`What::Unwatched`], [`What::Told`] and [`What::Ended`] of watchers and targets.
///
/// A watch that was taken back, or whose watcher has ended, is told nothing more. That a node was lost may be told of a
/// target that lives, because a partition looks like it; even then it is told once. An end that is told otherwise than as
/// [`Exit::NodeLost`] must have happened. Record an end of [`Exit::NodeLost`] for the actors of a node that crashes.
#[derive(Clone, Copy, Debug)]
pub struct WatchOnce {
    within: Duration,
}

/// The events of one watch.
struct Watch<'h> {
    target: &'h Party,
    watched: &'h Event,
    unwatched: Option<&'h Event>,
    told: Vec<(&'h Event, Exit)>,
}

impl<'h> Watch<'h> {
    fn events(&self) -> impl Iterator<Item = &'h Event> {
        let told = self.told.iter().map(|(event, _)| *event);
        [self.watched].into_iter().chain(self.unwatched).chain(told)
    }
}

type Ends<'h> = BTreeMap<&'h Party, (&'h Event, Exit)>;

impl WatchOnce {
    /// With this much time until a watcher is told, from the end of its target, or from the watch if that came later.
    /// To be told later is wrong, as is to be told never.
    #[must_use]
    pub const fn within(within: Duration) -> Self {
        Self { within }
    }

    fn check_one(
        &self,
        watcher: &Party,
        watch: &Watch<'_>,
        ends: &Ends<'_>,
        until: Duration,
    ) -> Result<(), Violation> {
        let end = ends.get(watch.target);
        let gone = ends.get(watcher).map(|(event, _)| *event);
        let violation = |what: &str| {
            let shown = watch.events().chain(end.map(|(event, _)| *event)).chain(gone);
            let what = format!("{watcher}, which watches {}, {what}", watch.target);
            Err(Violation::new(what).events(shown))
        };
        // From when on it is to be told.
        let from = end.map(|(ended, _)| ended.at.max(watch.watched.at));
        match &watch.told[..] {
            [] => {
                let Some(from) = from else { return Ok(()) };
                // Until it was taken back, or there was nobody to be told.
                let cut = watch.unwatched.into_iter().chain(gone).map(|event| event.at).min();
                let had_time = cut.unwrap_or(until).saturating_sub(from) >= self.within;
                if had_time {
                    return violation(&format!("was not told of its end within {:?}", self.within));
                }
                Ok(())
            }
            [(told, exit)] => {
                if watch.unwatched.is_some_and(|event| event.seq < told.seq) {
                    return violation("was told after it had taken the watch back");
                }
                if gone.is_some_and(|event| event.seq < told.seq) {
                    return violation("was told after its own end");
                }
                let took = told.at.saturating_sub(from.unwrap_or(told.at));
                if took > self.within {
                    let late = format!("was told after {took:?}, later than {:?}", self.within);
                    return violation(&late);
                }
                let happened = end.filter(|(event, _)| event.seq < told.seq);
                match (exit, happened) {
                    (Exit::NodeLost | Exit::Refused, _) => Ok(()),
                    (_, None) => violation("was told of an end that had not happened"),
                    (Exit::Normal, Some((_, Exit::Failed)))
                    | (Exit::Failed, Some((_, Exit::Normal))) => {
                        violation("was told of another end than there was")
                    }
                    _ => Ok(()),
                }
            }
            told => violation(&format!("was told {} times", told.len())),
        }
    }
}

impl Checker for WatchOnce {
    fn name(&self) -> &str {
        "watch exactly once"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        let mut watches = BTreeMap::<(&Party, u64), Watch<'_>>::new();
        let mut ends = Ends::new();
        for event in history.events() {
            match &event.what {
                What::Watched { watcher, target, watch } => {
                    let new = Watch { target, watched: event, unwatched: None, told: Vec::new() };
                    if watches.insert((watcher, *watch), new).is_some() {
                        let text = "a watch has the number of an earlier one of its watcher";
                        return Err(Objection::Unknown(format!("{text}:\n  {event}")));
                    }
                }
                What::Unwatched { watcher, watch } => {
                    if let Some(watch) = watches.get_mut(&(watcher, *watch)) {
                        watch.unwatched.get_or_insert(event);
                    }
                }
                What::Told { watcher, watch, exit } => match watches.get_mut(&(watcher, *watch)) {
                    Some(watch) => watch.told.push((event, *exit)),
                    None => {
                        let what = format!("{watcher} was told by a watch that it does not hold");
                        return Err(Violation::new(what).event(event).into());
                    }
                },
                What::Ended { party, exit } => {
                    ends.entry(party).or_insert((event, *exit));
                }
                _ => {}
            }
        }
        if watches.is_empty() {
            return Err(Objection::nothing("watches"));
        }
        for ((watcher, _), watch) in &watches {
            self.check_one(watcher, watch, &ends, history.until())?;
        }
        Ok(())
    }
}
