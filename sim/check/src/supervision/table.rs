//! Where the children of a supervisor stand, and what must happen next.
//!
//! A failure that leads to a restart marks children to be stopped and to be started. While there are such marks a further
//! failure waits: whether the supervisor has heard of it is not recorded, so an event may fit before or after it. A child
//! that fails while its group is being restarted may be one more restart, or part of the one under way; it counts where
//! the supervisor may give up, and does not where it must.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use super::{
    RestartRule, RestartStrategy,
    terms::{Child, EndsAfter, Restart, Terms, WhenSpent},
};
use crate::{event::Exit, text::Text};

/// What the supervisor is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Its first starts.
    Begins,
    Runs,
    /// It stops its children and ends: by order, or because it gives up.
    Ends,
    Over,
}

/// A failure that the supervisor may not have heard of.
#[derive(Clone, Copy, Debug)]
struct Failure {
    child: usize,
    life: u32,
    at: Duration,
    /// Others came while it waited; the supervisor may have heard of it before them.
    has_waited: bool,
}

/// What becomes of a child that has failed.
enum Allowance {
    /// It is started again.
    Left,
    /// It may have stayed down: its budget is spent, or it is not.
    Maybe,
    /// Its own budget is spent, and its siblings go on.
    StaysDown,
    /// Its supervisor ends.
    Spent,
}

/// All children of one supervisor. An error is what it does wrong.
#[derive(Clone, Debug)]
pub(super) struct Table {
    strategy: RestartStrategy,
    ends_after: EndsAfter,
    children: Vec<Child>,
    restarts_max: usize,
    period: Duration,
    /// How late the supervisor may hear of a failure: two may be in one period for it that are not in one here.
    late_max: Duration,
    /// Restarts of the last period, and of as much before it as the supervisor may be late.
    restarts: Vec<Restart>,
    /// It may end by a failure of its own: there were too many restarts, or it could not begin.
    may_give_up: bool,
    phase: Phase,
    stops: BTreeSet<usize>,
    starts: BTreeSet<usize>,
    /// Those that may be started with others and need not.
    may_start: BTreeSet<usize>,
    /// Those whose start may have been under way when the supervisor gave up.
    under_way: BTreeSet<usize>,
    /// Since when there is something to be done.
    since: Duration,
    waiting: VecDeque<Failure>,
}

impl Table {
    pub(super) fn new(
        (strategy, ends_after): (RestartStrategy, EndsAfter),
        children: Vec<Child>,
        (restarts_max, period): (usize, Duration),
        late_max: Duration,
    ) -> Self {
        Self {
            strategy,
            ends_after,
            starts: (0..children.len()).collect(),
            children,
            restarts_max,
            period,
            late_max,
            restarts: Vec::new(),
            may_give_up: false,
            phase: Phase::Begins,
            stops: BTreeSet::new(),
            may_start: BTreeSet::new(),
            under_way: BTreeSet::new(),
            since: Duration::MAX,
            waiting: VecDeque::new(),
        }
    }

    /// A child was started.
    pub(super) fn started(&mut self, child: usize, at: Duration) -> Result<(), String> {
        self.either_way(|table| table.start(child, at))
    }

    /// A child failed to start.
    pub(super) fn start_failed(&mut self, child: usize, at: Duration) -> Result<(), String> {
        self.either_way(|table| {
            table.start(child, at)?;
            table.children[child].is_running = false;
            table.stops.remove(&child);
            if table.phase == Phase::Begins {
                // A supervisor whose children cannot start has not started itself.
                table.may_give_up = true;
                table.give_up(at);
                return Ok(());
            }
            let life = table.children[child].lives;
            table.fail(Failure { child, life, at, has_waited: false }, true);
            Ok(())
        })
    }

    /// A child ended.
    pub(super) fn ended(&mut self, child: usize, exit: Exit, at: Duration) -> Result<(), String> {
        if exit == Exit::Ordered {
            return self.either_way(|table| table.stopped(child, at));
        }
        if !self.children[child].is_running {
            return Err(format!("{} ends and had not started", self.name(child)));
        }
        self.children[child].is_running = false;
        let is_stopped = self.stops.remove(&child);
        if matches!(self.phase, Phase::Ends | Phase::Over) {
            return Ok(());
        }
        if is_stopped {
            self.count(at, false);
            return Ok(());
        }
        let again = match self.children[child].terms.rule {
            RestartRule::Permanent => true,
            RestartRule::Transient => exit != Exit::Normal,
            RestartRule::Temporary => {
                self.children[child].is_gone = true;
                false
            }
        };
        if again {
            let life = self.children[child].lives;
            self.waiting.push_back(Failure { child, life, at, has_waited: false });
            self.rest();
            self.waiting.iter_mut().for_each(|failure| failure.has_waited = true);
        } else {
            self.end_after(child, at);
        }
        Ok(())
    }

    /// The supervisor itself ended.
    pub(super) fn supervisor_ended(&mut self, exit: Exit) -> Result<(), String> {
        self.either_way(|table| {
            if let Some(child) = table.children.iter().find(|child| child.is_running) {
                return Err(format!("it ends while {} runs", child.terms.name));
            }
            if table.phase != Phase::Ends && !table.starts.is_empty() && !table.may_give_up {
                let names = table.names(&table.starts);
                return Err(format!("it ends and has not started {names} again"));
            }
            if exit == Exit::Failed && !table.may_give_up {
                let (seen, max) = (table.restarts.len(), table.restarts_max);
                let period = table.period;
                return Err(format!("it gives up at restart {seen} and has {max} in {period:?}"));
            }
            table.phase = Phase::Over;
            table.starts.clear();
            table.waiting.clear();
            Ok(())
        })
    }

    /// What had to be done by now has been.
    pub(super) fn in_time(&self, now: Duration, within: Duration) -> Result<(), String> {
        let is_late = |since| now.saturating_sub(since) > within;
        // It may have waited for a start that need not come.
        let heard_by =
            |failure: &&Failure| failure.at.saturating_add(self.pause_most([failure.child]));
        let unheard = self.waiting.front().filter(|failure| is_late(heard_by(failure)));
        if let Some(failure) = unheard.filter(|_| self.stops.is_empty() && self.starts.is_empty()) {
            return Err(format!("{} did not start within {within:?}", self.name(failure.child)));
        }
        if !is_late(self.since) {
            return Ok(());
        }
        match self.phase {
            Phase::Ends => {
                let restarts = self.restarts_max;
                Err(format!(
                    "it has not ended within {within:?}, and had to: more than {restarts} restarts \
                     in {:?}, or an order",
                    self.period
                ))
            }
            Phase::Begins | Phase::Runs if !self.stops.is_empty() => {
                Err(format!("{} were not stopped within {within:?}", self.names(&self.stops)))
            }
            Phase::Begins | Phase::Runs if !self.starts.is_empty() => {
                let pause = self.pause_most(self.starts.iter().copied());
                if !is_late(self.since.saturating_add(pause)) {
                    return Ok(());
                }
                Err(format!("{} did not start within {within:?}", self.names(&self.starts)))
            }
            _ => Ok(()),
        }
    }

    /// Takes an event as it is, or else after what was not heard of before.
    fn either_way(
        &mut self,
        event: impl Fn(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        loop {
            let mut after = self.clone();
            match event(&mut after) {
                Ok(()) => {
                    *self = after;
                    break;
                }
                Err(what) if self.waiting.is_empty() => return Err(what),
                Err(_) => self.hear(),
            }
        }
        self.rest();
        Ok(())
    }

    /// A supervisor that has nothing to do hears of failures.
    fn rest(&mut self) {
        while self.is_at_rest() && !self.waiting.is_empty() {
            self.hear();
        }
    }

    /// Nothing is to be done, and nothing may be.
    fn is_at_rest(&self) -> bool {
        let is_idle = self.stops.is_empty() && self.starts.is_empty() && self.may_start.is_empty();
        is_idle && self.phase == Phase::Runs
    }

    /// The supervisor hears of the next failure.
    fn hear(&mut self) {
        let was_at_rest = self.is_at_rest();
        let Some(failure) = self.waiting.pop_front() else { return };
        if self.children[failure.child].lives != failure.life {
            // Its group was restarted meanwhile, and it with it.
            self.count(failure.at, false);
            return;
        }
        self.fail(failure, was_at_rest || self.strategy == RestartStrategy::OneForOne);
    }

    /// One more restart; those that cannot be of one period with it any more are forgotten.
    fn count(&mut self, at: Duration, is_certain: bool) {
        let memory = self.period.saturating_add(self.late_max);
        self.restarts.retain(|restart| at.saturating_sub(restart.at) <= memory);
        self.restarts.push(Restart { at, is_certain });
        self.may_give_up = self.restarts.len() > self.restarts_max;
    }

    fn start(&mut self, child: usize, at: Duration) -> Result<(), String> {
        let name = self.name(child).clone();
        if self.children[child].is_running {
            return Err(format!("{name} starts and runs already"));
        }
        if matches!(self.phase, Phase::Ends | Phase::Over) {
            if !self.under_way.remove(&child) {
                return Err(format!("{name} starts, and its supervisor is to end"));
            }
            self.children[child].is_running = true;
            self.stops.insert(child);
            return Ok(());
        }
        if !self.stops.is_empty() {
            let names = self.names(&self.stops);
            return Err(format!("{name} starts before {names} were stopped"));
        }
        let is_due = self.starts.contains(&child);
        if !is_due && !self.may_start.contains(&child) {
            return Err(format!("{name} starts and is not to start"));
        }
        let first = self.starts.first().copied();
        let in_any_order = self.strategy == RestartStrategy::OneForOne && self.phase == Phase::Runs;
        if let Some(first) = first.filter(|first| *first < child && !in_any_order) {
            return Err(format!("{name} starts before {}", self.name(first)));
        }
        if self.children[child].pauses_at(at) {
            let least = *self.children[child].terms.pause.start();
            return Err(format!("{name} starts sooner than {least:?} after its failure"));
        }
        self.starts.remove(&child);
        self.may_start.retain(|may| *may > child);
        self.children[child].failed_at = None;
        self.children[child].is_running = true;
        self.children[child].lives += 1;
        if self.starts.is_empty() {
            self.phase = Phase::Runs;
            self.since = Duration::MAX;
        }
        Ok(())
    }

    /// The supervisor has stopped a child.
    fn stopped(&mut self, child: usize, at: Duration) -> Result<(), String> {
        let name = self.name(child).clone();
        if !self.children[child].is_running {
            return Err(format!("{name} is stopped and does not run"));
        }
        if self.stops.is_empty() && self.phase != Phase::Ends {
            if !self.waiting.is_empty() {
                return Err(format!("{name} is stopped and nobody failed"));
            }
            // Nobody failed indeed: the supervisor was told to end.
            self.give_up(at);
        }
        match self.stops.last().copied() {
            Some(last) if last == child => {}
            Some(last) if self.stops.contains(&child) => {
                return Err(format!("{name} is stopped before {}", self.name(last)));
            }
            _ => return Err(format!("{name} is stopped and is not to be")),
        }
        self.stops.remove(&child);
        self.children[child].is_running = false;
        if self.children[child].terms.rule == RestartRule::Temporary {
            self.children[child].is_gone = true;
        }
        Ok(())
    }

    /// A child that is to be started again is down.
    fn fail(&mut self, Failure { child, at, has_waited, .. }: Failure, is_certain: bool) {
        if matches!(self.phase, Phase::Ends | Phase::Over) {
            return;
        }
        match self.allowance(child, at, is_certain) {
            Allowance::Spent => {
                self.give_up(at);
                if has_waited {
                    self.under_way.insert(child);
                }
                return;
            }
            Allowance::StaysDown => {
                self.children[child].is_gone = true;
                self.starts.remove(&child);
                return self.end_after(child, at);
            }
            Allowance::Maybe => {
                self.may_start.insert(child);
                return;
            }
            Allowance::Left => {}
        }
        self.since = at;
        self.children[child].failed_at = Some(at);
        let group = match self.strategy {
            RestartStrategy::OneForOne => child..child + 1,
            RestartStrategy::OneForAll => 0..self.children.len(),
            RestartStrategy::RestForOne => child..self.children.len(),
        };
        for member in group {
            let Child { terms: Terms { rule, .. }, is_running, is_gone, .. } =
                self.children[member];
            if is_running {
                self.stops.insert(member);
            }
            if is_gone || rule == RestartRule::Temporary {
                continue;
            }
            if is_running || member == child || self.starts.contains(&member) {
                self.starts.insert(member);
            } else {
                self.may_start.insert(member);
            }
        }
    }

    /// Counts one more restart of a child, for its own budget or else for all.
    fn allowance(&mut self, child: usize, at: Duration, is_certain: bool) -> Allowance {
        let new = Restart { at, is_certain };
        if let Some((budget, [certain, most])) = self.children[child].count(new, self.late_max) {
            let is_spent = [certain, most].map(|count| count > budget.restarts_max);
            return match (budget.when_spent, is_spent) {
                (WhenSpent::SupervisorEnds, [is_certain, may_be]) => {
                    self.may_give_up |= may_be;
                    if is_certain { Allowance::Spent } else { Allowance::Left }
                }
                (WhenSpent::ChildStaysDown, [true, _]) => Allowance::StaysDown,
                (WhenSpent::ChildStaysDown, [false, true]) => Allowance::Maybe,
                (WhenSpent::ChildStaysDown, [false, false]) => Allowance::Left,
            };
        }
        self.count(at, is_certain);
        let of_this_period = |restart: &&Restart| at.saturating_sub(restart.at) <= self.period;
        let certain =
            self.restarts.iter().filter(of_this_period).filter(|it| it.is_certain).count();
        if certain > self.restarts_max { Allowance::Spent } else { Allowance::Left }
    }

    /// A child has ended for good by itself: perhaps the supervisor ends with it.
    fn end_after(&mut self, child: usize, at: Duration) {
        let is_there = |(index, child): (usize, &Child)| {
            let waits = self.waiting.iter().any(|failure| failure.child == index);
            let comes = child.is_running || self.starts.contains(&index) || waits;
            child.terms.is_significant && comes
        };
        let ends = self.children[child].terms.is_significant
            && match self.ends_after {
                EndsAfter::Nobody => false,
                EndsAfter::AnySignificant => true,
                EndsAfter::AllSignificant => !self.children.iter().enumerate().any(is_there),
            };
        if ends {
            self.give_up(at);
        }
    }

    /// Until when after `since`, at the latest, these have started.
    fn pause_most(&self, children: impl IntoIterator<Item = usize>) -> Duration {
        let pauses = children.into_iter().map(|it| *self.children[it].terms.pause.end());
        pauses.max().unwrap_or_default()
    }

    fn give_up(&mut self, at: Duration) {
        self.phase = Phase::Ends;
        self.since = at;
        self.under_way = std::mem::take(&mut self.starts);
        if self.strategy != RestartStrategy::OneForOne {
            // Of a group one starts at a time.
            let first = self.under_way.pop_first();
            self.under_way = first.into_iter().collect();
        }
        self.may_start.clear();
        self.waiting.clear();
        self.stops = (0..self.children.len()).filter(|it| self.children[*it].is_running).collect();
    }

    fn name(&self, child: usize) -> &Text {
        &self.children[child].terms.name
    }

    fn names(&self, children: &BTreeSet<usize>) -> String {
        children.iter().map(|it| self.name(*it).as_str()).collect::<Vec<_>>().join(", ")
    }
}
