//! Each node touches the next ones in the ring of node ids, so that no closed port stays unnoticed for long.
//!
//! A member to whom anything else was sent since the last touch needs none; who sends sees to that. So it may take two
//! periods until the next packet goes out.
//!
//! SWIM probes at random: in an idle cluster a killed member may stay unprobed for several periods. A touch costs 34
//! bytes at most, and one where the transport knocks in its place; each node sends as many in a large cluster as in a
//! small one, and each is touched as often. A silent member is not found this way, because nothing waits for an answer;
//! that is SWIM's.

use std::{
    ops::Bound::{Excluded, Unbounded},
    time::Duration,
};

use super::Membership;
use crate::{MembershipConfig, packet::TouchKind};

#[derive(Debug, Default)]
pub(super) struct Ring {
    touch_at: Option<Duration>,
}

impl Ring {
    /// When to touch again.
    pub(super) fn next(&self) -> Option<Duration> {
        self.touch_at
    }

    /// There is somebody to touch.
    pub(super) fn begin(&mut self, now: Duration, config: &MembershipConfig) {
        self.touch_at.get_or_insert(now + config.touch_period);
    }
}

impl Membership {
    /// Touches when it is time, or with a probe that goes out shortly before: a node at rest is woken once for both.
    pub(super) fn ring_due(&mut self, now: Duration, probing: bool) {
        let shorter = self.config.touch_period.min(self.config.probe_period);
        let early = if probing { shorter / 2 } else { Duration::ZERO };
        if self.ring.touch_at.is_none_or(|at| at > now + early) {
            return;
        }
        let after = self.up.range((Excluded(self.me.node), Unbounded));
        let before = self.up.range(..self.me.node);
        for (_, member) in after.chain(before).take(self.config.touch_members) {
            Self::touch(&mut self.outbox, TouchKind::Touch, &self.me, member);
        }
        let period = self.config.touch_period.max(Duration::from_millis(1));
        self.ring.touch_at = (!self.up.is_empty()).then(|| now + period);
    }
}
