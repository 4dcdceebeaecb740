//! What is agreed for one child of a supervisor, and where it stands.
//!
//! What it is: the rule of a child, its pauses and its own budget of restarts, as the table keeps them. What it is NOT: OTP's
//! alone; pauses and budgets of single children are of this house. Read `table.rs` next.

use std::{ops::RangeInclusive, time::Duration};

use super::RestartRule;
use crate::text::Text;

/// What happens at a failure of a child that has spent its own budget of restarts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenSpent {
    /// Its supervisor gives up.
    SupervisorEnds,
    /// It stays down, and its siblings go on.
    ChildStaysDown,
}

/// When a supervisor ends by itself because of its significant children, each of which has ended and is not started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EndsAfter {
    /// It does not.
    #[default]
    Nobody,
    /// Any of them.
    AnySignificant,
    /// The last of them.
    AllSignificant,
}

/// Restarts that a child may have, beside those of its supervisor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) restarts_max: usize,
    pub(super) period: Duration,
    pub(super) when_spent: WhenSpent,
}

/// What is agreed for a child.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) name: Text,
    pub(super) rule: RestartRule,
    pub(super) pause: RangeInclusive<Duration>,
    pub(super) budget: Option<Budget>,
    pub(super) is_significant: bool,
}

impl Terms {
    pub(super) fn new(name: Text, rule: RestartRule) -> Self {
        let pause = Duration::ZERO..=Duration::ZERO;
        Self { name, rule, pause, budget: None, is_significant: false }
    }
}

/// A restart that counts for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restart {
    pub(super) at: Duration,
    /// It was no part of another one.
    pub(super) is_certain: bool,
}

/// A child.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) terms: Terms,
    pub(super) is_running: bool,
    pub(super) lives: u32,
    /// It is not there any more: a temporary one that has ended, or one that has spent its budget.
    pub(super) is_gone: bool,
    /// When it failed, until it is started again.
    pub(super) failed_at: Option<Duration>,
    /// Restarts that count for its own budget.
    restarts: Vec<Restart>,
}

impl Child {
    pub(super) fn new(terms: Terms) -> Self {
        let restarts = Vec::new();
        Self { terms, is_running: false, lives: 0, is_gone: false, failed_at: None, restarts }
    }

    /// One more restart that counts for its budget, if it has one: how many there were in one period for certain, and at
    /// most.
    pub(super) fn count(
        &mut self,
        new: Restart,
        late_max: Duration,
    ) -> Option<(Budget, [usize; 2])> {
        let budget = self.terms.budget?;
        let memory = budget.period.saturating_add(late_max);
        let age = |restart: &Restart| new.at.saturating_sub(restart.at);
        self.restarts.retain(|restart| age(restart) <= memory);
        self.restarts.push(new);
        let of_this_period = self.restarts.iter().filter(|restart| age(restart) <= budget.period);
        let certain = of_this_period.filter(|restart| restart.is_certain).count();
        Some((budget, [certain, self.restarts.len()]))
    }

    /// Whether it is too early for its start.
    pub(super) fn pauses_at(&self, at: Duration) -> bool {
        self.failed_at.is_some_and(|failed| at.saturating_sub(failed) < *self.terms.pause.start())
    }
}
