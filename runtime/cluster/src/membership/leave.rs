//! Leaving on purpose: said to the members a few times, because packets get lost.

use std::time::Duration;

use super::{Membership, Phase, news::LEFT};
use crate::{Effect, Member, packet};

/// How often it is said.
const ROUNDS: u8 = 3;
/// Pause after each time; the last leaves the transport time to send.
const PAUSE: Duration = Duration::from_millis(50);
/// Most members that are told by ourselves; the others learn it from them.
const TOLD_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Leave {
    rounds_left: u8,
    say_at: Duration,
}

impl Leave {
    /// When to say it again, or to end.
    pub(super) fn next(&self) -> Duration {
        self.say_at
    }
}

impl Membership {
    pub(super) fn begin_leave(&mut self, now: Duration) {
        self.phase = Phase::Leaving;
        self.outbox.stop_timers();
        let rounds_left = if self.up.is_empty() { 0 } else { ROUNDS };
        self.leave = Leave { rounds_left, say_at: now };
        self.leave_due(now);
    }

    pub(super) fn leave_due(&mut self, now: Duration) {
        if self.leave.say_at > now {
            return;
        }
        let Some(rounds_left) = self.leave.rounds_left.checked_sub(1) else {
            return self.end(Effect::Left);
        };
        self.leave = Leave { rounds_left, say_at: now + PAUSE };
        let told: Vec<Member> = self.up.values().take(TOLD_MAX).cloned().collect();
        for to in told {
            let bytes = packet::write_leave(&self.me, &to, LEFT).into();
            self.effects.push(Effect::Send { to, bytes, idle_only: false });
        }
    }
}
