//! Asking again: what is sent again, how often, and what the error says in the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use odeon_env::RealEnv;
use odeon_message::{AskError, Certainty, Failure, FailureKind, message};
use tokio::time::{Instant, sleep};

use crate::{
    fixture::{in_world, on_one_thread, system_of},
    odeon::{
        Actor, ActorRef, ActorSystem, Aim, Context, Handler, Pick, RetryPolicy, Router,
        SpawnOptions, StartError, SystemConfig, Target,
    },
};

/// Takes its time for the first messages.
struct Slow {
    runs: Arc<AtomicU64>,
    slow: u64,
}

impl Actor for Slow {
    type Args = (Arc<AtomicU64>, u64);

    async fn start((runs, slow): Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { runs, slow })
    }
}

impl Slow {
    async fn run(&mut self) -> u64 {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        if run <= self.slow {
            sleep(Duration::from_millis(150)).await;
        }
        run
    }
}

#[derive(Clone)]
#[message(local, reply = u64, crate = crate::odeon)]
struct Once;

#[derive(Clone)]
#[message(local, idempotent, reply = u64, crate = crate::odeon)]
struct Again;

impl Handler<Once> for Slow {
    async fn handle(&mut self, _: Once, _: &mut Context<Self>) -> u64 {
        self.run().await
    }
}

impl Handler<Again> for Slow {
    async fn handle(&mut self, _: Again, _: &mut Context<Self>) -> u64 {
        self.run().await
    }
}

async fn slow(system: &ActorSystem, slow: u64) -> (ActorRef<Slow>, Arc<AtomicU64>) {
    let runs = Arc::<AtomicU64>::default();
    let args = (runs.clone(), slow);
    let actor = system.spawn::<Slow>(args, SpawnOptions::default()).await.unwrap();
    (actor, runs)
}

const STEP: Duration = Duration::from_millis(100);

fn policy(attempts: u32) -> RetryPolicy {
    RetryPolicy::attempts(attempts)
        .pauses(Duration::from_millis(10), Duration::from_millis(10))
        .attempt_within(STEP)
}

#[test]
fn what_was_not_delivered_is_sent_again_and_runs_once() {
    on_one_thread(1, |system| async move {
        let (actor, runs) = slow(&system, 1).await;
        actor.try_tell(Once).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(actor.ask(Once).retry(policy(5)).await.unwrap(), 2);
        assert_eq!(runs.load(Ordering::SeqCst), 2, "what waited for nothing did not run");
        assert_eq!((system.stats().retries, system.stats().retries_refused), (1, 0));
    });
}

#[test]
fn what_ran_is_sent_again_only_if_it_is_idempotent() {
    on_one_thread(1, |system| async move {
        let (actor, runs) = slow(&system, 1).await;
        let error = actor.ask(Once).retry(policy(5)).await.unwrap_err();
        assert!(matches!(error, AskError::Deadline(_)));
        assert_eq!((error.certainty(), runs.load(Ordering::SeqCst)), (Certainty::Ran, 1));
        assert_eq!(system.stats().retries, 0);

        let (actor, runs) = slow(&system, 1).await;
        assert_eq!(actor.ask(Again).retry(policy(5)).await.unwrap(), 2);
        assert_eq!((runs.load(Ordering::SeqCst), system.stats().retries), (2, 1));
    });
}

#[test]
fn an_error_says_what_is_known_over_all_attempts() {
    on_one_thread(1, |system| async move {
        // The first attempt runs for 150 ms; the second, of 10 ms, never gets its turn.
        let (actor, runs) = slow(&system, 1).await;
        let policy = policy(2).attempt_within(Duration::from_millis(10));
        let error = actor.ask(Again).retry(policy).await.unwrap_err();
        assert_eq!((error.certainty(), runs.load(Ordering::SeqCst)), (Certainty::Ran, 1));
        assert_eq!(system.stats().retries, 1);
    });
}

#[test]
fn all_attempts_share_one_deadline() {
    on_one_thread(1, |system| async move {
        let (actor, _) = slow(&system, 100).await;
        for _ in 0..20 {
            actor.try_tell(Once).unwrap();
        }
        tokio::task::yield_now().await;
        let begun = Instant::now();
        let within = STEP * 5;
        let ask = actor.ask(Once).within(within).retry(policy(u32::MAX));
        let error = ask.await.unwrap_err();
        let took = begun.elapsed();
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        assert!(took > STEP * 4 && took <= within + Duration::from_millis(5), "{took:?}");
        let begun = Instant::now();
        actor.ask(Once).retry(policy(u32::MAX)).within(STEP).await.unwrap_err();
        assert!(begun.elapsed() <= STEP + Duration::from_millis(5), "no pause after the end");
    });
}

#[test]
fn retries_are_paid_from_a_budget() {
    in_world(|| async {
        let mut config = SystemConfig::default();
        config.retry_percent = 50;
        config.retries_saved_max = 2;
        let system = system_of("budget", Arc::new(RealEnv), config);
        system.start_worker();
        let (actor, _) = slow(&system, 1_000).await;
        for _ in 0..200 {
            actor.try_tell(Once).unwrap();
        }
        tokio::task::yield_now().await;
        let policy = policy(100).attempt_within(Duration::from_millis(1));
        actor.ask(Once).retry(policy).await.unwrap_err();
        assert_eq!((system.stats().retries, system.stats().retries_refused), (2, 1));
        for asks in 1..=10 {
            actor.ask(Once).retry(policy).await.unwrap_err();
            assert_eq!(system.stats().retries, 2 + asks / 2, "half of the first attempts");
        }
        system.stop(Duration::from_secs(1)).await;
    });
}

/// Picks a fixed row of actors, one after the other; nobody after the last.
#[derive(Clone)]
struct Row(Arc<(Vec<ActorRef<Slow>>, AtomicU64)>);

impl Target for Row {
    type Actor = Slow;

    fn aim(&self) -> Aim<Slow> {
        Aim::routed(Arc::new(self.clone()))
    }
}

impl Router<Slow> for Row {
    fn pick(&self) -> Result<Pick<Slow>, Failure> {
        let at = self.0.1.fetch_add(1, Ordering::SeqCst) as usize;
        let none = || Failure::not_delivered(FailureKind::Stopped, "nobody");
        self.0.0.get(at).cloned().map(Pick::of).ok_or_else(none)
    }
}

#[test]
fn a_target_picks_anew_for_each_attempt() {
    on_one_thread(1, |system| async move {
        let (dead, _) = slow(&system, 0).await;
        dead.stop();
        while system.stats().live_actors > 0 {
            tokio::task::yield_now().await;
        }
        let (alive, _) = slow(&system, 0).await;
        let row = |actors: &[&ActorRef<Slow>]| {
            let actors = actors.iter().map(|actor| (*actor).clone()).collect();
            Row(Arc::new((actors, AtomicU64::new(0))))
        };
        let picked = row(&[&dead, &dead, &alive]);
        assert_eq!(picked.ask(Once).retry(policy(3)).await.unwrap(), 1);
        // The same actor would say the same again.
        let begun = Instant::now();
        dead.ask(Once).retry(policy(3)).await.unwrap_err();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        // Nobody is left to pick: that is an answer.
        let error = row(&[&dead]).ask(Once).retry(policy(3)).await.unwrap_err();
        assert!(error.to_string().contains("nobody"), "{error}");
    });
}
