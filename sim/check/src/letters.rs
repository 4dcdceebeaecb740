//! What became of each message, put together from its events.
//!
//! What it is NOT: a judgement; `fifo.rs`, `answers.rs` and `honesty.rs` judge.

use std::collections::BTreeMap;

use crate::{
    checker::Objection,
    event::{Event, Letter, What},
    history::History,
};

/// The events of one letter, each kind in order.
#[derive(Debug, Default)]
pub(crate) struct Course<'h> {
    pub(crate) sent: Vec<&'h Event>,
    /// Whether it was an ask.
    pub(crate) ask: bool,
    pub(crate) began: Vec<&'h Event>,
    /// What its sender was told: answered, taken, refused; or that it gave up.
    pub(crate) ends: Vec<&'h Event>,
}

impl<'h> Course<'h> {
    /// All of its events.
    pub(crate) fn events(&self) -> impl Iterator<Item = &'h Event> {
        self.sent.iter().chain(&self.began).chain(&self.ends).copied()
    }
}

/// The course of each letter.
///
/// # Errors
/// When there is none.
pub(crate) fn courses(history: &History) -> Result<BTreeMap<&Letter, Course<'_>>, Objection> {
    let mut courses = BTreeMap::<_, Course<'_>>::new();
    for event in history.events() {
        match &event.what {
            What::Sent { letter, ask } => {
                let course = courses.entry(letter).or_default();
                course.sent.push(event);
                course.ask |= ask;
            }
            What::Began { letter } => courses.entry(letter).or_default().began.push(event),
            What::Answered { letter, .. }
            | What::Taken { letter }
            | What::Refused { letter, .. }
            | What::GaveUp { letter } => courses.entry(letter).or_default().ends.push(event),
            _ => {}
        }
    }
    if courses.is_empty() { Err(Objection::nothing("letters")) } else { Ok(courses) }
}
