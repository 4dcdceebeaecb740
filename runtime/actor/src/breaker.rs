//! The circuit breaker: whoever fails too often is left alone for a while.
//!
//! It stands before one target and counts how its sends go. Too many failures open it: sends are then refused at once,
//! as [`Full`](FailureKind::Full), not delivered, with the time until a trial in the detail. After that time a few sends
//! try; if they succeed it closes. What it is NOT: shared by nodes, or a bound on what is under way; mailbox and credit
//! are that. The decisions are in `breaker/circuit.rs`.

mod circuit;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use odeon_message::{Failure, FailureKind};
use tokio::time::Instant;

use crate::{Aim, Outcome, Pick, Router, Target, Witness};
use circuit::{Circuit, Effect, Event, Ticket};

/// Which outcomes a breaker looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Window {
    /// The last so many.
    Count(u32),
    /// Those of the last span, which moves on in tenths.
    Time(Duration),
}

/// How an outcome counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Tally {
    /// For the target.
    Success,
    /// Against the target.
    Failure,
    /// It says nothing about the target.
    Neither,
}

impl Tally {
    /// The default: a handler's own error is an answer; what the caller did wrong or gave up says nothing; any other
    /// failure is one.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done | Outcome::Refused => Self::Success,
            Outcome::Failed(
                FailureKind::Cancelled
                | FailureKind::Deadlock
                | FailureKind::Incompatible
                | FailureKind::LocalOnly
                | FailureKind::Unsendable,
            )
            | Outcome::Abandoned => Self::Neither,
            Outcome::Failed(_) => Self::Failure,
        }
    }
}

/// When a breaker opens and closes.
#[derive(Clone, Debug)]
pub struct BreakerConfig {
    /// Failures among a hundred outcomes of the window that open it, 1 to 100. Default 50: half of all is no accident.
    pub failure_percent: u32,
    /// Outcomes in the window below which it never opens; at least 1. Default 10: one failure of one send is no rate.
    pub calls_min: u32,
    /// Which outcomes count. Default the last 10 s; a count is 1 to [`COUNT_MAX`](Self::COUNT_MAX).
    pub window: Window,
    /// How long it stays open before trials; not zero. Default 5 s: about what a restart or a fail-over takes.
    pub open_for: Duration,
    /// Sends that pass as trials: all of them must succeed, and the first that fails opens it again. At least 1.
    /// Default 3.
    pub trials_max: u32,
    /// How an outcome counts. Default [`Tally::of`].
    pub counts: fn(Outcome) -> Tally,
}

impl BreakerConfig {
    /// Most outcomes in a window by count.
    pub const COUNT_MAX: u32 = 65_536;
    /// The longest that it stays open.
    const OPEN_MAX: Duration = Duration::from_secs(24 * 3600);

    fn check(&self) -> Result<(), BreakerError> {
        let wrong = |value: u64, field, bounds| Err(BreakerError { field, value, bounds });
        if !(1..=100).contains(&self.failure_percent) {
            return wrong(self.failure_percent.into(), "failure_percent", "1 to 100");
        }
        if self.calls_min == 0 {
            return wrong(0, "calls_min", "at least 1");
        }
        if self.trials_max == 0 {
            return wrong(0, "trials_max", "at least 1");
        }
        if self.open_for.is_zero() {
            return wrong(0, "open_for", "longer than nothing");
        }
        match self.window {
            Window::Count(count) if !(1..=Self::COUNT_MAX).contains(&count) => {
                wrong(count.into(), "window", "a count of 1 to 65536")
            }
            Window::Count(count) if count < self.calls_min => {
                wrong(count.into(), "window", "a count of at least calls_min")
            }
            Window::Time(span) if span < Duration::from_millis(10) => {
                let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                wrong(millis, "window", "a span of at least 10 ms")
            }
            _ => Ok(()),
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_percent: 50,
            calls_min: 10,
            window: Window::Time(Duration::from_secs(10)),
            open_for: Duration::from_secs(5),
            trials_max: 3,
            counts: Tally::of,
        }
    }
}

/// A value of a [`BreakerConfig`] is out of its bounds.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the breaker's {field} is {value}: use {bounds}")]
pub struct BreakerError {
    field: &'static str,
    value: u64,
    bounds: &'static str,
}

/// Where a breaker stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BreakerState {
    /// Sends pass.
    Closed,
    /// Sends are refused.
    Open {
        /// The time until a trial passes.
        until_trial: Duration,
    },
    /// A few sends pass as trials.
    HalfOpen,
}

/// A target with a circuit breaker before it; itself a [`Target`]. Clones share the circuit.
///
/// # Examples
/// ```
/// # use odeon_actor as odeon;
/// use odeon::{Actor, ActorRef, BreakerConfig, BreakerError, CircuitBreaker};
///
/// fn guard<A: Actor>(payments: &ActorRef<A>) -> Result<CircuitBreaker<ActorRef<A>>, BreakerError> {
///     CircuitBreaker::new(payments.clone(), BreakerConfig { failure_percent: 30, ..BreakerConfig::default() })
/// }
/// ```
pub struct CircuitBreaker<T: Target> {
    guarded: Arc<Guarded<T>>,
}

struct Guarded<T> {
    target: T,
    circuit: Arc<Guard>,
}

/// The circuit, as sends under way know it.
struct Guard {
    circuit: Mutex<Circuit>,
    counts: fn(Outcome) -> Tally,
    kind: &'static str,
}

impl<T: Target + Send + Sync + 'static> CircuitBreaker<T> {
    /// Puts a closed breaker before `target`.
    ///
    /// # Errors
    /// When a value of `config` is out of its bounds; the error names it.
    pub fn new(target: T, config: BreakerConfig) -> Result<Self, BreakerError> {
        config.check()?;
        let counts = config.counts;
        let kind = <T::Actor as crate::Actor>::ID.unwrap_or_else(std::any::type_name::<T::Actor>);
        let guard = Guard { circuit: Mutex::new(Circuit::new(config)), counts, kind };
        Ok(Self { guarded: Arc::new(Guarded { target, circuit: Arc::new(guard) }) })
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        let (circuit, now) = (self.guarded.circuit.lock(), Instant::now());
        match circuit.until_trial(now) {
            None => BreakerState::Closed,
            Some(until_trial) if circuit.is_open(now) => BreakerState::Open { until_trial },
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// What it stands before.
    #[must_use]
    pub fn target(&self) -> &T {
        &self.guarded.target
    }
}

impl<T: Target> Clone for CircuitBreaker<T> {
    fn clone(&self) -> Self {
        Self { guarded: self.guarded.clone() }
    }
}

impl<T: Target + Send + Sync + 'static> fmt::Debug for CircuitBreaker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CircuitBreaker({:?}, {:?})", self.guarded.target.aim(), self.state())
    }
}

impl<T: Target + Send + Sync + 'static> Target for CircuitBreaker<T> {
    type Actor = T::Actor;

    fn aim(&self) -> Aim<T::Actor> {
        Aim::routed(self.guarded.clone())
    }
}

impl<T: Target + Send + Sync + 'static> Router<T::Actor> for Guarded<T> {
    fn pick(&self) -> Result<Pick<T::Actor>, Failure> {
        let ticket = self.circuit.admit()?;
        let passing = Box::new(Passing { guard: self.circuit.clone(), ticket });
        match self.target.aim().pick() {
            Ok(pick) => Ok(pick.witnessed(passing)),
            Err(failure) => {
                passing.learn(Outcome::Failed(failure.kind));
                Err(failure)
            }
        }
    }
}

impl Guard {
    fn lock(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self) -> Result<Ticket, Failure> {
        let wait = match self.lock().step(Instant::now(), Event::Sending) {
            Effect::Pass(ticket) => return Ok(ticket),
            Effect::Refuse(Some(wait)) => format!("the next trial is in {wait:?}"),
            _ => "its trials are under way".to_owned(),
        };
        let detail = format!("the circuit to {} is open: {wait}", self.kind);
        Err(Failure::not_delivered(FailureKind::Full, detail))
    }
}

/// A send that passed.
struct Passing {
    guard: Arc<Guard>,
    ticket: Ticket,
}

impl Witness for Passing {
    fn learn(self: Box<Self>, outcome: Outcome) {
        let event = Event::Over(self.ticket, (self.guard.counts)(outcome));
        let effect = self.guard.lock().step(Instant::now(), event);
        let to = self.guard.kind;
        match effect {
            Effect::Opened => tracing::warn!(to, ?outcome, "too many failures: the circuit opens"),
            Effect::Closed => tracing::info!(to, "the circuit closes"),
            _ => {}
        }
    }
}
