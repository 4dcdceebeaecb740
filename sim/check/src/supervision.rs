//! The supervision table: which children are started again after which end, in which order, and when their supervisor
//! gives up.
//!
//! What it is: the rules of Erlang/OTP, written down again from its documentation (`supervisor`, "Restart Strategy",
//! "Maximum Restart Intensity", "Child Specification") as a table that follows the recorded events. What it is NOT: the
//! supervisor; `table.rs`, which is next to read, shares no line with the runtime's.

mod table;
mod terms;

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    checker::{Checker, Objection, Violation},
    event::{Event, What},
    history::History,
    text::{Party, Text},
};
use table::Table;
use terms::{Budget, Child, Terms};

pub use terms::{EndsAfter, WhenSpent};

/// When a child is started again by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestartRule {
    /// After each end.
    Permanent,
    /// After a failure.
    Transient,
    /// Never, not even with its siblings.
    Temporary,
}

/// Who is started again with a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestartStrategy {
    /// Nobody.
    OneForOne,
    /// All children.
    OneForAll,
    /// Those that were declared after it.
    RestForOne,
}

/// Checks one supervisor against the rules of Erlang/OTP. Reads [`What::ChildStarted`], [`What::ChildStartFailed`],
/// [`What::ChildEnded`] of this supervisor and [`What::Ended`] of itself.
///
/// * Children start from the first to the last, and are stopped from the last to the first, before any of a group is
///   started again.
/// * A child that is not to be started again stays down; one that is to be starts within the time given.
/// * Every failure that leads to a restart counts for `period`; one more than allowed, and all children are stopped and
///   the supervisor ends. A start that fails counts too.
/// * Where [significant](Self::significant) children have ended for good, all others are stopped and the supervisor ends.
/// * Children that are stopped from the last on, without a failure, are the end of the supervisor by order. An end of
///   [`Exit::Failed`](crate::Exit::Failed) of the supervisor is giving up, and needs the failures that allow it: record
///   any other end of it with another exit.
///
/// Failures that come close together may be handled one after the other or together; both are right. A transient child
/// that ended normally may or may not come back with its siblings. Beyond OTP it knows [pauses](Self::pause) before
/// restarts and [budgets](Self::budget) of single children. Not known here are children that are added, terminated or
/// restarted by a call.
///
/// ```
/// use std::time::Duration;
///
/// use odeon_check::{Exit, Recorder, RestartRule, RestartStrategy, SupervisionTable, What};
///
/// let table = SupervisionTable::new("sup", RestartStrategy::OneForOne, Duration::from_secs(1))
///     .intensity(1, Duration::from_secs(5))
///     .child("worker", RestartRule::Transient);
/// let recorder = Recorder::new(|| Duration::ZERO);
/// let started = || What::ChildStarted { supervisor: "sup".into(), child: "worker".into() };
/// let ended = |exit| What::ChildEnded { supervisor: "sup".into(), child: "worker".into(), exit };
/// recorder.record(started());
/// recorder.record(ended(Exit::Failed));
/// recorder.record(started());
/// recorder.history().check(&table).unwrap();
/// recorder.record(ended(Exit::Normal));
/// recorder.record(started());
/// let report = recorder.history().check(&table).unwrap_err();
/// assert!(report.to_string().contains("worker starts and is not to start"));
/// ```
#[derive(Clone, Debug)]
pub struct SupervisionTable {
    supervisor: Party,
    strategy: RestartStrategy,
    within: Duration,
    restarts_max: usize,
    period: Duration,
    children: Vec<Terms>,
    ends_after: EndsAfter,
}

impl SupervisionTable {
    /// Of this supervisor, which does what it must within this time. Its intensity is OTP's default: one restart in five
    /// seconds.
    pub fn new(supervisor: impl Into<Party>, strategy: RestartStrategy, within: Duration) -> Self {
        Self {
            supervisor: supervisor.into(),
            strategy,
            within,
            restarts_max: 1,
            period: Duration::from_secs(5),
            children: Vec::new(),
            ends_after: EndsAfter::default(),
        }
    }

    /// So many restarts in any such period.
    #[must_use]
    pub fn intensity(mut self, restarts_max: usize, period: Duration) -> Self {
        (self.restarts_max, self.period) = (restarts_max, period);
        self
    }

    /// One more child; in the order of their starts.
    #[must_use]
    pub fn child(mut self, name: impl Into<Text>, rule: RestartRule) -> Self {
        self.children.push(Terms::new(name.into(), rule));
        self
    }

    /// The last child that was declared is started again no sooner than this after its failure, and within the
    /// supervisor's time after the longest pause. Default: no pause.
    ///
    /// # Panics
    /// When no child was declared.
    #[must_use]
    pub fn pause(mut self, pause: RangeInclusive<Duration>) -> Self {
        self.last().pause = pause;
        self
    }

    /// So many restarts of the last child that was declared in any such period, in place of those of the supervisor, for
    /// which this child does not count then.
    ///
    /// # Panics
    /// When no child was declared.
    #[must_use]
    pub fn budget(mut self, restarts_max: usize, period: Duration, when_spent: WhenSpent) -> Self {
        self.last().budget = Some(Budget { restarts_max, period, when_spent });
        self
    }

    /// The last child that was declared is significant.
    ///
    /// # Panics
    /// When no child was declared.
    #[must_use]
    pub fn significant(mut self) -> Self {
        self.last().is_significant = true;
        self
    }

    /// After which significant children the supervisor ends by itself, which is no failure of it.
    #[must_use]
    pub fn ends_after(mut self, ends_after: EndsAfter) -> Self {
        self.ends_after = ends_after;
        self
    }

    fn last(&mut self) -> &mut Terms {
        self.children.last_mut().expect("a child was declared before")
    }

    /// The child that an event is about; that it has none of this name is an error of the test.
    fn index(&self, name: &Text, event: &Event) -> Result<usize, Objection> {
        let index = self.children.iter().position(|known| known.name == *name);
        let unknown = || {
            let text = "declare each child of the supervisor; this one is not in the table";
            Objection::Unknown(format!("{text}:\n  {event}"))
        };
        index.ok_or_else(unknown)
    }
}

impl Checker for SupervisionTable {
    fn name(&self) -> &str {
        "the supervision table"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        let children = self.children.iter().cloned().map(Child::new).collect();
        let ways = (self.strategy, self.ends_after);
        let intensity = (self.restarts_max, self.period);
        let mut table = Table::new(ways, children, intensity, self.within);
        let mut shown = Vec::new();
        for event in history.events() {
            // What was to be done before it may come with it, but too late.
            table.in_time(event.at, self.within).map_err(|what| self.violation(&what, &shown))?;
            let says = match &event.what {
                What::ChildStarted { supervisor, child } if *supervisor == self.supervisor => {
                    shown.push(event);
                    table.started(self.index(child, event)?, event.at)
                }
                What::ChildStartFailed { supervisor, child } if *supervisor == self.supervisor => {
                    shown.push(event);
                    table.start_failed(self.index(child, event)?, event.at)
                }
                What::ChildEnded { supervisor, child, exit } if *supervisor == self.supervisor => {
                    shown.push(event);
                    table.ended(self.index(child, event)?, *exit, event.at)
                }
                What::Ended { party, exit } if *party == self.supervisor => {
                    shown.push(event);
                    table.supervisor_ended(*exit)
                }
                _ => Ok(()),
            };
            says.and_then(|()| table.in_time(event.at, self.within))
                .map_err(|what| self.violation(&what, &shown))?;
        }
        if shown.is_empty() {
            return Err(Objection::nothing(&format!(
                "events of the supervisor {}",
                self.supervisor
            )));
        }
        table
            .in_time(history.until(), self.within)
            .map_err(|what| self.violation(&what, &shown).into())
    }
}

impl SupervisionTable {
    /// With the last events of the supervisor.
    fn violation(&self, what: &str, shown: &[&Event]) -> Violation {
        const SHOWN_MAX: usize = 16;
        let last = shown[shown.len().saturating_sub(SHOWN_MAX)..].iter().copied();
        Violation::new(format!("{}: {what}", self.supervisor)).events(last)
    }
}
