//! Callers that wait for credit or for room in a lane.
//!
//! A caller registers first, then tries once more, then sleeps; so an event between its refusal and its sleep is
//! never lost. It keeps its place until it [forgets](Rooms::forget) it, and whoever was woken and goes passes the
//! wake on, so that one grant reaches as many callers as it has room for. Callers are bounded by their own number:
//! each has at most one entry.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::{Poll, Waker},
    time::Duration,
};

use odeon_message::ActorKey;
use tokio::time::Instant;

/// A place in the queue for room; `Default` is none yet.
#[derive(Debug, Default)]
pub struct RoomWaiter {
    place: Option<(ActorKey, u64)>,
}

impl RoomWaiter {
    /// The place that [`number`](Self::number) named for this receiver; 0 is none.
    #[must_use]
    pub fn from_number(receiver: ActorKey, number: u64) -> Self {
        Self { place: (number != 0).then_some((receiver, number)) }
    }

    /// The place as a number, for callers that keep it elsewhere; 0 is none.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.place.map_or(0, |(_, number)| number)
    }
}

#[derive(Debug)]
enum Entry {
    /// Something happened since the caller last looked.
    Woken,
    /// The caller tries again, or sleeps if there is a waker.
    Waiting(Option<Waker>),
}

/// Everybody who waits at one lane, in order of arrival for each receiver.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    entries: BTreeMap<(ActorKey, u64), Entry>,
    /// Those of them that were not woken: what is walked when something comes free.
    asleep: BTreeSet<(ActorKey, u64)>,
    arrivals: u64,
    /// Since when somebody waits.
    stalled_since: Option<Instant>,
    /// How often somebody came to wait where nobody did, and for how long that was, up to the last end of it.
    stalls: (u64, Duration),
}

impl Rooms {
    pub(super) fn poll(
        &mut self,
        receiver: ActorKey,
        waiter: &mut RoomWaiter,
        waker: &Waker,
    ) -> Poll<()> {
        if waiter.place.is_some_and(|(at, _)| at != receiver) {
            // The caller turned to another receiver; its old place is of no use to it.
            self.remove(waiter);
        }
        let Some(place) = waiter.place else {
            self.arrivals += 1;
            let place = (receiver, self.arrivals);
            waiter.place = Some(place);
            self.entries.insert(place, Entry::Waiting(None));
            self.asleep.insert(place);
            return Poll::Ready(());
        };
        match self.entries.insert(place, Entry::Waiting(None)) {
            Some(Entry::Waiting(_)) => {
                self.entries.insert(place, Entry::Waiting(Some(waker.clone())));
                if self.stalled_since.is_none() {
                    self.stalled_since = Some(Instant::now());
                    self.stalls.0 += 1;
                }
                Poll::Pending
            }
            Some(Entry::Woken) | None => {
                self.asleep.insert(place);
                Poll::Ready(())
            }
        }
    }

    fn remove(&mut self, waiter: &mut RoomWaiter) -> Option<ActorKey> {
        let place = waiter.place.take()?;
        self.asleep.remove(&place);
        let removed = self.entries.remove(&place).map(|_| place.0);
        if self.entries.is_empty() {
            self.stalls.1 += self.stalled_since.take().map_or(Duration::ZERO, |it| it.elapsed());
        }
        removed
    }

    /// Gives the place up; returns the next in line, to be woken.
    pub(super) fn forget(&mut self, waiter: &mut RoomWaiter) -> Option<Waker> {
        let receiver = self.remove(waiter)?;
        self.wake(receiver, 1).pop()
    }

    /// Marks the first `count` callers that wait for `receiver`; returns their wakers, to be woken without a lock.
    pub(super) fn wake(&mut self, receiver: ActorKey, count: u64) -> Vec<Waker> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let of_receiver = self.asleep.range((receiver, 0)..=(receiver, u64::MAX));
        let woken: Vec<_> = of_receiver.take(count).copied().collect();
        woken.into_iter().filter_map(|place| self.mark(place)).collect()
    }

    /// Marks one caller as woken; returns its waker.
    fn mark(&mut self, place: (ActorKey, u64)) -> Option<Waker> {
        self.asleep.remove(&place);
        match self.entries.insert(place, Entry::Woken) {
            Some(Entry::Waiting(waker)) => waker,
            Some(Entry::Woken) | None => None,
        }
    }

    /// Marks everybody.
    pub(super) fn wake_all(&mut self) -> Vec<Waker> {
        let woken = std::mem::take(&mut self.asleep);
        woken.into_iter().filter_map(|place| self.mark(place)).collect()
    }

    /// How many are in line.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How often somebody came to wait where nobody did, and for how long somebody waited, now included.
    pub(super) fn stalls(&self) -> (u64, Duration) {
        let now = self.stalled_since.map_or(Duration::ZERO, |since| since.elapsed());
        (self.stalls.0, self.stalls.1 + now)
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ActorKey = ActorKey { slot: 1, generation: 0 };
    const B: ActorKey = ActorKey { slot: 2, generation: 0 };

    fn settle(rooms: &mut Rooms, receiver: ActorKey) -> RoomWaiter {
        let mut waiter = RoomWaiter::default();
        assert!(rooms.poll(receiver, &mut waiter, Waker::noop()).is_ready());
        assert!(rooms.poll(receiver, &mut waiter, Waker::noop()).is_pending());
        waiter
    }

    #[test]
    fn an_event_between_refusal_and_sleep_is_not_lost() {
        let mut rooms = Rooms::default();
        let mut waiter = RoomWaiter::default();
        assert!(rooms.poll(A, &mut waiter, Waker::noop()).is_ready());
        rooms.wake(A, 1);
        assert!(rooms.poll(A, &mut waiter, Waker::noop()).is_ready());
        assert!(rooms.poll(A, &mut waiter, Waker::noop()).is_pending());
    }

    #[test]
    fn callers_are_woken_in_order_and_pass_it_on() {
        let mut rooms = Rooms::default();
        let mut first = settle(&mut rooms, A);
        let mut second = settle(&mut rooms, A);
        let mut other = settle(&mut rooms, B);
        assert_eq!(rooms.wake(A, 1).len(), 1);
        assert!(rooms.poll(A, &mut second, Waker::noop()).is_pending());
        assert!(rooms.poll(A, &mut first, Waker::noop()).is_ready());
        assert!(rooms.forget(&mut first).is_some());
        assert!(rooms.poll(A, &mut second, Waker::noop()).is_ready());
        assert!(rooms.poll(B, &mut other, Waker::noop()).is_pending());
        assert_eq!(rooms.wake_all().len(), 1);
        assert!(rooms.forget(&mut second).is_none() && rooms.forget(&mut other).is_none());
        assert!(rooms.is_empty() && rooms.asleep.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_somebody_waits_is_counted_once() {
        let ms = Duration::from_millis;
        let mut rooms = Rooms::default();
        let mut first = settle(&mut rooms, A);
        tokio::time::advance(ms(100)).await;
        let mut second = settle(&mut rooms, B);
        tokio::time::advance(ms(100)).await;
        assert_eq!((rooms.len(), rooms.stalls()), (2, (1, ms(200))));
        rooms.forget(&mut first);
        tokio::time::advance(ms(100)).await;
        rooms.forget(&mut second);
        tokio::time::advance(ms(100)).await;
        assert_eq!((rooms.len(), rooms.stalls()), (0, (1, ms(300))));
        let _third = settle(&mut rooms, A);
        tokio::time::advance(ms(1)).await;
        assert_eq!(rooms.stalls(), (2, ms(301)));
    }

    /// A wake used to walk past all who were woken before, under the lock that the writer takes.
    #[test]
    fn waking_many_is_not_a_walk_for_each() {
        const MANY: usize = 1 << 15;
        let mut rooms = Rooms::default();
        let mut waiters: Vec<RoomWaiter> = (0..MANY).map(|_| settle(&mut rooms, A)).collect();
        assert_eq!(rooms.wake_all().len(), MANY);
        for waiter in &mut waiters {
            assert!(rooms.forget(waiter).is_none());
        }
        assert!(rooms.is_empty());
    }
}
