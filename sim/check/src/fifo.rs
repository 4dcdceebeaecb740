//! First in, first out between each pair of a sender and a receiver.
//!
//! Messages of a pair begin to run in the order in which they were sent. Some may be missing: what is lost is the matter
//! of `honesty.rs`. What it is NOT: about different senders, which nothing orders.

use std::collections::BTreeMap;

use crate::{
    checker::{Checker, Objection, Violation},
    event::{Event, Seq, What},
    history::History,
    letters::courses,
    text::Party,
};

/// Checks that of each pair no message begins to run after one that was sent later. Reads [`What::Sent`] and
/// [`What::Began`].
///
/// A sender that has several sends under way at once promises no order between them, so each must have ended, or have been
/// polled once, before the next is recorded as sent. Where a message runs again, its first time counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairFifo;

impl Checker for PairFifo {
    fn name(&self) -> &str {
        "first in, first out for each pair"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        let courses = courses(history)?;
        let mut sent = BTreeMap::<&_, Seq>::new();
        for (letter, course) in &courses {
            sent.extend(course.sent.first().map(|event| (*letter, event.seq)));
        }
        // Of each pair the one that was sent last of those that have begun.
        let mut latest = BTreeMap::<(&Party, &Party), (Seq, &Event)>::new();
        for event in history.events() {
            let What::Began { letter } = &event.what else { continue };
            let course = &courses[letter];
            let Some(sent) = sent.get(letter).filter(|_| course.began[0].seq == event.seq) else {
                continue;
            };
            let latest = latest.entry((&letter.from, &letter.to)).or_insert((*sent, event));
            if latest.0 > *sent {
                let overtook = latest.1;
                let before = courses
                    .values()
                    .find(|it| it.sent.first().is_some_and(|sent| sent.seq == latest.0));
                let what = format!("{letter} begins after a later message of its pair");
                let sends =
                    before.into_iter().chain([course]).flat_map(|it| it.sent.first().copied());
                return Err(Violation::new(what).events(sends).event(overtook).event(event).into());
            }
            *latest = (*sent, event);
        }
        Ok(())
    }
}
