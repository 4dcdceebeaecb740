//! The decisions of a circuit breaker: a time and an event go in, an effect comes out.
//!
//! The states are those of M. Nygard, "Release It!" (2007), and the windows those of resilience4j: the last outcomes by
//! count, or those of the last span of time in ten steps. What it is NOT: a clock or a lock; `breaker.rs` has both.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{BreakerConfig, Tally, Window};

/// Steps in which a window of time moves on.
const STEPS: u32 = 10;

/// What a breaker is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// Somebody wants to send.
    Sending,
    /// A send that passed is over.
    Over(Ticket, Tally),
}

/// What a breaker decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// The send passes.
    Pass(Ticket),
    /// The send is refused; the next trial is that far away, or waits for the end of those under way.
    Refuse(Option<Duration>),
    /// The circuit has opened.
    Opened,
    /// The circuit has closed.
    Closed,
    /// Nothing changes.
    Nothing,
}

/// Which state let a send pass: what is over later counts for no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ticket(u64);

#[derive(Debug)]
enum State {
    Closed(Outcomes),
    Open { until: Instant },
    HalfOpen { under_way: u32, succeeded: u32 },
}

#[derive(Debug)]
pub(super) struct Circuit {
    config: BreakerConfig,
    state: State,
    /// Changes with the state.
    epoch: u64,
}

impl Circuit {
    /// A closed circuit; `config` was checked.
    pub(super) fn new(config: BreakerConfig) -> Self {
        let state = State::Closed(Outcomes::new(config.window));
        Self { config, state, epoch: 0 }
    }

    /// How long until a trial passes; zero if one would now, `None` if the circuit is closed.
    pub(super) fn until_trial(&self, now: Instant) -> Option<Duration> {
        match &self.state {
            State::Closed(_) => None,
            State::Open { until } => Some(until.saturating_duration_since(now)),
            State::HalfOpen { .. } => Some(Duration::ZERO),
        }
    }

    pub(super) fn is_open(&self, now: Instant) -> bool {
        matches!(self.state, State::Open { until } if now < until)
    }

    pub(super) fn step(&mut self, now: Instant, event: Event) -> Effect {
        match event {
            Event::Sending => self.sending(now),
            Event::Over(ticket, tally) if ticket.0 == self.epoch => self.over(now, tally),
            Event::Over(..) => Effect::Nothing,
        }
    }

    fn sending(&mut self, now: Instant) -> Effect {
        if let State::Open { until } = self.state {
            if now < until {
                return Effect::Refuse(Some(until - now));
            }
            self.go(State::HalfOpen { under_way: 0, succeeded: 0 });
        }
        if let State::HalfOpen { under_way, succeeded } = &mut self.state {
            if *under_way + *succeeded >= self.config.trials_max {
                return Effect::Refuse(None);
            }
            *under_way += 1;
        }
        Effect::Pass(Ticket(self.epoch))
    }

    fn over(&mut self, now: Instant, tally: Tally) -> Effect {
        let opens = match &mut self.state {
            State::Closed(outcomes) => {
                let failed = match tally {
                    Tally::Neither => return Effect::Nothing,
                    Tally::Failure => true,
                    Tally::Success => false,
                };
                let (all, failures) = outcomes.add(now, failed);
                let percent = u64::from(self.config.failure_percent);
                failed && all >= u64::from(self.config.calls_min) && failures * 100 >= all * percent
            }
            // A ticket of this epoch was given out in another state, or not at all.
            State::Open { .. } => return Effect::Nothing,
            State::HalfOpen { under_way, succeeded } => {
                *under_way = under_way.saturating_sub(1);
                *succeeded += u32::from(tally == Tally::Success);
                if *succeeded >= self.config.trials_max {
                    self.go(State::Closed(Outcomes::new(self.config.window)));
                    return Effect::Closed;
                }
                tally == Tally::Failure
            }
        };
        if !opens {
            return Effect::Nothing;
        }
        // A span that no clock reaches is cut, so that the circuit closes some day.
        let until = now.checked_add(self.config.open_for).unwrap_or(now + BreakerConfig::OPEN_MAX);
        self.go(State::Open { until });
        Effect::Opened
    }

    fn go(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

/// The outcomes in the window.
#[derive(Debug)]
enum Outcomes {
    /// The last ones, oldest first, and how many of them failed.
    Count { kept: u32, last: VecDeque<bool>, failures: u64 },
    /// By step of time.
    Time { step: Duration, steps: VecDeque<Step> },
}

#[derive(Debug)]
struct Step {
    began: Instant,
    all: u64,
    failures: u64,
}

impl Outcomes {
    fn new(window: Window) -> Self {
        match window {
            Window::Count(kept) => Self::Count { kept, last: VecDeque::new(), failures: 0 },
            Window::Time(span) => Self::Time { step: span / STEPS, steps: VecDeque::new() },
        }
    }

    /// Adds one; how many there are now, and how many failed.
    fn add(&mut self, now: Instant, failed: bool) -> (u64, u64) {
        match self {
            Self::Count { kept, last, failures } => {
                if last.len() >= *kept as usize {
                    let gone = last.pop_front().unwrap_or(false);
                    *failures -= u64::from(gone);
                }
                last.push_back(failed);
                *failures += u64::from(failed);
                (last.len() as u64, *failures)
            }
            Self::Time { step, steps } => {
                let old = *step * STEPS;
                while steps.front().is_some_and(|s| now.saturating_duration_since(s.began) >= old) {
                    steps.pop_front();
                }
                let fresh =
                    steps.back().is_none_or(|s| now.saturating_duration_since(s.began) >= *step);
                if fresh {
                    steps.push_back(Step { began: now, all: 0, failures: 0 });
                }
                if let Some(present) = steps.back_mut() {
                    present.all += 1;
                    present.failures += u64::from(failed);
                }
                let sum = |part: fn(&Step) -> u64| steps.iter().map(part).sum();
                (sum(|step| step.all), sum(|step| step.failures))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(window: Window) -> BreakerConfig {
        BreakerConfig {
            failure_percent: 50,
            calls_min: 4,
            window,
            open_for: Duration::from_secs(5),
            trials_max: 2,
            ..BreakerConfig::default()
        }
    }

    #[derive(Clone, Debug)]
    enum Do {
        Send,
        End { which: usize, tally: Tally },
        Wait(u64),
    }

    fn doings() -> impl Strategy<Value = Vec<Do>> {
        let tally = prop_oneof![Just(Tally::Success), Just(Tally::Failure), Just(Tally::Neither)];
        let one = prop_oneof![
            4 => Just(Do::Send),
            4 => (any::<usize>(), tally).prop_map(|(which, tally)| Do::End { which, tally }),
            1 => (0_u64..7_000).prop_map(Do::Wait),
        ];
        prop::collection::vec(one, 0..300)
    }

    /// What the circuit must do, said plainly.
    struct Model {
        open_until: Option<Instant>,
        half: bool,
        since_change: Vec<(Instant, bool)>,
        trials: (u32, u32),
        lives: u64,
    }

    proptest! {
        /// Against a model that keeps every outcome: passes, trials and the moment of opening are the same.
        #[test]
        fn it_opens_and_closes_as_the_model(doings in doings()) {
            let config = config(Window::Count(8));
            let mut circuit = Circuit::new(config.clone());
            let mut now = Instant::now();
            let mut under_way = Vec::new();
            let mut model = Model { open_until: None, half: false, since_change: Vec::new(), trials: (0, 0), lives: 0 };
            for doing in doings {
                match doing {
                    Do::Wait(millis) => now += Duration::from_millis(millis),
                    Do::Send => {
                        if model.open_until.is_some_and(|until| now >= until) {
                            (model.open_until, model.half, model.trials) = (None, true, (0, 0));
                            model.lives += 1;
                        }
                        let passes = model.open_until.is_none() && (!model.half || model.trials.0 + model.trials.1 < 2);
                        match circuit.step(now, Event::Sending) {
                            Effect::Pass(ticket) => {
                                prop_assert!(passes);
                                model.trials.0 += u32::from(model.half);
                                under_way.push((ticket, model.lives));
                            }
                            Effect::Refuse(wait) => {
                                prop_assert!(!passes);
                                prop_assert_eq!(wait, model.open_until.map(|until| until - now));
                            }
                            other => prop_assert!(false, "{other:?}"),
                        }
                    }
                    Do::End { which, tally } => {
                        if under_way.is_empty() {
                            continue;
                        }
                        let (ticket, life) = under_way.swap_remove(which % under_way.len());
                        let effect = circuit.step(now, Event::Over(ticket, tally));
                        let mut expected = Effect::Nothing;
                        if life == model.lives && model.open_until.is_none() {
                            let failed = tally == Tally::Failure;
                            if model.half {
                                model.trials.0 -= 1;
                                model.trials.1 += u32::from(tally == Tally::Success);
                                if model.trials.1 == 2 {
                                    (model.half, model.since_change) = (false, Vec::new());
                                    model.lives += 1;
                                    expected = Effect::Closed;
                                }
                            } else if tally != Tally::Neither {
                                model.since_change.push((now, failed));
                            }
                            let last = model.since_change.iter().rev().take(8);
                            let failures = last.clone().filter(|(_, failed)| *failed).count();
                            let many = last.len() >= 4 && failures * 2 >= last.len();
                            if failed && (model.half || many) {
                                model.open_until = Some(now + Duration::from_secs(5));
                                (model.half, model.since_change) = (false, Vec::new());
                                model.lives += 1;
                                expected = Effect::Opened;
                            }
                        }
                        prop_assert_eq!(effect, expected);
                    }
                }
            }
        }

        /// What is older than the window does not count, what is younger than nine tenths of it does.
        #[test]
        fn a_window_of_time_forgets(gaps in prop::collection::vec((0_u64..400, any::<bool>()), 1..200)) {
            let mut outcomes = Outcomes::new(Window::Time(Duration::from_secs(1)));
            let mut now = Instant::now();
            let mut all = Vec::new();
            for (gap, failed) in gaps {
                now += Duration::from_millis(gap);
                all.push((now, failed));
                let (counted, failures) = outcomes.add(now, failed);
                let within = |millis: u64| {
                    let young = all.iter().filter(|(at, _)| now - *at < Duration::from_millis(millis));
                    (young.clone().count() as u64, young.filter(|(_, failed)| *failed).count() as u64)
                };
                prop_assert!(counted <= within(1_000).0 && counted >= within(900).0);
                prop_assert!(failures <= within(1_000).1 && failures >= within(900).1);
            }
        }
    }
}
