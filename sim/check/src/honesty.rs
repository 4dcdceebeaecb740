//! Honesty of failures: what a sender is told about its message is what became of it.
//!
//! The four cases, and what each promises (`Certainty` of `odeon-message`):
//!
//! | the sender was told | handlers that ran with the message |
//! |---|---|
//! | not delivered | none, before or after |
//! | ran, or it was answered | one, which began before |
//! | may have run, or it was a tell that was taken, or nothing | at most one |
//!
//! What it is NOT: about how often a sender is told; `answers.rs` checks this.

use odeon_message::Certainty;

use crate::{
    checker::{Checker, Objection, Violation},
    event::{Letter, What},
    history::History,
    letters::{Course, courses},
};

/// Checks that a message that was not delivered never ran, that one that ran did, and that none ran twice. Reads
/// [`What::Sent`], [`What::Began`], [`What::Answered`], [`What::Refused`].
///
/// In a history of one recorder. Of [merged](History::merge) ones, a handler that began may seem to have done so after
/// its answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Honesty;

impl Honesty {
    fn check_one(letter: &Letter, course: &Course<'_>) -> Result<(), Violation> {
        let violation =
            |what: String| Err(Violation::new(format!("{letter} {what}")).events(course.events()));
        let times = course.began.len();
        if let Some(first) = course.began.first() {
            match course.sent.first() {
                None => return violation("ran, and nobody sent it".to_owned()),
                Some(sent) if first.seq < sent.seq => {
                    return violation("ran before it was sent".to_owned());
                }
                Some(_) => {}
            }
        }
        if times > 1 {
            return violation(format!("ran {times} times"));
        }
        for end in &course.ends {
            let (told, must_have_run) = match &end.what {
                What::Answered { .. } => ("it was answered".to_owned(), true),
                What::Refused { certainty: Certainty::Ran, .. } => ("it ran".to_owned(), true),
                What::Refused { certainty: Certainty::NotDelivered, .. } => {
                    ("it was not delivered".to_owned(), false)
                }
                _ => continue,
            };
            let had_begun = course.began.first().is_some_and(|began| began.seq < end.seq);
            if must_have_run && !had_begun {
                let late = if times > 0 { "only later" } else { "never" };
                return violation(format!("ran {late}, and its sender was told that {told}"));
            }
            if !must_have_run && times > 0 {
                return violation(format!("ran, and its sender was told that {told}"));
            }
        }
        Ok(())
    }
}

impl Checker for Honesty {
    fn name(&self) -> &str {
        "honesty of failures"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        for (letter, course) in &courses(history)? {
            Self::check_one(letter, course)?;
        }
        Ok(())
    }
}
