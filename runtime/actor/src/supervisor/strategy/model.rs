//! The plan against a small model: OTP's supervisor as a program that does one thing after another.
//!
//! A world of cells answers the plan's actions, from a script where starts may fail. When events come one by one, plan
//! and model must do the same in the same order. When they come in the middle of others, what holds is checked instead:
//! group strategies do one thing at a time, and at rest whoever is to run runs.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{Strategy, *};
use crate::Backoff;

/// What was done to which child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Done {
    Start(Place),
    Stop(Place),
}

/// Cells that answer.
struct World {
    plan: Plan,
    now: Instant,
    /// Answers that were not heard yet.
    answers: VecDeque<(Place, Event)>,
    log: Vec<Done>,
    script: VecDeque<bool>,
    over: bool,
}

fn rules(restart: Restart) -> Rules {
    let shutdown = Shutdown::DEFAULT;
    Rules { restart, significant: false, shutdown, backoff: None, budget: None }
}

fn flags(strategy: Strategy, restarts_max: u32) -> Flags {
    Flags { restarts_max, ..Flags::new(strategy) }
}

impl World {
    fn new(strategy: Strategy, restarts_max: u32, children: &[Restart]) -> Self {
        let now = Instant::now();
        let mut plan = Plan::new(flags(strategy, restarts_max), false, 0);
        for restart in children {
            plan.declared(rules(*restart), Some(now));
        }
        let (answers, log, script) = Default::default();
        Self { plan, now, answers, log, script, over: false }
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(place) => {
                    self.log.push(Done::Start(place));
                    let fails = self.script.pop_front().unwrap_or(false);
                    let failed = Event::Ended { normal: false, gone: false };
                    self.answers.push_back((place, if fails { failed } else { Event::Started }));
                }
                Action::Stop { place, again } | Action::Kill { place, again } => {
                    self.log.push(Done::Stop(place));
                    self.answers.push_back((place, Event::Ended { normal: true, gone: !again }));
                }
                Action::Release(place) => {
                    self.answers.push_back((place, Event::Ended { normal: true, gone: true }));
                }
                Action::GiveUp(_) | Action::ShutDown(_) => self.over = true,
                Action::Refused(_)
                | Action::Gone(_)
                | Action::Removed(_)
                | Action::Abandon(_)
                | Action::GiveUpChild(_) => {}
            }
        }
    }

    fn hear(&mut self, place: Place, event: Event) {
        let actions = self.plan.on(place, event, self.now);
        self.carry_out(actions);
    }

    fn settle(&mut self) {
        while let Some((place, event)) = self.answers.pop_front() {
            self.hear(place, event);
        }
    }

    fn alive(&self) -> Vec<Place> {
        let up = |place: &Place| matches!(self.plan.state(*place), Some(State::Up { .. }));
        self.plan.children.keys().copied().filter(up).collect()
    }
}

/// OTP's supervisor, told from its description: whatever it does, it does to the end.
struct Otp {
    strategy: Strategy,
    /// Place, restart type, alive; in order.
    children: Vec<(Place, Restart, bool)>,
    intensity: Intensity,
    log: Vec<Done>,
    script: VecDeque<bool>,
    over: bool,
}

impl Otp {
    fn new(strategy: Strategy, restarts_max: u32, children: &[Restart]) -> Self {
        let flags = flags(strategy, restarts_max);
        let children =
            children.iter().zip(0..).map(|(restart, place)| (place, *restart, true)).collect();
        let intensity = Intensity::new(restarts_max, flags.period);
        let (log, script) = Default::default();
        Self { strategy, children, intensity, log, script, over: false }
    }

    fn exit(&mut self, place: Place, normal: bool, now: Instant) {
        let Some(at) = self.children.iter().position(|child| child.0 == place) else { return };
        self.children[at].2 = false;
        match self.children[at].1 {
            Restart::Temporary => drop(self.children.remove(at)),
            Restart::Transient if normal => {}
            Restart::Permanent | Restart::Transient => self.restart(place, now),
        }
    }

    fn restart(&mut self, mut place: Place, now: Instant) {
        loop {
            if !self.intensity.allows(now) {
                self.over = true;
                return;
            }
            let group = match self.strategy {
                Strategy::OneForOne => place..=place,
                Strategy::OneForAll => 0..=Place::MAX,
                Strategy::RestForOne => place..=Place::MAX,
            };
            for child in self.children.iter_mut().rev() {
                if group.contains(&child.0) && child.2 {
                    self.log.push(Done::Stop(child.0));
                    child.2 = false;
                }
            }
            let kept = |child: &(Place, Restart, bool)| {
                !group.contains(&child.0) || child.1 != Restart::Temporary
            };
            self.children.retain(kept);
            let mut failed = None;
            for child in self.children.iter_mut().filter(|child| group.contains(&child.0)) {
                self.log.push(Done::Start(child.0));
                if self.script.pop_front().unwrap_or(false) {
                    failed = Some(child.0);
                    break;
                }
                child.2 = true;
            }
            match failed {
                Some(again) => place = again,
                None => return,
            }
        }
    }

    fn alive(&self) -> Vec<Place> {
        self.children.iter().filter(|child| child.2).map(|child| child.0).collect()
    }
}

fn restart() -> impl proptest::strategy::Strategy<Value = Restart> {
    prop_oneof![
        3 => Just(Restart::Permanent),
        1 => Just(Restart::Transient),
        1 => Just(Restart::Temporary)
    ]
}

fn any_strategy() -> impl proptest::strategy::Strategy<Value = Strategy> {
    prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)]
}

proptest! {
    #[test]
    fn one_event_after_another_is_as_in_otp(
        strategy in any_strategy(),
        restarts_max in 0..6_u32,
        children in prop::collection::vec(restart(), 1..6),
        events in prop::collection::vec((0..6_u64, any::<bool>(), 0..4_u64), 1..12),
        script in prop::collection::vec(prop::bool::weighted(0.2), 0..40),
    ) {
        let mut world = World::new(strategy, restarts_max, &children);
        let mut otp = Otp::new(strategy, restarts_max, &children);
        world.script.extend(&script);
        otp.script.extend(&script);
        for (place, normal, seconds) in events {
            world.now += Duration::from_secs(seconds);
            if !world.alive().contains(&place) {
                continue;
            }
            world.hear(place, Event::Ended { normal, gone: false });
            world.settle();
            otp.exit(place, normal, world.now);
            prop_assert_eq!(world.over, otp.over);
            prop_assert_eq!(&world.log, &otp.log);
            if world.over {
                break;
            }
            prop_assert_eq!(world.alive(), otp.alive());
        }
    }

    #[test]
    fn events_in_the_middle_of_others_lead_to_rest(
        strategy in any_strategy(),
        children in prop::collection::vec(restart(), 1..6),
        events in prop::collection::vec((0..6_u64, any::<bool>(), any::<bool>(), 0..4_usize), 1..40),
        script in prop::collection::vec(prop::bool::weighted(0.2), 0..40),
    ) {
        let mut world = World::new(strategy, 1000, &children);
        world.script.extend(script);
        for (place, normal, gone, heard) in events {
            // Only one that runs can end by itself; its answer to an order not heard yet is then its last.
            if matches!(world.plan.state(place), Some(State::Up { .. })) {
                world.hear(place, Event::Ended { normal, gone });
            }
            for _ in 0..heard {
                let Some((place, event)) = world.answers.pop_front() else { break };
                world.hear(place, event);
                if strategy != Strategy::OneForOne {
                    let count = |wanted: fn(&State) -> bool| {
                        world.plan.children.values().filter(|child| wanted(&child.state)).count()
                    };
                    let starting = count(|state| *state == State::Starting);
                    let halting = count(|state| matches!(state, State::Stopping { again: true, .. }));
                    prop_assert!(starting + halting <= 1, "{:?}", world.plan);
                }
            }
        }
        world.settle();
        prop_assert!(world.answers.is_empty() && !world.over);
        for (place, child) in &world.plan.children {
            let at_rest = match child.rules.restart {
                Restart::Permanent => matches!(child.state, State::Up { .. }),
                _ => matches!(child.state, State::Up { .. } | State::Gone),
            };
            prop_assert!(at_rest, "{place}: {child:?}");
        }
    }
}

/// A plan with these children, all up.
fn plan(strategy: Strategy, rules: impl IntoIterator<Item = Rules>) -> (Plan, Instant) {
    let now = Instant::now();
    let mut plan = Plan::new(flags(strategy, 10), false, 1);
    for rules in rules {
        plan.declared(rules, Some(now));
    }
    (plan, now)
}

const FAILED: Event = Event::Ended { normal: false, gone: false };

#[test]
fn a_child_that_does_not_stop_is_killed_and_then_left_behind() {
    let (mut plan, now) =
        plan(Strategy::OneForAll, [rules(Restart::Permanent), rules(Restart::Permanent)]);
    assert_eq!(plan.on(0, FAILED, now), [Action::Stop { place: 1, again: true }]);
    let at = |secs| now + Duration::from_secs(secs);
    assert_eq!(plan.next_due(), Some(at(5)));
    assert_eq!(plan.tick(at(4)), []);
    assert_eq!(plan.tick(at(5)), [Action::Kill { place: 1, again: true }]);
    assert_eq!(plan.tick(at(6)), [Action::Abandon(1), Action::Start(0)]);
    assert_eq!(plan.on(0, Event::Started, at(6)), [Action::Start(1)]);
    assert_eq!(plan.next_due(), None);
}

#[test]
fn a_group_waits_for_the_pause_of_one() {
    let mut slow = rules(Restart::Permanent);
    let second = Duration::from_secs(1);
    slow.backoff = Some(Backoff::exponential(second, 4 * second).jitter(0));
    let (mut plan, now) = plan(Strategy::OneForAll, [rules(Restart::Permanent), slow]);
    assert_eq!(plan.on(1, FAILED, now), [Action::Stop { place: 0, again: true }]);
    assert_eq!(plan.on(0, Event::Ended { normal: true, gone: false }, now), []);
    assert_eq!(plan.tick(now + second), [Action::Start(0)]);
    assert_eq!(plan.on(0, Event::Started, now + second), [Action::Start(1)]);
    // It fails again, and then runs for long enough to be forgiven.
    assert_eq!(plan.on(1, FAILED, now + second), [Action::Stop { place: 0, again: true }]);
    assert_eq!(plan.on(0, Event::Ended { normal: true, gone: false }, now + second), []);
    assert_eq!(plan.next_due(), Some(now + 3 * second));
    assert_eq!(plan.tick(now + 3 * second), [Action::Start(0)]);
    assert_eq!(plan.on(0, Event::Started, now + 3 * second), [Action::Start(1)]);
    assert_eq!(plan.on(1, Event::Started, now + 3 * second), []);
    plan.on(1, FAILED, now + 60 * second);
    assert_eq!(plan.child(1).due, Some(now + 61 * second));
}

#[test]
fn a_start_that_was_asked_for_and_fails_is_not_counted() {
    let now = Instant::now();
    let mut plan = Plan::new(flags(Strategy::OneForOne, 0), false, 1);
    let (place, actions) = plan.add(rules(Restart::Permanent), now);
    assert_eq!(actions, [Action::Start(place)]);
    assert_eq!(plan.on(place, FAILED, now), [Action::Refused(place), Action::Release(place)]);
    let gone = Event::Ended { normal: true, gone: true };
    assert_eq!(plan.on(place, gone, now), [Action::Gone(place), Action::Removed(place)]);
    // One that could not be spawned has no cell to let go.
    let (place, _) = plan.add(rules(Restart::Permanent), now);
    let refused = [Action::Refused(place), Action::Gone(place), Action::Removed(place)];
    assert_eq!(plan.on(place, Event::Unspawned, now), refused);
    assert_eq!(plan.len(), 0);
}

#[test]
fn terminate_restart_and_delete_in_any_order() {
    let (mut plan, now) = plan(Strategy::OneForOne, [rules(Restart::Permanent)]);
    assert_eq!(plan.restart(0, now), Err(Busy::Running));
    assert_eq!(plan.delete(0), Err(Busy::Running));
    assert_eq!(plan.terminate(0, now), [Action::Stop { place: 0, again: false }]);
    // Wanted again before it has ended: it starts afterwards.
    assert_eq!(plan.restart(0, now), Ok(vec![]));
    assert_eq!(plan.delete(0), Err(Busy::Restarting));
    let ended = |gone| Event::Ended { normal: true, gone };
    assert_eq!(plan.on(0, ended(false), now), [], "what counts is that the cell is gone");
    assert_eq!(plan.on(0, ended(true), now), [Action::Start(0)]);
    assert_eq!(plan.on(0, Event::Started, now), []);
    plan.terminate(0, now);
    assert_eq!(plan.on(0, ended(true), now), [Action::Gone(0)]);
    assert_eq!(plan.terminate(0, now), []);
    assert_eq!(plan.delete(0), Ok(vec![Action::Removed(0)]));
    assert_eq!(plan.delete(0), Ok(vec![]));
}
