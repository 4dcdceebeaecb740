//! What a checker is, and what it says.
//!
//! What it is: one small trait, for the checkers of this crate and for yours. What it is NOT: where anything is checked.
//!
//! ```
//! use std::time::Duration;
//!
//! use odeon_check::{Call, Checker, History, Objection, Recorder, Verb, Violation};
//!
//! /// No client may write a negative number.
//! struct NothingNegative;
//!
//! impl Checker for NothingNegative {
//!     fn name(&self) -> &str {
//!         "nothing negative"
//!     }
//!
//!     fn check(&self, history: &History) -> Result<(), Objection> {
//!         for operation in history.operations()? {
//!             if let Verb::Write(value) = &operation.call.verb
//!                 && value.as_int().is_some_and(|number| number < 0)
//!             {
//!                 let what = format!("{} writes {value}", operation.client);
//!                 return Err(Violation::new(what).event(operation.invoked).into());
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let recorder = Recorder::new(|| Duration::ZERO);
//! recorder.invoke("c1", Call::write("r", -5));
//! let report = recorder.history().check(&NothingNegative).unwrap_err();
//! assert!(report.to_string().contains("c1 writes -5"));
//! ```

use std::{error::Error, fmt};

use crate::{event::Event, history::History, patience::Patience};

/// Events that a violation shows, at most; the rest is counted.
const EVENTS_MAX: usize = 32;

/// Says whether a history is as it must be.
///
/// A checker reads no clock and starts nothing: of one history it always says the same, unless it is told to give up.
pub trait Checker {
    /// What it checks, in a few words.
    fn name(&self) -> &str;

    /// Looks at the whole history.
    ///
    /// Call it through [`History::check`], which also refuses to be content with a history that is not whole.
    ///
    /// # Errors
    /// [`Objection::Violation`] when the history shows that something broke, [`Objection::Unknown`] when it cannot be
    /// said whether it did.
    fn check(&self, history: &History) -> Result<(), Objection>;

    /// The same, for a checker that may work long: it asks now and then whether to give up. Default: it never does.
    ///
    /// # Errors
    /// As [`check`](Self::check), and [`Objection::GaveUp`] when patience came to its end before the check did.
    fn check_within(&self, history: &History, patience: &Patience<'_>) -> Result<(), Objection> {
        let _ = patience;
        self.check(history)
    }
}

impl<C: Checker + ?Sized> Checker for Box<C> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        (**self).check(history)
    }

    fn check_within(&self, history: &History, patience: &Patience<'_>) -> Result<(), Objection> {
        (**self).check_within(history, patience)
    }
}

/// Why a checker is not content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Objection {
    /// Something broke.
    Violation(Violation),
    /// It cannot be said: a budget is spent, the history is too short or not whole, or holds nothing to check. A test
    /// that comes to this proves nothing, so it fails too.
    Unknown(String),
    /// Nothing was found wrong until its time was over, and it had not seen all. Of the same history it may say something
    /// else with more time, or on a quicker machine. So it is no verdict: a simulation reports it and fails no seed for
    /// it, and Jepsen and Porcupine call it unknown.
    GaveUp(String),
}

impl Objection {
    /// There is nothing in the history that the checker could look at: most likely nobody recorded it.
    pub(crate) fn nothing(what: &str) -> Self {
        Self::Unknown(format!("the history has no {what}; record them, or leave this checker out"))
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::Unknown(why) => write!(f, "cannot be said: {why}"),
            Self::GaveUp(why) => write!(f, "not known: {why}"),
        }
    }
}

impl Error for Objection {}

impl From<Violation> for Objection {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

/// What broke, and the few events that show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    what: String,
    lines: Vec<String>,
    events: Vec<Event>,
    left_out: usize,
}

impl Violation {
    /// A violation, in one sentence.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), lines: Vec::new(), events: Vec::new(), left_out: 0 }
    }

    /// Adds a line of explanation.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Adds an event that shows it. Of more than 32 the number is told.
    #[must_use]
    pub fn event(mut self, event: &Event) -> Self {
        if self.events.len() < EVENTS_MAX {
            self.events.push(event.clone());
        } else {
            self.left_out += 1;
        }
        self
    }

    /// Adds events that show it.
    #[must_use]
    pub fn events<'e>(self, events: impl IntoIterator<Item = &'e Event>) -> Self {
        events.into_iter().fold(self, Self::event)
    }

    /// The same, with what it is about before it.
    pub(crate) fn of(mut self, part: &impl fmt::Display) -> Self {
        self.what = format!("{part}: {}", self.what);
        self
    }

    /// What broke.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The events that show it.
    #[must_use]
    pub fn shown(&self) -> &[Event] {
        &self.events
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.lines.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        let mut events = self.events.iter().collect::<Vec<_>>();
        events.sort_by_key(|event| event.seq);
        events.dedup_by_key(|event| event.seq);
        events.iter().try_for_each(|event| write!(f, "\n  {event}"))?;
        if self.left_out > 0 {
            write!(f, "\n  … and {} events more", self.left_out)?;
        }
        Ok(())
    }
}

/// An objection and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The name of the checker.
    pub checker: String,
    /// What it says.
    pub objection: Objection,
}

impl Report {
    /// What broke, if it is known that something did.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        if let Objection::Violation(violation) = &self.objection { Some(violation) } else { None }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.checker, self.objection)
    }
}

impl Error for Report {}
