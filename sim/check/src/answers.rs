//! Exactly one answer an ask.
//!
//! Whoever asks is told one thing, once, in time: the answer to this ask, or why there is none. What it is NOT: about
//! whether that is the truth; `honesty.rs` checks this.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    checker::{Checker, Objection, Violation},
    event::{Event, Letter, What},
    history::History,
    letters::{Course, courses},
    text::Party,
};

/// Checks that each ask ends exactly once, with the answer that belongs to it, and each tell at most once. Reads
/// [`What::Sent`], [`What::Answered`], [`What::Taken`], [`What::Refused`], [`What::GaveUp`], and [`What::Ended`] of
/// senders, which need no answer any more.
#[derive(Clone, Copy, Debug)]
pub struct OneAnswer {
    within: Duration,
}

impl OneAnswer {
    /// With this much time for each ask: the longest deadline and a little more, because whoever asks is woken after its
    /// deadline and not at it. An ask that ends later than this is wrong, whatever its end. One that was sent later than
    /// this before the end of the history, or of its sender, may still be open. Tells have no deadline.
    #[must_use]
    pub const fn within(within: Duration) -> Self {
        Self { within }
    }

    fn check_one(
        &self,
        letter: &Letter,
        course: &Course<'_>,
        until: Duration,
        gone: Option<&Event>,
    ) -> Result<(), Violation> {
        let violation = |what: &str| {
            let kind = if course.ask { "ask" } else { "tell" };
            Err(Violation::new(format!("{kind} {letter} {what}")).events(course.events()))
        };
        let Some(sent) = course.sent.first() else {
            return violation(if course.ends.is_empty() {
                "ran, and nobody sent it"
            } else {
                "ended, and nobody sent it"
            });
        };
        if course.sent.len() > 1 {
            return violation("was sent twice under one number");
        }
        if course.ends.len() > 1 {
            return violation(&format!("ended {} times", course.ends.len()));
        }
        if let Some(end) = course.ends.first().filter(|_| course.ask) {
            let took = end.at.saturating_sub(sent.at);
            if took > self.within {
                return violation(&format!("ended after {took:?}, later than {:?}", self.within));
            }
        }
        match course.ends.first().map(|end| &end.what) {
            Some(What::Answered { echo: Some(echo), .. }) if *echo != letter.number => {
                violation(&format!("got the answer of no. {echo}"))
            }
            Some(What::Answered { .. }) if !course.ask => violation("was answered"),
            Some(What::Taken { .. }) if course.ask => violation("was only taken"),
            Some(_) => Ok(()),
            None => {
                // A sender that has ended is told nothing any more.
                let until = gone.map_or(until, |gone| gone.at);
                let had_time = until.saturating_sub(sent.at) >= self.within;
                if course.ask && had_time {
                    return violation(&format!("has no answer after {:?}", self.within));
                }
                Ok(())
            }
        }
    }
}

impl Checker for OneAnswer {
    fn name(&self) -> &str {
        "exactly one answer an ask"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        let courses = courses(history)?;
        let mut ends = BTreeMap::<&Party, Vec<&Event>>::new();
        for event in history.events() {
            if let What::Ended { party, .. } = &event.what {
                ends.entry(party).or_default().push(event);
            }
        }
        for (letter, course) in &courses {
            let of_sender = ends.get(&letter.from).map_or(&[][..], Vec::as_slice);
            let sent = course.sent.first().map(|sent| sent.seq);
            let gone = of_sender.iter().find(|end| sent.is_some_and(|sent| end.seq > sent));
            self.check_one(letter, course, history.until(), gone.copied())?;
        }
        Ok(())
    }
}
