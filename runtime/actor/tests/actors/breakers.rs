//! Circuit breakers before targets: what opens them, what they answer, how they close.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use odeon_message::{AskError, Certainty, FailureKind};
use tokio::{task::yield_now, time::advance};

use crate::{
    fixture::{Add, Refuse, Tally, Worker, on_one_thread},
    odeon::{
        ActorRef, ActorSystem, Aim, BreakerConfig, BreakerState, CircuitBreaker, Group, Outcome,
        SpawnOptions, Tally as Count, Target, Window,
    },
};

/// Leads to whichever actor was put in last.
#[derive(Clone)]
struct Switch(Arc<Mutex<ActorRef<Worker>>>);

impl Target for Switch {
    type Actor = Worker;

    fn aim(&self) -> Aim<Worker> {
        Aim::at(self.0.lock().unwrap().clone())
    }
}

async fn alive(system: &ActorSystem) -> ActorRef<Worker> {
    system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await.unwrap()
}

async fn dead(system: &ActorSystem) -> ActorRef<Worker> {
    let before = system.stats().live_actors;
    let actor = alive(system).await;
    actor.stop();
    while system.stats().live_actors > before {
        yield_now().await;
    }
    actor
}

fn config() -> BreakerConfig {
    BreakerConfig {
        calls_min: 4,
        window: Window::Count(8),
        trials_max: 2,
        ..BreakerConfig::default()
    }
}

#[test]
fn failures_open_it_and_trials_close_it() {
    on_one_thread(1, |system| async move {
        let switch = Switch(Arc::new(Mutex::new(dead(&system).await)));
        let breaker = CircuitBreaker::new(switch.clone(), config()).unwrap();
        for _ in 0..2 {
            let error = breaker.ask(Add(1)).await.unwrap_err();
            assert!(matches!(error, AskError::Stopped(_)), "{error}");
            assert_eq!(breaker.tell(Add(1)).await.unwrap_err().failure.kind, FailureKind::Stopped);
        }
        let until_trial = Duration::from_secs(5);
        assert_eq!(breaker.state(), BreakerState::Open { until_trial });

        *switch.0.lock().unwrap() = alive(&system).await;
        advance(Duration::from_secs(2)).await;
        let error = breaker.ask(Add(1)).await.unwrap_err();
        assert!(matches!(error, AskError::Full(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        assert!(error.to_string().contains("open: the next trial is in 3s"), "{error}");
        let returned = breaker.try_tell(Add(7)).unwrap_err();
        assert_eq!(returned.message.unwrap().0, 7, "the message comes back");

        advance(Duration::from_secs(3)).await;
        let asks = [breaker.ask(Add(1)), breaker.ask(Add(2)), breaker.ask(Add(4))];
        let [one, two, three] = asks.map(IntoFuture::into_future);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        let refused = three.await.unwrap_err();
        assert!(refused.to_string().contains("trials are under way"), "{refused}");
        assert_eq!((one.await.unwrap(), two.await.unwrap()), (1, 3));
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(breaker.ask(Add(0)).await.unwrap(), 3);
    });
}

#[test]
fn a_trial_that_fails_opens_it_again_and_one_given_up_makes_room() {
    on_one_thread(1, |system| async move {
        let switch = Switch(Arc::new(Mutex::new(dead(&system).await)));
        let breaker = CircuitBreaker::new(switch.clone(), config()).unwrap();
        for _ in 0..4 {
            breaker.try_tell(Add(1)).unwrap_err();
        }
        advance(Duration::from_secs(5)).await;
        for _ in 0..5 {
            drop(breaker.ask(Add(1)).into_future());
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
        }
        breaker.ask(Add(1)).await.unwrap_err();
        assert!(matches!(breaker.state(), BreakerState::Open { .. }));
    });
}

#[test]
fn a_handlers_own_error_counts_only_if_it_is_told_to() {
    on_one_thread(1, |system| async move {
        let worker = alive(&system).await;
        let lenient = CircuitBreaker::new(worker.clone(), config()).unwrap();
        let counts = |outcome| match outcome {
            Outcome::Refused => Count::Failure,
            other => Count::of(other),
        };
        let strict = CircuitBreaker::new(worker, BreakerConfig { counts, ..config() }).unwrap();
        for _ in 0..8 {
            assert!(matches!(lenient.ask(Refuse).await, Err(AskError::Handler(_))));
            strict.ask(Refuse).await.unwrap_err();
        }
        assert_eq!(lenient.state(), BreakerState::Closed);
        assert!(matches!(strict.state(), BreakerState::Open { .. }));
    });
}

#[test]
fn nobody_behind_it_is_a_failure_too() {
    on_one_thread(1, |system| async move {
        let group = Group::<Worker>::new(1);
        let breaker = CircuitBreaker::new(group.round_robin(), config()).unwrap();
        for _ in 0..4 {
            let error = breaker.ask(Add(1)).await.unwrap_err();
            assert!(error.to_string().contains("no member"), "{error}");
        }
        assert!(matches!(breaker.state(), BreakerState::Open { .. }));
        group.join(&alive(&system).await).unwrap();
        breaker.ask(Add(1)).await.unwrap_err();
    });
}

#[test]
fn values_out_of_bounds_are_named() {
    on_one_thread(1, |system| async move {
        let worker = alive(&system).await;
        let said = |config| CircuitBreaker::new(worker.clone(), config).unwrap_err().to_string();
        let base = BreakerConfig::default;
        for (config, field) in [
            (BreakerConfig { failure_percent: 101, ..base() }, "failure_percent is 101"),
            (BreakerConfig { calls_min: 0, ..base() }, "calls_min is 0"),
            (BreakerConfig { trials_max: 0, ..base() }, "trials_max is 0"),
            (BreakerConfig { open_for: Duration::ZERO, ..base() }, "open_for is 0"),
            (BreakerConfig { window: Window::Count(3), ..base() }, "window is 3"),
            (BreakerConfig { window: Window::Count(70_000), ..base() }, "window is 70000"),
            (BreakerConfig { window: Window::Time(Duration::ZERO), ..base() }, "window is 0"),
        ] {
            assert!(said(config).contains(field), "{field}");
        }
    });
}
