//! Whom this node suspects, it tells so, until the member refutes or is down.
//!
//! SWIM lets a suspicion travel as news, and news end after a few transmissions: a member that was cut off in that
//! second never hears of it and dies of a network that is long whole again. Lifeguard's buddy system tells the suspect
//! with every probe; here each node that raised a suspicion itself sends the suspect a probe with nothing but that.
//! The answer carries the round that refutes.

use std::time::Duration;

use super::Membership;
use crate::{outbox::Output, packet};

/// When to tell again.
#[derive(Debug, Default)]
pub(super) struct Accuse {
    tell_at: Option<Duration>,
}

impl Accuse {
    pub(super) fn next(&self) -> Option<Duration> {
        self.tell_at
    }
}

impl Membership {
    /// SWIM raised a suspicion of our own.
    pub(super) fn accuse(&mut self, now: Duration) {
        self.accuse.tell_at.get_or_insert(now);
    }

    pub(super) fn accuse_due(&mut self, now: Duration) {
        if self.accuse.tell_at.is_none_or(|at| at > now) {
            return;
        }
        let mut suspects = self.outbox.suspects();
        suspects.retain(|_, (member, round)| self.is_suspect(member, *round));
        for (member, round) in suspects.values() {
            let bytes = packet::write_suspect(&self.me, member, *round).into();
            self.outbox.push(Output::Send { to: member.clone(), bytes, idle_only: false });
        }
        let period = self.config.gossip_period.max(Duration::from_millis(1));
        self.accuse.tell_at = (!suspects.is_empty()).then(|| now + period);
    }
}
