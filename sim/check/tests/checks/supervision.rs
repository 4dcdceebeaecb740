//! The supervision table: a supervisor written after OTP's passes it, wrong ones do not.

use std::{collections::VecDeque, time::Duration};

use odeon_check::{
    EndsAfter, Exit, History, Recorder, RestartRule, RestartStrategy, SupervisionTable, What,
    WhenSpent,
};
use proptest::prelude::*;

use crate::{
    chance::Chance,
    planted::{any_of, in_this_order, passes, unknown, violated, whats},
};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 4] = ["one", "two", "three", "four"];
const RULES: [RestartRule; 3] =
    [RestartRule::Permanent, RestartRule::Transient, RestartRule::Temporary];
const STRATEGIES: [RestartStrategy; 3] =
    [RestartStrategy::OneForOne, RestartStrategy::OneForAll, RestartStrategy::RestForOne];

/// What a supervisor does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    None,
    NeverGivesUp,
    GivesUpAtOnce,
    GivesUpOneEarly,
    StopsFromTheFirst,
    StartsTemporaryAgain,
    StartsTransientAfterNormal,
    StartsFromTheLast,
    ForgetsSiblings,
}

/// A supervisor as OTP's documentation tells it, failures handled one after the other.
struct Supervisor {
    bug: Bug,
    strategy: RestartStrategy,
    rules: [RestartRule; 4],
    runs: [bool; 4],
    gone: [bool; 4],
    restarts: Vec<Duration>,
    now: Duration,
    recorder: Recorder,
    lives: [u32; 4],
    /// Of which life of which child the supervisor has not heard yet that it failed.
    failures: VecDeque<(usize, u32)>,
    over: bool,
}

impl Supervisor {
    fn new(bug: Bug, chance: &mut Chance) -> Self {
        Self {
            bug,
            strategy: STRATEGIES[chance.below(3)],
            rules: [(); 4].map(|()| RULES[chance.below(3)]),
            runs: [false; 4],
            gone: [false; 4],
            restarts: Vec::new(),
            now: Duration::ZERO,
            recorder: Recorder::new(|| 1000 * SECOND),
            lives: [0; 4],
            failures: VecDeque::new(),
            over: false,
        }
    }

    fn table(&self) -> SupervisionTable {
        let table = SupervisionTable::new("sup", self.strategy, SECOND).intensity(3, 5 * SECOND);
        NAMES.iter().zip(self.rules).fold(table, |table, (name, rule)| table.child(*name, rule))
    }

    fn record(&mut self, what: What) {
        self.now += Duration::from_millis(1);
        self.recorder.record_at(self.now, what);
    }

    fn start(&mut self, child: usize, chance: &mut Chance) {
        self.runs[child] = true;
        self.lives[child] += 1;
        self.record(What::ChildStarted { supervisor: "sup".into(), child: NAMES[child].into() });
        // Another one may fail while the supervisor is busy; it hears of it later.
        if chance.once_in(6) {
            let other = chance.below(4);
            self.end_of(other, Exit::Failed);
        }
    }

    fn end(&mut self, child: usize, exit: Exit) {
        self.runs[child] = false;
        self.gone[child] |= self.rules[child] == RestartRule::Temporary;
        let (supervisor, child) = ("sup".into(), NAMES[child].into());
        self.record(What::ChildEnded { supervisor, child, exit });
    }

    /// A child ends by itself.
    fn end_of(&mut self, child: usize, exit: Exit) {
        if !self.runs[child] {
            return;
        }
        self.end(child, exit);
        let again = match self.rules[child] {
            RestartRule::Permanent => true,
            RestartRule::Transient => {
                exit != Exit::Normal || self.bug == Bug::StartsTransientAfterNormal
            }
            RestartRule::Temporary => self.bug == Bug::StartsTemporaryAgain,
        };
        if again {
            self.failures.push_back((child, self.lives[child]));
        }
    }

    fn begin(&mut self, chance: &mut Chance) {
        (0..4).for_each(|child| self.start(child, chance));
        self.handle_all(chance);
    }

    fn handle_all(&mut self, chance: &mut Chance) {
        while let Some((child, life)) = self.failures.pop_front() {
            // With its siblings it may be back already.
            if !self.over && self.lives[child] == life {
                self.handle(child, chance);
            }
        }
    }

    fn handle(&mut self, child: usize, chance: &mut Chance) {
        let now = self.now;
        self.restarts.retain(|at| now - *at <= 5 * SECOND);
        self.restarts.push(now);
        let gives_up = match self.bug {
            Bug::NeverGivesUp => false,
            Bug::GivesUpAtOnce => true,
            Bug::GivesUpOneEarly => self.restarts.len() > 2,
            _ => self.restarts.len() > 3,
        };
        if gives_up {
            return self.give_up();
        }
        let group = match self.strategy {
            RestartStrategy::OneForOne => child..child + 1,
            RestartStrategy::OneForAll => 0..4,
            RestartStrategy::RestForOne => child..4,
        };
        let mut stops = group.clone().rev().collect::<Vec<_>>();
        let mut starts = group.collect::<Vec<_>>();
        match self.bug {
            Bug::StopsFromTheFirst => stops.reverse(),
            Bug::StartsFromTheLast => starts.reverse(),
            Bug::ForgetsSiblings => starts.retain(|member| *member == child),
            _ => {}
        }
        for member in stops.into_iter().filter(|member| *member != child) {
            if self.runs[member] {
                self.end(member, Exit::Ordered);
            }
        }
        for member in starts {
            let is_gone = self.gone[member] && self.bug != Bug::StartsTemporaryAgain;
            if !self.runs[member] && !is_gone {
                self.start(member, chance);
            }
        }
    }

    fn give_up(&mut self) {
        for child in (0..4).rev().filter(|child| self.runs[*child]).collect::<Vec<_>>() {
            self.end(child, Exit::Ordered);
        }
        self.record(What::Ended { party: "sup".into(), exit: Exit::Failed });
        self.over = true;
    }
}

fn life(seed: u64, bug: Bug) -> (History, SupervisionTable) {
    let mut chance = Chance::new(seed);
    let mut supervisor = Supervisor::new(bug, &mut chance);
    supervisor.begin(&mut chance);
    for _ in 0..12 {
        if supervisor.over {
            break;
        }
        supervisor.now += SECOND * chance.below(4) as u32;
        let exit = if chance.once_in(2) { Exit::Normal } else { Exit::Failed };
        supervisor.end_of(chance.below(4), exit);
        supervisor.handle_all(&mut chance);
    }
    (supervisor.recorder.history(), supervisor.table())
}

proptest! {
    #[test]
    fn a_supervisor_after_otp_passes(seed: u64) {
        let (history, table) = life(seed, Bug::None);
        passes(&history, &table);
    }

    #[test]
    fn a_restart_that_is_left_out_or_too_much_is_found(seed: u64) {
        let (history, table) = life(seed, Bug::None);
        let mut chance = Chance::new(seed);
        let mut events = whats(&history);
        let is_start = |what: &What| matches!(what, What::ChildStarted { .. });
        let at = any_of(&events, &mut chance, is_start).expect("four start at least");
        let again = events[at].clone();
        events.insert(at + 1, again);
        let text = violated(&in_this_order(events, &history), &table);
        prop_assert!(text.contains("starts"), "{}", text);
    }
}

#[test]
fn supervisors_that_go_wrong_are_found() {
    for bug in [
        Bug::NeverGivesUp,
        Bug::GivesUpAtOnce,
        Bug::GivesUpOneEarly,
        Bug::StopsFromTheFirst,
        Bug::StartsTemporaryAgain,
        Bug::StartsTransientAfterNormal,
        Bug::StartsFromTheLast,
        Bug::ForgetsSiblings,
    ] {
        let lives = (0..200).map(|seed| life(seed, bug));
        let found = lives.filter(|(history, table)| history.check(table).is_err()).count();
        // Not each seed comes to the point: strategies, rules and ends are drawn.
        assert!(found >= 40, "{bug:?} is found in {found} of 200");
    }
}

fn started(child: usize) -> What {
    What::ChildStarted { supervisor: "sup".into(), child: NAMES[child].into() }
}

fn ended(child: usize, exit: Exit) -> What {
    What::ChildEnded { supervisor: "sup".into(), child: NAMES[child].into(), exit }
}

fn failed_to_start(child: usize) -> What {
    What::ChildStartFailed { supervisor: "sup".into(), child: NAMES[child].into() }
}

fn over() -> What {
    What::Ended { party: "sup".into(), exit: Exit::Failed }
}

fn over_by_order() -> What {
    What::Ended { party: "sup".into(), exit: Exit::Ordered }
}

/// A supervisor of three permanent children that bears one restart a second.
fn three(strategy: RestartStrategy) -> SupervisionTable {
    let table = SupervisionTable::new("sup", strategy, SECOND).intensity(1, SECOND);
    NAMES[..3].iter().fold(table, |table, name| table.child(*name, RestartRule::Permanent))
}

/// After the three have started, these events follow, one a millisecond.
fn then(events: &[What]) -> History {
    let begin = (0..3).map(started);
    crate::planted::told(begin.chain(events.iter().cloned()))
}

#[test]
fn what_a_supervisor_does_wrong_is_told() {
    use Exit::{Failed, Normal, Ordered};
    use RestartStrategy::{OneForAll, OneForOne, RestForOne};
    let wrong: [(RestartStrategy, &[What], &str); 16] = [
        (OneForOne, &[ended(1, Failed)], "two did not start within 1s"),
        (OneForOne, &[ended(1, Normal), over()], "it ends while one runs"),
        (
            OneForOne,
            &[ended(1, Failed), ended(2, Ordered), ended(0, Ordered), over()],
            "it gives up at restart 1 and has 1 in 1s",
        ),
        (
            OneForOne,
            &[ended(2, Ordered), ended(1, Ordered), ended(0, Failed), over()],
            "it gives up at restart 0 and has 1 in 1s",
        ),
        (OneForOne, &[ended(1, Failed), started(0)], "one starts and runs already"),
        (OneForOne, &[ended(1, Failed), ended(2, Ordered)], "it has not ended within 1s"),
        (
            OneForOne,
            &[ended(1, Failed), started(1), ended(1, Failed), started(1)],
            "two starts, and its supervisor is to end",
        ),
        (OneForOne, &[ended(0, Ordered)], "one is stopped before three"),
        (OneForOne, &[ended(2, Ordered), started(2)], "three starts, and its supervisor is to end"),
        (OneForAll, &[ended(1, Failed), started(1)], "two starts before one, three were stopped"),
        (OneForAll, &[ended(1, Failed), ended(0, Ordered)], "one is stopped before three"),
        (
            OneForAll,
            &[ended(1, Failed), ended(2, Ordered), ended(0, Ordered), started(1)],
            "two starts before one",
        ),
        (
            OneForAll,
            &[ended(1, Failed), ended(2, Ordered), ended(0, Ordered), started(0), started(1)],
            "three did not start within 1s",
        ),
        (
            RestForOne,
            &[ended(1, Failed), ended(2, Ordered), ended(0, Ordered)],
            "it has not ended within 1s",
        ),
        (RestForOne, &[ended(1, Failed), ended(2, Ordered), started(2)], "three starts before two"),
        (
            RestForOne,
            &[ended(1, Failed), failed_to_start(1)],
            "two starts before three were stopped",
        ),
    ];
    for (strategy, events, says) in wrong {
        let text = violated(&then(events), &three(strategy));
        assert!(text.contains(says), "{strategy:?} {says:?}: {text}");
    }
}

#[test]
fn what_a_supervisor_does_right_passes() {
    use Exit::{Failed, Normal, Ordered};
    use RestartStrategy::{OneForAll, OneForOne, RestForOne};
    let right: [(RestartStrategy, &[What]); 8] = [
        (OneForOne, &[]),
        (OneForOne, &[ended(1, Normal), started(1)]),
        (OneForOne, &[ended(2, Ordered), ended(1, Ordered), ended(0, Ordered), over_by_order()]),
        (
            OneForOne,
            &[
                ended(1, Failed),
                started(1),
                ended(1, Failed),
                ended(2, Ordered),
                ended(0, Ordered),
                over(),
            ],
        ),
        (
            OneForOne,
            &[ended(1, Failed), failed_to_start(1), ended(2, Ordered), ended(0, Ordered), over()],
        ),
        (
            OneForAll,
            &[
                ended(1, Failed),
                ended(2, Ordered),
                ended(0, Ordered),
                started(0),
                started(1),
                started(2),
            ],
        ),
        // One that was to be stopped fails first.
        (
            OneForAll,
            &[
                ended(1, Failed),
                ended(2, Failed),
                ended(0, Ordered),
                started(0),
                started(1),
                started(2),
            ],
        ),
        (RestForOne, &[ended(1, Failed), ended(2, Ordered), started(1), started(2)]),
    ];
    for (strategy, events) in right {
        passes(&then(events), &three(strategy));
    }
}

/// A restart that is a period old still counts, one that is older does not (OTP: `in_period`).
#[test]
fn the_period_is_counted_to_its_end() {
    let history = |pause: Duration| {
        let recorder = Recorder::new(|| 100 * SECOND);
        for what in [started(0), started(1), started(2), ended(1, Exit::Failed), started(1)] {
            recorder.record_at(SECOND, what);
        }
        for what in [ended(1, Exit::Failed), started(1)] {
            recorder.record_at(SECOND + pause, what);
        }
        recorder.history()
    };
    let table = three(RestartStrategy::OneForOne);
    violated(&history(SECOND), &table);
    passes(&history(SECOND + Duration::from_millis(1)), &table);
}

#[test]
fn temporary_children_never_come_back() {
    let table = SupervisionTable::new("sup", RestartStrategy::OneForAll, SECOND)
        .child("one", RestartRule::Permanent)
        .child("two", RestartRule::Temporary);
    let fall =
        [started(0), started(1), ended(0, Exit::Failed), ended(1, Exit::Ordered), started(0)];
    passes(&crate::planted::told(fall.clone()), &table);
    let back = crate::planted::told(fall.into_iter().chain([started(1)]));
    let expected = "\
the supervision table: sup: two starts and is not to start
      0.000000s      #0  sup/one starts
      0.001000s      #1  sup/two starts
      0.002000s      #2  sup/one ends by a failure
      0.003000s      #3  sup/two ends by order
      0.004000s      #4  sup/one starts
      0.005000s      #5  sup/two starts";
    assert_eq!(violated(&back, &table), expected);
    assert!(unknown(&crate::planted::told([]), &table).contains("no events of the supervisor sup"));
    let stranger = [started(0), started(1), started(2)];
    assert!(unknown(&crate::planted::told(stranger), &table).contains("not in the table"));
}

/// Two children that start at once, and then these events at these milliseconds.
fn pair_then(events: &[(u64, What)]) -> History {
    let recorder = Recorder::new(|| 60 * SECOND);
    for (at, what) in [(0, started(0)), (0, started(1))].iter().chain(events) {
        recorder.record_at(Duration::from_millis(*at), what.clone());
    }
    recorder.history()
}

fn pair(rule: RestartRule) -> SupervisionTable {
    SupervisionTable::new("sup", RestartStrategy::OneForOne, SECOND)
        .intensity(1, 5 * SECOND)
        .child("one", RestartRule::Permanent)
        .child("two", rule)
}

#[test]
fn a_child_that_pauses_starts_neither_sooner_nor_much_later() {
    let table = pair(RestartRule::Permanent).pause(2 * SECOND..=3 * SECOND);
    let after = |ms: u64| pair_then(&[(10, ended(1, Exit::Failed)), (10 + ms, started(1))]);
    assert!(violated(&after(1_999), &table).contains("two starts sooner than 2s"));
    [2_000, 3_000, 4_000].iter().for_each(|ms| passes(&after(*ms), &table));
    assert!(violated(&after(4_001), &table).contains("two did not start within 1s"));
    assert!(violated(&after(2_000), &pair(RestartRule::Permanent)).contains("did not start"));
    // While one pauses the other fails, and is started at once.
    let both = pair_then(&[
        (10, ended(1, Exit::Failed)),
        (500, ended(0, Exit::Failed)),
        (500, started(0)),
        (2_500, started(1)),
    ]);
    passes(&both, &table.intensity(2, 5 * SECOND));
}

#[test]
fn a_budget_is_of_one_child_alone() {
    let fails = |times: u64| {
        let fall = |nth| [(nth * 10, ended(1, Exit::Failed)), (nth * 10, started(1))];
        let mut events: Vec<_> = (1..=times).flat_map(fall).collect();
        events.push(((times + 1) * 10, ended(1, Exit::Failed)));
        events
    };
    let with = |times, last: &[What]| {
        let last = last.iter().map(|what| (1_000, what.clone()));
        pair_then(&fails(times).into_iter().chain(last).collect::<Vec<_>>())
    };
    let down = pair(RestartRule::Permanent).budget(3, 5 * SECOND, WhenSpent::ChildStaysDown);
    passes(&with(3, &[]), &down);
    // The supervisor has restarts of its own left.
    passes(&with(3, &[ended(0, Exit::Failed), started(0)]), &down);
    assert!(violated(&with(3, &[started(1)]), &down).contains("two starts and is not to start"));
    assert!(violated(&with(2, &[]), &down).contains("two did not start within 1s"));
    let ends = pair(RestartRule::Permanent).budget(3, 5 * SECOND, WhenSpent::SupervisorEnds);
    passes(&with(3, &[ended(0, Exit::Ordered), over()]), &ends);
    assert!(violated(&with(3, &[]), &ends).contains("it has not ended within 1s"));
}

#[test]
fn a_supervisor_ends_after_its_significant_children() {
    let of = |ends_after| {
        let table = SupervisionTable::new("sup", RestartStrategy::OneForOne, SECOND)
            .child("one", RestartRule::Transient)
            .significant()
            .child("two", RestartRule::Temporary)
            .significant();
        table.ends_after(ends_after)
    };
    let first = (10, ended(0, Exit::Normal));
    let ends = pair_then(&[first.clone(), (20, ended(1, Exit::Ordered)), (20, over_by_order())]);
    passes(&ends, &of(EndsAfter::AnySignificant));
    let text = violated(&pair_then(std::slice::from_ref(&first)), &of(EndsAfter::AnySignificant));
    assert!(text.contains("it has not ended within 1s"), "{text}");
    passes(&pair_then(std::slice::from_ref(&first)), &of(EndsAfter::AllSignificant));
    passes(&pair_then(std::slice::from_ref(&first)), &of(EndsAfter::Nobody));
    let last = (500, ended(1, Exit::Failed));
    passes(
        &pair_then(&[first.clone(), last.clone(), (600, over_by_order())]),
        &of(EndsAfter::AllSignificant),
    );
    let text = violated(&pair_then(&[first, last]), &of(EndsAfter::AllSignificant));
    assert!(text.contains("it has not ended within 1s"), "{text}");
    // A transient one that fails is not gone.
    let again = pair_then(&[(10, ended(0, Exit::Failed)), (20, started(0))]);
    passes(&again, &of(EndsAfter::AnySignificant));
}
