//! A point in time that a send on any executor waits for: the node's own timer, made on first need.
//!
//! The timer belongs to the node's runtime, so that asks can be awaited on any executor, one without timers among
//! them. It is made late, because most answers come before: until the worker's poll is over on a worker's thread
//! (`untimed.rs`), until the watchdog looks on any other, and everywhere for an answer of another node, which is never
//! there when the poll ends (`lobby.rs`). Data comes from `tell.rs` and `ask.rs`.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    ActorSystem,
    worker::{Worker, arm_later, note_time, waiting::has_not_swept},
};

/// What is due for a send that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    Nothing,
    /// To look whom it waits for.
    Look,
    /// To give up.
    End,
}

/// When a send gives up. `None` is so far away that nobody waits for it; such a send is woken once all the same, to look
/// whom it waits for.
#[derive(Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    /// It has been polled without a timer.
    deferred: bool,
    /// How many others were without a timer when the message was run on this stack, until the first poll.
    place: Option<usize>,
    /// How often the worker had woken those without a timer by then.
    swept: u32,
    /// How often the lobbies had been looked at when it first waited in one.
    looked: Option<u32>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn after(within: Duration) -> Self {
        let now = Instant::now();
        note_time(now);
        Self::until(now.checked_add(within), None)
    }

    /// `at`, of a send that is begun right now; or which was, when so many others were without a timer, and its receiver
    /// has had a turn since.
    pub(crate) fn until(at: Option<Instant>, place: Option<usize>) -> Self {
        Self { at, deferred: false, place, swept: 0, looked: None, timer: None }
    }

    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Whether it was polled before: what it is for has not come at once.
    pub(crate) fn has_begun(&self) -> bool {
        self.deferred
    }

    /// The sweeps of the worker in whose poll the wait began.
    pub(crate) fn swept(&self) -> u32 {
        self.swept
    }

    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether time is up; else the task is woken when it is.
    pub(crate) fn is_over(&mut self, system: &ActorSystem, cx: &mut Context<'_>) -> bool {
        self.poll(system, None, None, cx) == Due::End
    }

    /// What is due of an ask that another node answers: its end, or before that a look at this time. The task is woken at
    /// the next of them.
    pub(crate) fn due(
        &mut self,
        look: Option<Instant>,
        system: &ActorSystem,
        cx: &mut Context<'_>,
    ) -> Due {
        // Most answers come long before a look is due, and so the watchdog's does not come too late for it.
        if self.timer.is_none()
            && system.lobbies().look_within(system.config().probe_after)
            && !system.is_gone()
            && self.waits_in_lobby(system, cx)
        {
            self.deferred = true;
            return Due::Nothing;
        }
        self.poll(system, None, look, cx)
    }

    /// The same for a send that one of this worker's actors ends, most likely in the worker's next poll.
    pub(crate) fn is_over_at(&mut self, worker: &Worker, cx: &mut Context<'_>) -> bool {
        self.poll(worker.system(), Some(worker), None, cx) == Due::End
    }

    fn poll(
        &mut self,
        system: &ActorSystem,
        answerer: Option<&Worker>,
        look: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Due {
        // Once the system is gone its runtime may be gone too, and a timer would panic.
        if self.at.is_some() && system.is_gone() {
            return Due::End;
        }
        // A read is polled twice before the worker's poll ends, the second time with a waker of its own.
        if self.timer.is_none() && (!self.deferred || has_not_swept(self.swept)) {
            self.deferred = true;
            if let Some(swept) = arm_later(cx.waker(), answerer, self.place.take()) {
                self.swept = swept;
                return Due::Nothing;
            }
        }
        if self.timer.is_none() && look.is_none() && self.waits_in_lobby(system, cx) {
            return Due::Nothing;
        }
        // What has no end is not looked at either, once the system is gone.
        let look = look.filter(|_| self.at.is_some() || !system.is_gone());
        let Some(at) = look.into_iter().chain(self.at).min() else { return Due::Nothing };
        let timer = self.timer.get_or_insert_with(|| {
            let _entered = system.runtime().enter();
            Box::pin(sleep_until(at))
        });
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        match timer.as_mut().poll(cx) {
            Poll::Pending => Due::Nothing,
            Poll::Ready(()) if self.at.is_some_and(|end| end <= at) => Due::End,
            Poll::Ready(()) => Due::Look,
        }
    }

    /// Whether it does without a timer until the lobbies are looked at, for the first time since it began to wait there.
    fn waits_in_lobby(&mut self, system: &ActorSystem, cx: &Context<'_>) -> bool {
        // The time of the last look is taken for the present.
        system.rouse();
        let lobbies = system.lobbies();
        let looks = lobbies.looks();
        let first = *self.looked.get_or_insert(looks) == looks;
        let enters = first && lobbies.enter(self.at, cx.waker());
        // Once more, for the watchdog may have begun to rest meanwhile; from here on it finds whoever is there.
        system.rouse();
        enters
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::{SystemConfig, by_hand::ByHand};

    /// Each of many asks a second made a timer, and took it back.
    #[test]
    fn an_ask_of_another_node_makes_no_timer_before_the_watchdog_looks() {
        let hand = ByHand::new(SystemConfig::default());
        // A clone, whose own clones are one with it: a build may have the table of the original twice.
        let waker = Waker::noop().clone();
        let (system, mut cx) = (hand.system.clone(), Context::from_waker(&waker));
        let began = Instant::now();
        let at = |seconds| began.checked_add(Duration::from_secs(seconds));
        let make = || Deadline::until(at(5), None);
        let mut unwatched = make();
        assert_eq!(unwatched.due(at(1), &system, &mut cx), Due::Nothing);
        assert!(unwatched.timer.is_some(), "nobody looks who would wake it");
        let looking = system.lobbies().begin(Duration::from_millis(50));
        let mut deadline = make();
        for look in [None, at(1), at(1)] {
            assert_eq!(deadline.due(look, &system, &mut cx), Due::Nothing);
            assert!(deadline.timer.is_none() && deadline.has_begun());
        }
        looking.look(began);
        assert_eq!(deadline.due(at(1), &system, &mut cx), Due::Nothing);
        assert_eq!(deadline.timer.as_ref().map(|timer| timer.deadline()), at(1));
        drop(looking);
        let seldom = system.lobbies().begin(system.config().probe_after * 2);
        let mut deadline = make();
        assert_eq!(deadline.due(at(1), &system, &mut cx), Due::Nothing);
        assert!(deadline.timer.is_some(), "a look would come too late");
        drop((seldom, unwatched, deadline));
        hand.close();
    }
}
