//! Members that are down, asked now and then whether they are.
//!
//! After a partition each side holds the other for dead. A member that is asked learns it and comes back in a new
//! life. SWIM's own way of asking stops on a side where one node is left alone, so it is done here. Who left is not
//! asked. A member is forgotten after [`forget_down`](crate::MembershipConfig::forget_down).

use std::{collections::BTreeMap, time::Duration};

use foca::Timer;
use odeon_message::{NodeId, planted::Bug};

use super::Membership;
use crate::{DownReason, Member, identity::Identity};

/// How often the list is looked through.
const PERIOD: Duration = Duration::from_secs(1);
/// Pause before the first question; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Most questions in one look: a partition of hundreds heals in seconds without a burst, because news spread by
/// gossip.
const ASKED_MAX: usize = 3;

/// Members that are down, by node: bounded with the members that are up.
#[derive(Debug, Default)]
pub(super) struct Heal {
    down: BTreeMap<NodeId, Downed>,
    look_at: Option<Duration>,
}

#[derive(Debug)]
struct Downed {
    member: Member,
    left: bool,
    ask_at: Duration,
    pause: Duration,
    forget_at: Duration,
}

impl Heal {
    /// When to look again.
    pub(super) fn next(&self) -> Option<Duration> {
        self.look_at
    }

    /// It is up again.
    pub(super) fn remove(&mut self, node: NodeId) {
        self.down.remove(&node);
    }

    /// Asks everybody anew, soon.
    pub(super) fn hurry(&mut self, now: Duration) {
        self.look_at = (!self.down.is_empty()).then_some(now);
        for downed in self.down.values_mut() {
            downed.ask_at = now;
            downed.pause = PAUSE_MIN;
        }
    }

    /// Those whose time to be forgotten has come.
    fn take_forgotten(&mut self, now: Duration) -> Vec<Member> {
        self.down
            .extract_if(.., |_, downed| downed.forget_at <= now)
            .map(|(_, downed)| downed.member)
            .collect()
    }

    /// Those to ask now, the longest unasked first.
    fn ask(&mut self, now: Duration, pause_max: Duration) -> Vec<Member> {
        let mut due: Vec<_> =
            self.down.values_mut().filter(|downed| !downed.left && downed.ask_at <= now).collect();
        due.sort_by_key(|downed| downed.ask_at);
        due.truncate(ASKED_MAX);
        due.into_iter()
            .map(|downed| {
                downed.ask_at = now + downed.pause;
                downed.pause = (downed.pause * 2).min(pause_max.max(PAUSE_MIN));
                downed.member.clone()
            })
            .collect()
    }
}

impl Membership {
    /// SWIM holds a member for dead.
    pub(super) fn remember_down(&mut self, now: Duration, member: Member) {
        if member.node == self.me.node {
            return; // An earlier life of our own.
        }
        let downed = Downed {
            left: self.reason(&member) == DownReason::Left,
            ask_at: now + PAUSE_MIN,
            pause: PAUSE_MIN * 2,
            forget_at: now + self.config.forget_down,
            member,
        };
        self.heal.down.insert(downed.member.node, downed);
        self.heal.look_at.get_or_insert(now + PERIOD);
    }

    pub(super) fn heal_due(&mut self, now: Duration) {
        if self.heal.look_at.is_none_or(|at| at > now) {
            return;
        }
        for member in self.heal.take_forgotten(now) {
            let done =
                self.swim.handle_timer(Timer::RemoveDown(Identity(member)), &mut self.outbox);
            self.count_fault(done);
        }
        for member in self.heal.ask(now, self.config.heal_period_max) {
            self.announce(member);
        }
        let is_done = self.heal.down.is_empty() || Bug::HealLooksOnce.is_planted();
        self.heal.look_at = (!is_done).then(|| now + PERIOD);
    }
}
