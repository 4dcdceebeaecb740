//! What SWIM wants of the world, kept until `membership.rs` passes it on: packets, news and timers.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use foca::{Notification, OwnedNotification, Timer};
use odeon_message::NodeId;

use crate::{Member, identity::Identity};

/// One thing that SWIM said, in order.
#[derive(Debug)]
pub(crate) enum Output {
    Send {
        to: Member,
        bytes: Bytes,
        idle_only: bool,
    },
    News(OwnedNotification<Identity>),
    /// A suspicion was raised and has its timer.
    Suspect,
    /// To be forgotten after the span that was configured.
    Forget(Member),
}

/// Collects outputs and keeps timers. Emptied after every call, and bounded by what one call can say: a packet for
/// each member that it picks, a piece of news for each update of a packet.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    now: Duration,
    outputs: VecDeque<Output>,
    /// By the time they are due, then in the order they were set. SWIM keeps a handful, and one for each suspicion
    /// that was raised within the time to refute it.
    timers: BTreeMap<(Duration, u64), Timer<Identity>>,
    timers_set: u64,
    /// The last timer of periodic gossip that was set, and how much too early it may be.
    gossip_at: Option<(Duration, u64)>,
    gossip_early: Duration,
}

impl Outbox {
    /// An empty one, for gossip with this period.
    pub(crate) fn new(gossip_period: Duration) -> Self {
        Self { gossip_early: gossip_period / 2, ..Self::default() }
    }

    /// From when on timers count.
    pub(crate) fn set_now(&mut self, now: Duration) {
        self.now = now;
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The news that come right after what was popped last.
    pub(crate) fn peek_news(&self) -> Option<&OwnedNotification<Identity>> {
        match self.outputs.front()? {
            Output::News(news) => Some(news),
            Output::Send { .. } | Output::Suspect | Output::Forget(_) => None,
        }
    }

    /// Takes the earliest timer if it is due, or else that of periodic gossip within half a period of it: a node that is
    /// awake need not be woken for what at rest has nothing to say.
    pub(crate) fn pop_timer(&mut self) -> Option<Timer<Identity>> {
        let first = self.timers.first_entry()?;
        if first.key().0 <= self.now {
            return Some(first.remove());
        }
        let at = self.gossip_at.filter(|at| at.0 <= self.now.saturating_add(self.gossip_early))?;
        self.gossip_at = None;
        self.timers.remove(&at)
    }

    /// When the earliest timer is due.
    pub(crate) fn next_timer(&self) -> Option<Duration> {
        self.timers.keys().next().map(|(due, _)| *due)
    }

    /// Whom this node itself suspects, and in which round; some may have refuted since.
    pub(crate) fn suspects(&self) -> BTreeMap<NodeId, (Member, u16)> {
        let suspects = self.timers.values().filter_map(|timer| match timer {
            Timer::ChangeSuspectToDown { member_id: Identity(member), incarnation, .. } => {
                Some((member.node, (member.clone(), *incarnation)))
            }
            _ => None,
        });
        suspects.collect()
    }

    /// Drops all timers.
    pub(crate) fn stop_timers(&mut self) {
        self.timers.clear();
    }
}

impl foca::Runtime<Identity> for Outbox {
    fn notify(&mut self, news: Notification<'_, Identity>) {
        self.push(Output::News(news.to_owned()));
    }

    fn send_to(&mut self, to: Identity, data: &[u8]) {
        let bytes = Bytes::copy_from_slice(data);
        self.push(Output::Send { to: to.0, bytes, idle_only: false });
    }

    fn submit_after(&mut self, timer: Timer<Identity>, after: Duration) {
        if let Timer::RemoveDown(Identity(member)) = timer {
            self.push(Output::Forget(member));
            return;
        }
        if let Timer::ChangeSuspectToDown { .. } = timer {
            self.push(Output::Suspect);
        }
        self.timers_set += 1;
        let at = (self.now.saturating_add(after), self.timers_set);
        if let Timer::PeriodicGossip(_) = timer {
            self.gossip_at = Some(at);
        }
        self.timers.insert(at, timer);
    }
}

#[cfg(test)]
mod tests {
    use foca::Runtime;

    use super::*;

    #[test]
    fn timers_come_in_order_and_not_before_their_time() {
        let mut outbox = Outbox::default();
        outbox.submit_after(Timer::PeriodicGossip(2), Duration::from_secs(2));
        outbox.submit_after(Timer::PeriodicGossip(1), Duration::from_secs(1));
        outbox.submit_after(Timer::PeriodicAnnounce(1), Duration::from_secs(1));
        assert_eq!(outbox.pop_timer(), None);
        outbox.set_now(Duration::from_secs(1));
        assert_eq!(outbox.pop_timer(), Some(Timer::PeriodicGossip(1)));
        assert_eq!(outbox.pop_timer(), Some(Timer::PeriodicAnnounce(1)));
        assert_eq!(outbox.pop_timer(), None);
        assert_eq!(outbox.next_timer(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn gossip_may_be_half_a_period_early_and_nothing_else_may() {
        let ms = Duration::from_millis;
        let mut outbox = Outbox::new(ms(200));
        outbox.submit_after(Timer::PeriodicAnnounce(1), ms(150));
        outbox.submit_after(Timer::PeriodicGossip(1), ms(200));
        outbox.set_now(ms(99));
        assert_eq!(outbox.pop_timer(), None);
        outbox.set_now(ms(100));
        assert_eq!(outbox.pop_timer(), Some(Timer::PeriodicGossip(1)));
        assert_eq!(outbox.pop_timer(), None);
        assert_eq!(outbox.next_timer(), Some(ms(150)));
    }
}
