//! A history: the events of one run in order, as a value that can be checked, printed, kept and read again.
//!
//! What it is NOT: growing; a [`Recorder`](crate::Recorder) grows, and gives histories. Read `checker.rs` next.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    checker::{Checker, Objection, Report},
    event::{Event, Seq, What},
    operation::{Operation, operations},
    patience::Patience,
};

/// The events of one run, in the order of their numbers.
///
/// With serde it is `{ "events": […], "missed": 0, "until": … }`; printed, it is a line an event.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct History {
    events: Vec<Event>,
    /// Events that found no room.
    missed: u64,
    /// Up to when it would have had an event.
    until: Duration,
}

/// A history as it was written, by whomever.
#[derive(Deserialize)]
struct Raw {
    events: Vec<Event>,
    missed: u64,
    until: Duration,
}

/// Events that are no history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "event {later} stands after event {earlier}; sort the events by their numbers and give each number once"
)]
pub struct OutOfOrder {
    earlier: Seq,
    later: Seq,
}

impl TryFrom<Raw> for History {
    type Error = OutOfOrder;

    fn try_from(raw: Raw) -> Result<Self, OutOfOrder> {
        Self::new(raw.events, raw.missed).map(|history| history.observed_until(raw.until))
    }
}

impl History {
    /// A history of these events, and of `missed` others that nobody kept.
    ///
    /// # Errors
    /// When their numbers do not rise.
    pub fn new(events: Vec<Event>, missed: u64) -> Result<Self, OutOfOrder> {
        let wrong = events.windows(2).find(|pair| pair[0].seq >= pair[1].seq);
        if let Some([earlier, later]) = wrong {
            return Err(OutOfOrder { earlier: earlier.seq, later: later.seq });
        }
        let until = events.iter().map(|event| event.at).max().unwrap_or_default();
        Ok(Self { events, missed, until })
    }

    /// The same, observed until this time: nothing happened between its last event and then. Default: the time of the
    /// last event. A [`Recorder`](crate::Recorder) sets it to the moment at which it is asked for its history.
    #[must_use]
    pub fn observed_until(mut self, until: Duration) -> Self {
        self.until = self.until.max(until);
        self
    }

    /// One history of several, each recorded in another program, whose clocks differ by at most `clock_error`.
    ///
    /// Events are sorted by time and numbered anew. Calls of operations are moved back and their ends forward by
    /// `clock_error`, so that two operations are in order only if they truly were: a checker may then miss a violation,
    /// but finds none that was not there. Other events stay where they are; what a checker reads out of their order
    /// across programs is as good as the clocks.
    ///
    /// Names must be those of one world: a client or a letter belongs to one program.
    #[must_use]
    pub fn merge(histories: Vec<Self>, clock_error: Duration) -> Self {
        let missed = histories.iter().map(|history| history.missed).sum();
        // What happened after the first of them ended is only half known.
        let until = histories.iter().map(|history| history.until).min().unwrap_or_default();
        let mut events = Vec::new();
        for (origin, history) in histories.into_iter().enumerate() {
            events.extend(history.events.into_iter().map(|mut event| {
                match event.what {
                    What::Invoke { .. } => event.at = event.at.saturating_sub(clock_error),
                    What::Done { .. } => event.at = event.at.saturating_add(clock_error),
                    _ => {}
                }
                (origin, event)
            }));
        }
        // Of one moment, calls come before ends, so that they count as concurrent.
        let rank = |event: &Event| match event.what {
            What::Invoke { .. } => 0,
            What::Done { .. } => 2,
            _ => 1,
        };
        events.sort_by_key(|(origin, event)| (event.at, rank(event), *origin, event.seq));
        let numbers: std::collections::BTreeMap<(usize, Seq), Seq> = events
            .iter()
            .enumerate()
            .map(|(at, (origin, event))| ((*origin, event.seq), Seq(at as u64)))
            .collect();
        let renumber = |(origin, mut event): (usize, Event)| {
            event.seq = numbers[&(origin, event.seq)];
            if let What::Done { of, .. } | What::Failed { of, .. } | What::Unknown { of, .. } =
                &mut event.what
            {
                // One whose call is not there stays wrong, and is found as such.
                *of = numbers.get(&(origin, *of)).copied().unwrap_or(Seq(u64::MAX));
            }
            event
        };
        Self { events: events.into_iter().map(renumber).collect(), missed, until }
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many events found no room.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Until when it was observed: what has not happened by then and should have is missing.
    #[must_use]
    pub fn until(&self) -> Duration {
        self.until
    }

    /// The operations, by the numbers of their calls.
    ///
    /// # Errors
    /// [`Objection::Unknown`] when an operation ends twice, before it begins, or without having begun: then whoever
    /// recorded it erred.
    pub fn operations(&self) -> Result<Vec<Operation<'_>>, Objection> {
        operations(&self.events)
    }

    /// Lets a checker look at it.
    ///
    /// # Errors
    /// The checker's objection. With events missing nothing can be said, whatever the checker says: then it is
    /// [`Objection::Unknown`].
    pub fn check(&self, checker: &dyn Checker) -> Result<(), Report> {
        self.check_within(checker, &Patience::ENDLESS)
    }

    /// Lets a checker look at it, until patience ends.
    ///
    /// # Errors
    /// As [`check`](Self::check), and [`Objection::GaveUp`] when patience ends before the checker is through.
    pub fn check_within(
        &self,
        checker: &dyn Checker,
        patience: &Patience<'_>,
    ) -> Result<(), Report> {
        let said = checker.check_within(self, patience);
        let said = match (self.missed, said) {
            (0, said) => said,
            (missed, said) => {
                let hint = said.err().map(|it| format!("; of what is left it says: {it}"));
                Err(Objection::Unknown(format!(
                    "the history was full and {missed} events are missing; give its recorder more room{}",
                    hint.unwrap_or_default()
                )))
            }
        };
        said.map_err(|objection| Report { checker: checker.name().to_owned(), objection })
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.iter().try_for_each(|event| writeln!(f, "{event}"))?;
        if self.missed > 0 {
            writeln!(f, "… and {} events that found no room", self.missed)?;
        }
        Ok(())
    }
}
