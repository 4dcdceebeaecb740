//! What SWIM says, turned into effects.
//!
//! SWIM says that a member is down, but not why. Nothing refutes death, so the number that would refute a suspicion
//! is free in such news: its two greatest values travel as the reason.

use std::time::Duration;

use foca::{OwnedNotification, State, Timer};
use odeon_message::planted::Bug;

use super::{Membership, Phase};
use crate::{DownReason, Effect, Member, identity::Identity, outbox::Output};

/// In news of death: it said that it leaves.
pub(super) const LEFT: u16 = u16::MAX;
/// In news of death: its port is closed.
pub(super) const UNREACHABLE: u16 = u16::MAX - 1;

impl Membership {
    /// Passes on what SWIM said, until it has no more to say.
    pub(super) fn settle(&mut self, now: Duration) {
        loop {
            let mut changes = false;
            while let Some(output) = self.outbox.pop() {
                match output {
                    Output::Send { to, bytes, idle_only } => {
                        self.effects.push(Effect::Send { to, bytes, idle_only });
                    }
                    Output::Suspect => self.accuse(now),
                    Output::Forget(member) => self.remember_down(now, member),
                    Output::News(news) => changes |= self.news(now, news),
                }
            }
            if !changes {
                return;
            }
            // The first to know tells others at once, and so do they: changes travel in hops, not in periods.
            let done = self.swim.gossip(&mut self.outbox);
            self.count_fault(done);
        }
    }

    /// Takes one piece of news; `true` if others should know at once.
    fn news(&mut self, now: Duration, news: OwnedNotification<Identity>) -> bool {
        match news {
            OwnedNotification::MemberUp(Identity(member)) => {
                self.member_up(now, member);
                return true;
            }
            OwnedNotification::MemberDown(Identity(member)) => {
                let reason = self.reason(&member);
                return self.member_down(&member, reason);
            }
            OwnedNotification::Rename(Identity(old), Identity(new)) => {
                let lives = !matches!(
                    self.outbox.peek_news(),
                    Some(OwnedNotification::MemberDown(Identity(next))) if *next == new
                );
                if self.member_down(&old, DownReason::Replaced) && lives {
                    self.member_up(now, new);
                    return true;
                }
            }
            OwnedNotification::Active => {
                if self.phase == Phase::Joining {
                    self.phase = Phase::Up;
                    self.effects.push(Effect::Joined);
                }
            }
            OwnedNotification::Idle => {}
            OwnedNotification::Rejoin(Identity(me)) => self.rejoined(now, me),
            OwnedNotification::Defunct => {
                self.end(Effect::Superseded { by: self.me.incarnation });
            }
        }
        false
    }

    fn member_up(&mut self, now: Duration, member: Member) {
        self.heal.remove(member.node);
        self.join.remove(member.node);
        self.doubts.clear(member.node, member.incarnation);
        self.ring.begin(now, &self.config);
        self.revise(member.node, |it| {
            it.expect_profile(now, &member);
            it.up.insert(member.node, member.clone());
        });
        self.tune();
        self.effects.push(Effect::Up(member));
    }

    /// Takes a member off; `false` if that life was not up.
    fn member_down(&mut self, member: &Member, reason: DownReason) -> bool {
        if self.up.get(&member.node) != Some(member) {
            return false;
        }
        self.doubts.clear(member.node, member.incarnation);
        let removed = self.revise(member.node, |it| {
            it.profiles.remove(member.node);
            it.up.remove(&member.node)
        });
        let Some(member) = removed else { return false };
        self.tune();
        if reason != DownReason::Replaced || !Bug::ReplacedNotDown.is_planted() {
            self.effects.push(Effect::Down { member, reason });
        }
        true
    }

    /// Whether a timer would end a suspicion that was refuted.
    ///
    /// foca 2.0 leaves such a member alive, but tells it that it is down, so that it comes back in a new life for
    /// nothing; so its timer is not given to it.
    pub(super) fn is_refuted(&self, timer: &Timer<Identity>) -> bool {
        match timer {
            Timer::ChangeSuspectToDown { member_id, incarnation, .. } => {
                !self.is_suspect(&member_id.0, *incarnation)
            }
            _ => false,
        }
    }

    /// Whether a member is suspected in that round.
    pub(super) fn is_suspect(&self, member: &Member, round: u16) -> bool {
        self.swim.iter_membership_state().any(|known| {
            known.state() == State::Suspect
                && known.incarnation() == round
                && known.id().0 == *member
        })
    }

    /// Why SWIM holds a member for dead.
    pub(super) fn reason(&self, member: &Member) -> DownReason {
        let known = self.swim.iter_membership_state().find(|known| known.id().0 == *member);
        match known.filter(|known| known.state() == State::Down).map(foca::Member::incarnation) {
            Some(LEFT) => DownReason::Left,
            Some(UNREACHABLE) => DownReason::Unreachable,
            Some(_) | None => DownReason::Suspected,
        }
    }

    /// Declares a life over because its port is closed.
    pub(super) fn declare_unreachable(&mut self, member: Member) {
        let death = foca::Member::new(Identity(member), UNREACHABLE, State::Down);
        let done = self.swim.apply_many([death].into_iter(), true, &mut self.outbox);
        self.count_fault(done);
    }
}
