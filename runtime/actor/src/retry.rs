//! Asking again: what was not delivered is sent again, within the ask's one deadline and under a budget.
//!
//! A failure says what is known about the message, and that decides: not delivered is sent again, what may have run
//! only if its type is declared `#[message(idempotent, …)]`. Pauses grow exponentially with full jitter (M. Brooker,
//! "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). A token bucket a system keeps retries from
//! multiplying an overload (as Finagle's `RetryBudget`, and gRFC A6 "Retry Throttling"). All attempts of one ask travel
//! with the same random number, by which another node knows a message again. What it is NOT: a promise that it does; on
//! this node, and where its window has passed, a message that was sent twice runs twice. Read `ask.rs` for one attempt.

use std::{
    future::{Future, IntoFuture, poll_fn},
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::Poll,
    time::Duration,
};

use odeon_message::{AskError, Certainty, FailureKind, Message, planted::Bug};
use tokio::time::Instant;

use crate::{ActorSystem, Ask, AskFuture, Handler, deadline::Deadline, stats::count};

/// How an ask is tried again.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// # use odeon_actor as odeon;
/// use odeon::RetryPolicy;
///
/// let policy = RetryPolicy::attempts(4)
///     .pauses(Duration::from_millis(20), Duration::from_millis(500))
///     .attempt_within(Duration::from_secs(1));
/// # let _ = policy; // account.ask(Deposit { cents: 5 }).retry(policy).await
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a policy does nothing by itself"]
pub struct RetryPolicy {
    attempts_max: u32,
    pause_min: Duration,
    pause_max: Duration,
    attempt_within: Duration,
}

impl RetryPolicy {
    /// At most so many attempts, the first among them; 0 is taken as 1. Pauses of up to 10 ms that double to at most
    /// 1 s; an attempt has all the time that is left.
    pub const fn attempts(attempts_max: u32) -> Self {
        Self {
            attempts_max,
            pause_min: Duration::from_millis(10),
            pause_max: Duration::from_secs(1),
            attempt_within: Duration::MAX,
        }
    }

    /// The longest pause before the first retry, and before any; it doubles with each. The pause itself is drawn evenly
    /// between nothing and that, so that those who failed together do not return together.
    pub const fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.pause_min = first;
        self.pause_max = longest;
        self
    }

    /// How long one attempt may take; without it one that hangs takes the whole time of the ask.
    pub const fn attempt_within(mut self, within: Duration) -> Self {
        self.attempt_within = within;
        self
    }

    /// The pause before attempt `made + 1`; `random` is drawn evenly.
    fn pause(&self, made: u32, random: u64) -> Duration {
        let doubled =
            self.pause_min.saturating_mul(1_u32.checked_shl(made - 1).unwrap_or(u32::MAX));
        let longest = u64::try_from(doubled.min(self.pause_max).as_nanos()).unwrap_or(u64::MAX);
        // The high half of the product is even over 0..=longest but for what no clock can show.
        Duration::from_nanos(((u128::from(longest) * u128::from(random)) >> 64) as u64)
    }
}

impl Default for RetryPolicy {
    /// Three attempts.
    fn default() -> Self {
        Self::attempts(3)
    }
}

/// Whether a failure is worth another attempt, and sending the message again does no harm.
fn may_repeat(kind: FailureKind, certainty: Certainty, idempotent: bool, routed: bool) -> bool {
    let harmless = certainty == Certainty::NotDelivered || idempotent;
    match kind {
        FailureKind::Full | FailureKind::Unreachable | FailureKind::Deadline => harmless,
        // The same actor would say so again; another one may be picked.
        FailureKind::Stopped => harmless && routed,
        // A handler that panics does so again, and each time a life ends. The others are the caller's to mend.
        _ => false,
    }
}

/// An ask that is tried again; from [`Ask::retry`]. Await it.
#[must_use = "an ask does nothing unless it is awaited"]
pub struct Retry<A: Handler<M>, M: Message + Clone> {
    ask: Ask<A, M>,
    policy: RetryPolicy,
}

impl<A: Handler<M>, M: Message + Clone> Ask<A, M> {
    /// Tries again what failed without harm: a message that was not delivered, and one that may have run if its type
    /// is declared `#[message(idempotent, …)]`. All attempts and pauses share the ask's one deadline; an error says
    /// what is known over all of them. A target that picks is asked to pick anew each time. Where there is nobody to
    /// pick, such as behind an open circuit, it answers at once.
    ///
    /// Retries are paid from the system's budget: see
    /// [`retry_percent`](crate::SystemConfig::retry_percent). When it is spent, the failure is final.
    ///
    /// A message that may run twice is sent to another node with a number that all its attempts have in common. That node
    /// remembers for half a minute, within bounds, what it answered: it answers again, and joins an attempt to one that
    /// still runs. It forgets when it ends, when there is too much to remember, and what was aborted because nobody waited;
    /// attempts on this node it does not know. So declare idempotent only what may run twice.
    pub fn retry(self, policy: RetryPolicy) -> Retry<A, M> {
        Retry { ask: self, policy }
    }
}

impl<A: Handler<M>, M: Message + Clone> Retry<A, M> {
    /// As [`Ask::within`], for all attempts together.
    pub fn within(mut self, within: Duration) -> Self {
        self.ask = self.ask.within(within);
        self
    }
}

type Answer<M> = Result<<M as Message>::Reply, AskError<<M as Message>::Error>>;

impl<A: Handler<M>, M: Message + Clone> IntoFuture for Retry<A, M> {
    type Output = Answer<M>;
    /// # Cancel safety
    /// As [`AskFuture`], for the attempt that is under way; no further one is made.
    type IntoFuture = Pin<Box<dyn Future<Output = Answer<M>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run(self.ask, self.policy))
    }
}

async fn run<A, M>(ask: Ask<A, M>, policy: RetryPolicy) -> Answer<M>
where
    A: Handler<M>,
    M: Message + Clone,
{
    let Ask { aim, message, within, priority } = ask;
    let mut known = Certainty::NotDelivered;
    let mut repeat = 0;
    let mut end = None;
    let mut made = 0_u32;
    loop {
        let pick = aim.pick().map_err(|failure| AskError::from(failure).at_least(known))?;
        let Some(system) = pick.actor.system().cloned() else {
            let ask = AskFuture::picked(pick, message, within, priority);
            return ask.await.map_err(|e| e.at_least(known));
        };
        let now = Instant::now();
        if made == 0 {
            system.retry_budget().earn();
            end = now.checked_add(within.unwrap_or(system.config().ask_within));
        }
        let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(now));
        let attempt = left.min(policy.attempt_within);
        made += 1;
        let mut ask = AskFuture::picked(pick, message.clone(), Some(attempt), priority);
        if M::IDEMPOTENT && ask.is_far() {
            while repeat == 0 {
                repeat = random(&system);
            }
            ask = ask.repeated(repeat);
        }
        let error = match ask.await {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        known = known.max(error.certainty());
        let error = if Bug::RetryForgetsDoubt.is_planted() { error } else { error.at_least(known) };
        let repeatable = error
            .kind()
            .is_some_and(|kind| may_repeat(kind, known, M::IDEMPOTENT, aim.is_routed()));
        if !repeatable || made >= policy.attempts_max {
            return Err(error);
        }
        let pause = policy.pause(made, random(&system));
        let over = end.is_some_and(|end| end.saturating_duration_since(Instant::now()) <= pause);
        if over || !system.retry_budget().spend() {
            if !over {
                count(&system.counters().retries_refused);
            }
            return Err(error);
        }
        count(&system.counters().retries);
        rest(&system, pause).await;
    }
}

fn random(system: &ActorSystem) -> u64 {
    let mut bytes = [0; 8];
    system.env().entropy(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Waits on the node's timer, so that the caller may be on any executor.
async fn rest(system: &ActorSystem, pause: Duration) {
    let mut deadline = Deadline::after(pause);
    poll_fn(|cx| if deadline.is_over(system, cx) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// What a retry costs, in the unit in which asks earn percents.
const PRICE: u64 = 100;

/// The tokens of one system: first attempts earn, retries spend.
pub(crate) struct RetryBudget {
    tokens: AtomicU64,
    earned: u64,
    saved_max: u64,
}

impl RetryBudget {
    /// A full bucket, so that a system that has asked little may retry, too.
    pub(crate) fn new(percent: u32, saved_max: u32) -> Self {
        let saved_max = u64::from(saved_max) * PRICE;
        Self { tokens: AtomicU64::new(saved_max), earned: u64::from(percent), saved_max }
    }

    fn earn(&self) {
        let more = |tokens: u64| Some((tokens + self.earned).min(self.saved_max));
        // The closure never declines.
        let _ = self.tokens.fetch_update(Relaxed, Relaxed, more);
    }

    fn spend(&self) -> bool {
        self.tokens.fetch_update(Relaxed, Relaxed, |tokens| tokens.checked_sub(PRICE)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy =
            RetryPolicy::attempts(9).pauses(Duration::from_millis(10), Duration::from_millis(50));
        let longest = [1, 2, 3, 4, 40].map(|made| policy.pause(made, u64::MAX).as_micros());
        assert_eq!(longest, [9_999, 19_999, 39_999, 49_999, 49_999]);
        assert_eq!(policy.pause(3, 0), Duration::ZERO);
        assert_eq!(policy.pause(3, 1 << 63), Duration::from_millis(20));
    }

    #[test]
    fn what_may_have_run_is_repeated_only_if_declared() {
        use Certainty::{MayHaveRun, NotDelivered, Ran};
        for kind in [FailureKind::Full, FailureKind::Unreachable, FailureKind::Deadline] {
            assert!(may_repeat(kind, NotDelivered, false, false));
            for certainty in [MayHaveRun, Ran] {
                assert!(!may_repeat(kind, certainty, false, true));
                assert!(may_repeat(kind, certainty, true, false));
            }
        }
        assert!(may_repeat(FailureKind::Stopped, NotDelivered, false, true));
        assert!(!may_repeat(FailureKind::Stopped, NotDelivered, true, false));
        for kind in [FailureKind::Panicked, FailureKind::Deadlock, FailureKind::LocalOnly] {
            assert!(!may_repeat(kind, NotDelivered, true, true));
        }
    }

    proptest! {
        /// Whatever the order, retries stay below what was saved plus the share of what was asked.
        #[test]
        fn retries_never_storm(percent in 0_u32..200, saved in 0_u32..20, asks in prop::collection::vec(any::<bool>(), 0..400)) {
            let budget = RetryBudget::new(percent, saved);
            let (mut firsts, mut retries) = (0_u64, 0_u64);
            for first in asks {
                if first {
                    budget.earn();
                    firsts += 1;
                } else {
                    retries += u64::from(budget.spend());
                }
                prop_assert!(retries * PRICE <= u64::from(saved) * PRICE + firsts * u64::from(percent));
            }
        }
    }
}
