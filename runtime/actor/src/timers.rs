//! Timers: messages that an actor sends itself later, or again and again, or when nothing comes.
//!
//! They are [sources](crate::sources): an item never waits behind the mailbox, and all are gone with the life of the
//! actor. They wait on the timers of the node's runtime, as deadlines do. What it is NOT: a clock; nothing here is read
//! when a message comes, except by an actor that has a [receive timeout](Context::receive_timeout).

use std::{
    pin::Pin,
    task::{self, Poll},
    time::Duration,
};

use odeon_env::buggify_number;
use odeon_message::Message;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    Actor, ActorSystem, Context, Handler, SourcesFull,
    envelope::Envelope,
    extras::add_source,
    sources::{Given, Source},
    wakes::{Key, OwnWaker},
};

/// The longest time a timer takes: a longer one is cut to it. About 34 years, at which no clock overflows.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// What becomes of ticks that fall into a time in which the actor was busy. They never pile up: the first of them waits
/// and comes as soon as it can, the others are left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum MissedTicks {
    /// The next one is where it would have been: at a whole number of periods from the start. The default: ticks stay near
    /// the clock.
    #[default]
    Skip,
    /// The next one is a whole period after the late one was handled: two ticks are never closer to each other than that.
    Delay,
}

struct After {
    sleep: Pin<Box<Sleep>>,
    message: Option<Envelope>,
}

impl Source for After {
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Given> {
        self.sleep.as_mut().poll(cx).map(|()| self.message.take().map_or(Given::End, Given::Last))
    }
}

struct Every<F> {
    sleep: Pin<Box<Sleep>>,
    period: Duration,
    missed: MissedTicks,
    /// The last tick was handed out; it was handled when this is polled again.
    ticked: bool,
    make: F,
}

impl<F> Every<F> {
    /// When the next tick is due, after one that was handled just now.
    fn next(&self, now: Instant) -> Instant {
        let last = self.sleep.deadline();
        let next = last + self.period;
        if next > now {
            return next;
        }
        match self.missed {
            MissedTicks::Skip => {
                let late = now.duration_since(last).as_nanos() % self.period.as_nanos();
                // Less than a period, which is far below the bound of 64 bits.
                now + self.period - Duration::from_nanos(u64::try_from(late).unwrap_or(0))
            }
            MissedTicks::Delay => now + self.period,
        }
    }
}

impl<F: FnMut() -> Envelope + Send> Source for Every<F> {
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Given> {
        if std::mem::take(&mut self.ticked) {
            let next = self.next(Instant::now());
            self.sleep.as_mut().reset(next);
        }
        self.sleep.as_mut().poll(cx).map(|()| {
            self.ticked = true;
            Given::Item((self.make)())
        })
    }
}

fn sleep(system: &ActorSystem, until: Instant) -> Pin<Box<Sleep>> {
    let _entered = system.runtime().enter();
    Box::pin(sleep_until(until))
}

impl<A: Actor> Context<A> {
    /// Hands the actor a message after a time, once. With a name, it takes the place of the timer, piped future or
    /// stream of that name, whose message does not come any more, and [`cancel`](Self::cancel) finds it.
    ///
    /// The message is never behind those in the mailbox. It does not come if the life of the actor ends before: by a stop,
    /// a panic or a restart. A time above 34 years counts as that.
    ///
    /// # Errors
    /// When the actor has [`sources_max`](crate::SystemConfig::sources_max) sources already.
    pub fn after<'n, M: Message>(
        &mut self,
        name: impl Into<Option<&'n str>>,
        delay: Duration,
        message: M,
    ) -> Result<(), SourcesFull>
    where
        A: Handler<M>,
    {
        // A timer is never early, and late on a busy thread.
        let late = Duration::from_millis(buggify_number!(1..20).unwrap_or(0));
        let sleep = sleep(self.system(), Instant::now() + delay.min(LONGEST) + late);
        let message = Some(Envelope::tell::<A, M>(message));
        add_source(self, name.into(), Box::new(After { sleep, message }))
    }

    /// Hands the actor a message again and again, the first after one period. Names work as in [`after`](Self::after).
    ///
    /// The next tick is looked for when the last one was handled, so that ticks never pile up; `missed` says what becomes
    /// of those in between. A period of zero counts as a millisecond, one above 34 years as that.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub fn every<'n, M: Message>(
        &mut self,
        name: impl Into<Option<&'n str>>,
        period: Duration,
        missed: MissedTicks,
        mut message: impl FnMut() -> M + Send + 'static,
    ) -> Result<(), SourcesFull>
    where
        A: Handler<M>,
    {
        let period = if period.is_zero() { Duration::from_millis(1) } else { period.min(LONGEST) };
        let sleep = sleep(self.system(), Instant::now() + period);
        let make = move || Envelope::tell::<A, M>(message());
        add_source(
            self,
            name.into(),
            Box::new(Every { sleep, period, missed, ticked: false, make }),
        )
    }

    /// Ends the timer, piped future or stream of this name; `false` if there is none, because it is done or was cancelled.
    /// A message of it that has not begun to be handled does not come any more.
    pub fn cancel(&mut self, name: &str) -> bool {
        let removed = self.extras().sources().cancel(name);
        removed.is_some()
    }

    /// Hands the actor a message whenever for so long no message was handled: from the end of the last handler of a
    /// message of the mailbox, and after that from the last such message. It takes the place of the one set before;
    /// timers, piped futures and streams do not count as messages. A time above 34 years counts as that.
    ///
    /// It is gone with the life of the actor. One clock read a turn, and only while it is set.
    pub fn receive_timeout<M: Message>(
        &mut self,
        after: Duration,
        mut message: impl FnMut() -> M + Send + 'static,
    ) where
        A: Handler<M>,
    {
        let after = after.min(LONGEST);
        let since = Instant::now();
        let timer = sleep(self.system(), since + after);
        let make = Box::new(move || Envelope::tell::<A, M>(message()));
        let extras = self.extras();
        let own = extras.wakes.one();
        own.1.wake();
        drop(extras.quiet.replace(Some(Quiet { after, since, timer, make, own })));
    }

    /// Ends the receive timeout, if there is one.
    pub fn end_receive_timeout(&mut self) {
        drop(self.extras().quiet.replace(None));
    }
}

/// A receive timeout. The timer is set anew only when it fires too early, not with each message.
pub(crate) struct Quiet {
    after: Duration,
    since: Instant,
    timer: Pin<Box<Sleep>>,
    make: Box<dyn FnMut() -> Envelope + Send>,
    own: (Key, OwnWaker),
}

impl Quiet {
    /// A message was handled just now.
    pub(crate) fn touch(&mut self) {
        self.since = Instant::now();
    }

    /// Its message, if it is time.
    pub(crate) fn poll(&mut self) -> Option<Envelope> {
        let due = self.since + self.after;
        if self.timer.deadline() < due {
            self.timer.as_mut().reset(due);
        }
        let waker = self.own.1.begin().clone();
        let cx = &mut task::Context::from_waker(&waker);
        if self.timer.as_mut().poll(cx).is_pending() {
            return None;
        }
        self.touch();
        self.timer.as_mut().reset(self.since + self.after);
        // So that the timer knows whom to wake; it is not over again already, unless its time is zero.
        if self.timer.as_mut().poll(cx).is_ready() {
            self.own.1.wake();
        }
        Some((self.make)())
    }
}
