//! What a supervisor decides: pure, from what happened and the time, to what is to be done.
//!
//! A [`Plan`] knows of each child how it is to be treated ([`Rules`]) and where it stands ([`State`]). A failure lays
//! the child down, and with one_for_all and rest_for_one marks others to be started anew; [`Plan::advance`] then stops
//! the marked ones, right to left, and starts what lies, left to right, one at a time. So a failure in the middle of a
//! restart is no special case: it marks, and the same rule goes on. Source: Erlang/OTP, `supervisor`. What it is NOT:
//! signals, cells, timers; `family.rs` carries the actions out.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use odeon_message::planted::Bug;
use tokio::time::Instant;

use super::{
    AutoShutdown, Rules, Strategy,
    backoff::Jitter,
    intensity::Intensity,
    spec::Flags,
    terms::{Action, Asked, Busy, Event, Place, State},
};
use crate::{Restart, Shutdown, child_spec::WhenSpent};

/// The pause after a start that failed before there was an actor: nothing else would slow its repetition down.
const UNSPAWNED_PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
struct Child {
    rules: Rules,
    state: State,
    /// It has a cell.
    cell: bool,
    /// That cell was told to end for good: what counts is that it is gone.
    ending: bool,
    /// It runs, and its group is to be started anew.
    recycle: bool,
    asked: Option<Asked>,
    /// Nothing of it is kept once it is gone.
    doomed: bool,
    /// When it may be started, or has had its time to stop.
    due: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    budget: Option<Intensity>,
}

impl Child {
    /// Whether it counts as being there.
    fn is_alive(&self) -> bool {
        !matches!(self.state, State::Gone | State::Stopping { again: false, .. })
    }
}

/// The children of one supervisor and what is to become of them.
#[derive(Debug)]
pub(crate) struct Plan {
    flags: Flags,
    children: BTreeMap<Place, Child>,
    next_place: Place,
    intensity: Intensity,
    due: BTreeSet<(Instant, Place)>,
    jitter: Jitter,
    /// Nothing is kept of a child that has ended for good.
    fleeting: bool,
    actions: Vec<Action>,
    /// The supervisor ends: nothing is decided any more.
    over: bool,
}

impl Plan {
    /// `fleeting`: nothing is kept of a child that has ended for good; `seed` is for the jitter of pauses.
    pub(crate) fn new(flags: Flags, fleeting: bool, seed: u64) -> Self {
        Self {
            fleeting,
            flags,
            children: BTreeMap::new(),
            next_place: 0,
            intensity: Intensity::new(flags.restarts_max, flags.period),
            due: BTreeSet::new(),
            jitter: Jitter::new(seed),
            actions: Vec::new(),
            over: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.children.len()
    }

    pub(crate) fn flags(&self) -> &Flags {
        &self.flags
    }

    /// The bound on restarts in words: the child's own, where it has one.
    pub(crate) fn bound(&self, place: Place) -> String {
        let own = self.children.get(&place).and_then(|child| child.budget.as_ref());
        own.unwrap_or(&self.intensity).describe()
    }

    pub(crate) fn state(&self, place: Place) -> Option<State> {
        self.children.get(&place).map(|child| child.state)
    }

    /// When [`tick`](Self::tick) is wanted next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    fn place_child(&mut self, rules: Rules, state: State, asked: Option<Asked>) -> Place {
        let budget = rules.budget.map(|budget| Intensity::new(budget.restarts_max, budget.period));
        let cell = matches!(state, State::Up { .. });
        let place = self.next_place;
        self.next_place += 1;
        let child = Child {
            rules,
            state,
            cell,
            ending: false,
            recycle: false,
            asked,
            doomed: self.fleeting,
            due: None,
            failures: 0,
            budget,
        };
        self.children.insert(place, child);
        place
    }

    /// A child that was started with its supervisor; `since` is `None` for one that chose not to run.
    pub(crate) fn declared(&mut self, rules: Rules, since: Option<Instant>) -> Place {
        let state = since.map_or(State::Gone, |since| State::Up { since });
        self.place_child(rules, state, None)
    }

    /// A new child, to the right of all others.
    pub(crate) fn add(&mut self, rules: Rules, now: Instant) -> (Place, Vec<Action>) {
        let place = self.place_child(rules, State::Down, Some(Asked::New));
        self.advance(place, now);
        (place, self.decided())
    }

    /// Something happened.
    pub(crate) fn on(&mut self, place: Place, event: Event, now: Instant) -> Vec<Action> {
        if self.over {
            return Vec::new();
        }
        match event {
            Event::Started => self.started(place, now),
            Event::Ended { normal, gone } => self.ended(place, normal, gone, now),
            Event::Unspawned => {
                self.ended(place, false, true, now);
                if self.state(place) == Some(State::Down) {
                    let at = self.child(place).due.unwrap_or(now).max(now + UNSPAWNED_PAUSE);
                    self.postpone(place, at);
                }
            }
        }
        self.advance(place, now);
        self.decided()
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Action> {
        while let Some((_, place)) =
            self.due.first().copied().filter(|(at, _)| *at <= now && !self.over)
        {
            self.clear_due(place);
            match self.state(place) {
                Some(State::Stopping { again, killed: false }) => self.kill(place, again, now),
                Some(State::Stopping { again, killed: true }) => {
                    self.actions.push(Action::Abandon(place));
                    self.child(place).cell = false;
                    self.child(place).ending = false;
                    if again { self.lay_down(place) } else { self.bury(place) }
                }
                _ => {}
            }
            self.advance(place, now);
        }
        self.decided()
    }

    /// Stops a child until a call or its group starts it again.
    pub(crate) fn terminate(&mut self, place: Place, now: Instant) -> Vec<Action> {
        match self.state(place) {
            Some(State::Up { .. } | State::Starting) => self.stop(place, false, now),
            Some(State::Down) => self.release(place),
            Some(State::Stopping { killed, .. }) => {
                let child = self.child(place);
                child.state = State::Stopping { again: false, killed };
                if !std::mem::replace(&mut child.ending, true) {
                    self.actions.push(Action::Stop { place, again: false });
                }
            }
            Some(State::Gone) | None => {}
        }
        self.advance(place, now);
        self.decided()
    }

    /// Starts a child again that has ended.
    pub(crate) fn restart(&mut self, place: Place, now: Instant) -> Result<Vec<Action>, Busy> {
        match self.state(place) {
            Some(State::Gone) => self.child(place).state = State::Down,
            Some(State::Stopping { again: false, killed }) => {
                self.child(place).state = State::Stopping { again: true, killed };
            }
            Some(State::Down | State::Stopping { .. }) => return Err(Busy::Restarting),
            Some(State::Starting | State::Up { .. }) => return Err(Busy::Running),
            None => return Ok(Vec::new()),
        }
        self.child(place).asked = Some(Asked::Again);
        self.advance(place, now);
        Ok(self.decided())
    }

    /// Forgets a child that has ended.
    pub(crate) fn delete(&mut self, place: Place) -> Result<Vec<Action>, Busy> {
        match self.state(place) {
            Some(State::Gone) => self.remove(place),
            Some(State::Stopping { again: false, .. }) => self.child(place).doomed = true,
            Some(State::Down | State::Stopping { .. }) => return Err(Busy::Restarting),
            Some(State::Starting | State::Up { .. }) => return Err(Busy::Running),
            None => {}
        }
        Ok(self.decided())
    }

    fn decided(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    fn child(&mut self, place: Place) -> &mut Child {
        self.children.get_mut(&place).expect("the caller has just seen it")
    }

    fn started(&mut self, place: Place, now: Instant) {
        let Some(child) = self.children.get_mut(&place) else { return };
        if child.state == State::Starting {
            child.state = State::Up { since: now };
        }
        child.asked = None;
    }

    fn ended(&mut self, place: Place, normal: bool, gone: bool, now: Instant) {
        let Some(child) = self.children.get_mut(&place) else { return };
        if gone {
            child.cell = false;
            child.ending = false;
        }
        if child.ending {
            return;
        }
        let again = match child.rules.restart {
            Restart::Permanent => true,
            Restart::Transient => !normal || Bug::TransientComesBack.is_planted(),
            Restart::Temporary => false,
        };
        let temporary = child.rules.restart == Restart::Temporary;
        match child.state {
            // A cell that waited is gone: its next start takes a new one.
            State::Gone | State::Down => {}
            State::Stopping { again: true, .. } => self.lay_down(place),
            State::Stopping { again: false, .. } => self.bury(place),
            State::Starting if child.asked.is_some() => self.refuse(place, normal),
            // It chose not to run.
            State::Starting if normal => self.release(place),
            State::Starting | State::Up { .. } if child.recycle && !temporary => {
                self.lay_down(place);
            }
            State::Starting => self.failed(place, now),
            State::Up { .. } if again => self.failed(place, now),
            State::Up { .. } => {
                let significant = child.rules.significant && !child.recycle;
                self.release(place);
                self.shut_down_after(place, significant);
            }
        }
    }

    /// It has ended and is to be started again, if that is put up with.
    fn failed(&mut self, place: Place, now: Instant) {
        let child = self.children.get_mut(&place).expect("the caller has just seen it");
        let (allowed, spent) = match (&mut child.budget, &child.rules.budget) {
            (Some(own), Some(budget)) => (own.allows(now), budget.when_spent),
            _ => (self.intensity.allows(now), WhenSpent::Escalate),
        };
        match (allowed, spent) {
            (true, _) => {}
            (false, WhenSpent::Escalate) => {
                self.actions.push(Action::GiveUp(place));
                self.over = true;
                return;
            }
            (false, WhenSpent::GiveUpChild) => {
                let significant = child.rules.significant;
                self.actions.push(Action::GiveUpChild(place));
                self.release(place);
                return self.shut_down_after(place, significant);
            }
        }
        let pause = child.rules.backoff.map(|backoff| {
            if matches!(child.state, State::Up { since } if backoff.forgives(now - since)) {
                child.failures = 0;
            }
            child.failures = child.failures.saturating_add(1);
            backoff.pause(child.failures, &mut self.jitter)
        });
        self.lay_down(place);
        if let Some(pause) = pause {
            self.postpone(place, now + pause);
        }
        self.mark_group(place);
    }

    /// Marks who is to be started anew with a child. Those that had ended start too, as in OTP.
    fn mark_group(&mut self, failed: Place) {
        let group = match self.flags.strategy {
            Strategy::OneForOne => return,
            Strategy::OneForAll => 0..self.next_place,
            Strategy::RestForOne if Bug::RestForOneTooFew.is_planted() => {
                failed..self.next_place - 1
            }
            Strategy::RestForOne => failed..self.next_place,
        };
        for (_, child) in self.children.range_mut(group).filter(|(place, _)| **place != failed) {
            match child.state {
                State::Starting | State::Up { .. } => child.recycle = true,
                State::Gone => child.state = State::Down,
                State::Down | State::Stopping { .. } => {}
            }
        }
    }

    /// Goes one step on: `changed` is whom something happened to.
    fn advance(&mut self, changed: Place, now: Instant) {
        if self.over {
            return;
        }
        let next = match self.flags.strategy {
            Strategy::OneForOne => Some(changed),
            Strategy::OneForAll | Strategy::RestForOne => {
                let all = || self.children.iter();
                if all().any(|(_, child)| matches!(child.state, State::Stopping { .. })) {
                    return;
                }
                let marked = |(_, child): &(&Place, &Child)| child.recycle;
                let next = match Bug::SiblingsStopInOrder.is_planted() {
                    true => all().find(marked),
                    false => all().rfind(marked),
                };
                if let Some((place, child)) = next {
                    let (place, again) = (*place, child.rules.restart != Restart::Temporary);
                    return self.stop(place, again, now);
                }
                let waits = |child: &Child| {
                    child.state == State::Starting
                        || child.state == State::Down && child.due.is_some()
                };
                if all().any(|(_, child)| waits(child)) {
                    return;
                }
                all().find(|(_, child)| child.state == State::Down).map(|(place, _)| *place)
            }
        };
        let Some(place) = next else { return };
        let Some(child) = self.children.get_mut(&place) else { return };
        if child.state == State::Down && child.due.is_none() {
            child.state = State::Starting;
            child.cell = true;
            self.actions.push(Action::Start(place));
        }
    }

    fn stop(&mut self, place: Place, again: bool, now: Instant) {
        let child = self.child(place);
        child.recycle = false;
        child.ending = !again;
        child.state = State::Stopping { again, killed: false };
        match child.rules.shutdown {
            Shutdown::Brutal => return self.kill(place, again, now),
            Shutdown::Within(time) => {
                // A time beyond all time is none.
                if let Some(at) = now.checked_add(time) {
                    self.postpone(place, at);
                }
            }
            Shutdown::Unlimited => {}
        }
        self.actions.push(Action::Stop { place, again });
    }

    fn kill(&mut self, place: Place, again: bool, now: Instant) {
        self.child(place).state = State::Stopping { again, killed: true };
        self.actions.push(Action::Kill { place, again });
        self.postpone(place, now + Shutdown::KILL_WITHIN);
    }

    fn postpone(&mut self, place: Place, at: Instant) {
        self.clear_due(place);
        self.child(place).due = Some(at);
        self.due.insert((at, place));
    }

    fn clear_due(&mut self, place: Place) {
        if let Some(at) = self.child(place).due.take() {
            self.due.remove(&(at, place));
        }
    }

    fn lay_down(&mut self, place: Place) {
        self.clear_due(place);
        let child = self.child(place);
        child.recycle = false;
        child.state = State::Down;
    }

    /// It is not started again: the cell that waits may end.
    fn release(&mut self, place: Place) {
        self.clear_due(place);
        let child = self.child(place);
        child.recycle = false;
        if child.cell {
            child.ending = true;
            child.state = State::Stopping { again: false, killed: false };
            self.actions.push(Action::Release(place));
        } else {
            self.bury(place);
        }
    }

    fn refuse(&mut self, place: Place, normal: bool) {
        let child = self.child(place);
        // One that chose not to run may be asked again later.
        child.doomed |= child.asked.take() == Some(Asked::New) && !normal;
        self.actions.push(Action::Refused(place));
        self.release(place);
    }

    /// It has ended for good.
    fn bury(&mut self, place: Place) {
        self.clear_due(place);
        let child = self.child(place);
        child.state = State::Gone;
        child.recycle = false;
        child.asked = None;
        let keep = child.rules.restart != Restart::Temporary && !child.doomed;
        self.actions.push(Action::Gone(place));
        if !keep {
            self.remove(place);
        }
    }

    fn remove(&mut self, place: Place) {
        self.children.remove(&place);
        self.actions.push(Action::Removed(place));
    }

    /// A child has ended for good by itself: perhaps the supervisor ends with it.
    fn shut_down_after(&mut self, place: Place, significant: bool) {
        let matters = |child: &Child| child.rules.significant && child.is_alive();
        let ends = significant
            && match self.flags.auto_shutdown {
                AutoShutdown::Never => false,
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => !self.children.values().any(matters),
            };
        if ends {
            self.actions.push(Action::ShutDown(place));
            self.over = true;
        }
    }
}

#[cfg(test)]
mod model;
