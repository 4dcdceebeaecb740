//! The plan against a small model: OTP's supervisor as a program that does one thing after another.
//!
//! A world of cells answers the plan's actions, from a script where starts may fail. When events come one by one, plan
//! and model must do the same in the same order. When they come in the middle of others, what holds is checked instead:
//! group strategies do one thing at a time, and at rest whoever is to run runs.

use std::collections::VecDeque;

use proptest::{prelude::*, strategy::Strategy as _};

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
    /// The cell of each child, by number: news of another one is not heard.
    cells: BTreeMap<Place, u32>,
    next_cell: u32,
    /// Answers that were not heard yet.
    answers: VecDeque<(Place, u32, Event)>,
    /// Cells that do not stop before they are killed, by number.
    stubborn: Vec<bool>,
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
        let cells = (0..).zip(0..).take(children.len()).collect();
        let next_cell = u32::try_from(children.len()).unwrap();
        let (answers, stubborn, log, script) = Default::default();
        Self { plan, now, cells, next_cell, answers, stubborn, log, script, over: false }
    }

    fn answer(&mut self, place: Place, event: Event) {
        self.answers.push_back((place, self.cells[&place], event));
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(place) => {
                    self.log.push(Done::Start(place));
                    self.cells.entry(place).or_insert_with(|| {
                        self.next_cell += 1;
                        self.next_cell - 1
                    });
                    let fails = self.script.pop_front().unwrap_or(false);
                    let failed = Event::Ended { normal: false, gone: false };
                    self.answer(place, if fails { failed } else { Event::Started });
                }
                Action::Stop { place, again } => {
                    self.log.push(Done::Stop(place));
                    let cell = self.cells[&place] as usize;
                    if !self.stubborn.get(cell).is_some_and(|stubborn| *stubborn) {
                        self.answer(place, Event::Ended { normal: true, gone: !again });
                    }
                }
                Action::Kill { place, again } => {
                    self.answer(place, Event::Ended { normal: false, gone: !again });
                }
                Action::Release(place) => {
                    self.answer(place, Event::Ended { normal: true, gone: true });
                }
                Action::Abandon(place) => drop(self.cells.remove(&place)),
                Action::GiveUp(_) | Action::ShutDown(_) => self.over = true,
                Action::Removed(place) => assert!(!self.cells.contains_key(&place), "a lost cell"),
                Action::Gone(_) | Action::Refused(_) | Action::GiveUpChild(_) => {}
            }
        }
    }

    /// A child that runs ends by itself.
    fn end(&mut self, place: Place, normal: bool, gone: bool) {
        if matches!(self.plan.state(place), Some(State::Up { .. })) {
            self.hear(place, Event::Ended { normal, gone });
        }
    }

    fn hear(&mut self, place: Place, event: Event) {
        if matches!(event, Event::Ended { gone: true, .. }) {
            self.cells.remove(&place);
        }
        let actions = self.plan.on(place, event, self.now);
        self.carry_out(actions);
    }

    /// Hears the next answer; `false` if there is none.
    fn hear_next(&mut self) -> bool {
        let Some((place, cell, event)) = self.answers.pop_front() else { return false };
        if self.cells.get(&place) == Some(&cell) {
            self.hear(place, event);
        }
        true
    }

    fn settle(&mut self) {
        while self.hear_next() {}
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let actions = self.plan.tick(self.now);
        self.carry_out(actions);
    }

    fn alive(&self) -> Vec<Place> {
        let up = |place: &Place| matches!(self.plan.state(*place), Some(State::Up { .. }));
        self.plan.children.keys().copied().filter(up).collect()
    }

    /// Group strategies start and halt one child at a time.
    fn does_one_thing(&self) -> bool {
        let busy = |child: &&Child| {
            matches!(child.state, State::Starting | State::Stopping { again: true, .. })
                && child.asked.is_none()
        };
        self.plan.flags.strategy == Strategy::OneForOne
            || self.plan.children.values().filter(busy).count() <= 1
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
    fn events_and_calls_in_the_middle_of_others_lead_to_rest(
        strategy in any_strategy(),
        children in prop::collection::vec(restart(), 1..6),
        happenings in prop::collection::vec(happening(), 1..60),
        script in prop::collection::vec(prop::bool::weighted(0.2), 0..40),
        stubborn in prop::collection::vec(prop::bool::weighted(0.2), 0..20),
    ) {
        let mut world = World::new(strategy, 1000, &children);
        world.script.extend(script);
        world.stubborn = stubborn;
        let mut called = BTreeSet::new();
        for happening in happenings {
            match happening {
                Happening::End { place, normal, gone } => world.end(place, normal, gone),
                Happening::Hear(answers) => {
                    for _ in 0..answers {
                        world.hear_next();
                        prop_assert!(world.does_one_thing(), "{:?}", world.plan);
                    }
                }
                Happening::Pass(time) => world.pass(time),
                Happening::Call(place, call) => {
                    called.insert(place);
                    let now = world.now;
                    let actions = match call {
                        0 => world.plan.terminate(place, now),
                        1 => world.plan.restart(place, now).unwrap_or_default(),
                        2 => world.plan.delete(place).unwrap_or_default(),
                        _ => {
                            let (place, actions) = world.plan.add(rules(Restart::Permanent), now);
                            called.insert(place);
                            actions
                        }
                    };
                    world.carry_out(actions);
                }
            }
        }
        // Whoever does not stop is killed in time.
        while !world.answers.is_empty() || world.plan.next_due().is_some() {
            world.settle();
            world.pass(Duration::from_secs(5));
        }
        prop_assert!(!world.over);
        for (place, child) in &world.plan.children {
            let up = matches!(child.state, State::Up { .. });
            let may_rest = child.rules.restart != Restart::Permanent || called.contains(place);
            prop_assert!(up || child.state == State::Gone && may_rest, "{place}: {child:?}");
            prop_assert_eq!(up, world.cells.contains_key(place), "{}: {:?}", place, child);
        }
        prop_assert!(world.cells.keys().all(|place| world.plan.state(*place).is_some()));
    }
}

/// What may happen at any moment.
#[derive(Clone, Debug)]
enum Happening {
    End {
        place: Place,
        normal: bool,
        gone: bool,
    },
    Hear(usize),
    Pass(Duration),
    /// Terminate, restart, delete, add.
    Call(Place, u8),
}

fn happening() -> impl proptest::strategy::Strategy<Value = Happening> {
    prop_oneof![
        3 => (0..8_u64, any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(place, normal, gone)| Happening::End { place, normal, gone }),
        4 => (0..4_usize).prop_map(Happening::Hear),
        1 => (0..7_u64).prop_map(|secs| Happening::Pass(Duration::from_secs(secs))),
        2 => (0..8_u64, 0..4_u8).prop_map(|(place, call)| Happening::Call(place, call)),
    ]
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
