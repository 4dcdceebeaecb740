//! Coming back in a new life, or making way for one.

use std::time::Duration;

use foca::OwnedNotification;
use odeon_message::Incarnation;

use super::{Membership, Phase, next_life};
use crate::{Effect, Member, identity::Identity, outbox::Output};

/// Most members that are told at once that we are back; gossip tells the others.
const TOLD_MAX: usize = 3;

impl Membership {
    /// Somebody knows our node in the life `known`.
    ///
    /// Our present life: it was declared dead. A later one: if we have not joined yet, the clock we took our number
    /// from was behind, and we take a later one; otherwise another program runs under our name, started after us.
    pub(super) fn outdated(&mut self, known: Incarnation) {
        if known < self.me.incarnation {
            return;
        }
        let ours_to_take = known == self.me.incarnation || self.phase == Phase::Joining;
        match next_life(known).filter(|_| ours_to_take) {
            Some(next) => self.rejoin(next),
            None => self.end(Effect::Superseded { by: known }),
        }
    }

    fn rejoin(&mut self, incarnation: Incarnation) {
        let identity = Identity(self.me.with_incarnation(incarnation));
        let done = self.swim.change_identity(identity.clone(), &mut self.outbox);
        self.count_fault(done);
        self.outbox.push(Output::News(OwnedNotification::Rejoin(identity)));
    }

    /// SWIM goes on under a new life.
    pub(super) fn rejoined(&mut self, now: Duration, me: Member) {
        self.me = me;
        self.stats.rejoins += 1;
        self.effects.push(Effect::Rejoined { me: self.me.clone() });
        self.heal.hurry(now);
        self.join.hurry(now);
        self.describe_anew(now);
        let told: Vec<Member> = self.up.values().take(TOLD_MAX).cloned().collect();
        for member in told {
            self.announce(member);
        }
    }
}
